//! What a plan is made of and what its execution cost. Must run outside counted windows: planning alone can move
//! `idx_scan`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// A plan in `EXPLAIN (FORMAT JSON)`. Costs and row estimates stand beside its shape, so that equal shapes mean equal
/// plans.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// The tree of node types with the relation or index each reads, as one line.
    pub shape: String,
    /// Every index that is named.
    pub indexes: BTreeSet<String>,
    /// How each relation is read: its alias, the scan, and the indexes of the scan.
    pub paths: Vec<(String, String, Vec<String>)>,
    /// Joins by their node type and how many there are.
    pub joins: BTreeMap<String, u32>,
    /// Sort nodes.
    pub sorts: u32,
    /// Aggregates by their strategy and how many there are.
    pub aggregates: BTreeMap<String, u32>,
    /// Whether workers are planned.
    pub parallel: bool,
    /// Tables that are read or written.
    pub relations: BTreeSet<String>,
    /// Settings that are not the server's defaults and were in force when it was made.
    pub settings: BTreeMap<String, String>,
    /// Triggers that fired, as `table.trigger`, those that check keys by the names of their constraints; known of an
    /// execution alone.
    pub triggers: BTreeSet<String>,
    /// Rows the planner expects.
    pub planned_rows: f64,
    /// Cost the planner expects, in its own units.
    pub planned_cost: f64,
}

/// What `EXPLAIN (ANALYZE, BUFFERS, WAL)` counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Executed {
    /// Rows the statement returned or changed.
    pub rows: u64,
    /// Rows that scans of tables gave, by alias, as far as they ran once, in one process and to their end: means over
    /// loops are rounded before 18, workers share rows by chance, and a limit cuts off. Partitions count to the alias
    /// without their number.
    pub rows_found: BTreeMap<String, u64>,
    /// Blocks found in shared buffers.
    pub blocks_hit: u64,
    /// Blocks read from the kernel.
    pub blocks_read: u64,
    /// Blocks of temporary files read and written.
    pub temp_blocks: u64,
    /// Records of WAL.
    pub wal_records: u64,
    /// Full-page images, which depend on where the last checkpoint fell.
    pub wal_full_pages: u64,
    /// Bytes of WAL, those images included.
    pub wal_bytes: u64,
}

impl Plan {
    /// Reads a document of `EXPLAIN (FORMAT JSON)`; an empty plan when it is none.
    #[must_use]
    pub fn read(document: &Value) -> Self {
        let mut plan = Self::default();
        if let Some(node) = top(document) {
            plan.planned_rows = float(node, "Plan Rows");
            plan.planned_cost = float(node, "Total Cost");
            plan.walk(node, false);
        }
        let triggers = document.get(0).and_then(|one| one.get("Triggers")).and_then(Value::as_array);
        // A key's trigger is called by a number that is another in every database.
        let named = |trigger: &Value| {
            let name = text(trigger, "Constraint Name").or(text(trigger, "Trigger Name"))?;
            Some(format!("{}.{name}", text(trigger, "Relation").unwrap_or("?")))
        };
        plan.triggers = triggers.into_iter().flatten().filter_map(named).collect();
        let settings = document.get(0).and_then(|one| one.get("Settings")).and_then(Value::as_object);
        let settings = settings.into_iter().flatten();
        plan.settings = settings.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect();
        plan
    }

    /// Takes a node and all below it; of partitions (`part`) by their own names, for their numbers change with every
    /// new one.
    fn walk(&mut self, node: &Value, part: bool) {
        let kind = text(node, "Node Type").unwrap_or("?");
        self.shape.push_str(kind);
        if let Some(index) = text(node, "Index Name") {
            self.indexes.insert(index.to_owned());
            self.shape.push_str(&format!(" {index}"));
        } else if let Some(relation) = text(node, "Relation Name") {
            self.shape.push_str(&format!(" {relation}"));
        }
        if let Some(relation) = text(node, "Relation Name") {
            self.relations.insert(relation.to_owned());
        }
        let children = node.get("Plans").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        match kind {
            "Hash Join" | "Merge Join" | "Nested Loop" => *self.joins.entry(kind.to_owned()).or_default() += 1,
            "Sort" | "Incremental Sort" => self.sorts += 1,
            "Aggregate" => {
                let strategy = text(node, "Strategy").unwrap_or("Plain").to_owned();
                *self.aggregates.entry(strategy).or_default() += 1;
            }
            "Gather" | "Gather Merge" => self.parallel = true,
            // Its children name the indexes.
            "Bitmap Index Scan" => {}
            _ if kind.ends_with("Scan") => {
                let name = text(node, "Relation Name");
                let alias = text(node, "Alias").filter(|alias| !part || unnumbered(alias) == *alias || name.is_none());
                if let Some(relation) = alias.or(name) {
                    let mut indexes: Vec<String> = text(node, "Index Name").map(str::to_owned).into_iter().collect();
                    if kind == "Bitmap Heap Scan" {
                        children.iter().for_each(|child| bitmaps(child, &mut indexes));
                        indexes.sort();
                    }
                    self.paths.push((relation.to_owned(), kind.to_owned(), indexes));
                }
            }
            _ => {}
        }
        if children.is_empty() {
            return;
        }
        let part = part || matches!(kind, "Append" | "Merge Append");
        self.shape.push('(');
        for (position, child) in children.iter().enumerate() {
            if position != 0 {
                self.shape.push_str(", ");
            }
            self.walk(child, part);
        }
        self.shape.push(')');
    }
}

