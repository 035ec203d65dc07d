-- a licence
-- no-transaction
ALTER TABLE customers ADD COLUMN note text;
