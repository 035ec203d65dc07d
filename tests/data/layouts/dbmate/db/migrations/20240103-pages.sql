-- migrate:up
ALTER TABLE books ADD COLUMN pages int;
-- migrate:down
