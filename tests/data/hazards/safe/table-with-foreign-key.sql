-- migrate:up
CREATE TABLE notes (id bigint PRIMARY KEY, user_id bigint NOT NULL REFERENCES users);
-- migrate:down
DROP TABLE notes;
