-- migrate:up
ALTER TABLE orders ALTER COLUMN status SET STATISTICS 500;
-- migrate:down
ALTER TABLE orders ALTER COLUMN status SET STATISTICS -1;
