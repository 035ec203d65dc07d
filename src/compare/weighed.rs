//! Sets of parameters as they are measured: with the plans the server takes once it may choose, and without what is not
//! the same on every side. Must leave the evidence as it is.

use crate::evidence::{CountedAction, CountedSet, PlanChoice, StepWork};

/// What was counted, as it is measured.
pub(super) struct Weighed {
    /// Before, control and after.
    pub(super) sides: [CountedAction; 3],
    /// By side, sets of which the plan that the server takes was stopped for its time.
    pub(super) stopped: [Vec<bool>; 3],
}

impl Weighed {
    /// Copies of what was counted in which a set does the work of the plans the server takes, and whose WAL is marked
    /// on every side where it holds full-page images on one.
    pub(super) fn new(sides: [&CountedAction; 3]) -> Self {
        let images =
            |set: usize| sides.iter().filter_map(|side| side.sets.get(set)).map(|set| set.wal_full_pages_left).max();
        let stopped = sides.map(|side| side.sets.iter().map(|set| is_stopped(side, set)).collect());
        let mut weighed = sides.map(Clone::clone);
        for side in &mut weighed {
            let choices = std::mem::take(&mut side.choices);
            for (position, set) in side.sets.iter_mut().enumerate() {
                set.wal_full_pages_left = images(position).unwrap_or_default();
                choose(set, &choices);
            }
        }
        Self { sides: weighed, stopped }
    }
}

/// In what share of sessions the server takes the generic plan of a step.
pub(super) fn share(choices: &[PlanChoice], step: u32) -> f64 {
    let choice = choices.iter().find(|choice| choice.step == step && choice.sessions > 0);
    choice.map_or(0.0, |choice| f64::from(choice.generic) / f64::from(choice.sessions))
}

fn is_stopped(side: &CountedAction, set: &CountedSet) -> bool {
    set.generic.iter().any(|step| step.failed.is_some() && share(&side.choices, step.step) > 0.0)
}

/// The work of one step of a set by the set's own plan.
pub(super) fn own_work(set: &CountedSet, step: u32) -> StepWork {
    let whole = StepWork { step, blocks: set.blocks(), temp_blocks: set.temp_blocks };
    match set.steps.is_empty() {
        true => whole,
        false => set.steps.iter().find(|work| work.step == step).copied().unwrap_or_default(),
    }
}

/// Gives a set the work of the plans that sessions take, each as heavy as the share of sessions that take it.
fn choose(set: &mut CountedSet, choices: &[PlanChoice]) {
    let (mut blocks, mut temp_blocks) = (set.blocks() as f64, set.temp_blocks as f64);
    for generic in set.generic.iter().filter(|step| step.failed.is_none()) {
        let (share, own) = (share(choices, generic.step), own_work(set, generic.step));
        blocks += share * (generic.blocks as f64 - own.blocks as f64);
        temp_blocks += share * (generic.temp_blocks as f64 - own.temp_blocks as f64);
    }
    let mut plans = set.plans.clone();
    for generic in set.generic.iter().filter(|generic| share(choices, generic.step) >= 0.5) {
        let place = match set.steps.is_empty() {
            true => Some(0),
            false => set.steps.iter().position(|work| work.step == generic.step),
        };
        if let (Some(plan), Some(place)) = (generic.plan, place.and_then(|place| plans.get_mut(place))) {
            *place = plan;
        }
    }
    set.plans = plans;
    (set.blocks_hit, set.blocks_read) = (blocks.max(0.0).round() as u64, 0);
    set.temp_blocks = temp_blocks.max(0.0).round() as u64;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::GenericStep;

    #[test]
    fn a_set_does_the_work_of_the_plan_that_sessions_take() {
        let generic = |step: u32, blocks: u64, failed: Option<&str>| GenericStep {
            step,
            plan: Some(1),
            blocks,
            temp_blocks: 0,
            failed: failed.map(str::to_owned),
        };
        let side = |sessions: u32, steps: Vec<StepWork>, generic: Vec<GenericStep>| CountedAction {
            choices: vec![PlanChoice { step: 1, sessions: 4, generic: sessions }],
            sets: vec![CountedSet { blocks_hit: 60, plans: vec![0, 0], steps, generic, ..CountedSet::default() }],
            ..CountedAction::default()
        };
        let work = |step: u32, blocks: u64| StepWork { step, blocks, temp_blocks: 0 };
        let blocks = |side: &CountedAction| Weighed::new([side; 3]).sides[2].sets[0].blocks();
        let steps = || vec![work(0, 50), work(1, 10)];
        assert_eq!(blocks(&side(4, steps(), vec![generic(1, 110, None)])), 160, "100 more than the step's own");
        assert_eq!(blocks(&side(1, steps(), vec![generic(1, 110, None)])), 85, "in one session of four");
        assert_eq!(blocks(&side(0, steps(), vec![generic(1, 110, None)])), 60);
        assert_eq!(blocks(&side(4, Vec::new(), vec![generic(1, 110, None)])), 110, "it is the only step");
        let stopped = side(4, steps(), vec![generic(1, 0, Some("57014"))]);
        let weighed = Weighed::new([&stopped; 3]);
        assert_eq!((weighed.sides[2].sets[0].blocks(), weighed.stopped[2][0]), (60, true));
        let taken = &Weighed::new([&side(4, steps(), vec![generic(1, 110, None)]); 3]).sides[2].sets[0];
        assert_eq!(taken.plans, [0, 1]);
    }
}
