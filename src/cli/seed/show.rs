//! What `weighbridge seed` prints: plans, columns, checks, sums of a load. Must decide nothing.

use std::time::Duration;

use sqlx::postgres::PgConnection;

use super::inputs::Inputs;
use super::notes::Moment;
use crate::cli::exit::{ExitStatus, Failure};
use crate::cli::output::say;
use crate::diagnostic::Message;
use crate::postgres::{Target, catalog};
use crate::report::detail::table;
use crate::seed::cell::Cell;
use crate::seed::load::{check, tried};
use crate::seed::{Plan, Spec, encode, guesses, notes};
use crate::units::{bytes_text, count_text, duration_text};

pub(super) fn explain(inputs: &Inputs, column: &str) -> Result<ExitStatus, Failure> {
    let Some((table, name)) = column.rsplit_once('.') else {
        return Err(Failure::usage(Message::new("write TABLE.COLUMN, such as payments.amount")));
    };
    let index = inputs.plan.tables.iter().position(|t| t.name == table);
    let at = index.and_then(|i| inputs.plan.tables[i].columns.iter().position(|c| c.name == name));
    let (Some(index), Some(at)) = (index, at) else {
        return Err(Failure::usage(
            Message::new(format!("`{column}` is not filled"))
                .help("the server fills it, or it stays NULL; `weighbridge seed --dry-run` lists the tables"),
        ));
    };
    let table = &inputs.plan.tables[index];
    let said = inputs.spec.tables[index].columns.iter().chain(&inputs.spec.tables[index].fan_out);
    let source = said.clone().find(|(c, _)| c.value == name).or_else(|| {
        let fan = table.fans.iter().find(|f| f.columns.iter().any(|(own, _)| own == name))?;
        said.clone().find(|(c, _)| fan.columns.iter().any(|(own, _)| *own == c.value))
    });
    let found = inputs.catalog.table(&table.name).and_then(|t| t.column(name));
    let mut text = format!("{column}  {}\n", found.map_or("", |c| c.kind.declared.as_str()));
    if let Some((_, source)) = source {
        let why = match &source.evidence {
            Some(evidence) => format!("from the catalog: {}", super::guesses::because(evidence)),
            None if source.is_inferred() => "from the catalog".to_owned(),
            None => "from the spec".to_owned(),
        };
        text.push_str(&format!("  {}   ({why})\n", source.source.text));
    } else if let Cell::State(..) = table.columns[at].cell {
        text.push_str("  set by the state machine of the table's status   (from the spec)\n");
    }
    if let Some(fan) = table.fans.iter().find(|f| f.columns.iter().any(|(own, _)| own == name)) {
        let parent = &inputs.plan.tables[fan.parent];
        text.push_str(&format!(
            "  {} rows spread over {} of {}\n",
            count_text(table.rows),
            count_text(fan.parents),
            parent.name
        ));
    }
    for row in 0..table.rows.min(10) {
        let value = inputs.plan.value(index, at, row);
        let shown = if value == crate::expression::Value::Null { "NULL".into() } else { value.to_text() };
        text.push_str(&format!("  row {:<6} {shown}\n", row + 1));
    }
    say(&text).map(|()| ExitStatus::Ok)
}

pub(super) fn dry_run(inputs: &Inputs) -> String {
    let mut rows = Vec::new();
    let (mut all_rows, mut all_bytes) = (0, 0);
    for (index, planned) in inputs.plan.tables.iter().enumerate() {
        let bytes = heap_bytes(&inputs.plan, index);
        let note = match (&planned.lowered, planned.held) {
            (_, true) => "holds rows; stays as it is".to_owned(),
            (Some(why), _) => format!("fewer: {why}"),
            _ => String::new(),
        };
        if !planned.held {
            (all_rows, all_bytes) = (all_rows + planned.rows, all_bytes + bytes);
        }
        rows.push(vec![planned.name.clone(), count_text(planned.rows), bytes_text(bytes), note]);
    }
    rows.push(vec!["all".to_owned(), count_text(all_rows), bytes_text(all_bytes), "without indexes".to_owned()]);
    let (plan, catalog) = (&inputs.plan, &inputs.catalog);
    let known = [notes::unfired(plan, catalog), notes::few_parents(plan), notes::empty_keys(plan, catalog)].concat();
    format!(
        "{}{}{}scale {} · seed {} · nothing was written\n",
        table(&["table", "rows", "heap", ""], rows),
        super::guesses::listed(&guesses::guesses(&inputs.spec, catalog, &inputs.compared)),
        super::notes::text(&known, Moment::DryRun),
        inputs.scale,
        inputs.seed.0
    )
}

