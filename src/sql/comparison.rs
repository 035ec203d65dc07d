//! What the parameters of a statement are compared with: columns, LIMIT and OFFSET. Must resolve no name: which table
//! has a column only a catalog knows.

use squawk_syntax::ast::{self, AstNode, BinOp, LitKind};
use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::expression::called;
use super::name::{Name, text};
use super::relation::is_with_query;
use super::statement::with_node;

/// A parameter beside what it is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Its number: 1 for `$1`.
    pub parameter: usize,
    /// What it is compared with.
    pub with: Compared,
}

/// What a parameter is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compared {
    /// A column.
    Column(ColumnUse, How),
    /// It is the count of a `LIMIT` or `FETCH FIRST`.
    Limit,
    /// It is the count of an `OFFSET`.
    Offset,
}

/// How a parameter and a column meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// `=`, `LIKE`, a position of a row comparison: a value of the column.
    Equal,
    /// A member of `IN (…)`, or what is excluded by `<>` and `NOT IN`: a value of the column, whatever its row.
    Member,
    /// The column is above it.
    Lower,
    /// The column is below it.
    Upper,
    /// An array of values of the column: `= ANY ($1)`.
    Array,
    /// It is written to the column.
    Written,
}

/// A column where a statement uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnUse {
    /// The alias or table in front of it.
    pub qualifier: Option<String>,
    /// Its name.
    pub name: String,
    /// What a name can refer to there: the query it stands in first, then those around it.
    pub scopes: Vec<Vec<Source>>,
}

/// A source of rows in a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What its columns are named by.
    pub alias: String,
    /// The table or view; none for a WITH query.
    pub relation: Option<Name>,
}

/// The comparisons of a text that is one statement, in order; nothing where it cannot be read.
#[must_use]
pub fn comparisons(text: &str) -> Option<Vec<Comparison>> {
    with_node(text, |statement, _| statement.descendants().flat_map(|node| of_node(&node, statement)).collect())
}

fn of_node(node: &SyntaxNode, statement: &SyntaxNode) -> Vec<Comparison> {
    match node.kind() {
        SyntaxKind::BIN_EXPR => binary(node, statement).unwrap_or_default(),
        SyntaxKind::BETWEEN_EXPR => between(node, statement).unwrap_or_default(),
        SyntaxKind::LIMIT_CLAUSE | SyntaxKind::FETCH_CLAUSE => count(node, &Compared::Limit),
        SyntaxKind::OFFSET_CLAUSE => count(node, &Compared::Offset),
        SyntaxKind::SET_SINGLE_COLUMN => assigned(node, statement).into_iter().collect(),
        SyntaxKind::INSERT => inserted(node, statement).unwrap_or_default(),
        _ => Vec::new(),
    }
}

fn count(clause: &SyntaxNode, with: &Compared) -> Vec<Comparison> {
    let numbers = clause.children().filter_map(|child| parameter(&child));
    numbers.map(|parameter| Comparison { parameter, with: with.clone() }).collect()
}

/// `column = $1`, `$1 < column`, `column IN ($1, $2)`, `(a, b) < ($1, $2)`.
fn binary(node: &SyntaxNode, statement: &SyntaxNode) -> Option<Vec<Comparison>> {
    let expression = ast::BinExpr::cast(node.clone())?;
    let (left, right) = (expression.lhs()?.syntax().clone(), expression.rhs()?.syntax().clone());
    let how = match expression.op()? {
        BinOp::Eq(_) | BinOp::IsNotDistinctFrom(_) => How::Equal,
        BinOp::Like(_) | BinOp::Ilike(_) | BinOp::SimilarTo(_) => How::Equal,
        BinOp::Neq(_) | BinOp::Neqb(_) | BinOp::IsDistinctFrom(_) => How::Member,
        BinOp::NotLike(_) | BinOp::NotIlike(_) | BinOp::NotSimilarTo(_) => How::Member,
        BinOp::RAngle(_) | BinOp::Gteq(_) => How::Lower,
        BinOp::LAngle(_) | BinOp::Lteq(_) => How::Upper,
        BinOp::In(_) | BinOp::NotIn(_) => return Some(members(&left, &right, statement)),
        _ => return None,
    };
    if left.kind() == SyntaxKind::TUPLE_EXPR && right.kind() == SyntaxKind::TUPLE_EXPR {
        // A row that is compared is one row: each position is a value of the same.
        let pairs = left.children().zip(right.children());
        return Some(pairs.filter_map(|(left, right)| pair(&left, &right, How::Equal, statement)).collect());
    }
    if let Some(parameter) = array(&right) {
        let column = column_use(&left, statement)?;
        return Some(vec![Comparison { parameter, with: Compared::Column(column, How::Array) }]);
    }
    Some(pair(&left, &right, how, statement).into_iter().collect())
}

