//! When operations are due: pure arithmetic over the workload's stream. Must not read a clock.

use crate::scenario::Workload;

/// Due times of one thread's share of an open loop, in nanoseconds from the slice's start, ascending.
///
/// A Poisson process: exponential gaps with mean `threads / rate`. Equal arguments give equal times,
/// so every side of a trial sees the same arrivals.
#[must_use]
pub fn due_times(workload: &Workload, stream: u64, rate: f64, threads: usize, length_ns: u64) -> Vec<u64> {
    let mean_gap_ns = 1e9 * threads as f64 / rate;
    let mut due = Vec::with_capacity((length_ns as f64 / mean_gap_ns * 1.2) as usize + 16);
    let mut at = 0.0;
    loop {
        at += workload.gap(stream, due.len() as u64) * mean_gap_ns;
        if length_ns as f64 <= at {
            return due;
        }
        due.push(at as u64);
    }
}
