//! The driver's threads, told what to do slice by slice. Must exchange messages per slice, never per operation.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use super::client::{Client, PgClient};
use super::recorder::Recording;
use super::timer::Timer;
use super::worker::{DriveError, Seat, Slice, drive};
use crate::clock::Clock;
use crate::postgres::{Error, Target};
use crate::scenario::{Load, Workload};

/// What a crew can fail with.
#[derive(Debug, thiserror::Error)]
pub enum CrewError {
    /// The server.
    #[error(transparent)]
    Server(#[from] Error),
    /// The driver.
    #[error(transparent)]
    Drive(#[from] DriveError),
    /// A thread ended before its time.
    #[error("a thread of the load driver ended unexpectedly")]
    Gone,
}

/// Threads with connections to every side.
pub struct Crew {
    threads: Vec<Member>,
    clock: Clock,
}

struct Member {
    orders: mpsc::UnboundedSender<Order>,
    handle: Option<JoinHandle<()>>,
}

/// Lead between telling the threads and the slice's start, so that all of them are ready.
const LEAD_NS: u64 = 2_000_000;

type Reply<T> = oneshot::Sender<Result<T, CrewError>>;

enum Order {
    Connect { side: usize, target: Box<Target>, reply: Reply<()> },
    Slice { side: usize, slice: Slice, reply: Reply<()> },
    Flush { reply: Reply<()> },
    Collect { side: usize, reply: Reply<Recording> },
}

impl Crew {
    /// Starts `threads` threads; connections are spread over them evenly.
    #[must_use]
    pub fn start(workload: &Arc<Workload>, threads: usize, clock: Clock) -> Self {
        let clients = match workload.load {
            Load::Open { connections, .. } => connections,
            Load::Closed { clients } => clients,
        };
        let threads = threads.clamp(1, clients);
        let members = (0..threads).map(|thread| {
            let (orders, inbox) = mpsc::unbounded_channel();
            let share = clients / threads + usize::from(thread < clients % threads);
            let workload = Arc::clone(workload);
            let handle = std::thread::Builder::new()
                .name(format!("driver-{thread}"))
                .spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .enable_all()
                        .build()
                        .expect("a runtime needs only memory and an epoll descriptor");
                    runtime.block_on(Thread { workload, clock, share, sides: BTreeMap::new() }.serve(inbox));
                })
                .expect("the system starts a thread");
            Member { orders, handle: Some(handle) }
        });
        Self { threads: members.collect(), clock }
    }

    /// How many threads there are.
    #[must_use]
    pub fn size(&self) -> usize {
        self.threads.len()
    }

    /// Connects every thread to a side and prepares every statement there.
    ///
    /// # Errors
    /// When the server refuses a connection or a statement.
    pub async fn connect(&self, side: usize, target: &Target) -> Result<(), CrewError> {
        self.all(|_, reply| Order::Connect { side, target: Box::new(target.clone()), reply }).await.map(drop)
    }

    /// Drives one slice on one side, on all threads at once.
    ///
    /// # Errors
    /// When the driver fails; the server's refusals are counted instead.
    pub async fn slice(&self, side: usize, stream: u64, length_ns: u64) -> Result<(), CrewError> {
        let start_ns = self.clock.now_ns() + LEAD_NS;
        let grace_ns = (length_ns / 2).max(250_000_000);
        let threads = self.threads.len();
        self.all(|thread, reply| {
            let slice = Slice { stream, start_ns, length_ns, grace_ns, thread, threads };
            Order::Slice { side, slice, reply }
        })
        .await
        .map(drop)
    }

