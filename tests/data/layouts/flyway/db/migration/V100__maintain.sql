ANALYZE parts;
