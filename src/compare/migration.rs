//! What a migration did not do though its words ask for it. Must look at nothing but what was seen while it was
//! applied.

use super::fact::Fact;
use super::finding::{Finding, Remedy, Severity};
use crate::evidence::{Evidence, SkippedObject};

/// A warning for each thing that `IF NOT EXISTS` left as it was.
pub(super) fn run(evidence: &Evidence, found: &mut Vec<Finding>) {
    found.extend(evidence.migration.skipped.iter().map(finding));
}

fn finding(object: &SkippedObject) -> Finding {
    let SkippedObject { kind, name, invalid, found, wanted } = object.clone();
    let remedy = invalid.then(|| Remedy::RunSql { sql: format!("DROP INDEX CONCURRENTLY {}", super::bare(&name)) });
    let fact = Fact::IfNotExistsSkipped { kind, name, invalid, found, wanted };
    Finding { remedy, ..Finding::new(Severity::Warning, fact) }
}

#[cfg(test)]
mod tests {
    use super::super::conditions::tests::evidence;
    use super::*;

    #[test]
    fn what_if_not_exists_skipped_is_a_warning() {
        let mut evidence = evidence(|_, _, _| {});
        let object = |invalid, made: Option<(&str, &str)>| SkippedObject {
            kind: "index".to_owned(),
            name: "public.i".to_owned(),
            invalid,
            found: made.map(|(found, _)| found.to_owned()),
            wanted: made.map(|(_, wanted)| wanted.to_owned()),
        };
        evidence.migration.skipped =
            vec![object(true, None), object(false, Some(("btree (a)", "btree (a, b)"))), object(false, None)];
        let mut found = Vec::new();
        run(&evidence, &mut found);
        assert!(found.iter().all(|f| (f.id(), f.severity) == ("if-not-exists-skipped", Severity::Warning)));
        let sql = "DROP INDEX CONCURRENTLY i".to_owned();
        assert_eq!(
            found.iter().map(|f| f.remedy.clone()).collect::<Vec<_>>(),
            [Some(Remedy::RunSql { sql }), None, None]
        );
    }
}
