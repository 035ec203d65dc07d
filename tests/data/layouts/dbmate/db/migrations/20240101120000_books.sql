-- migrate:up
CREATE TABLE books (id bigint PRIMARY KEY, title text);

-- migrate:down
DROP TABLE books;
