-- Billing: enums, domains, composite types, jsonb, deferred constraints, a materialized view, row-level security.
CREATE SCHEMA billing;
CREATE TYPE billing.plan_interval AS ENUM ('month', 'year');
CREATE TYPE billing.address AS (street text, city text, zip varchar(10), country char(2));
CREATE DOMAIN billing.email AS text CHECK (VALUE ~ '^[^@ ]+@[^@ ]+\.[a-z]+$');
CREATE DOMAIN billing.currency AS char(3) NOT NULL CHECK (VALUE IN ('USD', 'EUR', 'GBP'));
CREATE DOMAIN billing.positive_amount AS numeric(14, 2) CHECK (VALUE > 0);
CREATE DOMAIN billing.percentage AS numeric(5, 2) CHECK (VALUE >= 0 AND VALUE <= 100);
CREATE TABLE billing.countries (code char(2) PRIMARY KEY, name text NOT NULL, vat billing.percentage NOT NULL);
INSERT INTO billing.countries VALUES ('DE', 'Germany', 19), ('FR', 'France', 20), ('US', 'United States', 0);
CREATE TABLE billing.accounts (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    number     varchar(12) NOT NULL UNIQUE CHECK (number ~ '^AC-[0-9]{6}$'),
    email      billing.email NOT NULL UNIQUE,
    country    char(2) NOT NULL REFERENCES billing.countries,
    address    billing.address,
    credit     money NOT NULL DEFAULT 0,
    settings   jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(settings) = 'object'),
    created_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE billing.accounts ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON billing.accounts USING (email = current_user);
CREATE TABLE billing.plans (
    id        serial PRIMARY KEY,
    code      text NOT NULL UNIQUE CHECK (code = lower(code)),
    every     billing.plan_interval NOT NULL,
    price     billing.positive_amount NOT NULL,
    currency  billing.currency,
    trial     interval NOT NULL DEFAULT '14 days',
    features  text[] NOT NULL CHECK (cardinality(features) <= 10)
);
CREATE TABLE billing.subscriptions (
    id         bigserial PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES billing.accounts DEFERRABLE INITIALLY DEFERRED,
    plan_id    integer NOT NULL REFERENCES billing.plans,
    period     daterange NOT NULL,
    starts_on  date NOT NULL,
    ends_on    date,
    state      text NOT NULL CHECK (state IN ('trial', 'active', 'past_due', 'ended')),
    ended_at   timestamptz,
    CHECK (ends_on > starts_on),
    CHECK (state <> 'ended' OR ended_at IS NOT NULL),
    CHECK (ended_at IS NULL OR state = 'ended')
);
CREATE UNIQUE INDEX one_trial ON billing.subscriptions (account_id) WHERE state = 'trial';
CREATE TABLE billing.invoices (
    id              bigserial PRIMARY KEY,
    subscription_id bigint NOT NULL REFERENCES billing.subscriptions,
    number          text NOT NULL UNIQUE,
    net             billing.positive_amount NOT NULL,
    tax             numeric(14, 2) NOT NULL CHECK (tax >= 0),
    gross           numeric(14, 2) GENERATED ALWAYS AS (net + tax) STORED,
    due_on          date NOT NULL,
    paid_at         timestamptz,
    voided_at       timestamptz,
    memo            xml,
    CHECK (num_nonnulls(paid_at, voided_at) <= 1)
);
CREATE TABLE billing.payment_sources (
    id           bigserial PRIMARY KEY,
    account_id   uuid NOT NULL REFERENCES billing.accounts,
    card_last4   char(4) CHECK (card_last4 ~ '^[0-9]{4}$'),
    iban         varchar(34),
    is_default   boolean NOT NULL DEFAULT false,
    fingerprint  bytea NOT NULL UNIQUE,
    CONSTRAINT one_kind CHECK (num_nonnulls(card_last4, iban) = 1)
);
CREATE UNIQUE INDEX one_default ON billing.payment_sources (account_id) WHERE is_default;
CREATE MATERIALIZED VIEW billing.revenue AS
SELECT currency, sum(net) AS net FROM billing.invoices i JOIN billing.subscriptions s ON s.id = i.subscription_id
JOIN billing.plans p ON p.id = s.plan_id GROUP BY currency;
