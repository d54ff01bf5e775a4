-- IMPORT FOREIGN SCHEMA: a class offers tables, and whatever it says in them stays data.
\getenv srcdir PG_ABS_SRCDIR
\i :srcdir/setup.sql

SET client_min_messages = error;
DROP ROLE IF EXISTS regress_plain, regress_programmer;
RESET client_min_messages;
CREATE SCHEMA imported;
CREATE SERVER library FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'schemas.Library', place 'hall');
CREATE VIEW tables AS
    SELECT foreign_table_schema AS schema, foreign_table_name AS name, foreign_server_name AS server,
           (SELECT array_agg(option_name || '=' || option_value ORDER BY option_name)
            FROM information_schema.foreign_table_options AS o
            WHERE o.foreign_table_schema = t.foreign_table_schema
              AND o.foreign_table_name = t.foreign_table_name) AS options
    FROM information_schema.foreign_tables AS t
    WHERE foreign_server_name IN ('library', 'bare', 'fixed', 'single') ORDER BY 1, 2;
CREATE VIEW columns AS
    SELECT attrelid::regclass AS table, attname AS name, format_type(atttypid, atttypmod) AS type,
           attnotnull AS not_null, pg_get_expr(adbin, adrelid) AS default,
           nullif(nullif(attcollation, 0), 100)::regcollation AS collation, attfdwoptions AS options
    FROM pg_attribute JOIN pg_class AS c ON c.oid = attrelid
         LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attnum > 0 AND relnamespace::regnamespace::text = 'imported' ORDER BY attrelid, attnum;

-- The class is asked with the options of the server and those of the statement, and its tables are
-- created in the local schema, with types, NOT NULL, DEFAULT, COLLATE and options.
IMPORT FOREIGN SCHEMA "Main hall" FROM SERVER library INTO imported OPTIONS (depth '2', "Größe" 'it''s \\ big');
SELECT * FROM tables;
SELECT * FROM columns;
-- They are tables like any other.
SELECT isbn, pages FROM imported.books;
DROP FOREIGN TABLE imported.books, imported.authors;

-- LIMIT TO and EXCEPT: the class is told, so that it need not find out about everything; it may offer
-- too much all the same.
IMPORT FOREIGN SCHEMA s LIMIT TO (authors, "Odd ""one""") FROM SERVER library INTO imported;
SELECT name FROM tables;
DROP FOREIGN TABLE imported.authors;
IMPORT FOREIGN SCHEMA s EXCEPT (authors) FROM SERVER library INTO imported;
SELECT name FROM tables;
-- A table that is there already is an error, and nothing is created.
IMPORT FOREIGN SCHEMA s FROM SERVER library INTO imported;
SELECT name FROM tables;
DROP FOREIGN TABLE imported.books;

-- The user mapping is that of the current user.
CREATE USER MAPPING FOR CURRENT_USER SERVER library OPTIONS (reader 'me', password 'hunter2hunter2');
IMPORT FOREIGN SCHEMA s LIMIT TO (none) FROM SERVER library INTO imported;
ALTER USER MAPPING FOR CURRENT_USER SERVER library OPTIONS (ADD place 'elsewhere');
IMPORT FOREIGN SCHEMA s LIMIT TO (none) FROM SERVER library INTO imported;
DROP USER MAPPING FOR CURRENT_USER SERVER library;

-- The class is that of the statement, which each table then gets, unless it has one of its own; else
-- that of the server.
CREATE SERVER bare FOREIGN DATA WRAPPER multicorn;
IMPORT FOREIGN SCHEMA s FROM SERVER bare INTO imported OPTIONS (wrapper 'schemas.Library', depth '2');
IMPORT FOREIGN SCHEMA own_class FROM SERVER library INTO public OPTIONS (wrapper 'schemas.Strange');
SELECT * FROM tables;
SELECT * FROM public.books;
SELECT isbn FROM imported.books;
DROP FOREIGN TABLE imported.books, imported.authors, public.books;
IMPORT FOREIGN SCHEMA s FROM SERVER bare INTO imported;
IMPORT FOREIGN SCHEMA s FROM SERVER bare INTO imported OPTIONS (wrapper 'Library');
IMPORT FOREIGN SCHEMA s FROM SERVER bare INTO imported OPTIONS (wrapper 'schemas.library');
-- Or that of the foreign data wrapper, which nothing below can change, the statement neither.
CREATE FOREIGN DATA WRAPPER fixed HANDLER multicorn_handler VALIDATOR multicorn_validator
    OPTIONS (wrapper 'schemas.Library');
