-- a comment may stand first
-- migrate:up transaction:false
CREATE INDEX CONCURRENTLY books_title ON books (title);

-- migrate:down transaction:false
DROP INDEX CONCURRENTLY books_title;
