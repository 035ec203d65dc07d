//! Everything the driver needs to ask like the application. Must be the same for every side of a trial.

use std::sync::Arc;

use super::action::Action;
use super::load::Load;
use super::parameter::{Draw, Place, Pool};
use super::program::{Keep, Op, Protocol, Role, Step};
use super::spec::Scenario;
use crate::diagnostic::Advice;
use crate::expression::value::Misfit;
use crate::expression::{Key, SqlType, Value, Weights};
use crate::units::Seed;

/// The merged mix of one or several scenarios, with types and pools filled in.
#[derive(Debug)]
pub struct Workload {
    /// All actions, in the order of the files.
    pub actions: Vec<PlannedAction>,
    /// How they arrive.
    pub load: Load,
    /// How statements are sent where no step says it.
    pub protocol: Protocol,
    weights: Weights,
    pools: Vec<Pool>,
    key: Key,
    now: i64,
}

/// An action ready to be driven.
#[derive(Debug)]
pub struct PlannedAction {
    /// Its name.
    pub name: String,
    /// Its share of the whole mix, from 0 to 1.
    pub share: f64,
    /// Its own margin, if its file names one.
    pub margin: Option<f64>,
    /// Statements in order.
    pub steps: Vec<PlannedStep>,
    /// What to do.
    pub program: Vec<Op>,
    /// How long a client waits after it.
    pub think: Option<Draw>,
    /// How many slots there are; parameters have the first.
    pub slots: usize,
    /// Slots that are set before an action begins: a script's seeds and scale.
    pub given: Vec<(usize, Value<'static>)>,
    /// The slot that holds the client's number.
    pub client_slot: Option<usize>,
    parameters: Vec<(Draw, Key)>,
    key: Key,
}

/// A statement ready to be sent.
#[derive(Debug)]
pub struct PlannedStep {
    /// What ties it to its counters on the server.
    pub tag: String,
    /// SQL with numbered parameters, without the tag.
    pub sql: Arc<str>,
    /// For each numbered parameter, which slot and in which type.
    pub arguments: Vec<(usize, SqlType)>,
    /// What becomes of its result.
    pub keep: Keep,
    /// Columns that give slots their values: position, slot and type.
    pub captures: Vec<(usize, usize, SqlType)>,
    /// How it is sent.
    pub protocol: Protocol,
    /// Who is asked.
    pub role: Role,
    /// Slots a replica is asked about that an earlier step of the same operation got from the primary: when no row is
    /// found for them, it has not come yet.
    pub own_writes: Vec<usize>,
    /// The text between its parameters, each stretch with the number of the one that follows.
    fragments: Vec<(String, Option<usize>)>,
    /// What it does to the transaction, if it does anything.
    pub bracket: Option<Bracket>,
}

/// A statement that begins or ends a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bracket {
    /// `BEGIN`, `START TRANSACTION`
    Begins,
    /// `COMMIT`, `END`, `ROLLBACK`, `ABORT`
    Ends,
}

/// What the server says of a step.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BoundStep {
    /// Types of the numbered parameters.
    pub arguments: Vec<SqlType>,
    /// Columns that give slots their values: position, slot and type.
    pub captures: Vec<(usize, usize, SqlType)>,
}

/// What the server says of every step, by scenario and action.
pub type Bound = Vec<Vec<Vec<BoundStep>>>;

/// Names a stream of operations: the operations of one thread, or of one slice of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    /// Its number; equal numbers give equal operations.
    pub id: u64,
    /// Of how many streams that run side by side it is one.
    pub of: u64,
    /// Which of them it is.
    pub lane: u64,
    /// The number of its first operation among those of all streams, before and beside it.
    pub first: u64,
}

impl Stream {
    /// Stream `lane` of `of` that run side by side, in part `part` of the run.
    #[must_use]
    pub fn lane(part: u64, lane: u64, of: u64) -> Self {
        Self { id: part * of + lane, of, lane, first: 0 }
    }

    /// The same stream, whose operations are counted from `first` on.
    #[must_use]
    pub fn from(self, first: u64) -> Self {
        Self { first, ..self }
    }

    /// The number of its `n`-th operation among those of all streams.
    fn ordinal(self, n: u64) -> u64 {
        self.first + n * self.of + self.lane
    }
}

