-- migrate:up
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL, name text, age int NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE orders (
    id bigint PRIMARY KEY, user_id bigint NOT NULL REFERENCES users, total numeric(10, 2) NOT NULL, status text NOT NULL,
    note varchar(20), paid boolean NOT NULL, state mood NOT NULL);
CREATE INDEX orders_user_id_idx ON orders (user_id);
CREATE INDEX orders_status_idx ON orders (status);
CREATE UNIQUE INDEX orders_id_status_idx ON orders (id, status);
ALTER TABLE orders ADD CONSTRAINT orders_total_check CHECK (total > -1000000000) NOT VALID;
CREATE TABLE comments (id bigint PRIMARY KEY, user_id bigint NOT NULL REFERENCES users, body text NOT NULL);
CREATE TABLE tokens (id bigint NOT NULL, value int NOT NULL);
CREATE UNIQUE INDEX tokens_id_idx ON tokens (id);
CREATE TABLE events (id bigint NOT NULL, kind int NOT NULL) PARTITION BY RANGE (id);
CREATE TABLE events_low PARTITION OF events FOR VALUES FROM (MINVALUE) TO (100);
CREATE TABLE events_high PARTITION OF events FOR VALUES FROM (100) TO (MAXVALUE);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER orders_touch BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touch();
-- migrate:down
DROP TABLE events, tokens, comments, orders, users;
DROP FUNCTION touch();
DROP TYPE mood;
