-- expect: down-empty
-- migrate:up
ALTER TABLE users ADD COLUMN nick text;
-- migrate:down
