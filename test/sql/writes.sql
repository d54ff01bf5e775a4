-- INSERT, UPDATE and DELETE: what a wrapper is given, and what becomes of what it returns.
\getenv srcdir PG_ABS_SRCDIR
\i :srcdir/setup.sql
CREATE SERVER srv FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'writing.Store');
CREATE FOREIGN TABLE t (id int, name text, n numeric) SERVER srv;

-- Every column has a value, also those that are not named.
INSERT INTO t VALUES (1, 'one', 1.50), (2, 'two', NULL);
INSERT INTO t (name) VALUES ('three');
INSERT INTO t DEFAULT VALUES;
INSERT INTO t SELECT i, 'no. ' || i FROM generate_series(5, 6) AS i;
SELECT * FROM t;
-- UPDATE gives the new row, with the columns that stay as they were; DELETE only the rowid.
UPDATE t SET name = upper(name) WHERE id = 1;
UPDATE t SET (name, n) = (SELECT 'II', 2) WHERE id = 2;
DELETE FROM t WHERE id > 4;
-- The rowid is that of before the change.
UPDATE t SET id = id + 10 WHERE id <= 2;
SELECT * FROM t;
-- A row without a rowid cannot be changed.
UPDATE t SET n = 0;
DELETE FROM t WHERE name = 'three';
-- The scan delivers only what is needed: for DELETE the rowid, for UPDATE all.
ALTER FOREIGN TABLE t OPTIONS (silent 'end_modify');
DELETE FROM t WHERE name = 'nobody';
UPDATE t SET name = 'x' WHERE n > 100;
-- end_modify ends a statement, also one that changes nothing or fails.
ALTER FOREIGN TABLE t OPTIONS (SET silent 'execute');
INSERT INTO t SELECT WHERE false;
DELETE FROM t WHERE name = 'nobody';
DO $$ BEGIN
    INSERT INTO t VALUES (1 / (random() * 0)::int);
EXCEPTION WHEN division_by_zero THEN
    RAISE NOTICE 'caught';
END $$;
-- EXPLAIN writes nothing.
EXPLAIN (COSTS OFF) INSERT INTO t VALUES (1);
EXPLAIN (COSTS OFF) UPDATE t SET id = 1;
EXPLAIN (COSTS OFF) DELETE FROM t RETURNING *;
ALTER FOREIGN TABLE t OPTIONS (DROP silent);
TRUNCATE t;

