//! ALTER TABLE: its actions. Must hold facts of the text, no judgement on them.

use squawk_syntax::SyntaxKind;
use squawk_syntax::ast::{self, AstNode};

use super::expression::{Expression, Source};
use super::name::{Name, text};
use super::table::{Column, Constraint, is_cascade};

/// `ALTER TABLE`, also of a foreign table.
#[derive(Debug, Clone, PartialEq)]
pub struct AlterTable {
    /// The table.
    pub name: Name,
    /// `FOREIGN`: its rows are elsewhere.
    pub foreign: bool,
    /// `IF EXISTS`.
    pub if_exists: bool,
    /// `ONLY`: not its children.
    pub only: bool,
    /// What is done to it, in order.
    pub actions: Vec<TableAction>,
}

/// One action of an ALTER TABLE.
#[derive(Debug, Clone, PartialEq)]
pub enum TableAction {
    /// `ADD COLUMN`.
    AddColumn {
        /// The column.
        column: Column,
        /// `IF NOT EXISTS`.
        if_not_exists: bool,
    },
    /// `DROP COLUMN`.
    DropColumn {
        /// The column.
        column: String,
        /// `IF EXISTS`.
        if_exists: bool,
        /// `CASCADE`.
        cascade: bool,
    },
    /// `ALTER COLUMN … TYPE`.
    SetType {
        /// The column.
        column: String,
        /// The new type as it is written, in single spaces.
        kind: String,
        /// `USING`.
        using: Option<Expression>,
    },
    /// `ALTER COLUMN … SET NOT NULL`.
    SetNotNull(String),
    /// `ALTER COLUMN … DROP NOT NULL`.
    DropNotNull(String),
    /// `ALTER COLUMN … SET DEFAULT`.
    SetDefault {
        /// The column.
        column: String,
        /// The default.
        default: Expression,
    },
    /// `ALTER COLUMN … DROP DEFAULT`.
    DropDefault(String),
    /// `ALTER COLUMN … SET EXPRESSION` (PostgreSQL 17): stored values are computed again.
    SetExpression(String),
    /// `ALTER COLUMN … DROP EXPRESSION`.
    DropExpression(String),
    /// `ALTER COLUMN … ADD GENERATED … AS IDENTITY`.
    AddIdentity(String),
    /// `ALTER COLUMN … DROP IDENTITY`.
    DropIdentity(String),
    /// `ALTER COLUMN … RESTART`: the sequence of an identity column starts again.
    RestartIdentity(String),
    /// Statistics target, storage, compression, options and other settings of a column.
    ColumnSetting(String),
    /// `ADD CONSTRAINT`.
    AddConstraint(Constraint),
    /// `DROP CONSTRAINT`.
    DropConstraint {
        /// The constraint.
        name: String,
        /// `IF EXISTS`.
        if_exists: bool,
        /// `CASCADE`.
        cascade: bool,
    },
    /// `VALIDATE CONSTRAINT`.
    ValidateConstraint(String),
    /// `ALTER CONSTRAINT`.
    AlterConstraint(String),
    /// `RENAME TO`.
    Rename(String),
    /// `RENAME COLUMN`.
    RenameColumn {
        /// The old name.
        from: String,
        /// The new one.
        to: String,
    },
    /// `RENAME CONSTRAINT`.
    RenameConstraint {
        /// The old name.
        from: String,
        /// The new one.
        to: String,
    },
    /// `SET SCHEMA`.
    SetSchema(String),
    /// `ATTACH PARTITION`.
    AttachPartition(Name),
    /// `DETACH PARTITION`.
    DetachPartition {
        /// The partition.
        partition: Name,
        /// `CONCURRENTLY`.
        concurrently: bool,
        /// `FINALIZE`.
        finalize: bool,
    },
    /// `MERGE PARTITIONS` or `SPLIT PARTITION` (PostgreSQL 19): rows move.
    MovePartitions,
    /// `INHERIT`.
    Inherit(Name),
    /// `NO INHERIT`.
    NoInherit(Name),
    /// `SET LOGGED` or `SET UNLOGGED`: the table is rewritten.
    SetLogged(bool),
    /// `SET TABLESPACE`: the table is copied.
    SetTablespace,
    /// `SET ACCESS METHOD`: the table is rewritten.
    SetAccessMethod,
    /// `ENABLE` or `DISABLE` of triggers, rules and row level security, `FORCE` too.
    Switch,
    /// Storage parameters, owner, replica identity, clustering and the like: no row and no column changes.
    Setting,
    /// What this program does not know.
    Other,
}

