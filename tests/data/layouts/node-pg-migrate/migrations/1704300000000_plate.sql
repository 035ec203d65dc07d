CREATE INDEX cars_plate ON cars (plate);
