//! `tables-differ`: tables of the sides differ beside their schema. Must decide nothing.

use super::Words;
use crate::compare::fact::TableDifference;
use crate::evidence::Side;
use crate::units::{bytes_text, list_text, percent_text};
use std::collections::BTreeMap;

pub(super) fn words(tables: &BTreeMap<Side, Vec<TableDifference>>) -> Words {
    let sides: Vec<String> = tables
        .iter()
        .map(|(side, tables)| format!("on {} {}", side.name(), list_text(&tables.iter().map(text).collect::<Vec<_>>())))
        .collect();
    Words {
        short: "tables differ between the sides beside their schema".to_owned(),
        long: format!("tables differ from those of before beside their schema: {}", sides.join("; ")),
    }
}

fn text(difference: &TableDifference) -> String {
    let TableDifference { table, rows, bytes, dead_share, analyzed, modified_share } = difference;
    let size = |bytes: i64| bytes_text(bytes.unsigned_abs());
    let state = |analyzed: bool| if analyzed { "analyzed" } else { "never analyzed" };
    let parts = [
        rows.map(|(one, other)| format!("{one} → {other} rows")),
        bytes.map(|(one, other)| format!("{} → {}", size(one), size(other))),
        dead_share.map(|(one, other)| format!("{} → {} dead rows", percent_text(one), percent_text(other))),
        analyzed.map(|(one, other)| format!("{} → {}", state(one), state(other))),
        modified_share.map(|(one, other)| {
            format!("{} → {} of its rows changed since ANALYZE", percent_text(one), percent_text(other))
        }),
    ];
    format!("{table} ({})", parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}
