//! Drives the sides in turns and keeps what was seen, chunk by chunk. Must treat the sides equally: same arrivals, same
//! parameters, checkpoints in the same phase.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::Connection;
use sqlx::Executor;
use sqlx::postgres::PgConnection;

use super::counters::{Stretches, add_state, counters, snapshot, snapshots};
use super::focus::chunks_needed_here;
use super::order::order;
use crate::clock::{Clock, try_out};
use crate::drive::crew::Ops;
use crate::drive::recorder::Pace;
use crate::drive::{Crew, Recording};
use crate::evidence::{
    ActionCounts, ActionHistograms, ChunkFacts, ChunkSide, Design, Evidence, Histograms, Interleave, Limits, LoadFacts,
    MachineFacts, Side, SliceFacts, TimerLag,
};
use crate::host::Counters;
use crate::postgres::Error;
use crate::postgres::activity::{Background, background};
use crate::postgres::observe::Snapshot;
use crate::postgres::trip::{SHORTEST, times_us};
use crate::trial::error::TrialError;
use crate::trial::event::Event;
use crate::trial::prepare::Sitting;
use crate::trial::settings::{Settings, Subject};
use crate::trial::subject::switch::Switch;

/// Fewest rounds of load before anything is counted: more than five calls of each statement on each connection, so that
/// the server has settled on generic or custom plans.
const PRIMING_FEWEST: u32 = 2;

/// After this many rounds answers will not become faster by waiting.
const PRIMING_MOST: u32 = 10;

/// Answers have stopped becoming faster when a round's mean service time is no shorter than this share of the last
/// one's.
const STEADY: f64 = 0.9;

/// Each stretch of load counts its operations (`sequence()`) from a multiple of 2^20 on: the same on every side, and
/// within an int4 for two thousand of them.
const SEQUENCE_BITS: u32 = 20;

/// Stream numbers of priming and of warm-ups are apart from those of the trial.
const PRIMING_STREAM: u64 = 1 << 40;
const WARM_STREAM: u64 = 1 << 41;
const BURST_STREAM: u64 = 1 << 42;

/// Bursts on each side, forth and back; of at least and at most this many operations, of which none is sent after this
/// many slices.
const BURSTS: u32 = 2;
const BURST_FEWEST: f64 = 200.0;
const BURST_MOST: f64 = 2_000.0;
const BURST_SLICES: u64 = 2;
const BURST_TO_A_CONNECTION: f64 = 20.0;

/// Calls of each statement on each new connection before a chunk: more than the five after which the server may choose
/// a generic plan.
const WARM_CALLS: f64 = 8.0;

/// Slices after which a burst that warms connections up is cut off: a side that has become this slow has its answer.
const WARM_SLICES: u64 = 20;

/// Shortest questions that tell how far the server is.
const TRIPS: usize = 500;

/// How often is looked whether a checkpoint shows in the server's counters.
const SHOWN_LOOK: Duration = Duration::from_millis(20);
const SHOWN_LOOKS: u32 = 100;

/// Where load is driven.
pub(in crate::trial) struct Place<'t> {
    /// Sees the server that the sides are on.
    pub(in crate::trial) observer: PgConnection,
    /// There where the sides are one database in turn.
    pub(in crate::trial) switch: Option<&'t mut Switch>,
    /// Of the whole trial.
    pub(in crate::trial) clock: Clock,
    /// Which set of clones it is, from 0.
    pub(in crate::trial) set: u32,
}

