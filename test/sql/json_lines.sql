-- The shipped example of a wrapper that writes: a file with a JSON object on each line.
\getenv srcdir PG_ABS_SRCDIR
\i :srcdir/setup.sql

-- The file is the server's; each run of the tests makes one of its own.
CREATE SERVER json_lines FOREIGN DATA WRAPPER multicorn
    OPTIONS (wrapper 'multicorn.jsonlinesfdw.JsonLinesFdw');
SELECT format('%s/%s.jsonl', current_setting('data_directory'), gen_random_uuid()) AS filename \gset
CREATE FOREIGN TABLE notes (id bigint, body text, at timestamptz) SERVER json_lines
    OPTIONS (filename :'filename', rowid_column 'id');

-- What a statement fails with, without the place of the file.
CREATE FUNCTION error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE hint text; detail text;
BEGIN
    EXECUTE statement;
    RETURN 'none';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT, detail = PG_EXCEPTION_DETAIL;
    RETURN regexp_replace(concat_ws(' | ', sqlstate, sqlerrm, nullif(detail, ''), nullif(hint, '')),
                          '"[^"]*/[^"]*jsonl"', 'the file', 'g');
END $$;

-- A file that is not there is an empty table, and made when it is written.
SELECT * FROM notes;
INSERT INTO notes VALUES (1, 'one', '2024-01-01 12:00+00'), (2, E'two\nlines', NULL) RETURNING *;
SELECT pg_read_file(:'filename');

-- A transaction sees its changes, up to what it takes back.
BEGIN;
UPDATE notes SET body = 'uno' WHERE id = 1;
SAVEPOINT kept;
DELETE FROM notes WHERE id = 2;
INSERT INTO notes VALUES (3, 'three', NULL);
SELECT id, body FROM notes;
ROLLBACK TO kept;
INSERT INTO notes VALUES (4, 'four', NULL);
UPDATE notes SET body = body || '!' WHERE id IN (1, 4);
SELECT id, body FROM notes;
COMMIT;
SELECT pg_read_file(:'filename');

-- What is rolled back leaves no trace.
BEGIN;
TRUNCATE notes;
INSERT INTO notes VALUES (1, 'first', NULL);
SELECT id, body FROM notes;
ROLLBACK;
SELECT id, body FROM notes;

-- A row that was deleted can be inserted again.
BEGIN;
DELETE FROM notes WHERE id = 1;
INSERT INTO notes VALUES (1, 'again', NULL);
DELETE FROM notes WHERE id = 4;
COMMIT;
SELECT id, body FROM notes;

-- A statement sees what was there when it began, not what it has written so far.
CREATE TABLE local (id bigint, body text);
INSERT INTO local SELECT i, i FROM generate_series(11, 13) AS i;
INSERT INTO notes (id, body) SELECT * FROM local;
UPDATE notes SET body = (SELECT string_agg(body, ' ') FROM notes AS n WHERE n.id BETWEEN 11 AND notes.id)
    WHERE id > 10;
SELECT id, body FROM notes WHERE id > 10;
WITH gone AS (DELETE FROM notes WHERE id = 13 RETURNING id)
    SELECT (SELECT count(*) FROM gone) AS gone, (SELECT count(*) FROM notes WHERE id > 10) AS seen;
DELETE FROM notes WHERE id > 10 AND EXISTS (SELECT FROM notes AS n WHERE n.id = notes.id - 1 OFFSET 0);
SELECT id FROM notes WHERE id > 10;
DELETE FROM notes WHERE id > 10;

-- The column that identifies rows is a key: it is not NULL, does not change, is there once.
SELECT error_of($$INSERT INTO notes VALUES (NULL, 'none', NULL)$$);
SELECT error_of('UPDATE notes SET id = 5 WHERE id = 1');
SELECT error_of($$INSERT INTO notes VALUES (7, 'once', NULL), (7, 'twice', NULL)$$);
-- Rows that are in the file are looked at when the transaction commits.
\set VERBOSITY sqlstate
INSERT INTO notes VALUES (1, 'twice', NULL);
\set VERBOSITY default
SELECT id, body FROM notes;

