-- expect: rows-break-constraint
-- migrate:up
ALTER TABLE tokens ADD CONSTRAINT tokens_user FOREIGN KEY (value) REFERENCES users (id);
-- migrate:down
ALTER TABLE tokens DROP CONSTRAINT tokens_user;
