-- expect: unique-built-under-lock
-- migrate:up
ALTER TABLE users ADD CONSTRAINT users_both UNIQUE (id, email);
-- migrate:down
ALTER TABLE users DROP CONSTRAINT users_both;
