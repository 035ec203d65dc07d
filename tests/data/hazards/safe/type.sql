-- migrate:up
CREATE TYPE colour AS ENUM ('red', 'blue');
-- migrate:down
DROP TYPE colour;
