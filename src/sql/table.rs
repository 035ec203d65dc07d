//! CREATE TABLE: columns and constraints. Must hold facts of the text, no judgement on them.

use squawk_syntax::ast::{self, AstNode};

use super::expression::{Expression, Source};
use super::name::{Name, text};

/// `CREATE [FOREIGN] TABLE`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateTable {
    /// The table.
    pub name: Name,
    /// `FOREIGN`: its rows are elsewhere.
    pub foreign: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// TEMPORARY: it is gone with the session.
    pub temporary: bool,
    /// UNLOGGED: it writes no WAL.
    pub unlogged: bool,
    /// Its own columns, without those of [`Self::like`] and of parents.
    pub columns: Vec<Column>,
    /// Constraints of the table; those that stand with a column are in it.
    pub constraints: Vec<Constraint>,
    /// Tables whose columns are copied (`LIKE`).
    pub like: Vec<Name>,
    /// `PARTITION OF` a table.
    pub partition_of: Option<Name>,
    /// Parents (`INHERITS`).
    pub inherits: Vec<Name>,
    /// `PARTITION BY`: it holds no rows of its own.
    pub partitioned: bool,
}

/// A column that is made.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type as it is written, in single spaces; none where a typed table or a partition says it.
    pub kind: Option<String>,
    /// `DEFAULT`.
    pub default: Option<Expression>,
    /// `GENERATED ALWAYS AS (…)`.
    pub generated: Option<Generated>,
    /// `GENERATED … AS IDENTITY`.
    pub identity: bool,
    /// `NOT NULL` or `PRIMARY KEY`.
    pub not_null: bool,
    /// Constraints that stand with it, `NOT NULL` among them.
    pub constraints: Vec<Constraint>,
}

/// A value that is computed from other columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Generated {
    /// The expression.
    pub expression: Expression,
    /// Computed when it is written (`STORED`), not when it is read.
    pub stored: bool,
}

/// A constraint of a table or a column.
#[derive(Debug, Clone, PartialEq)]
pub struct Constraint {
    /// Its name, where it has one.
    pub name: Option<String>,
    /// What it asks for.
    pub rule: Rule,
    /// `NOT VALID`: rows that are there are not examined.
    pub not_valid: bool,
    /// `NOT ENFORCED` (PostgreSQL 18): no rows are examined.
    pub not_enforced: bool,
    /// `DEFERRABLE`.
    pub deferrable: bool,
}

/// What a constraint asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    /// `PRIMARY KEY`.
    PrimaryKey(Key),
    /// `UNIQUE`.
    Unique(Key),
    /// `CHECK`.
    Check(Expression),
    /// `FOREIGN KEY` or `REFERENCES`.
    ForeignKey {
        /// Columns of the table; empty where the constraint stands with a column.
        columns: Vec<String>,
        /// The table that is referred to.
        references: Name,
        /// Its columns; empty for those of its primary key.
        referenced: Vec<String>,
    },
    /// `EXCLUDE`.
    Exclude,
    /// `NOT NULL`; the column is named where it stands with the table.
    NotNull(Option<String>),
}

/// The columns of a key, and the index that it takes over.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// Empty where the constraint stands with a column or takes over an index.
    pub columns: Vec<String>,
    /// `USING INDEX`: no index is built.
    pub using_index: Option<String>,
}

impl CreateTable {
    pub(super) fn read(table: &ast::CreateTable, source: &Source) -> Option<Self> {
        let parts = Parts::read(table.table_arg_list(), source);
        Some(Self {
            name: Name::read(table.table_name()?.syntax())?,
            foreign: false,
            if_not_exists: table.if_not_exists().is_some(),
            temporary: is_temporary(table.persistence().as_ref()),
            unlogged: matches!(table.persistence(), Some(ast::Persistence::Unlogged(_))),
            columns: parts.columns,
            constraints: parts.constraints,
            like: parts.like,
            partition_of: table.partition_of().and_then(|of| Name::read(of.syntax())),
            inherits: table.inherits().map(|parents| names(parents.table_name_refs())).unwrap_or_default(),
            partitioned: table.partition_by().is_some(),
        })
    }

    pub(super) fn read_foreign(table: &ast::CreateForeignTable, source: &Source) -> Option<Self> {
        let parts = Parts::read(table.table_arg_list(), source);
        Some(Self {
            name: Name::read(table.table_name()?.syntax())?,
            foreign: true,
            if_not_exists: table.if_not_exists().is_some(),
            temporary: false,
            unlogged: false,
            columns: parts.columns,
            constraints: parts.constraints,
            like: parts.like,
            partition_of: table.partition_of().and_then(|of| Name::read(of.syntax())),
            inherits: table.inherits().map(|parents| names(parents.table_name_refs())).unwrap_or_default(),
            partitioned: false,
        })
    }
}