/// Sides under load.
pub struct Course<'t> {
    settings: &'t Settings,
    sitting: &'t Sitting,
    crew: Crew,
    /// Looks at the server between slices.
    observer: PgConnection,
    /// Where one database is all sides in turn: brings it into the state of one of them.
    switch: Option<&'t mut Switch>,
    /// What was counted in the turns of each side of such a database.
    stretches: BTreeMap<Side, Stretches>,
    /// Operations answered on each side since the first snapshot, warm-ups included.
    operations: BTreeMap<Side, u64>,
    clock: Clock,
    seen: Background,
    machine: Counters,
    /// What the machine took in an earlier part of the experiment.
    earlier: MachineFacts,
    /// Which set of clones it is.
    set: u32,
    /// The server's counters when the first chunk began.
    first: BTreeMap<Side, Snapshot>,
    /// The chunk that the connections were made for; `None` before the first.
    connected_for: Option<u32>,
}

impl<'t> Course<'t> {
    /// Connects to every side; `machine` is what an earlier part of the experiment knows of it.
    ///
    /// # Errors
    /// When a server refuses.
    pub(in crate::trial) async fn new(
        settings: &'t Settings,
        sitting: &'t Sitting,
        place: Place<'t>,
        machine: MachineFacts,
    ) -> Result<Self, TrialError> {
        let Place { mut observer, mut switch, clock, set } = place;
        let crew = Crew::start(sitting.load(), None, settings.threads, clock);
        for (index, (side, target)) in sitting.asking().iter().enumerate() {
            if let Some(switch) = &mut switch {
                // Its statements may ask for what is only there in its state.
                switch.to(*side).await?;
            }
            crew.connect(index, &target.clone().into(), sitting.of(*side)).await?;
        }
        let seen = background(&mut observer).await?;
        Ok(Self {
            settings,
            sitting,
            crew,
            observer,
            switch,
            stretches: BTreeMap::new(),
            operations: BTreeMap::new(),
            clock,
            seen,
            machine: Counters::read(),
            earlier: machine,
            set,
            first: BTreeMap::new(),
            connected_for: None,
        })
    }

    /// Drives until answers no longer become faster, then asks for the limits; says in the evidence how that went. What
    /// the server counts from here on is that of the chunks.
    ///
    /// # Errors
    /// When the driver fails.
    pub async fn prime(&mut self, evidence: &mut Evidence) -> Result<(), TrialError> {
        (self.settings.listener)(Event::Priming);
        self.checkpoint(evidence).await;
        let mut last: Option<Vec<f64>> = None;
        // In place every block has a warm-up, and every round costs a migration.
        let most = if self.switch.is_some() { 1 } else { PRIMING_MOST };
        for round in 0..most {
            let slices =
                self.round(evidence, u64::from(round), PRIMING_STREAM + u64::from(round), u64::from(round)).await?;
            let means: Vec<f64> = slices.values().map(|slice| slice.service_us_mean).collect();
            let steady = last
                .replace(means.clone())
                .is_some_and(|last| means.iter().zip(&last).all(|(now, before)| *before * STEADY <= *now));
            evidence.design.priming_rounds = round + 1;
            evidence.design.primed = steady || self.switch.is_some();
            if steady && PRIMING_FEWEST <= round + 1 {
                break;
            }
        }
        let seen = self.collect().await?;
        let needed = chunks_needed_here(evidence, &seen[&Side::Before]).unwrap_or_default();
        // Of several sets of clones the first one counts.
        if evidence.limits.is_none() {
            evidence.limits = Some(self.limits(evidence).await?);
        }
        (self.settings.listener)(Event::Primed { evidence, needed: &needed });
        self.first = snapshots(&self.crew, &self.sitting.targets).await?;
        self.stretches.clear();
        self.operations.clear();
        self.seen = background(&mut self.observer).await?;
        self.machine = Counters::read();
        Ok(())
    }

    /// Between which limits it is measured: clock and way below, what the server can do above.
    async fn limits(&mut self, evidence: &Evidence) -> Result<Limits, TrialError> {
        let doing = |e| Error::doing("time the shortest question", e);
        let trips = times_us(&mut self.observer, &self.clock, SHORTEST, TRIPS).await.map_err(doing)?;
        let capacity_per_s = self.capacity(evidence).await?;
        Ok(Limits { clock_ns: try_out(&self.clock).cost_ns, trip_us_p50: trips[TRIPS / 2], capacity_per_s })
    }

