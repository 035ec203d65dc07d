-- down migration
DROP TABLE wheels;
-- UP MIGRATION
CREATE TABLE wheels (id bigint PRIMARY KEY);
