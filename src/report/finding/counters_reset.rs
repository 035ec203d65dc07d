//! `counters-reset`: counters of the server went backwards. Must decide nothing.

use super::Words;

pub(super) fn words() -> Words {
    Words {
        short: "the server's counters were reset: index use and work per call are not shown".to_owned(),
        long: "counters of the server went backwards during the trial (a reset, or a crash): index use and work per \
               call are not shown"
            .to_owned(),
    }
}
