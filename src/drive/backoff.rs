//! How long a lost connection waits before it is reopened. Must hold numbers alone.

/// A lost connection is reopened after this long, then twice as long, and so on to the second.
pub(super) const FIRST_BACKOFF_NS: u64 = 10_000_000;
pub(super) const LONGEST_BACKOFF_NS: u64 = 1_000_000_000;
