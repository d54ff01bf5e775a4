-- can_filter: the conditions that a wrapper is offered as expressions, and those that it enforces.
\getenv srcdir PG_ABS_SRCDIR
\i :srcdir/setup.sql

CREATE SERVER srv FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'filtering.Offered');
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE pair AS (x int, s text);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN code AS text COLLATE "C";

\pset tuples_only on

-- This table tells the conditions that it is offered, and takes none.
CREATE FOREIGN TABLE q (
    i int, s smallint, l bigint, f float8, n numeric(10,2), b boolean, t text, v varchar(10), c char(5),
    nm name, k text COLLATE "POSIX", d date, ts timestamp, tsz timestamptz, iv interval, u uuid,
    by bytea, m mood, p positive, cd code, j jsonb, ia int[], ta text[], co pair
) SERVER srv;

-- Comparisons, of columns with each other as well; the casts that PostgreSQL puts in are not shown.
SELECT FROM q WHERE i = 1;
SELECT FROM q WHERE 1 < i AND s <> l;
SELECT FROM q WHERE i BETWEEN 1 AND 5;
SELECT FROM q WHERE i BETWEEN SYMMETRIC 5 AND 1;
SELECT FROM q WHERE f > 0.1 AND n = 1.50 AND n < f;
SELECT FROM q WHERE t = 'it''s' AND v = 'x' AND c = 'ab ' AND nm = 'y';
SELECT FROM q WHERE p > 5 AND cd = 'z' AND m = 'ok' AND u IS NOT NULL;
SELECT FROM q WHERE d >= '2024-02-29' AND ts < d AND iv = '36:00';
SELECT FROM q WHERE by = '\x00ff' AND f = 'NaN' AND n < 'Infinity';
-- AND, OR and NOT, as the planner has put them in order.
SELECT FROM q WHERE i = 1 OR s = 2 OR t = 'x';
SELECT FROM q WHERE i = 1 AND (s = 2 OR (l = 3 AND NOT b));
SELECT FROM q WHERE NOT (i = 1 OR s = 2);
SELECT FROM q WHERE NOT (i = 1 AND t LIKE 'a%');
SELECT FROM q WHERE (i = 1 AND s = 2) OR (i = 1 AND s = 3);
-- Truth.
SELECT FROM q WHERE b;
SELECT FROM q WHERE NOT b;
SELECT FROM q WHERE b IS TRUE AND b IS NOT FALSE;
SELECT FROM q WHERE b IS UNKNOWN OR (i = 1) IS NOT UNKNOWN OR (i > s) IS NOT TRUE;
-- NULL.
SELECT FROM q WHERE i IS NULL AND t IS NOT NULL AND j IS NULL;
SELECT FROM q WHERE i + s IS NULL;
SELECT FROM q WHERE i IS DISTINCT FROM s AND t IS NOT DISTINCT FROM 'x';
SELECT FROM q WHERE i IS DISTINCT FROM NULL;
SELECT FROM q WHERE i = 1 OR t = NULL;
-- Arithmetic and other operators.
SELECT FROM q WHERE (i + 1) * 2 = 6 AND - i < s % 2 AND @ i > 1;
SELECT FROM q WHERE t || v = 'ab' AND t ^@ 'a' AND d - 1 < '2024-03-01' AND d + i > '2024-01-01';
-- Patterns are operators as well.
SELECT FROM q WHERE t LIKE 'a%' AND t NOT LIKE '%b' AND t ILIKE 'c' AND c LIKE 'd%';
SELECT FROM q WHERE t ~ '^a' AND t !~* 'b' AND v SIMILAR TO '(a|b)%';
SELECT FROM q WHERE t LIKE 'x%' ESCAPE 'x';
SELECT FROM q WHERE t LIKE ANY ('{a%,b%}') AND t NOT LIKE ALL ('{c%}');
-- Functions, with the arguments that have defaults, and SQL's own syntax for some.
SELECT FROM q WHERE lower(t) = 'x' AND abs(s) = 1 AND round(n, 1) = 1.5;
SELECT FROM q WHERE substring(t FROM 2 FOR 3) = 'x' AND position('a' IN t) = 1 AND trim(t) <> '';
SELECT FROM q WHERE extract(year FROM d) = 2024 AND ts AT TIME ZONE 'UTC' > tsz;
SELECT FROM q WHERE make_interval(days => i) > iv;
SELECT FROM q WHERE (d, d) OVERLAPS (date '2024-01-01', date '2024-02-01');
SELECT FROM q WHERE num_nulls(i, s) = 1 AND num_nulls(VARIADIC ia) = 1;
-- Casts. Many of them depend on settings, such as TimeZone.
SELECT FROM q WHERE i::text = '1' AND t::int = 1 AND f::int = 1 AND n::float8 = 1 AND i::bigint = 5;
SELECT FROM q WHERE t::varchar(2) = 'x' AND v::char(3) = 'y' AND n::numeric(5,1) = 1.5;
SELECT FROM q WHERE d::text = 'x' AND tsz::date = d AND ts::timestamptz = tsz AND d = ts;
SELECT FROM q WHERE i::positive = 1 AND t::mood = 'ok' AND ia::bigint[] = '{1}' AND ta::int[] = '{1}';
-- What stays the same bytes is a cast as well, seen by authors alone.
SELECT FROM q WHERE v = t AND p = i;
-- Conditional expressions. CASE with an argument comes in the other form.
SELECT FROM q WHERE CASE WHEN i = 1 THEN b WHEN s = 2 THEN true ELSE t = 'x' END;
SELECT FROM q WHERE CASE WHEN b THEN i END = 1;
SELECT FROM q WHERE CASE i WHEN 1 THEN 'a' WHEN s THEN t ELSE v END = 'a';
SELECT FROM q WHERE CASE i + s WHEN 1 THEN b END;
SELECT FROM q WHERE coalesce(i, s, 0) = 1 AND nullif(t, '') IS NULL AND nullif(i, s) = 2;
SELECT FROM q WHERE greatest(i, s, 1) = 1 AND least(t, v) < 'x';
-- Arrays: constructors, subscripts, slices and operators.
SELECT FROM q WHERE ia = '{1,2}' AND ia @> '{1}' AND ia && ARRAY[i, s] AND ia || i <> '{}';
SELECT FROM q WHERE ia[1] = 1 AND ia[i] = ia[s + 1] AND ta[1] = 'x';
SELECT FROM q WHERE ia[1:2] = '{1,2}' AND ia[:i] = '{}' AND ia[2:] = '{}' AND ia[:] = '{}';
SELECT FROM q WHERE ARRAY[i, s] = '{1,2}' AND ARRAY[[i], [s]] = '{{1},{2}}' AND ARRAY[]::int[] = ia;
SELECT FROM q WHERE i IN (1, 2) AND s NOT IN (1, NULL) AND i = ANY ('{1}') AND i > ALL (ia);
SELECT FROM q WHERE i IN (1, s) AND 1 = ANY (ia) AND t = ANY (string_to_array(v, ','));
-- Rows. Equality is that of their columns.
SELECT FROM q WHERE (i, s) = (1, 2);
SELECT FROM q WHERE (i, t) IN ((1, 'a'), (2, 'b'));
SELECT FROM q WHERE (i, t) < (1, 'x') AND (i, s, l) >= (s, l, 5);
SELECT FROM q WHERE (i, t) IS DISTINCT FROM (1, 'x');
SELECT FROM q WHERE ROW(i, t) IS NULL AND ROW(i, s) IS NOT NULL;
-- Composites: fields, comparisons and the two meanings of NULL.
SELECT FROM q WHERE (co).x = 1 AND (co).s LIKE 'a%';
SELECT FROM q WHERE co = ROW(1, 'a')::pair AND co < ROW(i, t)::pair;
SELECT FROM q WHERE co IS NULL AND co IS NOT NULL;
SELECT FROM q WHERE co IS DISTINCT FROM NULL;
-- jsonb.
SELECT FROM q WHERE j @> '{"a": 1}' AND j ? 'a' AND j ->> 'a' = 'x' AND j #>> '{b,c}' = 'y';
SELECT FROM q WHERE j['a'] = '1' AND j @? '$.a ? (@ > 1)' AND jsonb_path_exists(j, '$.a');
SELECT FROM q WHERE to_jsonb(i) = j;
-- Text is compared by a collation.
SELECT FROM q WHERE k < 'x' AND t < 'x' COLLATE "C" AND t COLLATE "POSIX" || v > k;

