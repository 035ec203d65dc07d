//! A pool of connections in front of more clients, as applications have it. Must time what waiting for it costs.
//!
//! The clients of one thread share its part of the pool; the client that waits longest is next.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::client::Client;
use super::recorder::Recording;
use crate::clock::Clock;

/// One thread's part of the pool.
pub(super) struct Pool {
    /// Connections nobody uses; the one used last is used first.
    free: RefCell<Vec<Client>>,
    size: u64,
    turns: Semaphore,
    patience: Duration,
    in_use: Cell<u64>,
    waiting: Cell<u64>,
    /// Until when the time of connections in use is in the books.
    booked_ns: Cell<u64>,
}

/// A client that waits looks this often whether the load has ended.
const LONGEST_WAIT_NS: u64 = 100_000_000;

/// Why there was no connection.
pub(super) enum Unserved {
    /// The pool's patience was over.
    Impatient,
    /// The load is over, or the operation may not be sent any more.
    Over,
}

/// A connection of the pool, given back when it is dropped.
pub(super) struct Lease<'p> {
    client: Option<Client>,
    pool: &'p Pool,
    clock: &'p Clock,
    recording: &'p RefCell<Recording>,
    /// Given back after the connection is.
    _turn: SemaphorePermit<'p>,
}

impl Pool {
    pub(super) fn new(clients: Vec<Client>, patience: Duration, clock: &Clock) -> Self {
        let (size, turns) = (clients.len() as u64, Semaphore::new(clients.len()));
        let booked_ns = Cell::new(clock.now_ns());
        let (in_use, waiting) = (Cell::new(0), Cell::new(0));
        Self { free: RefCell::new(clients), size, turns, patience, in_use, waiting, booked_ns }
    }

    /// Waits for a connection, as long as the pool's patience lasts, at most this many nanoseconds, and until `stop` is
    /// set.
    pub(super) async fn lease<'p>(
        &'p self,
        most_ns: u64,
        stop: &AtomicBool,
        clock: &'p Clock,
        recording: &'p RefCell<Recording>,
    ) -> Result<Lease<'p>, Unserved> {
        let turn = match self.turns.try_acquire() {
            Ok(turn) => turn,
            Err(_) => {
                self.waiting.set(self.waiting.get() + 1);
                // Who was just given a connection waits no more, though it is not notified yet.
                let given = self.size - self.in_use.get();
                recording.borrow_mut().pool.waiting(self.waiting.get().saturating_sub(given));
                let turn = self.turn(most_ns, stop, clock).await;
                self.waiting.set(self.waiting.get() - 1);
                turn?
            }
        };
        self.book(clock, recording);
        self.in_use.set(self.in_use.get() + 1);
        let client = self.free.borrow_mut().pop();
        Ok(Lease { client, pool: self, clock, recording, _turn: turn })
    }

    async fn turn(&self, most_ns: u64, stop: &AtomicBool, clock: &Clock) -> Result<SemaphorePermit<'_>, Unserved> {
        let began = clock.now_ns();
        let patience_ns = self.patience.as_nanos() as u64;
        // One place in the queue for the whole wait.
        let turn = self.turns.acquire();
        tokio::pin!(turn);
        loop {
            let left = patience_ns.min(most_ns).saturating_sub(clock.now_ns() - began);
            let step = Duration::from_nanos(left.min(LONGEST_WAIT_NS));
            // The semaphore is never closed.
            if let Ok(Ok(turn)) = tokio::time::timeout(step, &mut turn).await {
                return Ok(turn);
            }
            let waited = clock.now_ns() - began;
            if stop.load(Ordering::Relaxed) || most_ns <= waited {
                return Err(Unserved::Over);
            }
            if patience_ns <= waited {
                return Err(Unserved::Impatient);
            }
        }
    }

    /// Puts the time since the last call into the books.
    pub(super) fn book(&self, clock: &Clock, recording: &RefCell<Recording>) {
        let now = clock.now_ns();
        let passed = now.saturating_sub(self.booked_ns.replace(now));
        recording.borrow_mut().pool.in_use_ns += passed * self.in_use.get();
    }

    /// All connections, when nobody uses one.
    pub(super) fn clients(&mut self) -> &mut Vec<Client> {
        self.free.get_mut()
    }
}

impl Lease<'_> {
    pub(super) fn client(&mut self) -> &mut Client {
        self.client.as_mut().expect("it is given back only at the end")
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        self.pool.book(self.clock, self.recording);
        self.pool.in_use.set(self.pool.in_use.get() - 1);
        self.pool.free.borrow_mut().extend(self.client.take());
    }
}
