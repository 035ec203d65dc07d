-- expect: revert-fails-on-new-data
-- migrate:up
ALTER TABLE users ALTER COLUMN age TYPE bigint;
-- migrate:down
ALTER TABLE users ALTER COLUMN age TYPE int;
