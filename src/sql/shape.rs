//! What of a statement's answer the plan may decide: which rows, in which order, gathered how. Must not guess what a
//! function of the user's does.

use std::collections::BTreeSet;
use std::ops::Range;

use squawk_syntax::ast::{self, AstNode, LimitValue};
use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::expression::called;
use super::statement::with_node;

/// How a statement chooses, sorts and gathers rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// `LIMIT`, how often anywhere in it.
    pub limits: usize,
    /// `FETCH FIRST` anywhere.
    pub fetches: bool,
    /// `OFFSET` anywhere.
    pub offsets: bool,
    /// `TABLESAMPLE` anywhere.
    pub samples: bool,
    /// `DISTINCT ON` anywhere.
    pub distinct_on: bool,
    /// A function over a window (`OVER`) anywhere.
    pub windows: bool,
    /// An array of the rows of a query, `ARRAY(SELECT …)`, anywhere.
    pub array_queries: bool,
    /// The names of the functions it calls, without schemas.
    pub calls: BTreeSet<String>,
    /// The end of the statement's own query, where it is one.
    pub tail: Option<Tail>,
}

/// The clauses behind the last query of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// `ORDER BY`.
    pub sorted: bool,
    /// `FOR UPDATE` and the like.
    pub locks: bool,
    /// `LIMIT` with a count.
    pub limit: Option<Limit>,
    /// Where the last of its tokens ends, in bytes of the text.
    pub end: usize,
}

/// `LIMIT` with a count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// The bytes of the whole clause.
    pub span: Range<usize>,
    /// Those of the count.
    pub count: Range<usize>,
}

impl Shape {
    /// The shape of a text that is one statement; nothing where it cannot be read.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        with_node(text, Self::of)
    }

    fn of(statement: &SyntaxNode, offset: usize) -> Self {
        use SyntaxKind as K;
        let mut shape = Self {
            limits: 0,
            fetches: false,
            offsets: false,
            samples: false,
            distinct_on: false,
            windows: false,
            array_queries: false,
            calls: BTreeSet::new(),
            tail: Tail::of(statement, offset),
        };
        for node in statement.descendants() {
            match node.kind() {
                K::LIMIT_CLAUSE => shape.limits += 1,
                K::FETCH_CLAUSE => shape.fetches = true,
                K::OFFSET_CLAUSE => shape.offsets = true,
                K::TABLESAMPLE_CLAUSE => shape.samples = true,
                K::DISTINCT_ON => shape.distinct_on = true,
                K::OVER_CLAUSE => shape.windows = true,
                K::ARRAY_EXPR if node.children().any(|child| ast::SelectVariant::can_cast(child.kind())) => {
                    shape.array_queries = true;
                }
                K::CALL_EXPR => {
                    let name = ast::CallExpr::cast(node).and_then(|call| called(&call));
                    shape.calls.extend(name.map(|name| name.name));
                }
                _ => {}
            }
        }
        shape
    }
}

impl Tail {
    fn of(statement: &SyntaxNode, offset: usize) -> Option<Self> {
        if !ast::SelectVariant::can_cast(statement.kind()) {
            return None;
        }
        let place = |node: &SyntaxNode| {
            let range = node.text_range();
            offset + usize::from(range.start())..offset + usize::from(range.end())
        };
        let has = |kind: SyntaxKind| statement.children().any(|child| child.kind() == kind);
        let clause = statement.children().find_map(ast::LimitClause::cast);
        let limit = clause.and_then(|clause| match clause.limit_value()? {
            LimitValue::Expr(count) => Some(Limit { span: place(clause.syntax()), count: place(count.syntax()) }),
            LimitValue::All(_) => None,
        });
        Some(Self {
            sorted: has(SyntaxKind::ORDER_BY_CLAUSE),
            locks: has(SyntaxKind::LOCKING_CLAUSE),
            limit,
            end: place(statement).end,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_query_is_found_behind_what_is_inside_of_it() {
        let text =
            " -- first\nSELECT a FROM (SELECT 1 AS a ORDER BY 1 LIMIT 2) b ORDER BY a LIMIT /* n */ 3 + 1 -- last\n";
        let shape = Shape::read(text).unwrap();
        let tail = shape.tail.unwrap();
        let limit = tail.limit.unwrap();
        assert_eq!((&text[limit.span], &text[limit.count]), ("LIMIT /* n */ 3 + 1", "3 + 1"));
        assert_eq!(
            (shape.limits, tail.sorted, tail.locks, &text[..tail.end]),
            (2, true, false, text.split(" -- last").next().unwrap())
        );
        let tail = |text: &str| Shape::read(text).unwrap().tail;
        assert!(tail("(SELECT 1 LIMIT 1) UNION ALL (SELECT 2 LIMIT 1) ORDER BY 1").unwrap().limit.is_none());
        assert!(tail("SELECT 1 ORDER BY 1 LIMIT ALL").unwrap().limit.is_none());
        assert!(tail("TABLE a ORDER BY 1 FOR UPDATE").unwrap().locks);
        assert_eq!(tail("DELETE FROM t"), None);
        assert_eq!(Shape::read("SELECT 1; SELECT 2"), None);
        assert_eq!(Shape::read("SELECT FROM WHERE LIMIT"), None);
    }

    #[test]
    fn what_the_plan_may_decide_is_seen_and_names_are_not_taken_for_it() {
        let shape = Shape::read(
            "SELECT DISTINCT ON (a) pg_catalog.Array_Agg(b), ARRAY(SELECT 1), count(*) OVER (), ARRAY[1] \
             FROM t TABLESAMPLE system (1) OFFSET 1 FETCH FIRST ROW ONLY",
        )
        .unwrap();
        assert!(shape.distinct_on && shape.array_queries && shape.windows && shape.samples);
        assert!(shape.offsets && shape.fetches && shape.limits == 0);
        assert_eq!(shape.calls.iter().collect::<Vec<_>>(), ["array_agg", "count", "system"]);
        let plain =
            Shape::read("SELECT sum, \"limit\", t.offset FROM over AS t WHERE a = ANY (ARRAY[1]) AND EXISTS (TABLE u)")
                .unwrap();
        assert!(plain.calls.is_empty() && !plain.windows && !plain.array_queries && !plain.offsets);
    }
}
