//! Which indexes a plan uses. Must run outside counted windows: planning alone can move `idx_scan`.

use std::collections::BTreeSet;

use serde_json::Value;

/// The indexes a plan in `EXPLAIN (FORMAT JSON)` names, and its shape as one line.
///
/// The shape is the tree of node types with the relation or index each reads; costs and row
/// estimates are left out, so that equal shapes mean equal plans.
#[must_use]
pub fn read_plan(document: &Value) -> (BTreeSet<String>, String) {
    let mut indexes = BTreeSet::new();
    let mut shape = String::new();
    if let Some(plan) = document.get(0).and_then(|d| d.get("Plan")) {
        walk(plan, &mut indexes, &mut shape);
    }
    (indexes, shape)
}

fn walk(node: &Value, indexes: &mut BTreeSet<String>, shape: &mut String) {
    let text = |key: &str| node.get(key).and_then(Value::as_str);
    shape.push_str(text("Node Type").unwrap_or("?"));
    if let Some(index) = text("Index Name") {
        indexes.insert(index.to_owned());
        shape.push_str(&format!(" {index}"));
    } else if let Some(relation) = text("Relation Name") {
        shape.push_str(&format!(" {relation}"));
    }
    let Some(children) = node.get("Plans").and_then(Value::as_array) else { return };
    shape.push('(');
    for (position, child) in children.iter().enumerate() {
        if position != 0 {
            shape.push_str(", ");
        }
        walk(child, indexes, shape);
    }
    shape.push(')');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_names_nodes_and_indexes() {
        let plan = serde_json::json!([{"Plan": {"Node Type": "Limit", "Total Cost": 1.0, "Plans": [
            {"Node Type": "Index Scan", "Index Name": "a_idx", "Relation Name": "a"}]}}]);
        let (indexes, shape) = read_plan(&plan);
        assert_eq!(shape, "Limit(Index Scan a_idx)");
        assert_eq!(indexes.into_iter().collect::<Vec<_>>(), ["a_idx"]);
    }
}
