-- What the constructor of a wrapper is given: options and columns.
\getenv srcdir PG_ABS_SRCDIR
\i :srcdir/setup.sql

-- Options are those of the server, then those of the table, which wins, then those of the user
-- mapping. The option "wrapper" is not among them.
CREATE SERVER srv FOREIGN DATA WRAPPER multicorn
    OPTIONS (wrapper 'given.Options', host 'db.example.org', region 'north');
CREATE FOREIGN TABLE tab (name text, value text) SERVER srv;
SELECT * FROM tab;
ALTER FOREIGN TABLE tab OPTIONS (region 'south', "Mixed Case" 'ä "quoted" ''text''', empty '');
SELECT * FROM tab;

-- A mapping adds names.
CREATE USER MAPPING FOR CURRENT_USER SERVER srv OPTIONS (account 'me');
SELECT * FROM tab;

-- Any role with USAGE can make its own mapping, so that it may not override what server or table
-- say: the collision is an error that names both.
ALTER USER MAPPING FOR CURRENT_USER SERVER srv OPTIONS (ADD host 'evil.example.org');
SELECT * FROM tab;
\echo :LAST_ERROR_SQLSTATE
ALTER USER MAPPING FOR CURRENT_USER SERVER srv OPTIONS (DROP host, ADD region 'west');
SELECT * FROM tab;
ALTER USER MAPPING FOR CURRENT_USER SERVER srv OPTIONS (DROP region);

-- The user and the password are an exception ...
ALTER SERVER srv OPTIONS (ADD "user" 'everyone', ADD username 'everyone', ADD login 'everyone',
                          ADD password 'everyones');
ALTER USER MAPPING FOR CURRENT_USER SERVER srv
    OPTIONS (ADD "user" 'me', ADD username 'me', ADD login 'me', ADD password 'mine');
SELECT * FROM tab;

-- ... which a class can widen or close, by its attribute mapping_options.
ALTER USER MAPPING FOR CURRENT_USER SERVER srv OPTIONS (DROP "user", DROP username, DROP login);
ALTER USER MAPPING FOR CURRENT_USER SERVER srv OPTIONS (ADD region 'west');
ALTER SERVER srv OPTIONS (SET wrapper 'given.Lenient');
SELECT * FROM tab;
ALTER SERVER srv OPTIONS (SET wrapper 'given.LenientString');
SELECT * FROM tab WHERE name IN ('region', 'password');
ALTER USER MAPPING FOR CURRENT_USER SERVER srv OPTIONS (ADD "user" 'me');
SELECT * FROM tab;
ALTER USER MAPPING FOR CURRENT_USER SERVER srv OPTIONS (DROP region, DROP "user");
ALTER SERVER srv OPTIONS (SET wrapper 'given.Strict');
SELECT * FROM tab;
ALTER USER MAPPING FOR CURRENT_USER SERVER srv OPTIONS (DROP password);
SELECT * FROM tab WHERE name IN ('password', 'account');

-- Every constructor gets dicts of its own: these wrappers empty theirs, and other tables of the
-- server still have all.
CREATE FOREIGN TABLE second (name text, value text) SERVER srv;
SELECT * FROM second WHERE name IN ('host', 'region', 'account');
SELECT * FROM tab WHERE name = 'region';

-- Columns are described in table order. A type has its name as SQL writes it, with and without
-- modifier.
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE SERVER columns FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'given.Columns');
CREATE FOREIGN TABLE columns (
    definition text,
    "Mixed ""Case""" integer,
    short varchar(20),
    price numeric(10, 2),
    stamp timestamp(3) with time zone,
    fixed char(7),
    tags text[],
    matrix numeric(5, 1)[],
    span interval day to second(2),
    bits bit(3)
) SERVER columns;
SELECT definition FROM columns;
ALTER FOREIGN TABLE columns DROP "Mixed ""Case""", DROP stamp, DROP fixed, DROP tags,
    DROP matrix, DROP span, DROP bits;
SELECT definition FROM columns;

-- Column options arrive with their column; the second query shows that they are a dict of its own,
-- too.
ALTER FOREIGN TABLE columns ALTER price OPTIONS (ADD unit 'EUR', ADD field 'p');
SELECT definition FROM columns;
ALTER FOREIGN TABLE columns ALTER price OPTIONS (SET unit 'USD', DROP field);
SELECT definition FROM columns;

-- Types of one's own have the name by which the session would find them.
ALTER FOREIGN TABLE columns ADD feeling mood, ADD amount positive;
SELECT regexp_replace(definition, '(: \w+) \d+', '\1 OID') AS definition FROM columns
WHERE definition ~ '^(feeling|amount)';
SELECT regexp_replace(definition, '.*: (\w+) (\d+) .*', '\2')::oid::regtype AS type
FROM columns WHERE definition ~ '^(feeling|amount)';

SET client_min_messages = warning;
DROP SERVER srv CASCADE;
DROP SERVER columns CASCADE;
DROP TYPE mood;
DROP DOMAIN positive;
