//! What an action does, step by step, as a short program. Must know no connection: the driver runs it.
//!
//! An action of a TOML file and a pgbench script become the same thing, so that the driver has one way
//! to run both.

use super::parameter::Draw;
use super::script::Formula;
use crate::document::PlacedText;
use crate::scenario::statement::Statement;

/// One instruction.
#[derive(Debug, Clone)]
pub enum Op {
    /// Begins a transaction with this statement.
    Begin(&'static str),
    /// Commits it.
    Commit,
    /// Sends a statement, by position in the action's steps.
    Send(usize),
    /// Sends a statement once for every row another one returned.
    SendEach {
        /// What to send.
        step: usize,
        /// Whose rows.
        rows_of: usize,
    },
    /// Gives a slot a value.
    Set {
        /// Which.
        slot: usize,
        /// What; microseconds where a duration is meant.
        formula: Formula,
    },
    /// Waits this many microseconds.
    Pause(Wait),
    /// Goes on at another instruction with a probability.
    SkipUnlessChance {
        /// Probability of going on here, from 0 to 1.
        chance: f64,
        /// Names the stream of the decision.
        site: u64,
        /// Where to go on otherwise.
        otherwise: usize,
    },
    /// Goes on at another instruction unless a formula holds.
    SkipUnless {
        /// What must hold.
        formula: Formula,
        /// Where to go on otherwise.
        otherwise: usize,
    },
    /// Goes on at another instruction.
    Jump(usize),
}

/// How long to wait.
#[derive(Debug, Clone)]
pub enum Wait {
    /// Drawn like a parameter; the number names its stream.
    Drawn(Draw, u64),
    /// Computed by a script.
    Computed(Formula),
}

/// One statement of an action.
#[derive(Debug, Clone)]
pub struct Step {
    /// With numbered parameters.
    pub statement: Statement,
    /// The SQL in the file.
    pub source: PlacedText,
    /// For each numbered parameter, its slot.
    pub arguments: Vec<usize>,
    /// How it is sent; as the run says where absent.
    pub protocol: Option<Protocol>,
    /// What becomes of its result.
    pub keep: Keep,
    /// Who is asked.
    pub role: Role,
    /// What is asked instead from a migration on.
    pub since: Vec<(PlacedText, Step)>,
}

/// Which server a statement is sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// The one that takes writes.
    #[default]
    Primary,
    /// One of its replicas, in turn.
    Replica,
}

impl Role {
    /// By its name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "primary" => Some(Self::Primary),
            "replica" => Some(Self::Replica),
            _ => None,
        }
    }
}

/// What becomes of a statement's result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keep {
    /// Rows are counted and forgotten.
    Nothing,
    /// Columns with a slot's name give it their value: of the first row, or NULL without one.
    First,
    /// The same for exactly one row; anything else is a failure (`\gset`). Names of columns get a prefix.
    One(String),
    /// The same for the last row, and nothing without one (`\aset`). Names of columns get a prefix.
    Last(String),
    /// Every row is kept, for [`Op::SendEach`].
    Every,
}

/// How statements are sent, as pgbench calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Protocol {
    /// Parsed once on each connection, then bound and executed.
    #[default]
    Prepared,
    /// Parsed, bound and executed each time.
    Extended,
    /// As one text with the values in it.
    Simple,
}

impl Protocol {
    /// All, as they are written.
    pub const NAMES: [(&'static str, Self); 3] =
        [("prepared", Self::Prepared), ("extended", Self::Extended), ("simple", Self::Simple)];

    /// By its name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, protocol)| protocol)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.into_iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }
}
