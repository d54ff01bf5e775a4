-- How large a table is, and what its scan costs: what the planner is told, and what it makes of it.
\getenv srcdir PG_ABS_SRCDIR
\i :srcdir/setup.sql

CREATE SERVER srv FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'planning.Planned');
CREATE FOREIGN TABLE t (id int, a int, b int, x int, t text, d date) SERVER srv
    OPTIONS (size '(1000, 40)', tell 'get_rel_size get_path_keys');

-- What the planner expects of a query.
CREATE FUNCTION estimate(
    query text, OUT "rows" float8, OUT width int, OUT startup float8, OUT total float8
) LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
    plan := plan->0->'Plan';
    "rows" := plan->>'Plan Rows';
    width := plan->>'Plan Width';
    startup := plan->>'Startup Cost';
    total := plan->>'Total Cost';
END $$;

-- get_rel_size is called with the conditions and the columns that the query needs, once for each
-- plan. Its answer is the number of rows, and their width in bytes.
SELECT rows, width FROM estimate('SELECT * FROM t');
SELECT rows, width FROM estimate('SELECT id FROM t WHERE a = 5 AND x > 3');
SELECT rows, width FROM estimate('SELECT FROM t');
SELECT id FROM t WHERE id < 3 AND t IS NOT NULL;
-- Conditions whose values are known only when the query runs are left out, and so are those that
-- no Qual can express: each leaves a part of the rows.
SELECT rows < 1000 AS fewer FROM estimate('SELECT id FROM t WHERE d < current_date AND a = 5');
SELECT rows < 1000 AS fewer FROM estimate('SELECT id FROM t WHERE a = (SELECT 5) AND x = 3');
SELECT rows < 1000 AS fewer FROM estimate('SELECT id FROM t WHERE a + 1 = 5 AND x IN (1, 2)');
SELECT rows < 1000 AS fewer FROM estimate('SELECT id FROM t WHERE a = 5 OR a IS NULL');
-- A value that the planner can compute is known.
SELECT rows FROM estimate('SELECT id FROM t WHERE a = 2 + 3 AND d > date ''2024-01-01'' + 30');
-- So are those of a prepared statement, where it is planned for them.
PREPARE p (int) AS SELECT id FROM t WHERE a = $1 AND x = 3;
SET plan_cache_mode = force_custom_plan;
SELECT rows FROM estimate('EXECUTE p (5)');
SET plan_cache_mode = force_generic_plan;
SELECT rows < 1000 AS fewer FROM estimate('EXECUTE p (5)');
SELECT rows < 1000 AS fewer FROM estimate('EXECUTE p (7)');
RESET plan_cache_mode;
-- A condition that can never be true leaves nothing to be planned.
SELECT FROM t WHERE false;
SELECT FROM t WHERE a = NULL;
-- Each scan of a query has a size of its own.
SELECT rows FROM estimate('SELECT FROM t x, t y WHERE x.a = 1');
ALTER FOREIGN TABLE t OPTIONS (DROP tell);

-- The answer may depend on what is told.
ALTER FOREIGN TABLE t OPTIONS (SET size '(1000 >> 3 * len(quals), 8 * len(columns))');
SELECT rows, width FROM estimate('SELECT id, a FROM t');
SELECT rows, width FROM estimate('SELECT id FROM t WHERE a = 5');
SELECT rows, width FROM estimate('SELECT id FROM t WHERE a = 5 AND b = 6');

-- Any two numbers will do. Nothing is fewer than one row, or a byte; nothing is too much.
CREATE FUNCTION estimate_with(size text, query text DEFAULT 'SELECT * FROM t') RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    message text;
    context text;
BEGIN
    EXECUTE format('ALTER FOREIGN TABLE t OPTIONS (SET size %L)', size);
    RETURN (SELECT format('%s rows of %s bytes', e.rows, e.width) FROM estimate(query) AS e);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, context = PG_EXCEPTION_CONTEXT;
    RETURN format('%s: %s (%s)', SQLSTATE, message, substring(context FROM 'method \w+'));
