-- expect: index-built-under-lock
-- migrate:up
CREATE INDEX users_lower ON users (lower(email));
-- migrate:down
DROP INDEX users_lower;
