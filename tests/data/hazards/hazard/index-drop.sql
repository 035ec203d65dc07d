-- expect: index-dropped-under-lock
-- migrate:up
DROP INDEX orders_status_idx;
-- migrate:down
CREATE INDEX orders_status_idx ON orders (status);
