-- What a wrapper's method execute may return, and what a row may be.
\getenv srcdir PG_ABS_SRCDIR
\i :srcdir/setup.sql

CREATE SERVER srv FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'rows.Rows');
CREATE FOREIGN TABLE fruit (id int, name text, price numeric) SERVER srv OPTIONS (form 'dict');
SELECT * FROM fruit;

-- A mapping is what has keys(), whatever its class; anything else is a sequence with one item per
-- column. Rows may come in anything that can be iterated over.
CREATE FOREIGN TABLE forms (form text) SERVER srv OPTIONS (wrapper 'rows.Forms');
CREATE FUNCTION rows_of(form text) RETURNS SETOF fruit LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER FOREIGN TABLE fruit OPTIONS (SET form %L)', form);
    RETURN QUERY EXECUTE 'SELECT * FROM fruit';
END $$;
CREATE FUNCTION all_rows_of(form text) RETURNS text LANGUAGE sql
    AS $$SELECT string_agg(fruit::text, ' ') FROM rows_of(form) AS fruit$$;
CREATE TABLE all_forms AS SELECT form FROM forms;
SELECT form, all_rows_of(form) FROM all_forms;

-- Only the columns that are needed are looked at, in rows of all forms.
SELECT name FROM fruit WHERE id = 2;
ALTER FOREIGN TABLE fruit OPTIONS (SET form 'tuple');
SELECT price, id FROM fruit WHERE name IS NULL;
ALTER FOREIGN TABLE fruit OPTIONS (SET form 'len() and items');
SELECT price FROM fruit;
ALTER FOREIGN TABLE fruit OPTIONS (SET form 'poisoned');
SELECT name, id FROM fruit;
SELECT price FROM fruit;

-- A dropped column leaves no gap: a sequence has an item for each column that is left.
CREATE FOREIGN TABLE gaps (a int, id int, b int, name text, price numeric, c int) SERVER srv
    OPTIONS (form 'tuple');
ALTER FOREIGN TABLE gaps DROP a, DROP b, DROP c;
SELECT * FROM gaps;
SELECT price FROM gaps;
SELECT gaps FROM gaps;
ALTER FOREIGN TABLE gaps OPTIONS (SET form 'dict');
SELECT * FROM gaps;
ALTER FOREIGN TABLE gaps OPTIONS (SET form 'deque');
SELECT name FROM gaps;
-- A column that is added is one more; a mapping need not know it.
ALTER FOREIGN TABLE gaps ADD color text DEFAULT 'red';
SELECT * FROM gaps;
ALTER FOREIGN TABLE gaps OPTIONS (SET form 'dict');
SELECT * FROM gaps;

-- A table without columns has rows all the same.
CREATE FOREIGN TABLE nothing () SERVER srv OPTIONS (form 'empty tuple');
SELECT count(*) FROM nothing;
SELECT * FROM nothing;

-- The argument "columns" holds only what the query needs, in table order, whatever the order in
-- the query.
CREATE FOREIGN TABLE wide (a text, b text, c text, d text, e text) SERVER srv
    OPTIONS (wrapper 'rows.Wide');
SELECT d, a FROM wide;
SELECT b FROM wide WHERE e <> '' AND length(c) > 0;
SELECT a FROM wide ORDER BY c;
SELECT max(e) FROM wide GROUP BY b HAVING min(a) <> '';
SELECT row_number() OVER (ORDER BY e), a FROM wide;
SELECT w.d FROM wide w JOIN fruit f ON f.id > 0 AND w.b <> f.name;
SELECT wide FROM wide;
SELECT upper(wide.b) FROM wide, LATERAL (SELECT wide.c) AS l;
SELECT (SELECT max(x.d || w.b) FROM wide x) FROM wide w;
ALTER FOREIGN TABLE wide DROP b;
SELECT e, c FROM wide;
-- None at all, if it is only counted.
SELECT count(*) FROM fruit;
SELECT 'row' FROM wide;

-- The rows end with None, as they do when execute returns it.
SELECT rows_of('a None among the rows');
SELECT rows_of('None');
SELECT rows_of('no rows');

-- More things are sequences or mappings than one would think.
SELECT rows_of('range');
SELECT rows_of('array');
SELECT rows_of('defaultdict');
SELECT rows_of('Counter');

-- Text and bytes are never rows, although they have items; nor is a single row a list of rows.
\set VERBOSITY terse
SELECT rows_of('str');
\echo :LAST_ERROR_SQLSTATE
SELECT rows_of('str of the right length');
SELECT rows_of('bytes');
SELECT rows_of('bytearray');
SELECT rows_of('memoryview');
SELECT rows_of('int');
SELECT rows_of('set');
SELECT rows_of('generator');
SELECT rows_of('a class');
SELECT rows_of('no length');
SELECT rows_of('one dict');
SELECT rows_of('one tuple');

-- Something that cannot be iterated over.
SELECT rows_of('one int');
\echo :LAST_ERROR_SQLSTATE
SELECT rows_of('False');
SELECT rows_of('one class');
SELECT rows_of('__iter__ fails');

-- The wrong number of items.
SELECT rows_of('short tuple');
\echo :LAST_ERROR_SQLSTATE
SELECT rows_of('long tuple');
SELECT rows_of('empty tuple');
SELECT rows_of('short list');
SELECT rows_of('short named tuple');
SELECT rows_of('long deque');
-- This is found out when the row comes; a cursor has got those before.
ALTER FOREIGN TABLE fruit OPTIONS (SET form 'good, then short');
SELECT * FROM fruit;
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM fruit;
FETCH 1 FROM c;
FETCH 1 FROM c;
ROLLBACK;
-- It is found out even when no column is looked at.
SELECT count(*) FROM fruit;

-- Rows that change while they are being read do no harm.
SELECT rows_of('greedy list');
SELECT rows_of('greedy dict');
SELECT rows_of('wrong items');

-- In full, an error says what came and what a row is.
\set VERBOSITY default
ALTER FOREIGN TABLE fruit OPTIONS (SET form 'str');
SELECT * FROM fruit;
ALTER FOREIGN TABLE fruit OPTIONS (SET form 'short tuple');
SELECT * FROM fruit;
ALTER FOREIGN TABLE fruit OPTIONS (SET form 'one int');
SELECT * FROM fruit;

SET client_min_messages = warning;
DROP SERVER srv CASCADE;
DROP FUNCTION all_rows_of;
DROP TABLE all_forms;