-- What is the same in all rows is a parameter, whose value is not known yet: it is evaluated when
-- the scan begins. What does not depend on anything has been computed.
SELECT FROM q WHERE d = current_date AND tsz < now() AND t = current_user;
SELECT FROM q WHERE tsz > now() - interval '1 day' AND i = 1 + 2 AND t = lower('ABC');
SELECT FROM q WHERE i = (SELECT 5) AND s = ANY (ARRAY(SELECT 1::smallint));
SELECT FROM q WHERE t = current_setting('search_path') || v;
PREPARE general (int, text) AS
    SELECT FROM q WHERE i = $1 AND s > $1 + 1 AND t LIKE $2 || '%' AND v || $2 = 'x' AND l = $1;
SET plan_cache_mode = force_generic_plan;
EXECUTE general (1, 'a');
SET plan_cache_mode = force_custom_plan;
EXECUTE general (1, 'a');
RESET plan_cache_mode;
DEALLOCATE general;
-- In a plan for known values, what they leave nothing of is not there.
PREPARE optional (int) AS SELECT FROM q WHERE $1 IS NULL OR i = $1;
SET plan_cache_mode = force_custom_plan;
EXECUTE optional (NULL);
EXECUTE optional (1);
RESET plan_cache_mode;
DEALLOCATE optional;

