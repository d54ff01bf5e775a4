-- Orders that the wrapper delivers: what can_sort is asked, and what is done with its answer.
\getenv srcdir PG_ABS_SRCDIR
\i :srcdir/setup.sql

CREATE SERVER srv FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'planning.Planned');
CREATE DOMAIN number AS int;
CREATE DOMAIN word AS text COLLATE "C";
CREATE COLLATION own FROM "C";

-- The table has 20 rows, in the order of id. It delivers every order that it is asked for.
CREATE FOREIGN TABLE t (
    id int, a number, b bigint, x int, f float8, t text, v varchar(10), c word, d date
) SERVER srv OPTIONS (sort 'keys', tell 'can_sort execute');
CREATE TABLE heap AS SELECT * FROM t;

-- can_sort gets SortKeys: column, its number, direction, place of the NULLs, collation. execute
-- gets those that it promised as "sortkeys"; there is no Sort in the plan.
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY x;
SELECT id, x FROM t ORDER BY x, id;
SELECT id FROM t ORDER BY x DESC, a, id DESC;
SELECT id FROM t WHERE id < 6 ORDER BY x NULLS FIRST;
SELECT id FROM t WHERE id < 6 ORDER BY x DESC NULLS LAST;
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY x DESC, a NULLS FIRST, d DESC NULLS LAST;
-- A column that the output does without is asked for.
EXPLAIN (VERBOSE, COSTS OFF) SELECT a FROM t ORDER BY x;
SELECT t.* FROM t ORDER BY id DESC FETCH FIRST ROW ONLY;
-- Columns that are the same in all rows, or come again, order nothing.
SELECT id FROM t WHERE x = 4 ORDER BY x, id DESC, x, id;
SELECT id FROM t WHERE id < 3 ORDER BY id, id DESC;

-- Text: the collation is named unless it is the database's.
SELECT id FROM t WHERE id < 4 ORDER BY t, v;
SELECT id FROM t WHERE id < 4 ORDER BY t COLLATE "C", v COLLATE "POSIX" DESC;
SELECT id FROM t WHERE id < 4 ORDER BY c, t COLLATE ucs_basic;
SELECT id FROM t WHERE id < 4 ORDER BY v COLLATE "default", t COLLATE own;
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY t COLLATE "C", v COLLATE own DESC;

-- A name that would stand for another collation comes with its schema.
CREATE SCHEMA aside;
CREATE COLLATION aside."C" (provider = libc, locale = 'C.UTF-8');
SELECT id FROM t WHERE id < 4 ORDER BY t COLLATE aside."C";
-- It is not asked for the database's collation on a column that has another.
SELECT id FROM t WHERE id < 4 ORDER BY c COLLATE "default";

-- What is not a column in the default order of its type is not asked for.
SELECT id FROM t WHERE id < 4 ORDER BY -id;
SELECT id FROM t WHERE id < 4 ORDER BY lower(t);
SELECT id FROM t WHERE id < 4 ORDER BY id::oid;
SELECT id FROM t WHERE id < 4 ORDER BY id::bigint DESC;
SELECT id FROM t WHERE id < 4 ORDER BY x IS NULL;
SELECT id FROM t WHERE id < 4 ORDER BY t::bpchar;
SELECT id FROM t WHERE id < 4 ORDER BY t USING ~<~;
SELECT id FROM t WHERE id < 4 ORDER BY v USING ~>~;
SELECT id FROM t WHERE id < 4 ORDER BY t.tableoid;
SELECT id FROM t WHERE id < 4 ORDER BY t.*;
SELECT id FROM t WHERE id < 4 ORDER BY random() < 0;
-- USING an operator of the default order is asked for.
SELECT id FROM t WHERE id < 4 ORDER BY id USING >;
-- The columns before an expression are.
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY x, -id, a;
SELECT id, x FROM t WHERE id < 8 ORDER BY x, -id;

