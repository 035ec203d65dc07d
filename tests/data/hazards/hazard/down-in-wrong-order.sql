-- expect: down-fails
-- migrate:up
CREATE TABLE parents (id bigint PRIMARY KEY);
CREATE TABLE children (id bigint REFERENCES parents);
-- migrate:down
DROP TABLE parents;
DROP TABLE children;
