ALTER TABLE notes ADD COLUMN lost text;
