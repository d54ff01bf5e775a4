-- How PostgreSQL reads a foreign table: when execute is called, when rows are asked for, when a
-- scan ends.
\getenv srcdir PG_ABS_SRCDIR
\i :srcdir/setup.sql

-- The tables of this test write down what is done with them; "journal" shows it, and forgets.
CREATE SERVER tracked FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'lifecycle.Tracked');
CREATE FOREIGN TABLE a (n int) SERVER tracked OPTIONS (name 'a');
CREATE FOREIGN TABLE b (n int) SERVER tracked OPTIONS (name 'b', rows '2');
CREATE FOREIGN TABLE journal (event text) SERVER tracked OPTIONS (wrapper 'lifecycle.Journal');
-- What is tested depends on the plan.
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_memoize = off;
SET enable_material = off;

-- execute is called once; then the generator ends, and end_scan is called once.
SELECT * FROM a;
SELECT * FROM journal;

-- The next scan is another execute of the same instance.
SELECT sum(n) FROM a;
SELECT * FROM journal;

-- LIMIT stops early: the generator is closed, so that its "finally" runs.
SELECT * FROM a LIMIT 2;
SELECT * FROM journal;
SELECT * FROM a LIMIT 0;
SELECT * FROM journal;
SELECT * FROM a OFFSET 4;
SELECT * FROM journal;

-- Rows come one at a time: none is asked for ahead of its need.
ALTER FOREIGN TABLE a OPTIONS (ADD form 'eager');
SELECT * FROM a LIMIT 2;
SELECT * FROM journal WHERE event LIKE '%asked%';
SELECT EXISTS (SELECT FROM a);
SELECT * FROM journal WHERE event LIKE '%asked%';

-- A generator that another iterator has taken in ends just so; what is no generator has end_scan.
ALTER FOREIGN TABLE a OPTIONS (SET form 'mapped');
SELECT * FROM a LIMIT 1;
SELECT * FROM journal WHERE event NOT LIKE '%close';
ALTER FOREIGN TABLE a OPTIONS (SET form 'all');
SELECT * FROM a LIMIT 1;
SELECT * FROM journal WHERE event NOT LIKE '%close';
ALTER FOREIGN TABLE a OPTIONS (SET form 'nothing');
SELECT * FROM a LIMIT 1;
SELECT * FROM journal WHERE event NOT LIKE '%close';
ALTER FOREIGN TABLE a OPTIONS (DROP form);
SELECT FROM a WHERE false;

-- A subquery that depends on the row of the query is scanned again for each.
SELECT x, (SELECT count(*) FROM a WHERE n > x) FROM generate_series(3, 5) AS x;
SELECT * FROM journal WHERE event NOT LIKE '%close';
-- One that does not is scanned once.
SELECT x, (SELECT count(*) FROM a) FROM generate_series(3, 5) AS x;
SELECT * FROM journal;
-- A NULL matches nothing, so there is nothing to ask for.
SELECT x, (SELECT count(*) FROM a WHERE n = x) FROM (VALUES (1), (NULL), (6)) AS v (x);
SELECT * FROM journal;

-- A nested loop scans its inner table once for each row of the outer one.
SELECT b.n, a.n FROM b LEFT JOIN a ON a.n = b.n + 1;
SELECT count(*) FILTER (WHERE event LIKE 'a %: execute') AS a,
       count(*) FILTER (WHERE event LIKE 'b %: execute') AS b,
       count(*) FILTER (WHERE event LIKE '%execute%') =
           count(*) FILTER (WHERE event LIKE '%end_scan') AS all_ended,
       count(*) FILTER (WHERE event LIKE '%execute%') =
           count(*) FILTER (WHERE event LIKE '%generator ends') AS all_closed
FROM journal;

-- LATERAL hands values to each scan.
SELECT b.n, l.n FROM b, LATERAL (SELECT n FROM a WHERE a.n > b.n * 2 LIMIT 1) AS l;
SELECT * FROM journal WHERE event LIKE 'a %';

