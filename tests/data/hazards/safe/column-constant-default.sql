-- migrate:up
ALTER TABLE orders ADD COLUMN priority int NOT NULL DEFAULT 0;
-- migrate:down
ALTER TABLE orders DROP COLUMN priority;
