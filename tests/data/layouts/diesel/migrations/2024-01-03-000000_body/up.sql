ALTER TABLE posts ADD COLUMN body text;
ALTER TABLE posts ADD COLUMN draft boolean;
