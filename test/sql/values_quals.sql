-- Towards Python: what a wrapper is told that a query asks for. Each value is shown as its repr(), and
-- given back: PostgreSQL has found it equal to the constant it came from.
\getenv srcdir PG_ABS_SRCDIR
\set include :srcdir '/sql/include/values.sql'
\set ECHO none
\i :include
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE DOMAIN code AS varchar(3);
CREATE DOMAIN few AS integer[] CHECK (cardinality(VALUE) <= 3);
SET timezone = 'Europe/Berlin';

-- bool, int, float
SELECT type, literal, asked(type, literal) FROM (VALUES
	('smallint', '-32768'),
	('integer', '2147483647'),
	('bigint', '-9223372036854775808'),
	('bigint', '9223372036854775807'),
	('oid', '4294967295'),
	('double precision', '0.1'),
	('double precision', '5e-324'),
	('double precision', '-0'),
	('double precision', '-infinity'),
	('real', '0.5'),
	('real', '0.1')
) AS asked(type, literal);

-- Decimal, with every digit and trailing zero
SELECT type, literal, asked(type, literal) FROM (VALUES
	('numeric', '1.10'),
	('numeric', '-0.000'),
	('numeric', '1e30'),
	('numeric', '0.00000000000000000001'),
	('numeric', '12345678901234567890.098765432109876543210'),
	('numeric', 'infinity'),
	('numeric(5,2)', '1.005'),
	('numeric(3,-2)', '12345')
) AS asked(type, literal);
SELECT asked('numeric', repeat('9', 1000) || '.' || repeat('8', 1000))
	= format('= Decimal(''%s'')', repeat('9', 1000) || '.' || repeat('8', 1000)) AS thousands_of_digits;

-- str
SELECT type, literal, asked(type, literal) FROM (VALUES
	('text', 'plain'),
	('text', ''),
	('text', U&'caf\00e9 \+01F600'),
	('text', E'quotes \' " and \\'),
	('varchar(3)', 'abcd'),
	('char(3)', 'a'),
	('char(3)', ''),
	('char(3)', ' a '),
	('name', 'a name'),
	('mood', 'ok')
) AS asked(type, literal);

-- bytes, uuid.UUID
SELECT type, literal, asked(type, literal) FROM (VALUES
	('bytea', '\x00ff41'),
	('bytea', '\x'),
	('uuid', '12345678-1234-5678-1234-567812345678')
) AS asked(type, literal);

-- date, time, datetime: naive, or aware in UTC, to the microsecond
SELECT type, literal, asked(type, literal) FROM (VALUES
	('date', '2020-02-29'),
	('date', '0001-01-01'),
	('date', '9999-12-31'),
	('time', '23:59:59.999999'),
	('time(0)', '01:02:03.6'),
	('timetz', '01:02:03.000004+05:30'),
	('timetz', '01:00-15:59:59'),
	('timestamp', '2020-01-02 03:04:05.000006'),
	('timestamp', '1999-12-31 23:59:59.999999'),
	('timestamp', '0001-01-01'),
	('timestamp', '9999-12-31 23:59:59.999999'),
	('timestamp(0)', '2020-01-01 00:00:00.6'),
	('timestamptz', '2020-07-01 12:00'),
	('timestamptz', '2020-10-25 02:30+02'),
	('timestamptz', '0001-01-01 00:00+00'),
	('timestamptz', '9999-12-31 23:59:59.999999+00'),
	('timestamptz(3)', '2020-01-01 00:00:00.0015+00'),
	('interval', '1 day 02:03:04.000005'),
	('interval', '-1 microsecond'),
	('interval', '999999999 days 23:59:59.999999'),
	('interval', '-999999999 days')
) AS asked(type, literal);

-- lists, nested for several dimensions
SELECT type, literal, asked(type, literal) FROM (VALUES
	('integer[]', '{1,NULL}'),
	('integer[]', '{}'),
	('integer[]', '{{1,2},{3,4}}'),
	('text[]', '{a,NULL,"NULL","","\""}'),
	('varchar(3)[]', '{abc}'),
	('char(3)[]', '{a}'),
	('numeric[]', '{1.10}'),
	('timestamp[]', '{2020-01-02 03:04}'),
	('uuid[]', '{00000000-0000-0000-0000-000000000001}'),
	('bytea[]', '{"\\x00ff"}'),
	('mood[]', '{ok,NULL}')
) AS asked(type, literal);

-- domains are their base types
SELECT type, literal, asked(type, literal) FROM (VALUES
	('positive', '1'),
	('code', 'abc'),
	('few', '{1,2}'),
	('positive[]', '{1,NULL}'),
	('code[]', '{abc}')
) AS asked(type, literal);

-- What Python has no exact value for is not asked for: PostgreSQL looks for it itself.
SELECT type, literal, asked(type, literal) FROM (VALUES
	('date', 'infinity'),
	('date', '0044-03-15 BC'),
	('date', '10000-01-01'),
	('time', '24:00'),
	('timetz', '24:00+00'),
	('timestamp', '-infinity'),
	('timestamp', '0044-03-15 BC'),
	('timestamptz', 'infinity'),
	('timestamptz', '0001-01-01 00:00+01'),
	('timestamptz', '9999-12-31 23:59:59.999999-01'),
	('interval', '1 mon'),
	('interval', '1 mon -30 days'),
	('interval', '1000000000 days'),
	('interval', '2147483647 days 24:00'),
	('integer[]', '[0:1]={1,2}'),
	('date[]', '{2020-01-01,infinity}')
) AS asked(type, literal);

-- Among several values, one without an exact counterpart makes no Qual of any.
CREATE FOREIGN TABLE dates (value date, python text) SERVER values_test OPTIONS (wrapper 'values.Asked');
SELECT python FROM dates WHERE value = ANY (ARRAY[date '2020-01-01', date '2020-01-02']);
SELECT count(*) FROM dates WHERE value = ANY (ARRAY[date '2020-01-01', date 'infinity']);
SELECT told FROM told;

DROP SCHEMA values_test CASCADE;
DROP SERVER values_test CASCADE;
