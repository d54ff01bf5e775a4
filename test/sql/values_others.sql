-- uuid, and the types that have no counterpart in Python: they are exchanged as their text form,
-- and so is every column with the option value_form 'text'.
\getenv srcdir PG_ABS_SRCDIR
\set include :srcdir '/sql/include/values.sql'
\set ECHO none
\i :include

-- uuid: a uuid.UUID
SELECT python, received('uuid', python, literal) FROM (VALUES
	('UUID(int=2**128 - 1)', 'ffffffff-ffff-ffff-ffff-ffffffffffff'),
	('UUID("12345678-1234-5678-1234-567812345678")', '12345678-1234-5678-1234-567812345678'),
	('"{12345678123456781234567812345678}"', '12345678-1234-5678-1234-567812345678'),
	('b"12345678123456781234567812345678"', '12345678-1234-5678-1234-567812345678'),
	('UUID(int=1).bytes', NULL),
	('1', NULL)
) AS given(python, literal);

-- anything else: str(), and the type's input function with the column's modifier
SELECT type, python, received(type, python, literal) FROM (VALUES
	('bit(3)', '"101"', '101'),
	('bit(3)', '101', '101'),
	('bit(3)', '"10"', NULL),
	('bit(3)', '10', NULL),
	('varbit(3)', '"1011"', NULL),
	('inet', 'ip.ip_interface("10.0.0.1/8")', '10.0.0.1/8'),
	('inet', 'ip.ip_address("::1")', '::1'),
	('cidr', 'ip.ip_network("10.0.0.0/8")', '10.0.0.0/8'),
	('inet', '"10.0.0.256"', NULL),
	('macaddr', '"08:00:2b:01:02:03"', '08:00:2b:01:02:03'),
	('int4range', '"[1,5]"', '[1,5]'),
	('int4range', '"empty"', 'empty'),
	('int4range', '"[5,1]"', NULL),
	('daterange', '"[2020-01-01,)"', '[2020-01-01,)'),
	('nummultirange', '"{[1,2),[3,4)}"', '{[1,2),[3,4)}'),
	('point', '"(1,2)"', '(1,2)'),
	('point', '(1, 2.5)', '(1,2.5)'),
	('polygon', '((0, 0), (0, 1), (1, 0))', '((0,0),(0,1),(1,0))'),
	('tsvector', '"a:1 b:2"', 'a:1 b:2'),
	('jsonpath', '"$.a"', '$.a'),
	('xid', '5', '5'),
	('pg_lsn', '"0/10"', '0/10'),
	('regclass', '"pg_class"', 'pg_class'),
	('regclass', '"no_such_class"', NULL),
	('inet', 'None', NULL)
) AS given(type, python, literal);

-- value_form 'text' towards PostgreSQL: str(), and the type's input function, for every type
SELECT type, python, received(type, python, literal, ', value_form ''text''') FROM (VALUES
	('integer', '"42"', '42'),
	('integer', '42', '42'),
	('integer', '"4.0"', NULL),
	('boolean', '"yes"', 'true'),
	('numeric(5,2)', '"1.005"', '1.005'),
	('real', '"1e39"', NULL),
	('bytea', '"\\x6162"', '\x6162'),
	('text', '"text"', 'text'),
	('varchar(3)', '"abcd"', NULL),
	('char(3)', '"a"', 'a'),
	('name', '"a" * 64', NULL),
	('"char"', '"ab"', NULL),
	('date', '"infinity"', 'infinity'),
	('time(0)', '"01:02:03.6"', '01:02:03.6'),
	('timestamptz', '"2020-01-01 12:00+05"', '2020-01-01 12:00+05'),
	('interval', '"1 mon"', '1 mon'),
	('integer[]', '"[0:1]={1,2}"', '[0:1]={1,2}'),
	('jsonb', '"{\"a\": 1}"', '{"a": 1}'),
	('uuid', '"12345678123456781234567812345678"', '12345678-1234-5678-1234-567812345678'),
	('integer', 'None', NULL)
) AS given(type, python, literal);

-- and towards Python: what a query asks for is the type's text form, as the session writes it
SET timezone = 'Europe/Berlin';
SELECT type, literal, asked(type, literal, '=', 'OPTIONS (value_form ''text'')') FROM (VALUES
	('integer', '42'),
	('boolean', 'yes'),
	('numeric(5,2)', '1.005'),
	('bytea', '\x6162'),
	('text', 'text'),
	('timestamptz', '2020-07-01 12:00+00'),
	('date', '2020-07-01'),
	('uuid', '12345678123456781234567812345678'),
	('integer[]', '{1,2}')
) AS asked(type, literal);

DROP SCHEMA values_test CASCADE;
DROP SERVER values_test CASCADE;