-- A wrapper may deliver the leading keys alone: PostgreSQL sorts the rest.
ALTER FOREIGN TABLE t OPTIONS (SET sort 'keys[:1]');
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY x, d DESC, id;
SELECT id, x, d FROM t ORDER BY x, d DESC, id LIMIT 5;
SET enable_incremental_sort = off;
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY x, d DESC, id;
RESET enable_incremental_sort;
ALTER FOREIGN TABLE t OPTIONS (SET sort '[key for key in keys if key.attname != "x"]');
SELECT id FROM t ORDER BY a, x, id LIMIT 3;
SELECT id FROM t ORDER BY x, a, id LIMIT 3;
-- None, or nothing.
ALTER FOREIGN TABLE t OPTIONS (SET sort 'None');
SELECT id FROM t WHERE id < 4 ORDER BY x;
ALTER FOREIGN TABLE t OPTIONS (SET sort '()');
SELECT id FROM t WHERE id < 4 ORDER BY x;
-- Any iterable; equal keys are as good as the given ones.
ALTER FOREIGN TABLE t OPTIONS (SET sort '(SortKey(*key) for key in keys)');
SELECT id FROM t WHERE id < 4 ORDER BY x;
ALTER FOREIGN TABLE t OPTIONS (SET sort '[tuple(key) for key in keys]');
SELECT id FROM t WHERE id < 4 ORDER BY x;
-- The list is the wrapper's own.
ALTER FOREIGN TABLE t OPTIONS (SET sort 'keys.clear()');
SELECT id FROM t WHERE id < 4 ORDER BY x;

-- What was not asked for is an error: PostgreSQL would rely on another order than it gets.
ALTER FOREIGN TABLE t OPTIONS (SET sort '[SortKey("x", 4, True, True)]');
SELECT id FROM t ORDER BY x DESC LIMIT 1;
SELECT id FROM t ORDER BY x LIMIT 1;
ALTER FOREIGN TABLE t OPTIONS (SET sort '[SortKey("t", 6, collate="C")]');
SELECT id FROM t ORDER BY t COLLATE "C", id LIMIT 1;
SELECT id FROM t ORDER BY t LIMIT 1;
ALTER FOREIGN TABLE t OPTIONS (SET sort '["x"]');
SELECT id FROM t ORDER BY x;
ALTER FOREIGN TABLE t OPTIONS (SET sort '"x"');
SELECT id FROM t ORDER BY x;
ALTER FOREIGN TABLE t OPTIONS (SET sort '[None]');
SELECT id FROM t ORDER BY x;
ALTER FOREIGN TABLE t OPTIONS (SET sort 'True');
SELECT id FROM t ORDER BY x;
ALTER FOREIGN TABLE t OPTIONS (SET sort '1 / 0');
SELECT id FROM t ORDER BY x;
-- It is not asked where no order is wanted.
SELECT count(*) FROM t;
ALTER FOREIGN TABLE t OPTIONS (SET sort 'keys');

-- A merge join needs its input sorted. From here on, plans and answers count.
ALTER FOREIGN TABLE t OPTIONS (SET tell '');
CREATE FOREIGN TABLE u (id int, x int, t text) SERVER srv OPTIONS (sort 'keys', rows '12');
CREATE TABLE heap_u AS SELECT * FROM u;
CREATE TABLE local (id int, t text);
INSERT INTO local SELECT n, (ARRAY['fig', 'Apple', NULL, 'zoe'])[n % 4 + 1]
    FROM generate_series(1, 8) AS n;
ANALYZE heap, heap_u, local;
SET enable_hashjoin = off;
SET enable_nestloop = off;
EXPLAIN (COSTS OFF) SELECT t.id, u.x FROM t JOIN u ON t.id = u.id;
EXPLAIN (COSTS OFF) SELECT t.id, u.x FROM t JOIN u ON t.id = u.id ORDER BY t.id;
EXPLAIN (COSTS OFF) SELECT t.id, local.t FROM t JOIN local USING (id);
EXPLAIN (COSTS OFF) SELECT t.id, local.t FROM t LEFT JOIN local USING (id);
EXPLAIN (COSTS OFF) SELECT t.id, local.t FROM t FULL JOIN local USING (id);
EXPLAIN (COSTS OFF) SELECT t.id, local.id FROM t JOIN local ON t.v = local.t;
EXPLAIN (COSTS OFF) SELECT t.id FROM t WHERE EXISTS (SELECT FROM local WHERE local.id = t.id);
-- Another type of the same kind has the same order; that of an expression is none of the wrapper's.
EXPLAIN (COSTS OFF) SELECT t.id, u.id FROM t JOIN u ON t.b = u.id;
EXPLAIN (COSTS OFF) SELECT t.id, u.id FROM t JOIN u ON t.id + 1 = u.id;

-- The answers are those of a table with the same rows.
CREATE FUNCTION compare(query text, OUT "rows" bigint, OUT same boolean) LANGUAGE plpgsql AS $$
DECLARE
    answer text;
    expected text;
BEGIN
    EXECUTE format('SELECT string_agg(r::text, '' ''), count(*) FROM (%s) AS r',
                   replace(replace(query, '$t', 't'), '$u', 'u')) INTO answer, "rows";
    EXECUTE format('SELECT string_agg(r::text, '' '') FROM (%s) AS r',
                   replace(replace(query, '$t', 'heap'), '$u', 'heap_u')) INTO expected;
    same := answer IS NOT DISTINCT FROM expected;