-- A table joined with itself has two scans at a time, of one instance.
SELECT x.n, y.n FROM a x, a y WHERE y.n = 6 - x.n ORDER BY 1;
SELECT x.n FROM a x WHERE EXISTS (SELECT FROM a y WHERE y.n = x.n * 2) ORDER BY 1;
SELECT n FROM a WHERE n NOT IN (SELECT n * 2 FROM a) ORDER BY 1;
SELECT x.n, y.n FROM a x FULL JOIN b y ON y.n = x.n ORDER BY 1 LIMIT 3;
SELECT n FROM a INTERSECT SELECT n FROM b ORDER BY 1;
SELECT n FROM a EXCEPT SELECT n FROM b ORDER BY 1;
SELECT n FROM b UNION ALL SELECT n FROM b;
WITH twice AS MATERIALIZED (SELECT n * 2 AS n FROM a) SELECT * FROM twice t JOIN a ON a.n = t.n;
WITH RECURSIVE up (n) AS (
    SELECT min(n) FROM a UNION ALL SELECT a.n FROM a, up WHERE a.n = up.n + 1
) SELECT * FROM up;
SELECT count(*) FILTER (WHERE event LIKE '%execute%') =
           count(*) FILTER (WHERE event LIKE '%end_scan') AS all_ended,
       count(*) FILTER (WHERE event LIKE '%execute%') =
           count(*) FILTER (WHERE event LIKE '%generator ends') AS all_closed
FROM journal;

-- A cursor asks for as many rows as are fetched, and ends the scan when it is closed.
ALTER FOREIGN TABLE a OPTIONS (ADD form 'eager');
BEGIN;
DECLARE c CURSOR FOR SELECT n FROM a;
SELECT * FROM journal WHERE event NOT LIKE '%close';
FETCH 2 FROM c;
MOVE 1 FROM c;
FETCH 1 FROM c;
SELECT * FROM journal;
CLOSE c;
SELECT * FROM journal;
-- Or when it comes to the end of the rows, or of the transaction.
DECLARE c CURSOR FOR SELECT n FROM b;
FETCH ALL FROM c;
SELECT * FROM journal;
FETCH 1 FROM c;
DECLARE d CURSOR FOR SELECT n FROM b;
FETCH 1 FROM d;
SELECT * FROM journal;
COMMIT;
SELECT * FROM journal;
BEGIN;
DECLARE d CURSOR FOR SELECT n FROM b;
FETCH 1 FROM d;
ROLLBACK;
SELECT * FROM journal;
ALTER FOREIGN TABLE a OPTIONS (DROP form);

-- Going back is PostgreSQL's business: it remembers the rows for a SCROLL cursor.
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT n FROM a;
FETCH 3 FROM c;
FETCH BACKWARD 2 FROM c;
FETCH LAST FROM c;
FETCH ABSOLUTE 2 FROM c;
FETCH FIRST FROM c;
MOVE ABSOLUTE 0 IN c;
FETCH ALL FROM c;
COMMIT;
SELECT * FROM journal WHERE event NOT LIKE '%close';
BEGIN;
DECLARE c NO SCROLL CURSOR FOR SELECT n FROM a;
FETCH 2 FROM c;
FETCH BACKWARD 1 FROM c;
ROLLBACK;
SELECT * FROM journal;

-- A cursor WITH HOLD reads all rows when its transaction commits.
BEGIN;
DECLARE c CURSOR WITH HOLD FOR SELECT n FROM a;
FETCH 2 FROM c;
COMMIT;
SELECT * FROM journal;
FETCH 2 FROM c;
CLOSE c;
SELECT * FROM journal;

-- A cursor outlives a savepoint that it was opened before, and goes with one that it was opened
-- after.
BEGIN;
DECLARE c CURSOR FOR SELECT n FROM a;
FETCH 1 FROM c;
SAVEPOINT s;
FETCH 1 FROM c;
SELECT 1 / 0;
ROLLBACK TO s;
FETCH 1 FROM c;
SELECT * FROM journal;
DECLARE d CURSOR FOR SELECT n FROM a;
FETCH 2 FROM d;
ROLLBACK TO s;
FETCH 1 FROM c;
SELECT * FROM journal;
RELEASE s;
SAVEPOINT t;
DECLARE e CURSOR FOR SELECT n FROM b;
FETCH 1 FROM e;
RELEASE t;
SAVEPOINT u;
ROLLBACK TO u;
FETCH 1 FROM e;
FETCH 1 FROM c;
SELECT * FROM journal;
COMMIT;
SELECT * FROM journal;
-- One that was opened before but first fetched from within, too.
BEGIN;
DECLARE c CURSOR FOR SELECT n FROM b;
SAVEPOINT s;
FETCH 1 FROM c;
ROLLBACK TO s;
FETCH 1 FROM c;
ROLLBACK;
SELECT * FROM journal;
-- A cursor whose query fails is lost, but its scan is ended no later than at the end of all.
BEGIN;
DECLARE c CURSOR FOR SELECT 1 / (n - 2) FROM a;
FETCH 1 FROM c;
SAVEPOINT s;
FETCH 1 FROM c;
ROLLBACK TO s;
SELECT * FROM b LIMIT 1;
COMMIT;
SELECT * FROM journal;

