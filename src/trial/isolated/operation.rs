//! What there is to measure of one action: its sets of parameters, and whether it writes. Must choose the same for
//! every side.

use crate::evidence::{CountedAction, LeftOut};

/// An action as it is measured.
#[derive(Debug, Clone)]
pub(super) struct Operation {
    /// Its position in the mix.
    pub(super) action: usize,
    /// Sets of parameters that every side answers.
    pub(super) parameters: Vec<Parameters>,
    /// Positions among the counted sets, these and others.
    pub(super) counted: usize,
    /// It is executed in a transaction that is rolled back.
    pub(super) writes: bool,
    /// A plan has workers.
    pub(super) parallel: bool,
    /// Why it is not measured.
    pub(super) left_out: Option<LeftOut>,
}

/// A set of parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Parameters {
    /// Which draw of the action's stream it is.
    pub(super) draw: u64,
    /// Its position among the counted sets.
    pub(super) position: usize,
    /// How many draws it stands for.
    pub(super) weight: f64,
}

impl Operation {
    /// An action as it was counted on every side.
    pub(super) fn new(action: usize, sides: [Option<&CountedAction>; 3]) -> Self {
        let sides: Vec<&CountedAction> = sides.into_iter().flatten().collect();
        let own = sides.first().map_or(&[][..], |side| &side.sets);
        let answered = |position: usize| {
            sides.len() == 3 && sides.iter().all(|side| side.sets.get(position).is_some_and(|s| s.failed.is_none()))
        };
        let draw = |position: usize| {
            let sampled = sides[0].sampled();
            let rare = position.checked_sub(sampled).map(|rare| sides[0].rare_draws.get(rare).copied());
            rare.unwrap_or(Some(position as u64))
        };
        let parameters: Vec<Parameters> = own
            .iter()
            .enumerate()
            .filter(|(position, _)| answered(*position))
            .filter_map(|(position, set)| Some(Parameters { draw: draw(position)?, position, weight: set.weight() }))
            .collect();
        let left_out = match (own.is_empty(), parameters.is_empty()) {
            (true, _) => Some(LeftOut::NotCounted),
            (false, true) => Some(LeftOut::Refused),
            (false, false) => None,
        };
        Self {
            action,
            counted: own.len(),
            writes: sides.iter().any(|side| side.wrote || side.changes_rows()),
            parallel: sides.iter().any(|side| side.plans.iter().any(|plan| plan.parallel)),
            parameters,
            left_out,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::CountedSet;

    #[test]
    fn what_one_side_refuses_is_measured_on_none_and_rare_sets_keep_their_draws() {
        let set = |failed: bool| CountedSet { failed: failed.then(|| "42501".to_owned()), ..CountedSet::default() };
        let side = |failed: &[bool]| CountedAction {
            sets: failed.iter().map(|failed| set(*failed)).collect(),
            rare: 1,
            rare_draws: vec![97],
            ..CountedAction::default()
        };
        let (good, bad) = (side(&[false, false, false]), side(&[false, true, false]));
        let operation = Operation::new(4, [Some(&good), Some(&good), Some(&bad)]);
        let draws: Vec<u64> = operation.parameters.iter().map(|parameters| parameters.draw).collect();
        assert_eq!((draws, operation.counted, operation.left_out), (vec![0, 97], 3, None));
        let none = side(&[true, true, true]);
        assert_eq!(Operation::new(0, [Some(&good), Some(&good), Some(&none)]).left_out, Some(LeftOut::Refused));
        assert_eq!(Operation::new(0, [None, None, None]).left_out, Some(LeftOut::NotCounted));
    }
}
