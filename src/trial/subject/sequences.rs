//! How far sequences are on every side. Must give no side a key that its migration would not have.

use std::collections::BTreeMap;

use sqlx::Connection;
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::evidence::Side;
use crate::postgres::sql_text::query;
use crate::postgres::{Error, Target};

/// Brings sequences of the other sides to where `after` has them, where the migration took keys: the ones that come
/// next are no other answer. Never further: a sequence that a migration leaves behind its table makes the application
/// fail, and is to be seen. One that a role may not set stays where it is.
///
/// # Errors
/// When a server is lost.
pub(super) async fn follow_sequences([before, control, (_, after)]: &[(Side, Target); 3]) -> Result<(), Error> {
    let of_after = sequences(after).await?;
    let mut taken: BTreeMap<&String, i64> = BTreeMap::new();
    for (_, target) in [before, control] {
        let own = sequences(target).await?;
        let ahead = of_after.iter().filter_map(|(name, (value, ascends))| {
            let (value, known) = ((*value)?, own.get(name)?.0);
            let is_ahead = known.is_none_or(|known| if *ascends { known < value } else { value < known });
            is_ahead.then_some((name, value))
        });
        taken.extend(ahead);
    }
    // On `after` too, where it changes nothing but when the server next writes of it to the WAL: at the same key on
    // every side.
    for (_, target) in
        [before, control].into_iter().chain([&(Side::After, after.clone())]).filter(|_| !taken.is_empty())
    {
        let mut connection = target.connect().await?;
        for (name, value) in &taken {
            let set = query("SELECT setval(to_regclass($1), $2)").bind((*name).clone()).bind(*value);
            let _ = set.execute(&mut connection).await;
        }
        let _ = connection.close().await;
    }
    Ok(())
}

/// The last value of each sequence that a role may read, if it gave any, and whether it ascends.
async fn sequences(target: &Target) -> Result<BTreeMap<String, (Option<i64>, bool)>, Error> {
    let mut connection = target.connect().await?;
    let sql = "SELECT format('%I.%I', schemaname, sequencename), last_value, 0 < increment_by FROM pg_sequences";
    let rows =
        query(sql).fetch_all(&mut connection).await.map_err(|e| Error::doing("read how far sequences are", e))?;
    let _ = connection.close().await;
    let of = |row: &PgRow| Some((row.try_get(0).ok()?, (row.try_get(1).ok()?, row.try_get(2).ok()?)));
    Ok(rows.iter().filter_map(of).collect())
}