    /// Makes the counters of every session visible.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn flush(&self) -> Result<(), CrewError> {
        self.all(|_, reply| Order::Flush { reply }).await.map(drop)
    }

    /// Takes what was recorded on a side since the last time, of all threads together.
    ///
    /// # Errors
    /// When a thread is gone.
    pub async fn collect(&self, side: usize) -> Result<Recording, CrewError> {
        let mut parts = self.all(|_, reply| Order::Collect { side, reply }).await?.into_iter();
        let mut sum = parts.next().ok_or(CrewError::Gone)?;
        for part in parts {
            sum.merge(&part);
        }
        Ok(sum)
    }

    async fn all<T>(&self, order: impl Fn(usize, Reply<T>) -> Order) -> Result<Vec<T>, CrewError> {
        let mut answers = Vec::with_capacity(self.threads.len());
        for (index, member) in self.threads.iter().enumerate() {
            let (reply, answer) = oneshot::channel();
            member.orders.send(order(index, reply)).map_err(|_| CrewError::Gone)?;
            answers.push(answer);
        }
        let mut results = Vec::with_capacity(answers.len());
        for answer in answers {
            results.push(answer.await.map_err(|_| CrewError::Gone)?);
        }
        results.into_iter().collect()
    }
}

impl Drop for Crew {
    /// Ends the threads. One in the middle of an operation is left to end with the process: waiting for
    /// a slow answer would hold up Ctrl-C, and its database is about to be dropped.
    fn drop(&mut self) {
        for member in &mut self.threads {
            let (closed, _) = mpsc::unbounded_channel();
            member.orders = closed;
            drop(member.handle.take());
        }
    }
}

struct Thread {
    workload: Arc<Workload>,
    clock: Clock,
    share: usize,
    sides: BTreeMap<usize, Station>,
}

/// A thread's connections to one side and what it saw there.
struct Station {
    seats: Vec<Seat>,
    recording: RefCell<Recording>,
    cpu_ns: u64,
}

impl Thread {
    async fn serve(mut self, mut inbox: mpsc::UnboundedReceiver<Order>) {
        while let Some(order) = inbox.recv().await {
            // Nobody listens any more when the trial was given up.
            match order {
                Order::Connect { side, target, reply } => drop(reply.send(self.connect(side, &target).await)),
                Order::Slice { side, slice, reply } => drop(reply.send(self.slice(side, slice).await)),
                Order::Flush { reply } => drop(reply.send(self.flush().await)),
                Order::Collect { side, reply } => drop(reply.send(self.collect(side))),
            }
        }
    }

    async fn connect(&mut self, side: usize, target: &Target) -> Result<(), CrewError> {
        let mut seats = Vec::with_capacity(self.share);
        for _ in 0..self.share {
            let client = PgClient::connect(target, &self.workload).await?;
            seats.push(Seat {
                client: Client::Postgres(Box::new(client)),
                timer: Timer::precise().map_err(DriveError::Timer)?,
            });
        }
        let recording = RefCell::new(Recording::new(self.workload.actions.len()));
        self.sides.insert(side, Station { seats, recording, cpu_ns: 0 });
        Ok(())
    }

    async fn slice(&mut self, side: usize, slice: Slice) -> Result<(), CrewError> {
        let station = self.sides.get_mut(&side).ok_or(CrewError::Gone)?;
        let cpu_before = thread_cpu_ns();
        let result = drive(&mut station.seats, &self.workload, slice, &self.clock, &station.recording).await;
        station.cpu_ns += thread_cpu_ns() - cpu_before;
        let recording = station.recording.get_mut();
        recording.elapsed_ns += self.clock.now_ns().saturating_sub(slice.start_ns);
        recording.cpu_share_max = station.cpu_ns as f64 / recording.elapsed_ns.max(1) as f64;
        Ok(result?)
    }

    async fn flush(&mut self) -> Result<(), CrewError> {
        for station in self.sides.values_mut() {
            for seat in &mut station.seats {
                if let Client::Postgres(client) = &mut seat.client {
                    client.flush(&self.workload).await?;
                }
            }
        }
        Ok(())
    }

    fn collect(&mut self, side: usize) -> Result<Recording, CrewError> {
        let station = self.sides.get_mut(&side).ok_or(CrewError::Gone)?;
        station.cpu_ns = 0;
        let recording = station.recording.replace(Recording::new(self.workload.actions.len()));
        recording.counts().check();
        Ok(recording)
    }
}

/// Processor time this thread has used, in nanoseconds.
fn thread_cpu_ns() -> u64 {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    used.tv_sec as u64 * 1_000_000_000 + used.tv_nsec as u64
}
