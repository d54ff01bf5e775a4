-- Characters and bytes: text, varchar, char(n), "char", name, citext, enum, bytea.
\getenv srcdir PG_ABS_SRCDIR
\set include :srcdir '/sql/include/values.sql'
\set ECHO none
\i :include
CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');

-- text: a str as it is, subclasses by what they hold and not by their str()
SELECT python, received('text', python, literal) FROM (VALUES
	('"plain"', 'plain'),
	('""', ''),
	('"caf\u00e9 \U0001f600"', U&'caf\00e9 \+01F600'),
	('Color.RED', 'red'),
	('Mood.OK', 'ok'),
	('Renamed("itself")', 'itself'),
	('None', NULL)
) AS given(python, literal);

-- text: bytes are in the encoding of the database, and are checked
SELECT python, received('text', python, literal) FROM (VALUES
	('b"caf\xc3\xa9"', U&'caf\00e9'),
	('bytearray(b"bytes")', 'bytes'),
	('memoryview(b"b-y-t-e-s")[::2]', 'bytes'),
	('b""', ''),
	('b"caf\xe9"', NULL),
	('b"\xed\xa0\x80"', NULL),
	('b"a\0b"', NULL),
	('"a\0b"', NULL),
	('"\ud800"', NULL),
	('"\udcff"', NULL)
) AS given(python, literal);

-- text: dates and times use isoformat(), a dict or a list is JSON, everything else is its str()
SELECT python, received('text', python, literal) FROM (VALUES
	('date(2020, 1, 2)', '2020-01-02'),
	('time(1, 2)', '01:02:00'),
	('dt(2020, 1, 2, 3, 4, 5, 6)', '2020-01-02T03:04:05.000006'),
	('dt(2020, 1, 2, tzinfo=hours(5.5))', '2020-01-02T00:00:00+05:30'),
	('td(days=1, seconds=1)', '1 day, 0:00:01'),
	('{"a": [1, None, "\u00e9"], "b": Decimal("1.10")}', U&'{"a": [1, null, "\00e9"], "b": 1.10}'),
	('["a", {"b": date(2020, 1, 2)}]', '["a", {"b": "2020-01-02"}]'),
	('(1, "a")', '(1, ''a'')'),
	('True', 'True'),
	('42', '42'),
	('Size.LARGE', '3'),
	('1.5', '1.5'),
	('Decimal("1E+5")', '1E+5'),
	('UUID(int=1)', '00000000-0000-0000-0000-000000000001'),
	('recursive_list()', NULL),
	('recursive_dict()', NULL)
) AS given(python, literal);

-- varchar(n) and char(n) refuse what is too long but for trailing blanks, on every path
SELECT type, python, received(type, python, literal) FROM (VALUES
	('varchar(3)', '"abc"', 'abc'),
	('varchar(3)', '"abcd"', NULL),
	('varchar(3)', '"abc  "', 'abc  '),
	('varchar(3)', '"\u00e9" * 3', U&'\00e9\00e9\00e9'),
	('varchar(3)', '"\u00e9" * 4', NULL),
	('varchar(3)', 'b"abcd"', NULL),
	('varchar(3)', 'memoryview(b"abc  ")', 'abc  '),
	('varchar(3)', '1234', NULL),
	('varchar(3)', '123', '123'),
	('varchar(3)', '[1]', '[1]'),
	('varchar(3)', '[1, 2]', NULL),
	('varchar(10)', 'date(2020, 1, 2)', '2020-01-02'),
	('varchar(9)', 'date(2020, 1, 2)', NULL),
	('varchar', '"a" * 100', repeat('a', 100)),
	('char(3)', '"a"', 'a'),
	('char(3)', '"abc   "', 'abc'),
	('char(3)', '"abcd"', NULL),
	('char(3)', '"\u00e9"', U&'\00e9'),
	('char(3)', 'b"a"', 'a'),
	('char(4)', 'True', 'True'),
	('char', '"ab"', NULL),
	('bpchar', '"ab  "', 'ab  ')
) AS given(type, python, literal);

-- name and "char" have no room for more, and nothing is cut in silence
SELECT type, python, received(type, python, literal) FROM (VALUES
	('name', '"a" * 63', repeat('a', 63)),
	('name', '"a" * 64', NULL),
	('name', '"\u00e9" * 31', repeat(U&'\00e9', 31)),
	('name', '"\u00e9" * 32', NULL),
	('name', 'b"a" * 64', NULL),
	('name', '10**63', NULL),
	('"char"', '"a"', 'a'),
	('"char"', '""', ''),
	('"char"', '5', '5'),
	('"char"', 'b"a"', 'a'),
	('"char"', '"\\101"', 'A'),
	('"char"', '"ab"', NULL),
	('"char"', '"\u00e9"', NULL),
	('"char"', '"\\xyz"', NULL),
	('"char"', '"\\999"', NULL),
	('"char"', '42', NULL)
) AS given(type, python, literal);

-- citext, and enums by their label
SELECT type, python, received(type, python, literal) FROM (VALUES
	('citext', '"MiXed"', 'MiXed'),
	('citext', '42', '42'),
	('citext', 'date(2020, 1, 2)', '2020-01-02'),
	('mood', '"happy"', 'happy'),
	('mood', 'b"sad"', 'sad'),
	('mood', 'Mood.OK', 'ok'),
	('mood', '"OK"', NULL),
	('mood', '""', NULL),
	('mood', '1', NULL)
) AS given(type, python, literal);

-- bytea: bytes, bytearray and memoryview; a str is encoded as the database is
SELECT python, received('bytea', python, literal) FROM (VALUES
	('b"\0\xff"', '\x00ff'),
	('b""', '\x'),
	('bytearray(b"abc")', '\x616263'),
	('memoryview(b"abc")[1:]', '\x6263'),
	('memoryview(b"abcde")[::-2]', '\x656361'),
	('memoryview(array("H", [258, 258]))', '\x02010201'),
	('memoryview(bytes(4)).cast("B", (2, 2))', '\x00000000'),
	('"caf\u00e9"', '\x636166c3a9'),
	('"\\x41"', '\x5c783431'),
	('42', '\x3432'),
	('"\ud800"', NULL)
) AS given(python, literal);

-- a hundred million characters are no trouble
CREATE FOREIGN TABLE huge (
	characters text OPTIONS (python '"x" * 100_000_000'),
	bytes bytea OPTIONS (python 'b"x" * 100_000_000')
) SERVER values_test OPTIONS (wrapper 'values.Given');
SELECT length(characters), md5(characters) = md5(repeat('x', 100000000)) AS same FROM huge;
SELECT length(bytes), md5(bytes) = md5(repeat('x', 100000000)) AS same FROM huge;

DROP SCHEMA values_test CASCADE;
DROP SERVER values_test CASCADE;
