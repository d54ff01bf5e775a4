-- Choosing a class is choosing code to run in the server: who may name which.
\getenv srcdir PG_ABS_SRCDIR
\i :srcdir/setup.sql

SET client_min_messages = error;
DROP ROLE IF EXISTS regress_plain, regress_programmer, regress_reader;
RESET client_min_messages;
CREATE ROLE regress_plain;
CREATE ROLE regress_programmer;
CREATE ROLE regress_reader;
GRANT pg_execute_server_program TO regress_programmer;
GRANT USAGE ON FOREIGN DATA WRAPPER multicorn TO regress_plain, regress_programmer;
CREATE SCHEMA shop;
GRANT ALL ON SCHEMA shop TO regress_plain, regress_programmer;
GRANT USAGE ON SCHEMA shop TO regress_reader;
SET search_path = shop, public;

-- By default nobody may name a class but superusers and members of pg_execute_server_program.
SHOW multicorn.allowed_wrappers;
CREATE SERVER by_superuser FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'given.Options.Inner');
GRANT USAGE ON FOREIGN SERVER by_superuser TO regress_plain, regress_programmer;
SET ROLE regress_programmer;
CREATE SERVER by_programmer FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'given.Options.Inner');
CREATE FOREIGN TABLE by_programmer (name text, value text) SERVER by_programmer;
SELECT * FROM by_programmer;

SET ROLE regress_plain;
CREATE SERVER by_plain FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'given.Options');
\echo :LAST_ERROR_SQLSTATE
CREATE SERVER by_plain FOREIGN DATA WRAPPER multicorn;
ALTER SERVER by_plain OPTIONS (ADD wrapper 'given.Options');
CREATE FOREIGN TABLE by_plain (name text, value text) SERVER by_plain
    OPTIONS (wrapper 'given.Options');
CREATE FOREIGN TABLE by_plain (name text, value text) SERVER by_plain;
ALTER FOREIGN TABLE by_plain OPTIONS (ADD wrapper 'given.Options');
SELECT * FROM by_plain;

-- The refusal comes before anything is imported: not even a WARNING tells whether a module exists.
ALTER FOREIGN TABLE by_plain OPTIONS (ADD wrapper 'no_such_module.Class');

-- A plain role can use a class that another has chosen for a server, and nothing else.
CREATE FOREIGN TABLE chosen (name text, value text) SERVER by_superuser OPTIONS (place 'table');
SELECT * FROM chosen;
ALTER FOREIGN TABLE chosen OPTIONS (ADD wrapper 'given.Options');

-- The settings that decide about code are the superuser's.
SET multicorn.allowed_wrappers = '*';
SET multicorn.python_path = '/tmp';
SET multicorn.virtualenv = '/tmp';
SET multicorn.show_traceback = on;

-- multicorn.allowed_wrappers lets classes through to everyone. A * stands for anything but a dot.
RESET ROLE;
CREATE FUNCTION allowed(patterns text, VARIADIC classes text[])
RETURNS TABLE (class text, ok boolean) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('multicorn.allowed_wrappers', patterns, true);
    FOREACH class IN ARRAY classes LOOP
        SET LOCAL ROLE regress_plain;
        BEGIN
            EXECUTE format('CREATE SERVER tried FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper %L)',
                           class);
            ok := true;
            DROP SERVER tried;
        EXCEPTION WHEN insufficient_privilege THEN
            ok := false;
        END;
        RESET ROLE;
        RETURN NEXT;
    END LOOP;
END $$;
SELECT * FROM allowed('given.Options', 'given.Options', 'given.Columns', 'given.Options.Inner');
SELECT * FROM allowed('given.*', 'given.Options', 'given.Columns', 'given.Options.Inner');
SELECT * FROM allowed('given.*.*', 'given.Options', 'given.Options.Inner');
SELECT * FROM allowed('*', 'given.Options', 'given.Options.Inner');
SELECT * FROM allowed('*.*', 'given.Options', 'given.Options.Inner');
SELECT * FROM allowed('given.Opt*', 'given.Options', 'given.Columns', 'given.Options.Inner');
SELECT * FROM allowed('given.*s', 'given.Options', 'given.Columns', 'given.Home');
SELECT * FROM allowed('g*n.*o*', 'given.Options', 'given.Home', 'given.Strict');
SELECT * FROM allowed(' lifecycle.Tracked , given.Home,', 'given.Home', 'lifecycle.Tracked',
                      'given.Options');
SELECT * FROM allowed('', 'given.Options');
SELECT * FROM allowed(',', 'given.Options');
-- A dot is a dot, and letters are as they are written.
SELECT * FROM allowed('given?Options, GIVEN.OPTIONS, givenxOptions', 'given.Options');
SELECT * FROM allowed('iven.Options, given.Option, .Options', 'given.Options');

-- It applies to servers and tables alike.
SET multicorn.allowed_wrappers = 'given.Options';
SET ROLE regress_plain;
ALTER SERVER by_plain OPTIONS (ADD wrapper 'given.Options');
SELECT * FROM by_plain;
ALTER FOREIGN TABLE by_plain OPTIONS (ADD wrapper 'given.Options', ADD place 'table');
SELECT * FROM by_plain;
ALTER FOREIGN TABLE by_plain OPTIONS (SET wrapper 'given.Options.Inner');

