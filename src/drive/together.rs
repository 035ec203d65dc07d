//! A slice in which every operation is performed on every side, one after the other. Must treat the sides equally:
//! their order is drawn again for each operation.
//!
//! The most precise pairing, for what differs between two moments is hardly ever a millisecond old; but no side is ever
//! alone, so nothing is learned of saturation.

use std::cell::{Cell, RefCell};

use futures_util::stream::{FuturesUnordered, StreamExt};

use super::arrivals::Arrivals;
use super::failure::{Failure, MAY_WRITE};
use super::patience::until_over;
use super::perform::{Frame, Operation, perform};
use super::recorder::{Moments, Recording};
use super::slice::{DriveError, Seat, Slice};
use crate::clock::Clock;
use crate::expression::Key;
use crate::scenario::{Load, Workload};

/// A side of the slice.
pub(super) struct Partner<'s> {
    pub(super) seats: &'s mut [Seat],
    pub(super) workload: &'s Workload,
    pub(super) recording: &'s RefCell<Recording>,
}

/// One client: its seat and its memory on every side.
struct Desk<'s> {
    places: Vec<(&'s mut Seat, Frame<'s>)>,
}

struct Together<'s> {
    sides: Vec<(&'s Workload, &'s RefCell<Recording>)>,
    arrivals: RefCell<Arrivals<'s>>,
    taken: Cell<u64>,
    order: Key,
    slice: &'s Slice,
    clock: &'s Clock,
}

/// Drives the slice and returns when every operation due in it has an outcome on every side.
///
/// # Errors
/// When the driver itself fails; what was recorded so far stays recorded.
pub(super) async fn drive_together(partners: Vec<Partner<'_>>, slice: &Slice, clock: &Clock) -> Result<(), DriveError> {
    let clients = partners.iter().map(|partner| partner.seats.len()).min().unwrap_or(0);
    let mut desks: Vec<Desk<'_>> = (0..clients).map(|_| Desk { places: Vec::new() }).collect();
    let mut sides = Vec::new();
    for Partner { seats, workload, recording } in partners {
        sides.push((workload, recording));
        for (desk, seat) in desks.iter_mut().zip(seats) {
            let frame = Frame::new(seat.number);
            desk.places.push((seat, frame));
        }
    }
    let Some((workload, _)) = sides.first() else { return Ok(()) };
    let together = Together {
        arrivals: RefCell::new(Arrivals::new(workload, slice.stream, &slice.shape)),
        taken: Cell::new(0),
        order: Key::new(slice.stream.id).named("sides"),
        sides,
        slice,
        clock,
    };
    let mut clients: FuturesUnordered<_> = desks.into_iter().map(|desk| together.client(desk)).collect();
    let over = until_over(slice, clock);
    tokio::pin!(over);
    loop {
        let outcome = tokio::select! {
            biased;
            outcome = clients.next() => outcome,
            () = &mut over => None,
        };
        match outcome {
            Some(outcome) => outcome?,
            None => return Ok(()),
        }
    }
}

/// An operation that was sent to a side. Where its client is dropped before it has an outcome, it has failed.
struct Sent<'s> {
    recording: &'s RefCell<Recording>,
    clock: &'s Clock,
    action: usize,
    digest: u64,
    began: u64,
    has_outcome: bool,
}

impl Drop for Sent<'_> {
    fn drop(&mut self) {
        if !self.has_outcome {
            let took = self.clock.now_ns().saturating_sub(self.began);
            let mut recording = self.recording.borrow_mut();
            recording.sent(self.action, self.digest, 0, 0);
            recording.in_flight_ns += took;
            recording.failed(self.action, &Failure::unanswered(), took);
        }
    }
}

impl<'s> Together<'s> {
    async fn client(&self, mut desk: Desk<'s>) -> Result<(), DriveError> {
        desk.places[0].0.timer.sleep_until(self.clock, self.slice.start_ns).await?;
        while let Some((n, due)) = self.take() {
            self.operation(&mut desk, n, due).await?;
        }
        Ok(())
    }

    /// The next operation's number and, in an open loop, when it is due.
    fn take(&self) -> Option<(u64, Option<u64>)> {
        let end = self.slice.start_ns + self.slice.length_ns;
        let next = match self.sides[0].0.load {
            Load::Open { .. } => {
                let (number, due) = self.arrivals.borrow_mut().next()?;
                (due < self.slice.length_ns).then_some((number, Some(self.slice.start_ns + due)))?
            }
            Load::Closed { .. } => (self.clock.now_ns() < end).then_some((self.taken.get(), None))?,
        };
        self.taken.set(self.taken.get() + 1);
        Some(next)
    }

    /// Waits for an operation's time and performs it on one side after the other. How late the client came to it counts
    /// equally on every side; how long the other sides took counts on none.
    async fn operation(&self, desk: &mut Desk<'s>, n: u64, due: Option<u64>) -> Result<(), DriveError> {
        let stream = self.slice.stream;
        let operation = Operation { action: self.sides[0].0.action(stream, n), stream, n };
        let action = operation.action;
        for ((workload, _), (_, frame)) in self.sides.iter().zip(&mut desk.places) {
            frame.prepare(workload, operation).map_err(|misfit| {
                let action = workload.actions[action].name.clone();
                DriveError::Misfit { action, misfit }
            })?;
        }
        let asked = self.clock.now_ns();
        let due = due.unwrap_or(asked);
        if asked < due {
            desk.places[0].0.timer.sleep_until(self.clock, due).await?;
            let late = self.clock.now_ns().saturating_sub(due);
            self.sides.iter().for_each(|(_, recording)| recording.borrow_mut().woke(late));
        }
        let turned = self.clock.now_ns();
        let lag = turned.saturating_sub(due);
        let latest = self.slice.start_ns + self.slice.length_ns + self.slice.grace_ns;
        if latest < turned {
            self.sides.iter().for_each(|(_, recording)| recording.borrow_mut().unsent(action, due, turned));
            return Ok(());
        }
        for side in self.order_of(n) {
            self.ask(desk, side, operation, lag).await?;
        }
        let workload = self.sides[0].0;
        if let Some(think) = &workload.actions[action].think {
            let micros = workload.wait_us(action, think, u64::MAX, stream, n);
            let until = (self.clock.now_ns() + micros * 1_000).min(self.slice.start_ns + self.slice.length_ns);
            desk.places[0].0.timer.sleep_until(self.clock, until).await?;
        }
        Ok(())
    }

