//! What a statement asks the server to do, as data. Must hold facts of the text, no judgement on them.
//!
//! The word is PostgreSQL's own: its reference calls statements *SQL commands*.

use std::ops::Range;

use super::alter::{AlterTable, TableAction};
use super::index::CreateIndex;
use super::name::Name;
use super::object::Object;
use super::query::{Query, Write};
use super::table::CreateTable;

/// A command with the parts of it that somebody may want to know.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// `SELECT`, `VALUES`, `TABLE` and their combinations.
    Select(Query),
    /// `INSERT`.
    Insert(Write),
    /// `UPDATE`.
    Update(Write),
    /// `DELETE`.
    Delete(Write),
    /// `MERGE`.
    Merge(Write),
    /// `TRUNCATE`.
    Truncate {
        /// The tables.
        tables: Vec<Name>,
        /// `RESTART IDENTITY`.
        restart_identity: bool,
        /// `CASCADE`.
        cascade: bool,
    },
    /// `COPY`.
    Copy(Copy),
    /// `DO`.
    Do {
        /// The language, `plpgsql` where none is named.
        language: String,
        /// The body's bytes in the script, with its quotes.
        body: Range<usize>,
    },
    /// `CALL` of this procedure.
    Call(Name),
    /// `EXPLAIN`.
    Explain {
        /// `ANALYZE`: the command is executed.
        analyze: bool,
        /// What is explained.
        command: Box<Command>,
    },
    /// `PREPARE` of this command.
    Prepare(Box<Command>),
    /// `EXECUTE` of a prepared statement.
    Execute,
    /// `DECLARE` of a cursor over a query.
    Declare(Query),
    /// `FETCH` and `MOVE`.
    Fetch,
    /// `LOCK TABLE`.
    Lock {
        /// The tables.
        tables: Vec<Name>,
        /// The mode as it is written, in upper case; `ACCESS EXCLUSIVE` where none is.
        mode: String,
    },
    /// What begins, ends and marks a transaction.
    Transaction(Transaction),
    /// `SET` and `RESET` of a parameter.
    Set(Setting),
    /// `SET TRANSACTION` and `SET SESSION CHARACTERISTICS`.
    SetTransaction(Access),
    /// `SET ROLE`, `SET SESSION AUTHORIZATION` and their `RESET`.
    SetRole,
    /// `SET CONSTRAINTS`.
    SetConstraints,
    /// `SHOW`, `CLOSE`, `DEALLOCATE`, `LISTEN` and `UNLISTEN`: nothing but this session.
    Session,
    /// `DISCARD`.
    Discard {
        /// `ALL`: parameters are reset too.
        all: bool,
    },
    /// `CREATE TABLE` and `CREATE FOREIGN TABLE`.
    CreateTable(Box<CreateTable>),
    /// `CREATE TABLE … AS`.
    CreateTableAs {
        /// The table.
        name: Name,
        /// `IF NOT EXISTS`.
        if_not_exists: bool,
        /// TEMPORARY: it is gone with the session.
        temporary: bool,
        /// The query; without one a prepared statement is executed.
        query: Option<Query>,
    },
    /// `ALTER TABLE` and `ALTER FOREIGN TABLE`.
    AlterTable(AlterTable),
    /// `CREATE INDEX`.
    CreateIndex(Box<CreateIndex>),
    /// `ALTER INDEX`.
    AlterIndex {
        /// The index.
        name: Name,
        /// What is done to it.
        action: IndexAction,
    },
    /// `CREATE TYPE`.
    CreateType {
        /// The type.
        name: Name,
        /// The values of an enum, in order; none where it is no enum.
        values: Option<Vec<String>>,
    },
    /// `ALTER TYPE`.
    AlterType {
        /// The type.
        name: Name,
        /// What is done to it.
        action: TypeAction,
    },
    /// `CREATE FUNCTION` and `CREATE PROCEDURE`.
    CreateRoutine {
        /// The routine, without its parameters.
        name: Name,
        /// A procedure, which CALL runs.
        procedure: bool,
        /// `OR REPLACE`.
        or_replace: bool,
        /// The language; `sql` where the body stands without quotes.
        language: Option<String>,
    },
    /// `CREATE TRIGGER`.
    CreateTrigger {
        /// The trigger.
        name: String,
        /// The table or view.
        table: Name,
        /// The function it calls.
        function: Option<Name>,
        /// `OR REPLACE`.
        or_replace: bool,
        /// `FOR EACH ROW`.
        for_each_row: bool,
    },
    /// `CREATE [MATERIALIZED] VIEW`.
    CreateView {
        /// The view.
        name: Name,
        /// Its rows are stored.
        materialized: bool,
        /// `WITH NO DATA`.
        without_data: bool,
        /// `OR REPLACE`.
        or_replace: bool,
        /// `IF NOT EXISTS`.
        if_not_exists: bool,
        /// TEMPORARY: it is gone with the session.
        temporary: bool,
        /// Its query.
        query: Query,
    },
    /// `CREATE SUBSCRIPTION`.
    CreateSubscription {
        /// The subscription.
        name: String,
        /// It makes a replication slot on the publisher.
        makes_slot: bool,
    },
    /// `CREATE` of anything else.
    Create {
        /// What is made.
        object: Object,
        /// Its name; a cast and a user mapping have none.
        name: Option<Name>,
        /// The relation a rule or policy belongs to.
        on: Option<Name>,
        /// `OR REPLACE`.
        or_replace: bool,
        /// `IF NOT EXISTS`.
        if_not_exists: bool,
        /// TEMPORARY: it is gone with the session.
        temporary: bool,
    },
    /// `ALTER` of anything else.
    Alter {
        /// What is altered.
        object: Object,
        /// Its name.
        name: Option<Name>,
        /// The relation a trigger, rule or policy belongs to.
        on: Option<Name>,
        /// What is done to it.
        action: Alteration,
    },
    /// `DROP` of anything.
    Drop(Drop),
    /// `COMMENT ON`.
    Comment {
        /// What is commented on; none for a column or a constraint.
        object: Option<Object>,
        /// Its name.
        name: Option<Name>,
    },
    /// `SECURITY LABEL ON`.
    SecurityLabel,
    /// `GRANT` and `REVOKE`.
    Grant(Grant),
    /// `ALTER DEFAULT PRIVILEGES`.
    DefaultPrivileges,
    /// `DROP OWNED` and `REASSIGN OWNED`.
    Owned,
    /// `VACUUM`.
    Vacuum {
        /// `FULL`: tables are rewritten.
        full: bool,
        /// The tables; none for all.
        tables: Vec<Name>,
    },
    /// `ANALYZE`.
    Analyze {
        /// The tables; none for all.
        tables: Vec<Name>,
    },
    /// `CLUSTER` and `REPACK`.
    Cluster {
        /// The table; none for all that were clustered before.
        table: Option<Name>,
    },
    /// `REINDEX`.
    Reindex {
        /// What is built again.
        target: Reindexed,
        /// Its name; none for the current database.
        name: Option<Name>,
        /// `CONCURRENTLY`.
        concurrently: bool,
    },
    /// `REFRESH MATERIALIZED VIEW`.
    Refresh {
        /// The view.
        view: Name,
        /// `CONCURRENTLY`.
        concurrently: bool,
    },
    /// `ALTER SYSTEM`.
    AlterSystem,
    /// `NOTIFY`, `LOAD`, `CHECKPOINT` and `IMPORT FOREIGN SCHEMA`: known, and nothing to say about them.
    Act,
    /// What the parser cannot read for certain, or this program does not know: it may do anything.
    Other,
}

