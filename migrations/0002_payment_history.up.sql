-- no-transaction
-- Finding: the payment history of a user by status, newest first, reads and sorts every payment of the user.
CREATE INDEX CONCURRENTLY payments_user_status_created_idx ON payments (user_id, status, created_at DESC);
