//! A connection to one side that executes an action, timed. Must change no row: what writes is rolled back.

use super::backend::Backend;
use super::operation::{Operation, Parameters};
use crate::clock::Clock;
use crate::drive::client::Kept;
use crate::drive::failure::Failure;
use crate::drive::wire_client::{WireClient, prepared_name};
use crate::expression::Value;
use crate::postgres::{Error, Target};
use crate::scenario::program::Keep;
use crate::scenario::{Stream, Workload};
use crate::trial::work::operation::STREAM;

/// A statement that takes longer is too slow to be measured in isolation.
const PATIENCE: &str = "SET statement_timeout = '10s'";

/// A session plans a statement for its values five times, then it may choose (`choose_custom_plan` of plancache.c): so
/// often it is planned before it is measured, and a few times more.
const WARM_UP: u32 = 12;

/// After so long, in nanoseconds, the rest of the warm-up is planned and not executed.
const WARM_UP_NS: u64 = 60_000_000;

/// What one operation took. A backend goes on for a moment after its answer, so the processor time of what only reads
/// is known when it is asked the next time: until then it has come to sleep, and nobody had to wait for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// On the clock, in nanoseconds.
    pub(super) wall_ns: u64,
    /// Processor time of the backend, in nanoseconds; nothing where it is not seen.
    pub(super) cpu_ns: Option<u64>,
}

/// What is executed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Work<'o> {
    /// An action.
    Action(&'o Operation),
    /// The shortest question, which shows what the harness makes of no change.
    Shortest,
}

/// One side's connection.
pub(super) struct Session<'w> {
    client: WireClient,
    workload: &'w Workload,
    /// The process at the other end, where it is seen.
    pub(super) backend: Option<Backend>,
    fires_deferred: bool,
    clock: Clock,
    /// Processor time when the last operation began, whose own is not known yet.
    begun_ns: Option<u64>,
    arguments: Vec<u8>,
    kept: Kept,
}

