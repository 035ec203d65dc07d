-- expect: reindex-under-lock
-- migrate:up
REINDEX INDEX orders_user_id_idx;
-- migrate:down
REINDEX INDEX orders_user_id_idx;
