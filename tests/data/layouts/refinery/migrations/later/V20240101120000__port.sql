ALTER TABLE ships ADD COLUMN port text;
