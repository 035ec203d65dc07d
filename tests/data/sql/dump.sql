--
-- PostgreSQL database dump
--

\restrict 4kXo9aQ'7

-- Dumped from database version 18.1

SET statement_timeout = 0;
SELECT pg_catalog.set_config('search_path', '', false);

\connect shop

CREATE SCHEMA app;

CREATE FUNCTION app.next_number() RETURNS integer
    LANGUAGE plpgsql
    AS $_$
BEGIN
  RETURN nextval('app.numbers'); -- \. ;
END
$_$;

SET default_table_access_method = heap;

CREATE TABLE app.items (
    id integer NOT NULL,
    name text
);

CREATE SEQUENCE app.items_id_seq
    AS integer
    START WITH 1
    CACHE 1;

ALTER SEQUENCE app.items_id_seq OWNED BY app.items.id;
ALTER TABLE ONLY app.items ALTER COLUMN id SET DEFAULT nextval('app.items_id_seq'::regclass);

COPY app.items (id, name) FROM stdin;
1	it's; a name
2	\N
3	$$ \\. "
\.

COPY app.items (id) FROM stdin;
\.


SELECT pg_catalog.setval('app.items_id_seq', 3, true);
ALTER TABLE ONLY app.items
    ADD CONSTRAINT items_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX items_name_idx ON app.items USING btree (name);
GRANT SELECT ON TABLE app.items TO PUBLIC;
REFRESH MATERIALIZED VIEW app.totals;

\unrestrict 4kXo9aQ'7