/// Why scenarios cannot be driven together.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MixError {
    /// One is open, another closed.
    #[error("`{0}` is an open loop and `{1}` a closed one")]
    OpenAndClosed(String, String),
    /// Two actions share a name.
    #[error("the action `{action}` is in `{first}` and in `{second}`")]
    SameAction {
        /// The name.
        action: String,
        /// One scenario.
        first: String,
        /// The other.
        second: String,
    },
}

impl Advice for MixError {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::OpenAndClosed(..) => "scenarios of one proof must all have `rate`, or all `clients`".to_owned(),
            Self::SameAction { .. } => "rename one; reports tell actions apart by name".to_owned(),
        })
    }
}

/// Checks that scenarios can be driven together, and adds up their loads.
///
/// # Errors
/// When they cannot.
pub fn merge_loads(scenarios: &[Scenario]) -> Result<Load, MixError> {
    check_names(scenarios)?;
    let mut own = scenarios.iter().filter(|scenario| !scenario.used);
    let first = own.next().expect("somebody uses what is used");
    let mut sum = first.load;
    for scenario in own {
        sum = match (sum, scenario.load) {
            (Load::Open { rate, connections }, Load::Open { rate: more, connections: also }) => {
                Load::Open { rate: rate + more, connections: connections.max(also) }
            }
            (Load::Closed { clients }, Load::Closed { clients: more }) => Load::Closed { clients: clients + more },
            (Load::Open { .. }, Load::Closed { .. }) => {
                return Err(MixError::OpenAndClosed(first.name.clone(), scenario.name.clone()));
            }
            (Load::Closed { .. }, Load::Open { .. }) => {
                return Err(MixError::OpenAndClosed(scenario.name.clone(), first.name.clone()));
            }
        };
    }
    Ok(sum)
}

/// Checks that every action has a name of its own.
///
/// # Errors
/// The first that has not.
pub fn check_names(scenarios: &[Scenario]) -> Result<(), MixError> {
    for (index, scenario) in scenarios.iter().enumerate() {
        for other in &scenarios[..index] {
            if let Some(action) =
                scenario.actions.iter().find(|a| other.actions.iter().any(|b| a.name.value == b.name.value))
            {
                return Err(MixError::SameAction {
                    action: action.name.value.clone(),
                    first: other.name.clone(),
                    second: scenario.name.clone(),
                });
            }
        }
    }
    Ok(())
}

/// What a workload is made of beside the scenarios.
pub struct Setting<'s> {
    /// How actions arrive.
    pub load: Load,
    /// What the server reports of every step.
    pub bound: &'s Bound,
    /// Rows for every pick, in the order of [`picks`].
    pub pools: Vec<Pool>,
    /// The end of the dataset's history.
    pub now: i64,
    /// Names all streams.
    pub seed: Seed,
    /// The scale that scripts see.
    pub scale: f64,
    /// How statements are sent where no step says it.
    pub protocol: Protocol,
}

/// Every different pick of the scenarios, in a fixed order: the order of their pools.
#[must_use]
pub fn picks(scenarios: &[Scenario]) -> Vec<super::parameter::Pick> {
    let mut found: Vec<super::parameter::Pick> = Vec::new();
    for parameter in scenarios.iter().flat_map(|s| &s.actions).flat_map(|a| &a.parameters) {
        let mut draw = parameter.draw.clone();
        let mut picks = Vec::new();
        draw.picks(&mut picks);
        for pick in picks {
            if !found.iter().any(|known| known.draws_like(pick)) {
                found.push(pick.clone());
            }
        }
    }
    found
}

impl<'s> Setting<'s> {
    /// Without pools and a history, for statements without parameters.
    #[must_use]
    pub fn plain(load: Load, bound: &'s Bound) -> Self {
        Self { load, bound, pools: Vec::new(), now: 0, seed: Seed(1), scale: 1.0, protocol: Protocol::Prepared }
    }
}

