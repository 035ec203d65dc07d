//! The words of what a trial comes to, and of why an action has no verdict. Must decide nothing.

use super::{finding, words};
use crate::compare::claim::{ClaimKind, ClaimedAction, Reason};
use crate::compare::fact::{AnswerDifference, Refusals};
use crate::compare::functions::FunctionChange;
use crate::compare::verdict::Row;
use crate::compare::{Claim, Comparison, Finding};
use crate::evidence::row_security::Exemption;
use crate::units::{change_text, duration_text, list_text, percent_text, seconds};

/// What the verdict rests on, in one sentence.
#[must_use]
pub fn headline(comparison: &Comparison) -> String {
    let parts: Vec<String> = comparison.claims.iter().map(|claim| text(comparison, claim)).collect();
    parts.join("; ")
}

/// A claim in one line: a finding that stops everything in its short form.
pub(super) fn short(comparison: &Comparison, claim: &Claim) -> String {
    match &claim.kind {
        ClaimKind::StoppedBy { finding } => {
            let action = claim.actions.first();
            the_finding(comparison, finding, action).map_or_else(|| finding.clone(), finding::short)
        }
        _ => text(comparison, claim),
    }
}

fn text(comparison: &Comparison, claim: &Claim) -> String {
    let actions = list_text(&claim.actions.iter().map(action).collect::<Vec<_>>());
    match &claim.kind {
        ClaimKind::Slower => format!("slower: {actions}"),
        ClaimKind::Faster => format!("faster: {actions}"),
        ClaimKind::SlowerWithSameWork => format!("slower, with the plans, blocks and WAL of before: {actions}"),
        ClaimKind::FasterWithSameWork => {
            format!("faster, with the plans, blocks and WAL of before, as others use less of the machine: {actions}")
        }
        ClaimKind::MoreWork => format!("more work in the server: {actions}"),
        ClaimKind::LessWork => format!("less work in the server: {actions}"),
        ClaimKind::MoreWorkForFewParameters => format!("more work in the server for a few parameters: {actions}"),
        ClaimKind::OtherAnswers => format!("not comparable, for answers or failures differ: {actions}"),
        ClaimKind::AllSame { on_one_set } => {
            let on = if *on_one_set { ", on this set of databases" } else { "" };
            format!("every action is as fast as before, within its margin{on}")
        }
        ClaimKind::SameWork => "no action's blocks move by its margin and by four an operation".to_owned(),
        ClaimKind::NotDecided if comparison.actions.iter().any(|action| action.decision.is_some()) => {
            format!("not decided: {actions}")
        }
        ClaimKind::NotDecided => format!("undecided under load: {actions}"),
        ClaimKind::NotComparable => format!("not comparable: {actions}"),
        ClaimKind::StoppedBy { finding } => by_finding(comparison, finding, claim.actions.first()),
        ClaimKind::FewChunks { chunks, chunks_min } => {
            format!("undecided under load: {chunks} of at least {chunks_min} chunks were measured")
        }
        ClaimKind::CutOffBeforeFirstLook { chunks } => {
            format!("cut off after {chunks} chunks, before the first planned look")
        }
        ClaimKind::CutOffAfterLook { chunks, look } => {
            format!("cut off after {chunks} chunks; judged as at the planned look after {look}")
        }
        ClaimKind::CutOffBeforePrecision { chunks } => {
            format!("cut off after {chunks} chunks, before the end that its precision sets")
        }
        ClaimKind::FunctionsNotCounted { functions } => {
            let functions = list_text(&functions.iter().map(function_text).collect::<Vec<_>>());
            format!("no count holds what a function does: {functions}; a proof under load decides: {actions}")
        }
        ClaimKind::TriggersNotCounted => format!(
            "more triggers fire or keys are checked, whose work no plan counts; a proof under load decides: {actions}"
        ),
        ClaimKind::GainNotShown => format!("less work that the rows cannot show: {actions}"),
        ClaimKind::GenericPlanNotExecuted => format!(
            "the generic plan changed otherwise than the plans executed, and the server may use it after five \
             executions; a proof under load decides: {actions}"
        ),
        ClaimKind::NotCounted => {
            format!("not counted, for each operation was refused or needs a value of a script: {actions}")
        }
        ClaimKind::PoliciesNotExercised { table, role, exemption } => {
            format!("{}: {actions}", policies_text(table, role, *exemption))
        }
        ClaimKind::HotUpdatesLost => format!("updates that are no longer HOT: {actions}"),
    }
}

fn measurements(row: Row) -> &'static str {
    match row {
        Row::TimingsContradict => "one measurement proves a change, and another shows the opposite",
        Row::FasterWithMoreWork => "faster, but with more work in the server",
        Row::MoreWorkContradicted => "more work in the server, but less time",
        Row::LessWorkContradicted => "less work in the server, but more time",
        _ => "no measurement proves a change, or that there is none",
    }
}

fn action(of: &ClaimedAction) -> String {
    let mut remarks = Vec::new();
    remarks.extend(of.open_quantile.map(|quantile| format!("{quantile} not decided")));
    remarks.extend(of.by_generic_plan.then(|| "by its generic plan".to_owned()));
    remarks.extend(of.functions.iter().map(function_text));
    remarks.extend(of.sets.map(|of| {
        if of.sets == of.executed {
            format!("{} of {} sets of parameters", of.sets, of.sets_in_all)
        } else {
            format!("about {} of {} sets of parameters, {} of them executed", of.sets, of.sets_in_all, of.executed)
        }
    }));
    match remarks.is_empty() {
        true => of.action.clone(),
        false => format!("{} ({})", of.action, list_text(&remarks)),
    }
}

