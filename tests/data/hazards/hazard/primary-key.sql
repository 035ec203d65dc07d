-- expect: unique-built-under-lock
-- migrate:up
ALTER TABLE tokens ADD CONSTRAINT tokens_key PRIMARY KEY (id, value);
-- migrate:down
ALTER TABLE tokens DROP CONSTRAINT tokens_key;
ALTER TABLE tokens ALTER id SET NOT NULL, ALTER value SET NOT NULL;
