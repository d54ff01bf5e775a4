-- Exceptions in a wrapper become errors of PostgreSQL, and the session goes on.
\getenv srcdir PG_ABS_SRCDIR
\i :srcdir/setup.sql

CREATE SERVER srv FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'broken.Broken');
CREATE FOREIGN TABLE broken (n int, t text) SERVER srv OPTIONS (where 'execute', error 'ValueError');

-- The message is the exception's type and text; the context names the table and the method.
SELECT * FROM broken;
\echo :LAST_ERROR_SQLSTATE

-- The SQLSTATE is that of the exception, if it has one, or that of its kind, or HV000.
CREATE FUNCTION error_of(error text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    state text; message text; detail text; hint text;
BEGIN
    BEGIN
        EXECUTE format('ALTER FOREIGN TABLE broken OPTIONS (SET error %L)', error);
        PERFORM * FROM broken;
    EXCEPTION WHEN OTHERS OR query_canceled THEN
        GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
            detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
        RETURN concat_ws(' | ', state, message, nullif(detail, ''), nullif(hint, ''));
    END;
    RETURN 'no error';
END $$;
SELECT error_of('ValueError');
SELECT error_of('empty');
SELECT error_of('KeyError');
SELECT error_of('MemoryError');
SELECT error_of('ConnectionError');
SELECT error_of('ConnectionRefusedError');
SELECT error_of('TimeoutError');
SELECT error_of('NotImplementedError');
SELECT error_of('OSError');
SELECT error_of('group');
SELECT error_of('lines');
SELECT error_of('state 42P01');
SELECT error_of('driver');
-- What is no SQLSTATE of an error does not count.
SELECT error_of('state 00000');
SELECT error_of('state 5');
SELECT error_of('state ?');

-- multicorn.Error says all that a PostgreSQL error can say.
SELECT error_of('Error');
SELECT error_of('Error in full');
SELECT error_of('Error of no str');
SELECT error_of('MulticornException');

-- Exceptions that mean to end the program end the query, no more.
SELECT error_of('SystemExit');
SELECT error_of('KeyboardInterrupt');
SELECT error_of('GeneratorExit');
SELECT error_of('StopIteration');
SELECT error_of('BaseException');

-- An exception that cannot say what it is, and one that says it with odd characters.
SELECT error_of('Speechless');
SELECT error_of('odd text');

-- Each place where a wrapper may fail.
CREATE FUNCTION place(place text, error text DEFAULT 'ValueError') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER FOREIGN TABLE broken OPTIONS (SET where %L, SET error %L)', place, error);
END $$;
SELECT place('constructor');
SELECT n FROM broken;
SELECT place('iter');
SELECT n FROM broken;
SELECT place('row 3');
SELECT n FROM broken;
SELECT n FROM broken LIMIT 2;
-- A conversion fails for its column, and only if the column is needed.
SELECT place('conversion');
SELECT t FROM broken;
SELECT n FROM broken;
-- A generator's "finally" and end_scan fail when the rows have ended: the query is not complete.
SELECT place('finally');
SELECT n FROM broken;
SELECT n FROM broken LIMIT 1;
SELECT place('yield in finally');
SELECT n FROM broken LIMIT 1;
SELECT place('end_scan');
SELECT n FROM broken;
SELECT n FROM broken LIMIT 1;
SELECT EXISTS (SELECT FROM broken);

-- In a cursor, the error comes when the cursor gets there.
SELECT place('row 3');
BEGIN;
DECLARE c CURSOR FOR SELECT n FROM broken;
FETCH 2 FROM c;
FETCH 1 FROM c;
ROLLBACK;
SELECT place('end_scan');
BEGIN;
DECLARE c CURSOR FOR SELECT n FROM broken;
FETCH 2 FROM c;
CLOSE c;
ROLLBACK;
BEGIN;
DECLARE c CURSOR FOR SELECT n FROM broken;
FETCH 2 FROM c;
COMMIT;
SELECT n FROM broken LIMIT 0;

-- After an error nothing may fail any more: what does is a WARNING. So it is with close.
BEGIN;
DECLARE c CURSOR FOR SELECT n FROM broken;
FETCH 2 FROM c;
ROLLBACK;
SELECT place('finally');
BEGIN;
DECLARE c CURSOR FOR SELECT n FROM broken;
FETCH 2 FROM c;
ROLLBACK;
SELECT place('close');
SELECT n FROM broken LIMIT 1;
SELECT place('nowhere');
SELECT n FROM broken LIMIT 1;
SELECT place('close', 'SystemExit');
SELECT n FROM broken LIMIT 1;
SELECT place('nowhere');
SELECT n FROM broken LIMIT 1;

-- An error can be caught, in SQL and with a savepoint, and everything works afterwards.
SELECT place('row 3', 'ConnectionError');
DO $$
DECLARE
    r record;
BEGIN
    FOR r IN SELECT n FROM broken LOOP
        RAISE NOTICE 'row %', r.n;
    END LOOP;
EXCEPTION WHEN connection_failure THEN
    RAISE NOTICE 'caught';
    RAISE NOTICE 'the first is still %', (SELECT n FROM broken LIMIT 1);
END $$;
BEGIN;
SELECT n FROM broken LIMIT 1;
SAVEPOINT s;
SELECT n FROM broken;
SELECT n FROM broken;
ROLLBACK TO s;
SELECT n FROM broken LIMIT 1;
COMMIT;

-- Statements that need the table fail as a whole.
CREATE TABLE copy (n int);
INSERT INTO copy SELECT n FROM broken;
CREATE TABLE other AS SELECT n FROM broken;
COPY (SELECT n FROM broken) TO '/dev/null';
SELECT count(*) FROM copy;
SELECT to_regclass('other');

-- A class that is none of the kind.
ALTER FOREIGN TABLE broken OPTIONS (ADD wrapper 'broken.Abstract');
SELECT n FROM broken;
\echo :LAST_ERROR_SQLSTATE
ALTER FOREIGN TABLE broken OPTIONS (SET wrapper 'broken.NoExecute');
SELECT n FROM broken;
ALTER FOREIGN TABLE broken OPTIONS (SET wrapper 'broken.ExecuteIsNoMethod');
SELECT n FROM broken;
ALTER FOREIGN TABLE broken OPTIONS (SET wrapper 'broken.NoArguments');
SELECT n FROM broken;

-- Recursion without end is an error like others.
ALTER FOREIGN TABLE broken OPTIONS (SET wrapper 'broken.Endless');
\set VERBOSITY sqlstate
SELECT n FROM broken;
\set VERBOSITY default
SELECT 'still here' AS session;

-- Values that are secrets, by the name of their option, never appear in a message.
CREATE SERVER secret FOREIGN DATA WRAPPER multicorn
    OPTIONS (wrapper 'broken.Telling', host 'example.org', api_key 'k-12345678');
CREATE USER MAPPING FOR CURRENT_USER SERVER secret
    OPTIONS ("user" 'me', password 'correct ''horse'' battery');
CREATE FOREIGN TABLE telling (n int) SERVER secret OPTIONS (auth_token 'abcdefghij', secret 'sesame!!');
SELECT * FROM telling;
-- Nor in the traceback, whatever line of the program it shows.
SET multicorn.show_traceback = on;
CREATE FUNCTION context_of(statement text, srcdir text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    context text;
BEGIN
    EXECUTE statement;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
    RETURN QUERY SELECT replace(regexp_replace(line, 'line \d+', 'line N'), srcdir, 'SRCDIR')
        FROM regexp_split_to_table(context, '\n') AS line WHERE line !~ '^[ ~^]+$';
END $$;
SELECT count(*) > 3 AS traceback, bool_or(line ~ 'horse|sesame|abcdefghij|12345678') AS secrets
FROM context_of('SELECT * FROM telling', :'srcdir') AS line;

-- The context has the traceback as well, the wrapper's part of it, which a superuser can keep to
-- the server's log by "SET multicorn.show_traceback = off". (Lines of ~~~^^^ differ between
-- versions of Python, and are left out here.)
ALTER FOREIGN TABLE broken OPTIONS (SET wrapper 'broken.Calling');
SELECT * FROM context_of('SELECT n FROM broken', :'srcdir') AS context;
SET multicorn.show_traceback = off;
SELECT * FROM context_of('SELECT n FROM broken', :'srcdir') AS context;

SET client_min_messages = warning;
DROP SERVER srv, secret CASCADE;
DROP TABLE copy;
DROP FUNCTION error_of, place, context_of;