/// The number of a parameter that is the array of `ANY ($1)`, `SOME` or `ALL`.
fn array(node: &SyntaxNode) -> Option<usize> {
    let call = ast::CallExpr::cast(node.clone())?;
    let is_list = call.any_fn().is_some() || call.some_fn().is_some() || call.all_fn().is_some();
    node.descendants().find_map(|inner| parameter(&inner)).filter(|_| is_list)
}

fn pair(left: &SyntaxNode, right: &SyntaxNode, how: How, statement: &SyntaxNode) -> Option<Comparison> {
    let flipped = match how {
        How::Lower => How::Upper,
        How::Upper => How::Lower,
        how => how,
    };
    let sides = [(left, right, how), (right, left, flipped)];
    sides.into_iter().find_map(|(column, value, how)| {
        let parameter = parameter(value)?;
        Some(Comparison { parameter, with: Compared::Column(column_use(column, statement)?, how) })
    })
}

fn members(left: &SyntaxNode, list: &SyntaxNode, statement: &SyntaxNode) -> Vec<Comparison> {
    if !matches!(list.kind(), SyntaxKind::TUPLE_EXPR | SyntaxKind::PAREN_EXPR) {
        return Vec::new();
    }
    let Some(column) = column_use(left, statement) else { return Vec::new() };
    let numbers: Vec<usize> = list.children().filter_map(|child| parameter(&child)).collect();
    let with = Compared::Column(column, How::Member);
    numbers.into_iter().map(|parameter| Comparison { parameter, with: with.clone() }).collect()
}

/// `column BETWEEN $1 AND $2`.
fn between(node: &SyntaxNode, statement: &SyntaxNode) -> Option<Vec<Comparison>> {
    let operands: Vec<SyntaxNode> = node.children().filter(|child| ast::Expr::can_cast(child.kind())).collect();
    let [column, low, high] = &operands[..] else { return None };
    let column = column_use(column, statement)?;
    let bounds = [(low, How::Lower), (high, How::Upper)].into_iter();
    let found = bounds.filter_map(|(bound, how)| {
        Some(Comparison { parameter: parameter(bound)?, with: Compared::Column(column.clone(), how) })
    });
    Some(found.collect())
}

/// `SET column = $1`.
fn assigned(node: &SyntaxNode, statement: &SyntaxNode) -> Option<Comparison> {
    let target = node.children().find(|child| child.kind() == SyntaxKind::COLUMN_TARGET)?;
    let value = node.children().find(|child| child.kind() == SyntaxKind::SET_EXPR)?.first_child()?;
    let parameter = parameter(&value)?;
    let name = Name::read(&target)?.name;
    let scopes = scopes(node, statement);
    Some(Comparison { parameter, with: Compared::Column(ColumnUse { qualifier: None, name, scopes }, How::Written) })
}

/// `INSERT INTO t (a, b) VALUES ($1, $2)`.
fn inserted(node: &SyntaxNode, statement: &SyntaxNode) -> Option<Vec<Comparison>> {
    let targets = node.children().find(|child| child.kind() == SyntaxKind::COLUMN_TARGET_LIST)?;
    let names: Vec<Option<Name>> = targets.children().map(|target| Name::read(&target)).collect();
    let values = node.children().find(|child| child.kind() == SyntaxKind::VALUES)?;
    let scopes: Vec<Vec<Source>> = vec![sources(node, statement)];
    let mut found = Vec::new();
    for row in values.descendants().filter(|inner| inner.kind() == SyntaxKind::ROW) {
        for (name, value) in names.iter().zip(row.children()) {
            let (Some(name), Some(parameter)) = (name, parameter(&value)) else { continue };
            let column = ColumnUse { qualifier: None, name: name.name.clone(), scopes: scopes.clone() };
            found.push(Comparison { parameter, with: Compared::Column(column, How::Written) });
        }
    }
    Some(found)
}

