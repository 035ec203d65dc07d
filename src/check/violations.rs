//! Rows of old data that a constraint of a migration does not allow. Must only read, before the migration is applied.

use sqlx::Row;
use sqlx::postgres::PgConnection;

use crate::evidence::round_trip::Violation;
use crate::migrate::Part;
use crate::postgres::Error;
use crate::postgres::sql_text::{identifier, query};
use crate::sql::{Command, Constraint, Name, Rule, Script, TableAction};

/// Looks for rows that break what a part adds.
///
/// # Errors
/// When the server is lost.
pub(super) async fn read(connection: &mut PgConnection, part: &Part) -> Result<Vec<Violation>, Error> {
    let mut found = Vec::new();
    for (table, rule, sql) in
        Script::parse(&part.file.text).commands().flat_map(|command| asked(&part.file.text, &command))
    {
        // A table or column of this very file has no old rows.
        let counted = query(format!("SELECT count(*) FROM ({sql}) AS breaking")).fetch_one(&mut *connection).await;
        let rows: i64 = match counted {
            Ok(row) => row.try_get(0).unwrap_or_default(),
            Err(error) if crate::postgres::error::database_error(&error).is_some() => 0,
            Err(error) => return Err(Error::doing("look for rows that break a constraint", error)),
        };
        if rows > 0 {
            found.push(Violation { table, rule, rows, query: sql });
        }
    }
    Ok(found)
}

/// Table, rule and query of each constraint that a command adds.
fn asked(text: &str, command: &Command) -> Vec<(String, String, String)> {
    let written = |name: &Name| match &name.schema {
        Some(schema) => format!("{}.{}", identifier(schema), identifier(&name.name)),
        None => identifier(&name.name),
    };
    let mut asked = Vec::new();
    match command {
        Command::AlterTable(alter) => {
            let table = written(&alter.name);
            for action in &alter.actions {
                match action {
                    TableAction::SetNotNull(column) => {
                        let sql = format!("SELECT * FROM {table} WHERE {} IS NULL", identifier(column));
                        asked.push((alter.name.to_string(), format!("{column} NOT NULL"), sql));
                    }
                    TableAction::AddColumn { column, .. }
                        if column.not_null
                            && column.default.is_none()
                            && column.generated.is_none()
                            && !column.identity
                            && !column.kind.as_deref().is_some_and(|kind| kind.to_lowercase().contains("serial")) =>
                    {
                        let rule = format!("{} NOT NULL without a default", column.name);
                        asked.push((alter.name.to_string(), rule, format!("SELECT * FROM {table}")));
                    }
                    TableAction::AddConstraint(constraint) => {
                        asked.extend(constrained(text, constraint, &alter.name, &table, &written));
                    }
                    _ => {}
                }
            }
        }
        Command::CreateIndex(index) if index.unique && index.predicate.is_none() => {
            let keys: Option<Vec<String>> =
                index.keys.iter().map(|key| key.column.as_deref().map(identifier)).collect();
            if let Some(keys) = keys {
                let table = written(&index.table);
                let rule = format!("unique ({})", keys.join(", "));
                asked.push((index.table.to_string(), rule, duplicates(&table, &keys)));
            }
        }
        _ => {}
    }
    asked
}

fn constrained(
    text: &str,
    constraint: &Constraint,
    name: &Name,
    table: &str,
    written: &impl Fn(&Name) -> String,
) -> Option<(String, String, String)> {
    let (rule, sql) = match &constraint.rule {
        Rule::Unique(key) | Rule::PrimaryKey(key) if !key.columns.is_empty() => {
            let keys: Vec<String> = key.columns.iter().map(|column| identifier(column)).collect();
            (format!("unique ({})", key.columns.join(", ")), duplicates(table, &keys))
        }
        Rule::Check(expression) => {
            let condition = &text[expression.span.clone()];
            (format!("CHECK ({condition})"), format!("SELECT * FROM {table} WHERE NOT ({condition})"))
        }
        Rule::ForeignKey { columns, references, referenced } if referenced.len() == columns.len() => {
            let pairs: Vec<String> = columns
                .iter()
                .zip(referenced)
                .map(|(column, target)| format!("p.{} = c.{}", identifier(target), identifier(column)))
                .collect();
            let filled: Vec<String> =
                columns.iter().map(|column| format!("c.{} IS NOT NULL", identifier(column))).collect();
            let parent = written(references);
            let sql = format!(
                "SELECT * FROM {table} c WHERE {} AND NOT EXISTS (SELECT FROM {parent} p WHERE {})",
                filled.join(" AND "),
                pairs.join(" AND ")
            );
            (format!("FOREIGN KEY ({}) REFERENCES {references}", columns.join(", ")), sql)
        }
        _ => return None,
    };
    let rule = if constraint.not_valid { format!("{rule} NOT VALID") } else { rule };
    Some((name.to_string(), rule, sql))
}

fn duplicates(table: &str, keys: &[String]) -> String {
    let keys = keys.join(", ");
    format!("SELECT {keys} FROM {table} GROUP BY {keys} HAVING count(*) > 1 AND num_nulls({keys}) = 0")
}
