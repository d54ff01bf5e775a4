-- Who may do what, role by role; and that nobody sees another's user mapping.
\getenv srcdir PG_ABS_SRCDIR
\i :srcdir/setup.sql
SET client_min_messages = error;
DROP ROLE IF EXISTS regress_none, regress_fdw, regress_server, regress_owner, regress_reader,
    regress_programmer, regress_super;
RESET client_min_messages;
CREATE SCHEMA rights;
SET search_path = rights, public;

-- Those who want something: a role without any right; one with USAGE on the foreign data wrapper;
-- one with USAGE on servers; one that owns a foreign table and nothing else; one that may read a
-- view of a superuser's; a member of pg_execute_server_program that has all of these; a superuser.
CREATE ROLE regress_none;
CREATE ROLE regress_fdw;
CREATE ROLE regress_server;
CREATE ROLE regress_owner;
CREATE ROLE regress_reader;
CREATE ROLE regress_programmer IN ROLE pg_execute_server_program;
CREATE ROLE regress_super SUPERUSER;
GRANT USAGE, CREATE ON SCHEMA rights TO PUBLIC;

CREATE SERVER classy FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'given.Options');
CREATE SERVER plain FOREIGN DATA WRAPPER multicorn;
CREATE FOREIGN DATA WRAPPER fixed HANDLER multicorn_handler VALIDATOR multicorn_validator
    OPTIONS (wrapper 'given.Options');
CREATE FOREIGN TABLE of_super (name text, value text) SERVER classy;
CREATE FOREIGN TABLE of_owner (name text, value text) SERVER classy;
ALTER FOREIGN TABLE of_owner OWNER TO regress_owner;
CREATE VIEW view_of_super AS SELECT * FROM of_super;
GRANT USAGE ON FOREIGN DATA WRAPPER multicorn, fixed TO regress_fdw, regress_programmer;
GRANT USAGE ON FOREIGN SERVER classy, plain TO regress_server, regress_programmer;
GRANT SELECT ON view_of_super TO regress_reader;

