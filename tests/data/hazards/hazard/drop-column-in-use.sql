-- expect: old-application-breaks
-- migrate:up
ALTER TABLE orders DROP COLUMN total;
-- migrate:down
ALTER TABLE orders ADD COLUMN total numeric(10, 2);