/// Checks a filled database; `may_write` permits a transaction that is rolled back.
pub(super) async fn checked(
    connection: &mut PgConnection,
    inputs: &Inputs,
    may_write: bool,
) -> Result<ExitStatus, Failure> {
    let found = check::check(connection, &inputs.plan, &inputs.catalog).await.map_err(Failure::environment)?;
    let mut rows = Vec::new();
    let mut broken = 0;
    for checked in &found {
        broken += checked.problems.len();
        let word = if checked.problems.is_empty() { "holds".to_owned() } else { checked.problems.join("; ") };
        rows.push(vec![checked.table.clone(), count_text(checked.rows), checked.digest.clone(), word]);
    }
    say(&table(&["table", "rows", "digest", "rows, keys, uniques, CHECKs"], rows))?;
    let mut known = notes::unfired(&inputs.plan, &inputs.catalog);
    known.extend(notes::few_parents(&inputs.plan));
    known.extend(check::empty_keys(connection, &inputs.plan, &inputs.catalog).await.map_err(Failure::environment)?);
    let held = asserts(connection, &inputs.spec).await?;
    if may_write {
        // Last, because it ends a transaction that the caller may have begun.
        known.extend(tried::tried(connection, &inputs.plan, &inputs.catalog).await.map_err(Failure::environment)?);
    }
    say(&super::notes::text(&known, Moment::Check))?;
    Ok(if broken == 0 && held { ExitStatus::Ok } else { ExitStatus::Regressed })
}

/// Prints the asserts of the spec; false when one does not hold.
pub(super) async fn asserts(connection: &mut PgConnection, spec: &Spec) -> Result<bool, Failure> {
    let values = check::asserted(connection, &spec.asserts).await.map_err(Failure::environment)?;
    let mut all = true;
    for (assert, value) in spec.asserts.iter().zip(values) {
        let (low, high) = assert.between;
        let holds = value.is_some_and(|value| assert.holds(value));
        all &= holds;
        let (word, found) =
            (if holds { "holds" } else { "does not hold" }, value.map_or("NULL".to_owned(), |v| v.to_string()));
        say(&format!("assert {word}: {found} between {low} and {high}  {}\n", assert.sql))?;
    }
    Ok(all)
}

pub(super) async fn summary(
    target: &Target,
    plan: &Plan,
    stages: &super::fill::Stages,
    whole: u64,
) -> Result<(), Failure> {
    let mut connection = target.connect().await.map_err(Failure::environment)?;
    let filled: Vec<_> = (0..plan.tables.len()).filter(|t| 0 < plan.new_rows(*t)).map(|t| &plan.tables[t]).collect();
    let names: Vec<&str> = filled.iter().map(|t| t.sql_name.as_str()).collect();
    let sizes = catalog::sizes(&mut connection, &names).await.map_err(Failure::environment)?;
    let mut rows = Vec::new();
    let mut all = (0, 0, 0);
    for (planned, (heap, indexes)) in filled.iter().zip(sizes) {
        let new = planned.rows - planned.first;
        all = (all.0 + new, all.1 + heap, all.2 + indexes);
        let note = planned.lowered.as_ref().map_or(String::new(), |why| format!("fewer: {why}"));
        let rates = stages.tables.get(&planned.name).and_then(super::fill::Sent::rates);
        let (per_s, bytes_per_s) =
            rates.map_or((String::new(), String::new()), |(rows, bytes)| (count_text(rows), bytes_text(bytes)));
        let cells =
            [planned.name.clone(), count_text(new), per_s, bytes_per_s, bytes_text(heap), bytes_text(indexes), note];
        rows.push(cells.to_vec());
    }
    let blank = String::new;
    let sums = ["all".to_owned(), count_text(all.0), blank(), blank(), bytes_text(all.1), bytes_text(all.2), blank()];
    rows.push(sums.to_vec());
    let text = |ns: u64| duration_text(Duration::from_nanos(ns));
    let rate = all.0 as f64 / (stages.rows.max(1) as f64 / 1e9);
    say(&format!(
        "{}{} · rows {} ({} rows/s), indexes after them {}, foreign keys {}, vacuum {}\n",
        table(&["table", "rows", "rows/s", "sent/s", "heap", "indexes", ""], rows),
        text(whole),
        text(stages.rows),
        count_text(rate as u64),
        text(stages.indexed.saturating_sub(stages.rows)),
        text(stages.bound.saturating_sub(stages.indexed)),
        text(whole.saturating_sub(stages.bound)),
    ))?;
    if 0 < stages.copying {
        say(&format!(
            "connections were at COPY for {}, at indexes for {}, side by side\n",
            text(stages.copying),
            text(stages.indexing)
        ))?;
    }
    Ok(())
}

/// Bytes a table will have in the heap: header and pointer of each row, and the mean of some rows as they travel.
pub(super) fn heap_bytes(plan: &Plan, index: usize) -> u64 {
    let table = &plan.tables[index];
    let sample = table.rows.min(200);
    let mut bytes = Vec::new();
    if table.held || sample == 0 || encode::rows(plan, index, 0..sample, &mut bytes).is_err() {
        return 0;
    }
    let fields = if table.text { 0 } else { 2 + 4 * table.columns.len() };
    let row = (bytes.len() as f64 / sample as f64 - fields as f64).max(0.0) + 28.0;
    (row * table.rows as f64) as u64
}
