ALTER TABLE parts ADD COLUMN weight numeric;
