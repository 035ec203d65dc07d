CREATE INDEX IF NOT EXISTS activity_at_idx ON activity (tenant, at);
