-- Forms that real schemas have and textbooks do not, one table each: what open-source programs were found to
-- ask of a generator. Must hold nothing that another schema here already has.

-- A configuration table with one row at most.
CREATE TABLE configuration (
    id     serial PRIMARY KEY,
    motto  text NOT NULL DEFAULT '',
    EXCLUDE USING btree ((id * 0) WITH =)
);

-- Unique by another name, for some rows only; and with an expression beside a column.
CREATE TABLE category (
    id     serial PRIMARY KEY,
    name   text NOT NULL,
    code   text,
    active boolean,
    parent integer REFERENCES category,
    EXCLUDE USING btree (name WITH =, COALESCE(parent, -1) WITH =),
    EXCLUDE USING btree (NULLIF(code, '') WITH =) WHERE (active = true)
);

-- Bookkeeping: one side is zero, and a second currency has the sign of the difference.
CREATE TABLE move_line (
    id              serial PRIMARY KEY,
    debit           numeric(12,2) NOT NULL,
    credit          numeric(12,2) NOT NULL,
    second_currency numeric(12,2),
    CHECK (credit * debit = 0),
    CHECK (COALESCE(second_currency, 0) * (debit - credit) >= 0)
);

-- Exactly one of two, where '' counts as nothing; sums that must stay unknown; flags that exclude each other.
CREATE TABLE follower (
    id     serial PRIMARY KEY,
    member integer REFERENCES category,
    email  text,
    early  integer,
    late   integer,
    muted  boolean,
    loud   boolean,
    CHECK ((member IS NULL AND NULLIF(email, '') IS NOT NULL) OR (member IS NOT NULL AND NULLIF(email, '') IS NULL)),
    CHECK ((early + late) IS NULL),
    CHECK (NOT (muted = true AND loud = true))
);
CREATE UNIQUE INDEX ON follower (email);

-- References kept as text: an index computes a number of them.
CREATE TABLE attachment (
    id       serial PRIMARY KEY,
    resource varchar NOT NULL,
    origin   varchar
);
CREATE INDEX ON attachment (((substring(origin FROM position(',' IN origin) + 1))::integer)) WHERE origin IS NOT NULL;
CREATE UNIQUE INDEX ON attachment (resource);
CREATE INDEX ON attachment (((substring(resource FROM position(',' IN resource) + 1))::integer));

-- Domains that allow NULL in columns that do not.
CREATE DOMAIN digest20 AS bytea CHECK (VALUE IS NULL OR octet_length(VALUE) = 20);
CREATE DOMAIN counted AS bigint CHECK (VALUE IS NULL OR 0 <= VALUE);
CREATE TABLE host (
    id          digest20 PRIMARY KEY,
    parent      digest20 REFERENCES host,
    checksum    digest20 NOT NULL,
    changed     counted NOT NULL,
    seen        counted,
    checked     counted,
    notified    counted,
    escalated   counted,
    recovered   counted
);

-- A key with a constant default, referred to by others; its parts are unique by themselves further down.
CREATE TABLE asset (
    workspace varchar(63) NOT NULL DEFAULT 'default',
    name      text NOT NULL,
    uri       text NOT NULL,
    PRIMARY KEY (name, uri)
);
CREATE TABLE run (
    dag       text NOT NULL,
    map_index integer NOT NULL DEFAULT -1,
    PRIMARY KEY (dag, map_index)
);
CREATE TABLE run_note (
    id        serial PRIMARY KEY,
    dag       text NOT NULL,
    map_index integer NOT NULL,
    FOREIGN KEY (dag, map_index) REFERENCES run
);
CREATE TABLE asset_active (
    name text NOT NULL UNIQUE,
    uri  text NOT NULL UNIQUE,
    FOREIGN KEY (name, uri) REFERENCES asset
);

-- One live row per parent, deleted ones beside it; a default one per parent.
CREATE TABLE customer (id text PRIMARY KEY);
CREATE TABLE cart (
    id          text PRIMARY KEY,
    customer_id text NOT NULL REFERENCES customer,
    deleted_at  timestamptz
);
CREATE UNIQUE INDEX ON cart (customer_id) WHERE deleted_at IS NULL;
CREATE TABLE address (
    id          text PRIMARY KEY,
    customer_id text NOT NULL REFERENCES customer,
    is_default  boolean NOT NULL DEFAULT false,
    is_billing  boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX ON address (customer_id) WHERE is_default IS TRUE;
CREATE UNIQUE INDEX ON address (customer_id) WHERE (is_billing = true);

-- Three uniques that share a column.
CREATE TABLE answer (
    id       serial PRIMARY KEY,
    question integer NOT NULL REFERENCES category,
    cart_id  text REFERENCES cart,
    owner_id text REFERENCES customer,
    UNIQUE (cart_id, question),
    UNIQUE (owner_id, question)
);

-- Locks whose keys are made from one another: nothing can be there to begin with.
CREATE TABLE lock_mode (
    name text NOT NULL, kind text NOT NULL, token text NOT NULL,
    UNIQUE (name, kind), UNIQUE (name, kind, token)
);
CREATE TABLE lock_held (
    name text NOT NULL, kind text NOT NULL, token text NOT NULL,
    UNIQUE (name, kind, token),
    FOREIGN KEY (name, kind) REFERENCES lock_mode (name, kind)
);
ALTER TABLE lock_mode ADD FOREIGN KEY (name, kind, token) REFERENCES lock_held (name, kind, token) DEFERRABLE INITIALLY DEFERRED;

-- No partition yet, and a table that refers to it.
CREATE TABLE execution (
    id         bigint NOT NULL,
    started_at timestamptz NOT NULL,
    PRIMARY KEY (id, started_at)
) PARTITION BY RANGE (started_at);
CREATE TABLE execution_log (
    id           serial PRIMARY KEY,
    execution_id bigint,
    started_at   timestamptz,
    FOREIGN KEY (execution_id, started_at) REFERENCES execution
);

-- What begins before it ends, and may not have ended; what was changed after it was made.
CREATE TABLE event (
    id         serial PRIMARY KEY,
    date_from  timestamptz NOT NULL,
    date_to    timestamptz,
    sale_start date,
    sale_end   date,
    created_at timestamptz,
    updated_at timestamptz
);

-- Two texts that must differ.
CREATE TABLE number_format (
    id            serial PRIMARY KEY,
    decimal_point varchar NOT NULL,
    thousands_sep varchar(12),
    CHECK (decimal_point <> thousands_sep)
);
