//! A spec as a file a person goes on with: every expression, and what the catalog says beside it. Must read back as it was.

use std::fmt::Write as _;

use super::infer::Refusal;
use super::plan::Plan;
use super::spec::Spec;
use crate::expression::Value;
use crate::postgres::catalog::Catalog;

/// The spec as TOML with comments; `plan` is what it gives, so that rows the schema cannot hold are not asked for.
/// What could not be made up stands above the table it is about, with what to write.
#[must_use]
pub fn toml(spec: &Spec, catalog: &Catalog, plan: Option<&Plan>, refusals: &[Refusal]) -> String {
    let mut out = String::from(
        "# A dataset spec made from the catalog. Every line may be changed or removed:\n\
         # what is removed here and NOT NULL in the schema is made from the catalog again.\n\n[dataset]\n",
    );
    let now = Value::Time(spec.now);
    let days = spec.span / 86_400_000_000;
    let _ = writeln!(
        out,
        "now  = {}        # the history ends here, whatever the clock says\nspan = \"{days}d\"",
        now.to_text()
    );
    for (index, table) in spec.tables.iter().enumerate() {
        let name = &table.name.value;
        if table.columns.iter().any(|(_, source)| source.source.text == "held()") {
            let _ = writeln!(out, "\n# {name} holds rows already; they stay, and others refer to them.");
            continue;
        }
        let rows = match plan.map(|plan| &plan.tables[index]) {
            Some(planned) if planned.lowered.is_some() => planned.rows.to_string(),
            _ => table.row_count.source.text.clone(),
        };
        out.push('\n');
        for refusal in refusals.iter().filter(|refusal| refusal.table == *name) {
            let reason = refusal.reason.replace('\n', " ");
            let _ = writeln!(out, "# TO DO {}: {reason}; write {}", refusal.constraint, refusal.line);
        }
        let _ = writeln!(out, "[table.{}]\nrow-count = {}", key(name), string(&rows));
        for (column, source) in &table.fan_out {
            let _ = writeln!(out, "fan-out.{} = {}", key(&column.value), string(&source.source.text));
        }
        for (column, source) in &table.columns {
            let kind =
                catalog.table(name).and_then(|t| t.column(&column.value)).map_or("", |c| c.kind.declared.as_str());
            let _ = writeln!(out, "{} = {}  # {kind}", key(&column.value), string(&source.source.text));
        }
    }
    out
}

fn key(name: &str) -> String {
    let bare = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') && !name.is_empty();
    if bare { name.to_owned() } else { string(name) }
}

fn string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\t', "\\t"))
}
