-- expect: index-built-under-lock
-- migrate:up
CREATE UNIQUE INDEX users_id_email ON users (id, email);
-- migrate:down
DROP INDEX users_id_email;
