-- What is said about a value that a column cannot hold: the column, the Python type and the value,
-- with PostgreSQL's own error where it is one. The statement fails, and the session goes on.
\getenv srcdir PG_ABS_SRCDIR
\set include :srcdir '/sql/include/values.sql'
\set ECHO none
\i :include
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);

-- An error as a client sees it, but for the traceback and the place in the sources.
CREATE FUNCTION refused(statement text) RETURNS TABLE (code text, message text, detail text, context text)
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS
		code = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
		detail = PG_EXCEPTION_DETAIL, context = PG_EXCEPTION_CONTEXT;
	context := substring(context FROM 'column "[^\n]*\n[^\n]*');
	RETURN NEXT;
END $$;

-- one bad value among others
CREATE FOREIGN TABLE measured (
	place text OPTIONS (python '"here"'),
	size smallint OPTIONS (python '40000'),
	weight numeric(4,1) OPTIONS (python 'Decimal("1234.5")'),
	"at the" timestamptz OPTIONS (python '"soon"'),
	tags varchar(5)[] OPTIONS (python '["short", "longer"]'),
	count positive OPTIONS (python '-1'),
	note text OPTIONS (python '"caf\ud800"'),
	raw text OPTIONS (python 'b"\xff"'),
	long integer OPTIONS (python '"x" * 1000'),
	name name OPTIONS (python '"n" * 100')
) SERVER values_test OPTIONS (wrapper 'values.Given');
\x on
SELECT * FROM refused('SELECT size FROM measured');
SELECT * FROM refused('SELECT weight FROM measured');
SELECT * FROM refused('SELECT "at the" FROM measured');
SELECT * FROM refused('SELECT tags FROM measured');
SELECT * FROM refused('SELECT count FROM measured');
SELECT * FROM refused('SELECT note FROM measured');
SELECT * FROM refused('SELECT raw FROM measured');
SELECT code, left(message, 60), context FROM refused('SELECT long FROM measured');
SELECT * FROM refused('SELECT name FROM measured');
\x off

-- only the columns that a query needs are converted
SELECT place FROM measured;
SELECT count(*) FROM measured;

-- the row before the bad one has been delivered, and what follows the error starts afresh
CREATE FOREIGN TABLE numbered (value integer)
	SERVER values_test OPTIONS (wrapper 'values.Given', rows '([n if n < 3 else "three"] for n in range(5))');
SELECT * FROM numbered LIMIT 3;
DO $$
DECLARE
	sum integer = 0;
	number integer;
BEGIN
	FOR number IN SELECT value FROM numbered LOOP
		sum := sum + number;
	END LOOP;
EXCEPTION WHEN invalid_text_representation THEN
	RAISE WARNING 'refused: %', SQLERRM;
END $$;
SELECT * FROM numbered LIMIT 3;

-- an exception in a value's own code keeps its text; the column and the Python type are named
SELECT type, python, e.code, e.message, left(e.context, strpos(e.context, E'\n') - 1) AS context
FROM (VALUES
	('integer', 'Unspeakable()'),
	('text', 'Unspeakable()'),
	('bytea', 'Unspeakable()'),
	('text[]', '[Unspeakable()]'),
	('timestamptz', 'dt(2020, 1, 1, tzinfo=Lost())'),
	('timetz', 'time(1, tzinfo=Lost())'),
	('bytea', 'released()'),
	('text', 'Mute()')
) AS given(type, python),
	LATERAL (SELECT format('CREATE FOREIGN TABLE failing (value %s OPTIONS (python %L))'
		' SERVER values_test OPTIONS (wrapper ''values.Given'')', type, python)) AS make(statement),
	LATERAL refused(statement || '; SELECT value FROM failing') AS e;

-- more than PostgreSQL can hold in one value
CREATE FOREIGN TABLE enormous (value bytea OPTIONS (python 'bytes(2**30)'))
	SERVER values_test OPTIONS (wrapper 'values.Given');
SELECT code, message, left(context, 40) || '...' AS context FROM refused('SELECT value FROM enormous');

-- a value that cannot even be shown is still refused in good order
SELECT e.code, e.message, e.detail
FROM refused($$
	CREATE FOREIGN TABLE failing (value integer[] OPTIONS (python '[None, [Unspeakable()]]'))
		SERVER values_test OPTIONS (wrapper 'values.Given');
	SELECT value FROM failing$$) AS e;

DROP SCHEMA values_test CASCADE;
DROP SERVER values_test CASCADE;
