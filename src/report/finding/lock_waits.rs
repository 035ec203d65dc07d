//! `lock-waits`: sessions waited for locks. Must decide nothing.

use super::Words;
use crate::units::plural;

pub(super) fn of_run(sessions_max: u64, waited_s_max: f64) -> Words {
    let sessions = plural(sessions_max as usize, "session");
    Words {
        short: format!("up to {sessions} waited for locks, {waited_s_max:.2} s at most"),
        long: format!(
            "up to {sessions} of the server waited for a lock at a time; the longest wait that was seen took \
             {waited_s_max:.2} s"
        ),
    }
}