/// `COPY`.
#[derive(Debug, Clone, PartialEq)]
pub struct Copy {
    /// The table; none where a query is copied.
    pub table: Option<Name>,
    /// The query.
    pub query: Option<Box<Command>>,
    /// `FROM`: rows are written.
    pub from: bool,
    /// Where rows come from or go to.
    pub place: CopyPlace,
}

/// Where the rows of a COPY come from or go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyPlace {
    /// The client.
    Client,
    /// A file of the server.
    File,
    /// A program that the server starts.
    Program,
}

/// What begins, ends and marks a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transaction {
    /// `BEGIN` and `START TRANSACTION`.
    Begin(Access),
    /// `COMMIT` and `END`.
    Commit,
    /// `ROLLBACK` and `ABORT`.
    Rollback,
    /// `SAVEPOINT`.
    Savepoint,
    /// `RELEASE`.
    Release,
    /// `ROLLBACK TO`.
    RollbackTo,
    /// `PREPARE TRANSACTION`.
    Prepare,
    /// `COMMIT PREPARED` and `ROLLBACK PREPARED`.
    EndPrepared,
}

/// Whether a transaction is made to read only or to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Not mentioned.
    Unchanged,
    /// `READ ONLY`.
    ReadOnly,
    /// `READ WRITE`.
    ReadWrite,
}

/// `SET` or `RESET` of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The parameter, folded, such as `lock_timeout`; none for `RESET ALL`.
    pub parameter: Option<String>,
    /// The value as it is written, a string without its quotes; none for `RESET` and `TO DEFAULT`.
    pub value: Option<String>,
    /// `LOCAL`: until the end of the transaction.
    pub local: bool,
}

/// What is done to an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexAction {
    /// `RENAME TO`.
    Rename(String),
    /// `ATTACH PARTITION`.
    AttachPartition(Name),
    /// Tablespace: the index is copied.
    SetTablespace,
    /// Storage parameters, statistics and dependencies.
    Setting,
}

