-- expect: schema-not-restored
-- migrate:up
ALTER TABLE orders DISABLE TRIGGER orders_touch;
-- migrate:down
SELECT 1;