impl Executed {
    /// Reads what was counted from a document of `EXPLAIN (ANALYZE, BUFFERS, WAL, FORMAT JSON)`. Counters of the top
    /// node hold those of all below it; rows of a statement that writes without `RETURNING` are those its input gave.
    #[must_use]
    pub fn read(document: &Value) -> Self {
        let Some(node) = top(document) else { return Self::default() };
        let whole = |key: &str| float(node, key) as u64;
        let mut rows_found = BTreeMap::new();
        find(node, (false, false), &mut rows_found);
        let input =
            node.get("Plans").and_then(|plans| plans.get(0)).filter(|_| text(node, "Node Type") == Some("ModifyTable"));
        Self {
            rows: rows(node).max(input.map_or(0, rows)),
            rows_found,
            blocks_hit: whole("Shared Hit Blocks") + whole("Local Hit Blocks"),
            blocks_read: whole("Shared Read Blocks") + whole("Local Read Blocks"),
            temp_blocks: whole("Temp Read Blocks") + whole("Temp Written Blocks"),
            wal_records: whole("WAL Records"),
            wal_full_pages: whole("WAL FPI"),
            wal_bytes: whole("WAL Bytes"),
        }
    }
}

/// Rows a node gave in all its loops.
fn rows(node: &Value) -> u64 {
    (float(node, "Actual Rows") * float(node, "Actual Loops")).round() as u64
}

/// Adds the rows that scans gave from a node down: of those that ran once, in one process, and to their end.
fn find(node: &Value, (part, cut): (bool, bool), found: &mut BTreeMap<String, u64>) {
    let kind = text(node, "Node Type").unwrap_or_default();
    if kind.starts_with("Gather") {
        return;
    }
    // What reads all before it gives anything is not cut short by a limit above it.
    let cut = match kind {
        "Limit" => true,
        "Sort" | "Aggregate" | "Hash" => false,
        _ => cut,
    };
    let is_scan = kind.ends_with("Scan") && node.get("Relation Name").is_some();
    if let Some(alias) = text(node, "Alias").filter(|_| is_scan && !cut && float(node, "Actual Loops") == 1.0) {
        *found.entry(if part { unnumbered(alias) } else { alias }.to_owned()).or_default() += rows(node);
    }
    let part = part || matches!(kind, "Append" | "Merge Append");
    let children = node.get("Plans").and_then(Value::as_array);
    children.into_iter().flatten().for_each(|child| find(child, (part, cut), found));
}

/// The alias of a partitioned table, of that of a partition: `p` of `p_3`.
fn unnumbered(alias: &str) -> &str {
    let stem = alias.trim_end_matches(|c: char| c.is_ascii_digit());
    stem.strip_suffix('_').filter(|name| !name.is_empty() && stem.len() < alias.len()).unwrap_or(alias)
}

fn bitmaps(node: &Value, indexes: &mut Vec<String>) {
    indexes.extend(text(node, "Index Name").map(str::to_owned));
    let children = node.get("Plans").and_then(Value::as_array);
    children.into_iter().flatten().for_each(|child| bitmaps(child, indexes));
}

fn top(document: &Value) -> Option<&Value> {
    document.get(0)?.get("Plan")
}

fn text<'n>(node: &'n Value, key: &str) -> Option<&'n str> {
    node.get(key).and_then(Value::as_str)
}