END $$;
\pset format unaligned
\pset fieldsep ' | '
CREATE TABLE queries AS SELECT * FROM regexp_split_to_table($q$
SELECT id, x FROM $t ORDER BY x, id
SELECT id, x FROM $t ORDER BY x DESC, id
SELECT id, x FROM $t ORDER BY x NULLS FIRST, id DESC
SELECT id, x FROM $t ORDER BY x DESC NULLS LAST, id
SELECT id, a, b FROM $t ORDER BY a DESC, b
SELECT id, f FROM $t ORDER BY f, id
SELECT id, f FROM $t ORDER BY f DESC, id
SELECT id, t FROM $t ORDER BY t, id
SELECT id, t FROM $t ORDER BY t DESC, id DESC
SELECT id, t FROM $t ORDER BY t COLLATE "C" NULLS FIRST, id
SELECT id, v FROM $t ORDER BY v, id
SELECT id, v FROM $t ORDER BY v DESC NULLS LAST, id
SELECT id, c FROM $t ORDER BY c DESC, id
SELECT id, d FROM $t ORDER BY d, id DESC
SELECT id, x FROM $t WHERE x > 3 ORDER BY x, id
SELECT id, x FROM $t WHERE x > 3 AND id % 2 = 1 ORDER BY x, id OFFSET 2 LIMIT 3
SELECT DISTINCT x FROM $t ORDER BY x
SELECT DISTINCT ON (x) x, id FROM $t ORDER BY x, id DESC
SELECT x, count(*), min(id) FROM $t GROUP BY x ORDER BY x
SELECT t, count(*) FROM $t GROUP BY t ORDER BY t DESC
SELECT min(x), max(x), min(t), max(d) FROM $t
SELECT min(x) FROM $t WHERE id > 100
SELECT max(id) FROM $t WHERE a = 3
SELECT id, rank() OVER (ORDER BY x), lag(id) OVER (ORDER BY id) FROM $t ORDER BY id
SELECT id, sum(x) OVER (PARTITION BY a ORDER BY id) FROM $t ORDER BY a, id
SELECT array_agg(id ORDER BY x, id) FROM $t
SELECT string_agg(t, ',' ORDER BY t DESC, id) FROM $t
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY x) FROM $t
SELECT p.id, q.id AS other FROM $t p JOIN $u q ON p.x = q.x ORDER BY 1, 2
SELECT p.id, q.id AS other FROM $t p LEFT JOIN $u q ON p.x = q.x ORDER BY 1, 2
SELECT p.id, q.id AS other FROM $t p RIGHT JOIN $u q ON p.x = q.x ORDER BY 2, 1
SELECT p.id, q.id AS other FROM $t p FULL JOIN $u q ON p.x = q.x ORDER BY 1, 2
SELECT p.id, q.id AS other FROM $t p JOIN $u q ON p.id = q.x AND p.x = q.id ORDER BY 1
SELECT p.id, q.id AS other FROM $t p JOIN $u q ON p.t = q.t ORDER BY 1, 2
SELECT p.id, q.id AS other FROM $t p JOIN $u q ON p.v = q.t ORDER BY 1, 2
SELECT p.id, q.id AS other FROM $t p JOIN $u q ON p.a = q.x AND p.b < q.id ORDER BY 1, 2
SELECT p.id, q.id AS other FROM $t p JOIN $t q ON p.b = q.x ORDER BY q.id DESC, p.id
SELECT p.id, r.id AS other FROM $t p JOIN $u q ON p.x = q.x JOIN local r ON r.id = q.x ORDER BY 1, 2
SELECT p.id FROM $t p WHERE p.x IN (SELECT q.x FROM $u q WHERE q.id > 3) ORDER BY p.x, p.id
SELECT p.id FROM $t p WHERE NOT EXISTS (SELECT FROM $u q WHERE q.x = p.x) ORDER BY p.id DESC
SELECT x FROM $t UNION SELECT x FROM $u ORDER BY 1
SELECT x FROM $t EXCEPT SELECT id FROM $u ORDER BY 1
(SELECT id FROM $t ORDER BY x, id LIMIT 2) UNION ALL (SELECT id FROM $u ORDER BY t, id LIMIT 2)
$q$, '\n') AS query WHERE query <> '';
SELECT query, c.* FROM queries, compare(query) AS c;
-- The same when the wrapper delivers the first key alone, and with other joins.
ALTER FOREIGN TABLE t OPTIONS (SET sort 'keys[:1]');
SELECT query, c.* FROM queries, compare(query) AS c WHERE NOT same;
RESET enable_hashjoin;
SELECT query, c.* FROM queries, compare(query) AS c WHERE NOT same;
RESET enable_nestloop;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SELECT query, c.* FROM queries, compare(query) AS c WHERE NOT same;
\pset format aligned
RESET enable_hashjoin;
RESET enable_mergejoin;
ALTER FOREIGN TABLE t OPTIONS (SET sort 'keys');

