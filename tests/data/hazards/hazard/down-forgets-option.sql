-- expect: schema-not-restored
-- migrate:up
ALTER INDEX orders_user_id_idx SET (fillfactor = 70);
-- migrate:down
SELECT 1;
