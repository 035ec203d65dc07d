-- migrate:up
ALTER TABLE tokens ADD CONSTRAINT tokens_id_idx UNIQUE USING INDEX tokens_id_idx;
-- migrate:down
ALTER TABLE tokens DROP CONSTRAINT tokens_id_idx;
CREATE UNIQUE INDEX tokens_id_idx ON tokens (id);
