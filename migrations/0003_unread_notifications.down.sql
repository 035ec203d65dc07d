-- no-transaction
DROP INDEX CONCURRENTLY notifications_user_unread_idx;
