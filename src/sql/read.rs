//! From the parser's tree to a [`Command`]. Must answer nothing where a part that it needs is missing, so that the
//! caller takes the statement for one that may do anything.

use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::alter::AlterTable;
use super::command::{
    Access, Alteration, Command, Copy, CopyPlace, Drop, Grant, IndexAction, Reindexed, Setting, Transaction, TypeAction,
};
use super::expression::Source;
use super::index::CreateIndex;
use super::name::{Name, text};
use super::object::{Object, Verb};
use super::query::{Query, Write};
use super::table::{CreateTable, is_cascade, is_temporary, names};

/// What a statement's node asks for.
pub(super) fn command(node: &SyntaxNode, source: &Source) -> Option<Command> {
    let statement = ast::Stmt::cast(node.clone())?;
    rows(&statement, node, source)
        .or_else(|| session(&statement, node))
        .or_else(|| definition(&statement, source))
        .or_else(|| maintenance(&statement))
        .or_else(|| object(node))
}

/// Commands that read and change rows.
fn rows(statement: &ast::Stmt, node: &SyntaxNode, source: &Source) -> Option<Command> {
    use ast::Stmt;
    let write = |table: Option<SyntaxNode>| Write::read(table.as_ref(), node);
    Some(match statement {
        Stmt::Select(_)
        | Stmt::SelectInto(_)
        | Stmt::CompoundSelect(_)
        | Stmt::ParenSelect(_)
        | Stmt::Values(_)
        | Stmt::Table(_) => Command::Select(Query::read(node)),
        Stmt::Insert(it) => Command::Insert(write(it.relation_name_ref().map(|table| table.syntax().clone()))?),
        Stmt::Update(it) => Command::Update(write(it.relation_name().map(|table| table.syntax().clone()))?),
        Stmt::Delete(it) => Command::Delete(write(it.relation_name().map(|table| table.syntax().clone()))?),
        Stmt::Merge(it) => Command::Merge(write(it.table_relation_name().map(|table| table.syntax().clone()))?),
        Stmt::Truncate(it) => Command::Truncate {
            tables: names(it.table_list()?.table_relation_names()),
            restart_identity: matches!(it.identity_action(), Some(ast::IdentityAction::RestartIdentity(_))),
            cascade: is_cascade(it.drop_behavior().as_ref()),
        },
        Stmt::Copy(it) => Command::Copy(copy(it, source)?),
        Stmt::Do(it) => {
            let language = it.do_language().and_then(|language| language.language_name());
            let language = language.map_or_else(|| "plpgsql".to_owned(), |language| language.name);
            Command::Do { language, body: source.span(it.body()?.syntax()) }
        }
        Stmt::Call(it) => Command::Call(Name::read(it.procedure_name_ref()?.syntax())?),
        Stmt::Explain(it) => {
            let explained = it.explain_stmt()?;
            Command::Explain { analyze: analyzes(it), command: Box::new(command(explained.syntax(), source)?) }
        }
        Stmt::Prepare(it) => Command::Prepare(Box::new(command(it.stmt()?.syntax(), source)?)),
        Stmt::Execute(_) => Command::Execute,
        Stmt::Declare(it) => Command::Declare(Query::read(it.query()?.syntax())),
        Stmt::Fetch(_) | Stmt::Move(_) => Command::Fetch,
        Stmt::Lock(it) => {
            let mode = it.lock_mode_clause().and_then(|clause| clause.lock_mode());
            let mode = mode.map(|mode| source.flat(mode.syntax()).to_ascii_uppercase());
            Command::Lock {
                tables: names(it.relation_list()?.relation_names()),
                mode: mode.unwrap_or_else(|| "ACCESS EXCLUSIVE".to_owned()),
            }
        }
        _ => return None,
    })
}

fn copy(copy: &ast::Copy, source: &Source) -> Option<Copy> {
    let (from, place) = match copy.copy_direction()? {
        ast::CopyDirection::CopyFrom(from) => (true, from.syntax().clone()),
        ast::CopyDirection::CopyTo(to) => (false, to.syntax().clone()),
    };
    let has = |kind: SyntaxKind| place.descendants().any(|node| node.kind() == kind);
    let place = match () {
        () if has(SyntaxKind::COPY_PROGRAM) => CopyPlace::Program,
        () if has(SyntaxKind::COPY_STDIN) || has(SyntaxKind::COPY_STDOUT) => CopyPlace::Client,
        () => CopyPlace::File,
    };
    let query = match copy.copy_query() {
        Some(query) => Some(Box::new(command(query.preparable_stmt()?.syntax(), source)?)),
        None => None,
    };
    let table = copy.copy_table().and_then(|table| Name::read(table.table_name_ref()?.syntax()));
    (table.is_some() || query.is_some()).then_some(Copy { table, query, from, place })
}

