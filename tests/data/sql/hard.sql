-- Where a statement ends is easy to get wrong; every statement here is one that PostgreSQL 14 to 18 accept.
/* A comment; /* nested; */ still one; */
CREATE TABLE accounts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- the key; not more
    "Owner; name" text NOT NULL DEFAULT 'it''s; fine' CHECK ("Owner; name" <> E'\'; --'),
    balance numeric(12, 2) NOT NULL DEFAULT 0,
    tags text[] DEFAULT ARRAY['a', $tag$;$tag$]::text[],
    total numeric GENERATED ALWAYS AS (balance * 2) STORED,
    CONSTRAINT accounts_owner_key UNIQUE ("Owner; name"),
    EXCLUDE USING gist (id WITH =)
) PARTITION BY RANGE (id);;

CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    EXECUTE 'UPDATE accounts SET balance = 0; --';
    RETURN NEW; -- $$ ;
END;
$body$;

CREATE OR REPLACE PROCEDURE settle(amount numeric)
BEGIN ATOMIC
    UPDATE accounts SET balance = CASE WHEN balance > amount THEN balance - amount ELSE 0 END;
    INSERT INTO log (what) SELECT CASE id WHEN 1 THEN (CASE WHEN true THEN 'a' END) END FROM accounts AS "end";
END;

CREATE RULE keep AS ON DELETE TO accounts DO INSTEAD (
    UPDATE accounts SET balance = 0 WHERE id = OLD.id;
    NOTIFY accounts
);

SELECT E'one'
    'two\'; still one', U&'d\0061t\+000061;' UESCAPE '!', B'01', X'1F', N'n;', $1, $$;$$ || $a$ $$; $a$;
CREATE INDEX CONCURRENTLY IF NOT EXISTS accounts_lower_idx ON ONLY accounts (lower("Owner; name") text_pattern_ops DESC)
    WHERE balance > 0;
ALTER TABLE accounts ADD FOREIGN KEY (id) REFERENCES owners NOT VALID, ALTER balance TYPE bigint USING balance::bigint;
WITH gone AS (DELETE FROM accounts WHERE id = ANY (ARRAY[1, 2]) RETURNING *) SELECT count(*) FROM gone;
DO $do$ BEGIN PERFORM 1; END; $do$;
MERGE INTO accounts a USING news n ON a.id = n.id WHEN MATCHED THEN UPDATE SET balance = 1 WHEN NOT MATCHED THEN DO NOTHING;
BEGIN; SAVEPOINT s; COMMIT;
SELECT a[1:2], b -- the end of the file ends it; no semicolon
