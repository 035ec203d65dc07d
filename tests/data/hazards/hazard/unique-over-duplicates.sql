-- expect: rows-break-constraint
-- migrate:up
ALTER TABLE orders ADD CONSTRAINT orders_paid_key UNIQUE (paid);
-- migrate:down
ALTER TABLE orders DROP CONSTRAINT orders_paid_key;
