CREATE INDEX CONCURRENTLY rocks_name ON rocks (name);
ALTER TABLE rocks ADD COLUMN hardness int;
