CREATE TABLE notes (id bigint PRIMARY KEY, body text);
--> statement-breakpoint
CREATE INDEX notes_body ON notes (body);
