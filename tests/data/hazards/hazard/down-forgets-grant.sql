-- expect: schema-not-restored
-- migrate:up
GRANT SELECT ON orders TO PUBLIC;
-- migrate:down
SELECT 1;
