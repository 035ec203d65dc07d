-- Forms of conditions and uniques, each of which decides what columns hold, and names that say what they hold.
CREATE TABLE sums (id int PRIMARY KEY, net numeric(10,2) NOT NULL, tax numeric(10,2) NOT NULL, total numeric(10,2) NOT NULL,
  starts timestamptz NOT NULL, ends timestamptz NOT NULL, code varchar(8) NOT NULL, lot int NOT NULL,
  CHECK (total = net + tax), CHECK (ends - starts <= interval '7 days'), CHECK (starts < ends),
  CHECK (code = upper(code) AND length(code) = 6), CHECK (lot % 5 = 0));
CREATE TABLE a (id int PRIMARY KEY);
CREATE TABLE pair (a_id int NOT NULL REFERENCES a, b_id int NOT NULL REFERENCES a, CHECK (a_id < b_id), UNIQUE (a_id, b_id));
CREATE FUNCTION plain(t text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT lower(btrim(t)) $$;
CREATE TABLE tagged (id int PRIMARY KEY, a_id int NOT NULL REFERENCES a, name text NOT NULL, doc jsonb NOT NULL,
  CHECK (doc ? 'kind'), CHECK (jsonb_typeof(doc -> 'size') = 'number'), CHECK ((doc ->> 'state') IN ('on', 'off')));
CREATE UNIQUE INDEX tagged_name ON tagged (plain(name));
CREATE UNIQUE INDEX tagged_a ON tagged ((a_id * 2));
CREATE INDEX tagged_source ON tagged ((doc ->> 'source'));
CREATE TYPE hours AS RANGE (subtype = time);
CREATE TABLE shifts (id int PRIMARY KEY, at hours NOT NULL);
-- Names that say what columns hold.
CREATE TABLE items (id int PRIMARY KEY, name text NOT NULL, price numeric(8,2) NOT NULL, image_url text NOT NULL);
CREATE TABLE orders (id int PRIMARY KEY, total numeric(10,2) NOT NULL, created_at timestamptz NOT NULL,
  country text NOT NULL, state text NOT NULL, city text NOT NULL);
CREATE TABLE order_items (id int PRIMARY KEY, order_id int NOT NULL REFERENCES orders, item_id int NOT NULL REFERENCES items,
  position int NOT NULL, unit_price numeric(8,2) NOT NULL, quantity int NOT NULL DEFAULT 1 CHECK (quantity > 0),
  UNIQUE (order_id, position));
CREATE TABLE jobs (id int PRIMARY KEY, state text NOT NULL DEFAULT 'queued', updated_at timestamptz NOT NULL, finished_at timestamptz);
