//! Statuses that come about in steps: a chain of states with a time in each. Must be a function of the row alone.

use crate::diagnostic::Diagnostic;
use crate::expression::distribution::number;
use crate::expression::parse::parse;
use crate::expression::{Distribution, Key, Node};

/// A chain of states. The state at the end of the history, and the moments at which columns were set on the way there,
/// follow from the row.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    /// The first state, by position.
    pub start: usize,
    /// Names of the states.
    pub states: Vec<String>,
    /// Ways out of each state.
    pub edges: Vec<Vec<Edge>>,
    /// Columns that steps set.
    pub sets: Vec<String>,
}

/// A step from one state to another.
#[derive(Debug, Clone, PartialEq)]
pub struct Edge {
    /// Where it leads, by position.
    pub to: usize,
    /// How often it is taken; what is left over stays for good.
    pub share: f64,
    /// How long the state before lasts, in microseconds.
    pub dwell: Distribution,
    /// The column that gets the moment of the step, by position in [`Machine::sets`].
    pub sets: Option<usize>,
}

/// What of a walk is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// The state it ended in.
    State,
    /// The moment a column was last set.
    Set(usize),
}

/// What came of a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walk {
    /// The state it ended in, by position.
    pub state: usize,
    /// When columns were last set, in microseconds since PostgreSQL's epoch; [`Walk::NEVER`] where they were not.
    at: [i64; MOST_SETS],
}

impl Walk {
    const NEVER: i64 = i64::MIN;

    /// When a column was last set.
    #[must_use]
    pub fn set(&self, column: usize) -> Option<i64> {
        self.at.get(column).copied().filter(|at| *at != Self::NEVER)
    }
}

/// Columns that a machine can set.
pub const MOST_SETS: usize = 6;

/// More steps than this no row takes; only a loop of states would.
const MOST_STEPS: u64 = 64;

impl Machine {
    /// Walks from `begin` until nothing more happens before `end`.
    #[must_use]
    pub fn walk(&self, key: Key, row: u64, begin: i64, end: i64) -> Walk {
        let stream = key.numbered(row);
        let mut walk = Walk { state: self.start, at: [Walk::NEVER; MOST_SETS] };
        let mut at = begin;
        for step in 0..MOST_STEPS {
            let Some(edge) = self.taken(walk.state, stream.unit(2 * step)) else { break };
            let then = at.saturating_add(edge.dwell.draw(stream.cell(2 * step + 1)).max(0.0) as i64);
            if end < then {
                break;
            }
            (walk.state, at) = (edge.to, then);
            if let Some(place) = edge.sets.and_then(|set| walk.at.get_mut(set)) {
                *place = at;
            }
        }
        walk
    }

    fn taken(&self, state: usize, mut share: f64) -> Option<&Edge> {
        self.edges[state].iter().find(|edge| {
            let taken = share < edge.share;
            share -= edge.share;
            taken
        })
    }
}

/// A step as a spec writes it: `paid 93% 2m..1h sets paid_at`.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Where it leads.
    pub to: String,
    /// How often.
    pub share: f64,
    /// How long the state before lasts.
    pub dwell: Distribution,
    /// The column that gets the moment.
    pub sets: Option<String>,
}

/// Reads the ways out of a state: `paid 93% 2m..1h sets paid_at; failed 5% exp(3m); expired 2% 24h`.
///
/// # Errors
/// The first step that cannot be read, with its place in the text.
pub fn steps(text: &str) -> Result<Vec<Step>, Diagnostic> {
    let mut found = Vec::new();
    let mut from = 0;
    for part in text.split(';') {
        let place = from..from + part.len();
        from += part.len() + 1;
        found.push(step(part).ok_or_else(|| {
            Diagnostic::at(place, "this is no step from one state to another").help(
                "write where it leads, how often, and after how long: 'paid 93% 2m..1h sets paid_at; failed 5% \
                       exp(3m)'",
            )
        })?);
    }
    if 1.0 + 1e-9 < found.iter().map(|step| step.share).sum::<f64>() {
        return Err(Diagnostic::at(0..text.len(), "the shares of the steps out of a state must not exceed 100%"));
    }
    Ok(found)
}

fn step(text: &str) -> Option<Step> {
    let mut words = text.trim().splitn(3, char::is_whitespace);
    let to = words.next().filter(|word| !word.is_empty())?.to_owned();
    let Node::Percent(share) = parse(words.next()?).ok()?.node else { return None };
    let rest = words.next()?.trim();
    let (dwell, sets) = match rest.split_once(" sets ") {
        Some((dwell, column)) => (dwell.trim(), Some(column.trim().to_owned())),
        None => (rest, None),
    };
    let dwell = match dwell.split_once("..") {
        Some((low, high)) => {
            let bound = |text: &str| number(&parse(text).ok()?).ok();
            let (low, high) = (bound(low)?, bound(high)?);
            (low <= high).then_some(Distribution::Uniform(low, high))?
        }
        None => Distribution::read(&parse(dwell).ok()?).ok()?,
    };
    let named = sets.as_ref().is_none_or(|column| !column.is_empty() && !column.contains(char::is_whitespace));
    (named && 0.0 <= share).then_some(Step { to, share, dwell, sets })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;

    fn machine() -> Machine {
        let paid = Edge { to: 1, share: 0.9, dwell: Distribution::Uniform(1e6, 3.6e9), sets: Some(0) };
        let failed = Edge { to: 2, share: 0.1, dwell: Distribution::Constant(5e6), sets: None };
        let refunded = Edge { to: 3, share: 0.05, dwell: Distribution::Exponential(8.64e10), sets: Some(1) };
        Machine {
            start: 0,
            states: ["pending", "paid", "failed", "refunded"].map(str::to_owned).to_vec(),
            edges: vec![vec![paid, failed], vec![refunded], Vec::new(), Vec::new()],
            sets: vec!["paid_at".to_owned(), "refunded_at".to_owned()],
        }
    }

    #[test]
    fn states_and_their_moments_agree_in_every_row() {
        let (machine, key) = (machine(), Key::new(3));
        let mut counts = [0; 4];
        for row in 0..20_000 {
            let walk = machine.walk(key, row, 0, 720 * HOUR);
            let state = walk.state;
            counts[state] += 1;
            assert_eq!(walk.set(0).is_some(), state == 1 || state == 3, "row {row}");
            assert_eq!(walk.set(1).is_some(), state == 3, "row {row}");
            if let (Some(paid), Some(back)) = (walk.set(0), walk.set(1)) {
                assert!(0 < paid && paid <= back && back <= 720 * HOUR);
            }
            // What has not happened yet has not happened.
            assert_eq!(machine.walk(key, row, 0, 0).state, 0);
        }
        assert!((17_000..17_400).contains(&counts[1]) && (800..1_000).contains(&counts[3]), "{counts:?}");
    }

    #[test]
    fn steps_are_read_and_mistakes_have_a_place() {
        let found = steps("paid 93% 2m..1h sets paid_at; failed 5% exp(3m); expired 2% 24h").unwrap();
        assert_eq!(found[0].dwell, Distribution::Uniform(120e6, 3_600e6));
        assert_eq!((found[0].sets.as_deref(), found[2].to.as_str()), (Some("paid_at"), "expired"));
        assert_eq!(steps("paid 93% 2m; failed soon").unwrap_err().span, Some(12..24));
        assert!(steps("a 60% 1m; b 50% 1m").is_err());
    }
}
