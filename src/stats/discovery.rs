//! Many comparisons at once: how many of the finds may be chance. Must not know what is compared.

/// Adjusted p-values (q-values) by Benjamini and Hochberg (1995), in the order of the input.
///
/// Calling every comparison with a result at most `q` a find keeps the expected share of false
/// finds at `q`, for independent and positively dependent comparisons.
#[must_use]
pub fn benjamini_hochberg(p_values: &[f64]) -> Vec<f64> {
    let count = p_values.len();
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|a, b| p_values[*b].total_cmp(&p_values[*a]));
    let mut adjusted = vec![1.0; count];
    let mut smallest = 1.0_f64;
    for (from_largest, index) in order.into_iter().enumerate() {
        let rank = (count - from_largest) as f64;
        smallest = smallest.min(p_values[index] * count as f64 / rank);
        adjusted[index] = smallest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_r_p_adjust() {
        // R: p.adjust(c(0.01, 0.04, 0.03, 0.005, 0.5), "BH")
        let adjusted = benjamini_hochberg(&[0.01, 0.04, 0.03, 0.005, 0.5]);
        for (found, expected) in adjusted.iter().zip([0.025, 0.05, 0.05, 0.025, 0.5]) {
            assert!((found - expected).abs() < 1e-12, "{adjusted:?}");
        }
        assert!(benjamini_hochberg(&[]).is_empty());
    }
}
