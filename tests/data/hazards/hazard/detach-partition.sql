-- expect: partition-detached-under-lock
-- migrate:up
ALTER TABLE events DETACH PARTITION events_low;
-- migrate:down
ALTER TABLE events ATTACH PARTITION events_low FOR VALUES FROM (MINVALUE) TO (100);
