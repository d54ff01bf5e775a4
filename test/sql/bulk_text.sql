-- Rows that are written as text: lines for COPY, arrays for batches of INSERT.
\getenv srcdir PG_ABS_SRCDIR
\i :srcdir/setup.sql
CREATE SERVER srv FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'bulk_text.Both');
CREATE FOREIGN TABLE b (id int, t text, f float8) SERVER srv;

-- The rows of COPY go to insert_copy, however many modify_batch_size wants.
COPY b FROM stdin;
1	one	0.1
2	a\tb\\c\nd	Infinity
3	\N	\N
4		NaN
5	"quoted" {b,c} NULL	1e100
\.
\echo :ROW_COUNT
COPY b (t, id) FROM stdin WITH (FORMAT csv);
"x
y",7
\.,8
\N,9
\.
-- No rows are none.
COPY b FROM stdin;
\.
-- An error in the middle: what was not handed over yet never is.
ALTER FOREIGN TABLE b OPTIONS (silent 'end_modify');
COPY b FROM stdin;
1	one	0.1
x
\.
ALTER FOREIGN TABLE b OPTIONS (DROP silent);

-- Batches of INSERT go to insert_arrays.
INSERT INTO b SELECT i, 'n' || i, i / 4.0 FROM generate_series(1, 4) AS i;
\echo :ROW_COUNT
INSERT INTO b VALUES (1, 'a "b"', NULL), (NULL, E'\\ {,}\n\t', 'NaN'), (3, 'null', '-Infinity'), (4, '', -0.0), (5, NULL, 5e-324);
INSERT INTO b SELECT i FROM generate_series(1, 2) AS i ON CONFLICT DO NOTHING;
-- One row is a batch, too.
INSERT INTO b VALUES (12);

-- What insert_arrays returns is how many rows were written.
ALTER FOREIGN TABLE b OPTIONS (silent 'insert_arrays insert_copy end_modify', returns '1');
INSERT INTO b SELECT i FROM generate_series(1, 7) AS i;
\echo :ROW_COUNT
ALTER FOREIGN TABLE b OPTIONS (SET returns '0');
INSERT INTO b SELECT i FROM generate_series(1, 7) AS i;
\echo :ROW_COUNT
ALTER FOREIGN TABLE b OPTIONS (SET returns 'count');
INSERT INTO b SELECT i FROM generate_series(1, 7) AS i;
\echo :ROW_COUNT
CREATE FUNCTION with_returned(returned text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER FOREIGN TABLE b OPTIONS (SET returns %L)', returned);
    INSERT INTO b SELECT i FROM generate_series(1, 2) AS i;
END $$;
SELECT with_returned('3');
SELECT with_returned('-1');
SELECT with_returned('10**30');
SELECT with_returned('True');
SELECT with_returned('2.0');
SELECT with_returned('SKIPPED');
SELECT with_returned('[None, None]');
SELECT with_returned('1 / 0');
-- insert_copy returns nothing.
ALTER FOREIGN TABLE b OPTIONS (SET returns '1');
COPY b FROM stdin;
1	one	0.1
\.
ALTER FOREIGN TABLE b OPTIONS (SET returns '1 / 0');
COPY b FROM stdin;
1	one	0.1
\.
ALTER FOREIGN TABLE b OPTIONS (DROP returns, DROP silent);

-- Where somebody looks at the rows, they go the other way.
INSERT INTO b SELECT i FROM generate_series(1, 2) AS i RETURNING *;
CREATE VIEW v AS SELECT * FROM b WHERE id < 10 WITH CHECK OPTION;
INSERT INTO v SELECT generate_series(1, 2);
DROP VIEW v;
-- COPY of PostgreSQL 15 does not know batches: these are told of as rows.
ALTER FOREIGN TABLE b OPTIONS (size '1');
CREATE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE NOTICE '% % %', TG_WHEN, TG_LEVEL, NEW;
    RETURN NEW;
END $$;
CREATE TRIGGER told BEFORE INSERT ON b FOR EACH ROW EXECUTE FUNCTION told();
INSERT INTO b SELECT i FROM generate_series(1, 2) AS i;
COPY b (id) FROM stdin;
1
2
\.
DROP TRIGGER told ON b;
CREATE TRIGGER told AFTER INSERT ON b FOR EACH ROW EXECUTE FUNCTION told();
COPY b (id) FROM stdin;
1
2
\.
DROP TRIGGER told ON b;
CREATE TRIGGER told AFTER INSERT ON b FOR EACH STATEMENT EXECUTE FUNCTION told();
COPY b (id) FROM stdin;
1
2
\.
DROP TRIGGER told ON b;
-- So do those of a COPY that calls a function which may read them. Others do no harm.
CREATE FUNCTION next() RETURNS int LANGUAGE sql AS 'SELECT count(*)::int FROM b';
ALTER FOREIGN TABLE b ALTER f SET DEFAULT next();
COPY b (id) FROM stdin;
1
2
\.
ALTER FOREIGN TABLE b ALTER f SET DEFAULT random() * 0, ALTER t SET DEFAULT 'x';
COPY b (id) FROM stdin;
1
2
\.
-- A trigger before the statement does not see them, and insert_arrays has time.
CREATE TRIGGER told BEFORE INSERT ON b FOR EACH STATEMENT EXECUTE FUNCTION told();
ALTER FOREIGN TABLE b OPTIONS (DROP size);
COPY b (id) FROM stdin;
1
2
\.
INSERT INTO b SELECT i FROM generate_series(1, 2) AS i;
DROP TRIGGER told ON b;

-- Columns: generated ones that are stored are there, dropped ones are not.
CREATE FOREIGN TABLE g (x int, id int OPTIONS (generated 'remote'), a int, twice int GENERATED ALWAYS AS (a * 2) STORED)
    SERVER srv;
ALTER FOREIGN TABLE g DROP x;
COPY g (a) FROM stdin;
1
2
\.
-- Rows with other columns than the one before are handed over apart, in their order.
ALTER FOREIGN TABLE g OPTIONS (size '10');
INSERT INTO g VALUES (DEFAULT, 1), (DEFAULT, 2), (3, 3), (4, 4), (NULL, 5);
COPY g (id, a) FROM stdin;
1	1
2	2
\N	3
4	4
\.
ALTER FOREIGN TABLE g OPTIONS (omit '');
INSERT INTO g (id) VALUES (1), (2), (NULL);
INSERT INTO g DEFAULT VALUES;
COPY g (a) FROM stdin;
1
\N
\.

-- Each partition has rows of its own.
CREATE TABLE p (id int, t text) PARTITION BY LIST ((id % 3));
CREATE FOREIGN TABLE p0 PARTITION OF p FOR VALUES IN (0) SERVER srv OPTIONS (size '2');
CREATE FOREIGN TABLE p1 (t text, id int) SERVER srv OPTIONS (size '4');
ALTER TABLE p ATTACH PARTITION p1 FOR VALUES IN (1);
CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2);
INSERT INTO p SELECT i, 'n' || i FROM generate_series(1, 9) AS i;
\echo :ROW_COUNT
COPY p FROM stdin;
1	a
2	b
3	c
4	d
5	e
6	f
7	g
\.
\echo :ROW_COUNT
-- The trigger of the partitioned table sees all of them.
ALTER FOREIGN TABLE p0 OPTIONS (SET size '1');
ALTER FOREIGN TABLE p1 OPTIONS (SET size '1');
CREATE TRIGGER told AFTER INSERT ON p FOR EACH STATEMENT EXECUTE FUNCTION told();
COPY p FROM stdin;
1	a
3	c
\.

