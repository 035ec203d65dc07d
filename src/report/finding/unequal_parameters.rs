//! `unequal-parameters`: the sides were not sent the same parameters. Must decide nothing.

use super::Words;

pub(super) fn words(chunks: usize, chunks_measured: usize) -> Words {
    Words {
        short: "the sides were not sent the same parameters".to_owned(),
        long: format!("the sides were not sent the same parameters in {chunks} of {chunks_measured} chunks"),
    }
}
