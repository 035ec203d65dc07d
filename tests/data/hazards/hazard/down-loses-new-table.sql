-- expect: data-lost-on-revert
-- migrate:up
CREATE TABLE notes (id bigint PRIMARY KEY, body text NOT NULL);
-- migrate:down
DROP TABLE notes;
