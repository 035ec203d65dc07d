//! Ctrl-C, SIGTERM and a closed terminal: what a task can wait for, and the end of a program whose tasks do not end by
//! themselves. Must name what is left before it ends one.
//!
//! The first signal asks the verb to end, which takes two seconds at most unless something must be undone; the second
//! ends the program.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::watch;

use super::exit::{ExitStatus, Failure};
use crate::units::printable_lines;

/// How long work goes on after the first signal, before it is dropped where it is.
const GRACE: Duration = Duration::from_millis(1_200);

/// How long a verb has to end after the first signal.
const PATIENCE: Duration = Duration::from_millis(1_700);

/// After this the program ends from outside of its verb, which may be in the middle of a long computation.
const LAST_PATIENCE: Duration = Duration::from_millis(1_900);

/// How long a verb has after the second signal: enough to say exactly what is left.
const SHORT_PATIENCE: Duration = Duration::from_millis(400);

/// How often is looked whether something is still being undone.
const LOOK: Duration = Duration::from_millis(50);

/// What the whole program knows of signals.
struct State {
    /// How many there were.
    signals: watch::Sender<u32>,
    /// What stays behind if the program ends now, in the order it was made.
    left: Mutex<(u64, BTreeMap<u64, String>)>,
    /// How much is being undone.
    undoing: AtomicUsize,
}

fn state() -> &'static State {
    static STATE: OnceLock<State> = OnceLock::new();
    STATE.get_or_init(|| State { signals: watch::Sender::new(0), left: Mutex::default(), undoing: AtomicUsize::new(0) })
}

/// Takes signals from now on, on a thread of its own: they are heard whatever the others do.
pub(super) fn listen() {
    let listener = || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            loop {
                signal().await;
                state().signals.send_modify(|signals| *signals += 1);
                tokio::spawn(end(*state().signals.borrow()));
            }
        });
    };
    // Without it a signal ends the program at once, as it ends any other.
    drop(std::thread::Builder::new().name("signals".to_owned()).spawn(listener));
}

/// Returns at the next signal.
async fn signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let (Ok(mut terminate), Ok(mut hang_up)) = (signal(SignalKind::terminate()), signal(SignalKind::hangup())) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
                _ = hang_up.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

/// Ends the program if its verb has not ended in time after the first or a later signal.
async fn end(signals: u32) {
    if signals > 1 {
        tokio::time::sleep(SHORT_PATIENCE).await;
    } else {
        tokio::time::sleep(LAST_PATIENCE).await;
        if is_undoing() {
            while is_undoing() {
                tokio::time::sleep(LOOK).await;
            }
            tokio::time::sleep(LAST_PATIENCE).await;
        }
    }
    say_left();
    #[expect(clippy::exit, reason = "the verb had its time")]
    std::process::exit(ExitStatus::Interrupted as i32);
}

/// Returns when the program is asked to end, or was before.
pub(super) async fn interrupted() {
    more_than(0).await;
}

/// Returns when the program is asked to end once more than by now.
pub(super) async fn interrupted_again() {
    let by_now = *state().signals.borrow();
    more_than(by_now).await;
}

async fn more_than(signals: u32) {
    // The sender lives as long as the program.
    drop(state().signals.subscribe().wait_for(|seen| *seen > signals).await);
}

/// Work that is dropped where it is soon after the program is asked to end, unless it ends by itself or undoes
/// something; nothing then.
pub(super) async fn with_grace<T>(work: impl Future<Output = T>) -> Option<T> {
    within(GRACE, work).await
}

async fn within<T>(patience: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::pin!(work);
    let over = async {
        interrupted().await;
        tokio::time::sleep(patience).await;
        if is_undoing() {
            while is_undoing() {
                tokio::time::sleep(LOOK).await;
            }
            tokio::time::sleep(patience).await;
        }
    };
    tokio::select! {
        biased;
        done = &mut work => Some(done),
        () = over => {
            // Before what would remove it is dropped.
            say_left();
            None
        }
    }
}

/// A verb, which ends in time or is dropped where it is.
pub(super) async fn in_time(verb: impl Future<Output = Result<ExitStatus, Failure>>) -> Result<ExitStatus, Failure> {
    within(PATIENCE, verb).await.unwrap_or(Ok(ExitStatus::Interrupted))
}

/// Something that stays behind if the program ends before this is dropped.
pub(super) struct Left(u64);

/// Remembers what stays behind if the program ends now, and how it is removed.
pub(super) fn left(what: impl Into<String>) -> Left {
    let mut left = state().left.lock().expect("no holder panics");
    left.0 += 1;
    let number = left.0;
    left.1.insert(number, what.into());
    Left(number)
}

impl Drop for Left {
    fn drop(&mut self) {
        state().left.lock().expect("no holder panics").1.remove(&self.0);
    }
}

/// Says what is left, once.
pub(super) fn say_left() {
    let left = std::mem::take(&mut state().left.lock().expect("no holder panics").1);
    for what in left.into_values() {
        let _ = writeln!(std::io::stderr(), "left: {}", printable_lines(&what));
    }
}

/// While it lives the first signal does not end the program: something is being undone that must not stay.
pub(super) struct Undoing(());

/// Begins to undo something.
pub(super) fn undoing() -> Undoing {
    state().undoing.fetch_add(1, Ordering::Relaxed);
    Undoing(())
}

fn is_undoing() -> bool {
    state().undoing.load(Ordering::Relaxed) > 0
}

impl Drop for Undoing {
    fn drop(&mut self) {
        state().undoing.fetch_sub(1, Ordering::Relaxed);
    }
}
