//! Load on the sides, slice by slice: turns, chunks, snapshots of counters. Must treat the sides equally.

pub(super) mod counters;
pub(super) mod focus;
pub(super) mod measure;
pub mod order;
pub(super) mod turns;
