//! The least a change of blocks must come to before it is called, where many actions are compared. Must leave a change
//! that all parameters show alone.
//!
//! A plan that another sample of a table turns, or a `LIMIT` whose order says nothing, moves the blocks of a set now
//! and then for no reason of the migration, and rarely far: the chance that one of many moves by k blocks is about the
//! number of them over k. So what one executed set must gain grows with the number of actions; each further set of the
//! same action that moves in the same direction halves it.

use serde::Serialize;

use super::counts::MIN_BLOCKS;

/// A change that stays below the minimum.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TooLittle {
    /// Executed sets that moved.
    pub sets: u32,
    /// Blocks by which they moved, together.
    pub blocks: f64,
    /// What they would have to come to.
    pub minimum: f64,
}

/// Blocks that this many executed sets of one of this many actions must move by, together.
pub(super) fn minimum(actions: usize, sets: u32) -> f64 {
    let halved = actions as f64 / 2.0_f64.powi(sets.saturating_sub(1).min(60) as i32);
    MIN_BLOCKS * halved.max(1.0)
}

/// Whether sets that moved are too little to be called.
pub(super) fn too_little(actions: usize, (sets, blocks): (u32, f64)) -> Option<TooLittle> {
    let minimum = minimum(actions, sets);
    (sets > 0 && blocks < minimum).then_some(TooLittle { sets, blocks, minimum })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_set_among_many_actions_must_move_far_and_several_less() {
        assert_eq!((minimum(1, 1), minimum(6, 1), minimum(500, 1)), (4.0, 24.0, 2_000.0));
        assert_eq!((minimum(500, 4), minimum(500, 12), minimum(500, 32)), (250.0, 4.0, 4.0));
        assert!(too_little(500, (1, 43.0)).is_some() && too_little(500, (1, 500_000.0)).is_none());
        assert!(too_little(1, (1, 4.0)).is_none() && too_little(500, (0, 0.0)).is_none());
    }
}
