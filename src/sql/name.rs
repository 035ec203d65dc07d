//! Names as the server stores them: unquoted ones in lower case, quoted ones as they are. Must not guess a schema.

use std::fmt;

use squawk_syntax::ast::{AnyName, AstNode, normalize_name_node};
use squawk_syntax::{SyntaxKind, SyntaxNode};

/// The server cuts longer names, at a character (`NAMEDATALEN` - 1).
const MAX_NAME_BYTES: usize = 63;

/// The name of an object, with its schema where the text names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// The schema, if the text names one.
    pub schema: Option<String>,
    /// The object's own name.
    pub name: String,
}

impl Name {
    /// A name without a schema.
    #[must_use]
    pub fn bare(name: &str) -> Self {
        Self { schema: None, name: name.to_owned() }
    }

    /// The first name that a node of the syntax tree is or holds, if any. A database before the schema is left out.
    pub(super) fn read(node: &SyntaxNode) -> Option<Self> {
        let is_path = |node: &SyntaxNode| matches!(node.kind(), SyntaxKind::PATH | SyntaxKind::PATH_REF);
        let is_part =
            |node: &SyntaxNode| matches!(node.kind(), SyntaxKind::PATH_SEGMENT | SyntaxKind::PATH_SEGMENT_REF);
        let mut parts: Vec<String> = match node.descendants().find(is_path) {
            Some(path) => path.descendants().filter(is_part).map(|part| text(&part)).collect(),
            None => node
                .descendants()
                .find(|node| AnyName::can_cast(node.kind()))
                .map(|node| text(&node))
                .into_iter()
                .collect(),
        };
        let name = parts.pop().filter(|name| !name.is_empty())?;
        Some(Self { schema: parts.pop(), name })
    }
}

/// `schema.name`, without quotes.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => write!(f, "{}", self.name),
        }
    }
}

/// The text of a name's node as the server stores it.
pub(super) fn text(node: &SyntaxNode) -> String {
    let mut name = normalize_name_node(node);
    if name.len() > MAX_NAME_BYTES {
        let end = (0..=MAX_NAME_BYTES).rev().find(|at| name.is_char_boundary(*at)).unwrap_or_default();
        name.truncate(end);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::super::{Command, parse_one};

    #[test]
    fn names_are_those_the_server_stores() {
        let name = |name: &str| match parse_one(&format!("CREATE TABLE {name} ()")).unwrap().command {
            Command::CreateTable(table) => (table.name.schema, table.name.name),
            other => panic!("{name}: {other:?}"),
        };
        let long = "é".repeat(40);
        for (written, schema, stored) in [
            ("Users", None, "users"),
            ("\"Users\"", None, "Users"),
            ("App.\"a\"\"b\"", Some("app"), "a\"b"),
            ("db.app.t", Some("app"), "t"),
            ("ÄB", None, "Äb"),
            ("U&\"d\\0061ta\"", None, "data"),
            (&long, None, &"é".repeat(31)),
        ] {
            assert_eq!(name(written), (schema.map(str::to_owned), stored.to_owned()), "{written}");
        }
    }
}
