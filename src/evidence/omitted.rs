//! Values that a saved file leaves out. Must hold only what a missing field is read as.

/// Whether a number is the one that a missing field is read as.
pub(super) fn is_zero<N: PartialEq + Default>(number: &N) -> bool {
    *number == N::default()
}