CREATE SERVER fixed FOREIGN DATA WRAPPER fixed OPTIONS (place 'fixed');
IMPORT FOREIGN SCHEMA s LIMIT TO (authors) FROM SERVER fixed INTO imported;
IMPORT FOREIGN SCHEMA s FROM SERVER fixed INTO imported OPTIONS (wrapper 'schemas.Strange');
SELECT * FROM tables;
DROP FOREIGN TABLE imported.authors;

-- Classes that offer nothing.
IMPORT FOREIGN SCHEMA s FROM SERVER bare INTO imported OPTIONS (wrapper 'schemas.Unable');
\echo :LAST_ERROR_SQLSTATE
IMPORT FOREIGN SCHEMA s FROM SERVER bare INTO imported OPTIONS (wrapper 'schemas.Inherited');
\echo :LAST_ERROR_SQLSTATE
IMPORT FOREIGN SCHEMA s FROM SERVER bare INTO imported OPTIONS (wrapper 'schemas.NoClassMethod');

-- Who may name a class in the statement: the same roles as elsewhere.
CREATE ROLE regress_plain;
CREATE ROLE regress_programmer;
GRANT pg_execute_server_program TO regress_programmer;
GRANT USAGE ON FOREIGN SERVER bare, library, fixed TO regress_plain, regress_programmer;
GRANT ALL ON SCHEMA imported TO regress_plain, regress_programmer;
SET ROLE regress_plain;
IMPORT FOREIGN SCHEMA s FROM SERVER bare INTO imported OPTIONS (wrapper 'schemas.Library');
-- The refusal comes before anything is imported.
IMPORT FOREIGN SCHEMA s FROM SERVER bare INTO imported OPTIONS (wrapper 'no_such_module.Class');
IMPORT FOREIGN SCHEMA s LIMIT TO (authors) FROM SERVER library INTO imported;
SELECT name FROM imported.authors;
DROP FOREIGN TABLE imported.authors;
RESET ROLE;
SET multicorn.allowed_wrappers = 'schemas.*';
SET ROLE regress_plain;
IMPORT FOREIGN SCHEMA s LIMIT TO (authors) FROM SERVER bare INTO imported OPTIONS (wrapper 'schemas.Library');
RESET ROLE;
SELECT options FROM tables;
SET ROLE regress_plain;
-- A class cannot choose another for a role that may not.
IMPORT FOREIGN SCHEMA own_class FROM SERVER bare INTO imported OPTIONS (wrapper 'schemas.Strange');
RESET ROLE;
RESET multicorn.allowed_wrappers;
DROP FOREIGN TABLE imported.authors;
SET ROLE regress_programmer;
IMPORT FOREIGN SCHEMA own_class FROM SERVER bare INTO imported OPTIONS (wrapper 'schemas.Strange');
SELECT * FROM imported.books;
RESET ROLE;
DROP FOREIGN TABLE imported.books;

