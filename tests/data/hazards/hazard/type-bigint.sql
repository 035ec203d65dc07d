-- expect: table-rewritten
-- migrate:up
ALTER TABLE users ALTER COLUMN age TYPE bigint;
-- migrate:down
ALTER TABLE users ALTER COLUMN age TYPE int USING least(age, 2147483647)::int;
