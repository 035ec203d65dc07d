-- expect: constraint-validated-under-lock
-- migrate:up
ALTER TABLE users ALTER name SET DEFAULT '';
UPDATE users SET name = '' WHERE name IS NULL;
ALTER TABLE users ALTER COLUMN name SET NOT NULL;
-- migrate:down
ALTER TABLE users ALTER COLUMN name DROP NOT NULL, ALTER name DROP DEFAULT;
