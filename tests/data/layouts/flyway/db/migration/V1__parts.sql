CREATE TABLE parts (id bigint PRIMARY KEY, name text);
COMMENT ON TABLE parts IS 'of ${owner}';