fn by_finding(comparison: &Comparison, id: &str, action: Option<&ClaimedAction>) -> String {
    the_finding(comparison, id, action).map_or_else(|| id.to_owned(), finding::long)
}

/// The finding of an id that is about an action, or about all.
fn the_finding<'c>(comparison: &'c Comparison, id: &str, action: Option<&ClaimedAction>) -> Option<&'c Finding> {
    let is_it = |found: &&Finding| found.id() == id && action.is_none_or(|action| found.is_about(&action.action));
    comparison.findings.iter().find(is_it)
}

/// Why an action has no verdict.
pub(super) fn reason_text(comparison: &Comparison, action: &str, reason: &Reason) -> String {
    let replicates =
        |replicates_s: f64| format!("--replicates 4 ({} of load) decides", duration_text(seconds(replicates_s)));
    match reason {
        Reason::Finding { finding } => {
            let action = ClaimedAction { action: action.to_owned(), ..ClaimedAction::default() };
            by_finding(comparison, finding, Some(&action))
        }
        Reason::FewChunks { chunks, chunks_min } => format!("{chunks} of at least {chunks_min} chunks"),
        Reason::Measurements { row } => measurements(*row).to_owned(),
        Reason::NoPercentile => "too few operations for any percentile".to_owned(),
        Reason::FewOperations => "too few operations in a chunk for p95".to_owned(),
        Reason::ControlDiffers => "before and control differ by more than half the margin".to_owned(),
        Reason::OtherQuantileSlower { change } => {
            format!("one of p50 and p95 is faster, and the other may be slower ({})", change_text(*change))
        }
        Reason::WithinDriverLag => {
            "the change is no larger than the load driver's own lateness on this machine".to_owned()
        }
        Reason::SetsDiffer => {
            "sets of clones without the migration differ by as much; more sets (--replicates) decide".to_owned()
        }
        Reason::MayBeClone { are_clones: true, replicates_s } => {
            format!("identical clones differ too (clone variance); {}", replicates(*replicates_s))
        }
        Reason::MayBeClone { are_clones: false, .. } => {
            "the sides without the change differ too; clones (--url) decide".to_owned()
        }
        Reason::MayBeSet { are_clones: true, replicates_s } => {
            format!("another set of clones may differ by as much without the migration; {}", replicates(*replicates_s))
        }
        Reason::MayBeSet { are_clones: false, .. } => {
            "other databases may differ by as much without the change; sets of clones (--url, --replicates 4) decide"
                .to_owned()
        }
        Reason::DriverLagHides { share, equal_within } => format!(
            "the load driver's own lateness is {} of this latency, so only changes within ±{} can be called the same",
            percent_text(*share),
            percent_text(*equal_within)
        ),
        Reason::Sampling { share } => {
            format!("so few operations leave ±{:.1} % of p95 to chance of sampling alone", share * 100.0)
        }
        Reason::NotCertain => "the change is not certain enough after the correction for all comparisons and \
                               looks"
            .to_owned(),
        Reason::NoiseFloor { floor, margin } => {
            format!("noise floor ±{:.1} % is above the margin of {:.0} %", floor * 100.0, margin * 100.0)
        }
        Reason::WideInterval => "the interval is wider than the margin allows".to_owned(),
        Reason::PoliciesNotExercised { table, role, exemption } => policies_text(table, role, *exemption),
        Reason::CutOffBeforePrecision { chunks } => {
            format!("cut off after {chunks} chunks, before the end that its precision sets")
        }
    }
}

/// How an answer differs, as the rest of a sentence about the action.
pub(super) fn difference_text(difference: &AnswerDifference) -> String {
    match difference {
        AnswerDifference::Rows => "gives other rows".to_owned(),
        AnswerDifference::Order => {
            "gives its rows in another order, though its ORDER BY gives each its place".to_owned()
        }
        AnswerDifference::Writes { change } => format!("writes otherwise: other rows are {change}"),
        AnswerDifference::RowsPerCall { before, after } => {
            format!("gives {before:.2} rows a call before and {after:.2} after")
        }
        AnswerDifference::Refused { before, after } => format!(
            "is refused after the migration with {} of {} sets of parameters and before with {}",
            refusals_text(after),
            after.sets,
            refusals_text(before)
        ),
    }
}

fn refusals_text(of: &Refusals) -> String {
    match of.codes.is_empty() {
        true => of.refused.to_string(),
        false => format!("{} (SQLSTATE {})", of.refused, of.codes.join(", ")),
    }
}

fn policies_text(table: &str, role: &str, exemption: Exemption) -> String {
    format!("row-level security of {table} differs between the sides and does not apply to {}", who(role, exemption))
}

/// A role to which policies do not apply, and why.
pub(super) fn who(role: &str, exemption: Exemption) -> String {
    let why = match exemption {
        Exemption::Superuser => "a superuser",
        Exemption::BypassRls => "it has BYPASSRLS",
        Exemption::Owner => "the table's owner",
    };
    format!("`{role}` ({why})")
}

/// Such as `slow_ok(numeric) runs now in CHECK amount_ok of payments`.
pub(super) fn function_text(change: &FunctionChange) -> String {
    use crate::compare::functions::FunctionFate;
    let name = words::bare(&change.function);
    let places = list_text(&change.places.iter().map(crate::evidence::FunctionPlace::text).collect::<Vec<_>>());
    match change.change {
        FunctionFate::Added => format!("{name} runs now in {places}"),
        FunctionFate::Removed => format!("{name} no longer runs in {places}"),
        FunctionFate::Redefined => format!("{name} in {places} has another definition"),
    }
}
