-- expect: table-rewritten
-- migrate:up
ALTER TABLE orders ADD COLUMN token uuid DEFAULT gen_random_uuid();
-- migrate:down
ALTER TABLE orders DROP COLUMN token;