    /// How many operations a second each side answers while every connection is busy: connections over the mean service
    /// time of two bursts, which are the same on every side. A database that was given is asked for no more than its
    /// load.
    async fn capacity(&mut self, evidence: &Evidence) -> Result<BTreeMap<Side, f64>, TrialError> {
        let LoadFacts::Open { rate_per_s, connections } = evidence.design.load else { return Ok(BTreeMap::new()) };
        if !matches!(self.settings.subject, Subject::Clones(_)) {
            return Ok(BTreeMap::new());
        }
        let of_a_slice = rate_per_s * evidence.design.slice_ms as f64 / 1e3;
        // This many to a connection that its last one, beside which others idle, hardly counts.
        let operations = of_a_slice.clamp(BURST_FEWEST, BURST_MOST).max(BURST_TO_A_CONNECTION * f64::from(connections));
        let most_ns = BURST_SLICES * evidence.design.slice_ms * 1_000_000;
        let mut seen: BTreeMap<Side, Pace> = BTreeMap::new();
        for round in 0..BURSTS {
            for side in self.order(u64::from(round)) {
                let (index, stretch) = stretch(evidence, side, u64::from(PRIMING_MOST + round));
                let names = (BURST_STREAM + u64::from(round), stretch << SEQUENCE_BITS);
                let pace = self.crew.burst(index, names, operations, most_ns).await?;
                seen.entry(side).or_default().add(pace);
            }
        }
        self.look().await?;
        let per_s = |pace: Pace| f64::from(connections) * pace.answers as f64 / (pace.service_ns as f64 / 1e9);
        let answered = seen.into_iter().filter(|(_, pace)| 0 < pace.service_ns);
        Ok(answered.map(|(side, pace)| (side, per_s(pace))).collect())
    }

    /// Measures one chunk more.
    ///
    /// # Errors
    /// When the driver fails; chunks measured by then are in the evidence.
    pub async fn chunk(&mut self, evidence: &mut Evidence) -> Result<(), TrialError> {
        let Design { chunks_planned: chunks, rounds_per_chunk: rounds, .. } = evidence.design;
        let (chunk, total) = (evidence.chunks.len() as u32, chunks * rounds * 3);
        self.reconnect(evidence, chunk).await?;
        self.checkpoint(evidence).await;
        let mut slices: BTreeMap<Side, Vec<SliceFacts>> = BTreeMap::new();
        for round in 0..rounds {
            let number = u64::from(chunk * rounds + round);
            let facts = self.round(evidence, number, number, u64::from(PRIMING_MOST + BURSTS) + number).await?;
            facts.into_iter().for_each(|(side, facts)| slices.entry(side).or_default().push(facts));
            let done = (number as u32 + 1) * 3;
            (self.settings.listener)(Event::Slice { chunk: chunk + 1, chunks, done, total });
        }
        let recordings = self.collect().await?;
        evidence.machine = self.machine_since();
        add_chunk(evidence, self.set, recordings, slices);
        (self.settings.listener)(Event::Chunk(evidence));
        Ok(())
    }

