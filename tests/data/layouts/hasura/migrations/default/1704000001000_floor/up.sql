CREATE INDEX rooms_floor ON rooms (floor);