/// Whether an EXPLAIN executes what it explains; an option without a value is on.
fn analyzes(explain: &ast::Explain) -> bool {
    match explain.explain_mode() {
        Some(ast::ExplainMode::ExplainAnalyze(_)) => true,
        Some(ast::ExplainMode::ExplainOptionList(list)) => {
            let words = |option: &ast::ExplainOption| option.syntax().text().to_string().to_ascii_lowercase();
            let texts: Vec<String> = list.explain_options().map(|option| words(&option)).collect();
            let off = |text: &str| ["off", "false", "0"].iter().any(|off| text.trim_matches('\'').ends_with(off));
            texts.iter().any(|text| text.starts_with("analy") && !off(text))
        }
        Some(ast::ExplainMode::ExplainVerbose(_)) | None => false,
    }
}

/// Commands about the transaction and the session.
fn session(statement: &ast::Stmt, node: &SyntaxNode) -> Option<Command> {
    use ast::Stmt;
    let transaction = |transaction| Some(Command::Transaction(transaction));
    Some(match statement {
        Stmt::Begin(_) => return transaction(Transaction::Begin(access(node))),
        Stmt::Commit(ast::Commit::CommitTransaction(_)) => return transaction(Transaction::Commit),
        Stmt::Commit(ast::Commit::CommitPrepared(_)) | Stmt::Rollback(ast::Rollback::RollbackPrepared(_)) => {
            return transaction(Transaction::EndPrepared);
        }
        Stmt::Rollback(ast::Rollback::RollbackTransaction(_)) => return transaction(Transaction::Rollback),
        Stmt::Rollback(ast::Rollback::RollbackToSavepoint(_)) => return transaction(Transaction::RollbackTo),
        Stmt::SavepointCreate(_) => return transaction(Transaction::Savepoint),
        Stmt::ReleaseSavepoint(_) => return transaction(Transaction::Release),
        Stmt::PrepareTransaction(_) => return transaction(Transaction::Prepare),
        Stmt::Set(it) => {
            let local = matches!(it.set_scope(), Some(ast::SetScope::LocalScope(_)));
            Command::Set(set(&it.set_target()?, local)?)
        }
        Stmt::Reset(it) => Command::Set(reset(&it.reset_target()?)?),
        Stmt::SetTransaction(_) => Command::SetTransaction(access(node)),
        Stmt::SetRole(_) | Stmt::SetSessionAuth(_) | Stmt::ResetRole(_) | Stmt::ResetSessionAuth(_) => Command::SetRole,
        Stmt::SetConstraints(_) => Command::SetConstraints,
        Stmt::Show(_) | Stmt::Close(_) | Stmt::Deallocate(_) | Stmt::Listen(_) | Stmt::Unlisten(_) => Command::Session,
        Stmt::Discard(it) => {
            Command::Discard { all: matches!(it.discard_target(), Some(ast::DiscardTarget::DiscardAll(_))) }
        }
        Stmt::Notify(_) | Stmt::Load(_) | Stmt::Checkpoint(_) | Stmt::ImportForeignSchema(_) => Command::Act,
        _ => return None,
    })
}

/// `READ ONLY` and `READ WRITE` of a command about a transaction; the last one counts.
fn access(node: &SyntaxNode) -> Access {
    let modes = node.descendants().filter_map(|node| match node.kind() {
        SyntaxKind::READ_ONLY => Some(Access::ReadOnly),
        SyntaxKind::READ_WRITE => Some(Access::ReadWrite),
        _ => None,
    });
    modes.last().unwrap_or(Access::Unchanged)
}