-- Any error ends the scans of its statement.
SELECT 1 / (n - 3) FROM a;
SELECT * FROM journal;
SELECT (SELECT 1 / (b.n + x.n - y.n) FROM b LIMIT 1) FROM a x, a y;
SELECT event, count(*) FROM journal WHERE event ~ 'end' GROUP BY 1 ORDER BY 1;

-- Loops of PL/pgSQL, left early or by an error.
DO $$
DECLARE
    r record;
    total int := 0;
BEGIN
    FOR r IN SELECT n FROM a LOOP
        total := total + r.n;
        EXIT WHEN r.n = 2;
    END LOOP;
    RAISE NOTICE 'left early, with %', total;
    FOR r IN SELECT event FROM journal LOOP RAISE NOTICE '%', r.event; END LOOP;
END $$;
DO $$
DECLARE
    r record;
BEGIN
    BEGIN
        FOR r IN SELECT n FROM a LOOP
            PERFORM 1 / (r.n - 2);
        END LOOP;
    EXCEPTION WHEN division_by_zero THEN
        RAISE NOTICE 'caught';
    END;
    -- It has been ended by now.
    FOR r IN SELECT event FROM journal LOOP RAISE NOTICE '%', r.event; END LOOP;
    -- An error that is caught within the loop is no end.
    FOR r IN SELECT n FROM b LOOP
        BEGIN
            PERFORM 1 / (r.n - 1);
        EXCEPTION WHEN division_by_zero THEN
            RAISE NOTICE 'caught at %', r.n;
        END;
    END LOOP;
    FOR r IN SELECT event FROM journal LOOP RAISE NOTICE '%', r.event; END LOOP;
END $$;
-- A loop may commit; its rows are read before.
DO $$
DECLARE
    r record;
BEGIN
    FOR r IN SELECT n FROM b LOOP
        COMMIT;
        RAISE NOTICE '% committed', r.n;
    END LOOP;
    FOR r IN SELECT n FROM b LOOP
        ROLLBACK;
        RAISE NOTICE '% rolled back', r.n;
    END LOOP;
END $$;
DO $$
DECLARE
    c CURSOR (low int) FOR SELECT n FROM a WHERE n >= low;
    x int;
BEGIN
    OPEN c (4);
    FETCH c INTO x;
    RAISE NOTICE 'first %', x;
    CLOSE c;
    FOR y IN c (5) LOOP
        RAISE NOTICE 'only %', y.n;
    END LOOP;
END $$;
SELECT * FROM journal;

-- Functions, in SQL and PL/pgSQL, inlined and not.
CREATE FUNCTION above(low int) RETURNS SETOF int LANGUAGE sql STABLE
    AS 'SELECT n FROM a WHERE n > low';
CREATE FUNCTION first_above(low int) RETURNS int LANGUAGE sql
    AS 'SELECT n FROM a WHERE n > low ORDER BY 1';
CREATE FUNCTION count_above(low int) RETURNS bigint LANGUAGE plpgsql
    AS 'BEGIN RETURN (SELECT count(*) FROM a WHERE n > low); END';
SELECT above(3);
SELECT * FROM above(3) AS f (n);
SELECT first_above(3), count_above(2);
SELECT n, first_above(n), count_above(n) FROM b;
SELECT event, count(*) FROM journal GROUP BY 1 ORDER BY 1;

-- Prepared statements.
PREPARE above (int) AS SELECT n FROM a WHERE n > $1;
EXECUTE above (3);
EXECUTE above (4);
EXECUTE above (NULL);
SELECT * FROM journal;
-- They follow the table when it changes.
ALTER FOREIGN TABLE a OPTIONS (SET name 'A');
EXECUTE above (4);
SELECT * FROM journal;
DEALLOCATE above;

-- Views, materialized views, tables that are filled from it, COPY.
CREATE VIEW seen AS SELECT n * 10 AS n FROM a WHERE n > 3;
SELECT * FROM seen;
SELECT * FROM seen WHERE n > 40;
CREATE MATERIALIZED VIEW kept AS SELECT * FROM a WHERE n > 3;
SELECT * FROM kept;
REFRESH MATERIALIZED VIEW kept;
SELECT count(*) FROM kept;
CREATE TABLE heap AS SELECT * FROM a;
INSERT INTO heap SELECT n + 10 FROM a RETURNING n;
COPY (SELECT n FROM a WHERE n < 3) TO STDOUT;
-- COPY of the table itself is for tables with storage.
COPY a TO STDOUT;

