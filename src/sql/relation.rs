//! Which tables and views a statement names, and what for. Must not look behind a view, a function or a foreign key.

use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::name::{Name, text};

/// A table or view that a statement names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Relation {
    /// Its name.
    pub name: Name,
    /// What for.
    pub access: Access,
}

/// What a statement names a relation for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Its rows are read.
    Read,
    /// Its rows are written.
    Write,
    /// It is made, altered or dropped, commented on or granted.
    Define,
    /// What is made depends on it: a foreign key, a parent, the query of a view.
    Refer,
    /// VACUUM, ANALYZE, CLUSTER, REINDEX or REFRESH.
    Maintain,
    /// LOCK TABLE.
    Lock,
}

/// The relations that a statement's tree names, without those its WITH queries define; each once for each access.
pub(super) fn relations(statement: &SyntaxNode) -> Vec<Relation> {
    let mut relations: Vec<Relation> = statement.descendants().filter_map(|node| relation(&node, statement)).collect();
    let mut known = std::collections::BTreeSet::new();
    relations.retain(|relation| known.insert(relation.clone()));
    relations
}

fn relation(node: &SyntaxNode, statement: &SyntaxNode) -> Option<Relation> {
    use SyntaxKind as K;
    if !matches!(node.kind(), K::RELATION_NAME_REF | K::TABLE_NAME_REF | K::TABLE_NAME | K::VIEW_REF | K::VIEW) {
        return None;
    }
    let name = Name::read(node)?;
    let mut parent = node.parent()?;
    while matches!(parent.kind(), K::RELATION_NAME | K::TABLE_RELATION_NAME) {
        parent = parent.parent()?;
    }
    let access = match parent.kind() {
        K::RELATION_FROM_ITEM | K::TABLE if is_with_query(&name, node) => return None,
        K::RELATION_FROM_ITEM | K::TABLE => Access::Read,
        K::INSERT | K::UPDATE | K::DELETE | K::MERGE | K::TABLE_LIST => Access::Write,
        K::COPY_TABLE if parent.parent()?.children().any(|child| child.kind() == K::COPY_FROM) => Access::Write,
        K::COPY_TABLE => Access::Read,
        K::FOREIGN_KEY_CONSTRAINT
        | K::REFERENCES_CONSTRAINT
        | K::LIKE_CLAUSE
        | K::INHERITS
        | K::PARTITION_OF
        | K::FROM_TABLE => Access::Refer,
        K::TABLE_AND_COLUMNS | K::CLUSTER | K::ON_PATH | K::REINDEX_TARGET_TABLE | K::REFRESH => Access::Maintain,
        K::RELATION_LIST => Access::Lock,
        _ => Access::Define,
    };
    // What stands in a definition is not done when it is made.
    let defines = matches!(
        statement.kind(),
        K::CREATE_VIEW
            | K::CREATE_RULE
            | K::CREATE_FUNCTION
            | K::CREATE_PROCEDURE
            | K::CREATE_POLICY
            | K::CREATE_SCHEMA
    );
    match access {
        Access::Read | Access::Write if defines => Some(Relation { name, access: Access::Refer }),
        _ => Some(Relation { name, access }),
    }
}

/// Whether a name stands for a WITH query where it is used.
pub(super) fn is_with_query(name: &Name, used: &SyntaxNode) -> bool {
    name.schema.is_none()
        && used.ancestors().any(|ancestor| {
            let Some(clause) = with_clause(&ancestor) else { return false };
            let recursive = clause.recursive_token().is_some();
            let inside = clause.syntax().text_range().contains_range(used.text_range());
            // Without RECURSIVE a WITH query knows those before it, not itself.
            let known = |table: &ast::WithTable| {
                !inside || recursive || table.syntax().text_range().end() <= used.text_range().start()
            };
            let mut tables = clause.with_tables().filter(known).filter_map(|table| table.name());
            tables.any(|table| text(table.syntax()) == name.name)
        })
}