-- What import_schema may return, and what becomes of everything else.
CREATE FUNCTION strange(what text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text; hint text; context text; found text;
BEGIN
    EXECUTE format('IMPORT FOREIGN SCHEMA %I FROM SERVER bare INTO imported
                    OPTIONS (wrapper ''schemas.Strange'')', what);
    SELECT string_agg(concat(name, ' ', options), ', ') INTO found FROM tables;
    SET LOCAL client_min_messages = warning;
    DROP SCHEMA imported CASCADE;
    CREATE SCHEMA imported;
    RETURN 'imported ' || coalesce(found, 'nothing');
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(detail, ''), nullif(hint, ''));
END $$;
SELECT strange('nothing');
SELECT strange('generator');
SELECT strange('generator_fails');
SELECT strange('nested');
SELECT strange('cleared');
SELECT strange('odd_options');
SELECT what, strange(what) FROM unnest('{raises,raises_error,number,text,one,names,columns,named_columns,
    no_type,nameless,numbered,odd_type,odd_oid,odd_default,odd_option_names,no_options,twice,
    twice_column,wide}'::text[]) AS what;
-- The context says where.
IMPORT FOREIGN SCHEMA raises FROM SERVER bare INTO imported OPTIONS (wrapper 'schemas.Strange');
IMPORT FOREIGN SCHEMA no_type FROM SERVER bare INTO imported OPTIONS (wrapper 'schemas.Strange');
SELECT count(*) FROM tables;

-- What a class offers, in detail: a type is one type, a default one expression, and a name a name.
-- (Options of these statements are written with Python's escapes.)
CREATE SERVER single FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'schemas.Single');
CREATE TABLE keep (n int);
CREATE FUNCTION single(VARIADIC given text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text; context text; result text;
BEGIN
    EXECUTE 'IMPORT FOREIGN SCHEMA s FROM SERVER single INTO imported OPTIONS ('
        || (SELECT string_agg(format('%I %L', given[i], given[i + 1]), ', ')
            FROM generate_series(1, array_length(given, 1), 2) AS i) || ')';
    SELECT format('%s (%s %s', c.table, c.name, c.type)
        || CASE WHEN not_null THEN ' NOT NULL' ELSE '' END
        || coalesce(' DEFAULT ' || c.default, '') || coalesce(' COLLATE ' || c.collation, '')
        || coalesce(' ' || c.options::text, '') || ')' || coalesce(' ' || t.options::text, '')
    INTO result FROM columns AS c, tables AS t;
    SET LOCAL client_min_messages = warning;
    DROP SCHEMA imported CASCADE;
    CREATE SCHEMA imported;
    RETURN result;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(detail, ''));
END $$;
SELECT single('type', 'integer', 'not_null', 'true', 'default', '5');

-- Types.
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN "Odd domain" AS text COLLATE "C";
SELECT type, single('type', type) FROM unnest(ARRAY['int', 'INT4', ' numeric ( 10 , 2 ) ', 'varchar(5)', 'text[]',
    'int[3][]', '"char"', 'timestamp(0) with time zone', 'interval day to second(3)', 'bit(3)', 'mood', 'public.mood[]',
    '"Odd domain"', 'keep', 'double precision', 'int -- a comment', 'int /* another */', 'pg_catalog.int8']) AS type;
SELECT type, single('type', type) FROM unnest(ARRAY['no_such_type', 'nowhere.int', 'serial', 'int; DROP TABLE keep',
    'int); DROP TABLE keep; --', 'int, x int', 'int DEFAULT 5', 'int NOT NULL', 'text COLLATE "C"', 'SETOF int',
    'int)', '/* int', '"int', 'keep.n%TYPE', 'varchar(0)', 'numeric(5', 'record', 'anyelement', 'int OPTIONS (a ''b'')',
    'int --\n); DROP TABLE keep; --', '1', 'int int', '*']) AS type;
-- A type may be given by its OID alone.
SELECT oid, typmod, single('type_oid', oid, 'typmod', typmod)
FROM (VALUES ('23', '-1'), ('25', '0'), ('1043', '24'), ('1700', '655366'), ('1009', '-1'), ('1186', '2147418115'),
             ('23', '5'), ('1', '-1'), ('4294967295', '-1'), ('-1', '-1'), ('4294967296', '-1'), ('4294967319', '-1'),
             ('99999999999999999999', '-1'), ('1043', '4294967320'), ('2249', '-1')) AS v (oid, typmod);
-- A type's name goes before its OID.
SELECT single('type', 'date', 'type_oid', '23');

-- Defaults.
SELECT expression, single('type', 'text', 'default', expression) FROM unnest(ARRAY['5', '''it''''s''', 'now()', '1 + 2 * 3',
    'NULL', 'CASE WHEN true THEN 1 END', '5 -- a comment', '5 /* another */', 'E''a\\nb''', '$$a $ b$$', '(1)',
    'current_user', 'upper(''x'') COLLATE "C"', '''); DROP TABLE keep; --''', ' 5 ', '1::text', 'array_to_string(ARRAY[1, 2], '','')',
    'U&''\\00e9''', '''multi\nline''']) AS expression;
SELECT expression, single('type', 'text', 'default', expression) FROM unnest(ARRAY['1); DROP TABLE keep; --', '1, 2', '1 FROM keep',
    'a AS b', '1 AS b', '1 b', '''unterminated', '/* unterminated', '$$unterminated', '"unterminated', '1;', '1; DROP TABLE keep',
    '1 WHERE true', '1 UNION SELECT 2', '1 LIMIT 1', '1 ORDER BY 1', 'DISTINCT 1', '*', 'keep.*', '(1', '1)', ')(', 'DEFAULT',
    'VALUES (1)', '1 INTO x', '1 FOR UPDATE', 'WITH x AS (SELECT 1) SELECT 1', 'SELECT 1', '1) NOT NULL', '1) OPTIONS (a ''b''',
    '--', ' ', '/* */', '1 GROUP BY 1', '1 HAVING true', 'a := 1', 'a = 1', '1 --\n); DROP TABLE keep; --']) AS expression;
-- One expression that PostgreSQL does not take as a default.
SELECT expression, single('type', 'text', 'default', expression) FROM unnest(ARRAY['c', '(SELECT 1)', 'count(*)', '$1',
    'no_such_function()', 'generate_series(1, 2)']) AS expression;
SELECT single('type', 'int', 'default', '''no number''');

-- Collations.
SELECT name, single('type', 'text', 'collation', name) FROM unnest('{C,POSIX,no such,pg_catalog.C,"\"C\"",c}'::text[]) AS name;
SELECT single('type', 'int', 'collation', 'C');
-- They may be in a schema.
SELECT schema, single('type', 'text', 'collation', 'C', 'collation_schema', schema)
FROM unnest('{pg_catalog,public,no such,"",\"a.b\"}'::text[]) AS schema;

-- Columns that are computed from others.
SELECT expression, single('generated', expression) FROM unnest(ARRAY['5', '1 + 2 -- a comment', '1) STORED; DROP TABLE keep; --',
    '1, 2', 'random()', 'c', '']) AS expression;
SELECT single('generated', '5', 'default', '5');
IMPORT FOREIGN SCHEMA s FROM SERVER single INTO imported OPTIONS (generated 'length(''five'')');
SELECT attgenerated FROM pg_attribute WHERE attrelid = 'imported.single'::regclass AND attnum > 0;
DROP FOREIGN TABLE imported.single;
SELECT single('type', 'text', 'collation', 'C" NOT NULL --');

-- Names of tables and columns: quotes, backslashes, line ends, words of SQL. Nothing is cut or folded.
SELECT name, single('table', name, 'column', name)
FROM unnest(ARRAY['Books', 'select', 'it''s', '"quoted"', 'a"; DROP TABLE keep; --', 'back\\slash', 'two\nlines', 'tab\tbed',
                  ' blanks ', '\u00fcber', '\U0001f34e', 'a.b', '%s', '$1', '-- comment', repeat('x', 63), repeat('\u00e9', 31)]) AS name;
SELECT left(name, 8), single('table', name), single('column', name)
FROM unnest(ARRAY[repeat('x', 64), repeat('\u00e9', 32), '', 'nul\x00', 'half \ud83c', 'ctid']) AS name;
-- The context says which.
IMPORT FOREIGN SCHEMA s FROM SERVER single INTO imported OPTIONS ("column" 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx');
IMPORT FOREIGN SCHEMA s FROM SERVER single INTO imported OPTIONS (type 'no_such_type');
IMPORT FOREIGN SCHEMA s FROM SERVER single INTO imported OPTIONS ("default" '1, 2');
IMPORT FOREIGN SCHEMA s FROM SERVER single INTO imported OPTIONS ("table" 'books', "default" 'no_such()');

-- Names and values of options, also where backslashes escape in plain literals.
SELECT value, single('option', 'o', 'value', value) FROM unnest(ARRAY['it''s', '', 'a, b=c {d}', '"', 'back\\slash',
    '\\''); DROP TABLE keep; --', 'two\nlines', '\u20ac \U0001f34e', '$1 %s']) AS value;
SELECT single('option', name) FROM unnest(ARRAY['Upper', 'select', 'a b', '"', 'a=b', '\\\\', '\u00e9', '', repeat('x', 64), 'n\x00']) AS name;
SELECT single('option', 'o', 'value', 'nul\x00');
SET client_min_messages = error;
SET standard_conforming_strings = off;
SET escape_string_warning = off;
SELECT single('option', 'o', 'value', E'\\\\\'); DROP TABLE keep; --');
SELECT single('option', E'a\\\\"b', 'value', E'\\\\');
SELECT single('type', 'text', 'default', E'\'a\\\\\\\\\'\'b\'');
SELECT single('table', E'back\\\\slash');
RESET standard_conforming_strings;
RESET escape_string_warning;
RESET client_min_messages;
-- PostgreSQL's validator looks at them as always.
SELECT single('option', 'value_form', 'value', 'other');
SELECT single('option', 'value_form', 'value', 'text');

SELECT count(*) AS kept FROM keep;
SET client_min_messages = warning;
DROP SERVER library, bare, single CASCADE;
DROP FOREIGN DATA WRAPPER fixed CASCADE;
DROP SCHEMA imported CASCADE;
DROP VIEW tables, columns;
DROP FUNCTION strange, single;
DROP TABLE keep;
DROP TYPE mood, "Odd domain";
DROP ROLE regress_plain, regress_programmer;
