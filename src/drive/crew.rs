//! The driver's threads, with an order for each slice. Must exchange messages per slice, never per operation.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::client::{Client, Targets};
use super::pool::Pool;
use super::recorder::{Pace, Recording};
use super::slice::{DriveError, Rules, Seat, Slice};
use super::timer::Timer;
use super::together::{Partner, drive_together};
use super::worker::drive;
use crate::clock::Clock;
use crate::diagnostic::Advice;
use crate::evidence::PlanCounts;
use crate::postgres::Error;
use crate::scenario::shape::Shape;
use crate::scenario::{Load, Stream, Workload};

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

impl Advice for CrewError {
    fn inner(&self) -> Option<&dyn Advice> {
        match self {
            Self::Server(error) => Some(error),
            Self::Drive(error) => Some(error),
            Self::Gone => None,
        }
    }
}

/// Threads with connections to every side.
pub struct Crew {
    threads: Vec<Member>,
    clock: Clock,
    level: f64,
}

/// What a thread recorded in an interval of a run; the last one of each thread ends with the run.
pub struct Interval {
    /// Which interval, from 0.
    pub number: u64,
    /// What was recorded.
    pub recording: Recording,
}

/// The operations of a slice of a trial.
#[derive(Debug, Clone, Copy)]
pub struct Ops {
    /// Names arrivals and parameters; equal numbers give equal ones on every side.
    pub stream: u64,
    /// The number of the first (`sequence()`).
    pub first: u64,
    /// How long they become due.
    pub length_ns: u64,
}

/// A pool of connections in front of more clients.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PoolSize {
    /// Connections.
    pub connections: usize,
    /// How long a client waits for one before it gives up.
    pub patience: Duration,
}

/// What a run asks of all threads together.
pub struct RunOrder {
    /// The stretch of it, such as warm-up or measurement; equal numbers give equal operations.
    pub part: u64,
    /// The number of its first operation among those of the run so far.
    pub first: u64,
    /// The level over time.
    pub shape: Shape,
    /// How long operations become due.
    pub length_ns: u64,
    /// How long after that a due operation may still be sent.
    pub grace_ns: u64,
    /// Most operations of all threads together.
    pub most: Option<u64>,
    /// Rules of the load.
    pub rules: Rules,
    /// Recordings are handed over this often.
    pub interval_ns: u64,
    /// Which of several machines this is, and of how many.
    pub shard: (u64, u64),
    /// Set when it should end early.
    pub stop: Arc<AtomicBool>,
}

struct Member {
    orders: mpsc::UnboundedSender<Order>,
    handle: Option<JoinHandle<()>>,
}

/// Lead between telling the threads and the slice's start, so that all of them are ready.
const LEAD_NS: u64 = 2_000_000;

/// What is due at once is due within this time.
const AT_ONCE_NS: u64 = 1_000_000;

/// Operations due in the first tenth of a slice count as early.
const EARLY: u64 = 10;

type Reply<T> = oneshot::Sender<Result<T, CrewError>>;

enum Order {
    Connect { side: usize, targets: Box<Targets>, workload: Arc<Workload>, reply: Reply<()> },
    Slice { side: usize, slice: Box<Slice>, recorded: bool, reply: Reply<Pace> },
    Together { slice: Box<Slice>, reply: Reply<Vec<Pace>> },
    Run { side: usize, slice: Box<Slice>, interval_ns: (u64, mpsc::UnboundedSender<Interval>), reply: Reply<u64> },
    Flush { reply: Reply<()> },
    PlanCounts { side: usize, reply: Reply<Vec<PlanCounts>> },
    Collect { side: usize, reply: Reply<Recording> },
}

