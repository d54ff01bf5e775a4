/* sql/multicorn--0.9.0--1.0.0.sql */

-- complain if script is sourced in psql, rather than via ALTER EXTENSION
\echo Use "ALTER EXTENSION multicorn UPDATE TO '1.0.0'" to load this file. \quit

-- There is no script that installs 1.0.0 at once: CREATE EXTENSION runs the one for 0.9.0 and then
-- this one, so that what is new is written once, and an update gives what a fresh install does.

-- What the session has of Python; asking does not start it.
CREATE FUNCTION multicorn_status(
	OUT running boolean, OUT python_version text, OUT executable text, OUT prefix text,
	OUT virtualenv text, OUT package text, OUT started_by text, OUT instances integer,
	OUT python_blocks bigint, OUT postgres_memory bigint, OUT process_memory bigint)
RETURNS record
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT PARALLEL RESTRICTED;

CREATE FUNCTION multicorn_instances(
	OUT foreign_table regclass, OUT user_name text, OUT class text, OUT in_transaction boolean,
	OUT in_use boolean, OUT memory bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT PARALLEL RESTRICTED;

-- Drops the session's instances that are not in use, and tells how many.
CREATE FUNCTION multicorn_reset()
RETURNS integer
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT PARALLEL RESTRICTED;