impl<'w> Session<'w> {
    /// Connects and prepares what the work needs; `seen` where the server's processes can be read.
    ///
    /// # Errors
    /// When the server refuses the connection or a statement.
    pub(super) async fn new(
        (target, workload): (&Target, &'w Workload),
        work: Work<'_>,
        (seen, fires_deferred): (bool, bool),
        clock: Clock,
    ) -> Result<Self, Error> {
        let action = match work {
            Work::Action(operation) => operation.action,
            // None has this position.
            Work::Shortest => usize::MAX,
        };
        let mut client = WireClient::connect_for_action(target, workload, action).await?;
        // Refused, a statement takes as long as it does.
        let _ = client.run(PATIENCE).await;
        let process = if seen { client.process().await } else { None };
        let backend = process.and_then(Backend::open);
        let (begun_ns, arguments, kept) = (None, Vec::new(), Kept::new());
        Ok(Self { client, workload, backend, fires_deferred, clock, begun_ns, arguments, kept })
    }

    /// Executes and plans until the session has made its choice of plans.
    ///
    /// # Errors
    /// When the server refuses an execution.
    pub(super) async fn warm_up(&mut self, work: Work<'_>, parameters: &[Parameters]) -> Result<(), Failure> {
        let began = self.clock.now_ns();
        let mut executed = 0;
        while executed < WARM_UP && (executed == 0 || self.clock.now_ns() - began < WARM_UP_NS) {
            let of = parameters.get(executed as usize % parameters.len().max(1)).copied();
            self.execute(work, of).await?;
            executed += 1;
        }
        self.begun_ns = None;
        let Work::Action(operation) = work else { return Ok(()) };
        let planned = &self.workload.actions[operation.action];
        let [step] = &planned.steps[..] else { return Ok(()) };
        for round in executed..WARM_UP {
            let of = parameters[round as usize % parameters.len()];
            let Ok(literals) = step.literals(&self.drawn(operation.action, of)) else { return Ok(()) };
            let values = if literals.is_empty() { String::new() } else { format!("({})", literals.join(", ")) };
            let name = prepared_name(operation.action, 0);
            // Where it is not prepared there is no choice of plans either.
            let _ = self.client.run(&format!("EXPLAIN EXECUTE {name}{values}")).await;
        }
        Ok(())
    }

    /// One operation, undone where it writes; and the processor time of the last one, where only this has it.
    ///
    /// # Errors
    /// When the server refuses it.
    pub(super) async fn operation(
        &mut self,
        work: Work<'_>,
        of: Option<Parameters>,
    ) -> Result<(Taken, Option<u64>), Failure> {
        if !writes(work) {
            let last = self.last_cpu_ns();
            self.begun_ns = self.cpu_ns();
            return Ok((Taken { wall_ns: self.execute(work, of).await?, cpu_ns: None }, last));
        }
        self.client.run("BEGIN").await?;
        let before = self.cpu_ns();
        let wall_ns = self.execute_bare(work, of).await?;
        let cpu_ns = self.cpu_ns().zip(before).map(|(now, before)| now.saturating_sub(before));
        self.client.run("ROLLBACK").await?;
        Ok((Taken { wall_ns, cpu_ns: cpu_ns.filter(|cpu| *cpu > 0) }, None))
    }

    /// The processor time of the last operation, where it is not known yet.
    pub(super) fn last_cpu_ns(&mut self) -> Option<u64> {
        let begun = self.begun_ns.take()?;
        self.cpu_ns().map(|now| now.saturating_sub(begun)).filter(|cpu| *cpu > 0)
    }

    /// Executes it, undone where it writes; its time on the clock.
    async fn execute(&mut self, work: Work<'_>, of: Option<Parameters>) -> Result<u64, Failure> {
        if !writes(work) {
            return self.execute_bare(work, of).await;
        }
        self.client.run("BEGIN").await?;
        let wall_ns = self.execute_bare(work, of).await?;
        self.client.run("ROLLBACK").await?;
        Ok(wall_ns)
    }

    async fn execute_bare(&mut self, work: Work<'_>, of: Option<Parameters>) -> Result<u64, Failure> {
        let began = self.clock.now_ns();
        match (work, of) {
            (Work::Action(operation), Some(parameters)) => self.steps(operation.action, parameters).await?,
            _ => self.client.run("SELECT 1").await?,
        }
        if writes(work) && self.fires_deferred {
            self.client.run("SET CONSTRAINTS ALL IMMEDIATE").await?;
        }
        Ok(self.clock.now_ns() - began)
    }

    fn cpu_ns(&self) -> Option<u64> {
        self.backend.as_ref().filter(|backend| backend.settle()).and_then(Backend::cpu_ns)
    }

    fn drawn(&self, action: usize, of: Parameters) -> Vec<Value<'w>> {
        let mut values = Vec::new();
        self.workload.draw(action, Stream::lane(STREAM, 0, 1), of.draw, &mut values);
        values
    }

    /// Every step in turn, as they are counted: those that need a value no earlier step gave are left out.
    async fn steps(&mut self, action: usize, of: Parameters) -> Result<(), Failure> {
        let planned = &self.workload.actions[action];
        let mut values = self.drawn(action, of);
        for (position, step) in planned.steps.iter().enumerate().filter(|(_, step)| step.bracket.is_none()) {
            let missing = |slot: usize| !planned.is_parameter(slot) && values[slot] == Value::Null;
            if step.arguments.iter().any(|(slot, _)| missing(*slot)) {
                continue;
            }
            self.arguments.clear();
            let misfit = |misfit: crate::expression::value::Misfit| Failure::script(&misfit.to_string());
            step.encode(&values, &mut self.arguments).map_err(misfit)?;
            let wanted = step.keep != Keep::Nothing && !step.captures.is_empty();
            let kept = if wanted { Some(&mut self.kept) } else { None };
            self.client.send(step, (action, position), &self.arguments, kept).await?;
            if wanted {
                for (place, (_, slot, _)) in step.captures.iter().enumerate() {
                    values[*slot] = self.kept.first().map_or(Value::Null, |row| row[place].clone());
                }
            }
        }
        Ok(())
    }
}

fn writes(work: Work<'_>) -> bool {
    matches!(work, Work::Action(operation) if operation.writes)
}
