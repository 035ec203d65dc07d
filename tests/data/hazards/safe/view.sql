-- migrate:up
CREATE VIEW totals AS SELECT user_id, sum(total) AS total FROM orders GROUP BY user_id;
-- migrate:down
DROP VIEW totals;
