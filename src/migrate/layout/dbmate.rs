//! dbmate: `-- migrate:up` and `-- migrate:down` in one file, each sent as one string. Must refuse what dbmate refuses.
//!
//! Source: dbmate `pkg/dbmate/migration.go`; files match `^(\d+).*\.sql$` and sort as text.

use std::ops::Range;

use super::{Books, Layout, Options, Reading, Sign, Tool, alone};
use crate::diagnostic::Diagnostic;
use crate::migrate::folder::{Entry, Folder, leading_digits, lines};
use crate::migrate::migration::Migration;
use crate::migrate::part::Part;

pub(super) struct Dbmate;

/// Where a block begins, and whether it runs in a transaction.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    at: usize,
    transaction: bool,
}

fn block(text: &str, direction: &str) -> Option<Block> {
    lines(text).find_map(|(at, line)| {
        let rest = line.strip_prefix("--")?.trim_start().strip_prefix("migrate:")?.strip_prefix(direction)?;
        if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
            return None;
        }
        Some(Block { at, transaction: !rest.split_whitespace().any(|option| option == "transaction:false") })
    })
}

fn is_named(entry: &Entry) -> bool {
    !entry.name.contains('/') && entry.name.ends_with(".sql") && leading_digits(&entry.name).is_some()
}

impl Tool for Dbmate {
    fn recognise(&self, folder: &Folder) -> Option<Sign> {
        let own = folder.top().filter(|entry| is_named(entry)).find(|entry| block(entry.text(), "up").is_some())?;
        Sign::own(format!("{} has a `-- migrate:up` block", own.name))
    }

    fn read(&self, folder: &Folder, _options: &Options) -> Reading {
        let mut reading = Reading::default();
        // Sorted as text, as the folder is.
        for entry in folder.top().filter(|entry| is_named(entry)) {
            if !reading.check(entry, Some("dbmate")) {
                continue;
            }
            match halves(entry.text()) {
                Ok((up, down)) => {
                    let (version, _) = leading_digits(&entry.name).unwrap_or_default();
                    reading.migrations.push(Migration {
                        version: version.to_owned(),
                        label: entry.name.trim_end_matches(".sql").to_owned(),
                        up: part(entry, up),
                        down: Some(part(entry, down)),
                        expected_down: None,
                    });
                }
                Err(problem) => reading.refuse(entry.source(), problem),
            }
        }
        reading
    }

    fn books(&self) -> Option<Books> {
        Some(Books {
            table: "schema_migrations",
            qualified: "schema_migrations",
            make: "CREATE TABLE IF NOT EXISTS schema_migrations (version varchar(128) PRIMARY KEY)",
            enter: "INSERT INTO schema_migrations (version) VALUES ({version}) ON CONFLICT DO NOTHING",
        })
    }

    fn outside(&self, part: &Part) -> Option<String> {
        Some(match part.in_transaction() {
            true => "write `-- migrate:up transaction:false`, and the statement into a file of its own".to_owned(),
            false => alone("dbmate"),
        })
    }
}

/// A direction's stretch of the file, and whether it runs in a transaction.
type Half = (Range<usize>, bool);

fn halves(text: &str) -> Result<(Half, Half), Diagnostic> {
    let up = block(text, "up");
    let down = block(text, "down");
    let (Some(up), Some(down)) = (up, down) else {
        let missing = if block(text, "up").is_none() { "migrate:up" } else { "migrate:down" };
        return Err(Diagnostic::whole(format!("dbmate refuses a file without a `-- {missing}` line"))
            .help("both lines must be there; the block of the second may be empty"));
    };
    if up.at > down.at {
        let line = down.at..down.at + text[down.at..].lines().next().map_or(0, str::len);
        return Err(Diagnostic::at(line, "dbmate refuses a file in which `-- migrate:down` comes first"));
    }
    let before =
        lines(&text[..up.at]).find(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with("--"));
    if let Some((at, line)) = before {
        return Err(Diagnostic::at(at..at + line.len(), "dbmate refuses SQL before `-- migrate:up`"));
    }
    Ok(((up.at..down.at, up.transaction), (down.at..text.len(), down.transaction)))
}

fn part(entry: &Entry, (span, transaction): Half) -> Part {
    Part::as_one(entry.source(), Layout::Dbmate, span, transaction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dbmate_refuses_is_refused() {
        let good = "-- comment\n-- migrate:up transaction:false\nSELECT 1;\n--migrate:down\n";
        let ((up, transaction), (down, other)) = halves(good).unwrap();
        assert_eq!((&good[up], transaction), ("-- migrate:up transaction:false\nSELECT 1;\n", false));
        assert_eq!((&good[down], other), ("--migrate:down\n", true));
        for (bad, what) in [
            ("-- migrate:up\nSELECT 1;\n", "without a `-- migrate:down`"),
            ("-- migrate:down\n-- migrate:up\n", "comes first"),
            ("SELECT 1;\n-- migrate:up\n-- migrate:down\n", "SQL before"),
            ("-- migrate:update\n", "without a `-- migrate:up`"),
        ] {
            let problem = halves(bad).unwrap_err();
            assert!(problem.message.contains(what), "{bad}: {problem:?}");
        }
    }
}
