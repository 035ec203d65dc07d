//! Everything the driver needs to ask like the application. Must be the same for every side of a trial.

use std::sync::Arc;

use super::parameter::{Draw, Pick, Pool};
use super::spec::{Load, Scenario};
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
    weights: Weights,
    pools: Vec<(Pick, Pool)>,
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
    /// All steps in one transaction.
    pub transaction: bool,
    /// Its own margin, if its file names one.
    pub margin: Option<f64>,
    /// Statements in order.
    pub steps: Vec<PlannedStep>,
    parameters: Vec<(Draw, Key)>,
}

/// A statement ready to be sent.
#[derive(Debug)]
pub struct PlannedStep {
    /// What ties it to its counters on the server.
    pub tag: String,
    /// SQL with numbered parameters, without the tag.
    pub sql: Arc<str>,
    /// For each numbered parameter, which of the action's and in which type.
    pub arguments: Vec<(usize, SqlType)>,
}

/// Why scenarios cannot be driven together.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MixError {
    /// One is open, another closed.
    #[error(
        "`{0}` is an open loop and `{1}` a closed one\n  = help: scenarios of one proof must all have `rate`, or all `clients`"
    )]
    OpenAndClosed(String, String),
    /// Two actions share a name.
    #[error(
        "the action `{action}` is in `{first}` and in `{second}`\n  = help: rename one; reports tell actions apart by name"
    )]
    SameAction {
        /// The name.
        action: String,
        /// One scenario.
        first: String,
        /// The other.
        second: String,
    },
}

/// Checks that scenarios can be driven together, and adds up their loads.
///
/// # Errors
/// When they cannot.
pub fn merge_loads(scenarios: &[Scenario]) -> Result<Load, MixError> {
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
    let mut sum = scenarios[0].load;
    for scenario in &scenarios[1..] {
        sum = match (sum, scenario.load) {
            (Load::Open { rate, connections }, Load::Open { rate: more, connections: also }) => {
                Load::Open { rate: rate + more, connections: connections.max(also) }
            }
            (Load::Closed { clients }, Load::Closed { clients: more }) => Load::Closed { clients: clients + more },
            (Load::Open { .. }, Load::Closed { .. }) => {
                return Err(MixError::OpenAndClosed(scenarios[0].name.clone(), scenario.name.clone()));
            }
            (Load::Closed { .. }, Load::Open { .. }) => {
                return Err(MixError::OpenAndClosed(scenario.name.clone(), scenarios[0].name.clone()));
            }
        };
    }
    Ok(sum)
}

impl Workload {
    /// Joins scenarios with what the server said: `types` per scenario, action, step and parameter;
    /// `pools` for every pick; `now` the end of the dataset's history.
    #[must_use]
    pub fn new(
        scenarios: &[Scenario],
        load: Load,
        types: &[Vec<Vec<Vec<SqlType>>>],
        pools: Vec<(Pick, Pool)>,
        now: i64,
        seed: Seed,
    ) -> Self {
        let key = Key::new(seed.0).named("workload");
        let mut actions = Vec::new();
        for (scenario, types) in scenarios.iter().zip(types) {
            let total: f64 = scenario.actions.iter().map(|a| a.weight).sum();
            for (action, types) in scenario.actions.iter().zip(types) {
                let key = key.named(&action.name.value);
                let steps = action.steps.iter().zip(types).enumerate().map(|(index, (step, types))| PlannedStep {
                    tag: tag(&action.name.value, index),
                    sql: step.statement.sql.as_str().into(),
                    arguments: step.arguments.iter().copied().zip(types.iter().copied()).collect(),
                });
                actions.push(PlannedAction {
                    name: action.name.value.clone(),
                    share: intensity(scenario.load) / intensity(load) * action.weight / total,
                    transaction: action.transaction,
                    margin: action.margin,
                    steps: steps.collect(),
                    parameters: action.parameters.iter().map(|p| (p.draw.clone(), key.named(&p.name))).collect(),
                });
            }
        }
        let shares: Vec<f64> = actions.iter().map(|a: &PlannedAction| a.share).collect();
        Self { weights: Weights::new(&shares), actions, load, pools, key, now }
    }

    /// Which action the `n`-th arrival of a stream is, by position.
    #[must_use]
    pub fn action(&self, stream: u64, n: u64) -> usize {
        self.weights.choose(self.key.numbered(stream).cell(n))
    }

    /// The gap before the `n`-th arrival of a stream, in units of the mean gap: exponential, so arrivals are Poisson.
    #[must_use]
    pub fn gap(&self, stream: u64, n: u64) -> f64 {
        -libm::log(1.0 - self.key.named("arrivals").numbered(stream).unit(n))
    }

    /// The values of an action's parameters for the `n`-th arrival of a stream, into a reused list.
    pub fn draw<'w>(&'w self, action: usize, stream: u64, n: u64, values: &mut Vec<Value<'w>>) {
        values.clear();
        let pool = |pick: &Pick| {
            let found = self.pools.iter().find(|(known, _)| known == pick);
            found.map_or(&[][..], |(_, pool)| pool.values.as_slice())
        };
        for (draw, key) in &self.actions[action].parameters {
            let value = draw.value(key.numbered(stream), n, self.now, &pool, values);
            values.push(value);
        }
    }
}

impl PlannedStep {
    /// Appends each argument as length and bytes, the way the server wants them.
    ///
    /// # Errors
    /// When a value does not fit the type the server inferred.
    pub fn encode(&self, values: &[Value<'_>], out: &mut Vec<u8>) -> Result<(), Misfit> {
        self.arguments.iter().try_for_each(|(parameter, kind)| values[*parameter].write(*kind, out))
    }
}

/// What ties a statement to its counters on the server: `action.step`, steps from 1.
#[must_use]
pub fn tag(action: &str, step: usize) -> String {
    format!("{action}.{}", step + 1)
}

/// Rate or clients: what shares of the mix are proportional to.
fn intensity(load: Load) -> f64 {
    match load {
        Load::Open { rate, .. } => rate,
        Load::Closed { clients } => clients as f64,
    }
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
        let types = vec![vec![vec![vec![]]]; 2];
        let workload = Workload::new(&both, load, &types, Vec::new(), 0, Seed(1));
        let second = (0..10_000).filter(|n| workload.action(3, *n) == 1).count();
        assert!((2_300..2_700).contains(&second), "{second}");
        let mean = (0..10_000).map(|n| workload.gap(1, n)).sum::<f64>() / 10_000.0;
        assert!((mean - 1.0).abs() < 0.03, "{mean}");
    }

    #[test]
    fn what_cannot_be_driven_together_is_refused() {
        let mixed = [scenario("a", "x", "rate = 300"), scenario("b", "y", "clients = 2")];
        assert_eq!(merge_loads(&mixed), Err(MixError::OpenAndClosed("a".into(), "b".into())));
        let twice = [scenario("a", "x", "rate = 300"), scenario("b", "x", "rate = 2")];
        assert!(matches!(merge_loads(&twice), Err(MixError::SameAction { .. })));
    }
}
