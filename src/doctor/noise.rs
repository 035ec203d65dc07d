//! How much this machine's noise hides: the same question asked of two sides that are one, as a proof asks it. Must ask
//! of the server nothing but processor time.

use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor};

use super::{Finding, Grade, Patient};
use crate::clock::Clock;
use crate::postgres::Error;
use crate::stats::paired::{LOOKS, effect, level, pairs_in_all};
use crate::units::{duration_text, percent_text};

/// A slice here is short, for a pilot is: as many as a proof has in a chunk make one here.
const SLICE_NS: u64 = 100_000_000;

/// Slices of each side in a chunk, as in a proof.
const ROUNDS: usize = 6;

/// A slice and its mirror on a proof's three sides take this long, in seconds.
const PROOF_CHUNK_S: f64 = 18.0;

/// The answer one would like to have.
const MARGIN: f64 = 0.05;

/// Longer than this nobody waits.
const PATIENCE_S: f64 = 3_600.0;

const ASKED: &str = "SELECT sum(n % 7) FROM generate_series(1, 2000) n";

pub(super) async fn examine(patient: &Patient, clock: &Clock) -> Result<Vec<Finding>, Error> {
    let mut connection = patient.target.connect().await?;
    let chunk_s = SLICE_NS as f64 / 1e9 * (2 * ROUNDS) as f64;
    let chunks = ((patient.pilot_s / chunk_s) as usize).max(8);
    let mut ratios = [Vec::new(), Vec::new()];
    for _ in 0..chunks {
        let chunk = chunk(&mut connection, clock).await.map_err(|e| Error::doing("listen to the noise", e))?;
        for (of, ratio) in ratios.iter_mut().zip(chunk) {
            of.push(ratio);
        }
    }
    let _ = connection.close().await;
    let names = ["noise of p50", "noise of p95"];
    Ok(names.into_iter().zip(&ratios).filter_map(|(name, ratios)| finding(name, ratios)).collect())
}

/// ln of the ratios of p50 and p95 between two sides that are one.
async fn chunk(connection: &mut PgConnection, clock: &Clock) -> Result<[f64; 2], sqlx::Error> {
    let mut sides = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        for side in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
            let end = clock.now_ns() + SLICE_NS;
            loop {
                let began = clock.now_ns();
                if end <= began {
                    break;
                }
                connection.execute(sqlx::raw_sql(ASKED)).await?;
                sides[side].push((clock.now_ns() - began) as f64);
            }
        }
    }
    let [first, second] = sides.map(|mut values| {
        values.sort_by(f64::total_cmp);
        [0.50, 0.95].map(|q| values[(values.len() as f64 * q) as usize].ln())
    });
    Ok([second[0] - first[0], second[1] - first[1]])
}

fn finding(name: &'static str, ratios: &[f64]) -> Option<Finding> {
    let found = effect(ratios, level(LOOKS.len()))?;
    let share = |log: f64| log.exp() - 1.0;
    let widest = share(found.interval95.0).abs().max(share(found.interval95.1).abs());
    // As if nothing had been found: how long an answer of the margin takes on noise like this.
    let quiet = crate::stats::paired::Effect { estimate: 0.0, ..found };
    let needed = seconds_needed(ratios, &quiet);
    // Nobody waits for more chunks than a proof may have.
    let most = LOOKS[LOOKS.len() - 1];
    let said = match needed.filter(|seconds| *seconds <= f64::from(most) * PROOF_CHUNK_S) {
        Some(seconds) => format!(
            "two equal sides differ by up to {} here; 5 % of such a statement would be decided in about {}",
            percent_text(widest),
            duration_text(std::time::Duration::from_secs_f64(seconds))
        ),
        None => format!(
            "two equal sides differ by up to {} here; 5 % of such a statement is finer than the {most} chunks of a \
             proof can tell",
            percent_text(widest)
        ),
    };
    let advice = "this machine is noisy: ask for wider margins, more chunks, or --counts-only";
    Some(Finding::new(name, said).when(needed.is_none_or(|seconds| PATIENCE_S < seconds), Grade::Warning, advice))
}

/// Seconds of a proof until sides that are equal are proven so.
fn seconds_needed(ratios: &[f64], quiet: &crate::stats::paired::Effect) -> Option<f64> {
    let chunks = pairs_in_all(ratios, quiet, (1.0 + MARGIN).ln(), level(LOOKS.len()))?;
    Some(chunks.max(LOOKS[0] as usize) as f64 * PROOF_CHUNK_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ratios of a machine whose sides differ by up to `share`, as often up as down.
    fn noise(share: f64) -> Vec<f64> {
        (0..16).map(|n| (f64::from(n) - 7.5) / 7.5 * share).collect()
    }

    #[test]
    fn a_quiet_machine_is_fit_and_a_noisy_one_says_what_to_do() {
        let quiet = finding("noise of p50", &noise(0.01)).unwrap();
        assert_eq!((quiet.grade, quiet.advice), (Grade::Good, None));
        // The fewest chunks that are examined.
        assert!(quiet.found.ends_with("would be decided in about 2 min 24 s"), "{}", quiet.found);
        let noisy = finding("noise of p50", &noise(0.60)).unwrap();
        assert_eq!(noisy.grade, Grade::Warning);
        assert!(noisy.found.ends_with("is finer than the 64 chunks of a proof can tell"), "{}", noisy.found);
        assert!(noisy.advice.unwrap().contains("--counts-only"), "{}", noisy.found);
        assert!(finding("noise of p50", &[0.0; 3]).is_none(), "three say nothing");
    }
}
