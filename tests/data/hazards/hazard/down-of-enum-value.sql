-- expect: schema-not-restored second-up-fails
-- migrate:up
ALTER TYPE mood ADD VALUE 'great';
-- migrate:down
SELECT 1;