/// What is done to a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypeAction {
    /// `ADD VALUE` to an enum.
    AddValue {
        /// The value.
        value: String,
        /// `IF NOT EXISTS`.
        if_not_exists: bool,
    },
    /// `RENAME VALUE` of an enum.
    RenameValue {
        /// The old value.
        from: String,
        /// The new one.
        to: String,
    },
    /// Attributes of a composite type are added, dropped or altered; columns of the type are examined or rewritten.
    Attributes,
    /// Any other.
    Other(Alteration),
}

/// What is done to an object, where it is not distinguished any further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alteration {
    /// `RENAME TO`, or of a column or attribute.
    Rename,
    /// `SET SCHEMA`.
    SetSchema,
    /// `OWNER TO`.
    Owner,
    /// `RESTART` of a sequence: it starts again, under keys that are there.
    Restart,
    /// `SET TABLESPACE`: files are copied.
    SetTablespace,
    /// Tables of a subscription are fetched from the publisher.
    Refresh,
    /// Any other.
    Other,
}

/// `DROP`.
#[derive(Debug, Clone, PartialEq)]
pub struct Drop {
    /// What kind of objects.
    pub object: Object,
    /// Their names, without parameters.
    pub names: Vec<Name>,
    /// The relation that a trigger, rule or policy belongs to.
    pub on: Option<Name>,
    /// `IF EXISTS`.
    pub if_exists: bool,
    /// `CASCADE`.
    pub cascade: bool,
    /// `CONCURRENTLY`.
    pub concurrently: bool,
}

/// `GRANT` or `REVOKE`.
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    /// `REVOKE`.
    pub revoke: bool,
    /// On what; none where a role is granted.
    pub on: Option<Object>,
    /// The names of the objects; none for `ALL … IN SCHEMA`.
    pub names: Vec<Name>,
}

/// What a REINDEX builds again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reindexed {
    /// An index.
    Index,
    /// The indexes of a table.
    Table,
    /// Those of a schema.
    Schema,
    /// Those of the database, or of its catalogs.
    Database,
}

/// What a CREATE makes, whichever it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// The kind of object.
    pub object: Object,
    /// Its name; an index may have none in its text.
    pub name: Option<Name>,
    /// `IF NOT EXISTS` or `OR REPLACE`: there may be one already.
    pub may_exist: bool,
    /// It is gone with the session.
    pub temporary: bool,
}

impl Command {
    /// What it makes, if it is a CREATE. An index has no schema of its own: it is in that of its table.
    #[must_use]
    pub fn created(&self) -> Option<Created> {
        let made =
            |object, name: &Name, may_exist| Created { object, name: Some(name.clone()), may_exist, temporary: false };
        Some(match self {
            Self::CreateTable(table) => {
                let object = if table.foreign { Object::ForeignTable } else { Object::Table };
                Created { temporary: table.temporary, ..made(object, &table.name, table.if_not_exists) }
            }
            Self::CreateTableAs { name, if_not_exists, temporary, .. } => {
                Created { temporary: *temporary, ..made(Object::Table, name, *if_not_exists) }
            }
            Self::CreateIndex(index) => Created {
                object: Object::Index,
                name: index.name.as_deref().map(Name::bare),
                may_exist: index.if_not_exists,
                temporary: false,
            },
            Self::CreateType { name, .. } => made(Object::Type, name, false),
            Self::CreateRoutine { name, procedure, or_replace, .. } => {
                made(if *procedure { Object::Procedure } else { Object::Function }, name, *or_replace)
            }
            Self::CreateTrigger { name, or_replace, .. } => made(Object::Trigger, &Name::bare(name), *or_replace),
            Self::CreateView { name, materialized, or_replace, if_not_exists, temporary, .. } => {
                let object = if *materialized { Object::MaterializedView } else { Object::View };
                Created { temporary: *temporary, ..made(object, name, *or_replace || *if_not_exists) }
            }
            Self::CreateSubscription { name, .. } => made(Object::Subscription, &Name::bare(name), false),
            Self::Create { object, name, or_replace, if_not_exists, temporary, .. } => Created {
                object: *object,
                name: name.clone(),
                may_exist: *or_replace || *if_not_exists,
                temporary: *temporary,
            },
            _ => return None,
        })
    }

    /// Whether it gives something another name.
    #[must_use]
    pub fn renames(&self) -> bool {
        match self {
            Self::AlterTable(table) => table.actions.iter().any(|action| {
                matches!(
                    action,
                    TableAction::Rename(_) | TableAction::RenameColumn { .. } | TableAction::RenameConstraint { .. }
                )
            }),
            Self::AlterIndex { action, .. } => matches!(action, IndexAction::Rename(_)),
            Self::AlterType { action, .. } => {
                matches!(action, TypeAction::RenameValue { .. } | TypeAction::Other(Alteration::Rename))
            }
            Self::Alter { action, .. } => *action == Alteration::Rename,
            _ => false,
        }
    }
}
