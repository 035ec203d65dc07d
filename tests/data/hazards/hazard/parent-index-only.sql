-- expect: invalid-index
-- migrate:up
CREATE INDEX events_kind ON ONLY events (kind);
-- migrate:down
DROP INDEX events_kind;