    /// New connections to every side, in random order. The processor of a backend and the place of its memory are then
    /// constants of a chunk, which the interval contains, and not of the whole trial. Priming connected for the first
    /// chunk; in place every turn has another schema, and the connections stay.
    ///
    /// They are warmed up by a burst on clones, and by half a slice of the load on databases that were given.
    async fn reconnect(&mut self, evidence: &mut Evidence, chunk: u32) -> Result<(), TrialError> {
        evidence.design.reconnected = self.switch.is_none();
        if self.connected_for.replace(chunk).is_none() || self.switch.is_some() {
            return Ok(());
        }
        let Design { chunks_planned, rounds_per_chunk, slice_ms, .. } = evidence.design;
        let nth = u64::from(PRIMING_MOST + BURSTS + chunks_planned * rounds_per_chunk + chunk);
        let length_ns = slice_ms * 1_000_000;
        let statements = evidence.actions.len() as f64;
        // As many as the slowest side answers in a slice: every side is asked all of them.
        let capacity = evidence.limits.as_ref().map(|limits| limits.capacity_per_s.values().copied());
        let slowest_per_s = capacity.and_then(|per_s| per_s.reduce(f64::min)).unwrap_or(f64::INFINITY);
        let of_a_slice = slowest_per_s * slice_ms as f64 / 1e3;
        for side in self.order(u64::from(chunk)) {
            let (index, nth) = stretch(evidence, side, nth);
            self.crew.connect(index, &self.sitting.asks(side).into(), self.sitting.of(side)).await?;
            let (stream, first) = (BURST_STREAM + nth, nth << SEQUENCE_BITS);
            let pace = match (&self.settings.subject, &evidence.design.load) {
                (Subject::Clones(_), LoadFacts::Open { connections, .. }) => {
                    let operations =
                        (statements * f64::from(*connections) * WARM_CALLS).min(BURST_MOST).min(of_a_slice);
                    self.crew.burst(index, (stream, first), operations, WARM_SLICES * length_ns).await?
                }
                _ => self.crew.slice(index, Ops { stream, first, length_ns: length_ns / 2 }, false).await?,
            };
            *self.operations.entry(side).or_default() += pace.answers;
        }
        self.look().await?;
        Ok(())
    }

    /// Ends the load, and reads what the server counted meanwhile.
    ///
    /// # Errors
    /// When the driver fails or a server is lost.
    pub async fn end(self, evidence: &mut Evidence) -> Result<(), TrialError> {
        // Before the sessions are asked for their counters, for which those of 14 end.
        let mut plan_counts = Vec::new();
        for index in 0..Side::ALL.len() {
            // Where a session cannot be asked, nothing is reported.
            plan_counts.push(self.crew.plan_counts(index).await.ok());
        }
        let last = snapshots(&self.crew, &self.sitting.targets).await?;
        if self.set == 0 {
            evidence.counters = match self.switch {
                Some(_) => self.stretches.iter().map(|(s, sum)| (*s, sum.counters(self.sitting.of(*s)))).collect(),
                None => counters(&self.first, &last, |side| self.sitting.of(side)),
            };
            for (side, counters) in &mut evidence.counters {
                counters.operations = Some(self.operations_in(*side));
                let position = Side::ALL.iter().position(|of| of == side);
                counters.plan_counts = position.and_then(|position| plan_counts[position].take());
                // In place the state of the last side alone is still there, and given databases are not read whole
                // without need.
                if let Subject::Clones(_) = self.settings.subject {
                    add_state(self.sitting.target(*side), counters).await?;
                }
            }
        }
        let _ = self.observer.close().await;
        Ok(())
    }

    /// Operations answered in the database of a side meanwhile: with those of another side that is the same database.
    fn operations_in(&self, side: Side) -> u64 {
        let same = |other: &&Side| match self.switch {
            // There each side's turns were counted apart.
            Some(_) => **other == side,
            None => self.sitting.share(**other, side),
        };
        self.operations.iter().filter(|(other, _)| same(other)).map(|(_, operations)| operations).sum()
    }

    /// What the machine took while chunks were measured: the worse of this part and of one before it.
    fn machine_since(&self) -> MachineFacts {
        let now = Counters::read();
        let (stolen, throttled) = (self.machine.stolen_since(&now), self.machine.throttled_since(&now));
        let waiting = self.machine.waiting_since(&now);
        MachineFacts {
            stolen_share: [self.earlier.stolen_share, stolen].into_iter().flatten().reduce(f64::max),
            throttled: [self.earlier.throttled, throttled].into_iter().flatten().max(),
            waiting_share: [self.earlier.waiting_share, waiting].into_iter().flatten().reduce(f64::max),
        }
    }

