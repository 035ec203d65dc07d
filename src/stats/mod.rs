//! Pure numbers: effects of paired trials, their intervals, corrections for many looks.
//!
//! Must know nothing of databases, files or time; every formula names its source.

pub mod connection_sets;
pub mod discovery;
pub mod histogram;
pub mod paired;
pub mod prediction;
pub mod ranks;
#[cfg(test)]
mod reference;
pub mod steady;
