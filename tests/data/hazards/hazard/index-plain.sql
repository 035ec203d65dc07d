-- expect: index-built-under-lock
-- migrate:up
CREATE INDEX orders_paid ON orders (paid);
-- migrate:down
DROP INDEX orders_paid;
