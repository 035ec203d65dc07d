-- migrate:up
ALTER TABLE orders ALTER COLUMN note SET DEFAULT 'none';
-- migrate:down
ALTER TABLE orders ALTER COLUMN note DROP DEFAULT;
