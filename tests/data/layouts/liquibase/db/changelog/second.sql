--liquibase formatted sql

--changeset ann:1
CREATE TABLE trees (id bigint PRIMARY KEY, kind text);
--rollback DROP TABLE trees;

--changeset ann:2 runInTransaction:false
CREATE INDEX CONCURRENTLY trees_kind ON trees (kind);
/* liquibase rollback
DROP INDEX CONCURRENTLY trees_kind;
*/