impl AlterTable {
    pub(super) fn read(
        table: Option<ast::TableRelationName>,
        if_exists: bool,
        actions: impl Iterator<Item = ast::AlterTableAction>,
        source: &Source,
    ) -> Option<Self> {
        let table = table?;
        let foreign = table.syntax().parent()?.kind() == SyntaxKind::ALTER_FOREIGN_TABLE;
        Some(Self {
            name: Name::read(table.syntax())?,
            foreign,
            if_exists,
            only: table.only_token().is_some(),
            actions: actions.map(|action| TableAction::read(&action, source).unwrap_or(TableAction::Other)).collect(),
        })
    }
}

impl TableAction {
    fn read(action: &ast::AlterTableAction, source: &Source) -> Option<Self> {
        use ast::AlterTableAction as Action;
        Some(match action {
            Action::AddColumn(add) => {
                let name = text(add.column_name()?.syntax());
                let column = Column::new(name, add.ty(), add.constraints(), source);
                Self::AddColumn { column, if_not_exists: add.if_not_exists().is_some() }
            }
            Action::DropColumn(drop) => Self::DropColumn {
                column: text(drop.column_name_ref()?.syntax()),
                if_exists: drop.if_exists().is_some(),
                cascade: is_cascade(drop.drop_behavior().as_ref()),
            },
            Action::AlterColumn(alter) => return Self::of_column(alter, source),
            Action::AddConstraint(add) => Self::AddConstraint(Constraint::read(&add.constraint()?, source)?),
            Action::DropConstraint(drop) => Self::DropConstraint {
                name: Name::read(drop.constraint_name_ref()?.syntax())?.name,
                if_exists: drop.if_exists().is_some(),
                cascade: is_cascade(drop.drop_behavior().as_ref()),
            },
            Action::ValidateConstraint(it) => {
                Self::ValidateConstraint(Name::read(it.constraint_name_ref()?.syntax())?.name)
            }
            Action::AlterConstraint(it) => Self::AlterConstraint(Name::read(it.constraint_name_ref()?.syntax())?.name),
            Action::TableRenameTo(it) => Self::Rename(Name::read(it.table_name()?.syntax())?.name),
            Action::RenameColumn(it) => {
                Self::RenameColumn { from: text(it.column_name_ref()?.syntax()), to: text(it.column_name()?.syntax()) }
            }
            Action::RenameConstraint(it) => Self::RenameConstraint {
                from: Name::read(it.constraint_name_ref()?.syntax())?.name,
                to: text(it.constraint_name()?.syntax()),
            },
            Action::SetSchema(it) => Self::SetSchema(Name::read(it.schema_ref()?.syntax())?.name),
            Action::AttachPartition(it) => Self::AttachPartition(Name::read(it.table_name_ref()?.syntax())?),
            Action::DetachPartition(it) => Self::DetachPartition {
                partition: Name::read(it.table_name_ref()?.syntax())?,
                concurrently: matches!(
                    it.detach_partition_option(),
                    Some(ast::DetachPartitionOption::DetachConcurrently(_))
                ),
                finalize: matches!(it.detach_partition_option(), Some(ast::DetachPartitionOption::DetachFinalize(_))),
            },
            Action::MergePartitions(_) | Action::SplitPartition(_) => Self::MovePartitions,
            Action::InheritTable(it) => Self::Inherit(Name::read(it.table_name_ref()?.syntax())?),
            Action::NoInheritTable(it) => Self::NoInherit(Name::read(it.table_name_ref()?.syntax())?),
            Action::SetLogged(_) => Self::SetLogged(true),
            Action::SetUnlogged(_) => Self::SetLogged(false),
            Action::SetTablespace(_) => Self::SetTablespace,
            Action::SetAccessMethod(_) => Self::SetAccessMethod,
            Action::DisableRls(_)
            | Action::DisableRule(_)
            | Action::DisableTrigger(_)
            | Action::EnableAlwaysRule(_)
            | Action::EnableAlwaysTrigger(_)
            | Action::EnableReplicaRule(_)
            | Action::EnableReplicaTrigger(_)
            | Action::EnableRls(_)
            | Action::EnableRule(_)
            | Action::EnableTrigger(_)
            | Action::ForceRls(_)
            | Action::NoForceRls(_) => Self::Switch,
            Action::AlterOptionList(_)
            | Action::ClusterOn(_)
            | Action::NotOf(_)
            | Action::OfType(_)
            | Action::OptionItemList(_)
            | Action::OwnerTo(_)
            | Action::ReplicaIdentity(_)
            | Action::ResetOptions(_)
            | Action::SetOptions(_)
            | Action::SetWithoutCluster(_)
            | Action::SetWithoutOids(_) => Self::Setting,
        })
    }

