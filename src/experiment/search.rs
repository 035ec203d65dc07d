//! The highest rate at which an objective holds: which rate to try next, as a pure function of what was seen. Must run
//! nothing.
//!
//! Doubling finds a rate that fails, bisection narrows the gap, and the rate that held is confirmed over
//! the whole duration: a short probe may have been lucky.

/// A search under way.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Search {
    start: f64,
    /// The highest rate at which a probe held.
    held: Option<f64>,
    /// The lowest rate at which one failed.
    failed: Option<f64>,
    confirmations: u32,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Step {
    /// A short run at this rate.
    Probe(f64),
    /// A whole run at this rate.
    Confirm(f64),
    /// Nothing more: no rate was confirmed.
    GiveUp,
}

/// Rates closer than this are the same.
const PRECISION: f64 = 1.05;

/// A rate this many times lower than the first one is not tried: low rates need long probes.
const LOWEST: f64 = 64.0;

/// What a rate that was not confirmed is lowered to.
const STEP_BACK: f64 = 0.92;

/// Rates that are tried for confirmation.
const MOST_CONFIRMATIONS: u32 = 5;

impl Search {
    /// A search that begins at this rate.
    pub(super) fn new(start: f64) -> Self {
        Self { start, held: None, failed: None, confirmations: 0 }
    }

    /// What to do next.
    pub(super) fn next(&self) -> Step {
        match (self.held, self.failed) {
            (None, None) => Step::Probe(self.start),
            (Some(held), None) => Step::Probe(held * 2.0),
            (None, Some(failed)) if failed <= self.start / LOWEST => Step::GiveUp,
            (None, Some(failed)) => Step::Probe(failed / 2.0),
            (Some(_), Some(_)) if MOST_CONFIRMATIONS <= self.confirmations => Step::GiveUp,
            (Some(held), Some(failed)) if failed / held <= PRECISION || 0 < self.confirmations => Step::Confirm(held),
            (Some(held), Some(failed)) => Step::Probe((held * failed).sqrt()),
        }
    }

    /// What a probe at a rate showed.
    pub(super) fn probed(&mut self, rate: f64, holds: bool) {
        let end = if holds { &mut self.held } else { &mut self.failed };
        *end = Some(rate);
    }

    /// A confirmation failed: the next one is at a lower rate.
    pub(super) fn not_confirmed(&mut self, rate: f64) {
        self.confirmations += 1;
        self.failed = Some(rate);
        self.held = Some(rate * STEP_BACK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches a server that holds below `capacity`, and confirms below `confirmed`.
    fn find(start: f64, capacity: f64, confirmed: f64) -> (Option<f64>, u32) {
        let mut search = Search::new(start);
        let mut runs = 0;
        loop {
            runs += 1;
            match search.next() {
                Step::Probe(rate) => search.probed(rate, rate < capacity),
                Step::Confirm(rate) if rate < confirmed => return (Some(rate), runs),
                Step::Confirm(rate) => search.not_confirmed(rate),
                Step::GiveUp => return (None, runs),
            }
        }
    }

    #[test]
    fn the_capacity_is_found_from_above_and_from_below() {
        for start in [10.0, 700.0, 20_000.0] {
            let (found, runs) = find(start, 1_234.0, 1_234.0);
            let found = found.unwrap();
            assert!((1_234.0 / 1.06..1_234.0).contains(&found), "{found} from {start}");
            assert!(runs <= 16, "{runs} runs from {start}");
        }
    }

    #[test]
    fn a_rate_that_only_probes_bear_is_lowered_and_none_is_said() {
        let (found, _) = find(100.0, 1_000.0, 900.0);
        assert!((800.0..900.0).contains(&found.unwrap()), "{found:?}");
        assert_eq!(find(100.0, 1_000.0, 10.0).0, None);
        assert_eq!(find(100.0, 0.0, 0.0).0, None);
    }
}
