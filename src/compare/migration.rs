//! What a migration did not do though its words ask for it. Must look at nothing but what was seen while it was applied.

use super::check::{Check, CheckName, Consequence};
use crate::evidence::{Evidence, SkippedObject};

/// A warning for each thing that `IF NOT EXISTS` left as it was.
pub(super) fn run(evidence: &Evidence, checks: &mut Vec<Check>) {
    let skipped = evidence.migration.skipped.iter().map(message);
    checks.extend(skipped.map(|message| Check::new(CheckName::IfNotExists, Consequence::Warning, message)));
}

fn message(object: &SkippedObject) -> String {
    let SkippedObject { kind, name, invalid, found, wanted } = object;
    let name = name.strip_prefix("public.").unwrap_or(name);
    let did_nothing = format!("CREATE {} IF NOT EXISTS {name} did nothing", kind.to_uppercase());
    match (invalid, found, wanted) {
        (true, ..) => format!(
            "{did_nothing}: an invalid index of that name was there, which every write pays for and no query uses; DROP INDEX CONCURRENTLY {name} \
             before the migration"
        ),
        (false, Some(found), Some(wanted)) => {
            format!("{did_nothing}: an index of that name was there, made USING {found} and not USING {wanted}")
        }
        _ => format!("{did_nothing}: it was there before the migration"),
    }
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
        let mut checks = Vec::new();
        run(&evidence, &mut checks);
        let of = |index: usize, phrase: &str| {
            let Check { consequence, message, .. } = &checks[index];
            assert!(*consequence == Consequence::Warning && message.contains(phrase), "{message}");
        };
        of(0, "CREATE INDEX IF NOT EXISTS i did nothing: an invalid index");
        of(0, "DROP INDEX CONCURRENTLY i");
        of(1, "made USING btree (a) and not USING btree (a, b)");
        of(2, "did nothing: it was there before");
    }
}