-- A foreign table in statements that change another table.
WITH changed AS (
    UPDATE heap SET n = -heap.n FROM a WHERE a.n = heap.n AND a.n < 3
    RETURNING heap.n, a.n AS old, a
) SELECT * FROM changed ORDER BY old;
DELETE FROM heap USING a WHERE heap.n = a.n + 10 AND a.n > 1;
MERGE INTO heap USING a ON heap.n = a.n
    WHEN MATCHED THEN DELETE
    WHEN NOT MATCHED THEN INSERT VALUES (a.n + 100);
SELECT * FROM heap ORDER BY n;
SELECT a.n FROM a, heap WHERE heap.n = a.n + 10 FOR UPDATE;
SELECT * FROM b FOR UPDATE;
SELECT * FROM b FOR SHARE;

-- Whole rows. Of the system columns, a foreign table has but tableoid; the others do no harm.
SELECT b, b.tableoid::regclass, tableoid = 'b'::regclass AS same FROM b;
SELECT row_to_json(b) FROM b;
SELECT (b).n FROM b;
SELECT count(b), count(DISTINCT b) FROM b;
SELECT x FROM b x WHERE x = ROW(2);
SELECT ctid = '(0,1)' AS first FROM b;
SELECT xmin FROM b;
SELECT n FROM b WHERE ctid = '(0,1)';
SELECT count(*) > 0 AS forgotten FROM journal;

-- Partitions: a foreign table holds a part of a table, and is not read when the part is not asked
-- for.
CREATE TABLE parts (n int) PARTITION BY RANGE (n);
CREATE TABLE part_local PARTITION OF parts FOR VALUES FROM (10) TO (20);
ALTER TABLE parts ATTACH PARTITION a FOR VALUES FROM (1) TO (10);
CREATE FOREIGN TABLE part_c PARTITION OF parts FOR VALUES FROM (20) TO (30)
    SERVER tracked OPTIONS (name 'c', rows '1');
INSERT INTO part_local VALUES (11);
SELECT tableoid::regclass, n FROM parts WHERE n < 20 ORDER BY n;
SELECT * FROM journal;
SELECT n FROM parts WHERE n > 10 AND n < 20;
SELECT * FROM journal;
SELECT count(*) FROM parts WHERE n = 4;
SELECT * FROM journal;
PREPARE part (int) AS SELECT n FROM parts WHERE n = $1;
SET plan_cache_mode = force_generic_plan;
EXECUTE part (3);
EXECUTE part (11);
SELECT * FROM journal;
RESET plan_cache_mode;
SELECT parts FROM parts WHERE n < 3;
-- A partition whose columns are in another order.
CREATE FOREIGN TABLE disordered (dropped int, extra text, n int) SERVER tracked
    OPTIONS (name 'd', rows '1');
ALTER FOREIGN TABLE disordered DROP dropped;
ALTER TABLE parts ADD extra text;
ALTER TABLE parts ATTACH PARTITION disordered FOR VALUES FROM (30) TO (40);
ALTER FOREIGN TABLE disordered OPTIONS (ADD form 'thirty');
SELECT tableoid::regclass, parts FROM parts WHERE n > 29 OR n = 11;
SELECT extra, n FROM parts WHERE n > 29;
SELECT count(*) > 0 AS forgotten FROM journal;

-- Inheritance.
CREATE TABLE parent (n int);
INSERT INTO parent VALUES (0);
CREATE FOREIGN TABLE child (more int) INHERITS (parent) SERVER tracked OPTIONS (name 'child', rows '2');
ALTER FOREIGN TABLE b INHERIT parent;
SELECT tableoid::regclass::text AS "table", parent FROM parent ORDER BY 1, 2;
SELECT tableoid::regclass::text AS "table", parent FROM parent WHERE n = 2 ORDER BY 1;
SELECT * FROM ONLY parent;
SELECT p.n, c.n FROM parent p JOIN child c USING (n) ORDER BY 1, 2;
SELECT count(*) FILTER (WHERE event LIKE '%execute%') =
           count(*) FILTER (WHERE event LIKE '%end_scan') AS all_ended,
       count(*) FILTER (WHERE event LIKE '%execute%') =
           count(*) FILTER (WHERE event LIKE '%generator ends') AS all_closed
FROM journal;

-- Many scans at once.
DO $$
BEGIN
    FOR i IN 1 .. 200 LOOP
        EXECUTE format('DECLARE many%s CURSOR FOR SELECT n FROM child', i);
        EXECUTE format('FETCH 1 FROM many%s', i);
        EXECUTE format('MOVE 1 FROM many%s', (i + 1) / 2);
    END LOOP;
END $$;
SELECT event, count(*) FROM journal GROUP BY 1 ORDER BY 1;

SET client_min_messages = warning;
DROP SERVER tracked CASCADE;
DROP TABLE parts, parent, heap CASCADE;
DROP FUNCTION above, first_above, count_above;