/// The number of a parameter that an operand is, behind casts, brackets and a change of case.
fn parameter(node: &SyntaxNode) -> Option<usize> {
    match ast::Literal::cast(bare(node))?.kind()? {
        LitKind::PositionalParam(token) => token.text().strip_prefix('$')?.parse().ok(),
        _ => None,
    }
}

fn column_use(node: &SyntaxNode, statement: &SyntaxNode) -> Option<ColumnUse> {
    let node = bare(node);
    if !matches!(node.kind(), SyntaxKind::NAME_REF | SyntaxKind::FIELD_EXPR) {
        return None;
    }
    let mut parts: Vec<String> =
        node.descendants().filter(|inner| inner.kind() == SyntaxKind::NAME_REF).map(|inner| text(&inner)).collect();
    let name = parts.pop()?;
    Some(ColumnUse { qualifier: parts.pop(), name, scopes: scopes(&node, statement) })
}

/// An operand without what keeps it the same value: casts, brackets, a collation, a change of case.
fn bare(node: &SyntaxNode) -> SyntaxNode {
    let inner = match node.kind() {
        SyntaxKind::PAREN_EXPR | SyntaxKind::CAST_EXPR | SyntaxKind::COLLATE => node.first_child(),
        SyntaxKind::CALL_EXPR => argument(node),
        _ => None,
    };
    inner.map_or_else(|| node.clone(), |inner| bare(&inner))
}

/// The argument of `lower(…)` and the like.
fn argument(node: &SyntaxNode) -> Option<SyntaxNode> {
    let call = ast::CallExpr::cast(node.clone())?;
    let name = called(&call)?;
    if !["lower", "upper", "trim", "btrim"].contains(&name.name.as_str()) {
        return None;
    }
    let mut node = call.arg_list()?.syntax().clone();
    while !ast::Expr::can_cast(node.kind()) {
        node = node.first_child()?;
    }
    Some(node)
}

fn is_scope(node: &SyntaxNode) -> bool {
    use SyntaxKind as K;
    matches!(node.kind(), K::SELECT | K::UPDATE | K::DELETE | K::INSERT | K::MERGE)
}

fn scopes(node: &SyntaxNode, statement: &SyntaxNode) -> Vec<Vec<Source>> {
    node.ancestors().filter(is_scope).map(|scope| sources(&scope, statement)).collect()
}