-- One method does not need the other; both need insert or bulk_insert.
CREATE FOREIGN TABLE o (id int, t text) SERVER srv OPTIONS (wrapper 'bulk_text.OnlyArrays');
INSERT INTO o SELECT generate_series(1, 3);
INSERT INTO o SELECT generate_series(1, 2) RETURNING *;
CREATE FOREIGN TABLE n (id int) SERVER srv OPTIONS (wrapper 'bulk_text.NoInsert');
INSERT INTO n VALUES (1);
COPY n FROM stdin;
\.
CREATE FOREIGN TABLE c (id int) SERVER srv OPTIONS (wrapper 'bulk_text.Copies');
INSERT INTO c SELECT generate_series(1, 2);
COPY c FROM stdin;
1
\.

-- Everything that a type may hold, whatever the settings are.
CREATE TYPE pair AS (a int, d date);
CREATE DOMAIN days AS date[];
CREATE FOREIGN TABLE v (d date, ts timestamp, tz timestamptz, i interval, f float4, by bytea, m money, r regclass,
    c pair, a days, bx box, n numeric, u uuid, j jsonb, ch char(3), bo bool, ta text[]) SERVER srv;
SET DateStyle = 'SQL, DMY';
SET IntervalStyle = 'iso_8601';
SET extra_float_digits = -15;
SET bytea_output = 'escape';
SET TimeZone = 'Asia/Kolkata';
INSERT INTO v VALUES ('infinity', '-infinity', '0044-03-15 12:00:00+00 BC', '1 year 2 mons -3 days 04:05:06.7', 0.1,
    '\x00ff5c', 1234.5, 'pg_class', (1, '2001-02-03'), '{2001-02-03,NULL}', '(1,2),(3,4)', 'NaN',
    'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a": "\"\\"}', 'x', true, '{a,"b c",NULL,"\"\\"}');
INSERT INTO v (r) VALUES ('b');
COPY v (d, i, by, r, c, a, ta) FROM stdin;
03/02/2001 BC	P1Y2M	\\x00ff5c	pg_class	(1,03/02/2001)	{03/02/2001,NULL}	{a,"b c",NULL,"\\"\\\\"}
\.
-- The settings are as they were.
SELECT current_setting('DateStyle'), current_setting('IntervalStyle'), current_setting('search_path'), '2001-02-03'::date;
RESET DateStyle;
RESET IntervalStyle;
RESET extra_float_digits;
RESET bytea_output;
RESET TimeZone;

SET client_min_messages = warning;
DROP SERVER srv CASCADE;
DROP TABLE p;
DROP TYPE pair;
DROP DOMAIN days;
DROP FUNCTION told, with_returned, next;
