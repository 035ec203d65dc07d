-- migrate:up
ALTER TABLE users ALTER COLUMN age DROP NOT NULL;
-- migrate:down
UPDATE users SET age = 0 WHERE age IS NULL;
ALTER TABLE users ALTER COLUMN age SET NOT NULL;
