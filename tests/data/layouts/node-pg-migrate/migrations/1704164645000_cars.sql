-- Up Migration
CREATE TABLE cars (id bigint PRIMARY KEY, plate text);

-- Down Migration
DROP TABLE cars;