    /// Performs an operation on a side.
    async fn ask(&self, desk: &mut Desk<'s>, side: usize, operation: Operation, lag: u64) -> Result<(), DriveError> {
        let (workload, recording) = self.sides[side];
        let (seat, frame) = &mut desk.places[side];
        let digest = frame.digest(operation);
        let client = seat.client.as_mut().expect("clients of a trial have connections");
        if !client.is_fit() {
            if client.reconnect(workload).await.is_err() {
                let failure = Failure::connection("no new connection could be made");
                recording.borrow_mut().failed(operation.action, &failure, 0);
                return Ok(());
            }
            recording.borrow_mut().reconnects += 1;
        }
        let began = self.clock.now_ns();
        let mut sent =
            Sent { recording, clock: self.clock, action: operation.action, digest, began, has_outcome: false };
        client.begin();
        let outcome = perform(client, workload, operation, frame, (&seat.timer, self.clock), 1).await;
        client.end();
        sent.has_outcome = true;
        let ended = self.clock.now_ns();
        let mut recording = recording.borrow_mut();
        recording.sent(operation.action, digest, outcome.retries, outcome.misses);
        recording.reconnects += client.take_reconnects();
        recording.in_flight_ns += ended - began;
        match &outcome.result {
            Ok(rows) => {
                let at = Moments { due: began.saturating_sub(lag), asked: began, began, ended };
                recording.answered(operation.action, at, *rows, false);
            }
            Err(failure) => {
                recording.failed(operation.action, failure, ended - began);
                if failure.class == MAY_WRITE {
                    return Err(DriveError::MayWrite(workload.actions[operation.action].name.clone()));
                }
            }
        }
        Ok(())
    }

    /// The sides in random order, the same for the same operation.
    fn order_of(&self, n: u64) -> impl Iterator<Item = usize> + use<> {
        let count = self.sides.len();
        let mut order: [usize; 3] = [0, 1, 2];
        // Fisher and Yates over as many as there are.
        for last in (1..count.min(3)).rev() {
            order.swap(last, self.order.below(n * 2 + last as u64 - 1, last as u64 + 1) as usize);
        }
        order.into_iter().filter(move |side| *side < count)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::drive::client::Client;
    use crate::drive::slice::Rules;
    use crate::drive::timer::Timer;
    use crate::scenario::Stream;
    use crate::scenario::shape::Shape;
    use crate::scenario::spec::parse_scenario;
    use crate::scenario::workload::{BoundStep, Setting};

    #[tokio::test(start_paused = true)]
    async fn every_side_gets_every_operation_and_only_its_own_time() {
        let text = "name = 's'\n[load]\nrate = 200\n[[action]]\nname = 'x'\nsql = 'SELECT 1'\n";
        let scenario = parse_scenario(text).unwrap();
        let bound = vec![vec![vec![BoundStep::default()]]];
        let workload = Workload::new(std::slice::from_ref(&scenario), Setting::plain(scenario.load, &bound));
        let clock = Clock::start();
        let seat = |ms: u64| Seat {
            client: Some(Client::simulated(vec![Duration::from_millis(ms)])),
            timer: Timer::Tokio,
            number: 0,
        };
        let mut seats: Vec<Vec<Seat>> = [1, 1, 5].iter().map(|ms| (0..8).map(|_| seat(*ms)).collect()).collect();
        let recordings: Vec<RefCell<Recording>> = (0..3).map(|_| RefCell::new(Recording::new(1))).collect();
        let slice = Slice {
            stream: Stream::lane(1, 0, 1),
            start_ns: 0,
            length_ns: 2_000_000_000,
            grace_ns: 1_000_000_000,
            shape: Arc::new(Shape::steady(200.0, 2.0)),
            most: None,
            rules: Rules::default(),
            stop: Arc::default(),
        };
        let partners = seats.iter_mut().zip(&recordings);
        let partners = partners.map(|(seats, recording)| Partner { seats, workload: &workload, recording }).collect();
        drive_together(partners, &slice, &clock).await.unwrap();
        let recordings: Vec<Recording> = recordings.into_iter().map(RefCell::into_inner).collect();
        let ok = |side: usize| recordings[side].actions[0].counts.ok;
        assert!(300 < ok(0) && ok(0) == ok(1) && ok(1) == ok(2), "{} {} {}", ok(0), ok(1), ok(2));
        assert_eq!(recordings[0].digest, recordings[2].digest, "the same was sent");
        let ms = |side: usize| (recordings[side].actions[0].service.value_at_quantile(0.5) as f64 / 1e6).round();
        assert_eq!((ms(0), ms(1), ms(2)), (1.0, 1.0, 5.0));
    }
}
