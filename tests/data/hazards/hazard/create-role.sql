-- expect: cluster-wide-object
-- migrate:up
CREATE ROLE hazard_role;
-- migrate:down
DROP ROLE hazard_role;
