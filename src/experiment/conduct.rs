//! Conducts an experiment: which measurements, how long, and when it ends. Must measure nothing itself, and decide
//! nothing after data but the end, at planned looks.

use super::attempt::attempt;
use super::error::ExperimentError;
use super::resume::go_on;
use super::settings::Settings;
use super::stop::enough;
use crate::evidence::{Evidence, Subject};
use crate::postgres::database::Token;
use crate::trial::{Event, Trial};

/// Holds an experiment. What it makes carries `token`; the caller removes it, also if this future is dropped
/// ([`crate::trial::clean_up`]).
///
/// # Errors
/// When files are wrong or a server fails; chunks measured by then were handed to the listener.
pub async fn prove(settings: &Settings, token: &Token) -> Result<Evidence, ExperimentError> {
    let mut trial = Trial::begin(&settings.trial, token).await?;
    match conduct(settings, &mut trial).await {
        Ok(()) => Ok(trial.end().await?),
        Err(error) => match trial.give_up().await {
            Ok(()) => Err(error),
            Err(left) => Err(ExperimentError::Left { error: Box::new(error), left }),
        },
    }
}

async fn conduct(settings: &Settings, trial: &mut Trial<'_>) -> Result<(), ExperimentError> {
    let design = &mut trial.evidence_mut().design;
    design.chunks_planned = settings.length.chunks;
    design.looks.clone_from(&settings.length.looks);
    design.precision = settings.precision;
    trial.count().await?;
    time(settings, trial).await?;
    if settings.length.chunks == 0 && needs_other_clones(trial.evidence()) {
        trial.evidence_mut().design.replicates = MAX_CHEAP_SETS;
    }
    let sets = trial.evidence().design.replicates;
    if settings.length.chunks == 0 {
        if settings.isolated {
            // What is timed can err by chance, as a load can.
            number(settings, trial);
        }
        trial.without_load().await?;
    } else {
        plan(settings, trial).await?;
        measure(settings, trial, settings.length.chunks / sets).await?;
    }
    for set in 1..sets {
        trial.renew().await?;
        time(settings, trial).await?;
        // As even as they can be.
        measure(settings, trial, settings.length.chunks * (set + 1) / sets).await?;
    }
    if settings.ablate {
        trial.ablate().await?;
    }
    Ok(())
}

/// Sets of clones of a proof without load where memory is in small pages.
const MAX_CHEAP_SETS: u32 = 2;

/// A set of clones is cheap where it takes less than this.
const CHEAP_CLONES_MS: f64 = 15_000.0;

/// Whether another set of clones narrows the interval more than time on this one: the interval contains what clones
/// differ by, which is 1.8 % on small pages and 0.7 % on huge ones (docs/method.md).
fn needs_other_clones(evidence: &Evidence) -> bool {
    let design = &evidence.design;
    let clones_ms: f64 = design.clones.iter().map(|clone| clone.duration_ms).sum();
    let small_pages = evidence.isolated.as_ref().is_some_and(|isolated| isolated.huge_pages == Some(false));
    small_pages && design.subject == Subject::Clones && design.replicates == 1 && clones_ms < CHEAP_CLONES_MS
}

/// Times single operations on a set of sides.
async fn time(settings: &Settings, trial: &mut Trial<'_>) -> Result<(), ExperimentError> {
    if !settings.isolated {
        return Ok(());
    }
    if let Some(earlier) = settings.resumed.as_ref().and_then(|earlier| earlier.evidence.isolated.clone()) {
        // It was measured once: another time would be another chance.
        trial.evidence_mut().isolated = Some(earlier);
        return Ok(());
    }
    Ok(trial.time().await?)
}

/// Records the number of the attempt.
fn number(settings: &Settings, trial: &mut Trial<'_>) {
    let attempt = settings.results.as_ref().map_or(1, |results| attempt(results, trial.evidence()));
    trial.evidence_mut().design.attempt = attempt;
}

/// Settles everything but the end: turns, shares of the operations, what an earlier part measured, the number of the
/// attempt.
async fn plan(settings: &Settings, trial: &mut Trial<'_>) -> Result<(), ExperimentError> {
    trial.take_turns().await?;
    if let Some(resumed) = &settings.resumed {
        let earlier = &resumed.evidence;
        // As it was begun.
        let driven: Option<Vec<f64>> = earlier.actions.iter().map(|action| action.driven_share).collect();
        if let Some(driven) = driven.filter(|driven| driven.len() == trial.evidence().actions.len()) {
            trial.drive_as(&driven);
        }
        go_on(earlier, trial.evidence_mut())?;
        resumed.mark.iter().try_for_each(|mark| mark.make())?;
    } else if settings.focus {
        trial.focus();
    }
    number(settings, trial);
    let (looks, evidence, needed) = (&settings.length.looks, trial.evidence(), trial.chunks_needed());
    (settings.trial.listener)(Event::Planned { looks, evidence, needed: &needed });
    Ok(())
}

/// Measures until there are this many chunks, or those that are there at a look are enough.
async fn measure(settings: &Settings, trial: &mut Trial<'_>, until: u32) -> Result<(), ExperimentError> {
    if until == 0 {
        return Ok(());
    }
    let (mut course, evidence) = trial.load().await?;
    course.prime(evidence).await?;
    while (evidence.chunks.len() as u32) < until {
        course.chunk(evidence).await?;
        let is_look = settings.length.looks.contains(&(evidence.chunks.len() as u32));
        if is_look && enough(evidence, settings.length.chunks) {
            break;
        }
    }
    Ok(course.end(evidence).await?)
}
