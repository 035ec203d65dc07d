//! How long a statement takes from here, there and back. Must send nothing but what it is given.

use sqlx::Executor;
use sqlx::postgres::PgConnection;

use crate::clock::Clock;

/// The shortest question: what it takes is the round trip.
pub const SHORTEST: &str = "SELECT 1";

/// Microseconds that `sql` takes, sorted.
///
/// # Errors
/// When the server refuses it, or is lost.
pub async fn times_us(
    connection: &mut PgConnection,
    clock: &Clock,
    sql: &'static str,
    times: usize,
) -> Result<Vec<f64>, sqlx::Error> {
    let mut taken = Vec::with_capacity(times);
    for _ in 0..times {
        let began = clock.now_ns();
        connection.execute(sqlx::raw_sql(sql)).await?;
        taken.push((clock.now_ns() - began) as f64 / 1e3);
    }
    taken.sort_by(f64::total_cmp);
    Ok(taken)
}
