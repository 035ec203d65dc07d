//! How long answers are waited for. Must never end what may still be sent.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::slice::Slice;
use crate::clock::Clock;

/// How long an answer is waited for after the last operation could be sent, in nanoseconds.
pub(super) const ANSWER_NS: u64 = 60_000_000_000;

/// The same after somebody or a rule has ended the load early.
pub(super) const STOPPED_NS: u64 = 1_000_000_000;

/// How often is looked.
const LOOK: Duration = Duration::from_millis(100);

/// Returns when no answer of a slice is waited for any more: a server that hangs must not hold up its end.
pub(super) async fn until_over(slice: &Slice, clock: &Clock) {
    let last = slice.start_ns.saturating_add(slice.length_ns).saturating_add(slice.grace_ns).saturating_add(ANSWER_NS);
    let mut stopped = None;
    loop {
        tokio::time::sleep(LOOK).await;
        let now = clock.now_ns();
        if slice.stop.load(Ordering::Relaxed) {
            stopped.get_or_insert(now);
        }
        if now >= last || stopped.is_some_and(|since| now - since >= STOPPED_NS) {
            return;
        }
    }
}
