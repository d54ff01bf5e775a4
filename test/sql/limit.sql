-- LIMIT and OFFSET that the wrapper applies: when can_limit is asked, and what execute is told.
\getenv srcdir PG_ABS_SRCDIR
\i :srcdir/setup.sql

CREATE SERVER srv FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'planning.Planned');

-- The table has 20 rows. It sorts, applies the conditions that it understands, and limits; it
-- tells what it is asked and told.
CREATE FOREIGN TABLE t (id int, a int, x int, d date) SERVER srv
    OPTIONS (limit 'True', sort 'keys', filter 'on', tell 'can_limit execute');

-- The limit is the wrapper's: there is no Limit in the plan, and it gets the number.
EXPLAIN (COSTS OFF) SELECT id FROM t LIMIT 3;
SELECT id FROM t LIMIT 3;
SELECT id FROM t LIMIT 2 OFFSET 4;
SELECT id FROM t OFFSET 18;
SELECT id FROM t FETCH FIRST ROW ONLY;
SELECT id FROM t OFFSET 1 ROW FETCH NEXT 2 ROWS ONLY;
SELECT id FROM t LIMIT 2 + 1;
-- More rows than there are.
SELECT id FROM t OFFSET 18 LIMIT 100;
SELECT id FROM t OFFSET 100;
-- With columns that are computed, and with none.
SELECT id * 10 AS ten, 'x' AS x FROM t LIMIT 2;
EXPLAIN (VERBOSE, COSTS OFF) SELECT id * 10 AS ten FROM t LIMIT 2;
SELECT FROM t LIMIT 2;

-- LIMIT 0 needs no rows, so execute is not called.
SELECT id FROM t LIMIT 0;
-- What limits nothing is no limit.
SELECT count(*) FROM (SELECT id FROM t LIMIT ALL) AS s;
SELECT count(*) FROM (SELECT id FROM t LIMIT NULL OFFSET 0) AS s;
SELECT count(*) FROM (SELECT id FROM t OFFSET NULL) AS s;
-- Numbers go up to those of bigint.
SELECT count(*) FROM (SELECT id FROM t LIMIT 9223372036854775807 OFFSET 1) AS s;
SELECT id FROM t LIMIT 1 OFFSET 9223372036854775807;

-- A negative number is PostgreSQL's own error, when the query runs.
SELECT id FROM t LIMIT -1;
\echo :LAST_ERROR_SQLSTATE
SELECT id FROM t OFFSET -1;
\echo :LAST_ERROR_SQLSTATE
SELECT id FROM t LIMIT -1 OFFSET -1;

-- A subquery is evaluated before the scan begins: its value is not known while planning.
SELECT id FROM t LIMIT (SELECT 2) OFFSET (SELECT 1);
SELECT id FROM t LIMIT (SELECT NULL::int) OFFSET 18;
SELECT id FROM t LIMIT (SELECT -1);
-- So is an expression that is not volatile.
SELECT id FROM t LIMIT length(current_setting('search_path')) / 100 + 2;
-- One that is stays PostgreSQL's: the wrapper is not asked.
SELECT id FROM t LIMIT 2 + (random() * 0)::int;
SELECT id FROM t LIMIT 2 OFFSET (random() * 0)::int;

-- A wrapper may refuse. Then PostgreSQL counts, and asks for no more rows than it needs.
ALTER FOREIGN TABLE t OPTIONS (SET limit 'offset is None');
SELECT id FROM t LIMIT 2;
SELECT id FROM t LIMIT 2 OFFSET 1;
EXPLAIN (COSTS OFF) SELECT id FROM t LIMIT 2 OFFSET 1;
ALTER FOREIGN TABLE t OPTIONS (SET limit 'limit is not UNBOUND');
SELECT id FROM t LIMIT (SELECT 1);
-- Any object can say yes or no.
ALTER FOREIGN TABLE t OPTIONS (SET limit 'None');
SELECT id FROM t LIMIT 1;
ALTER FOREIGN TABLE t OPTIONS (SET limit '[0]');
SELECT id FROM t LIMIT 1;
-- What it raises is the query's error.
ALTER FOREIGN TABLE t OPTIONS (SET limit '1 / 0');
SELECT id FROM t LIMIT 1;
SELECT count(*) FROM t;
ALTER FOREIGN TABLE t OPTIONS (SET limit 'True');

