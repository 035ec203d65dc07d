//! Whether a machine and a server are fit to measure on, before anybody trusts a figure of theirs. Must change nothing
//! on the server: what is written for a commit's cost is one message in the WAL that no table holds.

mod host;
mod noise;
mod server;

use serde::Serialize;

use crate::clock::Clock;
use crate::postgres::{Error, Target};

/// Something that was examined.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// What.
    pub name: &'static str,
    /// What was found.
    pub found: String,
    /// Whether that is fit to measure with.
    pub grade: Grade,
    /// What to do, where something is to be done.
    pub advice: Option<String>,
}

/// How fit something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// Fit.
    Good,
    /// Figures are to be read with it in mind.
    Warning,
    /// Verdicts cannot be had, or would not hold.
    Unfit,
}

/// What is examined.
#[derive(Debug, Clone)]
pub struct Patient {
    /// The server, with a database.
    pub target: Target,
    /// Where its data is, when that is on this machine and known.
    pub data: Option<std::path::PathBuf>,
    /// How long the noise is listened to, in seconds.
    pub pilot_s: f64,
}

impl Finding {
    fn new(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, found: found.into(), grade: Grade::Good, advice: None }
    }

    fn graded(mut self, grade: Grade, advice: &str) -> Self {
        if self.grade <= grade {
            (self.grade, self.advice) = (grade, Some(advice.to_owned()));
        }
        self
    }

    fn when(self, wrong: bool, grade: Grade, advice: &str) -> Self {
        if wrong { self.graded(grade, advice) } else { self }
    }
}

/// Looks at everything, in the order it is printed; `tell` hears what is examined.
///
/// # Errors
/// When the server cannot be reached.
pub async fn examine(patient: &Patient, tell: impl Fn(&str)) -> Result<Vec<Finding>, Error> {
    let clock = Clock::start();
    tell("clock and timer");
    let mut findings = vec![host::clock(&clock), host::timer(&clock).await];
    let before = crate::host::Counters::read();
    tell("server");
    findings.extend(server::examine(patient, &clock).await?);
    tell("noise");
    findings.extend(noise::examine(patient, &clock).await?);
    // Over everything that was done meanwhile.
    findings.extend(host::machine(&before));
    Ok(findings)
}
