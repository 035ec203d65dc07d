//! What a command does besides answering: whether it may write, and whether a transaction may hold it. Must answer yes
//! where it does not know.

use super::alter::TableAction;
use super::command::{Access, Alteration, Command, CopyPlace, Reindexed, Transaction};
use super::object::Object;
use super::query::may_end_read_only;

/// Whether a command may change anything but its own session.
pub(super) fn may_write(command: &Command) -> bool {
    match command {
        Command::Select(query) | Command::Declare(query) => query.may_write(),
        Command::Explain { analyze, command } => *analyze && may_write(command),
        Command::Prepare(command) => may_write(command),
        // A file or a program of the server is written to.
        Command::Copy(copy) => {
            copy.from
                || copy.place != CopyPlace::Client
                || copy.query.as_ref().is_some_and(|command| may_write(command))
        }
        Command::Transaction(Transaction::Begin(access)) | Command::SetTransaction(access) => {
            *access == Access::ReadWrite
        }
        Command::Transaction(transaction) => {
            matches!(transaction, Transaction::Prepare | Transaction::EndPrepared)
        }
        Command::Set(setting) => may_end_read_only(setting.parameter.as_deref()),
        Command::Discard { all } => *all,
        Command::Session => false,
        _ => true,
    }
}

/// Whether the server refuses a command inside a transaction block: callers of `PreventInTransactionBlock`,
/// PostgreSQL 14 to 18.
pub(super) fn forbids_transaction(command: &Command) -> bool {
    match command {
        Command::CreateIndex(index) => index.concurrently,
        Command::Drop(drop) => {
            drop.concurrently || matches!(drop.object, Object::Database | Object::Tablespace | Object::Subscription)
        }
        Command::Reindex { target, concurrently, .. } => {
            *concurrently || matches!(target, Reindexed::Schema | Reindexed::Database)
        }
        Command::Vacuum { .. } | Command::AlterSystem | Command::Discard { all: true } => true,
        Command::Cluster { table } => table.is_none(),
        Command::AlterTable(table) => {
            table.actions.iter().any(|action| matches!(action, TableAction::DetachPartition { concurrently: true, .. }))
        }
        Command::Create { object, .. } => matches!(object, Object::Database | Object::Tablespace),
        Command::CreateSubscription { makes_slot, .. } => *makes_slot,
        Command::Alter { object: Object::Database, action, .. } => *action == Alteration::SetTablespace,
        Command::Alter { object: Object::Subscription, action, .. } => *action == Alteration::Refresh,
        Command::Transaction(transaction) => *transaction == Transaction::EndPrepared,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse_one;

    fn check(asked: impl Fn(&super::super::Statement) -> bool, yes: &[&str], no: &[&str]) {
        for (list, expected) in [(yes, true), (no, false)] {
            for sql in list {
                let statement = parse_one(sql).unwrap();
                assert_eq!(statement.errors, [], "{sql}");
                assert_eq!(asked(&statement), expected, "{sql}: {:?}", statement.command);
            }
        }
    }

    #[test]
    fn what_only_sets_something_is_told_from_what_asks() {
        check(
            super::super::Statement::only_sets,
            &[
                "SET LOCAL app.uid = '7'",
                "SET TRANSACTION READ ONLY",
                "SET LOCAL ROLE anna",
                "SET CONSTRAINTS ALL DEFERRED",
                "SELECT set_config('app.uid', $1, true)",
                "/* a */ select SET_CONFIG('a.b', '1', false), set_config('a.c', '2', false)",
            ],
            &[
                "SELECT 1",
                "SELECT set_config('a.b', id::text, true) FROM t",
                "SELECT set_config('a.b', f(), true)",
                "UPDATE t SET a = 1",
            ],
        );
    }

    #[test]
    fn what_may_write_is_decided_by_what_is_asked_for() {
        check(
            super::super::Statement::may_write,
            &[
                "UPDATE t SET a = 1",
                "WITH a AS (DELETE FROM t RETURNING *) SELECT 1",
                "SELECT * FROM (VALUES (1)) v WHERE EXISTS (SELECT 1 FROM t FOR NO KEY UPDATE)",
                "SELECT 1 FOR SHARE",
                "SELECT 1 INTO t",
                "CALL p()",
                "DO 'BEGIN END'",
                "BEGIN READ WRITE",
                "START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE",
                "SET TRANSACTION READ WRITE",
                "SET default_transaction_read_only = off",
                "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
                "RESET ALL",
                "RESET transaction_read_only",
                "DISCARD ALL",
                "SET ROLE other",
                "SELECT set_config('transaction_read_only', 'off', true)",
                "SELECT pg_catalog.set_config($1, 'off', true)",
                "SELECT set_config('default_transaction_' || 'read_only', 'off', true)",
                "SELECT set_config(E'TRANSACTION_READ_ONLY', 'off', true)",
                "SELECT pg_catalog.setval('s', 1), count(*) FROM t",
                "SELECT NEXTVAL('s')",
                "SELECT pg_terminate_backend(1)",
                "SELECT pg_stat_reset_shared('io')",
                "EXPLAIN ANALYZE DELETE FROM t",
                "EXPLAIN (ANALYZE, COSTS off) INSERT INTO t VALUES (1)",
                "EXPLAIN (COSTS off, ANALYZE true) UPDATE t SET a = 1",
                "PREPARE a AS DELETE FROM t",
                "EXECUTE a",
                "COPY t FROM STDIN",
                "COPY t TO '/tmp/a'",
                "COPY t TO PROGRAM 'cat'",
                "COPY (DELETE FROM t RETURNING *) TO STDOUT",
                "DECLARE c CURSOR FOR SELECT 1 FROM t FOR UPDATE",
                "FETCH 1 FROM c",
                "LOCK TABLE t",
                "ANALYZE t",
                "CREATE VIEW v AS SELECT 1",
                "NOTIFY a",
                "SET CONSTRAINTS ALL IMMEDIATE",
                "COMMIT PREPARED 'a'",
                "REFRESH MATERIALIZED VIEW v",
                "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE",
            ],
            &[
                "SELECT 'insert', \"update\", setval FROM t",
                "WITH a AS (SELECT 1) TABLE a",
                "BEGIN",
                "BEGIN READ ONLY",
                " -- delete\nVALUES (1)",
                "(SELECT 1) UNION (SELECT 2) ORDER BY 1",
                "SELECT s.setval(1), mine(2)",
                "SELECT set_config('app.uid', $1, true)",
                "COMMIT",
                "END",
                "ROLLBACK TO a",
                "SAVEPOINT a",
                "SHOW ALL",
                "SET LOCAL work_mem = '1MB'",
                "SET search_path TO a, b",
                "SET TIME ZONE 'UTC'",
                "RESET work_mem",
                "SET TRANSACTION READ ONLY",
                "DISCARD PLANS",
                "EXPLAIN DELETE FROM t",
                "EXPLAIN (ANALYZE off, VERBOSE) DELETE FROM t",
                "EXPLAIN (ANALYZE) SELECT 1",
                "PREPARE a AS SELECT $1::int",
                "COPY (SELECT 1) TO STDOUT WITH (FORMAT csv)",
                "DECLARE c CURSOR FOR SELECT 1",
                "CLOSE c",
            ],
        );
    }

    #[test]
    fn what_a_transaction_block_may_not_hold_is_known() {
        check(
            super::super::Statement::forbids_transaction,
            &[
                "CREATE INDEX CONCURRENTLY i ON t (a)",
                "create unique index concurrently if not exists i on t (a)",
                "DROP INDEX CONCURRENTLY IF EXISTS i",
                "REINDEX INDEX CONCURRENTLY i",
                "REINDEX (VERBOSE, CONCURRENTLY) TABLE t",
                "REINDEX SCHEMA s",
                "REINDEX DATABASE d",
                "REINDEX SYSTEM d",
                "VACUUM",
                "VACUUM (ANALYZE) t",
                "VACUUM FULL t",
                "CLUSTER",
                "CREATE DATABASE d",
                "DROP DATABASE d",
                "ALTER DATABASE d SET TABLESPACE p",
                "CREATE TABLESPACE p LOCATION '/a'",
                "DROP TABLESPACE p",
                "ALTER SYSTEM SET work_mem = '1MB'",
                "CREATE SUBSCRIPTION s CONNECTION 'host=a' PUBLICATION p",
                "CREATE SUBSCRIPTION s CONNECTION 'host=a' PUBLICATION p WITH (create_slot = true)",
                "ALTER SUBSCRIPTION s REFRESH PUBLICATION",
                "ALTER SUBSCRIPTION s SET PUBLICATION p",
                "DROP SUBSCRIPTION s",
                "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
                "COMMIT PREPARED 'a'",
                "ROLLBACK PREPARED 'a'",
                "DISCARD ALL",
            ],
            &[
                "CREATE INDEX i ON t (a)",
                "CREATE INDEX \"concurrently\" ON t (a)",
                "DROP INDEX i",
                "REINDEX TABLE t",
                "REINDEX (CONCURRENTLY false) TABLE t",
                "ANALYZE",
                "CLUSTER t USING i",
                "ALTER DATABASE d SET work_mem = '1MB'",
                "ALTER TABLE t DETACH PARTITION p FINALIZE",
                "ALTER TABLE t DETACH PARTITION p",
                "ALTER TYPE e ADD VALUE 'x'",
                "REFRESH MATERIALIZED VIEW CONCURRENTLY v",
                "CREATE SUBSCRIPTION s CONNECTION 'host=a' PUBLICATION p WITH (create_slot = false)",
                "CREATE SUBSCRIPTION s CONNECTION 'host=a' PUBLICATION p WITH (connect = off)",
                "ALTER SUBSCRIPTION s SET PUBLICATION p WITH (refresh = false)",
                "ALTER SUBSCRIPTION s DISABLE",
                "DISCARD TEMP",
                "BEGIN",
                "CREATE ROLE r",
            ],
        );
    }

    #[test]
    fn what_steers_a_transaction_is_known() {
        check(
            super::super::Statement::controls_transaction,
            &[
                "BEGIN",
                "START TRANSACTION",
                "COMMIT",
                "END",
                "ROLLBACK",
                "ABORT",
                "PREPARE TRANSACTION 'a'",
                "SAVEPOINT a",
                "RELEASE a",
                "ROLLBACK TO SAVEPOINT a",
            ],
            &["PREPARE a AS SELECT 1", "CREATE TABLE begin (a int)", "SET TRANSACTION READ ONLY"],
        );
    }
}
