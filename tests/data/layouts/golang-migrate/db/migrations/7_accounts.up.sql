CREATE TABLE accounts (id bigint PRIMARY KEY, balance numeric NOT NULL);
CREATE INDEX ON accounts (balance);
