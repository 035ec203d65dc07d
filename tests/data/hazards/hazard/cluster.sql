-- expect: table-rewritten
-- migrate:up
CLUSTER orders USING orders_pkey;
-- migrate:down
ALTER TABLE orders SET WITHOUT CLUSTER;