impl Crew {
    /// Starts `threads` threads; clients, and the connections of a pool if there is one, are spread over them evenly.
    #[must_use]
    pub fn start(load: Load, pool: Option<PoolSize>, threads: usize, clock: Clock) -> Self {
        let clients = load.connections();
        let threads = threads.clamp(1, pool.map_or(clients, |pool| pool.connections.min(clients)));
        let members = (0..threads).map(|thread| {
            let (orders, inbox) = mpsc::unbounded_channel();
            let part = move |all: usize| all / threads + usize::from(thread < all % threads);
            let pool = pool.map(|pool| PoolSize { connections: part(pool.connections), ..pool });
            let handle = std::thread::Builder::new()
                .name(format!("driver-{thread}"))
                .spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .enable_all()
                        .build()
                        .expect("a runtime needs only memory and an epoll descriptor");
                    let seats = Seats { share: part(clients), first: thread, every: threads };
                    runtime.block_on(Thread { pool, clock, seats, sides: BTreeMap::new() }.serve(inbox));
                })
                .expect("the system starts a thread");
            Member { orders, handle: Some(handle) }
        });
        Self { threads: members.collect(), clock, level: load.level() }
    }

    /// How many threads there are.
    #[must_use]
    pub fn size(&self) -> usize {
        self.threads.len()
    }

    /// Connects every thread to a side and prepares every statement of its workload there. Connections that it had
    /// there end.
    ///
    /// # Errors
    /// When the server refuses a connection or a statement.
    pub async fn connect(&self, side: usize, targets: &Targets, workload: &Arc<Workload>) -> Result<(), CrewError> {
        let order = |_, reply| {
            let (targets, workload) = (Box::new(targets.clone()), Arc::clone(workload));
            Order::Connect { side, targets, workload, reply }
        };
        self.all(order).await.map(drop)
    }

    /// Drives one slice on one side, on all threads at once; what is not `recorded` is only a warm-up.
    ///
    /// # Errors
    /// When the driver fails; the server's refusals are counted instead.
    pub async fn slice(&self, side: usize, ops: Ops, recorded: bool) -> Result<Pace, CrewError> {
        let slices = self.slices(ops, self.level, grace_ns(ops));
        let order = |thread, reply| Order::Slice { side, slice: Box::new(slices(thread)), recorded, reply };
        Ok(sum(self.all(order).await?))
    }

    /// Drives about this many operations on one side that are all due at once, so that every connection is busy, and
    /// sends none after `most_ns`. None of it is recorded.
    ///
    /// # Errors
    /// When the driver fails; the server's refusals are no answers.
    pub async fn burst(
        &self,
        side: usize,
        (stream, first): (u64, u64),
        operations: f64,
        most_ns: u64,
    ) -> Result<Pace, CrewError> {
        let ops = Ops { stream, first, length_ns: AT_ONCE_NS };
        let slices = self.slices(ops, operations / (AT_ONCE_NS as f64 / 1e9), most_ns);
        let order = |thread, reply| Order::Slice { side, slice: Box::new(slices(thread)), recorded: false, reply };
        Ok(sum(self.all(order).await?))
    }

    /// Drives one slice on every side at once: each operation on one side after the other, in random order. As many
    /// arrivals are due as make the server's load the same as in a slice of one side.
    ///
    /// # Errors
    /// When the driver fails; the server's refusals are counted instead.
    pub async fn together(&self, sides: usize, ops: Ops) -> Result<Vec<Pace>, CrewError> {
        let slices = self.slices(ops, self.level / sides as f64, grace_ns(ops));
        let paces = self.all(|thread, reply| Order::Together { slice: Box::new(slices(thread)), reply }).await?;
        let mut sums = vec![Pace::default(); sides];
        for thread in paces {
            sums.iter_mut().zip(thread).for_each(|(sum, pace)| sum.add(pace));
        }
        Ok(sums)
    }

    /// The order of each thread for a slice that is about to start.
    fn slices(&self, ops: Ops, level: f64, grace_ns: u64) -> impl Fn(usize) -> Slice {
        let Ops { stream, first, length_ns } = ops;
        let start_ns = self.clock.now_ns() + LEAD_NS;
        let threads = self.threads.len();
        let shape = Arc::new(Shape::steady(level, length_ns as f64 / 1e9));
        let stop = Arc::new(AtomicBool::new(false));
        move |thread| {
            let stream = Stream::lane(stream, thread as u64, threads as u64).from(first);
            let (shape, stop) = (Arc::clone(&shape), Arc::clone(&stop));
            Slice { stream, start_ns, length_ns, grace_ns, shape, most: None, rules: Rules::default(), stop }
        }
    }

    /// Drives a run on the only side, on all threads at once; intervals go to `intervals` as they end. Returns the
    /// number that the first operation after it may have.
    ///
    /// # Errors
    /// When the driver fails; the server's refusals are counted instead.
    pub async fn run(&self, order: RunOrder, intervals: &mpsc::UnboundedSender<Interval>) -> Result<u64, CrewError> {
        let RunOrder { part, first, shape, length_ns, grace_ns, most, rules, interval_ns, shard, stop } = order;
        let start_ns = self.clock.now_ns() + LEAD_NS;
        let threads = self.threads.len() as u64;
        let shape = Arc::new(shape);
        self.all(|thread, reply| {
            let thread = thread as u64;
            let stream = Stream::lane(part, shard.0 * threads + thread, shard.1 * threads).from(first);
            let share = |all: u64| all / threads + u64::from(thread < all % threads);
            let (shape, stop, most) = (Arc::clone(&shape), Arc::clone(&stop), most.map(share));
            let slice = Slice { stream, start_ns, length_ns, grace_ns, shape, most, rules, stop };
            Order::Run { side: 0, slice: Box::new(slice), interval_ns: (interval_ns, intervals.clone()), reply }
        })
        .await
        .map(|taken| first + taken.into_iter().max().unwrap_or(0) * threads * shard.1)
    }

    /// Makes the counters of every session visible.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn flush(&self) -> Result<(), CrewError> {
        self.all(|_, reply| Order::Flush { reply }).await.map(drop)
    }

    /// How each action's prepared statements were planned in the sessions of a side that are not broken.
    ///
    /// # Errors
    /// When the server refuses, or a connection is lost.
    pub async fn plan_counts(&self, side: usize) -> Result<Vec<PlanCounts>, CrewError> {
        let parts = self.all(|_, reply| Order::PlanCounts { side, reply }).await?;
        Ok(parts.into_iter().reduce(added).unwrap_or_default())
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

/// How long after its end what was due in a slice may still be sent.
fn grace_ns(ops: Ops) -> u64 {
    (ops.length_ns / 2).max(250_000_000)
}

/// Of all threads together.
fn sum(paces: Vec<Pace>) -> Pace {
    let mut sum = Pace::default();
    paces.into_iter().for_each(|pace| sum.add(pace));
    sum
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
    pool: Option<PoolSize>,
    clock: Clock,
    seats: Seats,
    sides: BTreeMap<usize, Station>,
}

/// Which clients a thread has: every this many from its first one on.
struct Seats {
    share: usize,
    first: usize,
    every: usize,
}

/// A thread's connections to one side and what it saw there.
struct Station {
    workload: Arc<Workload>,
    seats: Vec<Seat>,
    pool: Option<Pool>,
    recording: RefCell<Recording>,
    cpu_ns: u64,
}

impl Station {
    /// A slice begins.
    fn begin(&mut self, slice: &Slice) {
        let recording = self.recording.get_mut();
        recording.pace = Pace::default();
        recording.early_until_ns = slice.start_ns + slice.length_ns / EARLY;
    }

    /// It has ended, after so much of processor time and of time.
    fn end(&mut self, cpu_ns: u64, took_ns: u64) -> Pace {
        self.cpu_ns += cpu_ns;
        let recording = self.recording.get_mut();
        recording.elapsed_ns += took_ns;
        recording.cpu_share_max = self.cpu_ns as f64 / recording.elapsed_ns.max(1) as f64;
        recording.pace
    }
}

impl Thread {
    async fn serve(mut self, mut inbox: mpsc::UnboundedReceiver<Order>) {
        while let Some(order) = inbox.recv().await {
            // Nobody listens any more when the trial was given up.
            match order {
                Order::Connect { side, targets, workload, reply } => {
                    drop(reply.send(self.connect(side, &targets, workload).await));
                }
                Order::Slice { side, slice, recorded, reply } => {
                    drop(reply.send(self.slice(side, &slice, recorded).await));
                }
                Order::Together { slice, reply } => drop(reply.send(self.together(&slice).await)),
                Order::Run { side, slice, interval_ns: (every, intervals), reply } => {
                    drop(reply.send(self.run(side, &slice, every, &intervals).await));
                }
                Order::Flush { reply } => drop(reply.send(self.flush().await)),
                Order::PlanCounts { side, reply } => drop(reply.send(self.plan_counts(side).await)),
                Order::Collect { side, reply } => drop(reply.send(self.collect(side))),
            }
        }
    }

    async fn connect(&mut self, side: usize, targets: &Targets, workload: Arc<Workload>) -> Result<(), CrewError> {
        self.sides.remove(&side);
        let number = |index: usize| self.seats.first + index * self.seats.every;
        let mut pool = None;
        if let Some(size) = self.pool {
            let mut clients = Vec::with_capacity(size.connections);
            for index in 0..size.connections {
                clients.push(Client::connect(targets, &workload, self.clock, number(index)).await?);
            }
            pool = Some(Pool::new(clients, size.patience, &self.clock));
        }
        let mut seats = Vec::with_capacity(self.seats.share);
        for index in 0..self.seats.share {
            let number = number(index);
            let client = match pool {
                Some(_) => None,
                None => Some(Client::connect(targets, &workload, self.clock, number).await?),
            };
            seats.push(Seat { client, timer: Timer::precise().map_err(DriveError::Timer)?, number });
        }
        let recording = RefCell::new(Recording::new(workload.actions.len()));
        self.sides.insert(side, Station { workload, seats, pool, recording, cpu_ns: 0 });
        Ok(())
    }

    /// Drives a run and hands its recordings over interval by interval.
    async fn run(
        &mut self,
        side: usize,
        slice: &Slice,
        every_ns: u64,
        intervals: &mpsc::UnboundedSender<Interval>,
    ) -> Result<u64, CrewError> {
        let station = self.sides.get_mut(&side).ok_or(CrewError::Gone)?;
        let (actions, pool) = (station.workload.actions.len(), station.pool.as_ref());
        let timer = Timer::precise().map_err(DriveError::Timer)?;
        let (clock, recording) = (&self.clock, &station.recording);
        let cpu = Cell::new(thread_cpu_ns());
        let hand_over = |number: u64, began: u64| {
            if let Some(pool) = pool {
                pool.book(clock, recording);
            }
            let mut taken = recording.replace(Recording::new(actions));
            let now = clock.now_ns();
            taken.elapsed_ns = now.saturating_sub(began);
            let used = thread_cpu_ns();
            taken.cpu_ns = used - cpu.replace(used);
            taken.cpu_share_max = taken.cpu_ns as f64 / taken.elapsed_ns.max(1) as f64;
            // Nobody listens any more when the run was given up.
            drop(intervals.send(Interval { number, recording: taken }));
            now
        };
        let number = Cell::new(0);
        let began = Cell::new(slice.start_ns);
        let ticks = async {
            loop {
                let end = slice.start_ns + (number.get() + 1) * every_ns;
                if let Err(error) = timer.sleep_until(clock, end).await {
                    return DriveError::Timer(error);
                }
                began.set(hand_over(number.get(), began.get()));
                number.set(number.get() + 1);
            }
        };
        let driven = drive(&mut station.seats, pool, &station.workload, slice, clock, recording);
        let result = tokio::select! {
            result = driven => result,
            error = ticks => Err(error),
        };
        hand_over(number.get(), began.get());
        Ok(result?)
    }

    async fn slice(&mut self, side: usize, slice: &Slice, recorded: bool) -> Result<Pace, CrewError> {
        let station = self.sides.get_mut(&side).ok_or(CrewError::Gone)?;
        if !recorded {
            let scratch = RefCell::new(Recording::new(station.workload.actions.len()));
            drive(&mut station.seats, None, &station.workload, slice, &self.clock, &scratch).await?;
            return Ok(scratch.into_inner().pace);
        }
        station.begin(slice);
        let cpu_before = thread_cpu_ns();
        let result = drive(&mut station.seats, None, &station.workload, slice, &self.clock, &station.recording).await;
        let pace = station.end(thread_cpu_ns() - cpu_before, self.clock.now_ns().saturating_sub(slice.start_ns));
        result?;
        Ok(pace)
    }

    async fn together(&mut self, slice: &Slice) -> Result<Vec<Pace>, CrewError> {
        let sides = self.sides.len().max(1) as u64;
        self.sides.values_mut().for_each(|station| station.begin(slice));
        let partners = self.sides.values_mut().map(|station| {
            let Station { workload, seats, recording, .. } = station;
            Partner { seats, workload, recording }
        });
        let cpu_before = thread_cpu_ns();
        let result = drive_together(partners.collect(), slice, &self.clock).await;
        let (cpu, took) = (thread_cpu_ns() - cpu_before, self.clock.now_ns().saturating_sub(slice.start_ns));
        result?;
        // Every side had its part of the time.
        Ok(self.sides.values_mut().map(|station| station.end(cpu / sides, took / sides)).collect())
    }

    async fn flush(&mut self) -> Result<(), CrewError> {
        for station in self.sides.values_mut() {
            let own = station.seats.iter_mut().filter_map(|seat| seat.client.as_mut());
            let pooled = station.pool.iter_mut().flat_map(Pool::clients);
            for client in own.chain(pooled) {
                client.flush(&station.workload).await?;
            }
        }
        Ok(())
    }

    async fn plan_counts(&mut self, side: usize) -> Result<Vec<PlanCounts>, CrewError> {
        let station = self.sides.get_mut(&side).ok_or(CrewError::Gone)?;
        let mut sum = vec![PlanCounts::default(); station.workload.actions.len()];
        let own = station.seats.iter_mut().filter_map(|seat| seat.client.as_mut());
        let pooled = station.pool.iter_mut().flat_map(Pool::clients);
        for client in own.chain(pooled).filter(|client| client.is_fit()) {
            sum = added(sum, client.plan_counts(&station.workload).await?);
        }
        Ok(sum)
    }

    fn collect(&mut self, side: usize) -> Result<Recording, CrewError> {
        let station = self.sides.get_mut(&side).ok_or(CrewError::Gone)?;
        station.cpu_ns = 0;
        let recording = station.recording.replace(Recording::new(station.workload.actions.len()));
        recording.counts().check();
        Ok(recording)
    }
}

fn added(mut one: Vec<PlanCounts>, other: Vec<PlanCounts>) -> Vec<PlanCounts> {
    for (sum, more) in one.iter_mut().zip(other) {
        sum.generic += more.generic;
        sum.custom += more.custom;
    }
    one
}

/// Processor time this thread has used, in nanoseconds.
fn thread_cpu_ns() -> u64 {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    used.tv_sec as u64 * 1_000_000_000 + used.tv_nsec as u64
}
