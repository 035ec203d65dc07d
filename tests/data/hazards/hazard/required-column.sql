-- expect: required-column
-- migrate:up
ALTER TABLE users ADD COLUMN phone text NOT NULL;
-- migrate:down
ALTER TABLE users DROP COLUMN phone;