-- The rowid may be of any type, and stand anywhere.
CREATE TYPE pair AS (a int, b text);
CREATE FOREIGN TABLE other (a int, k text) SERVER srv OPTIONS (rowid 'k', store 'other');
CREATE FUNCTION with_rowid(type text, one text, two text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'ALTER FOREIGN TABLE other ALTER k TYPE ' || type;
    EXECUTE format('INSERT INTO other VALUES (1, %L), (2, %L)', one, two);
    EXECUTE format('UPDATE other SET a = a + 1, k = %L WHERE a = 1', one);
    EXECUTE format('DELETE FROM other WHERE k::text = %L::%s::text', two, type);
    RETURN QUERY EXECUTE 'SELECT other::text FROM other';
    TRUNCATE other;
END $$;
SELECT with_rowid('text', 'x', '');
SELECT with_rowid('numeric(10,2)', '1.50', '2');
SELECT with_rowid('uuid', '00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000002');
SELECT with_rowid('timestamptz', '2024-02-29 12:00+00', '2024-02-29 13:00+00');
SELECT with_rowid('bytea', '\x00ff', '\x');
SELECT with_rowid('jsonb', '{"a": 1}', '[]');
SELECT with_rowid('int[]', '{1,2}', '{}');
SELECT with_rowid('pair', '(1,x)', '(2,)');
SELECT with_rowid('int4range', '[1,3)', 'empty');
SELECT with_rowid('char(5)', 'ab', 'c');
-- In PostgreSQL's text form, if the column asks for it.
ALTER FOREIGN TABLE other ALTER k OPTIONS (value_form 'text');
SELECT with_rowid('timestamp', 'infinity', '2024-02-29');
SELECT with_rowid('numeric', '1.50', 'NaN');
ALTER FOREIGN TABLE other ALTER k OPTIONS (DROP value_form);

-- rowid_column may be an attribute or a method.
CREATE FOREIGN TABLE attribute (id int) SERVER srv OPTIONS (wrapper 'writing.Attribute', store 'a');
INSERT INTO attribute VALUES (1);
UPDATE attribute SET id = 2;
DELETE FROM attribute;
CREATE FOREIGN TABLE method (id int) SERVER srv OPTIONS (wrapper 'writing.Method', store 'a');
INSERT INTO method VALUES (1);
UPDATE method SET id = 2;
DELETE FROM method;
-- What cannot be one is an error, while the statement is planned.
ALTER FOREIGN TABLE t OPTIONS (rowid 'gone');
EXPLAIN UPDATE t SET n = 1;
EXPLAIN DELETE FROM t;
ALTER FOREIGN TABLE t OPTIONS (SET rowid 'xmin');
EXPLAIN DELETE FROM t;
ALTER FOREIGN TABLE t OPTIONS (SET rowid '');
EXPLAIN DELETE FROM t;
INSERT INTO t VALUES (1);
ALTER FOREIGN TABLE t OPTIONS (DROP rowid);
TRUNCATE t;
-- A statement that was prepared notices another one.
INSERT INTO t VALUES (1, 'one', 10);
PREPARE touch AS UPDATE t SET n = n + 1;
SET plan_cache_mode = force_generic_plan;
EXECUTE touch;
ALTER FOREIGN TABLE t OPTIONS (ADD rowid 'name');
EXECUTE touch;
ALTER FOREIGN TABLE t OPTIONS (DROP rowid);
EXECUTE touch;
RESET plan_cache_mode;
TRUNCATE t;

-- Joins: with itself, with another table, in subqueries.
CREATE TABLE h (id int, name text, n numeric);
INSERT INTO h VALUES (1, 'one', 1), (2, 'two', 2), (3, 'three', 3);
INSERT INTO t SELECT * FROM h;
UPDATE t SET n = x.n * 10, name = x.name FROM t AS x WHERE x.id = t.id + 1;
UPDATE t SET n = h.n FROM h WHERE h.id = t.id AND h.id < 3 RETURNING t.*, h.name AS heap;
DELETE FROM t USING h WHERE h.id = t.id AND h.name = 'three' RETURNING t.*, h.id * 2 AS two;
DELETE FROM t WHERE id IN (SELECT id - 1 FROM t AS x) RETURNING t;
DELETE FROM t AS a WHERE EXISTS (SELECT FROM h WHERE h.id = a.id);
SELECT count(*) FROM t;

-- RETURNING shows what the wrapper returned, with what was sent for all it does not name.
ALTER FOREIGN TABLE t OPTIONS (returns '{"n": (row["n"] or 0) + 1, "unknown": 5} if isinstance(row, dict) else None');
INSERT INTO t VALUES (1, 'one', 1) RETURNING *, n * 2 AS twice, id + n AS sum, tableoid::regclass;
INSERT INTO t VALUES (2, 'two', NULL) RETURNING t AS whole, name || '!' AS text;
UPDATE t SET name = 'x' || name RETURNING id, name, n, tableoid::regclass;
WITH gone AS (DELETE FROM t WHERE id = 1 RETURNING *, tableoid::regclass) SELECT * FROM gone;
-- None for a value is NULL; an empty mapping changes nothing.
ALTER FOREIGN TABLE t OPTIONS (SET returns '{"name": None}');
INSERT INTO t VALUES (3, 'three', 3) RETURNING *;
ALTER FOREIGN TABLE t OPTIONS (SET returns '{}');
INSERT INTO t VALUES (3, 'three', 3) RETURNING *;
-- Values must fit their columns. Nobody looks at them without RETURNING.
ALTER FOREIGN TABLE t OPTIONS (SET returns '{"id": "many"}');
INSERT INTO t VALUES (4) RETURNING id;
INSERT INTO t VALUES (4);
UPDATE t SET n = 4 WHERE id = 4 RETURNING id;
-- Other things are no rows.
ALTER FOREIGN TABLE t OPTIONS (SET returns '5');
INSERT INTO t VALUES (5);
UPDATE t SET n = 4 WHERE id = 4;
ALTER FOREIGN TABLE t OPTIONS (SET returns '[1, "x", 2]');
INSERT INTO t VALUES (5);
ALTER FOREIGN TABLE t OPTIONS (SET returns 'True');
INSERT INTO t VALUES (5);
-- What delete returns does not matter.
DELETE FROM t WHERE id = 2;
TRUNCATE t;

-- A row that was SKIPPED is neither counted nor returned.
ALTER FOREIGN TABLE t OPTIONS (SET returns 'None');
INSERT INTO t VALUES (3);
ALTER FOREIGN TABLE t OPTIONS (SET returns 'SKIPPED');
WITH i AS (INSERT INTO t VALUES (6) RETURNING *) SELECT count(*) FROM i;
INSERT INTO t VALUES (6) RETURNING *;
\echo :ROW_COUNT
UPDATE t SET n = 7 WHERE id = 3 RETURNING *;
\echo :ROW_COUNT
DELETE FROM t WHERE id = 3 RETURNING *;
\echo :ROW_COUNT
ALTER FOREIGN TABLE t OPTIONS (SET returns '(SKIPPED if row["id"] % 2 else None) if isinstance(row, dict) else SKIPPED if row % 2 else None');
INSERT INTO t SELECT generate_series(11, 14);
\echo :ROW_COUNT
INSERT INTO t SELECT generate_series(21, 24) RETURNING id;
UPDATE t SET n = 1 WHERE id > 10 RETURNING id;
DELETE FROM t WHERE id > 2;
\echo :ROW_COUNT
ALTER FOREIGN TABLE t OPTIONS (DROP returns);
TRUNCATE t;

-- Triggers. BEFORE ROW changes what is sent, AFTER ROW sees what was returned.
CREATE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE NOTICE '% % %: old %, new %', TG_NAME, TG_OP, TG_LEVEL, OLD, NEW;
    IF TG_WHEN = 'BEFORE' AND TG_LEVEL = 'ROW' AND TG_OP <> 'DELETE' THEN
        NEW.name := NEW.name || '+';
        RETURN CASE WHEN NEW.n < 0 THEN NULL ELSE NEW END;
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER b_row BEFORE INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION told();
CREATE TRIGGER a_row AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION told();
CREATE TRIGGER b_all BEFORE INSERT OR UPDATE OR DELETE ON t FOR EACH STATEMENT EXECUTE FUNCTION told();
CREATE TRIGGER a_all AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH STATEMENT EXECUTE FUNCTION told();
ALTER FOREIGN TABLE t OPTIONS (returns '{"n": 100} if isinstance(row, dict) else None');
INSERT INTO t VALUES (1, 'one', 1), (2, 'two', 2), (3, 'none', -1);
UPDATE t SET n = id WHERE id = 1;
DELETE FROM t WHERE id = 1 RETURNING *;
-- None is run AFTER a row that was skipped.
ALTER FOREIGN TABLE t OPTIONS (SET returns 'SKIPPED');
INSERT INTO t VALUES (4, 'four', 4);
UPDATE t SET n = 5;
DELETE FROM t;
-- Transition tables are not for foreign tables.
CREATE TRIGGER none AFTER INSERT ON t REFERENCING NEW TABLE AS rows
    FOR EACH STATEMENT EXECUTE FUNCTION told();
DROP TRIGGER b_row ON t;
DROP TRIGGER a_row ON t;
DROP TRIGGER b_all ON t;
DROP TRIGGER a_all ON t;
ALTER FOREIGN TABLE t OPTIONS (DROP returns);
TRUNCATE t;

-- Defaults and stored generated columns are PostgreSQL's, and sent like any other value.
CREATE FOREIGN TABLE g (
    id int DEFAULT 5, twice int GENERATED ALWAYS AS (id * 2) STORED, b text DEFAULT 'x' || 'y'
) SERVER srv OPTIONS (store 'g');
INSERT INTO g DEFAULT VALUES RETURNING *;
INSERT INTO g VALUES (1, DEFAULT, NULL), (2, DEFAULT, DEFAULT);
UPDATE g SET id = 7 WHERE id = 1 RETURNING *;
UPDATE g SET b = DEFAULT WHERE id = 7 RETURNING *;
-- Dropped columns are not sent, added ones are.
CREATE FOREIGN TABLE d (x int, id int, y text, n int) SERVER srv OPTIONS (store 'd');
ALTER FOREIGN TABLE d DROP x, DROP y;
INSERT INTO d VALUES (1, 10) RETURNING *;
ALTER FOREIGN TABLE d ADD z text DEFAULT 'z';
INSERT INTO d VALUES (2, 20) RETURNING d;
UPDATE d SET n = n + 1 WHERE id = 1 RETURNING *;
DELETE FROM d RETURNING *;
-- Long values travel whole, also those that PostgreSQL stores out of line.
CREATE TABLE long (id int, y text, j jsonb);
ALTER TABLE long ALTER y SET STORAGE EXTERNAL;
INSERT INTO long SELECT i, repeat(md5(i::text), 10000), jsonb_build_array(repeat('a', 100000)) FROM generate_series(1, 2) i;
CREATE FOREIGN TABLE f (id int, y text, j jsonb)
    SERVER srv OPTIONS (store 'long', silent 'insert update delete execute end_modify', returns '{"id": row["id"]} if isinstance(row, dict) else None');
INSERT INTO f SELECT * FROM long RETURNING id, length(y);
INSERT INTO f SELECT id + 2, y, j FROM f;
UPDATE f SET y = f.y || long.y FROM long WHERE long.id = f.id RETURNING f.id, length(f.y);
SELECT id, length(y), md5(y) = md5((SELECT y FROM long WHERE long.id = f.id - 2)) AS same FROM f ORDER BY id;
DELETE FROM f RETURNING id, length(y), length(j::text);

-- A value without an equivalent in Python is an error that names the column; the text form has one.
CREATE FOREIGN TABLE e (id int, at timestamp, span interval) SERVER srv OPTIONS (store 'e');
INSERT INTO e VALUES (1, 'infinity');
INSERT INTO e VALUES (1, NULL, '1 month');
INSERT INTO e VALUES (1);
UPDATE e SET at = '-infinity';
ALTER FOREIGN TABLE e ALTER at OPTIONS (value_form 'text'), ALTER span OPTIONS (value_form 'text');
INSERT INTO e VALUES (2, 'infinity', '1 month') RETURNING *;
UPDATE e SET at = '-infinity' WHERE id = 2 RETURNING *;
SELECT * FROM e;
ALTER FOREIGN TABLE e OPTIONS (rowid 'at');
ALTER FOREIGN TABLE e ALTER at OPTIONS (DROP value_form);
DELETE FROM e WHERE id = 2;

-- Errors of Python end the statement.
ALTER FOREIGN TABLE t OPTIONS (returns '1 / 0');
INSERT INTO t VALUES (1);
ALTER FOREIGN TABLE t OPTIONS (DROP returns);

-- A data-modifying CTE: all statements see the table as it is when they come to it.
WITH i AS (INSERT INTO t VALUES (1, 'one', 1), (2, 'two', 2) RETURNING id, n),
    h AS (INSERT INTO h SELECT id + 100, 'copied', n FROM i RETURNING id)
SELECT * FROM i JOIN h ON h.id = i.id + 100;
WITH u AS (UPDATE t SET n = n + 1 RETURNING *) INSERT INTO h SELECT * FROM u RETURNING *;
WITH moved AS (DELETE FROM h WHERE id > 100 RETURNING *) INSERT INTO t SELECT * FROM moved;
-- PL/pgSQL.
DO $$
DECLARE
    r record;
    changed int;
BEGIN
    INSERT INTO t VALUES (5, 'five', 5) RETURNING id, n INTO r;
    RAISE NOTICE 'returned %', r;
    FOR r IN UPDATE t SET n = 0 WHERE id IN (1, 5) RETURNING * LOOP
        RAISE NOTICE 'updated %', r;
    END LOOP;
    DELETE FROM t WHERE id > 100;
    GET DIAGNOSTICS changed = ROW_COUNT;
    RAISE NOTICE 'deleted %', changed;
    BEGIN
        INSERT INTO t VALUES (1), (1 / (random() * 0)::int);
    EXCEPTION WHEN division_by_zero THEN
        RAISE NOTICE 'caught';
    END;
    INSERT INTO t VALUES (6);
END $$;
TRUNCATE t;

-- Views. Rows that the view would not show are refused, after they were written.
CREATE VIEW v AS SELECT id, upper(name) AS big, name FROM t WHERE id < 10 WITH CHECK OPTION;
INSERT INTO v (id, name) VALUES (1, 'one') RETURNING *;
INSERT INTO v (id, name) VALUES (11, 'eleven');
UPDATE v SET name = 'uno' RETURNING *;
DELETE FROM v RETURNING big;
INSERT INTO v (id, name) VALUES (1, 'one');
UPDATE v SET id = 12;
-- What counts is what the wrapper returns.
ALTER FOREIGN TABLE t OPTIONS (returns '{"id": 20} if isinstance(row, dict) else None');
INSERT INTO v (id, name) VALUES (1, 'one');
ALTER FOREIGN TABLE t OPTIONS (DROP returns);
DROP VIEW v;
TRUNCATE t;
-- Rules.
CREATE VIEW v AS SELECT id, name FROM t;
CREATE RULE add AS ON INSERT TO v DO INSTEAD INSERT INTO t VALUES (new.id, new.name, 0) RETURNING id, name;
CREATE RULE hide AS ON DELETE TO v DO INSTEAD UPDATE t SET n = -1 WHERE id = old.id;
CREATE RULE log AS ON UPDATE TO v DO ALSO INSERT INTO h VALUES (old.id, 'logged', NULL);
INSERT INTO v VALUES (1, 'one') RETURNING *;
DELETE FROM v;
UPDATE v SET name = 'uno' WHERE id = 1;
SELECT * FROM h WHERE name = 'logged';
DROP VIEW v;
TRUNCATE t;

-- ON CONFLICT DO UPDATE and MERGE are not for foreign tables.
INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET n = 1;
MERGE INTO t USING h ON h.id = t.id WHEN MATCHED THEN DELETE;
CREATE FOREIGN TABLE read_only (id int) SERVER srv OPTIONS (wrapper 'writing.Nameless');
MERGE INTO read_only USING h ON h.id = read_only.id WHEN MATCHED THEN DELETE;
-- ON CONFLICT DO NOTHING is for wrappers that say so: they get a keyword.
INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING;
CREATE FOREIGN TABLE c (id int, n int) SERVER srv OPTIONS (wrapper 'writing.Conflicts', store 'c', size '1');
INSERT INTO c VALUES (1, 1), (2, 2) ON CONFLICT DO NOTHING;
INSERT INTO c VALUES (2, 3), (3, 3) ON CONFLICT DO NOTHING RETURNING *;
INSERT INTO c VALUES (2, 3);
INSERT INTO c VALUES (2, 3) ON CONFLICT (id) DO NOTHING;

-- A parent with children of other column orders, wrappers and rowids.
CREATE TABLE parent (id int, name text, n numeric);
CREATE TABLE heap_child () INHERITS (parent);
CREATE FOREIGN TABLE one () INHERITS (parent) SERVER srv OPTIONS (store 'one');
CREATE FOREIGN TABLE two (n numeric, extra text, name text, id int)
    SERVER srv OPTIONS (store 'two', rowid 'name', wrapper 'writing.Batches');
ALTER FOREIGN TABLE two INHERIT parent;
CREATE FOREIGN TABLE three (x int, id int, name text, n numeric)
    SERVER srv OPTIONS (store 'three', wrapper 'writing.Attribute', returns '{"n": 33} if isinstance(row, dict) else None');
ALTER FOREIGN TABLE three DROP x;
ALTER FOREIGN TABLE three INHERIT parent;
INSERT INTO parent VALUES (0, 'parent', 0);
INSERT INTO heap_child VALUES (1, 'heap', 1);
INSERT INTO one VALUES (2, 'one', 2);
INSERT INTO two (id, name, n, extra) VALUES (3, 'two', 3, 'more');
INSERT INTO three VALUES (4, 'three', 4);
UPDATE parent SET n = n + 10, name = upper(name) RETURNING tableoid::regclass, *;
UPDATE parent SET id = parent.id + 10 FROM h WHERE h.id = parent.id AND h.n = h.id RETURNING parent.tableoid::regclass, parent.*, h.n;
DELETE FROM parent WHERE n > 10 RETURNING tableoid::regclass, *;
SELECT tableoid::regclass, * FROM parent;
DELETE FROM parent RETURNING parent;
INSERT INTO parent SELECT * FROM parent;
-- With a trigger on one of them.
INSERT INTO one VALUES (2, 'one', 2);
INSERT INTO two (id, name, n, extra) VALUES (3, 'two', 3, 'more');
CREATE TRIGGER a_row AFTER UPDATE OR DELETE ON two FOR EACH ROW EXECUTE FUNCTION told();
UPDATE parent SET n = 9 WHERE id < 10;
DELETE FROM parent WHERE id < 10 RETURNING *;
-- A child that cannot be changed.
ALTER FOREIGN TABLE one OPTIONS (ADD wrapper 'writing.Inserter');
UPDATE parent SET n = 1 WHERE id < 10;

-- Partitions: rows are routed, whatever order the columns have.
CREATE TABLE p (id int, region text, n numeric) PARTITION BY LIST (region);
CREATE FOREIGN TABLE p_east (n numeric, region text, id int) SERVER srv OPTIONS (store 'east');
ALTER TABLE p ATTACH PARTITION p_east FOR VALUES IN ('east');
CREATE TABLE p_west PARTITION OF p FOR VALUES IN ('west');
INSERT INTO p VALUES (1, 'east', 1), (2, 'west', 2), (3, 'east', 3) RETURNING tableoid::regclass, *;
ALTER FOREIGN TABLE p_east OPTIONS (returns '{"n": 50} if isinstance(row, dict) else None');
INSERT INTO p VALUES (4, 'east', 4) RETURNING tableoid::regclass, *;
ALTER FOREIGN TABLE p_east OPTIONS (DROP returns);
COPY p FROM stdin;
5	east	5
6	west	6
\.
UPDATE p SET n = 0 WHERE region = 'east' AND id < 4 RETURNING *;
-- A row may move into a foreign partition that is not scanned itself ...
UPDATE p SET region = 'east' WHERE region = 'west' AND id = 2 RETURNING tableoid::regclass, *;
-- ... but not into one that is, and not out of one: there nobody compares it with the partition.
UPDATE p SET region = 'east';
DELETE FROM p WHERE region = 'west';
DELETE FROM p WHERE id > 2 RETURNING tableoid::regclass, *;
INSERT INTO p VALUES (1, 'east', 1) ON CONFLICT DO NOTHING;
MERGE INTO p USING h ON h.id = p.id WHEN MATCHED THEN DELETE;
-- Transition tables of the parent would have to hold rows of foreign partitions.
CREATE FUNCTION counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE NOTICE '% rows', (SELECT count(*) FROM rows);
    RETURN NULL;
END $$;
CREATE TRIGGER a_all AFTER INSERT ON p REFERENCING NEW TABLE AS rows
    FOR EACH STATEMENT EXECUTE FUNCTION counted();
INSERT INTO p VALUES (1, 'west', 1);
INSERT INTO p VALUES (1, 'east', 1);

SET client_min_messages = warning;
DROP SERVER srv CASCADE;
DROP TABLE h, long, parent, heap_child, p;
DROP FUNCTION with_rowid, told, counted;
DROP TYPE pair;