-- It is looked at again when the class is loaded, for the owner of what carries the option:
-- a permission that is taken away is gone, for a running session too.
RESET ROLE;
SET multicorn.allowed_wrappers = '';
SELECT * FROM by_plain;
\echo :LAST_ERROR_SQLSTATE
ALTER FOREIGN TABLE by_plain OPTIONS (DROP wrapper);
SELECT * FROM by_plain;
ALTER SERVER by_plain OWNER TO regress_programmer;
SELECT * FROM by_plain;
REVOKE pg_execute_server_program FROM regress_programmer;
SELECT * FROM by_plain;
GRANT pg_execute_server_program TO regress_programmer;
SELECT * FROM by_plain;
ALTER ROLE regress_plain SUPERUSER;
ALTER SERVER by_plain OWNER TO regress_plain;
SELECT * FROM by_plain;
ALTER ROLE regress_plain NOSUPERUSER;
SELECT * FROM by_plain;

-- A table that a superuser's class answers for stays usable when it changes hands; one that
-- carries the option itself does not.
ALTER SERVER by_plain OWNER TO CURRENT_USER;
SELECT * FROM by_plain;
ALTER FOREIGN TABLE by_plain OPTIONS (ADD wrapper 'given.Options.Inner');
SELECT * FROM by_plain;
ALTER FOREIGN TABLE by_plain OWNER TO CURRENT_USER;
SELECT * FROM by_plain;

-- Only a superuser can fix the class for a whole foreign data wrapper, and then USAGE on it
-- chooses no code.
CREATE FOREIGN DATA WRAPPER fixed HANDLER multicorn_handler VALIDATOR multicorn_validator
    OPTIONS (wrapper 'given.Options');
GRANT USAGE ON FOREIGN DATA WRAPPER fixed TO regress_plain;
SET ROLE regress_plain;
CREATE SERVER fixed FOREIGN DATA WRAPPER fixed OPTIONS (place 'server');
CREATE FOREIGN TABLE fixed (name text, value text) SERVER fixed;
SELECT * FROM fixed;
ALTER SERVER fixed OPTIONS (ADD wrapper 'given.Options.Inner');
ALTER FOREIGN DATA WRAPPER fixed OPTIONS (SET wrapper 'given.Options.Inner');
RESET ROLE;

-- Who reads needs no permission but SELECT. The user mapping is that of the effective user: the
-- reader's own for a table, the owner's for a view.
CREATE SERVER mapped FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'given.Options');
CREATE FOREIGN TABLE mapped (name text, value text) SERVER mapped;
CREATE VIEW mapped_view AS SELECT * FROM mapped;
CREATE VIEW mapped_invoker WITH (security_invoker) AS SELECT * FROM mapped;
CREATE FUNCTION mapped_definer() RETURNS SETOF mapped LANGUAGE sql SECURITY DEFINER
    AS 'SELECT * FROM shop.mapped';
GRANT SELECT ON mapped, mapped_view, mapped_invoker TO regress_reader, regress_plain;
CREATE USER MAPPING FOR CURRENT_USER SERVER mapped OPTIONS (who 'owner');
CREATE USER MAPPING FOR regress_reader SERVER mapped OPTIONS (who 'reader');
CREATE USER MAPPING FOR PUBLIC SERVER mapped OPTIONS (who 'anyone');
SELECT * FROM mapped;
SET ROLE regress_reader;
SELECT * FROM mapped;
SELECT * FROM mapped_view;
SELECT * FROM mapped_invoker;
SELECT * FROM mapped_definer();
SET ROLE regress_plain;
SELECT * FROM mapped;
SELECT * FROM mapped_view;
SELECT * FROM mapped_invoker;
-- A prepared statement goes with the role.
PREPARE who AS SELECT value FROM mapped;
EXECUTE who;
SET ROLE regress_reader;
EXECUTE who;
RESET ROLE;
EXECUTE who;

-- A cursor reads for the role that has opened it, whoever fetches.
BEGIN;
SET LOCAL ROLE regress_reader;
DECLARE opened CURSOR FOR SELECT value FROM mapped;
RESET ROLE;
FETCH opened;
CREATE FUNCTION open_cursor(c refcursor) RETURNS refcursor LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = shop AS 'BEGIN OPEN c FOR SELECT value FROM mapped; RETURN c; END';
SET LOCAL ROLE regress_plain;
SELECT open_cursor('definers');
FETCH definers;
COMMIT;

-- Without SELECT nothing runs at all.
REVOKE ALL ON mapped FROM regress_reader;
SET ROLE regress_reader;
SELECT * FROM mapped;
RESET ROLE;

SET client_min_messages = error;
DROP SCHEMA shop CASCADE;
DROP FOREIGN DATA WRAPPER fixed CASCADE;
DROP SERVER by_superuser, by_programmer, by_plain, mapped CASCADE;
REVOKE ALL ON FOREIGN DATA WRAPPER multicorn FROM regress_plain, regress_programmer;
DROP ROLE regress_plain, regress_programmer, regress_reader;