-- Grouping and DISTINCT go through sorted rows as they come; min() and max() look at the first one.
SET enable_hashagg = off;
EXPLAIN (COSTS OFF) SELECT x, count(*) FROM t GROUP BY x;
EXPLAIN (COSTS OFF) SELECT DISTINCT x FROM t;
RESET enable_hashagg;
ALTER FOREIGN TABLE t OPTIONS (SET tell 'execute');
SELECT max(x) FROM t;
SELECT id, sum(id) OVER (ORDER BY id) FROM t OFFSET 18;
ALTER FOREIGN TABLE t OPTIONS (SET tell '');

-- A parent of partitions merges the rows of its children, if each delivers the order: the numbers
-- of their columns may differ.
CREATE TABLE parent (id int, a int, t text) PARTITION BY LIST (a);
CREATE FOREIGN TABLE one PARTITION OF parent FOR VALUES IN (1) SERVER srv
    OPTIONS (sort 'keys', part '1');
CREATE FOREIGN TABLE two (t text, gone int, a int, id int) SERVER srv
    OPTIONS (sort 'keys', part '2', tell 'can_sort execute');
ALTER FOREIGN TABLE two DROP gone;
ALTER TABLE parent ATTACH PARTITION two FOR VALUES IN (2);
CREATE TABLE three PARTITION OF parent FOR VALUES IN (3);
INSERT INTO three SELECT id, a, t FROM heap WHERE a = 3;
EXPLAIN (COSTS OFF) SELECT id FROM parent ORDER BY t DESC, id;
SELECT id, t FROM parent ORDER BY t DESC, id;
SELECT id FROM parent ORDER BY id LIMIT 3;
ALTER FOREIGN TABLE one OPTIONS (SET sort 'keys[:1]');
SELECT id, t FROM parent ORDER BY t DESC, id LIMIT 3;
-- So does UNION ALL.
EXPLAIN (COSTS OFF) SELECT id FROM one UNION ALL SELECT id FROM two ORDER BY id;
SELECT id FROM one UNION ALL SELECT id FROM two ORDER BY id DESC LIMIT 3;
ALTER FOREIGN TABLE two OPTIONS (SET tell '');
-- Partitions can be joined one by one.
CREATE TABLE other (id int, a int) PARTITION BY LIST (a);
CREATE TABLE other_one PARTITION OF other FOR VALUES IN (1);
CREATE TABLE other_two PARTITION OF other FOR VALUES IN (2, 3);
INSERT INTO other SELECT id, a FROM heap WHERE a IN (1, 2, 3) AND id > 5;
ANALYZE other;
SET enable_partitionwise_join = on;
SET enable_hashjoin = off;
SET enable_nestloop = off;
SELECT p.id, o.id FROM parent p JOIN other o ON p.a = o.a AND p.id = o.id ORDER BY p.id;
SELECT p.id, o.id FROM parent p LEFT JOIN parent o ON p.a = o.a AND p.id = o.id + 5
ORDER BY p.id DESC;
RESET enable_partitionwise_join;
RESET enable_hashjoin;
RESET enable_nestloop;

-- A prepared statement keeps its order, whatever the values.
PREPARE p (int) AS SELECT id FROM t WHERE x < $1 ORDER BY x DESC, id LIMIT 3;
SET plan_cache_mode = force_generic_plan;
EXECUTE p (5);
EXECUTE p (NULL);
ALTER FOREIGN TABLE t OPTIONS (SET sort '[]');
EXPLAIN (COSTS OFF) EXECUTE p (5);
EXECUTE p (5);
RESET plan_cache_mode;

-- A class without can_sort is never asked.
CREATE FOREIGN TABLE plain (id int, x int) SERVER srv OPTIONS (wrapper 'planning.Rows', rows '3');
EXPLAIN (COSTS OFF) SELECT id FROM plain ORDER BY x;
SELECT id FROM plain ORDER BY x;

SET client_min_messages = warning;
DROP FUNCTION compare;
DROP TABLE parent, other, heap, heap_u, local, queries;
DROP SERVER srv CASCADE;
DROP DOMAIN number, word;
DROP COLLATION own;
DROP SCHEMA aside CASCADE;
