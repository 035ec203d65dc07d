//! Rows to PostgreSQL's binary COPY format. Must know nothing of connections.
//!
//! Format: PostgreSQL documentation of COPY, "Binary Format": a header, per row the number of fields
//! and each field's length and bytes, and −1 at the end.

use super::fan::Parents;
use super::plan::Plan;
use crate::diagnostic::Advice;
use crate::expression::{SqlType, Value};

/// What a binary COPY begins with: signature, flags, length of the header's extension.
pub const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// What it ends with.
pub const TRAILER: &[u8] = &(-1_i16).to_be_bytes();

/// A value the plan made that its column cannot hold.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{table}.{column}, row {row}: {misfit}")]
pub struct EncodeError {
    table: String,
    /// The column.
    pub column: String,
    row: u64,
    misfit: crate::expression::value::Misfit,
}

impl Advice for EncodeError {
    fn help(&self) -> Option<String> {
        Some("the expression in the spec gives a value the column's type cannot hold".to_owned())
    }
}

/// Appends rows to `out`: binary, or text where a type has no binary form here.
///
/// # Errors
/// When a value does not fit its column.
pub fn rows(plan: &Plan, table: usize, rows: impl Iterator<Item = u64>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let spec = &plan.tables[table];
    let mut known = Vec::with_capacity(spec.columns.len());
    for row in rows {
        let plan = plan.of_row(table, row);
        let parents = Parents::new();
        known.clear();
        if !spec.text {
            out.extend_from_slice(&(spec.columns.len() as i16).to_be_bytes());
        }
        for (index, column) in spec.columns.iter().enumerate() {
            if !spec.text && !column.is_read && matches!(column.kind, SqlType::Text | SqlType::Json | SqlType::Jsonb) {
                // Nobody asks for it again: straight into the buffer.
                let start = out.len();
                out.extend_from_slice(if column.kind == SqlType::Jsonb { &[0, 0, 0, 0, 1] } else { &[0; 4] });
                let is_there = plan.text_after(table, index, row, &known, &parents, out);
                let length = if is_there { (out.len() - start - 4) as i32 } else { -1 };
                out[start..start + 4].copy_from_slice(&length.to_be_bytes());
                out.truncate(if is_there { out.len() } else { start + 4 });
                known.push(Value::Null);
                continue;
            }
            let value = plan.value_after(table, index, row, &known, &parents);
            let written = if spec.text {
                if index != 0 {
                    out.push(b'\t');
                }
                value.write_field(column.kind, out)
            } else {
                value.write(column.kind, out)
            };
            written.map_err(|misfit| EncodeError {
                table: spec.name.clone(),
                column: column.name.clone(),
                row: row + 1,
                misfit,
            })?;
            known.push(value);
        }
        if spec.text {
            out.push(b'\n');
        }
    }
    Ok(())
}
