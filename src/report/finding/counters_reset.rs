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

/// Of one database.
pub(super) fn of_run() -> Words {
    Words {
        short: "the server's counters were reset during the run".to_owned(),
        long: "counters of the server went backwards during the run (a reset, or a crash): what was counted between \
         two looks around it is missing"
            .to_owned(),
    }
}
