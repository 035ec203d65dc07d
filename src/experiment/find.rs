//! The search for the highest rate at which an objective holds: run after run, until a rate is confirmed. Must decide
//! nothing that `search` decides.

use super::search::{Search, Step};
use crate::compare::run::finding::id_of_check;
use crate::diagnostic::Message;
use crate::evidence::run::{Ended, ProbeFacts, RunCheck, RunCheckName, RunEvidence, SearchFacts, Unevaluated};
use crate::run::{RunError, Settings, WarmUp};
use crate::scenario::Load;
use crate::scenario::gate::{Figure, Gate};
use crate::scenario::shape::Shape;

/// A probe is not made longer than this for the sake of an action that is rarely asked for.
const LONGEST_PROBE_S: f64 = 600.0;

/// A rate lower than one that fails is not tried where a probe of it takes longer than this.
const LONGEST_LOWER_PROBE_S: f64 = 60.0;

/// Answers that the objective's highest quantile needs, with some to spare for chance.
fn longest_need(objective: &[Gate]) -> f64 {
    let of = |gate: &Gate| match gate.metric.figure {
        Figure::Latency(q) if q < 1.0 => 13.0 / (1.0 - q),
        _ => 0.0,
    };
    objective.iter().map(of).fold(0.0, f64::max)
}

/// Looks for the highest rate at which the objective holds; the result is the run that confirms it, or the last probe.
///
/// # Errors
/// When the load is a closed loop, or a run cannot be held.
pub async fn find_rate(
    settings: &mut Settings,
    objective: &[Gate],
    probe_s: f64,
    probed: impl Fn(&ProbeFacts),
) -> Result<RunEvidence, RunError> {
    let Load::Open { rate, connections } = settings.load else {
        return Err(RunError::Asked(Message::new(
            "a rate can only be found for an open loop: give the scenario a `rate`",
        )));
    };
    let duration_s = settings.shape.length_s();
    let own_gates = std::mem::replace(&mut settings.gates, objective.to_vec());
    let mut search = Search::new(rate);
    let mut probes: Vec<ProbeFacts> = Vec::new();
    loop {
        let step = search.next();
        let (rate, seconds) = match step {
            Step::Probe(rate) => (rate, probe_s),
            Step::Confirm(rate) => (rate, duration_s),
            Step::GiveUp => (probes.last().map_or(rate, |probe| probe.rate_per_s), probe_s),
        };
        let seconds = seconds.max(longest_need(objective) / rate);
        settings.shape = Shape::steady(rate, seconds);
        settings.load = Load::Open { rate, connections };
        let confirms = matches!(step, Step::Confirm(_));
        if confirms {
            settings.gates.extend(own_gates.iter().cloned());
        }
        // Each rate meets warm caches and its own queues.
        settings.warm_up = WarmUp::Fixed((probe_s / 5.0).min(2.0));
        let mut run = crate::run::run(settings).await?;
        let mut seconds = seconds;
        // An action that is rarely asked for needs longer, before it counts as failing.
        while run.ended == Ended::AsPlanned
            && run.gates.iter().any(|gate| matches!(gate.unevaluated, Some(Unevaluated::TooFew { .. })))
            && seconds < LONGEST_PROBE_S
        {
            seconds *= 2.0;
            settings.shape = Shape::steady(rate, seconds);
            run = crate::run::run(settings).await?;
        }
        settings.gates.truncate(objective.len());
        let holds = run.gates.iter().take(objective.len()).all(|gate| gate.holds);
        // A probe is too short to judge the timer by its latest wake-ups.
        let counts = |check: &&RunCheck| check.limits && check.name != RunCheckName::TimerLag;
        let limited = run.checks.iter().find(counts).map(|check| id_of_check(check.name).to_owned());
        // A rate the driver cannot offer is none that the server can take.
        let holds = holds && limited.is_none();
        let gates = run.gates.iter().take(objective.len()).cloned().collect();
        let probe = ProbeFacts { rate_per_s: rate, seconds, gates, holds, limited };
        probed(&probe);
        probes.push(probe);
        if !confirms {
            search.probed(rate, holds);
        } else if !holds {
            search.not_confirmed(rate);
        }
        let cut_off = matches!(run.ended, Ended::Interrupted | Ended::ServerLost);
        let unanswered = run.all.ok == 0;
        let over =
            confirms && holds || cut_off || unanswered || !is_worth(search.next(), rate, longest_need(objective));
        if over {
            let objective = objective.iter().map(ToString::to_string).collect();
            run.search = Some(SearchFacts { objective, probes, confirmed: confirms && holds });
            return Ok(run);
        }
    }
}

/// Whether the next step may still find a rate: fewer operations a second need longer for as many answers.
fn is_worth(next: Step, rate: f64, answers: f64) -> bool {
    match next {
        Step::GiveUp => false,
        Step::Confirm(_) => true,
        Step::Probe(next) => rate <= next || answers / next <= LONGEST_LOWER_PROBE_S,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_ends_before_its_probes_take_minutes() {
        // 1,300 answers show a p99: 52 s at 25 a second, 104 s at half of that.
        assert!(is_worth(Step::Probe(25.0), 50.0, 1_300.0));
        assert!(!is_worth(Step::Probe(12.5), 25.0, 1_300.0));
        assert!(is_worth(Step::Probe(10.0), 5.0, 1_300.0), "a higher rate is tried");
        assert!(is_worth(Step::Confirm(5.0), 5.0, 1_300.0));
        assert!(!is_worth(Step::GiveUp, 5.0, 0.0));
    }
}
