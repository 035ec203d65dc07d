-- expect: backfill-with-ddl
-- migrate:up
ALTER TABLE orders ADD COLUMN rank int;
UPDATE orders SET rank = 1 WHERE paid;
-- migrate:down
ALTER TABLE orders DROP COLUMN rank;
