//! `server-unseen`: the server could not be observed while it was driven. Must decide nothing.

use super::Words;

pub(super) fn of_run(reason: &str) -> Words {
    Words {
        short: format!("the server was not observed: {reason}"),
        long: format!(
            "the server could not be observed while it was driven ({reason}): waits, locks and work are not known"
        ),
    }
}