    fn of_column(alter: &ast::AlterColumn, source: &Source) -> Option<Self> {
        use ast::AlterColumnOption as Change;
        let column = text(alter.column_name_ref()?.syntax());
        Some(match alter.option()? {
            Change::SetType(it) => Self::SetType {
                column,
                kind: source.flat(it.ty()?.syntax()),
                using: it.using_expr().and_then(|using| Some(source.expression(using.expr()?.syntax()))),
            },
            Change::SetNotNull(_) => Self::SetNotNull(column),
            Change::DropNotNull(_) => Self::DropNotNull(column),
            Change::SetDefault(it) => Self::SetDefault { column, default: source.expression(it.expr()?.syntax()) },
            Change::DropDefault(_) => Self::DropDefault(column),
            Change::SetExpression(_) => Self::SetExpression(column),
            Change::DropExpression(_) => Self::DropExpression(column),
            Change::AddGenerated(_) => Self::AddIdentity(column),
            Change::DropIdentity(_) => Self::DropIdentity(column),
            Change::Restart(_) => Self::RestartIdentity(column),
            Change::SetGeneratedOptions(_) | Change::SetSequenceOption(_) if restarts(alter) => {
                Self::RestartIdentity(column)
            }
            _ => Self::ColumnSetting(column),
        })
    }
}

/// Whether an identity column's sequence is started again among other settings.
fn restarts(alter: &ast::AlterColumn) -> bool {
    let kind = |node: squawk_syntax::SyntaxNode| {
        ast::OptionRestart::can_cast(node.kind()) || ast::Restart::can_cast(node.kind())
    };
    alter.syntax().descendants().any(kind)
}

#[cfg(test)]
mod tests {
    use super::super::{Command, Key, Rule, parse_one};
    use super::*;

    fn actions(sql: &str) -> Vec<TableAction> {
        match parse_one(sql).unwrap().command {
            Command::AlterTable(table) => table.actions,
            other => panic!("{sql}: {other:?}"),
        }
    }

    fn check(action: &str, expected: &TableAction) {
        assert_eq!(actions(&format!("ALTER TABLE s.t {action}")), std::slice::from_ref(expected), "{action}");
    }