-- All types come back as they were, in a table without a key.
CREATE FOREIGN TABLE samples (
    b boolean, i bigint, f double precision, n numeric, t text, c char(3), raw bytea, raws bytea[],
    d date, ts timestamp, span interval, u uuid, j jsonb, a int[], deep text[]
) SERVER json_lines OPTIONS (filename :'filename');
CREATE TABLE heap (LIKE samples);
INSERT INTO heap VALUES
    (true, 9223372036854775807, 'NaN', 'NaN', E'\u00e9"\\\n', 'a', '\x00ff5c', '{"\\x00",NULL}',
     '2024-02-29', '2024-02-29 12:30:00.000001', '-1 day 02:00:00.5', gen_random_uuid(),
     '{"a": [1.10, null]}', '{1,NULL}', '{{a,b},{c,NULL}}'),
    (false, -1, '-Infinity', 0.1000000000000000000000000000001, '\x41', '', '', '{}',
     '0001-01-01', NULL, '0', NULL, 'null', '{}', NULL),
    (NULL, NULL, 0.1, 12345678901234567890, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
BEGIN;
TRUNCATE samples;
INSERT INTO samples SELECT * FROM heap;
SELECT count(*) FROM (SELECT h::text FROM heap AS h EXCEPT SELECT s::text FROM samples AS s) AS lost;
COMMIT;
SELECT count(*) FROM (SELECT h::text FROM heap AS h EXCEPT SELECT s::text FROM samples AS s) AS lost;
-- Without a key, rows can only be inserted.
SELECT error_of('DELETE FROM samples');
TRUNCATE samples;

-- What an object has beside the columns is kept; a table of other columns sees it.
CREATE FOREIGN TABLE bodies (body text) SERVER json_lines OPTIONS (filename :'filename');
INSERT INTO notes VALUES (1, 'kept', NULL);
CREATE FOREIGN TABLE stamps (id bigint, at date) SERVER json_lines
    OPTIONS (filename :'filename', rowid_column 'id');
UPDATE stamps SET at = '2024-05-06';
SELECT * FROM bodies;
SELECT pg_read_file(:'filename');

-- One transaction writes through one table, so that changes do not overwrite each other.
BEGIN;
UPDATE stamps SET at = NULL;
SELECT error_of($$INSERT INTO bodies VALUES ('new')$$);
SELECT error_of('SELECT FROM bodies');
ROLLBACK;
-- Nor as another role, or after the table has changed.
CREATE ROLE regress_lines;
GRANT SELECT ON stamps TO regress_lines;
BEGIN;
DELETE FROM stamps;
SET ROLE regress_lines;
SELECT error_of('SELECT FROM stamps');
ROLLBACK;
BEGIN;
DELETE FROM stamps;
ALTER FOREIGN TABLE stamps ADD COLUMN extra int;
SELECT error_of('SELECT FROM stamps');
ROLLBACK;
SELECT count(*) FROM stamps;

-- An UPDATE writes what it names, and an INSERT what it is given.
UPDATE notes SET at = '2024-05-07 00:00+00';
INSERT INTO notes (id) VALUES (2);
SELECT pg_read_file(:'filename');
TRUNCATE notes;

-- A bytea that JSON's text would not be told from is refused. In text form, everything can be kept.
CREATE DOMAIN octets AS bytea;
CREATE TYPE part AS (name text, octets bytea);
CREATE FOREIGN TABLE octets_of (id int, plain bytea OPTIONS (value_form 'text'), part part, octets octets)
    SERVER json_lines OPTIONS (filename :'filename', rowid_column 'id');
SELECT error_of($$INSERT INTO octets_of (id, octets) VALUES (1, '\x00ff')$$);
SELECT error_of($$INSERT INTO octets_of (id, part) VALUES (1, ('a', '\x00ff'))$$);
ALTER FOREIGN TABLE octets_of ALTER octets OPTIONS (value_form 'text'), ALTER part OPTIONS (value_form 'text');
INSERT INTO octets_of VALUES (1, '\x00ff', ('a', '\x00ff'), '\x00ff');
UPDATE octets_of SET plain = plain || '\x01';
SELECT * FROM octets_of;
SELECT pg_read_file(:'filename');
TRUNCATE octets_of;

-- Lines that are no objects are errors that name them.
CREATE TABLE line (text text);
INSERT INTO line VALUES ('{"id": 1}'), (''), ('{"id": 2');
SELECT set_config('test.copy', format('COPY line TO %L', :'filename'), false) IS NULL AS failed;
DO $$ BEGIN EXECUTE current_setting('test.copy'); END $$;
SELECT error_of('SELECT FROM notes');
UPDATE line SET text = '[1]' WHERE text LIKE '%2';
DO $$ BEGIN EXECUTE current_setting('test.copy'); END $$;
SELECT error_of('SELECT FROM notes');

-- Options are checked at first use.
CREATE FOREIGN TABLE misspelt (id int) SERVER json_lines OPTIONS (filename :'filename', rowid_colum 'id');
SELECT error_of('SELECT FROM misspelt');
CREATE FOREIGN TABLE wrong (id json) SERVER json_lines;
SELECT error_of('SELECT FROM wrong');
ALTER FOREIGN TABLE wrong OPTIONS (filename 'relative.jsonl');
SELECT error_of('SELECT FROM wrong');
ALTER FOREIGN TABLE wrong OPTIONS (SET filename '/nowhere/at/all.jsonl', rowid_column 'key');
SELECT error_of('SELECT FROM wrong');
ALTER FOREIGN TABLE wrong OPTIONS (SET rowid_column 'id');
SELECT error_of('SELECT FROM wrong');
ALTER FOREIGN TABLE wrong OPTIONS (DROP rowid_column);
SELECT error_of('SELECT FROM wrong');
SELECT error_of($$INSERT INTO wrong VALUES ('1')$$);

SET client_min_messages = warning;
DROP SERVER json_lines CASCADE;
DROP TABLE heap, line, local;
DROP ROLE regress_lines;
DROP DOMAIN octets;
DROP TYPE part;
DROP FUNCTION error_of;
