//! When operations are due: pure arithmetic over the workload's stream. Must not read a clock.

use crate::scenario::shape::Shape;
use crate::scenario::{Stream, Workload};

/// Due times of one stream of an open loop, in nanoseconds from the start, ascending.
///
/// A Poisson process whose rate follows a shape: exponential gaps of mean 1 on the scale of expected
/// arrivals. Equal arguments give equal times, so every side of a trial sees the same arrivals.
pub struct Arrivals<'w> {
    workload: &'w Workload,
    stream: Stream,
    shape: Shape,
    expected: f64,
    number: u64,
}

impl<'w> Arrivals<'w> {
    /// The arrivals of a stream, which has its share of the shape's rate.
    #[must_use]
    pub fn new(workload: &'w Workload, stream: Stream, shape: &Shape) -> Self {
        Self { workload, stream, shape: shape.scaled(1.0 / stream.of as f64), expected: 0.0, number: 0 }
    }
}

impl Iterator for Arrivals<'_> {
    type Item = (u64, u64);

    /// The next operation's number and when it is due.
    fn next(&mut self) -> Option<(u64, u64)> {
        let number = self.number;
        self.expected += self.workload.gap(self.stream, number);
        let due_s = self.shape.time_of(self.expected)?;
        self.number += 1;
        Some((number, (due_s * 1e9) as u64))
    }
}