    #[test]
    fn each_action_is_told_apart() {
        let text = |text: &str| text.to_owned();
        check("DROP c CASCADE", &TableAction::DropColumn { column: text("c"), if_exists: false, cascade: true });
        check(
            "DROP COLUMN IF EXISTS \"C d\"",
            &TableAction::DropColumn { column: text("C d"), if_exists: true, cascade: false },
        );
        check("ALTER c SET NOT NULL", &TableAction::SetNotNull(text("c")));
        check("ALTER COLUMN C DROP NOT NULL", &TableAction::DropNotNull(text("c")));
        check("ALTER c DROP DEFAULT", &TableAction::DropDefault(text("c")));
        check("ALTER c DROP IDENTITY", &TableAction::DropIdentity(text("c")));
        check("ALTER c DROP EXPRESSION", &TableAction::DropExpression(text("c")));
        check("ALTER c ADD GENERATED ALWAYS AS IDENTITY", &TableAction::AddIdentity(text("c")));
        check("ALTER c RESTART", &TableAction::RestartIdentity(text("c")));
        check("ALTER c SET GENERATED ALWAYS SET CACHE 2 RESTART WITH 3", &TableAction::RestartIdentity(text("c")));
        check("ALTER c SET STATISTICS 100", &TableAction::ColumnSetting(text("c")));
        check("DROP CONSTRAINT c", &TableAction::DropConstraint { name: text("c"), if_exists: false, cascade: false });
        check("VALIDATE CONSTRAINT c", &TableAction::ValidateConstraint(text("c")));
        check("RENAME TO u", &TableAction::Rename(text("u")));
        check("RENAME a TO b", &TableAction::RenameColumn { from: text("a"), to: text("b") });
        check("RENAME CONSTRAINT a TO b", &TableAction::RenameConstraint { from: text("a"), to: text("b") });
        check("SET SCHEMA u", &TableAction::SetSchema(text("u")));
        check("ATTACH PARTITION p DEFAULT", &TableAction::AttachPartition(Name::bare("p")));
        let partition = Name::bare("p");
        check(
            "DETACH PARTITION p CONCURRENTLY",
            &TableAction::DetachPartition { partition, concurrently: true, finalize: false },
        );
        check("INHERIT p", &TableAction::Inherit(Name::bare("p")));
        check("SET UNLOGGED", &TableAction::SetLogged(false));
        check("ENABLE ROW LEVEL SECURITY", &TableAction::Switch);
        check("DISABLE TRIGGER ALL", &TableAction::Switch);
        check("SET (fillfactor = 70)", &TableAction::Setting);
        check("OWNER TO o", &TableAction::Setting);
        check("SET TABLESPACE p", &TableAction::SetTablespace);
    }

    #[test]
    fn added_constraints_and_types_keep_what_decides_their_cost() {
        let actions = actions(
            "ALTER TABLE t ADD COLUMN IF NOT EXISTS a text NOT NULL DEFAULT 'x', ADD CHECK (a <> '') NOT VALID, \
             ADD CONSTRAINT p PRIMARY KEY USING INDEX i, ADD FOREIGN KEY (a) REFERENCES u NOT VALID, \
             ALTER a TYPE varchar (20) USING left(a, 20), ALTER b SET DEFAULT gen_random_uuid()",
        );
        let TableAction::AddColumn { column, if_not_exists: true } = &actions[0] else { panic!("{actions:?}") };
        assert!(column.not_null && column.default.as_ref().is_some_and(|default| default.calls.is_empty()));
        let rules: Vec<(bool, &Rule)> = actions
            .iter()
            .filter_map(|action| match action {
                TableAction::AddConstraint(constraint) => Some((constraint.not_valid, &constraint.rule)),
                _ => None,
            })
            .collect();
        assert!(matches!(rules[0], (true, Rule::Check(check)) if check.text == "a <> ''"));
        let key = Key { columns: Vec::new(), using_index: Some("i".to_owned()) };
        assert_eq!(rules[1], (false, &Rule::PrimaryKey(key)));
        assert!(matches!(rules[2], (true, Rule::ForeignKey { .. })));
        let TableAction::SetType { kind, using: Some(using), .. } = &actions[4] else { panic!("{actions:?}") };
        assert_eq!((kind.as_str(), using.text.as_str()), ("varchar (20)", "left(a, 20)"));
        let TableAction::SetDefault { default, .. } = &actions[5] else { panic!("{actions:?}") };
        assert_eq!(default.calls, [Name::bare("gen_random_uuid")]);
    }
}
