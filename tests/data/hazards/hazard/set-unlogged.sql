-- expect: table-rewritten
-- migrate:up
ALTER TABLE comments SET UNLOGGED;
-- migrate:down
ALTER TABLE comments SET LOGGED;
