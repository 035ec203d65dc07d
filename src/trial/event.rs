//! What a long trial reports while it runs; the progress line and the saved file are its consumers.
//!
//! Must come per slice or seldomer, never per operation.

use std::sync::Arc;
use std::time::Duration;

use crate::evidence::Evidence;
use crate::postgres::database::Named;
use crate::seed::load::Progress;

/// Something that happened.
#[derive(Debug)]
pub enum Event<'e> {
    /// Databases of a program that is gone were removed.
    CleanedUp(usize),
    /// Databases that are named like ours and carry no mark: they stay.
    Unmarked(&'e [Named]),
    /// The role that asks was made on the embedded server.
    RoleMade(&'e str),
    /// What a proof in place that is gone had left applied was reverted.
    Restored,
    /// The seeded template of an earlier run fits.
    TemplateReused,
    /// The base schema is being made.
    Schema {
        /// The migration just applied.
        migration: &'e str,
    },
    /// The dataset is being loaded.
    Seeding(Progress),
    /// The dataset is loaded and kept.
    Seeded(Duration),
    /// A side is being cloned.
    Cloning {
        /// Its name.
        side: &'e str,
    },
    /// A migration is being applied to the side `after`.
    Migrating {
        /// Which one.
        migration: &'e str,
    },
    /// What was applied is being reverted, in place.
    Reverting,
    /// All are applied.
    Migrated(Duration),
    /// Single operations are counted: this action, of how many, with a set of parameters.
    Counting {
        /// Actions begun.
        done: u32,
        /// Of how many.
        total: u32,
        /// Sets begun, and of how many.
        sets: (usize, usize),
    },
    /// Single operations are timed: this action has this many connection sets.
    Timing {
        /// Its name.
        action: &'e str,
        /// How many.
        sets: u32,
    },
    /// Single operations were counted; the evidence so far can be saved and compared.
    Counted(&'e Evidence),
    /// Single operations were timed; the evidence so far can be saved and compared.
    Isolated(&'e Evidence),
    /// An index is hidden: this one, of how many.
    Ablating {
        /// The index.
        index: &'e str,
        /// Indexes begun.
        done: u32,
        /// Of how many.
        total: u32,
    },
    /// How long it will be measured: the looks, and what the margins need.
    Planned {
        /// After how many chunks it may end; the last is the end.
        looks: &'e [u32],
        /// How it will go.
        evidence: &'e Evidence,
        /// Chunks that sampling alone needs to decide each action's p95; none in a closed loop.
        needed: &'e [f64],
    },
    /// Caches are being filled.
    Priming,
    /// Caches are filled; how latencies spread here is known.
    Primed {
        /// How it will go.
        evidence: &'e Evidence,
        /// Chunks that sampling alone needs to decide each action's p95, as latencies spread here; none in a closed
        /// loop.
        needed: &'e [f64],
    },
    /// A slice was driven.
    Slice {
        /// Chunk under way, from 1.
        chunk: u32,
        /// Of how many.
        chunks: u32,
        /// Slices done in all.
        done: u32,
        /// Of how many.
        total: u32,
    },
    /// A chunk is complete; the evidence so far can be saved and compared.
    Chunk(&'e Evidence),
}

/// Hears events, from any thread.
pub type Listener = Arc<dyn Fn(Event<'_>) + Send + Sync>;