/// What stands in the parentheses of CREATE TABLE.
struct Parts {
    columns: Vec<Column>,
    constraints: Vec<Constraint>,
    like: Vec<Name>,
}

impl Parts {
    fn read(arguments: Option<ast::TableArgList>, source: &Source) -> Self {
        let mut parts = Self { columns: Vec::new(), constraints: Vec::new(), like: Vec::new() };
        for argument in arguments.into_iter().flat_map(|list| list.args()) {
            match argument {
                ast::TableArg::Column(column) => parts.columns.extend(Column::read(&column, source)),
                ast::TableArg::LikeClause(clause) => parts.like.extend(Name::read(clause.syntax())),
                ast::TableArg::TableConstraint(constraint) => {
                    let constraint = ast::Constraint::cast(constraint.syntax().clone());
                    parts.constraints.extend(constraint.and_then(|constraint| Constraint::read(&constraint, source)));
                }
            }
        }
        parts
    }
}

impl Column {
    fn read(column: &ast::Column, source: &Source) -> Option<Self> {
        let constraints = column.clauses().filter_map(|clause| ast::Constraint::cast(clause.syntax().clone()));
        Some(Self::new(text(column.name()?.syntax()), column.ty(), constraints, source))
    }

    pub(super) fn new(
        name: String,
        kind: Option<ast::Type>,
        constraints: impl Iterator<Item = ast::Constraint>,
        source: &Source,
    ) -> Self {
        let kind = kind.map(|kind| source.flat(kind.syntax()));
        let mut column = Self {
            name,
            kind,
            default: None,
            generated: None,
            identity: false,
            not_null: false,
            constraints: Vec::new(),
        };
        for constraint in constraints {
            match &constraint {
                ast::Constraint::DefaultConstraint(default) => {
                    column.default = default.expr().map(|expr| source.expression(expr.syntax()));
                }
                ast::Constraint::GeneratedConstraint(generated) => match generated.generated_as() {
                    Some(ast::GeneratedAs::GeneratedStored(stored)) => {
                        let is_stored = matches!(stored.generated_kind(), Some(ast::GeneratedKind::Stored(_)));
                        let expression = stored.expr().map(|expr| source.expression(expr.syntax()));
                        column.generated = expression.map(|expression| Generated { expression, stored: is_stored });
                    }
                    Some(ast::GeneratedAs::GeneratedIdentity(_)) => column.identity = true,
                    None => {}
                },
                _ => {}
            }
            column.constraints.extend(Constraint::read(&constraint, source));
        }
        let rules = column.constraints.iter().map(|constraint| &constraint.rule);
        column.not_null =
            column.identity || rules.into_iter().any(|rule| matches!(rule, Rule::NotNull(_) | Rule::PrimaryKey(_)));
        column
    }
}

impl Constraint {
    /// A constraint that asks something of rows; a default and a generated value are none.
    pub(super) fn read(constraint: &ast::Constraint, source: &Source) -> Option<Self> {
        let rule = match constraint {
            ast::Constraint::PrimaryKeyConstraint(key) => {
                Rule::PrimaryKey(Key::read(key.index_parameters(), key.using_index()))
            }
            ast::Constraint::UniqueConstraint(key) => {
                Rule::Unique(Key::read(key.index_parameters(), key.using_index()))
            }
            ast::Constraint::CheckConstraint(check) => Rule::Check(source.expression(check.expr()?.syntax())),
            ast::Constraint::ForeignKeyConstraint(key) => Rule::ForeignKey {
                columns: key.from_columns().map(|list| texts(list.column_name_refs())).unwrap_or_default(),
                references: Name::read(key.table_name_ref()?.syntax())?,
                referenced: key.to_columns().map(|list| texts(list.column_name_refs())).unwrap_or_default(),
            },
            ast::Constraint::ReferencesConstraint(key) => Rule::ForeignKey {
                columns: Vec::new(),
                references: Name::read(key.table()?.syntax())?,
                referenced: key.column().map(|column| text(column.syntax())).into_iter().collect(),
            },
            ast::Constraint::ExcludeConstraint(_) => Rule::Exclude,
            ast::Constraint::NotNullConstraint(column) => {
                Rule::NotNull(column.column_name_ref().map(|column| text(column.syntax())))
            }
            ast::Constraint::DefaultConstraint(_)
            | ast::Constraint::GeneratedConstraint(_)
            | ast::Constraint::NullConstraint(_) => return None,
        };
        let has = |asked: fn(&ast::ConstraintOption) -> bool| constraint.constraint_options().any(|it| asked(&it));
        Some(Self {
            name: constraint.constraint_name().map(|name| text(name.syntax())),
            rule,
            not_valid: constraint.is_not_valid(),
            not_enforced: has(|option| matches!(option, ast::ConstraintOption::NotEnforced(_))),
            deferrable: has(|option| matches!(option, ast::ConstraintOption::DeferrableConstraintOption(_))),
        })
    }
}

