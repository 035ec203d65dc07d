//! The order in which a table's rows are sent. Must send every row of a range once, and must not hold all of them.

use std::ops::Range;

use super::plan::{Heap, Plan};
use crate::expression::Permutation;

/// Rows whose parents are looked up and sorted in one go: about 64 MiB.
const BLOCK: u64 = 1 << 22;

/// The rows of a range in the order of the heap.
#[must_use]
pub fn rows(plan: &Plan, table: usize, range: Range<u64>) -> Box<dyn Iterator<Item = u64> + Send + '_> {
    let count = range.end - range.start;
    match plan.tables[table].heap {
        Heap::Time => Box::new(range),
        Heap::Random(_) if count == 0 => Box::new(range),
        Heap::Random(key) => {
            let order = Permutation::new(key, count);
            Box::new((0..count).map(move |place| range.start + order.apply(place)))
        }
        Heap::Parent(fan) => {
            let parents = plan.tables[table].fans[fan].parents;
            let blocks = count.div_ceil(BLOCK).max(1);
            let of_block = move |block| parents * block / blocks..parents * (block + 1) / blocks;
            Box::new(
                (0..blocks)
                    .flat_map(move |block| by_parent(plan, table, fan, range.clone(), of_block(block), block == 0)),
            )
        }
    }
}

/// The rows whose parent is in a range, by parent; those without a parent come before the first.
fn by_parent(
    plan: &Plan,
    table: usize,
    fan: usize,
    rows: Range<u64>,
    parents: Range<u64>,
    with_none: bool,
) -> impl Iterator<Item = u64> {
    let fans = &plan.tables[table].fans;
    let mut found: Vec<(u64, u64)> = Vec::new();
    for row in rows {
        match fans[fan].parent_row(fans, row) {
            Some(parent) if parents.contains(&parent) => found.push((parent + 1, row)),
            None if with_none => found.push((0, row)),
            _ => {}
        }
    }
    found.sort_unstable();
    found.into_iter().map(|(_, row)| row)
}
