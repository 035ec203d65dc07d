CREATE INDEX IF NOT EXISTS activity_1_at_idx ON activity_1 (at) WHERE tenant > 0;
