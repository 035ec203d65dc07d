-- Time series: ranges, lists, hashes and sub-partitions; inheritance; ranges and multiranges.
CREATE TABLE sites (
    id       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code     text NOT NULL UNIQUE,
    location point NOT NULL,
    network  cidr NOT NULL,
    timezone text NOT NULL DEFAULT 'UTC'
);
CREATE TABLE sensors (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site_id    integer NOT NULL REFERENCES sites,
    kind       text NOT NULL CHECK (kind IN ('temperature', 'humidity', 'pressure')),
    low        double precision NOT NULL,
    high       double precision NOT NULL,
    calibrated int4range NOT NULL,
    quiet      datemultirange,
    CHECK (low < high)
);
CREATE TABLE readings (
    sensor_id   bigint NOT NULL REFERENCES sensors,
    measured_at timestamptz NOT NULL,
    value       real NOT NULL,
    quality     smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (sensor_id, measured_at)
) PARTITION BY RANGE (measured_at);
CREATE TABLE readings_2025_01 PARTITION OF readings FOR VALUES FROM ('2025-01-01 00:00+00') TO ('2025-02-01 00:00+00');
CREATE TABLE readings_2025_02 PARTITION OF readings FOR VALUES FROM ('2025-02-01 00:00+00') TO ('2025-03-01 00:00+00');
CREATE TABLE readings_2025_03 PARTITION OF readings FOR VALUES FROM ('2025-03-01 00:00+00') TO ('2025-04-01 00:00+00');
CREATE INDEX readings_by_time ON readings (measured_at);
CREATE TABLE alarms (
    id        bigint GENERATED ALWAYS AS IDENTITY,
    region    text NOT NULL,
    raised_at timestamptz NOT NULL,
    cleared_at timestamptz,
    message   text NOT NULL,
    PRIMARY KEY (region, id),
    CHECK (cleared_at >= raised_at)
) PARTITION BY LIST (region);
CREATE TABLE alarms_eu PARTITION OF alarms FOR VALUES IN ('eu-west', 'eu-north');
CREATE TABLE alarms_us PARTITION OF alarms FOR VALUES IN ('us') PARTITION BY HASH (id);
CREATE TABLE alarms_us_0 PARTITION OF alarms_us FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE alarms_us_1 PARTITION OF alarms_us FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE logs (
    id   bigint NOT NULL,
    line text NOT NULL
) PARTITION BY HASH (id);
CREATE TABLE logs_0 PARTITION OF logs FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE logs_1 PARTITION OF logs FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE events (id bigint PRIMARY KEY, happened_at timestamptz NOT NULL, at_time time NOT NULL, zone_time timetz);
CREATE TABLE door_events (door integer NOT NULL CHECK (door > 0 AND door < 50)) INHERITS (events);
CREATE INDEX door_events_by_door ON door_events (door, happened_at);
CREATE TABLE maintenance (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sensor_id bigint NOT NULL REFERENCES sensors,
    starts_at timestamptz NOT NULL,
    ends_at   timestamptz NOT NULL,
    EXCLUDE USING gist (tstzrange(starts_at, ends_at) WITH &&)
);
