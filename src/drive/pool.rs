//! A pool of connections in front of more clients, as applications have it. Must time what waiting for it costs.
//!
//! The clients of one thread share its part of the pool; whoever waits longest is next.

use std::cell::{Cell, RefCell};
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

    /// Waits for a connection; `None` when none was free in time.
    pub(super) async fn lease<'p>(&'p self, clock: &'p Clock, recording: &'p RefCell<Recording>) -> Option<Lease<'p>> {
        let turn = match self.turns.try_acquire() {
            Ok(turn) => turn,
            Err(_) => {
                self.waiting.set(self.waiting.get() + 1);
                // Who was just given a connection waits no more, though nobody has told him yet.
                let given = self.size - self.in_use.get();
                recording.borrow_mut().pool.waiting(self.waiting.get().saturating_sub(given));
                let turn = tokio::time::timeout(self.patience, self.turns.acquire()).await;
                self.waiting.set(self.waiting.get() - 1);
                // The semaphore is never closed.
                turn.ok()?.ok()?
            }
        };
        self.book(clock, recording);
        self.in_use.set(self.in_use.get() + 1);
        let client = self.free.borrow_mut().pop();
        Some(Lease { client, pool: self, clock, recording, _turn: turn })
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
