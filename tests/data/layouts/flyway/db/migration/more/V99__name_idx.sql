CREATE INDEX CONCURRENTLY parts_name ON parts (name);
