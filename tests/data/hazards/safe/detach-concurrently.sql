-- migrate:up transaction:false
ALTER TABLE events DETACH PARTITION events_low CONCURRENTLY;
-- migrate:down transaction:false
ALTER TABLE events ATTACH PARTITION events_low FOR VALUES FROM (MINVALUE) TO (100);
