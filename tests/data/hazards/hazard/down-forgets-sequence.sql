-- expect: schema-not-restored second-up-fails
-- migrate:up
CREATE SEQUENCE numbers;
ALTER TABLE users ADD COLUMN number bigint;
-- migrate:down
ALTER TABLE users DROP COLUMN number;
