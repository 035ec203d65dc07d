//! Performs one operation: the program of an action on a client, tried again where that makes sense.
//!
//! Must record nothing. An operation of one plain statement allocates nothing here.

use super::client::{Client, Kept};
use super::failure::Failure;
use super::timer::Timer;
use crate::clock::Clock;
use crate::expression::value::Misfit;
use crate::expression::{Key, Value};
use crate::scenario::program::{Keep, Op, Wait};
use crate::scenario::workload::{Bracket, PlannedStep};
use crate::scenario::{Stream, Workload};

/// Which operation of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// Position of its action.
    pub action: usize,
    /// The stream.
    pub stream: Stream,
    /// Its number in the stream.
    pub n: u64,
}

/// Memory of a client between operations, so that it is allocated once.
pub struct Frame<'w> {
    /// Values of the action's slots.
    values: Vec<Value<'w>>,
    /// What is sent: of a plain operation made before it is due.
    arguments: Vec<u8>,
    /// Rows kept of each step.
    kept: Vec<Kept>,
    /// The client's number, for scripts.
    client: usize,
}

/// What became of an operation.
pub struct Outcome {
    /// Rows returned or changed, or why it failed.
    pub result: Result<u64, Failure>,
    /// Tries after the first.
    pub retries: u32,
    /// Answers of a replica that did not hold yet what was just written.
    pub misses: u32,
}

/// Where a program is and what it has seen.
struct State {
    at: usize,
    rows: u64,
    /// The instruction that began the transaction it is in, and the rows before it.
    begun: Option<(usize, u64)>,
    /// Rows of a [`Op::SendEach`] that are done.
    each: usize,
    misses: u32,
}

impl<'w> Frame<'w> {
    /// The memory of a client.
    #[must_use]
    pub fn new(client: usize) -> Self {
        Self { values: Vec::with_capacity(16), arguments: Vec::with_capacity(512), kept: Vec::new(), client }
    }

    /// Draws an operation's values ahead of its time, and encodes them if it is a single plain statement.
    ///
    /// # Errors
    /// When a value does not fit the type the server inferred.
    pub fn prepare(&mut self, workload: &'w Workload, operation: Operation) -> Result<(), Misfit> {
        workload.draw(operation.action, operation.stream, operation.n, &mut self.values);
        let action = &workload.actions[operation.action];
        if let Some(slot) = action.client_slot {
            self.values[slot] = Value::Int(self.client as i64);
        }
        self.arguments.clear();
        // What an earlier operation was answered is nothing to this one.
        self.kept.iter_mut().for_each(Vec::clear);
        if action.is_plain() {
            action.steps[0].encode(&self.values, &mut self.arguments)?;
        }
        if self.kept.len() < action.steps.len() {
            self.kept.resize_with(action.steps.len(), Vec::new);
        }
        Ok(())
    }

    /// A hash of what the operation sends, as far as it is known before it begins.
    #[must_use]
    pub fn digest(&self, operation: Operation) -> u64 {
        let key = Key::new(operation.action as u64).numbered(operation.stream.id);
        let mut hash = key.cell(operation.n);
        for chunk in self.arguments.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            hash = key.mix(hash ^ u64::from_le_bytes(word));
        }
        if self.arguments.is_empty() {
            for value in &self.values {
                hash = key.mix(hash ^ value.fingerprint());
            }
        }
        hash
    }
}

/// Performs an operation that was prepared; tries it again, with the same values, as often as allowed.
pub async fn perform<'w>(
    client: &mut Client,
    workload: &'w Workload,
    operation: Operation,
    frame: &mut Frame<'w>,
    waiting: (&Timer, &Clock),
    most_tries: u32,
) -> Outcome {
    let action = &workload.actions[operation.action];
    let plain = action.is_plain();
    let mut state = State { at: 0, rows: 0, begun: None, each: 0, misses: 0 };
    let mut retries = 0;
    loop {
        let result = if plain {
            client.send(workload, (operation.action, 0), &frame.arguments, None).await
        } else {
            run(client, workload, operation, frame, &mut state, waiting).await.map(|()| state.rows)
        };
        let misses = state.misses;
        let Err(failure) = result else { return Outcome { result, retries, misses } };
        // A failed transaction must be ended before the connection can be used again.
        let was_open = state.begun.is_some();
        if was_open && !client.is_broken() && client.command("ROLLBACK").await.is_err() {
            return Outcome { result: Err(failure), retries, misses };
        }
        if client.is_broken() || !failure.may_be_retried() || most_tries <= retries + 1 {
            return Outcome { result: Err(failure), retries, misses };
        }
        retries += 1;
        // A transaction begins again; outside of one, what was committed stays, and the statement that failed is sent
        // again.
        state = match state.begun {
            Some((at, rows)) => State { at, rows, begun: None, each: 0, misses },
            None => state,
        };
    }
}