impl Workload {
    /// Joins scenarios with what the server reports.
    #[must_use]
    pub fn new(scenarios: &[Scenario], setting: Setting<'_>) -> Self {
        let key = Key::new(setting.seed.0).named("workload");
        let known = picks(scenarios);
        // Shares are those of the scenarios' own loads, whatever load they are driven at.
        let level: f64 = scenarios.iter().map(|scenario| scenario.level).sum();
        let mut actions = Vec::new();
        for (scenario, bound) in scenarios.iter().zip(setting.bound) {
            let total: f64 = scenario.actions.iter().map(|a| a.weight).sum();
            for (action, bound) in scenario.actions.iter().zip(bound) {
                let share = scenario.level / level * action.weight / total;
                actions.push(planned(action, bound, share, key, &known, &setting));
            }
        }
        let shares: Vec<f64> = actions.iter().map(|a: &PlannedAction| a.share).collect();
        let Setting { load, protocol, pools, now, .. } = setting;
        Self { weights: Weights::new(&shares), actions, load, protocol, pools, key, now }
    }

    /// Draws actions by other shares than the mix's, in the same order; the actions keep theirs.
    pub fn drive_as(&mut self, shares: &[f64]) {
        self.weights = Weights::new(shares);
    }

    /// Which action the `n`-th arrival of a stream is, by position.
    #[must_use]
    pub fn action(&self, stream: Stream, n: u64) -> usize {
        self.weights.choose(self.key.numbered(stream.id).cell(n))
    }

    /// The gap before the `n`-th arrival of a stream, in units of the mean gap: exponential, so arrivals are Poisson.
    #[must_use]
    pub fn gap(&self, stream: Stream, n: u64) -> f64 {
        -libm::log(1.0 - self.key.named("arrivals").numbered(stream.id).unit(n))
    }

    /// The values of an action's slots for the `n`-th arrival of a stream, into a reused list: parameters
    /// drawn, everything else NULL or as given.
    pub fn draw<'w>(&'w self, action: usize, stream: Stream, n: u64, values: &mut Vec<Value<'w>>) {
        values.clear();
        let planned = &self.actions[action];
        let ordinal = stream.ordinal(n);
        for (draw, key) in &planned.parameters {
            let (pools, parameters) = (&*self.pools, &*planned.parameters);
            let at = Place { n, ordinal, now: self.now, pools, parameters, earlier: values };
            let value = draw.value(key.numbered(stream.id), at);
            values.push(value);
        }
        values.resize(planned.slots, Value::Null);
        for (slot, value) in &planned.given {
            values[*slot] = value.clone();
        }
    }

    /// How long to wait, in microseconds, for a wait that is drawn.
    #[must_use]
    pub fn wait_us(&self, action: usize, draw: &Draw, site: u64, stream: Stream, n: u64) -> u64 {
        let key = self.actions[action].key.named("wait").numbered(site).numbered(stream.id);
        let at = Place { n, ordinal: 0, now: self.now, pools: &[], parameters: &[], earlier: &[] };
        draw.value(key, at).number().unwrap_or_default().max(0.0) as u64
    }

    /// A hash of every statement: scenarios at another migration ask differently.
    #[must_use]
    pub fn statements_digest(&self) -> String {
        let steps = self.actions.iter().flat_map(|action| &action.steps);
        let hash = steps.fold(Key::new(0), |key, step| key.named(&step.sql));
        format!("{:016x}", hash.cell(0))
    }

    /// Whether another action sends one of its statements too: what the server counts of it is nobody's alone.
    #[must_use]
    pub fn shares_a_statement(&self, action: &PlannedAction) -> bool {
        let others = self.actions.iter().filter(|other| other.name != action.name).flat_map(|other| &other.steps);
        let mut others = others.map(|step| step.sql.trim());
        others.any(|sql| action.steps.iter().any(|step| step.sql.trim() == sql))
    }

    /// The stream of decisions and random functions of an action.
    #[must_use]
    pub fn stream_key(&self, action: usize, stream: Stream) -> Key {
        self.actions[action].key.numbered(stream.id)
    }
}

