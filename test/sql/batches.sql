-- Rows that are written in batches.
\getenv srcdir PG_ABS_SRCDIR
\i :srcdir/setup.sql
CREATE SERVER srv FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'writing.Batches');
CREATE FOREIGN TABLE b (id int, name text) SERVER srv OPTIONS (size '3');

-- modify_batch_size is how many rows bulk_insert gets at most.
INSERT INTO b SELECT i, 'n' || i FROM generate_series(1, 7) AS i;
\echo :ROW_COUNT
INSERT INTO b VALUES (8), (9), (10), (11);
SELECT count(*), count(DISTINCT id), count(DISTINCT name) FROM b;
-- One row is a batch, too; no rows are none.
INSERT INTO b VALUES (12);
INSERT INTO b SELECT WHERE false;
-- The rows of a query that reads the same table.
INSERT INTO b SELECT id + 100, name FROM b;
SELECT count(*), sum(id) FROM b;
-- COPY, in batches or one by one, depending on the version of PostgreSQL.
ALTER FOREIGN TABLE b OPTIONS (silent 'insert bulk_insert update delete execute end_modify');
TRUNCATE b;
COPY b FROM stdin;
1	one
2	two
3	\N
4	four
5	five
\.
\echo :ROW_COUNT
SELECT * FROM b;
ALTER FOREIGN TABLE b OPTIONS (DROP silent);
TRUNCATE b;

-- RETURNING and BEFORE ROW triggers need one row after the other.
INSERT INTO b SELECT i FROM generate_series(1, 3) AS i RETURNING id;
CREATE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE NOTICE '% %', TG_WHEN, NEW;
    RETURN NEW;
END $$;
CREATE TRIGGER told BEFORE INSERT ON b FOR EACH ROW EXECUTE FUNCTION told();
INSERT INTO b SELECT i FROM generate_series(1, 3) AS i;
DROP TRIGGER told ON b;
-- AFTER ROW triggers do not: they see what bulk_insert returned.
CREATE TRIGGER told AFTER INSERT ON b FOR EACH ROW EXECUTE FUNCTION told();
ALTER FOREIGN TABLE b OPTIONS (items '[{"name": "row %d" % row["id"]} for row in rows]');
INSERT INTO b SELECT i FROM generate_series(1, 4) AS i;
-- Each item may say something else. Skipped rows are not counted, and nothing is run after them.
ALTER FOREIGN TABLE b OPTIONS (SET items '[SKIPPED if row["id"] % 3 == 1 else None if row["id"] % 3 else {"name": "three"} for row in rows]');
TRUNCATE b;
INSERT INTO b SELECT i, 'n' || i FROM generate_series(1, 10) AS i;
\echo :ROW_COUNT
SELECT * FROM b;
ALTER FOREIGN TABLE b
    OPTIONS (ADD silent 'bulk_insert insert end_modify execute', ADD returns 'SKIPPED if row["id"] % 3 == 1 else None');
ALTER FOREIGN TABLE b OPTIONS (SET items '[SKIPPED if row["id"] % 3 == 1 else None for row in rows]');
COPY b FROM stdin;
13	thirteen
14	fourteen
15	fifteen
16	sixteen
17	seventeen
18	eighteen
19	nineteen
\.
\echo :ROW_COUNT
SELECT count(*), sum(id) FROM b WHERE id > 10;
ALTER FOREIGN TABLE b OPTIONS (DROP silent, DROP returns);
ALTER FOREIGN TABLE b OPTIONS (SET items '[SKIPPED] * len(rows)');
INSERT INTO b SELECT i FROM generate_series(1, 7) AS i;
\echo :ROW_COUNT
DROP TRIGGER told ON b;
-- The slots of a batch are used again: long values, skipped rows and short last batches.
ALTER FOREIGN TABLE b OPTIONS (SET items '[SKIPPED if row["id"] % 5 in (0, 3) else {"name": row["name"] * 2} for row in rows]');
CREATE TABLE heap (id int, length int, same boolean);
CREATE FUNCTION kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO heap VALUES (NEW.id, length(NEW.name), NEW.name = repeat(NEW.id || 'x', 2000));
    RETURN NULL;
END $$;
CREATE TRIGGER kept AFTER INSERT ON b FOR EACH ROW EXECUTE FUNCTION kept();
ALTER FOREIGN TABLE b OPTIONS (ADD silent 'bulk_insert execute end_modify', SET size '7');
INSERT INTO b SELECT i, repeat(i || 'x', 1000) FROM generate_series(1, 100) AS i;
\echo :ROW_COUNT
SELECT count(*), count(DISTINCT id), bool_and(same), count(*) FILTER (WHERE id % 5 IN (0, 3)) AS skipped FROM heap;
SELECT count(*), count(DISTINCT id), bool_and(name = repeat(id || 'x', 1000)) FROM b WHERE id > 20;
ALTER FOREIGN TABLE b OPTIONS (DROP silent, SET size '3');
DROP TRIGGER kept ON b;
ALTER FOREIGN TABLE b OPTIONS (DROP items);
TRUNCATE b;

-- WITH CHECK OPTION judges each row, by what bulk_insert returned.
CREATE VIEW v AS SELECT * FROM b WHERE id < 10 WITH CHECK OPTION;
INSERT INTO v SELECT generate_series(1, 4);
INSERT INTO v SELECT generate_series(8, 12);
ALTER FOREIGN TABLE b OPTIONS (items '[{"id": 10} for row in rows]');
INSERT INTO v SELECT generate_series(1, 2);
ALTER FOREIGN TABLE b OPTIONS (DROP items);
DROP VIEW v;

