//! Single operations on idle sides: blocks, rows, WAL, plans, answers. Must leave no row changed, and must not know how
//! sides come about.

pub mod ablate;
pub(super) mod answer;
pub mod count;
pub(super) mod functions;
pub(super) mod generic;
pub(super) mod hypothetical;
pub(super) mod operation;
pub(super) mod sequential;
pub(super) mod survey;
pub(super) mod ties;
pub(super) mod trace;
pub(super) mod updates;
