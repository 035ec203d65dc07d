-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX CONCURRENTLY users_name ON users (name); -- later
-- +goose Down
DROP INDEX CONCURRENTLY users_name;
