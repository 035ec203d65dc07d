//! Row-level security as it applied to the role that asked, and what that role was refused. Must hold schema, and no
//! row.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Side;

/// The tables of a side that have row-level security.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RowSecurity {
    /// The role that asked.
    pub role: String,
    /// By name as SQL.
    pub tables: BTreeMap<String, SecuredTable>,
}

/// A table with row-level security.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SecuredTable {
    /// What plans call it: its own name, and those of its partitions that plans name.
    pub relations: BTreeSet<String>,
    /// Why its policies do not apply to the role that asked; absent where they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exempt: Option<Exemption>,
    /// Its policies by name: command, roles, expressions, and a checksum of each function they call.
    pub policies: BTreeMap<String, String>,
}

/// Why policies do not apply to a role (PostgreSQL manual, "5.9 Row Security Policies").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Exemption {
    /// It is a superuser.
    Superuser,
    /// It has BYPASSRLS.
    BypassRls,
    /// It owns the table, which does not force them on its owner.
    Owner,
}

/// A statement of an action that the role may not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Denied {
    /// Where.
    pub side: Side,
    /// The action.
    pub action: String,
    /// The server's message (SQLSTATE 42501).
    pub message: String,
    /// The statement that would permit it; absent where the message names no object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<String>,
}
