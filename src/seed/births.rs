//! When parents came into being, kept once they are known: children ask for it again and again. Must stay within a
//! fixed amount of memory, and must never change a value: what is not kept is made again.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};

use super::generate::Cell;
use super::plan::TablePlan;
use crate::expression::{SqlType, Value};

/// Rows whose moments are kept, over all tables: 8 MiB, which the platform fills at scale 1 already.
const MOST_ROWS: u64 = 1 << 20;

/// Rows of a block, which is made when the first of them is asked for.
const BLOCK: u64 = 4096;

/// Nothing is known yet: a moment at PostgreSQL's epoch itself is made again each time.
const UNKNOWN: i64 = 0;
const NULL: i64 = i64::MIN;

/// The moments of one column.
#[derive(Debug)]
pub struct Births {
    column: usize,
    blocks: Vec<OnceLock<Box<[AtomicI64]>>>,
}

impl Births {
    /// The value of a column in a row: remembered, or made and then remembered when this column is kept.
    pub(super) fn get<'p>(&self, column: usize, row: u64, make: impl FnOnce() -> Value<'p>) -> Value<'p> {
        if column != self.column {
            return make();
        }
        let block = &self.blocks[(row / BLOCK) as usize];
        let block = block.get_or_init(|| (0..BLOCK).map(|_| AtomicI64::new(UNKNOWN)).collect());
        let place = &block[(row % BLOCK) as usize];
        match place.load(Ordering::Relaxed) {
            UNKNOWN => {}
            NULL => return Value::Null,
            moment => return Value::Time(moment),
        }
        let value = make();
        match value {
            Value::Time(moment) => place.store(moment, Ordering::Relaxed),
            Value::Null => place.store(NULL, Ordering::Relaxed),
            _ => {}
        }
        value
    }
}

/// Sums that other tables read, row by row in an order of their own, are kept as a whole.
pub(super) fn keep_sums(tables: &[TablePlan]) {
    let mut read: Vec<(usize, usize)> = Vec::new();
    for (index, table) in tables.iter().enumerate() {
        for column in &table.columns {
            column.cell.visit(&mut |cell| match cell {
                Cell::Parent { way, column, .. } => {
                    read.push((way.iter().fold(index, |at, fan| tables[at].fans[*fan].parent), *column));
                }
                Cell::Pick(fan, column) => read.push((fan.parent, *column)),
                Cell::Sum(sum) => sum.inner.visit(&mut |cell| {
                    if let Cell::Own(column) = cell {
                        read.push((sum.table, *column));
                    }
                }),
                _ => {}
            });
        }
    }
    for (table, column) in read {
        tables[table].columns[column].cell.visit(&mut |cell| {
            if let Cell::Sum(sum) = cell {
                sum.keep_all();
            }
        });
    }
}

/// Finds the moment of each table that is read most from its children, and keeps those of the smallest tables.
pub(super) fn keep(tables: &mut [TablePlan]) {
    let mut reads: BTreeMap<(usize, usize), u64> = BTreeMap::new();
    for (index, table) in tables.iter().enumerate() {
        for column in &table.columns {
            column.cell.visit(&mut |cell| {
                if let Cell::Parent { way, column, .. } = cell {
                    let parent = way.iter().fold(index, |at, fan| tables[at].fans[*fan].parent);
                    *reads.entry((parent, *column)).or_default() += table.rows;
                }
            });
        }
    }
    let is_moment = |(table, column): &(usize, usize)| tables[*table].columns[*column].kind == SqlType::Timestamp;
    let mut wanted: Vec<((usize, usize), u64)> = reads.into_iter().filter(|(at, _)| is_moment(at)).collect();
    wanted.sort_by_key(|((table, _), reads)| (tables[*table].rows, std::cmp::Reverse(*reads)));
    let mut room = MOST_ROWS;
    for ((table, column), _) in wanted {
        let table = &mut tables[table];
        if table.rows <= room && table.births.is_none() && !table.held {
            room -= table.rows;
            let blocks = (0..table.rows.div_ceil(BLOCK)).map(|_| OnceLock::new()).collect();
            table.births = Some(Births { column, blocks });
        }
    }
}
