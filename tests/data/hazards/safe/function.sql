-- migrate:up
CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1';
-- migrate:down
DROP FUNCTION one();
