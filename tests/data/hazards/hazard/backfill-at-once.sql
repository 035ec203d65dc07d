-- expect: backfill-in-one-statement
-- migrate:up
UPDATE orders SET note = 'x';
-- migrate:down
SELECT 1;
