-- The option "wrapper": which class answers for a foreign table.
\getenv srcdir PG_ABS_SRCDIR
\i :srcdir/setup.sql

-- The server's class answers for all its tables, unless a table names one itself.
CREATE SERVER srv FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'given.Options');
CREATE FOREIGN TABLE by_server (name text, value text) SERVER srv;
CREATE FOREIGN TABLE by_table (name text, value text) SERVER srv
    OPTIONS (wrapper 'given.Options.Inner');
SELECT * FROM by_server;
SELECT * FROM by_table;

-- Options can change any time.
ALTER FOREIGN TABLE by_table OPTIONS (SET wrapper 'given.Options', ADD place 'here');
SELECT * FROM by_table;
ALTER FOREIGN TABLE by_table OPTIONS (DROP wrapper);
ALTER SERVER srv OPTIONS (SET wrapper 'given.Options.Inner');
SELECT * FROM by_table;
ALTER FOREIGN TABLE by_table OPTIONS (ADD wrapper 'given.Options');
SELECT * FROM by_table;

-- A foreign data wrapper of one's own fixes the class for everything below it: USAGE on it gives
-- no choice of code, whatever servers and tables say.
CREATE FOREIGN DATA WRAPPER fixed HANDLER multicorn_handler VALIDATOR multicorn_validator
    OPTIONS (wrapper 'given.Options');
CREATE SERVER fixed_srv FOREIGN DATA WRAPPER fixed OPTIONS (wrapper 'given.Options.Inner');
CREATE FOREIGN TABLE by_fdw (name text, value text) SERVER fixed_srv
    OPTIONS (wrapper 'given.Options.Inner', place 'table');
SELECT * FROM by_fdw;
ALTER FOREIGN DATA WRAPPER fixed OPTIONS (DROP wrapper);
SELECT * FROM by_fdw;
ALTER FOREIGN DATA WRAPPER fixed OPTIONS (ADD wrapper 'given.Options');
SELECT * FROM by_fdw;

-- The extension's own foreign data wrapper has no options.
SELECT fdwoptions IS NULL AS none FROM pg_foreign_data_wrapper WHERE fdwname = 'multicorn';

-- PostgreSQL checks the options of one object at a time, so that a table without a class anywhere
-- is found out at its first use.
CREATE SERVER none_srv FOREIGN DATA WRAPPER multicorn;
CREATE FOREIGN TABLE "without class" (a int) SERVER none_srv OPTIONS (other 'x');
SELECT * FROM "without class";
\echo :LAST_ERROR_SQLSTATE
ALTER SERVER none_srv OPTIONS (ADD wrapper 'multicorn.constantfdw.ConstantForeignDataWrapper');
SELECT count(*) FROM "without class";

-- A path has a module, a dot and a class: anything else is refused when it is set.
CREATE FOREIGN TABLE bad (a int) SERVER none_srv OPTIONS (wrapper 'Options');
\echo :LAST_ERROR_SQLSTATE
CREATE FOREIGN TABLE bad (a int) SERVER none_srv OPTIONS (wrapper '');
CREATE FOREIGN TABLE bad (a int) SERVER none_srv OPTIONS (wrapper '.Options');
CREATE FOREIGN TABLE bad (a int) SERVER none_srv OPTIONS (wrapper 'given.');
CREATE SERVER bad FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'Options');
ALTER SERVER srv OPTIONS (SET wrapper 'Options');
CREATE FOREIGN DATA WRAPPER bad HANDLER multicorn_handler VALIDATOR multicorn_validator
    OPTIONS (wrapper 'Options');

-- A class that cannot be had is a WARNING when it is named, since a restore must work before the
-- module is installed, and an error when it is used.
\set VERBOSITY terse
CREATE FOREIGN TABLE missing_class (a int) SERVER srv OPTIONS (wrapper 'given.Option');
CREATE FOREIGN TABLE missing_module (a int) SERVER srv OPTIONS (wrapper 'no_such_module.Class');
CREATE FOREIGN TABLE no_class (a int) SERVER srv OPTIONS (wrapper 'given.A_NUMBER');
CREATE FOREIGN TABLE a_function (a int) SERVER srv OPTIONS (wrapper 'given.a_function');
CREATE FOREIGN TABLE a_module (a int) SERVER srv OPTIONS (wrapper 'multicorn.utils');
CREATE FOREIGN TABLE no_name (a int) SERVER srv OPTIONS (wrapper 'given..Options');
CREATE FOREIGN TABLE no_python (a int) SERVER srv OPTIONS (wrapper 'given.Op tions');
CREATE SERVER missing_srv FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'given.Option');
ALTER FOREIGN TABLE missing_class OPTIONS (SET wrapper 'given.Opt');
CREATE FOREIGN DATA WRAPPER missing_fdw HANDLER multicorn_handler VALIDATOR multicorn_validator
    OPTIONS (wrapper 'given.Option');
SELECT * FROM missing_class;
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM missing_module;
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM no_class;
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM a_function;
SELECT * FROM a_module;
SELECT * FROM no_python;
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY default

-- The class may come later.
ALTER FOREIGN TABLE missing_class OPTIONS (SET wrapper 'given.Options.Inner');
SELECT count(*) FROM missing_class;

-- A misspelt class: what was meant is shown.
SET client_min_messages = error;
DO $$
DECLARE
    hint text;
BEGIN
    ALTER FOREIGN TABLE missing_class OPTIONS (SET wrapper 'given.Optoins');
    PERFORM * FROM missing_class;
EXCEPTION WHEN undefined_object THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RAISE INFO '%', hint;
END $$;
RESET client_min_messages;

-- A class is chosen for a table or a server, not by the user or for a column.
CREATE USER MAPPING FOR CURRENT_USER SERVER srv OPTIONS (wrapper 'given.Options');
\echo :LAST_ERROR_SQLSTATE
CREATE FOREIGN TABLE bad (a int OPTIONS (wrapper 'given.Options')) SERVER srv;
ALTER FOREIGN TABLE by_table ALTER name OPTIONS (ADD wrapper 'given.Options');

-- All other names are the wrapper's business, but for those of a foreign data wrapper, which
-- nothing would read.
ALTER FOREIGN DATA WRAPPER multicorn OPTIONS (ADD host 'example.org');
\echo :LAST_ERROR_SQLSTATE
CREATE FOREIGN DATA WRAPPER bad HANDLER multicorn_handler VALIDATOR multicorn_validator
    OPTIONS (wrapper 'given.Options', host 'example.org');

-- A column's option value_form has two values.
ALTER FOREIGN TABLE by_table ALTER name OPTIONS (ADD value_form 'binary');
ALTER FOREIGN TABLE by_table ALTER name OPTIONS (ADD value_form 'text');
ALTER FOREIGN TABLE by_table ALTER name OPTIONS (SET value_form 'native');

-- Settings that do not exist are refused.
SET multicorn.pythonpath = '/tmp';

SET client_min_messages = warning;
DROP FOREIGN DATA WRAPPER fixed CASCADE;
DROP FOREIGN DATA WRAPPER missing_fdw;
DROP SERVER srv, none_srv, missing_srv CASCADE;
