-- A file of an editor on Windows.
CREATE TABLE a (id int);

CREATE INDEX CONCURRENTLY a_id_idx
    ON a (id); -- one
/* two;
 */
INSERT INTO a VALUES (1),
(2);
