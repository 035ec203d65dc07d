//! Everything that is asked of an experiment. Must hold no state of one.

use std::path::PathBuf;

use super::length::Length;
use super::mark::Mark;
use crate::evidence::Evidence;
use crate::trial;

/// Everything that is asked of an experiment.
pub struct Settings {
    /// What is measured, and on what.
    pub trial: trial::Settings,
    /// How long it may go on.
    pub length: Length,
    /// Whether single operations are timed too.
    pub isolated: bool,
    /// The narrowness of intervals that ends it, as a share.
    pub precision: Option<f64>,
    /// Whether actions that changed may get more of the operations than the mix gives them.
    pub focus: bool,
    /// Whether to hide each index in turn.
    pub ablate: bool,
    /// An earlier part of the same experiment, which goes on.
    pub resumed: Option<Resumed>,
    /// Where earlier attempts at the same comparison are kept; without it this is the first.
    pub results: Option<PathBuf>,
}

/// An earlier part of the same experiment.
pub struct Resumed {
    /// What it measured.
    pub evidence: Evidence,
    /// Says in its folder that it has gone on; made once this is known to be the same experiment.
    pub mark: Option<Mark>,
}
