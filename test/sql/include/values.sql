-- What the tests of values have in common; each includes it after it has set srcdir.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS multicorn;
DROP SCHEMA IF EXISTS values_test CASCADE;
DROP SERVER IF EXISTS values_test CASCADE;
CREATE SCHEMA values_test;
SET search_path = values_test, public;
\set wrappers :srcdir '/wrappers'
SET multicorn.python_path = :'wrappers';
SET datestyle = 'ISO, MDY';
SET intervalstyle = postgres;
SET timezone = 'UTC';
SET bytea_output = hex;
SET extra_float_digits = 1;
CREATE SERVER values_test FOREIGN DATA WRAPPER multicorn;

-- Which of column, Python type and value an error does not name; '' if it names them all.
CREATE FUNCTION lacks_of(told text, python text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	kind text;
	shown text;
	lacks text = '';
BEGIN
	EXECUTE format(
		'CREATE FOREIGN TABLE about (kind text OPTIONS (python %L), shown text OPTIONS (python %L))'
		' SERVER values_test OPTIONS (wrapper ''values.Given'')',
		format('type(%s).__name__', python), format('shown(%s)', python));
	SELECT * FROM about INTO kind, shown;
	DROP FOREIGN TABLE about;
	IF position('column "value"' IN told) = 0 THEN
		lacks := ' (does not name the column)';
	END IF;
	IF position(kind IN told) = 0 THEN
		lacks := lacks || format(' (does not name the type %s)', kind);
	END IF;
	IF NOT EXISTS (
		SELECT FROM string_to_table(shown, E'\n') AS form WHERE position(form IN told) > 0
	) THEN
		lacks := lacks || ' (does not show the value)';
	END IF;
	RETURN lacks;
END $$;

-- What a column of a type holds after the wrapper gave it the value of a Python expression: its
-- text form. Or the SQLSTATE of the error, and what of column, Python type and value it fails to
-- name. If literal is not NULL, a heap table's column of the type must hold the very same datum
-- after that literal was inserted.
CREATE FUNCTION received(
	type text, python text, literal text DEFAULT NULL, column_options text DEFAULT ''
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	same boolean;
	result text;
	expected text;
	detail text;
	context text;
BEGIN
	EXECUTE format(
		'CREATE FOREIGN TABLE given (value %s OPTIONS (python %L %s)) SERVER values_test'
		' OPTIONS (wrapper ''values.Given'')',
		type, python, column_options);
	BEGIN
		SELECT given.value::text FROM given INTO result;
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, context = PG_EXCEPTION_CONTEXT;
		result := 'error ' || SQLSTATE || lacks_of(concat_ws(' ', SQLERRM, detail, context), python);
		literal := NULL;
	END;
	IF literal IS NOT NULL THEN
		EXECUTE format('CREATE TABLE heap (value %s)', type);
		EXECUTE format('INSERT INTO heap VALUES (%L)', literal);
		SELECT record_image_eq(given, heap), heap.value::text FROM given, heap INTO same, expected;
		DROP TABLE heap;
		IF same IS DISTINCT FROM true THEN
			result := format('%s, but PostgreSQL makes %s of the literal', result, expected);
		END IF;
	END IF;
	DROP FOREIGN TABLE given;
	RETURN coalesce(result, 'NULL');
END $$;

-- What a wrapper is told that a query asks a column of a type for: the operator and the repr() of
-- the value; "no Qual" if it is told nothing. The wrapper gives the value back, and PostgreSQL looks
-- whether it is the same.
CREATE FOREIGN TABLE told (told text OPTIONS (python '"; ".join(Asked.told) or "no Qual"'))
	SERVER values_test OPTIONS (wrapper 'values.Given');
CREATE FUNCTION asked(
	type text, literal text, operator text DEFAULT '=', column_options text DEFAULT ''
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format(
		'CREATE FOREIGN TABLE asked (value %s %s, python text) SERVER values_test'
		' OPTIONS (wrapper ''values.Asked'')',
		type, column_options);
	EXECUTE format('SELECT python FROM asked WHERE value %s %L::%s', operator, literal, type)
		INTO result;
	DROP FOREIGN TABLE asked;
	IF result IS NULL THEN
		SELECT nullif(t.told, 'no Qual') || ', but it comes back as another' FROM told t INTO result;
	END IF;
	RETURN coalesce(result, 'no Qual');
END $$;
\set ECHO all