-- Tries a statement as a role, and takes it back. "yes" if it may, "-" if that is denied, else why
-- it fails.
CREATE FUNCTION attempt(who text, statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SET LOCAL ROLE %I', who);
    EXECUTE statement;
    RAISE SQLSTATE 'MC000';
EXCEPTION
    WHEN SQLSTATE 'MC000' THEN RETURN 'yes';
    WHEN insufficient_privilege THEN RETURN '-';
    WHEN OTHERS THEN RETURN SQLSTATE;
END $$;

CREATE TABLE attempts (number serial, what text, statement text);
INSERT INTO attempts (what, statement) VALUES
    ('class on a new FDW', $$CREATE FOREIGN DATA WRAPPER w HANDLER multicorn_handler OPTIONS (wrapper 'given.Options')$$),
    ('class on a new server', $$CREATE SERVER s FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'given.Options')$$),
    ('new server', $$CREATE SERVER s FOREIGN DATA WRAPPER multicorn$$),
    ('new server, class fixed', $$CREATE SERVER s FOREIGN DATA WRAPPER fixed$$),
    ('class on a server', $$ALTER SERVER plain OPTIONS (ADD wrapper 'given.Options')$$),
    ('class on a new table', $$CREATE FOREIGN TABLE t (a int) SERVER plain OPTIONS (wrapper 'given.Options')$$),
    ('new table of a class', $$CREATE FOREIGN TABLE t (name text, value text) SERVER classy$$),
    ('other class on it', $$CREATE FOREIGN TABLE t (a int) SERVER classy OPTIONS (wrapper 'given.Home')$$),
    ('class in IMPORT', $$IMPORT FOREIGN SCHEMA x FROM SERVER plain INTO rights OPTIONS (wrapper 'schemas.Library')$$),
    ('class on the owned table', $$ALTER FOREIGN TABLE of_owner OPTIONS (ADD wrapper 'given.Home')$$),
    ('class by the validator', $$SELECT multicorn_validator(ARRAY['wrapper=given.Options'], 'pg_foreign_server'::regclass)$$),
    ('FDW''s class by the validator', $$SELECT multicorn_postgres_validator(ARRAY['wrapper=given.Options'], 'pg_foreign_data_wrapper'::regclass)$$),
    ('option on the owned table', $$ALTER FOREIGN TABLE of_owner OPTIONS (ADD path '/etc/passwd')$$),
    ('read the owned table', $$SELECT * FROM of_owner$$),
    ('read a table', $$SELECT * FROM of_super$$),
    ('EXPLAIN it', $$EXPLAIN SELECT * FROM of_super$$),
    ('EXPLAIN ANALYZE it', $$EXPLAIN ANALYZE SELECT * FROM of_super$$),
    ('ANALYZE of the owned table', $$ANALYZE of_owner$$),
    ('read the view', $$SELECT * FROM view_of_super$$),
    ('own mapping', $$CREATE USER MAPPING FOR CURRENT_USER SERVER classy OPTIONS (who 'me')$$),
    ('mapping of another', $$CREATE USER MAPPING FOR regress_none SERVER classy OPTIONS (who 'me')$$),
    ('mapping of PUBLIC', $$CREATE USER MAPPING FOR PUBLIC SERVER classy OPTIONS (who 'me')$$),
    ('SET allowed_wrappers', $$SET LOCAL multicorn.allowed_wrappers = '*'$$),
    ('SET python_path', $$SET LOCAL multicorn.python_path = '/tmp'$$),
    ('SET virtualenv', $$SET LOCAL multicorn.virtualenv = ''$$),
    ('SET show_traceback', $$SET LOCAL multicorn.show_traceback = on$$),
    ('SET cleanup_timeout', $$SET LOCAL multicorn.cleanup_timeout = 1$$),
    ('ALTER ROLE SET', $$ALTER ROLE CURRENT_USER SET multicorn.python_path = '/tmp'$$),
    ('function with SET', $$CREATE FUNCTION f() RETURNS int LANGUAGE sql SET multicorn.allowed_wrappers = '*' AS 'SELECT 1'; SELECT f()$$),
    ('multicorn_status', $$SELECT * FROM multicorn_status()$$),
    ('multicorn_instances', $$SELECT * FROM multicorn_instances()$$),
    ('multicorn_reset', $$SELECT multicorn_reset()$$),
    ('pg_user_mapping', $$SELECT * FROM pg_user_mapping$$);

SET client_min_messages = error;
SELECT what, attempt('regress_none', statement) AS none, attempt('regress_fdw', statement) AS fdw,
       attempt('regress_server', statement) AS server, attempt('regress_owner', statement) AS owner,
       attempt('regress_reader', statement) AS reader,
       attempt('regress_programmer', statement) AS programmer,
       attempt('regress_super', statement) AS super
FROM attempts ORDER BY number;
RESET client_min_messages;

-- A setting can be granted; then it may also be set for the role.
GRANT SET ON PARAMETER multicorn.allowed_wrappers TO regress_fdw;
SELECT attempt('regress_fdw', $$SET LOCAL multicorn.allowed_wrappers = '*'$$),
       attempt('regress_fdw', $$ALTER ROLE regress_fdw SET multicorn.allowed_wrappers = '*'$$),
       attempt('regress_fdw', $$SET LOCAL multicorn.python_path = '/tmp'$$),
       attempt('regress_server', $$SET LOCAL multicorn.allowed_wrappers = '*'$$);
REVOKE SET ON PARAMETER multicorn.allowed_wrappers FROM regress_fdw;

-- Nobody sees another's user mapping. The victim has one with a password, reads through a wrapper
-- that tells all it knows, and lets others read a view and call a function.
CREATE SERVER careless FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'careless.Careless');
ALTER SERVER careless OWNER TO regress_programmer;
GRANT USAGE ON FOREIGN SERVER careless TO regress_owner, regress_reader;
CREATE USER MAPPING FOR regress_owner SERVER careless OPTIONS (password 'correct horse');
CREATE FOREIGN TABLE telling (a int) SERVER careless;
CREATE FOREIGN TABLE failing (a int) SERVER careless OPTIONS (how 'error');
GRANT SELECT ON telling, failing TO regress_owner, regress_reader;
SET ROLE regress_owner;
CREATE VIEW told AS SELECT a FROM telling UNION ALL SELECT a FROM failing;
CREATE VIEW told_well AS SELECT a FROM telling;
CREATE FUNCTION tell() RETURNS bigint LANGUAGE sql SECURITY DEFINER
    SET search_path = rights AS 'SELECT count(*) FROM telling';
