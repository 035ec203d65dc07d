-- migrate:up
ALTER TABLE users ADD CONSTRAINT users_age CHECK (age > -1000000000) NOT VALID;
-- migrate:down
ALTER TABLE users DROP CONSTRAINT users_age;