fn set(target: &ast::SetTarget, local: bool) -> Option<Setting> {
    let known = |name: &str, value: Option<String>| Setting { parameter: Some(name.to_owned()), value, local };
    Some(match target {
        ast::SetTarget::SetConfig(it) => {
            let parameter = Name::read(it.config_parameter_ref()?.syntax())?.to_string().to_ascii_lowercase();
            let value = match it.config_assignment()? {
                ast::ConfigAssignment::ToConfigValue(to) => {
                    let values: Vec<String> = to.config_values().map(|value| value_text(value.syntax())).collect();
                    Some(values.join(", ")).filter(|_| to.default_token().is_none())
                }
                ast::ConfigAssignment::FromCurrent(_) => None,
            };
            Setting { parameter: Some(parameter), value, local }
        }
        ast::SetTarget::SetTimeZone(it) => known("timezone", it.config_value().map(|value| value_text(value.syntax()))),
        ast::SetTarget::SetSchemaValue(it) => {
            known("search_path", it.literal().map(|value| value_text(value.syntax())))
        }
        ast::SetTarget::SetXmlOption(_) => known("xmloption", None),
        ast::SetTarget::SetCatalog(_) => known("catalog", None),
    })
}

fn reset(target: &ast::ResetTarget) -> Option<Setting> {
    let parameter = match target {
        ast::ResetTarget::All(_) => None,
        ast::ResetTarget::ConfigParameterRef(name) => Some(Name::read(name.syntax())?.to_string().to_ascii_lowercase()),
        ast::ResetTarget::ResetTimeZone(_) => Some("timezone".to_owned()),
        ast::ResetTarget::ResetTransactionIsolation(_) => Some("transaction_isolation".to_owned()),
    };
    Some(Setting { parameter, value: None, local: false })
}

/// A value as it is written, a string without its quotes.
fn value_text(node: &SyntaxNode) -> String {
    use ast::LitKind as Kind;
    let literal = ast::Literal::cast(node.clone()).filter(|literal| {
        let kind = literal.kind();
        matches!(
            kind,
            Some(Kind::String(_) | Kind::EscString(_) | Kind::UnicodeEscString(_) | Kind::DollarQuotedString(_))
        )
    });
    literal.and_then(|literal| literal.string_value()).unwrap_or_else(|| node.text().to_string())
}

/// Commands that define tables, indexes and what has a form of its own.
fn definition(statement: &ast::Stmt, source: &Source) -> Option<Command> {
    use ast::Stmt;
    Some(match statement {
        Stmt::CreateTable(it) => Command::CreateTable(Box::new(CreateTable::read(it, source)?)),
        Stmt::CreateForeignTable(it) => Command::CreateTable(Box::new(CreateTable::read_foreign(it, source)?)),
        Stmt::CreateTableAs(it) => Command::CreateTableAs {
            name: Name::read(it.table_name()?.syntax())?,
            if_not_exists: it.if_not_exists().is_some(),
            temporary: is_temporary(it.persistence().as_ref()),
            query: it.query()?.select_variant().map(|query| Query::read(query.syntax())),
        },
        Stmt::AlterTable(it) => Command::AlterTable(AlterTable::read(
            it.table_relation_name(),
            it.if_exists().is_some(),
            it.actions(),
            source,
        )?),
        Stmt::AlterForeignTable(it) => Command::AlterTable(AlterTable::read(
            it.table_relation_name(),
            it.if_exists().is_some(),
            it.actions(),
            source,
        )?),
        Stmt::CreateIndex(it) => Command::CreateIndex(Box::new(CreateIndex::read(it, source)?)),
        Stmt::AlterIndex(it) => alter_index(it)?,
        Stmt::CreateType(it) => {
            let values = match it.kind() {
                Some(ast::CreateTypeKind::EnumType(it)) => {
                    let variants = it.variant_list()?.variants();
                    Some(variants.filter_map(|variant| Some(value_text(variant.literal()?.syntax()))).collect())
                }
                _ => None,
            };
            Command::CreateType { name: Name::read(it.type_name()?.syntax())?, values }
        }
        Stmt::AlterType(it) => {
            Command::AlterType { name: Name::read(it.type_name_ref()?.syntax())?, action: type_action(&it.action()?)? }
        }
        Stmt::CreateFunction(it) => Command::CreateRoutine {
            name: Name::read(it.name()?.syntax())?,
            procedure: false,
            or_replace: it.or_replace().is_some(),
            language: language(it.option_list(), it.body().is_some()),
        },
        Stmt::CreateProcedure(it) => Command::CreateRoutine {
            name: Name::read(it.name()?.syntax())?,
            procedure: true,
            or_replace: it.or_replace().is_some(),
            language: language(it.option_list(), it.body().is_some()),
        },
        Stmt::CreateTrigger(it) => Command::CreateTrigger {
            name: text(it.trigger()?.syntax()),
            table: Name::read(it.on_relation()?.syntax())?,
            function: it.call_expr().and_then(|call| super::expression::called(&call)),
            or_replace: it.or_replace().is_some(),
            for_each_row: matches!(it.trigger_level(), Some(ast::TriggerLevel::ForEachRow(_))),
        },
        Stmt::CreateView(it) => Command::CreateView {
            name: Name::read(it.view()?.syntax())?,
            materialized: false,
            without_data: false,
            or_replace: it.or_replace().is_some(),
            if_not_exists: false,
            temporary: is_temporary(it.persistence().as_ref()),
            query: Query::read(it.query()?.syntax()),
        },
        Stmt::CreateMaterializedView(it) => Command::CreateView {
            name: Name::read(it.view()?.syntax())?,
            materialized: true,
            without_data: matches!(it.data_option(), Some(ast::DataOption::WithNoData(_))),
            or_replace: false,
            if_not_exists: it.if_not_exists().is_some(),
            temporary: false,
            query: Query::read(it.query()?.syntax()),
        },
        Stmt::CreateSubscription(it) => Command::CreateSubscription {
            name: text(it.subscription()?.syntax()),
            makes_slot: !is_off(it.syntax(), &["create_slot", "connect"]),
        },
        Stmt::Grant(it) => grant(false, it.on_privilege_objects_clause()),
        Stmt::Revoke(it) => grant(true, it.on_privilege_objects_clause()),
        Stmt::CommentOn(it) => comment(it.comment_object()?.syntax()),
        Stmt::SecurityLabel(_) => Command::SecurityLabel,
        Stmt::AlterDefaultPrivileges(_) => Command::DefaultPrivileges,
        Stmt::DropOwned(_) | Stmt::Reassign(_) => Command::Owned,
        Stmt::AlterSystem(_) => Command::AlterSystem,
        _ => return None,
    })
}

