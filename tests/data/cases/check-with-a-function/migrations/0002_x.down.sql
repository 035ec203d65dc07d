ALTER TABLE payments DROP CONSTRAINT amount_ok; DROP FUNCTION slow_ok(numeric);
