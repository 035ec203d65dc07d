-- no-transaction
DROP INDEX CONCURRENTLY payments_user_status_created_idx;