/// The WITH clause of a statement; that of a combination stands in its first query.
fn with_clause(statement: &SyntaxNode) -> Option<ast::WithClause> {
    let mut node = statement.clone();
    while node.kind() == SyntaxKind::COMPOUND_SELECT {
        node = node.first_child()?;
        if node.kind() == SyntaxKind::PAREN_SELECT {
            return None;
        }
    }
    node.children().find_map(ast::WithClause::cast)
}

#[cfg(test)]
mod tests {
    use super::super::parse_one;

    fn check(sql: &str, expected: &str) {
        let statement = parse_one(sql).unwrap();
        assert_eq!(statement.errors, [], "{sql}");
        let found: Vec<String> =
            statement.relations.iter().map(|relation| format!("{:?} {}", relation.access, relation.name)).collect();
        assert_eq!(found.join(", ").to_lowercase(), expected, "{sql}");
    }

    #[test]
    fn relations_are_named_with_what_is_done_to_them() {
        check(
            "SELECT * FROM a, ONLY s.B x JOIN \"c d\" ON true WHERE EXISTS (TABLE e)",
            "read a, read s.b, read c d, read e",
        );
        check("SELECT * FROM a UNION SELECT * FROM a", "read a");
        check("INSERT INTO a SELECT * FROM b ON CONFLICT DO NOTHING", "write a, read b");
        check("UPDATE a SET x = 1 FROM b WHERE a.i = b.i", "write a, read b");
        check("DELETE FROM ONLY a USING b", "write a, read b");
        check("MERGE INTO a USING b ON a.i = b.i WHEN MATCHED THEN DELETE", "write a, read b");
        check("TRUNCATE a, s.b", "write a, write s.b");
        check("COPY a FROM STDIN", "write a");
        check("COPY a TO STDOUT", "read a");
        check("LOCK a IN SHARE MODE", "lock a");
        check("VACUUM a, b (c)", "maintain a, maintain b");
        check("REINDEX TABLE a", "maintain a");
        check(
            "CREATE TABLE a (b int REFERENCES c, LIKE d, FOREIGN KEY (b) REFERENCES s.e)",
            "define a, refer c, refer d, refer s.e",
        );
        check("CREATE TABLE a PARTITION OF b DEFAULT", "define a, refer b");
        check("CREATE TABLE a AS SELECT * FROM b", "define a, read b");
        check("CREATE VIEW a AS SELECT * FROM b", "define a, refer b");
        check("CREATE MATERIALIZED VIEW a AS SELECT * FROM b", "define a, read b");
        check("CREATE INDEX i ON a (b)", "define a");
        check("ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES c", "define a, refer c");
        check("ALTER TABLE a ATTACH PARTITION b DEFAULT", "define a, define b");
        check("DROP TABLE a, b", "define a, define b");
        check("CREATE TRIGGER t BEFORE UPDATE ON a EXECUTE FUNCTION f()", "define a");
        check(
            "CREATE RULE r AS ON INSERT TO a DO ALSO (DELETE FROM b; INSERT INTO c VALUES (1))",
            "define a, refer b, refer c",
        );
    }

    #[test]
    fn a_with_query_is_no_relation_where_it_is_known() {
        check("WITH a AS (SELECT * FROM b) SELECT * FROM a, s.a", "read b, read s.a");
        check("WITH a AS (SELECT * FROM a) SELECT * FROM a", "read a");
        check("WITH RECURSIVE a AS (SELECT 1 UNION SELECT * FROM a) TABLE a", "");
        check("WITH a AS (SELECT 1), b AS (SELECT * FROM a) SELECT * FROM b UNION SELECT * FROM a", "");
        check("(WITH a AS (SELECT 1) SELECT * FROM a) UNION SELECT * FROM a", "read a");
        check("WITH a AS (INSERT INTO t VALUES (1) RETURNING *) UPDATE a SET x = 1 FROM a b", "write t, write a");
        check("SELECT (WITH a AS (SELECT 1) SELECT x FROM a) FROM a", "read a");
    }
}
