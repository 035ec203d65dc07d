-- migrate:up transaction:false
ALTER TABLE events DETACH PARTITION events_low CONCURRENTLY;
-- migrate:down transaction:false
-- DETACH … CONCURRENTLY leaves the partition a CHECK of its bound.
ALTER TABLE events ATTACH PARTITION events_low FOR VALUES FROM (MINVALUE) TO (100);
ALTER TABLE events_low DROP CONSTRAINT events_low_id_check;
