ALTER TABLE posts ADD COLUMN tags text[];
