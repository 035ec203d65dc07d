ALTER TABLE rocks ADD COLUMN weight int;
