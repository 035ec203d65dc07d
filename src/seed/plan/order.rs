//! CHECKs that compare two foreign keys, `a_id < b_id`. Must find every pair of fan-outs one of them ties together.

use std::sync::OnceLock;

use super::fans::digits_of;
use super::{Planner, reference_of};
use crate::postgres::catalog;
use crate::seed::condition::{cases, parse};
use crate::seed::fan::{Fan, FanKind};
use crate::seed::ordered::{Distinct, Ordered, kinds, pairs_among};

/// Two columns of different foreign keys, the smaller first.
struct Comparison {
    lower: String,
    upper: String,
}

impl Planner<'_> {
    /// Fan-outs whose parents a CHECK compares become a pair in order.
    pub(super) fn order_up(&mut self, table: usize, found: &catalog::Table, fans: &mut [Fan]) {
        for comparison in comparisons(found) {
            let place = |column: &str| fans.iter().position(|fan| fan.columns.iter().any(|(own, _)| own == column));
            let (Some(lower), Some(upper)) = (place(&comparison.lower), place(&comparison.upper)) else { continue };
            let Some(ordered) = self.ordered(table, found, &comparison, (&fans[lower], &fans[upper])) else { continue };
            if lower != upper {
                [fans[lower].kind, fans[upper].kind] = kinds(ordered);
            }
        }
    }

    fn ordered(
        &self,
        table: usize,
        found: &catalog::Table,
        comparison: &Comparison,
        (lower, upper): (&Fan, &Fan),
    ) -> Option<Ordered> {
        let target = |fan: &Fan, column: &str| {
            let (_, target) = fan.columns.iter().find(|(own, _)| own == column)?;
            Some((fan.parent, self.position(fan.parent, target)?))
        };
        let places = [target(lower, &comparison.lower)?, target(upper, &comparison.upper)?];
        let in_turn = |columns: &[String]| match columns {
            [a, b] => [a, b].contains(&&comparison.lower) && [a, b].contains(&&comparison.upper),
            _ => false,
        };
        let unique = found.uniques.iter().any(|u| u.expressions.is_empty() && in_turn(&u.columns));
        match (&lower.kind, &upper.kind) {
            (FanKind::Draw { .. }, FanKind::Draw { .. }) => {}
            // A combination of more than these two is not one of pairs.
            (FanKind::Slot(slots, _), FanKind::Slot(others, _))
                if slots.radices.len() == 2 && others.radices.len() == 2 && slots.classes == 1 => {}
            _ => return None,
        }
        let distinct = unique.then(|| self.distinct(table, lower.parent));
        let is_drawn = matches!(lower.kind, FanKind::Draw { .. }) && !unique && places[0] == places[1];
        let draws = is_drawn.then(|| {
            let alone = |fan: &Fan| Fan { null_share: 0.0, absent: None, other_than: None, ..fan.clone() };
            Box::new([alone(lower), alone(upper)])
        });
        let parents = [self.rows_of(lower.parent), self.rows_of(upper.parent)];
        let key = lower.key.named("order");
        Some(Ordered { places, parents, draws, distinct, key, order: OnceLock::new() })
    }

    fn distinct(&self, table: usize, parent: usize) -> Distinct {
        let first = self.first(table);
        let rows = self.rows_at_first(table);
        let growth = self.births(table).zip(self.births(parent));
        let parents = self.rows_at_first(parent);
        let born = |share: f64| match &growth {
            Some((own, parent)) => parent.born(own.shape.moment(share.min(1.0))).min(parents),
            None => parents,
        };
        let epochs = Distinct::in_epochs(rows, parents, born, growth.is_some());
        Distinct { first, known: self.first(parent), epochs }
    }

    /// How many rows two parents in order can have, when a combination is one of those.
    pub(super) fn pairs_in_order(&self, table: usize, group: &str) -> Option<u64> {
        let spec = &self.spec.tables[table];
        let found = self.catalog.table(&spec.name.value)?;
        let digits: Vec<String> =
            digits_of(spec).into_iter().filter(|(_, digit)| digit.group == group).map(|(name, _)| name).collect();
        let parent = |column: &str| {
            let reference = reference_of(found, column)?;
            let handle = digits.iter().any(|name| reference.columns.contains(name));
            let target = reference.columns.iter().position(|own| own == column)?;
            handle.then(|| Some((self.index_of(&reference.table)?, reference.targets[target].clone())))?
        };
        let comparison =
            comparisons(found).into_iter().find(|c| parent(&c.lower).is_some() && parent(&c.upper).is_some());
        let comparison = comparison.filter(|_| digits.len() == 2)?;
        let (lower, upper) = (parent(&comparison.lower)?, parent(&comparison.upper)?);
        let (own, other) = (self.rows_of(lower.0), self.rows_of(upper.0));
        if lower == upper {
            return Some(pairs_among(own));
        }
        // By the numbers of their rows, which keys follow.
        let met = own.min(other);
        Some(met * other - pairs_among(met) - met)
    }
}

/// The comparisons that hold in every way to fulfil the CHECKs, between columns of two foreign keys.
fn comparisons(table: &catalog::Table) -> Vec<Comparison> {
    let of_key = |column: &String| table.references.iter().any(|r| r.columns.contains(column));
    let mut found = Vec::new();
    for check in &table.checks {
        let ways = cases(&parse(&check.expression), true);
        let Some((first, others)) = ways.split_first() else { continue };
        for relation in first.relations.iter().filter(|r| others.iter().all(|way| way.relations.contains(r))) {
            let (lower, operator, upper) = relation;
            if matches!(operator.as_str(), "<" | "<=") && of_key(lower) && of_key(upper) {
                found.push(Comparison { lower: lower.clone(), upper: upper.clone() });
            }
        }
    }
    found
}
