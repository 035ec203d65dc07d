-- expect: data-lost
-- migrate:up
ALTER TABLE comments DROP COLUMN body;
-- migrate:down
ALTER TABLE comments ADD COLUMN body text NOT NULL DEFAULT '';
ALTER TABLE comments ALTER body DROP DEFAULT;
