//! `cases(…)` of a spec: how common each way is, and how many rows keys allow it. Must give all columns of a table
//! the same.

use super::{Planner, reference_of};
use crate::diagnostic::Diagnostic;
use crate::expression::{Argument, Expr, Node};
use crate::seed::cases::{Cap, Cases, Share};

impl Planner<'_> {
    /// The choice of a row's case, one for all columns of a table that have as many arms with the same shares.
    pub(in crate::seed) fn cases(&self, table: usize, arms: &[Argument]) -> Result<Cases, Diagnostic> {
        let key = self.root.named(&self.spec.tables[table].name.value).named("case");
        let caps = self.caps(table, arms.len());
        if caps.is_empty() && arms.iter().all(|arm| arm.label.is_none()) {
            return Ok(Cases::Even(key, arms.len() as u64));
        }
        let shares: Vec<Share> = arms.iter().map(share).collect::<Result<_, _>>()?;
        Ok(Cases::with_shares(key, &shares, &caps, self.rows_at_first(table)))
    }

    /// Ways whose rows must not outnumber the parents of a key: `cases(90 -> each, 10 -> zipf(s 0.6))`.
    fn caps(&self, table: usize, count: usize) -> Vec<Cap> {
        let spec = &self.spec.tables[table];
        let Some(found) = self.catalog.table(&spec.name.value) else { return Vec::new() };
        let caps = spec.fan_out.iter().filter_map(|(column, source)| {
            let arms = arms_of(&source.expr).filter(|arms| arms.len() == count)?;
            let set = among(arms, is_each);
            let parent = self.index_of(&reference_of(found, &column.value)?.table)?;
            let plain =
                set.iter().all(|inside| !inside) || arms.iter().all(|arm| is_each(&arm.value) || is_null(&arm.value));
            (!plain).then(|| Cap { set, most: self.rows_at_first(parent) })
        });
        caps.collect()
    }
}

/// The arms of a `cases(…)`.
pub(super) fn arms_of(expr: &Expr) -> Option<&[Argument]> {
    match &expr.node {
        Node::Call(name, arms) if name == "cases" => Some(arms),
        _ => None,
    }
}

pub(super) fn among(arms: &[Argument], wanted: impl Fn(&Expr) -> bool) -> Vec<bool> {
    arms.iter().map(|arm| wanted(&arm.value)).collect()
}

pub(super) fn is_each(expr: &Expr) -> bool {
    is_name(expr, "each")
}

pub(super) fn is_null(expr: &Expr) -> bool {
    is_name(expr, "null")
}

fn is_name(expr: &Expr, wanted: &str) -> bool {
    matches!(&expr.node, Node::Path(path) if path.len() == 1 && path[0] == wanted)
}

fn share(arm: &Argument) -> Result<Share, Diagnostic> {
    match arm.label.as_deref() {
        None => Ok(Share::Weight(1.0)),
        Some("one") => Ok(Share::One),
        Some(label) => match label.replace('_', "").parse::<f64>() {
            Ok(weight) if weight >= 0.0 && weight.is_finite() => Ok(Share::Weight(weight)),
            _ => Err(Diagnostic::at(arm.value.span.clone(), format!("`{label}` is no share of the rows"))
                .help("write a weight before each case, cases(90 -> x, 10 -> y), or `one -> x` for a single row")),
        },
    }
}
