-- expect: schema-not-restored
-- migrate:up
COMMENT ON TABLE users IS 'people';
-- migrate:down
SELECT 1;