END $$;
SELECT size, estimate_with(size) FROM (VALUES
    ('(1000, 40)'), ('[7, 8]'), ('(12.4, 7.9)'), ('(Decimal("12.5"), Decimal(7))'),
    ('(True, True)'), ('range(4, 6)'), ('(0, 0)'), ('(-5, -5)'), ('(0.1, 0.1)'), ('(-inf, -inf)'), ('(inf, inf)'),
    ('(1e300, 1e300)'), ('(10 ** 400, 10 ** 400)'), ('(-10 ** 400, -10 ** 400)')) AS v (size);
-- None is no estimate: see below. Anything else is an error.
SELECT size, estimate_with(size) FROM (VALUES
    ('7'), ('"ab"'), ('b"ab"'), ('(1,)'), ('(1, 2, 3)'), ('{1: 2, 3: 4}'), ('{5, 6}'),
    ('(n for n in (1, 2))'), ('("5", 8)'), ('(5, "8")'), ('(None, 8)'), ('(nan, 8)'), ('(5, nan)'),
    ('(1j, 8)'), ('(Decimal("sNaN"), 8)'), ('1 / 0')) AS v (size);
ALTER FOREIGN TABLE t OPTIONS (SET size '(1, nan)');
SELECT count(*) FROM t;
-- Plans with numbers beyond reason are plans.
ALTER FOREIGN TABLE t OPTIONS (SET size '(inf, inf)');
SELECT count(*) FROM t x JOIN t y ON x.id = y.id LEFT JOIN t z ON z.id = x.x WHERE x.a = 1;
SELECT x.id FROM t x, t y WHERE x.id = y.a ORDER BY x.id DESC, y.id LIMIT 1;
ALTER FOREIGN TABLE t OPTIONS (SET size '(0, 0)');
SELECT count(*) FROM t x JOIN t y ON x.id = y.id LEFT JOIN t z ON z.id = x.x WHERE x.a = 1;

