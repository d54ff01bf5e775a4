-- What a wrapper says reaches the client as a message of PostgreSQL.
\getenv srcdir PG_ABS_SRCDIR
\i :srcdir/setup.sql

CREATE SERVER srv FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'sayings.Saying');
CREATE FOREIGN TABLE saying (n int) SERVER srv OPTIONS (what 'nothing');
CREATE FUNCTION say(what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER FOREIGN TABLE saying OPTIONS (SET what %L)', what);
    PERFORM * FROM saying;
END $$;
\pset tuples_only on
\pset null '(said)'

-- log_to_postgres: the levels are those of the module logging.
CREATE FOREIGN TABLE levels (n text) SERVER srv OPTIONS (wrapper 'sayings.Levels');
SELECT * FROM levels;
SELECT say('levels');
SET client_min_messages = warning;
SELECT say('levels');
SET client_min_messages = error;
SELECT say('levels');
RESET client_min_messages;
-- A debug message has PostgreSQL's level DEBUG1. (PostgreSQL has nothing to say of its own there.)
BEGIN;
SELECT FROM saying LIMIT 0;
SET LOCAL client_min_messages = debug1;
SELECT FROM saying;
COMMIT;
SELECT say('in_between');
SELECT say('hints');

-- The message may be any object.
SELECT say('objects');

-- ERROR raises; it ends the query unless the wrapper catches it.
SELECT say('error');
\echo :LAST_ERROR_SQLSTATE
SELECT say('caught_error');
SELECT say('no_level');

-- Records of logging, of any logger; they never raise. The root logger stays at WARNING.
SELECT say('records');
SELECT say('bad_records');
SELECT say('chosen_level');

-- warnings; the detail, which is left out here, says where.
\set VERBOSITY terse
SELECT say('cautions');
SELECT say('cautions_as_errors');
\set VERBOSITY default

-- print, line by line; what is not ended by a newline is sent when the wrapper's method returns.
SELECT say('prints');
SELECT say('nothing');

-- From each method.
CREATE FOREIGN TABLE everywhere (n int) SERVER srv OPTIONS (wrapper 'sayings.Everywhere');
SELECT * FROM everywhere;
SELECT * FROM everywhere LIMIT 1;
SELECT count(*) FROM everywhere;
ALTER FOREIGN TABLE everywhere OPTIONS (ADD changed '1');
SELECT * FROM everywhere LIMIT 1;

SET client_min_messages = warning;
DROP SERVER srv CASCADE;
DROP FUNCTION say;
