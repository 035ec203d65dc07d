ALTER TABLE payments ALTER COLUMN provider_ref TYPE varchar(40);
