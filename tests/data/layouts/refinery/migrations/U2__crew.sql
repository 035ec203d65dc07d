ALTER TABLE ships ADD COLUMN crew int;