fn planned(
    action: &Action,
    bound: &[BoundStep],
    share: f64,
    key: Key,
    known: &[super::parameter::Pick],
    setting: &Setting<'_>,
) -> PlannedAction {
    let key = key.named(&action.name.value);
    let all = bound;
    let steps = action.steps.iter().zip(bound).enumerate().map(|(index, (step, bound))| PlannedStep {
        tag: tag(&action.name.value, index),
        sql: step.statement.sql.as_str().into(),
        arguments: step.arguments.iter().copied().zip(bound.arguments.iter().copied()).collect(),
        keep: step.keep.clone(),
        captures: bound.captures.clone(),
        protocol: step.protocol.unwrap_or(setting.protocol),
        role: step.role,
        own_writes: own_writes(action, all, index),
        bracket: bracket(&step.statement.sql),
        fragments: fragments(step),
    });
    let parameters = action.parameters.iter().map(|parameter| {
        let mut draw = parameter.draw.clone();
        let mut picks = Vec::new();
        draw.picks(&mut picks);
        for pick in picks {
            pick.pool = known.iter().position(|other| other.draws_like(pick)).unwrap_or_default();
        }
        (draw, key.named(&parameter.name))
    });
    let scale = if setting.scale == setting.scale.trunc() {
        Value::Int(setting.scale as i64)
    } else {
        Value::Float(setting.scale)
    };
    let seed = Value::Int(setting.seed.0 as i64);
    let given = [("scale", scale), ("random_seed", seed.clone()), ("default_seed", seed)];
    let given = given.into_iter().filter_map(|(name, value)| {
        let slot = action.slots.iter().position(|slot| slot == name)?;
        (action.parameters.len() <= slot).then_some((slot, value))
    });
    let client_slot = action.slots.iter().position(|slot| slot == "client_id");
    PlannedAction {
        client_slot: client_slot.filter(|slot| action.parameters.len() <= *slot),
        name: action.name.value.clone(),
        share,
        margin: action.margin,
        steps: steps.collect(),
        program: action.program.clone(),
        think: action.think.clone(),
        slots: action.slots.len(),
        given: given.collect(),
        parameters: parameters.collect(),
        key: key.named("program"),
    }
}

impl PlannedAction {
    /// How often an operation goes to the server and comes back; nothing where that depends on chance or on what is
    /// found.
    #[must_use]
    pub fn trips(&self) -> Option<u32> {
        let of = |op: &Op| match op {
            Op::Begin(_) | Op::Commit | Op::Send(_) => Some(1),
            Op::Set { .. } | Op::Pause(_) => Some(0),
            _ => None,
        };
        self.program.iter().map(of).sum()
    }

    /// Whether a slot is a parameter, known before the action begins.
    #[must_use]
    pub fn is_parameter(&self, slot: usize) -> bool {
        slot < self.parameters.len()
    }

    /// Whether it is a single statement whose values are all known before it begins.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        matches!(self.program.as_slice(), [Op::Send(0)])
            && self.steps[0].keep == Keep::Nothing
            && self.steps[0].arguments.iter().all(|(slot, _)| self.is_parameter(*slot))
    }
}

