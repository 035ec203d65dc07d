//! `--log`: every operation as a line in the format of pgbench's `--log`, for tools that read it.
//!
//! `client transaction latency_us script epoch_s us lag_us retries` (PostgreSQL documentation, pgbench,
//! "Per-Transaction Logging"); the script's number is that of the action. Must be written interval by interval: all
//! would not fit into memory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::drive::recorder::{LogEntry, LogOutcome};

/// The log.
pub(super) struct Transactions {
    file: BufWriter<File>,
    /// Operations of each client so far.
    numbers: BTreeMap<usize, u64>,
}

impl Transactions {
    pub(super) fn create(path: &Path) -> std::io::Result<Self> {
        let file = BufWriter::new(File::create(path)?);
        Ok(Self { file, numbers: BTreeMap::new() })
    }

    /// Adds the operations of an interval; `began_ns` of the driver's clock was `start_us` after 1970.
    pub(super) fn add(&mut self, entries: &[LogEntry], began_ns: u64, start_us: i64) -> std::io::Result<()> {
        let mut sorted: Vec<&LogEntry> = entries.iter().collect();
        sorted.sort_by_key(|entry| entry.at.ended);
        for entry in sorted {
            let number = self.numbers.entry(entry.client).or_default();
            line(&mut self.file, entry, *number, start_us + (entry.at.ended as i64 - began_ns as i64) / 1_000)?;
            *number += 1;
        }
        self.file.flush()
    }
}

fn line(out: &mut impl Write, entry: &LogEntry, number: u64, ended_us: i64) -> std::io::Result<()> {
    let LogEntry { client, action, at, outcome, retries } = entry;
    write!(out, "{client} {number} ")?;
    match outcome {
        LogOutcome::Ok => write!(out, "{}", at.ended.saturating_sub(at.due) / 1_000)?,
        LogOutcome::Skipped => write!(out, "skipped")?,
        LogOutcome::Serialization => write!(out, "serialization")?,
        LogOutcome::Deadlock => write!(out, "deadlock")?,
        LogOutcome::Failed => write!(out, "failed")?,
    }
    let (seconds, micros) = (ended_us.div_euclid(1_000_000), ended_us.rem_euclid(1_000_000));
    let lag_us = at.asked.saturating_sub(at.due) / 1_000;
    writeln!(out, " {action} {seconds} {micros} {lag_us} {retries}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::recorder::Moments;

    #[test]
    fn lines_are_pgbenchs() {
        let at = Moments { due: 1_000_000, asked: 1_500_000, began: 1_500_000, ended: 3_200_000 };
        let mut entry = LogEntry { client: 3, action: 1, at, outcome: LogOutcome::Ok, retries: 2 };
        let mut out = Vec::new();
        line(&mut out, &entry, 7, 1_700_000_000_000_042).unwrap();
        entry.outcome = LogOutcome::Skipped;
        line(&mut out, &entry, 8, 1_700_000_000_000_042).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "3 7 2200 1 1700000000 42 500 2\n3 8 skipped 1 1700000000 42 500 2\n"
        );
    }
}