/// Runs a program from where it is; on failure `state` says where that was.
async fn run<'w>(
    client: &mut Client,
    workload: &'w Workload,
    operation: Operation,
    frame: &mut Frame<'w>,
    state: &mut State,
    (timer, clock): (&Timer, &Clock),
) -> Result<(), Failure> {
    let action = &workload.actions[operation.action];
    let key = workload.stream_key(operation.action, operation.stream);
    let n = operation.n;
    let script = |problem| Failure::script(problem);
    while let Some(op) = action.program.get(state.at) {
        let mut next = state.at + 1;
        match op {
            Op::Begin(sql) => {
                client.command(sql).await?;
                state.begun = Some((state.at, state.rows));
            }
            Op::Commit => {
                client.command("COMMIT").await?;
                state.begun = None;
            }
            Op::Send(step) => {
                let rows = send(client, workload, operation.action, *step, frame).await?;
                state.rows += rows;
                state.misses += missed(&action.steps[*step], rows, frame);
                match action.steps[*step].bracket {
                    Some(Bracket::Begins) => state.begun = Some((state.at, state.rows)),
                    Some(Bracket::Ends) => state.begun = None,
                    None => {}
                }
            }
            Op::SendEach { step, rows_of } => {
                while state.each < frame.kept[*rows_of].len() {
                    let captures = action.steps[*rows_of].captures.iter();
                    for (place, (_, slot, _)) in captures.enumerate() {
                        frame.values[*slot] = frame.kept[*rows_of][state.each][place].clone();
                    }
                    let rows = send(client, workload, operation.action, *step, frame).await?;
                    state.rows += rows;
                    state.misses += missed(&action.steps[*step], rows, frame);
                    state.each += 1;
                }
                state.each = 0;
            }
            Op::Set { slot, formula } => {
                frame.values[*slot] = formula.value(&frame.values, key, n).map_err(script)?;
            }
            Op::Pause(wait) => {
                let micros = match wait {
                    Wait::Drawn(draw, site) => workload.wait_us(operation.action, draw, *site, operation.stream, n),
                    Wait::Computed(formula) => {
                        let value = formula.value(&frame.values, key, n).map_err(script)?;
                        value.number().unwrap_or_default().max(0.0) as u64
                    }
                };
                let until = clock.now_ns() + micros * 1_000;
                timer.sleep_until(clock, until).await.map_err(|_| script("the timer failed"))?;
            }
            Op::SkipUnlessChance { chance, site, otherwise } => {
                if *chance <= key.named("chance").numbered(*site).unit(n) {
                    next = *otherwise;
                }
            }
            Op::SkipUnless { formula, otherwise } => {
                if !formula.holds(&frame.values, key, n).map_err(script)? {
                    next = *otherwise;
                }
            }
            Op::Jump(to) => next = *to,
        }
        state.at = next;
    }
    if state.begun.is_some() {
        return Err(Failure::script("the script ends inside a transaction"));
    }
    Ok(())
}

/// Whether a replica found nothing for what the primary had just returned.
fn missed(step: &PlannedStep, rows: u64, frame: &Frame<'_>) -> u32 {
    u32::from(rows == 0 && step.own_writes.iter().any(|slot| frame.values[*slot] != Value::Null))
}

/// Sends a step with the values the slots have now, and gives slots those of its answer.
async fn send<'w>(
    client: &mut Client,
    workload: &'w Workload,
    action: usize,
    step: usize,
    frame: &mut Frame<'w>,
) -> Result<u64, Failure> {
    let planned = &workload.actions[action].steps[step];
    frame.arguments.clear();
    let misfit = |misfit: Misfit| Failure::script(&misfit.to_string());
    planned.encode(&frame.values, &mut frame.arguments).map_err(misfit)?;
    let wanted = !planned.captures.is_empty() || matches!(planned.keep, Keep::Every | Keep::One(_));
    let kept = if wanted { frame.kept.get_mut(step) } else { None };
    let rows = client.send(workload, (action, step), &frame.arguments, kept).await?;
    if !wanted {
        return Ok(rows);
    }
    let found = match (&planned.keep, &frame.kept[step][..]) {
        (Keep::One(_), [row]) => Some(row),
        (Keep::One(_), _) => return Err(Failure::script("\\gset expects one row")),
        (Keep::First, rows) => rows.first(),
        (Keep::Last(_), rows) => match rows.last() {
            Some(row) => Some(row),
            None => return Ok(0),
        },
        (Keep::Every | Keep::Nothing, _) => return Ok(rows),
    };
    for (place, (_, slot, _)) in planned.captures.iter().enumerate() {
        frame.values[*slot] = found.map_or(Value::Null, |row| row[place].clone());
    }
    Ok(rows)
}