fn float(node: &Value, key: &str) -> f64 {
    node.get(key).and_then(Value::as_f64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_names_nodes_and_indexes() {
        let plan = Plan::read(&serde_json::json!([{"Settings": {"work_mem": "64MB"}, "Triggers": [
            {"Trigger Name": "RI_ConstraintTrigger_c_1", "Constraint Name": "a_fk", "Relation": "a", "Calls": 1},
            {"Trigger Name": "audit", "Relation": "a", "Calls": 2},
            {"Trigger Name": "audit", "Relation": "b", "Calls": 2}],
            "Plan": {"Node Type": "Limit", "Total Cost": 1.5, "Plan Rows": 2, "Plans": [
            {"Node Type": "Index Scan", "Index Name": "a_idx", "Relation Name": "a", "Alias": "x"}]}}]));
        assert_eq!(plan.shape, "Limit(Index Scan a_idx)");
        assert_eq!(plan.indexes.into_iter().collect::<Vec<_>>(), ["a_idx"]);
        assert_eq!(plan.paths, [("x".to_owned(), "Index Scan".to_owned(), vec!["a_idx".to_owned()])]);
        assert_eq!((plan.planned_cost, plan.planned_rows), (1.5, 2.0));
        assert_eq!(plan.settings["work_mem"], "64MB");
        assert_eq!(plan.triggers.into_iter().collect::<Vec<_>>(), ["a.a_fk", "a.audit", "b.audit"]);
        assert_eq!(Plan::read(&Value::Null), Plan::default());
    }

    #[test]
    fn a_bitmap_scan_has_the_indexes_below_it_and_a_write_the_rows_of_its_input() {
        let bitmap = |index: &str| serde_json::json!({"Node Type": "Bitmap Index Scan", "Index Name": index});
        let document = serde_json::json!([{"Plan": {
            "Node Type": "ModifyTable", "Relation Name": "t", "Actual Rows": 0, "Actual Loops": 1,
            "Shared Hit Blocks": 7,
            "WAL Records": 3, "WAL FPI": 1, "WAL Bytes": 900, "Plans": [
              {"Node Type": "Bitmap Heap Scan", "Relation Name": "t", "Alias": "t", "Actual Rows": 2,
               "Actual Loops": 1, "Plans": [
                {"Node Type": "BitmapOr", "Plans": [bitmap("b"), bitmap("a")]}]}]}}]);
        let plan = Plan::read(&document);
        assert_eq!(plan.paths[0].2, ["a", "b"]);
        let executed = Executed::read(&document);
        assert_eq!((executed.rows, executed.blocks_hit, executed.wal_records, executed.wal_bytes), (2, 7, 3, 900));
    }

    #[test]
    fn a_partition_goes_by_its_own_name_and_a_union_by_its_aliases() {
        let scan = |name: &str, alias: &str| {
            serde_json::json!({"Node Type": "Seq Scan", "Relation Name": name,
                                                                "Alias": alias})
        };
        let scans = [scan("t", "a"), scan("t", "b"), scan("events_2026", "events_12")];
        let union = serde_json::json!({"Node Type": "Append", "Plans": scans});
        let plan = Plan::read(&serde_json::json!([{"Plan": union}]));
        let names: Vec<&str> = plan.paths.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(names, ["a", "b", "events_2026"]);
        let alone = Plan::read(&serde_json::json!([{"Plan": scan("t", "t_2")}]));
        assert_eq!(alone.paths[0].0, "t_2");
    }

    #[test]
    fn what_scans_find_is_known_where_they_ran_once_and_of_partitions_together() {
        let scan = |kind: &str, alias: &str, rows: u64, loops: u64| {
            serde_json::json!({"Node Type": kind, "Relation Name": "t", "Alias": alias, "Actual Rows": rows,
                               "Actual Loops": loops})
        };
        let gathered = serde_json::json!({"Node Type": "Gather", "Plans": [scan("Seq Scan", "shared", 9, 3)]});
        let scans = [scan("Seq Scan", "p_1", 30, 1), scan("Index Scan", "p_12", 12, 1)];
        let parts = serde_json::json!({"Node Type": "Append", "Plans": scans});
        let nodes = [
            parts,
            gathered,
            scan("Index Scan", "inner", 1, 40),
            scan("Index Scan", "never", 0, 0),
            scan("Seq Scan", "logs_2024", 7, 1),
        ];
        let sort = serde_json::json!({"Node Type": "Sort", "Plans": nodes});
        let limit = serde_json::json!({"Node Type": "Limit", "Plans": [sort, scan("Index Scan", "cut", 10, 1)]});
        let document = serde_json::json!([{"Plan": limit}]);
        let found: Vec<(String, u64)> = Executed::read(&document).rows_found.into_iter().collect();
        let expected = [("logs_2024", 7), ("p", 42)];
        assert_eq!(found, expected.map(|(alias, rows)| (alias.to_owned(), rows)));
    }
}
