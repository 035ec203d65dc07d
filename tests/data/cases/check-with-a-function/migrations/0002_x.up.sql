CREATE FUNCTION slow_ok(numeric) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ DECLARE n int := 0; BEGIN FOR i IN 1..1000 LOOP n := n + i; END LOOP; RETURN $1 >= 0; END $$;
ALTER TABLE payments ADD CONSTRAINT amount_ok CHECK (slow_ok(amount)) NOT VALID;