fn language(options: Option<ast::FuncOptionList>, has_body: bool) -> Option<String> {
    let named = options.into_iter().flat_map(|list| list.options()).find_map(|option| match option {
        ast::FuncOption::LanguageFuncOption(language) => language.language_name().map(|language| language.name),
        _ => None,
    });
    named.or_else(|| has_body.then(|| "sql".to_owned()))
}

fn alter_index(alter: &ast::AlterIndex) -> Option<Command> {
    let action = match alter.action() {
        Some(ast::AlterIndexAction::IndexRenameTo(it)) => IndexAction::Rename(Name::read(it.syntax())?.name),
        Some(ast::AlterIndexAction::AttachIndexPartition(it)) => {
            IndexAction::AttachPartition(Name::read(it.index_ref()?.syntax())?)
        }
        Some(ast::AlterIndexAction::SetTablespace(_)) => IndexAction::SetTablespace,
        Some(_) => IndexAction::Setting,
        None => return None,
    };
    Some(Command::AlterIndex { name: Name::read(alter.index_ref()?.syntax())?, action })
}

fn type_action(action: &ast::AlterTypeAction) -> Option<TypeAction> {
    Some(match action {
        ast::AlterTypeAction::AddValue(it) => TypeAction::AddValue {
            value: value_text(it.literal()?.syntax()),
            if_not_exists: it.if_not_exists().is_some(),
        },
        ast::AlterTypeAction::RenameValue(it) => {
            TypeAction::RenameValue { from: value_text(it.from()?.syntax()), to: value_text(it.to()?.syntax()) }
        }
        ast::AlterTypeAction::AlterTypeAttributeActionList(_) => TypeAction::Attributes,
        other => TypeAction::Other(alteration(other.syntax())),
    })
}

fn comment(on: &SyntaxNode) -> Command {
    let object = Object::mentioned(on.kind());
    Command::Comment { object, name: object.and_then(|_| Name::read(on)) }
}

