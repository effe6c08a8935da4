-- A role for the API, workers and dispatcher that owns nothing, beside the one that migrates and owns the tables.
-- Run it as the owner, once the schema is there; the role exists already: create role episodes_app login password '…'.
-- Whoever owns the audit log could take its protection away; this role cannot.
grant usage on schema public to episodes_app;
grant select, insert, update, delete on all tables in schema public to episodes_app;
grant usage on all sequences in schema public to episodes_app;
alter default privileges in schema public grant select, insert, update, delete on tables to episodes_app;
alter default privileges in schema public grant usage on sequences to episodes_app;
revoke update, delete, truncate on audit_log, audit_seals from episodes_app;
