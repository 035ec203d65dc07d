ALTER TABLE todos ADD COLUMN title text;
