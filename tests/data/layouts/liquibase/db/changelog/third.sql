--liquibase formatted sql
--changeset cat:1
ALTER TABLE trees ADD COLUMN lost int;