    async fn collect(&self) -> Result<BTreeMap<Side, Recording>, TrialError> {
        let mut recordings = BTreeMap::new();
        for (index, side) in Side::ALL.into_iter().enumerate() {
            recordings.insert(side, self.crew.collect(index).await?);
        }
        Ok(recordings)
    }

    /// A checkpoint where the design has them, so that no side pays for another's full pages.
    async fn checkpoint(&mut self, evidence: &Evidence) {
        if !evidence.design.checkpointed {
            return;
        }
        // Refused, it changes nothing but the phase of what the server writes by itself, which is counted.
        let written = self.observer.execute(sqlx::raw_sql("CHECKPOINT")).await.is_ok();
        let known = self.seen.checkpoints;
        for _ in 0..SHOWN_LOOKS {
            let Ok(seen) = background(&mut self.observer).await else { return };
            self.seen = seen;
            // Before 15 a collector shows it half a second later; a slice must not be taken for the one it fell into.
            if !written || known < self.seen.checkpoints {
                return;
            }
            tokio::time::sleep(SHOWN_LOOK).await;
        }
    }

    /// One slice on every side with the same arrivals and parameters.
    async fn round(
        &mut self,
        evidence: &Evidence,
        round: u64,
        stream: u64,
        nth: u64,
    ) -> Result<BTreeMap<Side, SliceFacts>, TrialError> {
        let design = &evidence.design;
        let length_ns = design.slice_ms * 1_000_000;
        let mut facts = BTreeMap::new();
        if design.interleave == Interleave::Op {
            let ops = Ops { stream, first: nth << SEQUENCE_BITS, length_ns: length_ns * Side::ALL.len() as u64 };
            let paces = self.crew.together(Side::ALL.len(), ops).await?;
            let since = self.look().await?;
            for (side, pace) in Side::ALL.into_iter().zip(paces) {
                *self.operations.entry(side).or_default() += pace.answers;
                facts.insert(side, slice_facts(0, pace, since));
            }
            return Ok(facts);
        }
        for (place, side) in self.order(round).into_iter().enumerate() {
            let pace = self.turn(evidence, side, (stream, nth)).await?;
            let since = self.look().await?;
            facts.insert(side, slice_facts(place as u32, pace, since));
        }
        if let Some(switch) = &mut self.switch {
            // Every round has a migration of its own, with an index that is built again.
            switch.to(Side::Before).await?;
        }
        Ok(facts)
    }

    /// In place a round holds one migration and its reversal, between the sides without it: what drifts meanwhile, and
    /// what a reversal leaves cold, shows between those two.
    fn order(&self, round: u64) -> [Side; 3] {
        match (&self.switch, round % 2) {
            (None, _) => order(self.settings.seed.0, round),
            (Some(_), 0) => [Side::Before, Side::After, Side::Control],
            (Some(_), _) => [Side::Control, Side::After, Side::Before],
        }
    }

    /// One slice on one side; in blocks after a warm-up that does not count.
    async fn turn(&mut self, evidence: &Evidence, side: Side, (stream, nth): (u64, u64)) -> Result<Pace, TrialError> {
        let design = &evidence.design;
        let length_ns = design.slice_ms * 1_000_000;
        let (index, nth) = stretch(evidence, side, nth);
        let mut answers = 0;
        if let Some(switch) = &mut self.switch {
            switch.to(side).await?;
        }
        let target = self.sitting.target(side).clone();
        let first = if self.switch.is_some() { Some(snapshot(&target).await?) } else { None };
        if design.interleave == Interleave::Block {
            self.checkpoint(evidence).await;
            let warm = Ops {
                stream: WARM_STREAM + stream,
                first: (nth + 1) << SEQUENCE_BITS,
                length_ns: length_ns / Design::WARM_PART,
            };
            answers += self.crew.slice(index, warm, false).await?.answers;
            self.look().await?;
        }
        let ops = Ops { stream, first: nth << SEQUENCE_BITS, length_ns };
        let pace = self.crew.slice(index, ops, true).await?;
        *self.operations.entry(side).or_default() += answers + pace.answers;
        if let Some(first) = first {
            self.crew.flush().await?;
            self.stretches.entry(side).or_default().add(&first, &snapshot(&target).await?);
        }
        Ok(pace)
    }

