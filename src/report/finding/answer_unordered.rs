//! `answer-unordered`: the same parameters give other rows of as many. Must decide nothing.

use super::Words;

pub(super) fn words(action: &str) -> Words {
    Words {
        short: format!("`{action}` gives other rows of as many, which its ORDER BY may allow"),
        long: format!(
            "`{action}` gives as many rows, but other ones. A new plan alone may do that where a statement takes a \
             part of what it finds (LIMIT, OFFSET), gathers rows as they come or numbers ties, and so may a migration \
             that changes the answer"
        ),
    }
}
