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

-- Does a text contain one of several, which are its lines?
CREATE FUNCTION contains_one(told text, lines text) RETURNS boolean LANGUAGE sql AS $$
	SELECT lines = '' OR bool_or(position(line IN told) > 0) FROM string_to_table(lines, E'\n') AS line
$$;

-- Which of column, Python type and value an error does not name; '' if it names them all. Of a value
-- made of values it may name the one that is at fault.
CREATE FUNCTION lacks_of(told text, python text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	kinds text;
	forms text;
BEGIN
	EXECUTE format(
		'CREATE FOREIGN TABLE about (kinds text OPTIONS (python %L), forms text OPTIONS (python %L))'
		' SERVER values_test OPTIONS (wrapper ''values.Given'')',
		format('kinds(%s)', python), format('forms(%s)', python));
	SELECT * FROM about INTO kinds, forms;
	DROP FOREIGN TABLE about;
	RETURN CASE WHEN position('column "value"' IN told) = 0 THEN ' (does not name the column)' ELSE '' END
		|| CASE WHEN contains_one(told, kinds) THEN '' ELSE ' (does not name the Python type)' END
		|| CASE WHEN contains_one(told, forms) THEN '' ELSE ' (does not show the value)' END;
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
-- whether it is the same. A parameter of a prepared statement must be told as a constant is.
CREATE FOREIGN TABLE told (told text OPTIONS (python '"; ".join(Asked.told) or "no Qual"'))
	SERVER values_test OPTIONS (wrapper 'values.Given');
CREATE FUNCTION asked(
	type text, literal text, operator text DEFAULT '=', column_options text DEFAULT ''
) RETURNS text LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
	constant text;
	parameter text;
BEGIN
	EXECUTE format(
		'CREATE FOREIGN TABLE asked (value %s %s, python text) SERVER values_test'
		' OPTIONS (wrapper ''values.Asked'')',
		type, column_options);
	EXECUTE format('SELECT python FROM asked WHERE value %s %L::%s', operator, literal, type)
		INTO constant;
	IF constant IS NULL THEN
		SELECT nullif(t.told, 'no Qual') || ', which comes back as another' FROM told t INTO constant;
	END IF;
	EXECUTE format('PREPARE asked(%s) AS SELECT python FROM asked WHERE value %s $1', type, operator);
	EXECUTE format('EXECUTE asked(%L::%s)', literal, type) INTO parameter;
	DEALLOCATE asked;
	DROP FOREIGN TABLE asked;
	RETURN coalesce(constant, 'no Qual')
		|| CASE WHEN parameter IS DISTINCT FROM constant
		   THEN ', but as a parameter ' || coalesce(parameter, 'no Qual') ELSE '' END;
END $$;
\set ECHO all
