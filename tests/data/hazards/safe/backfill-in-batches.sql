-- migrate:up transaction:false
UPDATE orders SET note = 'x' WHERE id BETWEEN 1 AND 20 AND note IS DISTINCT FROM 'x';
-- migrate:down transaction:false
SELECT 1;
