//! CREATE INDEX and what else is done to indexes. Must hold facts of the text, no judgement on them.

use std::ops::Range;

use squawk_syntax::ast::{self, AstNode};

use super::expression::{Expression, Source};
use super::name::Name;

/// `CREATE INDEX`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateIndex {
    /// Its name; without one the server chooses.
    pub name: Option<String>,
    /// The table or materialized view.
    pub table: Name,
    /// The bytes of its name in the script, with its schema.
    pub table_span: Range<usize>,
    /// `ONLY`: not on its partitions, so that it is invalid until theirs are attached.
    pub only: bool,
    /// `UNIQUE`.
    pub unique: bool,
    /// `CONCURRENTLY`.
    pub concurrently: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// The access method, `btree` where none is named.
    pub method: String,
    /// Columns and expressions, in order.
    pub keys: Vec<IndexKey>,
    /// Columns of `INCLUDE`.
    pub include: Vec<String>,
    /// `WHERE`.
    pub predicate: Option<Expression>,
    /// `NULLS NOT DISTINCT`.
    pub nulls_not_distinct: bool,
}

/// A column or an expression of an index.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexKey {
    /// The column, where it is one alone.
    pub column: Option<String>,
    /// What is indexed.
    pub expression: Expression,
    /// The operator class, if one is named.
    pub operator_class: Option<Name>,
    /// `DESC`.
    pub descending: bool,
}

impl CreateIndex {
    pub(super) fn read(index: &ast::CreateIndex, source: &Source) -> Option<Self> {
        let table = index.table_relation_name()?;
        let keys = index.partition_item_list()?.partition_items();
        let include = index.index_include_clause().and_then(|clause| clause.partition_item_list());
        let method = index.using_method().and_then(|using| Name::read(using.access_method_ref()?.syntax()));
        Some(Self {
            name: index.index().and_then(|name| Name::read(name.syntax())).map(|name| name.name),
            table: Name::read(table.syntax())?,
            table_span: source.span(table.table_name_ref()?.syntax()),
            only: table.only_token().is_some(),
            unique: index.unique_token().is_some(),
            concurrently: index.concurrently_token().is_some(),
            if_not_exists: index.if_not_exists().is_some(),
            method: method.map_or_else(|| "btree".to_owned(), |method| method.name),
            keys: keys.map(|key| IndexKey::read(&key, source)).collect::<Option<_>>()?,
            include: include
                .into_iter()
                .flat_map(|list| list.partition_items())
                .filter_map(|item| Some(Name::read(item.expr()?.syntax())?.name))
                .collect(),
            predicate: index.where_clause().and_then(|clause| Some(source.expression(clause.expr()?.syntax()))),
            nulls_not_distinct: matches!(
                index.nulls_distinct_option(),
                Some(ast::NullsDistinctOption::NullsNotDistinct(_))
            ),
        })
    }
}

impl IndexKey {
    fn read(key: &ast::PartitionItem, source: &Source) -> Option<Self> {
        let mut expr = key.expr()?;
        // A collation stands between the column and its order.
        if let ast::Expr::Collate(collate) = &expr {
            expr = collate.expr()?;
        }
        let column = match &expr {
            ast::Expr::NameRef(name) => Name::read(name.syntax()).map(|name| name.name),
            _ => None,
        };
        Some(Self {
            column,
            expression: source.expression(expr.syntax()),
            operator_class: key.op_class_ref().and_then(|class| Name::read(class.syntax())),
            descending: matches!(key.sort_order(), Some(ast::SortOrder::SortDesc(_))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Command, parse_one};
    use super::*;

    fn index(sql: &str) -> CreateIndex {
        match parse_one(sql).unwrap().command {
            Command::CreateIndex(index) => *index,
            other => panic!("{sql}: {other:?}"),
        }
    }

    #[test]
    fn an_index_is_read_with_all_its_parts() {
        let sql = "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS \"I\" ON ONLY s.t USING gist \
             (lower(a) COLLATE \"C\" x.text_ops DESC, \"B\", (c + 1)) INCLUDE (d, e) NULLS NOT DISTINCT WHERE c > 0";
        let found = index(sql);
        assert_eq!(&sql[found.table_span.clone()], "s.t");
        assert_eq!((found.name.as_deref(), found.table.to_string().as_str()), (Some("I"), "s.t"));
        assert!(found.only && found.unique && found.concurrently && found.if_not_exists && found.nulls_not_distinct);
        assert_eq!((found.method.as_str(), found.include.as_slice()), ("gist", &["d".to_owned(), "e".to_owned()][..]));
        let keys: Vec<(Option<&str>, &str)> =
            found.keys.iter().map(|key| (key.column.as_deref(), key.expression.text.as_str())).collect();
        assert_eq!(keys, [(None, "lower(a)"), (Some("B"), "\"B\""), (None, "(c + 1)")]);
        assert_eq!(found.keys[0].operator_class.as_ref().unwrap().to_string(), "x.text_ops");
        assert!(found.keys[0].descending && !found.keys[1].descending);
        assert_eq!(found.predicate.unwrap().text, "c > 0");
        let plain = index("create index on T (type)");
        assert_eq!((plain.name, plain.method.as_str(), plain.table.to_string().as_str()), (None, "btree", "t"));
        assert!(!plain.concurrently && !plain.unique && plain.predicate.is_none());
    }
}
