//! Drives a workload against sides, slice by slice, and records what it took.
//!
//! Threads with a runtime each, connections of their own, histograms of their own. Must print
//! nothing, and must take no lock, send nothing and allocate nothing of its own per operation.

pub mod arrivals;
mod backoff;
pub mod client;
pub mod crew;
pub mod explain;
pub mod failure;
mod patience;
pub mod perform;
pub mod pool;
pub mod prepared;
pub mod recorder;
mod replicas;
pub mod slice;
pub mod timer;
mod together;
pub mod wire_client;
mod worker;

pub use client::{Client, Targets};
pub use crew::Crew;
pub use recorder::{Counts, Recording};
