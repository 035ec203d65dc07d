//! Short names of what an experiment is made of. Must be the same wherever the same parts come in the same order.

use sha2::{Digest, Sha256};

/// Sixteen hexadecimal digits that change with any byte of the parts and with where one ends.
pub(super) fn digest<P: AsRef<[u8]>>(parts: impl IntoIterator<Item = P>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        let part = part.as_ref();
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::digest;

    #[test]
    fn where_a_part_ends_is_part_of_it() {
        assert_eq!(digest(["ab", "c"]).len(), 16);
        assert_ne!(digest(["ab", "c"]), digest(["a", "bc"]));
        assert_ne!(digest(["a", "b"]), digest(["b", "a"]));
    }
}