impl Key {
    fn read(parameters: Option<ast::IndexParameters>, using: Option<ast::UsingIndexName>) -> Self {
        let columns = parameters.and_then(|parameters| parameters.column_list());
        Self {
            columns: columns.map(|list| texts(list.column_name_refs())).unwrap_or_default(),
            using_index: using.and_then(|using| Some(Name::read(using.index_ref()?.syntax())?.name)),
        }
    }
}

pub(super) fn is_temporary(persistence: Option<&ast::Persistence>) -> bool {
    matches!(persistence, Some(ast::Persistence::Temp(_)))
}

pub(super) fn is_cascade(behavior: Option<&ast::DropBehavior>) -> bool {
    matches!(behavior, Some(ast::DropBehavior::Cascade(_)))
}

/// The names of all nodes of one type.
pub(super) fn names<N: AstNode>(nodes: impl Iterator<Item = N>) -> Vec<Name> {
    nodes.filter_map(|node| Name::read(node.syntax())).collect()
}

fn texts<N: AstNode>(nodes: impl Iterator<Item = N>) -> Vec<String> {
    nodes.map(|node| text(node.syntax())).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Command, parse_one};
    use super::*;

    #[test]
    fn columns_are_read_with_what_they_ask_for() {
        let sql = "CREATE UNLOGGED TABLE IF NOT EXISTS t (
            a bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- b int,
            \"B\" double  precision NOT NULL DEFAULT f(now()),
            c numeric(10, 2) [] GENERATED ALWAYS AS (lower(b)) STORED,
            d int REFERENCES s.u (x) ON DELETE CASCADE,
            CONSTRAINT k UNIQUE (a, \"B\"),
            FOREIGN KEY (c, d) REFERENCES v DEFERRABLE,
            CHECK (a > 0),
            LIKE w
        ) PARTITION BY RANGE (a)";
        let Some(Command::CreateTable(table)) = parse_one(sql).map(|it| it.command) else { panic!() };
        assert!(table.unlogged && table.if_not_exists && table.partitioned && !table.temporary);
        let kinds: Vec<&str> = table.columns.iter().filter_map(|column| column.kind.as_deref()).collect();
        assert_eq!(kinds, ["bigint", "double precision", "numeric(10, 2) []", "int"]);
        let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["a", "B", "c", "d"]);
        assert_eq!(table.columns.iter().map(|c| c.not_null).collect::<Vec<_>>(), [true, true, false, false]);
        assert!(table.columns[0].identity && table.columns[2].generated.as_ref().is_some_and(|it| it.stored));
        let default = table.columns[1].default.as_ref().unwrap();
        assert_eq!(
            (default.text.as_str(), default.calls.len(), &sql[default.span.clone()]),
            ("f(now())", 2, "f(now())")
        );
        let reference = Rule::ForeignKey {
            columns: Vec::new(),
            references: Name { schema: Some("s".to_owned()), name: "u".to_owned() },
            referenced: vec!["x".to_owned()],
        };
        assert_eq!(table.columns[3].constraints[0].rule, reference);
        let key = Key { columns: vec!["a".to_owned(), "B".to_owned()], using_index: None };
        assert_eq!((table.constraints[0].name.as_deref(), &table.constraints[0].rule), (Some("k"), &Rule::Unique(key)));
        let columns = vec!["c".to_owned(), "d".to_owned()];
        let foreign = Rule::ForeignKey { columns, references: Name::bare("v"), referenced: Vec::new() };
        assert_eq!((&table.constraints[1].rule, table.constraints[1].deferrable), (&foreign, true));
        assert_eq!((table.constraints.len(), table.like.as_slice()), (3, &[Name::bare("w")][..]));
    }
}