fn grant(revoke: bool, on: Option<ast::OnPrivilegeObjectsClause>) -> Command {
    let objects = on.and_then(|on| on.privilege_objects());
    let kind = objects.as_ref().map(|objects| objects.syntax().kind());
    let whole_schema = kind.is_some_and(|kind| {
        use SyntaxKind as K;
        matches!(
            kind,
            K::PRIVILEGE_ALL_FUNCTIONS_IN_SCHEMA
                | K::PRIVILEGE_ALL_PROCEDURES_IN_SCHEMA
                | K::PRIVILEGE_ALL_ROUTINES_IN_SCHEMA
                | K::PRIVILEGE_ALL_SEQUENCES_IN_SCHEMA
                | K::PRIVILEGE_ALL_TABLES_IN_SCHEMA
        )
    });
    let listed = objects.filter(|_| !whole_schema).into_iter();
    let names = listed.flat_map(|objects| objects.syntax().children()).filter_map(|node| Name::read(&node)).collect();
    Command::Grant(Grant { revoke, on: kind.and_then(Object::mentioned), names })
}

/// Commands that look after tables and indexes.
fn maintenance(statement: &ast::Stmt) -> Option<Command> {
    use ast::Stmt;
    let tables = |list: Option<ast::TableAndColumnsList>| -> Vec<Name> {
        let tables = list.into_iter().flat_map(|list| list.table_and_columnss());
        tables.filter_map(|table| Name::read(table.table_relation_name()?.syntax())).collect()
    };
    Some(match statement {
        Stmt::Vacuum(it) => Command::Vacuum { full: it.is_full(), tables: tables(it.table_and_columns_list()) },
        Stmt::Analyze(it) => Command::Analyze { tables: tables(it.table_and_columns_list()) },
        Stmt::Cluster(it) => {
            let legacy = it.cluster_legacy().and_then(|legacy| Name::read(legacy.on_path()?.syntax()));
            Command::Cluster { table: it.table_name_ref().and_then(|table| Name::read(table.syntax())).or(legacy) }
        }
        Stmt::Repack(it) => Command::Cluster { table: tables(it.table_and_columns_list()).into_iter().next() },
        Stmt::Reindex(it) => {
            let target = it.reindex_target()?;
            let kind = match &target {
                ast::ReindexTarget::ReindexTargetIndex(_) => Reindexed::Index,
                ast::ReindexTarget::ReindexTargetTable(_) => Reindexed::Table,
                ast::ReindexTarget::ReindexTargetSchema(_) => Reindexed::Schema,
                ast::ReindexTarget::ReindexTargetDatabase(_) | ast::ReindexTarget::ReindexTargetSystem(_) => {
                    Reindexed::Database
                }
            };
            Command::Reindex { target: kind, name: Name::read(target.syntax()), concurrently: it.is_concurrently() }
        }
        Stmt::Refresh(it) => Command::Refresh {
            view: Name::read(it.view_ref()?.syntax())?,
            concurrently: it.concurrently_token().is_some(),
        },
        _ => return None,
    })
}

/// CREATE, ALTER and DROP of objects that have no form of their own here.
fn object(node: &SyntaxNode) -> Option<Command> {
    let (verb, object) = Object::of_command(node.kind())?;
    let has = |kind: SyntaxKind| node.children().any(|child| child.kind() == kind);
    let on = node.children().find(|child| is_owner(child.kind())).and_then(|on| Name::read(&on));
    Some(match verb {
        Verb::Create => Command::Create {
            object,
            name: first_name(node),
            on,
            or_replace: has(SyntaxKind::OR_REPLACE),
            if_not_exists: has(SyntaxKind::IF_NOT_EXISTS),
            temporary: has(SyntaxKind::TEMP),
        },
        Verb::Alter => Command::Alter { object, name: first_name(node), on, action: alteration(node) },
        Verb::Drop => Command::Drop(Drop {
            object,
            names: dropped(node),
            on,
            if_exists: has(SyntaxKind::IF_EXISTS),
            cascade: has(SyntaxKind::CASCADE),
            concurrently: node.children_with_tokens().any(|element| element.kind() == SyntaxKind::CONCURRENTLY_KW),
        }),
    })
}

/// Clauses that name the relation to which a trigger, rule or policy belongs.
fn is_owner(kind: SyntaxKind) -> bool {
    matches!(kind, SyntaxKind::ON_RELATION | SyntaxKind::ON_TABLE | SyntaxKind::RULE_ON)
}

fn first_name(node: &SyntaxNode) -> Option<Name> {
    node.children().filter(|child| !is_owner(child.kind())).find_map(|child| Name::read(&child))
}

/// The names of what is dropped; lists of routines are a level deeper.
fn dropped(node: &SyntaxNode) -> Vec<Name> {
    let is_list = |node: &SyntaxNode| format!("{:?}", node.kind()).ends_with("_LIST");
    let named = node.children().filter(|child| !is_owner(child.kind()));
    let named = named.flat_map(|child| if is_list(&child) { child.children().collect() } else { vec![child] });
    named.filter_map(|child| Name::read(&child)).collect()
}