    /// What else the server did since the last look: checkpoints that began, and who is at work now.
    async fn look(&mut self) -> Result<Background, TrialError> {
        let now = background(&mut self.observer).await?;
        let since = Background { checkpoints: now.checkpoints.saturating_sub(self.seen.checkpoints), ..now };
        self.seen = now;
        Ok(since)
    }
}

/// The number of a side, and that of its `nth` stretch of load among all that count their operations.
fn stretch(evidence: &Evidence, side: Side, nth: u64) -> (usize, u64) {
    let index = Side::ALL.iter().position(|s| *s == side).expect("every side is in the list");
    // Where sides share a database, what one has written another must not write again.
    let nth = if evidence.design.sequences_apart { nth * Side::ALL.len() as u64 + index as u64 } else { nth };
    // Warm-ups count their operations apart.
    (index, if evidence.design.interleave == Interleave::Block { nth * 2 } else { nth })
}

/// A slice as evidence has it.
pub(in crate::trial) fn slice_facts(place: u32, pace: Pace, since: Background) -> SliceFacts {
    let mean_us = |sum_ns: u64, count: u64| sum_ns as f64 / count.max(1) as f64 / 1e3;
    SliceFacts {
        place,
        answers: pace.answers,
        service_us_mean: mean_us(pace.service_ns, pace.answers),
        early_us_mean: (0 < pace.early).then(|| mean_us(pace.early_ns, pace.early)),
        checkpoints: since.checkpoints,
        autovacuum_workers: since.autovacuum_workers,
        others_active: since.others_active,
        others_unseen: since.others_unseen,
    }
}

/// Adds a chunk to the evidence.
pub(in crate::trial) fn add_chunk(
    evidence: &mut Evidence,
    replicate: u32,
    recordings: BTreeMap<Side, Recording>,
    mut slices: BTreeMap<Side, Vec<SliceFacts>>,
) {
    let mut sides = BTreeMap::new();
    let mut histograms = Histograms::new();
    for (side, recording) in recordings {
        sides.insert(side, chunk_side(&recording, slices.remove(&side).unwrap_or_default()));
        let recorded = recording.actions.into_iter();
        let kept = recorded.map(|a| ActionHistograms { latency: a.latency, service: a.service, lag: a.lag });
        histograms.insert(side, kept.collect());
    }
    evidence.chunks.push(ChunkFacts { replicate, sides });
    evidence.histograms.push(histograms);
}

fn chunk_side(recording: &Recording, slices: Vec<SliceFacts>) -> ChunkSide {
    let counts = recording.actions.iter().map(|action| {
        let crate::drive::Counts { due, skipped, unsent, ok, failed, rows, .. } = action.counts;
        ActionCounts { due, skipped: skipped + unsent, ok, failed, rows }
    });
    let lag_us = |q: f64| recording.timer_lag.value_at_quantile(q) as f64 / 1e3;
    let (counted, expected) = recording.in_flight();
    ChunkSide {
        actions: counts.collect(),
        failures: recording.failures.iter().map(|(class, seen)| (class.clone(), seen.count)).collect(),
        timer_lag: TimerLag { us_p50: lag_us(0.50), us_p95: lag_us(0.95), us_p99: lag_us(0.99) },
        driver_cpu_share_max: recording.cpu_share_max,
        elapsed_s: recording.elapsed_ns as f64 / 1e9,
        digest: format!("{:016x}", recording.digest),
        in_flight_mean: Some(counted),
        in_flight_expected: Some(expected),
        slices,
    }
}
