-- liquibase formatted sql
-- changeset bob:1 splitStatements:false
CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$;
-- rollback DROP FUNCTION f();
--changeset bob:2 endDelimiter:@@
ALTER TABLE trees ADD COLUMN height int@@
ALTER TABLE trees ADD COLUMN age int@@
--rollback empty