GRANT SELECT ON told, told_well TO regress_reader, regress_programmer;

-- Neither the reader of the view nor the owner of the server: not in the catalogs,
SET ROLE regress_reader;
SELECT srvname, usename, umoptions FROM pg_user_mappings WHERE srvname = 'careless';
SET ROLE regress_programmer;
SELECT srvname, usename, umoptions FROM pg_user_mappings WHERE srvname = 'careless';

-- not in what the wrapper says, prints or logs,
SET ROLE regress_reader;
SELECT * FROM told_well;
SELECT tell();

-- not in errors, with their details, hints and tracebacks,
SELECT * FROM told;
RESET ROLE;
SET multicorn.show_traceback = on;
CREATE FUNCTION all_of_error(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    message text; detail text; hint text; context text;
BEGIN
    EXECUTE statement;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
        hint = PG_EXCEPTION_HINT, context = PG_EXCEPTION_CONTEXT;
    RETURN concat_ws(E'\n', message, detail, hint, context);
END $$;
SET ROLE regress_reader;
SET client_min_messages = error;
SELECT e ~ 'Traceback' AS traceback, e ~ 'horse' AS password, e ~ '\*{8}' AS masked
FROM all_of_error('SELECT * FROM told') AS e;
RESET client_min_messages;
RESET ROLE;
SET multicorn.show_traceback = off;

-- not in EXPLAIN,
SET ROLE regress_reader;
EXPLAIN (VERBOSE, COSTS off) SELECT * FROM told_well;

-- not in what multicorn_instances() tells,
SELECT DISTINCT to_json(i)::text ~ 'horse' AS password FROM multicorn_instances() i;

-- and a mapping of one's own does not get into the instance of another.
CREATE USER MAPPING FOR CURRENT_USER SERVER careless OPTIONS (password 'mine', how 'error');
SELECT * FROM told_well;
RESET ROLE;

-- Secrets that every role can read are a WARNING, which does not show them. What is not called a
-- secret may hold one.
CREATE SERVER exposed FOREIGN DATA WRAPPER multicorn
    OPTIONS (password 'correct horse', url 'https://me:battery@example.org/', host 'example.org');
ALTER SERVER exposed OPTIONS (DROP password, DROP url, ADD dsn 'host=x password=staple');
ALTER SERVER exposed OPTIONS (SET dsn 'host=x');
CREATE FOREIGN TABLE exposed (a int OPTIONS (key 'true')) SERVER exposed
    OPTIONS (api_token 'correct horse', "AccessKey" 'battery', primary_key 'a', keys 'a, b');
ALTER FOREIGN TABLE exposed OPTIONS (DROP api_token, SET "AccessKey" 'on');
CREATE USER MAPPING FOR CURRENT_USER SERVER exposed OPTIONS (password 'correct horse');
-- Those of a remote PostgreSQL are refused where they do not belong; a key column is no secret.
CREATE SERVER remote FOREIGN DATA WRAPPER multicorn_postgres OPTIONS (password 'correct horse');
CREATE SERVER remote FOREIGN DATA WRAPPER multicorn_postgres OPTIONS (host 'example.org');
CREATE FOREIGN TABLE remote (a int OPTIONS (key 'true')) SERVER remote;

SET client_min_messages = error;
DROP SCHEMA rights CASCADE;
DROP SERVER classy, plain, careless, exposed, remote CASCADE;
DROP FOREIGN DATA WRAPPER fixed CASCADE;
REVOKE ALL ON FOREIGN DATA WRAPPER multicorn FROM regress_fdw, regress_programmer;
DROP ROLE regress_none, regress_fdw, regress_server, regress_owner, regress_reader,
    regress_programmer, regress_super;
