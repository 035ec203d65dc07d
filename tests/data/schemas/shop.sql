-- A shop for many tenants: composite keys that share the tenant, positions within a parent, an EXCLUDE.
CREATE TYPE order_status AS ENUM ('cart', 'placed', 'paid', 'shipped', 'returned');
CREATE TABLE tenants (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subdomain  varchar(40) NOT NULL UNIQUE CHECK (subdomain ~ '^[a-z][a-z0-9]{5,20}$'),
    name       text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE customers (
    tenant_id  bigint NOT NULL REFERENCES tenants ON DELETE CASCADE,
    id         bigint NOT NULL,
    email      text NOT NULL,
    phone      varchar(20),
    vip        boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    CHECK (deleted_at IS NULL OR deleted_at >= created_at)
);
CREATE UNIQUE INDEX customers_email ON customers (tenant_id, lower(email)) WHERE deleted_at IS NULL;
COMMENT ON INDEX customers_email IS 'one account for an address';
CREATE TABLE products (
    tenant_id  bigint NOT NULL REFERENCES tenants ON DELETE CASCADE,
    id         bigint NOT NULL,
    sku        varchar(12) NOT NULL,
    title      text NOT NULL CHECK (length(title) BETWEEN 3 AND 80),
    price      numeric(10, 2) NOT NULL CHECK (price > 0),
    list_price numeric(10, 2) NOT NULL,
    stock      integer NOT NULL DEFAULT 0 CHECK (stock >= 0),
    tags       text[] NOT NULL DEFAULT '{}',
    search     tsvector GENERATED ALWAYS AS (to_tsvector('simple', title)) STORED,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, sku),
    CONSTRAINT list_price_is_not_below CHECK (list_price >= price)
);
CREATE INDEX products_search ON products USING gin (search);
CREATE TABLE orders (
    tenant_id   bigint NOT NULL REFERENCES tenants,
    id          bigint NOT NULL,
    customer_id bigint NOT NULL,
    status      order_status NOT NULL DEFAULT 'cart',
    total       numeric(12, 2) NOT NULL DEFAULT 0 CHECK (total >= 0),
    placed_at   timestamptz,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id),
    CONSTRAINT placed_when_past_the_cart CHECK ((status = 'cart') = (placed_at IS NULL))
);
CREATE INDEX orders_by_customer ON orders (tenant_id, customer_id, created_at DESC);
CREATE TABLE order_lines (
    tenant_id  bigint NOT NULL,
    order_id   bigint NOT NULL,
    line_no    smallint NOT NULL CHECK (line_no > 0),
    product_id bigint NOT NULL,
    quantity   integer NOT NULL CHECK (quantity BETWEEN 1 AND 99),
    unit_price numeric(10, 2) NOT NULL,
    PRIMARY KEY (tenant_id, order_id, line_no),
    FOREIGN KEY (tenant_id, order_id) REFERENCES orders (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, product_id) REFERENCES products (tenant_id, id)
);
CREATE TABLE price_periods (
    tenant_id  bigint NOT NULL,
    product_id bigint NOT NULL,
    during     tstzrange NOT NULL,
    price      numeric(10, 2) NOT NULL CHECK (price > 0),
    FOREIGN KEY (tenant_id, product_id) REFERENCES products (tenant_id, id),
    EXCLUDE USING gist (during WITH &&)
);
CREATE TABLE wishes (
    tenant_id   bigint NOT NULL,
    customer_id bigint NOT NULL,
    product_id  bigint NOT NULL,
    PRIMARY KEY (tenant_id, customer_id, product_id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id),
    FOREIGN KEY (tenant_id, product_id) REFERENCES products (tenant_id, id)
);
