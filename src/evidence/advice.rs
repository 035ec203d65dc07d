//! What the catalog says about indexes, without any load. Must hold no judgement.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What the catalog says about indexes, without any load.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct IndexAdvice {
    /// Indexes that another one could stand in for, with that one.
    pub redundant: Vec<(String, String)>,
    /// Foreign keys no index leads to, as `table (columns)`.
    pub unindexed: Vec<String>,
    /// Foreign keys, as `table (columns)`, with the indexes that lead to them; of a partitioned table once for each
    /// different list of its partitions. Absent before format 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<(String, Vec<String>)>,
    /// Indexes a failed build left behind, and those of partitioned tables that lack a part.
    pub invalid: Vec<String>,
    /// Indexes of partitioned tables, by schema-qualified name; absent before format 8.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub partitioned: BTreeMap<String, PartitionedIndex>,
    /// Partial indexes of tables that have rows, by schema-qualified name; absent before format 8.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub partial: BTreeMap<String, PartialIndex>,
    /// What each index is made of, by schema-qualified name: whatever its columns are called; absent before format 6.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub structures: BTreeMap<String, String>,
}

/// What a partial index holds of its table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PartialIndex {
    /// Its table, schema-qualified.
    pub table: String,
    /// Its WHERE, as SQL.
    pub predicate: String,
    /// Some row is inside.
    pub holds_some: bool,
    /// Some row is outside.
    pub leaves_some: bool,
    /// Columns that the WHERE names.
    pub columns: Vec<String>,
    /// Those of them that have one value, or NULL, in every row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constant: Vec<String>,
}

/// The index of a partitioned table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PartitionedIndex {
    /// Its table, by schema-qualified name.
    pub table: String,
    /// `CREATE INDEX …` as the server prints it.
    pub definition: String,
    /// Partitions without a valid attached index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<MissingPart>,
}

/// A partition without a valid index attached to that of the whole table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MissingPart {
    /// The partition, by schema-qualified name.
    pub partition: String,
    /// The index that is attached and invalid; absent where none is attached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid: Option<String>,
}