-- bulk_insert returns None or any iterable of as many items as it got.
ALTER FOREIGN TABLE b OPTIONS (items 'tuple(rows)');
INSERT INTO b SELECT generate_series(1, 2);
ALTER FOREIGN TABLE b OPTIONS (SET items '(row for row in rows)');
INSERT INTO b SELECT generate_series(1, 2);
ALTER FOREIGN TABLE b OPTIONS (SET items 'rows[1:]');
INSERT INTO b SELECT generate_series(1, 3);
ALTER FOREIGN TABLE b OPTIONS (SET items '[]');
INSERT INTO b SELECT generate_series(1, 3);
ALTER FOREIGN TABLE b OPTIONS (SET items '[5] * len(rows)');
INSERT INTO b SELECT generate_series(1, 3);
ALTER FOREIGN TABLE b OPTIONS (SET items '{row["id"]: row for row in rows}');
INSERT INTO b SELECT generate_series(1, 3);
ALTER FOREIGN TABLE b OPTIONS (SET items '5');
INSERT INTO b SELECT generate_series(1, 3);
ALTER FOREIGN TABLE b OPTIONS (SET items 'SKIPPED');
INSERT INTO b SELECT generate_series(1, 3);
ALTER FOREIGN TABLE b OPTIONS (SET items '1 / 0');
INSERT INTO b SELECT generate_series(1, 3);
ALTER FOREIGN TABLE b OPTIONS (DROP items);

-- Sizes that are none.
CREATE FUNCTION with_size(size text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER FOREIGN TABLE b OPTIONS (SET size %L)', size);
    INSERT INTO b SELECT i FROM generate_series(1, 5) AS i;
END $$;
SELECT with_size('4');
SELECT with_size('2.9');
SELECT with_size('True');
SELECT with_size('1');
SELECT with_size('0');
SELECT with_size('-5');
SELECT with_size('10**40');
SELECT with_size('inf');
SELECT with_size('nan');
SELECT with_size('None');
SELECT with_size('"many"');
SELECT with_size('1 / 0');

-- Batches are smaller where the declared columns are so wide that many would take much memory.
CREATE FOREIGN TABLE wide (id int, c char(3000000), d char(3000000))
    SERVER srv OPTIONS (size '1000', store 'wide');
INSERT INTO wide SELECT i FROM generate_series(1, 23) AS i;

-- A table that has no other way to be written gets single rows so, too.
CREATE FOREIGN TABLE bulk_only (id int, t text) SERVER srv OPTIONS (wrapper 'writing.BulkOnly');
INSERT INTO bulk_only SELECT generate_series(1, 4);
INSERT INTO bulk_only VALUES (1) RETURNING *;
-- Rows that conflict are skipped in batches as well.
CREATE FOREIGN TABLE c (id int) SERVER srv OPTIONS (wrapper 'writing.Conflicts', store 'c');
INSERT INTO c VALUES (1), (2), (1), (3), (2), (4) ON CONFLICT DO NOTHING;
\echo :ROW_COUNT
INSERT INTO c VALUES (5), (1);
SELECT * FROM c;

-- Partitions have batches of their own.
CREATE TABLE p (id int, name text) PARTITION BY LIST ((id % 2));
CREATE FOREIGN TABLE p0 PARTITION OF p FOR VALUES IN (0) SERVER srv OPTIONS (store 'p0', size '2');
CREATE FOREIGN TABLE p1 (name text, id int) SERVER srv OPTIONS (store 'p1', size '4');
ALTER TABLE p ATTACH PARTITION p1 FOR VALUES IN (1);
INSERT INTO p SELECT i, 'n' || i FROM generate_series(1, 9) AS i;
\echo :ROW_COUNT
SELECT * FROM p;
INSERT INTO p SELECT i FROM generate_series(1, 2) AS i RETURNING *;

-- EXPLAIN ANALYZE writes.
DO $$ BEGIN EXECUTE 'EXPLAIN ANALYZE INSERT INTO p0 VALUES (2), (4), (6)'; END $$;

SET client_min_messages = warning;
DROP SERVER srv CASCADE;
DROP TABLE p, heap;
DROP FUNCTION told, kept, with_size;

-- A row belongs to the wrapper, which may keep or change it: the next one is not touched by that.
CREATE SERVER keeping FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'writing.Keeper');
CREATE FOREIGN TABLE kept (a int, b text) SERVER keeping;
CREATE FOREIGN TABLE said (said text) SERVER keeping;
CREATE FUNCTION keep(how text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER FOREIGN TABLE kept OPTIONS (SET how %L)', how);
    INSERT INTO kept SELECT i, 'b' || nullif(i, 3) FROM generate_series(1, 5) AS i;
    RETURN QUERY SELECT * FROM said;
END $$;
ALTER FOREIGN TABLE kept OPTIONS (how '');
SELECT how, keep(how) FROM unnest(ARRAY['batch', 'row', 'view', 'order', 'more', 'less', 'other', 'empty', 'object']) AS how;
-- One at a time.
CREATE FUNCTION before() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TRIGGER before BEFORE INSERT ON kept FOR EACH ROW EXECUTE FUNCTION before();
SELECT how, keep(how) FROM unnest(ARRAY['row', 'view', 'more', 'less', 'other', 'empty', 'object']) AS how;

SET client_min_messages = warning;
DROP SERVER keeping CASCADE;
DROP FUNCTION keep, before;
