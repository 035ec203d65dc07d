CREATE TABLE t (id int PRIMARY KEY, n int[]);

CREATE DOMAIN small AS int CHECK (VALUE > 0 AND VALUE < 50);
CREATE TYPE part AS (n int, weights int2[], took interval, day date, small small);
CREATE TYPE hours AS RANGE (subtype = time);
CREATE TABLE kinds (
  id int PRIMARY KEY, a int2[], b int8[] NOT NULL, c numeric[], d numeric(3, 1)[], e small[] NOT NULL, f date[], g interval[], h money[], i oid[],
  p part NOT NULL, q part[], r int[] UNIQUE NOT NULL, s int[] NOT NULL CHECK (cardinality(s) BETWEEN 2 AND 3), t hours NOT NULL, u int4range[]
);