/// Whether one of these options of a WITH clause is switched off.
fn is_off(node: &SyntaxNode, options: &[&str]) -> bool {
    node.descendants().filter_map(ast::AttributeOption::cast).any(|option| {
        let named = option.name().is_some_and(|name| options.contains(&text(name.syntax()).as_str()));
        let value = option.attribute_value().map(|value| value.syntax().text().to_string().to_ascii_lowercase());
        named && value.is_some_and(|value| ["false", "off", "no", "0"].contains(&value.trim_matches('\'')))
    })
}

/// What is done to an object by the nodes of its action.
fn alteration(node: &SyntaxNode) -> Alteration {
    use SyntaxKind as K;
    let of = |kind: SyntaxKind| match kind {
        K::OPTION_RESTART | K::RESTART => Some(Alteration::Restart),
        K::SET_SCHEMA => Some(Alteration::SetSchema),
        K::OWNER_TO => Some(Alteration::Owner),
        K::SET_TABLESPACE | K::ALL_IN_TABLESPACE => Some(Alteration::SetTablespace),
        K::REFRESH_PUBLICATION => Some(Alteration::Refresh),
        K::SET_PUBLICATION | K::ADD_PUBLICATION | K::DROP_SUBSCRIPTION_PUBLICATION if !is_off(node, &["refresh"]) => {
            Some(Alteration::Refresh)
        }
        kind if format!("{kind:?}").contains("RENAME") => Some(Alteration::Rename),
        _ => None,
    };
    let mut actions: Vec<Alteration> = node.descendants().filter_map(|node| of(node.kind())).collect();
    // Of several the one that matters most: a sequence that starts again.
    let restart = actions.iter().position(|action| *action == Alteration::Restart);
    match restart.or(if actions.is_empty() { None } else { Some(0) }) {
        Some(at) => actions.swap_remove(at),
        None => Alteration::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Command, parse_one};

    /// Compares a command as it is printed, without what it does not ask for.
    fn check(sql: &str, expected: &str) {
        let statement = parse_one(sql).unwrap();
        assert_eq!(statement.errors, [], "{sql}");
        let mut found = format!("{:?}", statement.command);
        for name in ["a", "b", "t"] {
            found = found.replace(&format!("Name {{ schema: None, name: \"{name}\" }}"), name);
        }
        for flag in [
            "on: None",
            "if_exists: false",
            "cascade: false",
            "concurrently: false",
            "or_replace: false",
            "if_not_exists: false",
            "temporary: false",
        ] {
            found = found.replace(&format!(", {flag}"), "");
        }
        assert_eq!(found, expected, "{sql}");
    }

    #[test]
    fn commands_are_read_as_what_they_ask_for() {
        check(
            "DROP TABLE IF EXISTS a, b CASCADE",
            "Drop(Drop { object: Table, names: [a, b], if_exists: true, cascade: true })",
        );
        check("DROP INDEX CONCURRENTLY a", "Drop(Drop { object: Index, names: [a], concurrently: true })");
        check("DROP FUNCTION a(t, int), b", "Drop(Drop { object: Function, names: [a, b] })");
        check("DROP TRIGGER a ON t", "Drop(Drop { object: Trigger, names: [a], on: Some(t) })");
        check("DROP USER a, b", "Drop(Drop { object: Role, names: [a, b] })");
        check(
            "CREATE TEMP SEQUENCE IF NOT EXISTS a",
            "Create { object: Sequence, name: Some(a), if_not_exists: true, temporary: true }",
        );
        check("CREATE POLICY a ON t USING (true)", "Create { object: Policy, name: Some(a), on: Some(t) }");
        check("CREATE EXTENSION IF NOT EXISTS a", "Create { object: Extension, name: Some(a), if_not_exists: true }");
        check("ALTER SEQUENCE a RESTART", "Alter { object: Sequence, name: Some(a), action: Restart }");
        check("ALTER SEQUENCE a CACHE 2 RESTART", "Alter { object: Sequence, name: Some(a), action: Restart }");
        check("ALTER VIEW a RENAME TO b", "Alter { object: View, name: Some(a), action: Rename }");
        check("ALTER FUNCTION a(int) OWNER TO b", "Alter { object: Function, name: Some(a), action: Owner }");
        check(
            "ALTER TRIGGER a ON t RENAME TO b",
            "Alter { object: Trigger, name: Some(a), on: Some(t), action: Rename }",
        );
        check("CREATE TYPE a AS ENUM ('x', 'y''z')", "CreateType { name: a, values: Some([\"x\", \"y'z\"]) }");
        check("CREATE TYPE a AS (b int)", "CreateType { name: a, values: None }");
        check(
            "ALTER TYPE a ADD VALUE IF NOT EXISTS 'x' BEFORE 'y'",
            "AlterType { name: a, action: AddValue { value: \"x\", if_not_exists: true } }",
        );
        check(
            "ALTER TYPE a RENAME VALUE 'x' TO 'y'",
            "AlterType { name: a, action: RenameValue { from: \"x\", to: \"y\" } }",
        );
        check("ALTER TYPE a DROP ATTRIBUTE b", "AlterType { name: a, action: Attributes }");
        check("ALTER INDEX a ATTACH PARTITION b", "AlterIndex { name: a, action: AttachPartition(b) }");
        check("ALTER INDEX a RENAME TO b", "AlterIndex { name: a, action: Rename(\"b\") }");
        check(
            "SET LOCAL Lock_Timeout = '2s'",
            "Set(Setting { parameter: Some(\"lock_timeout\"), value: Some(\"2s\"), local: true })",
        );
        check(
            "SET statement_timeout TO 0",
            "Set(Setting { parameter: Some(\"statement_timeout\"), value: Some(\"0\"), local: false })",
        );
        check("SET app.a TO DEFAULT", "Set(Setting { parameter: Some(\"app.a\"), value: None, local: false })");
        check(
            "SET search_path = a, \"B\"",
            "Set(Setting { parameter: Some(\"search_path\"), value: Some(\"a, \\\"B\\\"\"), local: false })",
        );
        check("TRUNCATE a, b RESTART IDENTITY", "Truncate { tables: [a, b], restart_identity: true }");
        check("LOCK a IN ROW EXCLUSIVE MODE", "Lock { tables: [a], mode: \"ROW EXCLUSIVE\" }");
        check("LOCK TABLE a", "Lock { tables: [a], mode: \"ACCESS EXCLUSIVE\" }");
        check("VACUUM (FULL) a", "Vacuum { full: true, tables: [a] }");
        check("REINDEX TABLE CONCURRENTLY a", "Reindex { target: Table, name: Some(a), concurrently: true }");
        check("REFRESH MATERIALIZED VIEW CONCURRENTLY a", "Refresh { view: a, concurrently: true }");
        check("CLUSTER a USING b", "Cluster { table: Some(a) }");
        check("GRANT SELECT ON a, b TO t", "Grant(Grant { revoke: false, on: Some(Table), names: [a, b] })");
        check("REVOKE USAGE ON SCHEMA a FROM t", "Grant(Grant { revoke: true, on: Some(Schema), names: [a] })");
        check(
            "GRANT SELECT ON ALL TABLES IN SCHEMA a TO t",
            "Grant(Grant { revoke: false, on: Some(Table), names: [] })",
        );
        check("GRANT a TO b", "Grant(Grant { revoke: false, names: [] })");
        check("COMMENT ON TABLE a IS 'x'", "Comment { object: Some(Table), name: Some(a) }");
        check("CALL a(1)", "Call(a)");
        check(
            "CREATE OR REPLACE FUNCTION a(b t) RETURNS t LANGUAGE PLpgSQL AS $$ BEGIN END $$",
            "CreateRoutine { name: a, procedure: false, or_replace: true, language: Some(\"plpgsql\") }",
        );
        check(
            "CREATE PROCEDURE a() BEGIN ATOMIC SELECT 1; SELECT 2; END",
            "CreateRoutine { name: a, procedure: true, language: Some(\"sql\") }",
        );
        check(
            "CREATE CONSTRAINT TRIGGER a AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION b()",
            "CreateTrigger { name: \"a\", table: t, function: Some(b), for_each_row: true }",
        );
        assert!(matches!(
            parse_one("EXPLAIN (ANALYZE) SELECT 1").unwrap().command,
            Command::Explain { analyze: true, .. }
        ));
        assert!(matches!(parse_one("COPY a FROM PROGRAM 'x'").unwrap().command, Command::Copy(copy) if copy.from));
    }
}
