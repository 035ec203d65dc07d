-- expect: table-rewritten
-- migrate:up
ALTER TABLE orders ADD COLUMN cents bigint GENERATED ALWAYS AS ((total * 100)::bigint) STORED;
-- migrate:down
ALTER TABLE orders DROP COLUMN cents;
