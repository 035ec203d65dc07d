-- expect: schema-not-restored second-up-fails
-- migrate:up
CREATE TYPE kind AS ENUM ('a');
ALTER TABLE users ADD COLUMN kind kind;
-- migrate:down
ALTER TABLE users DROP COLUMN kind;
