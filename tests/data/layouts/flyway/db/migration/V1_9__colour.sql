ALTER TABLE parts ADD COLUMN colour text;
