-- expect: rows-break-constraint
-- migrate:up
ALTER TABLE orders ADD CONSTRAINT orders_never CHECK (total < -1);
-- migrate:down
ALTER TABLE orders DROP CONSTRAINT orders_never;
