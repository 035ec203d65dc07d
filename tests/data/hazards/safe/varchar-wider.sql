-- migrate:up
ALTER TABLE orders ALTER COLUMN note TYPE varchar(40);
-- migrate:down
ALTER TABLE orders ALTER COLUMN note TYPE varchar(20) USING left(note, 20);
