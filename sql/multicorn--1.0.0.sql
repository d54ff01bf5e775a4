/* sql/multicorn--1.0.0.sql */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION multicorn" to load this file. \quit

CREATE FUNCTION multicorn_handler()
RETURNS fdw_handler
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT;

CREATE FUNCTION multicorn_validator(text[], oid)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT;

CREATE FOREIGN DATA WRAPPER multicorn
	HANDLER multicorn_handler
	VALIDATOR multicorn_validator;

-- A remote PostgreSQL. Its servers, mappings and tables take the options of postgres_fdw.
CREATE FUNCTION multicorn_postgres_validator(text[], oid)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT;

CREATE FOREIGN DATA WRAPPER multicorn_postgres
	HANDLER multicorn_handler
	VALIDATOR multicorn_postgres_validator
	OPTIONS (wrapper 'multicorn.postgresfdw.PostgresFdw');

-- The connections of this session to remote PostgreSQL servers.
CREATE FUNCTION multicorn_postgres_get_connections(
	OUT server_name text, OUT user_name text, OUT valid boolean, OUT used_in_xact boolean,
	OUT closed boolean, OUT remote_backend_pid int4)
RETURNS SETOF record
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT PARALLEL RESTRICTED;

CREATE FUNCTION multicorn_postgres_disconnect(server_name text)
RETURNS boolean
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT PARALLEL RESTRICTED;

CREATE FUNCTION multicorn_postgres_disconnect_all()
RETURNS boolean
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT PARALLEL RESTRICTED;

-- The remote PostgreSQL servers whose rows the last statement has left out: see on_unreachable.
CREATE FUNCTION multicorn_skipped(
	OUT server_name text, OUT message text, OUT since timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT PARALLEL RESTRICTED;
