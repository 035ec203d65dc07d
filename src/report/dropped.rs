//! Why chunks of a saved result are not used, in words. Must hold for every renderer and for `verify`.

use crate::evidence::{Dropped, Flaw};
use crate::units::{count_text, plural, printable};

/// One sentence without its end.
#[must_use]
pub fn dropped_text(dropped: &Dropped) -> String {
    let Dropped { kept, in_facts, in_log, flaw } = dropped;
    let lost = in_facts.max(in_log).saturating_sub(*kept);
    let next = kept + 1;
    let tag = |tag: &str| format!("`{}`", printable(tag));
    let why = match flaw {
        Flaw::Unreadable { line } => format!("line {line} of chunks.hlog is cut off or unreadable"),
        Flaw::Misplaced { line } => format!("line {line} of chunks.hlog belongs to another chunk"),
        Flaw::Foreign { line, tag: of } => format!("line {line} of chunks.hlog has the unknown tag {}", tag(of)),
        Flaw::Repeated { line, tag: of } => format!("line {line} of chunks.hlog repeats {} of chunk {next}", tag(of)),
        Flaw::Missing { tag: of } => format!("chunks.hlog has no {} of chunk {next}", tag(of)),
        Flaw::Counts { tag: of, in_log, in_facts } => format!(
            "{} of chunk {next} has {} operations in chunks.hlog and {} in trial.json",
            tag(of),
            count_text(*in_log),
            count_text(*in_facts)
        ),
        Flaw::NotInLog => {
            format!("chunks.hlog has {in_log}, trial.json {in_facts}: chunks.hlog was cut off or replaced")
        }
        Flaw::NotInFacts => {
            format!("chunks.hlog has {in_log}, trial.json {in_facts}: the program ended between writing the two")
        }
    };
    let was = if lost == 1 { "is" } else { "are" };
    format!("{} {was} dropped, {kept} read: {why}", plural(lost, "chunk"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flaw_names_its_place() {
        let of = |flaw: Flaw| dropped_text(&Dropped { kept: 3, in_facts: 8, in_log: 8, flaw });
        let tag = || "before:pay:lag".to_owned();
        assert_eq!(
            of(Flaw::Unreadable { line: 90 }),
            "5 chunks are dropped, 3 read: line 90 of chunks.hlog is cut off or unreadable"
        );
        assert!(
            of(Flaw::Repeated { line: 9, tag: tag() })
                .ends_with("line 9 of chunks.hlog repeats `before:pay:lag` of chunk 4")
        );
        assert!(of(Flaw::Missing { tag: tag() }).ends_with("chunks.hlog has no `before:pay:lag` of chunk 4"));
        let ahead = Dropped { kept: 8, in_facts: 8, in_log: 9, flaw: Flaw::NotInFacts };
        assert_eq!(
            dropped_text(&ahead),
            "1 chunk is dropped, 8 read: chunks.hlog has 9, trial.json 8: the program ended between writing the two"
        );
    }
}