-- A wrapper that sends more than it was asked for is stopped at the limit.
ALTER FOREIGN TABLE t OPTIONS (ADD surplus '3');
SELECT id FROM t LIMIT 2 OFFSET 1;
SELECT id FROM t ORDER BY id DESC LIMIT (SELECT 1);
SELECT a.id, (SELECT sum(b.id) FROM (SELECT id FROM t WHERE t.id > a.id LIMIT 2) AS b)
FROM (VALUES (1), (10)) AS a (id);
-- No more than that is fetched from it.
CREATE FUNCTION fetched(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP
        IF line LIKE '%Wrapper Rows Fetched%' THEN
            RETURN trim(line);
        END IF;
    END LOOP;
END $$;
SELECT fetched('SELECT id FROM t LIMIT 2 OFFSET 1');
ALTER FOREIGN TABLE t OPTIONS (DROP surplus);

-- Conditions: the limit counts the rows that satisfy them. It is the wrapper's if the wrapper
-- enforces them all ("Wrapper Filter").
EXPLAIN (COSTS OFF) SELECT id FROM t WHERE a = 2 LIMIT 2;
SELECT id FROM t WHERE a = 2 LIMIT 2;
SELECT id FROM t WHERE a = 2 AND x > 1 OFFSET 1;
SELECT id FROM t WHERE a IN (1, 2) AND (x IS NULL OR id > 15) LIMIT 3;
-- Not if PostgreSQL has to check one of them.
EXPLAIN (COSTS OFF) SELECT id FROM t WHERE a = 2 AND id % 2 = 1 LIMIT 2;
SELECT id FROM t WHERE a = 2 AND id % 2 = 1 LIMIT 2;
SELECT id FROM t WHERE a = 2 AND random() < 2 LIMIT 2;
SELECT id FROM t WHERE EXISTS (SELECT FROM (VALUES (7), (8)) AS v (y) WHERE y = t.id + 0) LIMIT 2;
-- A condition on no column is one as well.
SELECT id FROM t WHERE current_setting('search_path') <> '' LIMIT 2;
ALTER FOREIGN TABLE t OPTIONS (SET filter 'off');
SELECT id FROM t WHERE a = 2 LIMIT 2;
ALTER FOREIGN TABLE t OPTIONS (SET filter 'on');

-- Order: the limit is the wrapper's if the whole order is.
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY x DESC NULLS LAST, id LIMIT 3 OFFSET 1;
SELECT id, x FROM t ORDER BY x DESC NULLS LAST, id LIMIT 3 OFFSET 1;
SELECT id FROM t WHERE a = 2 ORDER BY id DESC LIMIT 2;
SELECT id FROM t WHERE a = 2 ORDER BY a, id DESC LIMIT 1;
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY id % 3, id LIMIT 3;
SELECT id FROM t ORDER BY id % 3, id LIMIT 3;
ALTER FOREIGN TABLE t OPTIONS (SET sort 'keys[:1]');
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY a, id DESC LIMIT 3;
SELECT id FROM t ORDER BY a, id DESC LIMIT 3;
SELECT id FROM t ORDER BY id LIMIT 3;
ALTER FOREIGN TABLE t OPTIONS (SET sort '[]');
SELECT id FROM t ORDER BY id DESC LIMIT 3;
ALTER FOREIGN TABLE t OPTIONS (SET sort 'keys');

-- What stands between the scan and the limit keeps it from the wrapper, which is not even asked.
ALTER FOREIGN TABLE t OPTIONS (SET tell 'can_limit');
SELECT DISTINCT a FROM t ORDER BY a LIMIT 2;
SELECT DISTINCT ON (a) a, id FROM t ORDER BY a, id LIMIT 2;
SELECT a, count(*) FROM t GROUP BY a ORDER BY a LIMIT 2;
SELECT count(*) FROM t LIMIT 1;
SELECT count(*) FROM t HAVING count(*) > 5 LIMIT 1;
SELECT a FROM t GROUP BY ROLLUP (a) ORDER BY a LIMIT 2;
SELECT id, row_number() OVER (ORDER BY id DESC) FROM t ORDER BY id LIMIT 2;
SELECT id, generate_series(1, 2) AS n FROM t LIMIT 3;
SELECT id FROM t LIMIT 2 FOR UPDATE;
SELECT a FROM t ORDER BY a FETCH FIRST 2 ROWS WITH TIES;
SELECT t.id FROM t JOIN (VALUES (3), (4)) AS v (id) ON t.id = v.id ORDER BY 1 LIMIT 1;
SELECT t.id FROM t CROSS JOIN (VALUES (1), (2)) AS v (y) ORDER BY 1 LIMIT 3;
SELECT t.id, y FROM t LEFT JOIN (VALUES (1, 'a'), (1, 'b')) AS v (id, y) ON t.id = v.id
ORDER BY 1, 2 LIMIT 3;
SELECT id FROM t UNION ALL SELECT id FROM t LIMIT 2;
SELECT id FROM t WHERE id < 3 UNION SELECT id FROM t WHERE id < 3 ORDER BY 1 LIMIT 2;
-- A column of the output that is volatile, or has a subquery, does not; but OFFSET computes it for
-- the rows that it skips.
CREATE TEMPORARY SEQUENCE counter;
SELECT id, nextval('counter') FROM t LIMIT 2;
SELECT id, nextval('counter') FROM t LIMIT 2 OFFSET 1;
SELECT id, (SELECT max(y) FROM (VALUES (1), (2)) AS v (y) WHERE y <= t.id) FROM t LIMIT 2;
-- A table that is joined for nothing does not either.
CREATE TEMPORARY TABLE once (id int PRIMARY KEY);
SELECT t.id FROM t LEFT JOIN once USING (id) LIMIT 2;
ALTER FOREIGN TABLE t OPTIONS (SET tell 'can_limit execute');

-- Subqueries have limits of their own.
SELECT s.id FROM (SELECT id FROM t WHERE a = 1 LIMIT 3) AS s WHERE s.id > 1;
(SELECT id FROM t LIMIT 1) UNION ALL (SELECT id FROM t ORDER BY id DESC LIMIT 1);
WITH two AS MATERIALIZED (SELECT id FROM t LIMIT 2) SELECT sum(x.id) FROM two x, two y;
SELECT id FROM t WHERE id = (SELECT id FROM t WHERE a = 3 ORDER BY id DESC LIMIT 1);
SELECT count(*) FROM (SELECT x FROM t ORDER BY id LIMIT 4) AS s;
SELECT EXISTS (SELECT FROM t LIMIT 5 OFFSET 30);
SELECT ARRAY(SELECT id FROM t ORDER BY x, id LIMIT 3);
CREATE TEMPORARY TABLE kept AS SELECT id FROM t LIMIT 2;
INSERT INTO kept SELECT id FROM t ORDER BY id DESC LIMIT 1;
SELECT * FROM kept;
-- A correlated one is executed for each row of the query; so is LATERAL, whose limit may depend on
-- the row.
SELECT v.n, (SELECT id FROM t WHERE a = v.n ORDER BY id DESC LIMIT 1)
FROM (VALUES (1), (2)) AS v (n);
SELECT v.n, l.id FROM (VALUES (1), (2)) AS v (n),
    LATERAL (SELECT id FROM t WHERE a = v.n LIMIT v.n) AS l;
SELECT v.n, l.id FROM (VALUES (0), (1), (NULL)) AS v (n),
    LATERAL (SELECT id FROM t ORDER BY id OFFSET 17 + v.n) AS l;
SELECT v.n, l.id FROM (VALUES (1), (-1)) AS v (n), LATERAL (SELECT id FROM t LIMIT v.n) AS l;

-- Prepared statements: a plan for the values that are given knows them, one for any values does
-- not.
PREPARE page (bigint, bigint) AS SELECT id FROM t WHERE a <> 3 ORDER BY id LIMIT $1 OFFSET $2;
SET plan_cache_mode = force_custom_plan;
EXECUTE page (2, 3);
EXECUTE page (NULL, 14);
EXECUTE page (0, 0);
EXECUTE page (-1, 0);
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE page (2, 3);
EXECUTE page (2, 3);
EXECUTE page (NULL, 14);
EXECUTE page (2, NULL);
EXECUTE page (0, 0);
EXECUTE page (-1, 0);
\echo :LAST_ERROR_SQLSTATE
EXECUTE page (1, -1);
\echo :LAST_ERROR_SQLSTATE
-- A NULL that matches nothing does not hide that error.
PREPARE none (int, bigint) AS SELECT id FROM t WHERE a = $1 LIMIT $2;
EXECUTE none (NULL, 2);
EXECUTE none (NULL, -1);
-- Expressions of parameters, of whatever form.
PREPARE computed (int) AS SELECT id FROM t LIMIT $1 + 1 OFFSET abs($1);
EXECUTE computed (1);
PREPARE chosen (int) AS SELECT id FROM t LIMIT CASE $1 WHEN 1 THEN 2 ELSE 3 END;
EXECUTE chosen (1);
EXECUTE chosen (2);
PREPARE searched (int) AS SELECT id FROM t LIMIT CASE WHEN $1 = 1 THEN 1 END OFFSET 18;
EXECUTE searched (1);
EXECUTE searched (2);
PREPARE counted (text[]) AS SELECT id FROM t LIMIT cardinality($1::int[]);
EXECUTE counted ('{1,2}');
PREPARE guarded (int, int) AS SELECT id FROM t LIMIT coalesce($1, 6 / $2);
EXECUTE guarded (2, 0);
EXECUTE guarded (NULL, 3);
EXECUTE guarded (NULL, 0);
-- A value that Python cannot hold keeps a condition from the wrapper, in this execution: then
-- PostgreSQL checks it, and counts the rows that are left.
PREPARE until (date) AS SELECT id, d FROM t WHERE d < $1 AND a = 1 ORDER BY id LIMIT 2 OFFSET 1;
EXPLAIN (COSTS OFF) EXECUTE until ('2024-01-10');
EXECUTE until ('2024-01-10');
EXECUTE until ('infinity');
EXECUTE until ('-infinity');
PREPARE within (date) AS SELECT v.n, l.id FROM (VALUES (1), (2), (9)) AS v (n),
    LATERAL (SELECT id FROM t WHERE d < $1 AND a = v.n ORDER BY id LIMIT 2 OFFSET 1) AS l;
EXECUTE within ('infinity');
EXECUTE within ('2024-01-12');
RESET plan_cache_mode;
-- When the wrapper answers otherwise, the statement is planned again.
SET plan_cache_mode = force_generic_plan;
ALTER FOREIGN TABLE t OPTIONS (SET limit 'False');
EXECUTE computed (1);
ALTER FOREIGN TABLE t OPTIONS (SET limit 'True');
EXECUTE computed (1);
RESET plan_cache_mode;

-- A cursor's plan stays: the instance that has to keep the promise is asked as well.
CREATE SERVER late FOREIGN DATA WRAPPER multicorn
    OPTIONS (wrapper 'planning.Planned', limit 'True');
CREATE FOREIGN TABLE late (id int) SERVER late OPTIONS (tell 'can_limit execute');
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM late LIMIT 2;
DECLARE d CURSOR FOR SELECT id FROM late LIMIT 2;
ALTER SERVER late OPTIONS (ADD note 'other options, the same answer');
FETCH ALL FROM c;
ALTER SERVER late OPTIONS (SET limit 'False');
FETCH ALL FROM d;
ROLLBACK;

-- PL/pgSQL has its variables as parameters.
CREATE FUNCTION ids(n int) RETURNS int[] LANGUAGE plpgsql AS $$
BEGIN
    RETURN ARRAY(SELECT id FROM t ORDER BY id DESC LIMIT n);
END $$;
SELECT ids(n) FROM generate_series(1, 2) AS n;

-- A cursor.
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id FROM t ORDER BY id LIMIT 4;
FETCH 2 FROM c;
FETCH BACKWARD 1 FROM c;
FETCH ALL FROM c;
DECLARE h CURSOR WITH HOLD FOR SELECT id FROM t LIMIT 2;
COMMIT;
FETCH ALL FROM h;
CLOSE h;

-- Each user has an instance, which is asked and which executes: a prepared statement, a view and a
-- cursor too go by the user whose rights they use.
CREATE ROLE limit_reader;
CREATE FOREIGN TABLE own (id int) SERVER srv OPTIONS (tell 'can_limit execute');
CREATE USER MAPPING FOR limit_reader SERVER srv OPTIONS (limit 'True');
GRANT SELECT ON own TO limit_reader;
CREATE VIEW theirs AS SELECT id FROM own;
ALTER VIEW theirs OWNER TO limit_reader;
PREPARE first AS SELECT id FROM own LIMIT 1;
SET plan_cache_mode = force_generic_plan;
EXECUTE first;
SET ROLE limit_reader;
EXECUTE first;
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM own LIMIT 2;
RESET ROLE;
FETCH 1 FROM c;
COMMIT;
EXECUTE first;
SELECT id FROM theirs LIMIT 1;
-- When the mapping changes, so does the plan.
SET ROLE limit_reader;
EXECUTE first;
RESET ROLE;
ALTER USER MAPPING FOR limit_reader SERVER srv OPTIONS (SET limit 'False');
SET ROLE limit_reader;
EXECUTE first;
RESET ROLE;
RESET plan_cache_mode;

-- A partition or child is a part of the table, so that the limit is not its own.
CREATE TABLE parent (id int, a int, x int, d date);
CREATE FOREIGN TABLE one () INHERITS (parent) SERVER srv
    OPTIONS (limit 'True', part '1', tell 'can_limit execute');
CREATE FOREIGN TABLE two () INHERITS (parent) SERVER srv
    OPTIONS (limit 'True', part '2', tell 'can_limit execute');
SELECT count(*) FROM (SELECT FROM parent LIMIT 5 OFFSET 1) AS s;
ALTER FOREIGN TABLE one INHERIT t;
SELECT count(*) FROM (SELECT FROM t OFFSET 22) AS s;
SELECT count(*) FROM (SELECT FROM ONLY t OFFSET 18) AS s;

-- A limit is not pushed into a security_barrier view; one within it is like any other.
CREATE VIEW barrier WITH (security_barrier) AS SELECT id, a FROM ONLY t WHERE a = 1;
SELECT id FROM barrier LIMIT 2;
CREATE VIEW limited WITH (security_barrier) AS SELECT id, a FROM ONLY t WHERE a = 1 LIMIT 2;
SELECT id FROM limited WHERE id > 1;

SET client_min_messages = warning;
DROP FUNCTION ids, fetched;
DROP VIEW barrier, limited, theirs;
DROP TABLE parent CASCADE;
DROP SERVER srv, late CASCADE;
DROP ROLE limit_reader;
