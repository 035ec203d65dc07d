-- migrate:up
ALTER TABLE orders VALIDATE CONSTRAINT orders_total_check;
-- migrate:down
ALTER TABLE orders DROP CONSTRAINT orders_total_check;
ALTER TABLE orders ADD CONSTRAINT orders_total_check CHECK (total > -1000000000) NOT VALID;
