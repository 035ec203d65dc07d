//! A column that holds what rows of another table add up to, such as a balance. Must give the sum the server would.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::cell::Cell;
use super::plan::Plan;
use crate::expression::{Value, power};

/// The sum of an expression over the rows of a child table that belong to a row.
///
/// Which rows those are has no closed form, so the children are gone through once for every block of parents, and the
/// sums of the last two are kept: memory does not grow with the dataset. Where other tables or sums read it, in any
/// order, all blocks are: 8 bytes for each parent.
#[derive(Debug)]
pub struct Sum {
    /// The child table.
    pub table: usize,
    /// The fan-out of the child that leads here.
    pub fan: usize,
    /// What is added up, a cell of the child.
    pub inner: Cell,
    /// Parts of one that values are rounded to before they are added, as their column does.
    pub unit: f64,
    /// Others read it, in any order.
    read_by_others: AtomicBool,
    blocks: Mutex<Vec<(u64, Arc<Vec<i64>>)>>,
}

/// Parents whose sums are found in one go: 1 MiB. Twice as many halve the passes over the children, and show in the
/// memory of large datasets.
pub(super) const BLOCK: u64 = 1 << 17;

/// Blocks that are kept when only the table itself asks, in its order.
const KEPT: usize = 2;

impl Sum {
    /// A sum over no rows yet.
    #[must_use]
    pub fn new(table: usize, fan: usize, inner: Cell, unit: f64) -> Self {
        Self { table, fan, inner, unit, read_by_others: AtomicBool::new(false), blocks: Mutex::default() }
    }

    /// Others read it too, in any order: nothing is forgotten.
    pub(super) fn keep_all(&self) {
        self.read_by_others.store(true, Ordering::Relaxed);
    }

    /// The sum of a parent's row.
    pub(super) fn of(&self, plan: &Plan, row: u64) -> Value<'static> {
        let from = row / BLOCK * BLOCK;
        let mut blocks = self.blocks.lock().expect("no holder panics");
        let known = blocks.iter().find(|(block, _)| *block == from).map(|(_, sums)| Arc::clone(sums));
        let sums = known.unwrap_or_else(|| {
            if KEPT <= blocks.len() && !self.read_by_others.load(Ordering::Relaxed) {
                blocks.remove(0);
            }
            let sums = Arc::new(self.sums(plan, from));
            blocks.push((from, Arc::clone(&sums)));
            sums
        });
        let units = sums[(row - from) as usize];
        if self.unit == 1.0 { Value::Int(units) } else { Value::Float(units as f64 / self.unit) }
    }

    fn sums(&self, plan: &Plan, from: u64) -> Vec<i64> {
        let child = &plan.tables[self.table];
        let fan = &child.fans[self.fan];
        let mut sums = vec![0_i64; (fan.parents - from).min(BLOCK) as usize];
        for row in child.first..child.rows {
            let Some(parent) = fan.parent_row(&child.fans, row).filter(|parent| from <= *parent) else { continue };
            if let Some(sum) = sums.get_mut((parent - from) as usize) {
                let value = plan.cell(&self.inner, self.table, row).number().unwrap_or(0.0);
                *sum += power::round(value * self.unit);
            }
        }
        sums
    }
}