-- _startup_cost is what a scan costs before its first row comes: 20, if the class says nothing.
ALTER FOREIGN TABLE t OPTIONS (SET size '(1000, 40)');
SELECT startup, total > startup AS more FROM estimate('SELECT * FROM t');
SELECT total - startup AS per_rows FROM estimate('SELECT * FROM t') \gset
ALTER FOREIGN TABLE t OPTIONS (ADD cost '500');
SELECT startup, round((total - startup)::numeric, 2) = round(:per_rows, 2) AS same_rows
FROM estimate('SELECT * FROM t');
CREATE FUNCTION startup_with(cost text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    message text;
    context text;
BEGIN
    EXECUTE format('ALTER FOREIGN TABLE t OPTIONS (SET cost %L)', cost);
    RETURN (SELECT e.startup FROM estimate('SELECT * FROM t') AS e);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, context = PG_EXCEPTION_CONTEXT;
    RETURN format('%s: %s (%s)', SQLSTATE, message, substring(context FROM 'foreign table \S+'));
END $$;
SELECT cost, startup_with(cost) FROM (VALUES
    ('0'), ('2.5'), ('Decimal("0.5")'), ('True'), ('-5'), ('inf'), ('-inf'), ('10 ** 400'),
    ('-10 ** 400'), ('nan'), ('None'), ('"20"'), ('[]')) AS v (cost);
ALTER FOREIGN TABLE t OPTIONS (DROP cost);
-- A class that does not inherit from ours costs 20 as well, and has no size.
CREATE FOREIGN TABLE bare (id int) SERVER srv OPTIONS (wrapper 'planning.Bare');
SELECT startup, rows > 100 AS guessed FROM estimate('SELECT * FROM bare');
-- More rows, wider rows and more conditions to be checked cost more.
SELECT total AS base FROM estimate('SELECT * FROM t') \gset
ALTER FOREIGN TABLE t OPTIONS (SET size '(2000, 40)');
SELECT round(((total - 20) / (:base - 20))::numeric, 2) AS ratio
FROM estimate('SELECT * FROM t');
ALTER FOREIGN TABLE t OPTIONS (SET size '(1000, 4000)');
SELECT total > :base AS more FROM estimate('SELECT * FROM t');
ALTER FOREIGN TABLE t OPTIONS (SET size '(1000, 40)');
SELECT total > :base AS more FROM estimate('SELECT * FROM t WHERE abs(a) > 0');
-- One that is checked once, before the scan, costs nothing for each row.
SELECT total - :base < 1 AS once FROM estimate('SELECT * FROM t WHERE pg_backend_pid() > 0');

-- Without an estimate, PostgreSQL guesses for a table that was never analysed, and has its
-- statistics for others.
CREATE FOREIGN TABLE plain (id int, a int, b int) SERVER srv
    OPTIONS (wrapper 'planning.Rows', rows '500');
SELECT rows > 1000 AS guessed, startup FROM estimate('SELECT * FROM plain');
ANALYZE plain;
SELECT rows FROM estimate('SELECT * FROM plain');
SELECT rows FROM estimate('SELECT * FROM plain WHERE a = 3');
SELECT rows FROM estimate('SELECT * FROM plain WHERE id = 3');
SELECT rows BETWEEN 240 AND 260 AS half FROM estimate('SELECT * FROM plain WHERE id <= 250');
SELECT rows FROM estimate('SELECT a, count(*) FROM plain GROUP BY a');
SELECT rows FROM estimate('SELECT FROM plain x JOIN plain y ON x.id = y.id');
-- The statistics also say what part of get_rel_size's rows is left by a condition that it was not
-- told of.
CREATE FOREIGN TABLE known (id int, a int, b int) SERVER srv OPTIONS (rows '500', size '(500, 12)');
ANALYZE known;
SELECT rows FROM estimate('SELECT * FROM known WHERE a = (SELECT 3)');
ALTER FOREIGN TABLE known OPTIONS (SET size 'None');
SELECT rows FROM estimate('SELECT * FROM known WHERE a = 3');

-- A key says how many rows one value has, and so how many values there are.
ALTER FOREIGN TABLE t OPTIONS
    (SET size '(100000, 40)', ADD keys '[("id", 1), ("a", 100), (("b", "x"), 10)]');
CREATE TABLE local AS SELECT n AS id, n % 5 AS a FROM generate_series(1, 2000) AS n;
ANALYZE local;
SELECT rows FROM estimate('SELECT FROM t JOIN local ON t.id = local.id');
SELECT rows FROM estimate('SELECT FROM t JOIN local ON t.a = local.id');
SELECT rows FROM estimate('SELECT id FROM t GROUP BY id');
SELECT rows FROM estimate('SELECT DISTINCT a FROM t');
SELECT rows FROM estimate('SELECT FROM t x JOIN t y ON x.id = y.id');
SELECT rows FROM estimate('SELECT FROM local WHERE EXISTS (SELECT FROM t WHERE t.id = local.id)');
-- A scan by a key fetches as many rows as it says.
SELECT rows FROM estimate('SELECT FROM t WHERE id = (SELECT 5)');
ALTER FOREIGN TABLE t OPTIONS (SET size 'None');
SELECT rows FROM estimate('SELECT FROM t WHERE id = 5');
SELECT rows FROM estimate('SELECT FROM t WHERE id IN (5, 6, 7)');
SELECT rows FROM estimate('SELECT FROM t WHERE id = 5 AND t = ''x''');
SELECT rows FROM estimate('SELECT FROM t WHERE b = 3 AND x = 4');
SELECT rows FROM estimate('SELECT FROM t WHERE b = 3 AND x IN (4, 5)');
-- Of a parameterized scan as well.
CREATE FUNCTION inner_rows(query text) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
    RETURN plan->0->'Plan'->'Plans'->1->>'Plan Rows';
END $$;
ALTER FOREIGN TABLE t OPTIONS (SET size '(100000, 40)');
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_memoize = off;
SELECT inner_rows('SELECT FROM (SELECT * FROM local LIMIT 3) l JOIN t ON t.id = l.id');
SELECT inner_rows('SELECT FROM (SELECT * FROM local LIMIT 3) l JOIN t ON t.a = l.id');
SELECT inner_rows('SELECT FROM (SELECT * FROM local LIMIT 3) l JOIN t ON t.b = l.id AND t.x = l.a');
SELECT inner_rows('SELECT FROM (SELECT * FROM local LIMIT 3) l JOIN t ON t.a = l.id AND x % 3 = 1');
-- Other join conditions leave the part that statistics, or other keys, make of them.
ALTER FOREIGN TABLE t OPTIONS (SET keys '[("a", 100), ("x", 50000)]');
SELECT inner_rows('SELECT FROM (SELECT * FROM local LIMIT 3) l JOIN t ON t.a = l.id AND t.x = l.a');
RESET enable_hashjoin;
RESET enable_mergejoin;
RESET enable_memoize;

-- The plans that follow. The smaller side of a hash join is hashed.
ALTER FOREIGN TABLE t OPTIONS (SET keys '[]');
EXPLAIN (COSTS OFF) SELECT t.b, local.a FROM t JOIN local ON t.id = local.id;
ALTER FOREIGN TABLE t OPTIONS (SET size '(20, 40)');
EXPLAIN (COSTS OFF) SELECT t.b, local.a FROM t JOIN local ON t.id = local.id;
-- A condition that get_rel_size knows of makes a large table small.
ALTER FOREIGN TABLE t OPTIONS (SET size '(20 if quals else 100000, 40)');
EXPLAIN (COSTS OFF) SELECT t.b, local.a FROM t JOIN local ON t.id = local.id WHERE t.a = 1;
EXPLAIN (COSTS OFF) SELECT t.b, local.a FROM t JOIN local ON t.id = local.id WHERE abs(t.a) >= 1;
-- What begins dearly is begun once: its rows are kept for the loop.
ALTER FOREIGN TABLE t OPTIONS (SET size '(20, 40)', ADD cost '1000');
EXPLAIN (COSTS OFF) SELECT t.b, local.a FROM local JOIN t ON t.id > local.id;

-- A key that constants bind says more of a scan than the size of the whole table does.
CREATE FOREIGN TABLE keyed (id int, a int, x int) SERVER srv
    OPTIONS (size '(100000, 40)', keys '[("id", 1), (("a", "x"), 50)]');
SELECT rows FROM estimate('SELECT * FROM keyed WHERE id = 5');
SELECT rows FROM estimate('SELECT * FROM keyed WHERE id IN (1, 2, 3)');
SELECT rows FROM estimate('SELECT * FROM keyed WHERE a = 1 AND x = 2');
SELECT rows FROM estimate('SELECT * FROM keyed WHERE a = 1');
DROP FOREIGN TABLE keyed;

-- What get_rel_size raises is the query's error.
CREATE FOREIGN TABLE failing (id int) SERVER srv
    OPTIONS (wrapper 'planning.Failing', "where" 'get_rel_size');
SELECT * FROM failing;
EXPLAIN SELECT * FROM failing;
ALTER FOREIGN TABLE failing OPTIONS (SET "where" 'get_path_keys');
SELECT * FROM failing;
ALTER FOREIGN TABLE failing OPTIONS (SET "where" 'can_filter');
SELECT * FROM failing WHERE id = 1;
SELECT count(*) FROM failing;

SET client_min_messages = warning;
DROP FUNCTION estimate, estimate_with, startup_with, inner_rows;
DROP TABLE local;
DROP SERVER srv CASCADE;
