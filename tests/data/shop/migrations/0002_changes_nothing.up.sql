COMMENT ON TABLE payments IS 'what users paid';
