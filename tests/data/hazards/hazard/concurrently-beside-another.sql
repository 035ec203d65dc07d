-- expect: concurrently-in-transaction
-- migrate:up transaction:false
SET lock_timeout = '1s';
CREATE INDEX CONCURRENTLY orders_paid ON orders (paid);
-- migrate:down transaction:false
DROP INDEX orders_paid;
