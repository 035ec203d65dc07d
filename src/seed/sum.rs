//! A column that holds what rows of another table add up to, such as a balance. Must give the sum the server would.

use std::sync::{Arc, Mutex};

use super::generate::Cell;
use super::plan::Plan;
use crate::expression::{Value, power};

/// The sum of an expression over the rows of a child table that belong to a row.
///
/// Which rows those are has no closed form, so the children are gone through once for every block of parents, and the
/// sums of the last one are kept: memory does not grow with the dataset.
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
    block: Mutex<Option<(u64, Arc<Vec<i64>>)>>,
}

/// Parents whose sums are found in one go, and kept until those of others are asked for: 8 MiB.
pub(super) const BLOCK: u64 = 1 << 20;

impl Sum {
    /// A sum over no rows yet.
    #[must_use]
    pub fn new(table: usize, fan: usize, inner: Cell, unit: f64) -> Self {
        Self { table, fan, inner, unit, block: Mutex::default() }
    }

    /// The sum of a parent's row.
    pub(super) fn of(&self, plan: &Plan, row: u64) -> Value<'static> {
        let from = row / BLOCK * BLOCK;
        let mut block = self.block.lock().expect("no holder panics");
        let known = block.as_ref().filter(|(start, _)| *start == from).map(|(_, sums)| Arc::clone(sums));
        let sums = known.unwrap_or_else(|| {
            // The old block goes before the new one comes.
            *block = None;
            let sums = Arc::new(self.sums(plan, from));
            *block = Some((from, Arc::clone(&sums)));
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
