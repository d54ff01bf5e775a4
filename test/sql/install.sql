-- Where Python finds the extension's package and the wrappers, and what it says if it does not.
\getenv srcdir PG_ABS_SRCDIR
\i :srcdir/setup.sql

-- The messages below name folders and versions of this machine; hide them, and show the rest.
SELECT set_config('test.srcdir', :'srcdir', false) <> '' AS known;
CREATE FUNCTION masked(message text) RETURNS text LANGUAGE sql AS $$
    SELECT regexp_replace(replace(message, current_setting('test.srcdir'), 'SRCDIR'),
                          '(this server runs Python|Create one with: python) ?3\.\d+', '\1 X.Y', 'g')
$$;
CREATE FUNCTION error_of(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    state text; message text; detail text; hint text;
BEGIN
    EXECUTE statement;
    RETURN NEXT 'no error';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
        detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN NEXT state || ' ' || masked(message);
    RETURN QUERY SELECT 'DETAIL ' || masked(line) FROM regexp_split_to_table(nullif(detail, ''), '\n') line;
    RETURN QUERY SELECT 'HINT ' || masked(hint) WHERE hint <> '';
END $$;

CREATE SERVER home FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'given.Home');
CREATE FOREIGN TABLE home (package text, wrapper text, python text) SERVER home;

-- The package lies beside the extension, wherever that is: it cannot be missing.
SELECT package LIKE '%/multicorn-python/multicorn/\_\_init\_\_.py' AS beside_the_extension FROM home;

-- The wrapper's module lies in a folder of multicorn.python_path.
SELECT masked(wrapper) FROM home;

-- A name that is in sys.modules already stays what it is when the path changes; a new one is
-- looked for along the new path.
\set elsewhere :srcdir '/wrappers/elsewhere'
SET multicorn.python_path = :'elsewhere';
SELECT count(*) FROM home;
CREATE FOREIGN TABLE found (name text, value text) SERVER home
    OPTIONS (wrapper 'found_elsewhere.Found');
SELECT * FROM found;
\set both :wrappers ':' :elsewhere
SET multicorn.python_path = :'both';
SELECT * FROM found;

-- A folder that is not there, and one that is not absolute, are errors at the next use; nothing
-- else is lost, and a better setting makes all well.
SET multicorn.python_path = '/nonexistent/folder';
SELECT error_of('SELECT * FROM home');
SELECT error_of('SELECT * FROM home');
SET multicorn.python_path = 'relative/folder';
SELECT error_of('SELECT * FROM home');
\set a_file :srcdir '/setup.sql'
SET multicorn.python_path = :'a_file';
SELECT error_of('SELECT * FROM home');
SET multicorn.python_path = :'both';
SELECT count(*) FROM home;

-- A setting that is rolled back has its effect taken back, too.
BEGIN;
SET LOCAL multicorn.python_path = '/nonexistent/folder';
ROLLBACK;
SELECT count(*) FROM home;

-- A module that is not there: the error shows the module, the interpreter, and where it looked.
SET client_min_messages = error;
CREATE FOREIGN TABLE lost (a int) SERVER home OPTIONS (wrapper 'no_such_package.module.Class');
RESET client_min_messages;
SELECT regexp_replace(line, '(Python|Executable|virtualenv|  ).*', '\1 ...') AS line,
       count(*) > 1 AS several
FROM error_of('SELECT * FROM lost') WITH ORDINALITY AS t (line, n)
GROUP BY 1 ORDER BY min(n);
-- The first folder is the extension's own, then come those of the setting.
SELECT substr(line, 8) FROM error_of('SELECT * FROM lost') AS line WHERE line LIKE '%  SRCDIR%';

-- A module that is there but needs one that is not: the hint names the one to install.
SET client_min_messages = error;
ALTER FOREIGN TABLE lost OPTIONS (SET wrapper 'needy.Class');
RESET client_min_messages;
SELECT line FROM error_of('SELECT * FROM lost') AS line WHERE line !~ '^DETAIL (Python|Exec|Virtual|Search|  )';

-- A module whose code raises: it was found, so there is nothing to install.
SET client_min_messages = error;
ALTER FOREIGN TABLE lost OPTIONS (SET wrapper 'unwilling.Class');
RESET client_min_messages;
SELECT line FROM error_of('SELECT * FROM lost') AS line WHERE line !~ '^DETAIL (Python|Exec|Virtual|Search|  )';

-- A virtual environment is chosen before Python starts in a session, and then stays.
SELECT error_of($$SET multicorn.virtualenv = '/somewhere/else'$$);
SHOW multicorn.virtualenv;

-- So the rest takes a new session.
\c -
\i :srcdir/setup.sql
SELECT set_config('test.srcdir', :'srcdir', false) <> '' AS known;

-- A folder that is not there, and one that is no virtual environment.
SET multicorn.virtualenv = '/nonexistent/venv';
SELECT error_of('SELECT * FROM home');
SET multicorn.virtualenv = :'wrappers';
SELECT error_of('SELECT * FROM home');

-- One that was made for another version of Python: the error names both.
\set old_venv :srcdir '/wrappers/old_venv'
SET multicorn.virtualenv = :'old_venv';
SELECT error_of('SELECT * FROM home');

-- None of them has been used, so there is still a choice.
SET multicorn.virtualenv = '';
SELECT count(*) FROM home;
SELECT error_of($$SET multicorn.virtualenv = '/nonexistent/venv'$$);

SET client_min_messages = warning;
DROP SERVER home CASCADE;
DROP FUNCTION error_of, masked;
