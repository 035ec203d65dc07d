-- expect: table-rewritten
-- migrate:up transaction:false
VACUUM FULL orders;
-- migrate:down transaction:false
SELECT 1;
