//! How sides come about: clones of a dataset, given databases, or one that is migrated and reverted. Must leave nothing
//! behind but templates.

pub(super) mod clones;
pub(super) mod given;
pub(super) mod images;
pub mod in_place;
pub(super) mod lossless;
pub(super) mod prewarm;
pub(super) mod role;
pub(super) mod sequences;
pub mod sides;
pub(super) mod switch;
pub mod template;
pub(super) mod wholes;
