-- migrate:up transaction:false
REINDEX INDEX CONCURRENTLY orders_user_id_idx;
-- migrate:down transaction:false
SELECT 1;
