-- no-transaction
-- Finding: a user's notifications, unread first, are read whole and sorted at every page view.
CREATE INDEX CONCURRENTLY notifications_user_unread_idx ON notifications (user_id, (read_at IS NULL) DESC, created_at DESC);
