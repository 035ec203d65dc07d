//! `dependent-chunks`: chunks follow each other beyond chance. Must decide nothing.

use super::Words;

pub(super) fn words(action: &str, correlation: f64, widening: f64) -> Words {
    Words {
        short: format!("chunks of `{action}` depend on each other: its intervals are {widening:.1} times as wide"),
        long: format!(
            "chunks follow each other (correlation at lag 1 of `{action}`: {correlation:.2}), so its intervals are \
             {widening:.1} times as wide as those of independent chunks"
        ),
    }
}
