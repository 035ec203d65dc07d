\set ON_ERROR_STOP on
CREATE TABLE rocks (id bigint PRIMARY KEY, name text);
COPY rocks (id, name) FROM stdin;
1	granite
2	basalt
\.
