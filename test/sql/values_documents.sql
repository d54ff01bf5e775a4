-- Documents: json and jsonb, which are str on Python's side, and hstore, which is a dict.
\getenv srcdir PG_ABS_SRCDIR
\set include :srcdir '/sql/include/values.sql'
\set ECHO none
\i :include
CREATE EXTENSION IF NOT EXISTS hstore SCHEMA public;

-- json and jsonb: a str is JSON text, anything else is dumped
SELECT type, python, received(type, python, literal) FROM (VALUES
	('json', '"[1,  2]"', '[1,  2]'),
	('jsonb', '"[1,  2]"', '[1, 2]'),
	('json', 'b"[1]"', '[1]'),
	('json', '"\"text\""', '"text"'),
	('json', '"text"', NULL),
	('json', '""', NULL),
	('json', 'Color.RED', NULL),
	('json', 'None', NULL),
	('json', '{"a": [1, None, True, 1.5, "\u00e9\U0001f600"]}', U&'{"a": [1, null, true, 1.5, "\00e9\+01F600"]}'),
	('json', '{}', '{}'),
	('json', '[]', '[]'),
	('json', '1', '1'),
	('json', 'True', 'true'),
	('json', '1.0', '1.0'),
	('json', '(1, 2)', '[1, 2]'),
	('json', '{1: 2, None: 3}', '{"1": 2, "null": 3}'),
	('jsonb', '10**400', '1' || repeat('0', 400)),
	('jsonb', '-0.0', '-0.0'),
	('jsonb', '{"b": 1, "a": 2}', '{"a": 2, "b": 1}')
) AS given(type, python, literal);

-- what the json module does not know: every digit of a Decimal, ISO dates, the text of the rest
SELECT type, python, received(type, python, literal) FROM (VALUES
	('json', 'Decimal("1.10")', '1.10'),
	('json', '[Decimal("12345678901234567890.123456789")]', '[12345678901234567890.123456789]'),
	('jsonb', '{"at": dt(2020, 1, 2, 3, 4, 5, tzinfo=utc)}', '{"at": "2020-01-02T03:04:05+00:00"}'),
	('jsonb', '[date(2020, 1, 2), time(1)]', '["2020-01-02", "01:00:00"]'),
	('jsonb', '[UUID(int=1), {1}, b"bytes"]', '["00000000-0000-0000-0000-000000000001", [1], "bytes"]'),
	('jsonb', '[Size.LARGE, Color.RED, Mood.OK]', '[3, "red", "ok"]'),
	('jsonb', 'types.MappingProxyType({"a": 1})', '{"a": 1}')
) AS given(type, python, literal);

-- what JSON, or the database, cannot hold
SELECT type, python, received(type, python, literal) FROM (VALUES
	('json', 'nan', NULL),
	('json', '[inf]', NULL),
	('json', '[Decimal("NaN")]', NULL),
	('json', 'recursive_list()', NULL),
	('jsonb', 'recursive_dict()', NULL),
	('json', '{"a": "\ud800"}', NULL),
	('jsonb', '{"a": "\0"}', NULL),
	('json', 'b"\"\xff\""', NULL)
) AS given(type, python, literal);

-- hstore: a dict of str -> str or None; other scalars are their str()
SELECT python, received('hstore', python, literal) FROM (VALUES
	('{"a": "1", "b": None}', 'a=>1, b=>NULL'),
	('{}', ''),
	('{"": "", "NULL": "NULL"}', '""=>"", "NULL"=>"NULL"'),
	('{"\"quoted\"": "=>, \\"}', E'"\\"quoted\\""=>"=>, \\\\"'),
	('{1: 2, "b": True, "c": 1.5, "d": Decimal("1.10")}', '1=>2, b=>True, c=>1.5, d=>1.10'),
	('{"on": date(2020, 1, 2), "caf\u00e9": b"caf\xc3\xa9"}', U&'on=>2020-01-02, caf\00e9=>caf\00e9'),
	('types.MappingProxyType({"a": "1"})', 'a=>1'),
	('"a=>1, b=>NULL"', 'a=>1, b=>NULL'),
	('{None: "1"}', NULL),
	('{"a": "\0"}', NULL),
	('{"a": "\ud800"}', NULL)
) AS given(python, literal);

-- hstore is known wherever the extension was put, and only as the extension's own
DROP EXTENSION hstore;
CREATE SCHEMA elsewhere;
CREATE EXTENSION hstore SCHEMA elsewhere;
SELECT received('elsewhere.hstore', '{"a": "1", "b": None}', 'a=>1, b=>NULL') AS hstore,
	received('elsewhere.hstore[]', '[{"a": "1"}, None]', '{"a=>1",NULL}') AS hstores;
CREATE DOMAIN hstore AS text;
SELECT received('hstore', '{"a": 1}', '{"a": 1}') AS namesake;
DROP EXTENSION hstore;
DROP SCHEMA elsewhere;

DROP SCHEMA values_test CASCADE;
DROP SERVER values_test CASCADE;
