COMMIT;
--> statement-breakpoint
CREATE INDEX CONCURRENTLY notes_id ON notes (id, body);
