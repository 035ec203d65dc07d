//! Plans side by side: shapes as trees, with what only one side has marked. Must compare texts alone: verdicts on
//! plans are `compare`'s.

use std::collections::BTreeSet;

use crate::evidence::{Evidence, PlanFacts, Side};
use crate::units::plural;

/// The plans of one side.
pub(super) struct SidePlans {
    pub(super) side: &'static str,
    pub(super) plans: Vec<Plan>,
}

/// One plan.
pub(super) struct Plan {
    /// For how many sets of parameters it is taken.
    pub(super) sets: String,
    pub(super) lines: Vec<PlanLine>,
}

/// A node, indented.
pub(super) struct PlanLine {
    pub(super) indent: String,
    pub(super) text: String,
    pub(super) is_only_here: bool,
}

/// The plans of an action before and after; none where they are not known.
pub(super) fn plans(evidence: &Evidence, position: usize) -> Vec<SidePlans> {
    let of = |side: Side| evidence.plans.get(&side)?.get(position).filter(|facts| !facts.shapes.is_empty());
    let (Some(before), Some(after)) = (of(Side::Before), of(Side::After)) else { return Vec::new() };
    vec![side("before", before, after), side("after", after, before)]
}

fn side(name: &'static str, of: &PlanFacts, other: &PlanFacts) -> SidePlans {
    let known: BTreeSet<String> = other.shapes.keys().flat_map(|shape| tree(shape)).map(|(_, node)| node).collect();
    let mut shapes: Vec<(&String, &u32)> = of.shapes.iter().collect();
    shapes.sort_by_key(|(_, sets)| std::cmp::Reverse(**sets));
    let plan = |(shape, sets): (&String, &u32)| Plan {
        sets: format!("{} of parameters", plural(*sets as usize, "set")),
        lines: tree(shape)
            .into_iter()
            .map(|(depth, node)| PlanLine {
                is_only_here: !known.contains(&node),
                indent: "  ".repeat(depth),
                text: node,
            })
            .collect(),
    };
    SidePlans { side: name, plans: shapes.into_iter().map(plan).collect() }
}

/// The nodes of a shape (`Limit(Sort(Index Scan a))`) with their depth.
fn tree(shape: &str) -> Vec<(usize, String)> {
    let mut nodes = Vec::new();
    let mut node = String::new();
    let mut depth = 0;
    let mut end = |node: &mut String, depth: usize| {
        let name = std::mem::take(node);
        if !name.trim().is_empty() {
            nodes.push((depth, name.trim().to_owned()));
        }
    };
    for c in shape.chars() {
        match c {
            '(' => {
                end(&mut node, depth);
                depth += 1;
            }
            ')' => {
                end(&mut node, depth);
                depth = depth.saturating_sub(1);
            }
            ',' => end(&mut node, depth),
            other => node.push(other),
        }
    }
    end(&mut node, depth);
    nodes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_shape_is_a_tree_and_nodes_of_one_side_are_marked() {
        let facts = |shape: &str| PlanFacts { shapes: BTreeMap::from([(shape.to_owned(), 5)]), ..Default::default() };
        let before = facts("Limit(Sort(Nested Loop(Index Scan a, Index Scan b)))");
        let after = facts("Limit(Nested Loop(Index Scan a, Index Scan c))");
        let of = side("before", &before, &after);
        let line = |of: &PlanLine| (format!("{}{}", of.indent, of.text), of.is_only_here);
        let lines: Vec<(String, bool)> = of.plans[0].lines.iter().map(line).collect();
        let lines: Vec<(&str, bool)> = lines.iter().map(|(text, is_only)| (text.as_str(), *is_only)).collect();
        assert_eq!(
            lines,
            [
                ("Limit", false),
                ("  Sort", true),
                ("    Nested Loop", false),
                ("      Index Scan a", false),
                ("      Index Scan b", true)
            ]
        );
        assert_eq!(of.plans[0].sets, "5 sets of parameters");
    }
}
