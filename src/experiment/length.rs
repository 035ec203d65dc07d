//! How long an experiment may go on, and when it is examined. Must be fixed before the first slice.

use super::error::ExperimentError;
use crate::evidence::Evidence;
use crate::stats::paired::{LOOKS, looks};

/// Chunks measured at most when nobody says it.
const MOST_CHUNKS: u32 = 16;

/// Chunks measured at most until intervals are as narrow as was asked, and the fewest an interval may rest on then
/// (docs/method.md: stopping on precision needs twelve, and intervals of 96 %).
const MOST_PRECISE: u32 = 64;
const FEWEST_PRECISE: u32 = 12;

/// Chunks on a set of clones, so that one disturbed chunk is not all that is known of it.
const FEWEST_OF_A_SET: u32 = 2;

/// What is asked of an experiment that may go on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked {
    /// Chunks at most.
    pub chunks: Option<u32>,
    /// The narrowness of intervals that ends it, as a share.
    pub precision: Option<f64>,
    /// Sets of clones, where there are several.
    pub replicates: Option<u32>,
}

/// Chunks at most, and the looks on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct Length {
    /// Chunks measured at most; none where single operations are counted only.
    pub chunks: u32,
    /// After how many chunks to ask whether they are enough; the last is `chunks`.
    pub looks: Vec<u32>,
}

impl Length {
    /// Of an experiment that counts single operations only.
    #[must_use]
    pub fn none() -> Self {
        Self { chunks: 0, looks: Vec::new() }
    }

    /// Of a new experiment, or of one that goes on.
    ///
    /// # Errors
    /// When this many chunks are too few for its sets of clones, or no look is left.
    pub fn new(asked: &Asked, resumed: Option<&Evidence>) -> Result<Self, ExperimentError> {
        let Asked { chunks: asked, precision, replicates } = *asked;
        let Some(earlier) = resumed else {
            if precision.is_some() {
                let chunks = asked.unwrap_or(MOST_PRECISE);
                return Ok(Self { chunks, looks: (FEWEST_PRECISE.min(chunks)..=chunks).collect() });
            }
            let Some(replicates) = replicates else {
                let chunks = asked.unwrap_or(MOST_CHUNKS);
                return Ok(Self { chunks, looks: looks(chunks) });
            };
            let fewest = (replicates * FEWEST_OF_A_SET).max(LOOKS[0]);
            let chunks = asked.unwrap_or(fewest.max(MOST_CHUNKS));
            if chunks < fewest {
                return Err(ExperimentError::TooFewForSets { sets: replicates, fewest });
            }
            // What all sets have in common is known at the end only.
            return Ok(Self { chunks, looks: vec![chunks] });
        };
        if ends_once(earlier) {
            return Err(ExperimentError::EndsOnce);
        }
        let done = earlier.chunks.len() as u32;
        let last = LOOKS[LOOKS.len() - 1];
        let next = LOOKS.into_iter().find(|look| done < *look).unwrap_or(last);
        let chunks = asked.unwrap_or(next);
        let held = earlier.design.looks.iter().copied().filter(|look| *look <= done);
        let mut all: Vec<u32> = held.chain(looks(chunks).into_iter().filter(|look| done < *look)).collect();
        all.dedup();
        if chunks <= done || LOOKS.len() < all.len() {
            return Err(ExperimentError::NoLookLeft { done, looks: LOOKS.len(), last });
        }
        Ok(Self { chunks, looks: all })
    }
}

/// Whether the verdicts of an experiment rest on its end alone.
fn ends_once(evidence: &Evidence) -> bool {
    evidence.design.precision.is_some() || evidence.design.replicates > 1
}

/// Whether `--resume` can add chunks to an experiment.
#[must_use]
pub fn can_go_on(evidence: &Evidence) -> bool {
    let last = LOOKS[LOOKS.len() - 1] as usize;
    let (chunks, looks) = (evidence.chunks.len(), &evidence.design.looks);
    !ends_once(evidence) && (1..last).contains(&chunks) && !looks.is_empty()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::evidence::store;

    fn new(chunks: Option<u32>, precision: Option<f64>, replicates: Option<u32>) -> Result<(u32, Vec<u32>), String> {
        let length = Length::new(&Asked { chunks, precision, replicates }, None);
        length.map(|length| (length.chunks, length.looks)).map_err(|error| error.to_string())
    }

    #[test]
    fn looks_are_planned_by_what_is_asked() {
        assert_eq!(new(None, None, None), Ok((16, vec![8, 16])));
        assert_eq!(new(Some(20), None, None), Ok((20, vec![8, 16, 20])));
        let (chunks, looks) = new(None, Some(0.02), None).unwrap();
        assert_eq!((chunks, looks[0], looks.len()), (64, 12, 53));
        assert_eq!(new(None, None, Some(3)), Ok((16, vec![16])));
        assert_eq!(new(None, None, Some(20)), Ok((40, vec![40])));
        let refused = new(Some(5), None, Some(4)).unwrap_err();
        assert_eq!(refused, "4 sets of clones need 8 chunks or more to be compared");
    }

    #[test]
    fn an_experiment_goes_on_to_the_next_look_and_no_further_than_its_errors_are_paid_for() {
        let mut earlier = store::read(Path::new("tests/data/results/format-7/platform")).unwrap();
        let one = earlier.chunks[0].clone();
        let mut resumed = |chunks: usize, looks: Vec<u32>, asked: Option<u32>| {
            earlier.chunks = vec![one.clone(); chunks];
            earlier.design.looks = looks;
            let length = Length::new(&Asked { chunks: asked, ..Asked::default() }, Some(&earlier));
            (can_go_on(&earlier), length.map(|length| (length.chunks, length.looks)).map_err(|error| error.to_string()))
        };
        assert_eq!(resumed(8, vec![8, 16], None), (true, Ok((16, vec![8, 16]))));
        assert_eq!(resumed(16, vec![8, 16], Some(64)), (true, Ok((64, vec![8, 16, 32, 64]))));
        let none_left = "this experiment has 64 chunks, and its errors are paid for 4 looks up to 64 chunks";
        assert_eq!(resumed(64, vec![8, 16, 32, 64], Some(80)), (false, Err(none_left.to_owned())));
        assert!(resumed(8, vec![8, 16], Some(8)).1.is_err(), "it has as many already");
        earlier.design.precision = Some(0.02);
        assert!(!can_go_on(&earlier));
    }
}
