-- expect: enum-value-used-in-transaction
-- migrate:up
ALTER TYPE mood ADD VALUE 'great';
UPDATE orders SET state = 'great' WHERE id = 1;
-- migrate:down
SELECT 1;
