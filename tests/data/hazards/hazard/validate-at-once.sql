-- expect: constraint-validated-in-one-transaction
-- migrate:up
ALTER TABLE users ADD CONSTRAINT users_age CHECK (age > -1000000000) NOT VALID;
ALTER TABLE users VALIDATE CONSTRAINT users_age;
-- migrate:down
ALTER TABLE users DROP CONSTRAINT users_age;