impl PlannedStep {
    /// Appends what is sent: each argument as length and bytes, or the whole statement as a text with the
    /// values in it, by the step's protocol.
    ///
    /// # Errors
    /// When a value does not fit the type the server inferred.
    pub fn encode(&self, values: &[Value<'_>], out: &mut Vec<u8>) -> Result<(), Misfit> {
        if self.protocol == Protocol::Simple {
            self.as_text(values, out)?;
            out.extend_from_slice(format!("\n/* weighbridge:{} */", self.tag).as_bytes());
            return Ok(());
        }
        self.arguments.iter().try_for_each(|(slot, kind)| values[*slot].write(*kind, out))
    }

    /// The values of its arguments as constants of SQL, in their order.
    ///
    /// # Errors
    /// When a value does not fit the type the server inferred.
    pub fn literals(&self, values: &[Value<'_>]) -> Result<Vec<String>, Misfit> {
        let literal = |(slot, kind): &(usize, SqlType)| {
            let mut text = Vec::new();
            values[*slot].write_literal(*kind, &mut text)?;
            Ok(String::from_utf8_lossy(&text).into_owned())
        };
        self.arguments.iter().map(literal).collect()
    }

    /// Appends the statement as a text with the values in it, without the tag.
    ///
    /// # Errors
    /// When a value does not fit the type the server inferred.
    pub fn as_text(&self, values: &[Value<'_>], out: &mut Vec<u8>) -> Result<(), Misfit> {
        for (text, argument) in &self.fragments {
            out.extend_from_slice(text.as_bytes());
            if let Some((slot, kind)) = argument.map(|number| self.arguments[number]) {
                values[slot].write_literal(kind, out)?;
            }
        }
        Ok(())
    }
}

/// The slots of a step on a replica that earlier steps on the primary have filled.
fn own_writes(action: &Action, bound: &[BoundStep], index: usize) -> Vec<usize> {
    let step = &action.steps[index];
    if step.role != Role::Replica {
        return Vec::new();
    }
    let earlier = action.steps[..index].iter().zip(bound).filter(|(step, _)| step.role == Role::Primary);
    let filled: Vec<usize> = earlier.flat_map(|(_, bound)| bound.captures.iter().map(|(_, slot, _)| *slot)).collect();
    step.arguments.iter().copied().filter(|slot| filled.contains(slot)).collect()
}

/// The text of a step cut at its parameters.
fn fragments(step: &Step) -> Vec<(String, Option<usize>)> {
    let text = &step.source.text;
    let mut fragments = Vec::new();
    let mut at = 0;
    for (number, place) in &step.statement.uses {
        fragments.push((text[at..place.start].to_owned(), Some(*number)));
        at = place.end;
    }
    let end = crate::sql::statements(text).last().map_or(text.len(), |span| span.end);
    fragments.push((text[at..end.max(at)].to_owned(), None));
    fragments
}

fn bracket(sql: &str) -> Option<Bracket> {
    let word = sql.trim_start().split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    match word.to_ascii_lowercase().as_str() {
        "begin" | "start" => Some(Bracket::Begins),
        "commit" | "end" | "abort" => Some(Bracket::Ends),
        // ROLLBACK TO a savepoint stays in the transaction.
        "rollback" if !sql.to_ascii_lowercase().contains(" to ") => Some(Bracket::Ends),
        _ => None,
    }
}

/// What ties a statement to its counters on the server: `action.step`, steps from 1.
#[must_use]
pub fn tag(action: &str, step: usize) -> String {
    format!("{action}.{}", step + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::spec::parse_scenario;

    fn scenario(name: &str, action: &str, load: &str) -> Scenario {
        let text = format!("name = '{name}'\n[load]\n{load}\n[[action]]\nname = '{action}'\nsql = 'SELECT 1'\n");
        parse_scenario(&text).unwrap()
    }

    #[test]
    fn scenarios_share_the_mix_by_their_rates() {
        let both = [scenario("a", "x", "rate = 300"), scenario("b", "y", "rate = 100")];
        let load = merge_loads(&both).unwrap();
        let bound = vec![vec![vec![BoundStep::default()]]; 2];
        let workload = Workload::new(&both, Setting::plain(load, &bound));
        let stream = Stream::lane(3, 0, 1);
        let second = (0..10_000).filter(|n| workload.action(stream, *n) == 1).count();
        assert!((2_300..2_700).contains(&second), "{second}");
        let mean = (0..10_000).map(|n| workload.gap(stream, n)).sum::<f64>() / 10_000.0;
        assert!((mean - 1.0).abs() < 0.03, "{mean}");
    }

    #[test]
    fn trips_are_counted_with_what_begins_and_ends_a_transaction_and_not_where_they_depend() {
        let trips = |action: &str| {
            let text = format!("name = 'a'\n[load]\nrate = 1\n[[action]]\nname = 'x'\n{action}");
            let scenario = [parse_scenario(&text).unwrap()];
            let steps = scenario[0].actions[0].steps.len();
            let bound = vec![vec![vec![BoundStep::default(); steps]]];
            Workload::new(&scenario, Setting::plain(scenario[0].load, &bound)).actions[0].trips()
        };
        let step = "[[action.step]]\nsql = 'SELECT 1'\n";
        assert_eq!(trips("sql = 'SELECT 1'\n"), Some(1));
        assert_eq!(trips(&format!("transaction = true\n{step}{step}")), Some(4));
        assert_eq!(trips(&format!("{step}[[action.step]]\nsql = 'SELECT 2'\nchance = '5%'\n")), None);
    }

    #[test]
    fn what_cannot_be_driven_together_is_refused() {
        let mixed = [scenario("a", "x", "rate = 300"), scenario("b", "y", "clients = 2")];
        assert_eq!(merge_loads(&mixed), Err(MixError::OpenAndClosed("a".into(), "b".into())));
        let twice = [scenario("a", "x", "rate = 300"), scenario("b", "x", "rate = 2")];
        assert!(matches!(merge_loads(&twice), Err(MixError::SameAction { .. })));
    }
}
