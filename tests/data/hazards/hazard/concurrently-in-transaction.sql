-- expect: concurrently-in-transaction
-- migrate:up
CREATE INDEX CONCURRENTLY orders_paid ON orders (paid);
-- migrate:down
DROP INDEX orders_paid;