/// What a query names in FROM, and the table that it writes.
fn sources(scope: &SyntaxNode, statement: &SyntaxNode) -> Vec<Source> {
    use SyntaxKind as K;
    let own = |node: &SyntaxNode| node.ancestors().skip(1).find(is_scope).as_ref() == Some(scope);
    let is_target =
        |node: &SyntaxNode| matches!(node.kind(), K::RELATION_NAME | K::RELATION_NAME_REF | K::TABLE_RELATION_NAME);
    let alias = |node: &SyntaxNode| {
        let alias = |child: &SyntaxNode| child.kind() == K::TABLE_ALIAS;
        node.descendants().find(alias).map(|alias| text(&alias))
    };
    let mut found = Vec::new();
    if let Some(name) = scope.children().filter(is_target).find_map(|node| Name::read(&node)) {
        let mut named =
            scope.children().filter(|node| matches!(node.kind(), K::OPTIONAL_AS_ALIAS | K::REQUIRED_AS_ALIAS));
        let alias = named.next().and_then(|node| alias(&node)).unwrap_or_else(|| name.name.clone());
        found.push(Source { alias, relation: Some(name) });
    }
    let items = statement.descendants().filter(|node| node.kind() == K::RELATION_FROM_ITEM && own(node));
    found.extend(items.filter_map(|item| {
        let name = Name::read(&item)?;
        let alias = item.children().find(|child| child.kind() == K::FROM_ALIAS).and_then(|node| alias(&node));
        let alias = alias.unwrap_or_else(|| name.name.clone());
        let used = item.children().find(|child| child.kind() == K::RELATION_NAME_REF).unwrap_or_else(|| item.clone());
        Some(Source { alias, relation: (!is_with_query(&name, &used)).then_some(name) })
    }));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `$1 t.a Equal`: the alias is resolved in the innermost query that has it.
    fn check(sql: &str, expected: &str) {
        let found = comparisons(sql).unwrap_or_else(|| panic!("{sql} is read"));
        let one = |comparison: &Comparison| match &comparison.with {
            Compared::Limit => format!("${} limit", comparison.parameter),
            Compared::Offset => format!("${} offset", comparison.parameter),
            Compared::Column(column, how) => {
                let mut sources = column.scopes.iter().flatten();
                let source = match &column.qualifier {
                    Some(qualifier) => sources.find(|source| source.alias == *qualifier),
                    None => sources.next(),
                };
                let table = source.and_then(|source| source.relation.as_ref());
                let table = table.map_or_else(|| "?".to_owned(), ToString::to_string);
                format!("${} {table}.{} {how:?}", comparison.parameter, column.name)
            }
        };
        assert_eq!(found.iter().map(one).collect::<Vec<_>>().join(", "), expected, "{sql}");
    }

    #[test]
    fn parameters_are_found_beside_columns_on_either_side() {
        check(
            "SELECT * FROM orders o JOIN s.users AS u ON u.id = o.user_id WHERE o.user_id = $1 AND $2 < u.age",
            "$1 orders.user_id Equal, $2 s.users.age Lower",
        );
        check("SELECT 1 FROM t WHERE a >= $1 AND a < $2", "$1 t.a Lower, $2 t.a Upper");
        check("SELECT 1 FROM t WHERE a BETWEEN $1 AND $2", "$1 t.a Lower, $2 t.a Upper");
        check("SELECT 1 FROM t WHERE a IN ($1, $2) OR b NOT IN ($3)", "$1 t.a Member, $2 t.a Member, $3 t.b Member");
        check("SELECT 1 FROM t WHERE a = $1::bigint AND (b) = cast($2 AS int)", "$1 t.a Equal, $2 t.b Equal");
        check("SELECT 1 FROM t WHERE lower(\"E\") = lower($1)", "$1 t.E Equal");
        check("SELECT 1 FROM t WHERE (a, b) < ($1, $2)", "$1 t.a Equal, $2 t.b Equal");
        check("SELECT 1 FROM t ORDER BY a LIMIT $1 OFFSET $2", "$1 limit, $2 offset");
        check("SELECT 1 FROM t WHERE a = ANY ($1) OR b <> ALL ($2::int[])", "$1 t.a Array, $2 t.b Array");
        check("SELECT 1 FROM t WHERE a > now() - $1 * interval '1 day'", "");
        assert_eq!(comparisons("SELECT FROM WHERE"), None);
    }

    #[test]
    fn a_name_refers_to_the_query_it_stands_in() {
        check(
            "SELECT 1 FROM a x WHERE EXISTS (SELECT 1 FROM b x WHERE x.i = $1) AND x.j = $2",
            "$1 b.i Equal, $2 a.j Equal",
        );
        check("SELECT 1 FROM a WHERE EXISTS (SELECT 1 FROM b WHERE a.i = $1)", "$1 a.i Equal");
        check("WITH c AS (SELECT * FROM a) SELECT 1 FROM c WHERE c.i = $1", "$1 ?.i Equal");
    }

    #[test]
    fn what_is_written_goes_to_a_column() {
        check("UPDATE t AS x SET a = $1 WHERE x.b = $2", "$1 t.a Written, $2 t.b Equal");
        check("DELETE FROM s.t WHERE b = $1", "$1 s.t.b Equal");
        check("INSERT INTO t (a, b) VALUES ($1, 2), (3, $2)", "$1 t.a Written, $2 t.b Written");
    }
}
