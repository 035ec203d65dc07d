//! When parents came into being, kept once they are known: children ask for it again and again. Must stay within a
//! fixed amount of memory, and must never change a value: what is not kept is made again.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};

use super::cell::Cell;
use super::plan::TablePlan;
use crate::expression::{SqlType, Value};

/// Rows whose moments are kept, over all tables: 16 MiB, which the platform fills at scale 1 already.
const MAX_ROWS: u64 = 1 << 20;

/// Rows of a table that refers to itself, where all of them are too many: the ancestors of a row are few. Without any,
/// each generation would ask twice for the one before it, and a load would never end.
const ANCESTORS: u64 = 1 << 18;

/// Slots of a block, which is made when the first of them is asked for.
const BLOCK: u64 = 4096;

const NULL: i64 = i64::MIN;

/// The moments of one column: row `n` is in slot `n % slots`, and takes the place of the row that was there.
#[derive(Debug)]
pub struct Births {
    column: usize,
    slots: u64,
    blocks: Vec<OnceLock<Box<[Slot]>>>,
}

/// A moment and the row it belongs to, without a lock: the first word is the row + 1, combined with the moment by XOR,
/// so that two halves of different writes match no row.
#[derive(Debug, Default)]
struct Slot {
    check: AtomicI64,
    moment: AtomicI64,
}

impl Slot {
    fn load(&self, row: u64) -> Option<i64> {
        let moment = self.moment.load(Ordering::Relaxed);
        (self.check.load(Ordering::Relaxed) ^ moment == row as i64 + 1).then_some(moment)
    }

    fn store(&self, row: u64, moment: i64) {
        self.check.store(moment ^ (row as i64 + 1), Ordering::Relaxed);
        self.moment.store(moment, Ordering::Relaxed);
    }
}

impl Births {
    fn new(column: usize, slots: u64) -> Births {
        let blocks = (0..slots.div_ceil(BLOCK)).map(|_| OnceLock::new()).collect();
        Births { column, slots, blocks }
    }

    /// The value of a column in a row: remembered, or made and then remembered when this column is kept.
    pub(super) fn get<'p>(&self, column: usize, row: u64, make: impl FnOnce() -> Value<'p>) -> Value<'p> {
        if column != self.column {
            return make();
        }
        let place = row % self.slots;
        let block = self.blocks[(place / BLOCK) as usize].get_or_init(|| (0..BLOCK).map(|_| Slot::default()).collect());
        let slot = &block[(place % BLOCK) as usize];
        match slot.load(row) {
            None => {}
            Some(NULL) => return Value::Null,
            Some(moment) => return Value::Time(moment),
        }
        let value = make();
        match value {
            Value::Time(moment) => slot.store(row, moment),
            Value::Null => slot.store(row, NULL),
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

/// Finds the moment of each table that is read most from its children, and keeps those of the smallest tables and of
/// tables that refer to themselves.
pub(super) fn keep(tables: &mut [TablePlan]) {
    let mut reads: BTreeMap<(usize, usize), Reads> = BTreeMap::new();
    for (index, table) in tables.iter().enumerate() {
        for column in &table.columns {
            column.cell.visit(&mut |cell| {
                if let Cell::Parent { way, column, .. } = cell {
                    let parent = way.iter().fold(index, |at, fan| tables[at].fans[*fan].parent);
                    let reads = reads.entry((parent, *column)).or_default();
                    reads.rows += table.rows;
                    reads.own |= parent == index;
                }
            });
        }
    }
    let is_moment = |(table, column): &(usize, usize)| tables[*table].columns[*column].kind == SqlType::Timestamp;
    let mut wanted: Vec<((usize, usize), Reads)> = reads.into_iter().filter(|(at, _)| is_moment(at)).collect();
    wanted.sort_by_key(|((table, _), reads)| {
        (std::cmp::Reverse(reads.own), tables[*table].rows, std::cmp::Reverse(reads.rows))
    });
    let mut room = MAX_ROWS;
    for ((table, column), reads) in wanted {
        let table = &mut tables[table];
        if table.rows == 0 || table.births.is_some() || table.held {
            continue;
        }
        if reads.own {
            table.births = Some(Births::new(column, table.rows.min(ANCESTORS)));
        } else if table.rows <= room {
            room -= table.rows;
            table.births = Some(Births::new(column, table.rows));
        }
    }
}

/// How often the rows of other tables, or of the table itself, read a moment.
#[derive(Clone, Copy, Default)]
struct Reads {
    rows: u64,
    own: bool,
}