-- What is never offered, beside a condition that is.
-- Volatile functions.
SELECT FROM q WHERE f > random() AND i = 1;
CREATE FUNCTION stable_one() RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN 1; END';
CREATE FUNCTION volatile_one() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
SELECT FROM q WHERE s = stable_one() AND l = volatile_one();
-- Subqueries that depend on the row.
SELECT FROM q WHERE EXISTS (SELECT FROM generate_series(1, q.i) g OFFSET 1) AND i = 1;
SELECT FROM q WHERE s = (SELECT max(g) FROM generate_series(1, q.i) g) AND i = 1;
SELECT FROM q WHERE s NOT IN (SELECT generate_series(1, 3)) AND i = 1;
-- System columns and whole rows.
SELECT FROM q WHERE tableoid <> 0 AND i = 1;
SELECT FROM q WHERE q IS NOT NULL AND to_jsonb(q) ? 'i' AND i = 1;
-- Values that Python has not.
SELECT FROM q WHERE d < 'infinity' AND ts > '-infinity' AND tsz < '20000-01-01' AND i = 1;
SELECT FROM q WHERE d > '0044-03-15 BC' AND iv < '1 month' AND i = 1;
SELECT FROM q WHERE ts + interval '1 year' > d AND ts + interval '1 day' > d;
SELECT FROM q WHERE d IN ('2024-01-01', 'infinity') AND ia <> '[2:3]={1,2}' AND i = 1;
-- Values that mean another thing elsewhere, and columns of their types.
CREATE FOREIGN TABLE local (rc regclass, mo money, i int) SERVER srv;
SELECT FROM local WHERE rc = 'pg_class'::regclass AND mo > '5' AND i = 1;
SELECT FROM local WHERE mo IS NULL AND i = 1;
CREATE DOMAIN amount AS money;
CREATE TYPE place AS (r regclass, m money);
CREATE FUNCTION is_any(anyelement, int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN RETURN true; END';
SELECT FROM local WHERE is_any(amount '5', i);
SELECT FROM local WHERE is_any('{5}'::amount[], i);
SELECT FROM local WHERE is_any('(pg_class,5)'::place, i);
-- Records of no named type.
SELECT FROM q WHERE ROW(i, t) = ANY (ARRAY[ROW(1, 'x'::text)]) AND i = 1;
-- XML, and the constructors of JSON.
SELECT FROM q WHERE xmlelement(name x, t) IS NOT NULL AND i = 1;
-- Conditions without a column of the table.
SELECT FROM q WHERE current_date > '2000-01-01' AND i = 1;

-- is_builtin and is_immutable tell what another server would understand in the same way.
CREATE SCHEMA own;
CREATE FUNCTION own.same(int, int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN RETURN $1 % 10 = $2 % 10; END';
CREATE OPERATOR own.= (FUNCTION = own.same, LEFTARG = int, RIGHTARG = int);
CREATE COLLATION own.mine (provider = libc, locale = 'C');
SELECT FROM q WHERE i OPERATOR(own.=) 1 AND own.same(i, s) AND i OPERATOR(own.=) ANY ('{1}');
SELECT FROM q WHERE t < 'x' COLLATE own.mine AND m = 'ok' AND t = 'x';
SELECT FROM q WHERE f::text = '0.1' AND by::text = 'x' AND i::text = '1';
SELECT FROM q WHERE concat(t, v) = 'x' AND to_char(d, 'YYYY') = '2024' AND to_char(i, '9') = '1';
-- Functions in SQL are replaced by what they do.
CREATE FUNCTION own.plus(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1';
SELECT FROM q WHERE own.plus(i) = 2;
-- A column in text form is its type's all the same.
CREATE FOREIGN TABLE texts (d date OPTIONS (value_form 'text'), n numeric OPTIONS (value_form 'text'))
    SERVER srv;
SELECT FROM texts WHERE d > '2024-01-01' AND n + 1 = 2;

-- What is shown and what is sent: this one tells the values that its constants have in execute.
CREATE FOREIGN TABLE value (i int, a int, t text, d date) SERVER srv
    OPTIONS (wrapper 'filtering.Values', take 'i a t d');
SELECT FROM value WHERE i = 1 OR t = 'it''s' OR d = '2024-02-29' OR a = NULL;
SET DateStyle = 'SQL, DMY';
SELECT FROM value WHERE d = '29/02/2024' OR i IN (1, 2);
RESET DateStyle;
PREPARE given (int, text, date) AS SELECT FROM value WHERE i = $1 OR a = $1 OR t = $2 OR d = $3;
SET plan_cache_mode = force_generic_plan;
EXECUTE given (5, 'x', '2024-02-29');
EXECUTE given (NULL, '', NULL);
RESET plan_cache_mode;
DEALLOCATE given;

\pset tuples_only off

-- A wrapper that enforces conditions on some columns: these are not checked again. They leave
-- Filter in EXPLAIN, and their columns need not be fetched.
CREATE FOREIGN TABLE e (i int, a int, t text, d date) SERVER srv
    OPTIONS (wrapper 'filtering.Enforcing', take 'i a');
EXPLAIN (COSTS OFF) SELECT d FROM e WHERE i > 2;
SELECT d FROM e WHERE i > 8;
EXPLAIN (COSTS OFF, VERBOSE) SELECT d FROM e WHERE i > 2 AND a = 1;
SELECT i FROM e WHERE a = 1 OR i = 3;
-- This one promises what it does not do. PostgreSQL takes its word.
CREATE FOREIGN TABLE liar (i int, a int, t text, d date) SERVER srv
    OPTIONS (wrapper 'filtering.Enforcing', answer 'filters', tell 'off');
SELECT i, t FROM liar WHERE upper(t) = 'A' AND i < 4;
DROP FOREIGN TABLE liar;
-- What it does not take stays PostgreSQL's.
EXPLAIN (COSTS OFF) SELECT i FROM e WHERE i > 2 AND t = 'c' AND a = 1;
SELECT i FROM e WHERE i > 2 AND t = 'c' AND a = 1;
SELECT i FROM e WHERE i > 2 OR t = 'b';
SELECT i FROM e WHERE i > 2 AND random() < 0;
-- Quals still list what filters enforce.
SELECT count(*) FROM e WHERE i > 2 AND i IN (3, 4, 5) AND (a = 1 OR i = 5);
-- Aggregates, DISTINCT, UNION and the like get only the rows that satisfy them.
SELECT a, count(*) FROM e WHERE i <= 6 GROUP BY a ORDER BY a;
SELECT i FROM e WHERE i = 1 UNION ALL SELECT i FROM e WHERE i = 2;
-- Without a condition that it takes, execute gets no filters.
SELECT count(*) FROM e WHERE t = 'b';

-- Parameters arrive with their values, NULL as well.
PREPARE one (int) AS SELECT i FROM e WHERE i = $1 OR a IS NULL;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE one (3);
EXECUTE one (3);
EXECUTE one (NULL);
PREPARE strict (int) AS SELECT i FROM e WHERE i = $1;
EXECUTE strict (3);
-- No row satisfies a comparison with NULL: execute is not called.
EXECUTE strict (NULL);
SELECT i FROM e WHERE i = (SELECT max(a) FROM e) AND i > (SELECT 1);
-- An expression is evaluated once, before the first row; its error is the query's.
PREPARE inverse (int) AS SELECT i FROM e WHERE i = 12 / $1;
EXECUTE inverse (4);
EXECUTE inverse (0);
-- But not if PostgreSQL would not have come to it.
PREPARE careful (int) AS SELECT count(*) FROM e WHERE CASE WHEN $1 = 0 THEN i = 1 ELSE i = 12 / $1 END;
EXECUTE careful (0);
EXECUTE careful (4);
PREPARE careful_or (int) AS SELECT count(*) FROM e WHERE $1 = 0 OR i = 12 / $1;
EXECUTE careful_or (0);
EXECUTE careful_or (4);
PREPARE careful_and (int) AS SELECT count(*) FROM e WHERE i = 1 OR ($1 <> 0 AND i = 12 / $1);
EXECUTE careful_and (0);
EXECUTE careful_and (4);
DEALLOCATE ALL;

-- A value that Python has not, once the query runs: its filter is left out, and PostgreSQL checks
-- it, for which more columns are needed. The other filters stay.
CREATE FOREIGN TABLE x (i int, a int, t text, d date) SERVER srv
    OPTIONS (wrapper 'filtering.Enforcing', take 'i a d', limit 'on');
PREPARE until (date) AS SELECT i FROM x WHERE d < $1 AND i > 7;
EXPLAIN (COSTS OFF, VERBOSE) EXECUTE until (NULL);
EXECUTE until ('2024-01-10');
EXECUTE until ('infinity');
EXECUTE until ('-infinity');
EXECUTE until ('0044-03-15 BC');
EXECUTE until (NULL);
EXECUTE until ('2024-01-10');
-- LIMIT and OFFSET, which were the wrapper's, are PostgreSQL's as well then.
PREPARE page (date, int, int) AS SELECT i FROM x WHERE (d < $1 OR i = 9) AND i > 4 LIMIT $2 OFFSET $3;
EXPLAIN (COSTS OFF) EXECUTE page (NULL, 1, 1);
EXECUTE page ('2024-01-08', 2, 1);
EXECUTE page ('infinity', 2, 1);
EXECUTE page ('-infinity', 2, 0);
EXECUTE page ('-infinity', 2, 1);
EXECUTE page ('infinity', 0, 0);
EXECUTE page ('infinity', NULL, 3);
EXECUTE page ('infinity', -1, 3);
-- Aggregates, and a column that only the filter needs.
PREPARE counted (date) AS SELECT count(*), max(t) FROM x WHERE d > $1;
EXECUTE counted ('2024-01-08');
EXECUTE counted ('-infinity');
EXECUTE counted ('infinity');
DEALLOCATE ALL;
-- In one scan after the other, and in a subquery that runs again and again.
SELECT w.d, (SELECT count(*) FROM x WHERE x.d < w.d AND x.i > 6)
FROM (VALUES (date '2024-01-09'), ('infinity'), ('2024-01-10'), (NULL), ('-infinity')) w (d);
RESET plan_cache_mode;

-- Joins. Where the other table's values find rows, its columns are parameters of a scan that runs
-- for each of its rows.
CREATE FOREIGN TABLE keyed (i int, a int, t text, d date) SERVER srv
    OPTIONS (wrapper 'filtering.Enforcing', take 'i a', found_by 'i');
CREATE TABLE small (x int, y int, z text);
INSERT INTO small VALUES (2, 2, 'c'), (3, 0, 'x'), (NULL, 1, 'y'), (8, 2, 'd'), (8, 1, 'e');
ANALYZE small;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_material = off;
SET enable_memoize = off;
EXPLAIN (COSTS OFF) SELECT x, i FROM small LEFT JOIN keyed ON i = x AND a > y;
SELECT x, i FROM small LEFT JOIN keyed ON i = x AND a > y;
SELECT x, i FROM small JOIN keyed ON i = x AND a = y;
-- A condition that the wrapper does not take is checked in the scan or the join.
SELECT x, i FROM small JOIN keyed ON i = x AND (a = y OR t = z);
EXPLAIN (COSTS OFF) SELECT x, i FROM small LEFT JOIN keyed ON i = x AND t = z;
SELECT x, i FROM small JOIN keyed ON i = x AND t = z;
-- Outer joins: a condition in ON belongs to the scan, one in WHERE to what comes out of the join.
SELECT x, i FROM small LEFT JOIN keyed ON i = x AND a > 1;
SELECT x, i FROM small LEFT JOIN keyed ON i = x WHERE a IS NULL;
SELECT x, i FROM small LEFT JOIN (SELECT *, 1 AS one FROM keyed WHERE a > 1) k ON i = x WHERE one IS NULL;
SELECT x, i FROM small RIGHT JOIN keyed ON i = x AND i > 7 WHERE i > 6 ORDER BY i, x;
-- Semijoins and antijoins.
SELECT x FROM small WHERE EXISTS (SELECT FROM keyed WHERE i = x AND a = y);
SELECT x FROM small WHERE NOT EXISTS (SELECT FROM keyed WHERE i = x AND a = y) ORDER BY x;
-- LATERAL and correlated subqueries.
SELECT x, l.i FROM small, LATERAL (SELECT i FROM keyed WHERE i < x AND a = y ORDER BY i LIMIT 1) l;
SELECT x, (SELECT t FROM keyed WHERE i = x) FROM small;
RESET enable_hashjoin;
RESET enable_mergejoin;
RESET enable_material;
RESET enable_memoize;

-- Partitions are asked one by one, each about its own columns.
CREATE TABLE parent (d date, i int, t text, a int) PARTITION BY RANGE (i);
CREATE FOREIGN TABLE part (gone int, i int, a int, t text, d date) SERVER srv
    OPTIONS (wrapper 'filtering.Enforcing', take 'i a');
ALTER FOREIGN TABLE part DROP gone;
ALTER TABLE parent ATTACH PARTITION part FOR VALUES FROM (0) TO (100);
CREATE TABLE part_of_our_own PARTITION OF parent FOR VALUES FROM (100) TO (200);
INSERT INTO parent VALUES ('2024-02-02', 101, 'x', 2);
EXPLAIN (COSTS OFF) SELECT i, t FROM parent WHERE a = 2 AND t <> 'e';
SELECT i, t FROM parent WHERE a = 2 AND t <> 'e' ORDER BY i;
SELECT i FROM parent WHERE i > 150 AND a = 2;

-- Rows that are hidden from a user stay hidden: a function that could tell of them is not offered
-- beside the condition that hides them. A leakproof one, such as =, is.
CREATE FUNCTION tells(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE COST 0.0001
    AS $$ BEGIN RAISE NOTICE 'there is %', $1; RETURN true; END $$;
CREATE VIEW visible WITH (security_barrier) AS SELECT * FROM q WHERE t <> 'secret';
CREATE VIEW no_barrier AS SELECT * FROM q WHERE t <> 'secret';
SELECT FROM visible WHERE tells(t) AND i = 1 AND t LIKE 'a%' AND i + 1 = 2;
SELECT FROM no_barrier WHERE tells(t) AND i = 1 AND t LIKE 'a%' AND i + 1 = 2;
-- The condition that hides them may be taken; then the others are checked on what is sent.
CREATE FOREIGN TABLE hidden (i int, a int, t text, d date) SERVER srv
    OPTIONS (wrapper 'filtering.Enforcing', take 'i a');
CREATE VIEW shown WITH (security_barrier) AS SELECT * FROM hidden WHERE i > 8;
EXPLAIN (COSTS OFF) SELECT i FROM shown WHERE tells(t) AND a = 1;
SELECT i FROM shown WHERE tells(t) AND a = 1;
-- The same with a policy on the parent of a foreign table. Division is not leakproof.
CREATE ROLE limited;
GRANT SELECT ON parent TO limited;
GRANT USAGE ON FOREIGN SERVER srv TO limited;
ALTER TABLE parent ENABLE ROW LEVEL SECURITY;
CREATE POLICY no_c ON parent USING (t <> 'c');
SET ROLE limited;
SELECT i, t FROM parent WHERE tells(t) AND i < 4 AND i / 2 = 1;
RESET ROLE;

-- Answers of can_filter. Equal expressions will do, and None is no filter.
CREATE FUNCTION answered(answer text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    EXECUTE format('ALTER FOREIGN TABLE w OPTIONS (SET answer %L)', answer);
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) SELECT i FROM w WHERE i > 2 AND a = 1 AND t = ''b''' LOOP
        IF line LIKE '%Filter: %' THEN
            RETURN NEXT trim(line);
        END IF;
    END LOOP;
END $$;
CREATE FOREIGN TABLE w (i int, a int, t text, d date) SERVER srv
    OPTIONS (wrapper 'filtering.Enforcing', take 'i a t', answer 'None');
SELECT answered('None');
SELECT answered('[]');
SELECT answered('filters');
SELECT answered('filters[:1]');
SELECT answered('reversed(filters)');
SELECT answered('(one for one in filters if "a" in one.columns)');
SELECT answered('{*filters}');
SELECT answered('[filters[0], filters[0], filters[0]]');
SELECT answered('pickle.loads(pickle.dumps(filters))');
SELECT answered('copy.deepcopy(filters[1:])');
SELECT answered('filters.clear()');
SELECT answered('[filters.pop(), filters.pop()]');
-- What was not offered is an error, and so is what is no list of expressions.
SELECT answered('[filters[0].arguments[0]]');
SELECT answered('["i > 2"]');
SELECT answered('[None]');
SELECT answered('filters[0]');
SELECT answered('True');
SELECT answered('"filters"');
SELECT answered('filters[9]');
SELECT answered('[one.no_such_thing for one in filters]');
-- Expressions cannot be changed.
SELECT answered('[setattr(one, "name", "=") for one in filters]');

-- A plan is made again when the wrapper, which may promise another thing then, changes.
SET plan_cache_mode = force_generic_plan;
PREPARE again AS SELECT count(*) FROM e WHERE i > 7 AND a = 2;
EXECUTE again;
ALTER FOREIGN TABLE e OPTIONS (SET take 'a');
EXECUTE again;
ALTER FOREIGN TABLE e OPTIONS (SET take '');
EXECUTE again;
RESET plan_cache_mode;
DROP OWNED BY limited;
DROP ROLE limited;
DEALLOCATE ALL;

SET client_min_messages = warning;
DROP SERVER srv CASCADE;
DROP TABLE parent, small CASCADE;
DROP FUNCTION answered, tells, is_any, stable_one, volatile_one;
DROP SCHEMA own CASCADE;
DROP TYPE place, pair, mood;
DROP DOMAIN amount, positive, code;
