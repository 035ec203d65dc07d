-- Statements that no server takes, and good ones between them.
SELECT 1;
WRONG 2;
UPDATE accounts SET balance = 0;
CREATE TABLE a (id int,, name text);
ALTER TABLE a DROP;
SELECT 3 SELECT 4;
DELETE FROM {{ .Schema }}.accounts;
SELECT :named;
COMMENT ON TABLE a IS 'good';
CREATE INDEX ON a (id;
SELECT 'in the parentheses that were never closed';
