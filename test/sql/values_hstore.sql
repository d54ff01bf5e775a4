-- hstore: a dict of texts. The extension may lie in any schema.
\getenv srcdir PG_ABS_SRCDIR
\set include :srcdir '/sql/include/values.sql'
\set ECHO none
\i :include
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS hstore;
RESET client_min_messages;
CREATE SCHEMA "Some where";
CREATE EXTENSION hstore SCHEMA "Some where";
SET search_path = values_test, public, "Some where";

-- towards PostgreSQL: a dict, whose keys and values are texts or go through str(); or hstore's own text
SELECT python, received('hstore', python, literal) FROM (VALUES
	('{}', ''),
	('{"a": "1", "b": None}', 'a=>1,b=>NULL'),
	('{"a": 1, "b": True, "c": Decimal("1.50")}', 'a=>1,b=>True,c=>1.50'),
	('{"": "", "q\"\\": "NULL", " ": "=>"}', '""=>"","q\"\\"=>"NULL"," "=>"=>"'),
	('types.MappingProxyType({"a": "x"})', 'a=>x'),
	('"a=>1, b=>NULL"', 'a=>1,b=>NULL'),
	('None', NULL),
	('{1: "a"}', '1=>a'),
	('{None: "a"}', NULL),
	('{"a": "\0"}', NULL),
	('{"a": "\ud800"}', NULL),
	('{"a": object}', NULL)
) AS given(python, literal);
SELECT type, python, received(type, python, literal) FROM (VALUES
	('hstore[]', '[{"a": 1}, None, {}]', '{"\"a\"=>\"1\"",NULL,""}')
) AS given(type, python, literal);
CREATE FOREIGN TABLE pairs (value hstore OPTIONS (python '{"a": "x" * 3, "b": None}')) SERVER values_test
	OPTIONS (wrapper 'values.Given');
SELECT value -> 'a' AS a, value ? 'b' AS b, akeys(value) FROM pairs;

-- towards Python
SELECT literal, asked('hstore', literal) FROM (VALUES
	(''), ('a=>1,b=>NULL'), ('"q\"\\"=>"NULL"')
) AS asked(literal);

-- and in rows that are written
CREATE FOREIGN TABLE store (id int, value hstore) SERVER values_test
	OPTIONS (wrapper 'writing.Store', store 'pairs');
INSERT INTO store VALUES (1, 'a=>1,b=>NULL'), (2, NULL), (3, '');
SELECT * FROM store ORDER BY id;
UPDATE store SET value = value || 'c=>3' WHERE id = 1 RETURNING value;

DROP FOREIGN TABLE pairs, store;
DROP EXTENSION hstore;
DROP SCHEMA "Some where";
SET client_min_messages = warning;
DROP SCHEMA values_test CASCADE;
DROP SERVER values_test CASCADE;
