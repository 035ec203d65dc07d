-- expect: lock-on-other-table data-lost
-- migrate:up
DROP TABLE comments;
-- migrate:down
CREATE TABLE comments (id bigint PRIMARY KEY, user_id bigint NOT NULL REFERENCES users, body text NOT NULL);
