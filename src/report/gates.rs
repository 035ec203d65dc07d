//! Gates as lines: the condition, what was observed, and what became of it. Must judge nothing.

use super::page::{Grid, Page};
use crate::compare::Verdict;
use crate::evidence::run::{GateResult, Unevaluated};
use crate::units::{count_text, plural};

/// Gates that hold and are shown one by one; others are counted.
const MAX_HOLDING: usize = 6;

/// What became of a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// It does not hold.
    Fails,
    /// It cannot be evaluated.
    Open,
    /// It holds.
    Holds,
}

impl Fate {
    pub(super) fn of(gate: &GateResult) -> Self {
        match (gate.holds, &gate.observed) {
            (true, _) => Self::Holds,
            (false, Some(_)) => Self::Fails,
            (false, None) => Self::Open,
        }
    }

    /// As reports print it: readable without colour.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Fails => "FAILS",
            Self::Open => "not evaluated",
            Self::Holds => "holds",
        }
    }

    fn verdict(self) -> Verdict {
        match self {
            Self::Fails => Verdict::Regressed,
            Self::Open => Verdict::Inconclusive,
            Self::Holds => Verdict::Improved,
        }
    }
}

/// A gate as a row: the condition, what was observed, its fate.
pub(super) struct GateRow {
    pub(super) gate: String,
    pub(super) observed: String,
    pub(super) fate: Fate,
}

/// Gates as rows: those that fail first, then those that are open. `finding` are ids that a gate names and that were
/// found, with their words.
pub(super) fn rows(gates: &[GateResult], findings: &[(&'static str, String)]) -> Vec<GateRow> {
    let of_figure = |gate: &GateResult| {
        let observed = gate.observed.clone().unwrap_or_else(|| unknown_text(gate));
        GateRow { gate: gate.gate.clone(), observed, fate: Fate::of(gate) }
    };
    let of_finding =
        |(id, words): &(&str, String)| GateRow { gate: (*id).to_owned(), observed: words.clone(), fate: Fate::Fails };
    let mut rows: Vec<GateRow> = gates.iter().map(of_figure).chain(findings.iter().map(of_finding)).collect();
    rows.sort_by_key(|row| row.fate);
    rows
}

/// The lines of a terminal. Gates that hold beyond the first few are counted.
pub(super) fn lines(rows: &[GateRow], page: &Page) -> Vec<String> {
    let holding = rows.iter().filter(|row| row.fate == Fate::Holds).count();
    let shown: Vec<&GateRow> = rows.iter().take(rows.len() - holding.saturating_sub(MAX_HOLDING)).collect();
    if shown.is_empty() {
        return Vec::new();
    }
    let grid = Grid {
        header: vec!["", "", ""],
        to_the_right: vec![false, true, false],
        least_important: vec![1],
        rows: shown
            .iter()
            .map(|row| vec![row.gate.clone(), row.observed.clone(), row.fate.word().to_owned()])
            .collect(),
    };
    // The columns need no names.
    let mut lines: Vec<String> =
        grid.lines(page, |number, word| page.verdict(shown[number].fate.verdict(), word)).split_off(1);
    if rows.len() > shown.len() {
        lines.push(format!("  and {} that hold", plural(rows.len() - shown.len(), "more gate")));
    }
    lines
}

/// Why a gate cannot be evaluated.
pub(super) fn unknown_text(gate: &GateResult) -> String {
    match gate.unevaluated {
        // Before format 3 that was the only reason.
        None => "too few answers".to_owned(),
        Some(Unevaluated::NothingDue) => "no operation was due".to_owned(),
        Some(Unevaluated::NoAnswer) => "no operation was answered".to_owned(),
        Some(Unevaluated::TooFew { values, needed }) => {
            format!("{} of at least {} values", count_text(values), count_text(needed))
        }
        Some(Unevaluated::NoRate) => "a closed loop has no rate to take a share of".to_owned(),
        Some(Unevaluated::NoPool) => "the run has no pool".to_owned(),
        Some(Unevaluated::NoReplica) => "no lag of a replica was measured".to_owned(),
        Some(Unevaluated::NoAction) => "there is no such action".to_owned(),
        Some(Unevaluated::Unreadable) => "its text cannot be read".to_owned(),
        Some(Unevaluated::NoLoad) => "needs load, and none was driven".to_owned(),
    }
}
