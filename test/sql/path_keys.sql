-- Keys: the columns by which a wrapper finds rows cheaply. Joins can then ask it row by row.
\getenv srcdir PG_ABS_SRCDIR
\i :srcdir/setup.sql

CREATE SERVER srv FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'planning.Planned');

-- A table that says it is large, and finds rows by id; and local tables, a small and a large one.
CREATE FOREIGN TABLE big (id int, a int, b int, x int, t text, v varchar(10)) SERVER srv
    OPTIONS (size '(100000, 30)', keys '[(("id",), 1)]');
CREATE TABLE few (id int, a int, b int, t text, ids int[]);
INSERT INTO few VALUES (2, 2, 0, 'fig', '{1,2}'), (NULL, 3, 1, NULL, NULL),
    (7, 4, 2, 'zoe', '{5,NULL,99}'), (99, 0, 1, 'no', '{}');
CREATE TABLE many AS SELECT n AS id, n % 5 AS a, n AS b FROM generate_series(1, 50000) AS n;
ANALYZE few, many;
-- Plans do not depend on what a loop could remember.
SET enable_memoize = off;

-- The plan of a query: of the conditions, those that the wrapper is told of (PostgreSQL's own are
-- written in one order or another), and whether it enforces some.
CREATE FUNCTION plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (VERBOSE, COSTS OFF) ' || query LOOP
        IF line !~ '^ *(Output|Filter):' THEN
            RETURN NEXT regexp_replace(line, 'Wrapper Filter: .*', 'Wrapper Filter');
        END IF;
    END LOOP;
END $$;

-- A nested loop: "id = ?" is the condition that each execute gets with a value of the small table.
SELECT plan('SELECT few.a, big.x FROM few JOIN big ON big.id = few.id');
ALTER FOREIGN TABLE big OPTIONS (ADD tell 'execute');
SELECT few.id, big.x FROM few JOIN big ON big.id = few.id;
-- It was not called for the NULL, which equals nothing; for an outer join neither.
SELECT few.id, big.x FROM few LEFT JOIN big ON big.id = few.id ORDER BY few.id;
ALTER FOREIGN TABLE big OPTIONS (DROP tell);
-- For many rows it is better to read the whole table once.
EXPLAIN (COSTS OFF) SELECT many.a, big.x FROM many JOIN big ON big.id = many.id;
-- So it is if the table is small: the key of a small table saves nothing.
CREATE FOREIGN TABLE small (id int, a int, b int, x int, t text) SERVER srv
    OPTIONS (size '(20, 30)', keys '[("id", 1)]');
EXPLAIN (COSTS OFF) SELECT many.a, small.x FROM many JOIN small ON small.id = many.id;
EXPLAIN (COSTS OFF) SELECT few.a, small.x FROM few JOIN small ON small.id = few.id;
-- Without a key, too.
ALTER FOREIGN TABLE big OPTIONS (SET keys '[]');
EXPLAIN (COSTS OFF) SELECT few.a, big.x FROM few JOIN big ON big.id = few.id;
-- Or with one that finds too many rows.
ALTER FOREIGN TABLE big OPTIONS (SET keys '[("id", 90000)]');
EXPLAIN (COSTS OFF) SELECT few.a, big.x FROM few JOIN big ON big.id = few.id;

-- Does a query use a key? It does if a scan has a condition whose value is not known yet.
CREATE FUNCTION keys_used(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (VERBOSE, COSTS OFF) ' || query LOOP
        IF line LIKE '%Wrapper Quals: %?%' THEN
            RETURN NEXT (SELECT string_agg(qual, ', ' ORDER BY qual) FROM regexp_split_to_table(
                             substring(line FROM 'Wrapper Quals: (.*)'), ', (?=\w+ )') AS qual);
        END IF;
    END LOOP;
END $$;

-- What get_path_keys may return: pairs of columns and rows, with a bare name for a single column.
CREATE FUNCTION keys_used_with(keys text, query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER FOREIGN TABLE big OPTIONS (SET keys %L)', keys);
    RETURN QUERY SELECT * FROM keys_used(query);
EXCEPTION WHEN OTHERS THEN
    RETURN NEXT format('%s: %s', SQLSTATE, SQLERRM);
END $$;
\set by_id 'SELECT few.a, big.x FROM few JOIN big ON big.id = few.id'
\set by_two 'SELECT few.id, big.x FROM few JOIN big ON big.a = few.a AND big.b = few.b'
SELECT keys_used_with('[("id", 1)]', :'by_id');
SELECT keys_used_with('[(("id",), 1)]', :'by_id');
SELECT keys_used_with('(("id", 1),)', :'by_id');
SELECT keys_used_with('[[["id"], 1.5]]', :'by_id');
SELECT keys_used_with('((name, 1) for name in ("id", "x"))', :'by_id');
SELECT keys_used_with('{("id", 1)}', :'by_id');
SELECT keys_used_with('{"id": 1}.items()', :'by_id');
SELECT keys_used_with('[({"id"}, Decimal(2))]', :'by_id');
-- A composite key needs all of its columns.
SELECT keys_used_with('[(("a", "b"), 1)]', :'by_two');
SELECT keys_used_with('[(("a", "b", "id"), 1)]', :'by_two');
SELECT keys_used_with('[(("a", "b"), 1)]', :'by_id');
-- The first of several keys that serves; the best of those that do.
SELECT keys_used_with('[("x", 1), (("a", "b"), 5), ("id", 1)]', :'by_id');
SELECT keys_used_with('[("a", 50000), (("a", "b"), 1)]', :'by_two');
-- Columns that the table lacks are left out, and keys without columns.
SELECT keys_used_with('[("nothing", 1), ("id", 1)]', :'by_id');
SELECT keys_used_with('[(("id", "nothing"), 1)]', :'by_id');
SELECT keys_used_with('[((), 1), ("ctid", 1), ("tableoid", 1)]', :'by_id');
SELECT keys_used_with('[]', :'by_id');
SELECT keys_used_with('None', :'by_id');
-- Rows are at least one, and no number is too large.
SELECT keys_used_with('[("id", 0)]', :'by_id');
SELECT keys_used_with('[("id", -7)]', :'by_id');
SELECT keys_used_with('[("id", inf)]', :'by_id');
SELECT keys_used_with('[("id", 10 ** 400)]', :'by_id');
-- Anything else is an error that says what it should be.
SELECT keys_used_with('["id"]', :'by_id');
SELECT keys_used_with('"id"', :'by_id');
SELECT keys_used_with('[("id",)]', :'by_id');
SELECT keys_used_with('[("id", 1, 2)]', :'by_id');
SELECT keys_used_with('{"id": 1}', :'by_id');
SELECT keys_used_with('[b"id"]', :'by_id');
SELECT keys_used_with('[(None, 1)]', :'by_id');
SELECT keys_used_with('[(("id", 1), 1)]', :'by_id');
SELECT keys_used_with('[None]', :'by_id');
SELECT keys_used_with('5', :'by_id');
SELECT keys_used_with('[("id", "1")]', :'by_id');
SELECT keys_used_with('[("id", None)]', :'by_id');
SELECT keys_used_with('[("id", nan)]', :'by_id');
SELECT keys_used_with('1 / 0', :'by_id');
SELECT keys_used_with('((name, len(None)) for name in ["id"])', :'by_id');
ALTER FOREIGN TABLE big OPTIONS (SET keys '[("id", "1")]');
SELECT count(*) FROM big;
ALTER FOREIGN TABLE big OPTIONS (SET keys '["id"]');
SELECT count(*) FROM big;

-- Which conditions bind a column of a key: equalities that a wrapper is told of.
ALTER FOREIGN TABLE big OPTIONS (SET keys '[("id", 1), (("a", "b"), 1), ("t", 1), ("v", 1)]');
SELECT keys_used('SELECT FROM few JOIN big ON few.id = big.id');
SELECT keys_used('SELECT FROM few, big WHERE big.id = few.a + few.b');
SELECT keys_used('SELECT FROM few, big WHERE big.id = few.id::bigint');
SELECT keys_used('SELECT FROM few, big WHERE big.t = few.t');
SELECT keys_used('SELECT FROM few, big WHERE big.v = few.t');
SELECT keys_used('SELECT FROM few, big WHERE big.t = few.t || ''x'' AND big.x > few.a');
-- No others, nor conditions of both tables on one side.
SELECT keys_used('SELECT FROM few, big WHERE big.id > few.id');
SELECT keys_used('SELECT FROM few, big WHERE big.id = few.id + big.a');
SELECT keys_used('SELECT FROM few, big WHERE big.id + 1 = few.id');
SELECT keys_used('SELECT FROM few, big WHERE big.id = few.id OR big.a = few.a');
SELECT keys_used('SELECT FROM few, big WHERE big.id = few.id + random()::int');
SELECT keys_used('SELECT FROM few, big WHERE big.id IS NOT DISTINCT FROM few.id');
SELECT keys_used('SELECT FROM few, big WHERE big.id = few.id::numeric');
-- Constants bind columns of a composite key as well, and so do lists.
SELECT keys_used('SELECT FROM few, big WHERE big.a = few.a AND big.b = 1');
SELECT keys_used('SELECT FROM few, big WHERE big.a = few.a AND big.b IN (1, 2)');
SELECT keys_used('SELECT FROM few, big WHERE big.b = few.a AND big.a = ANY (few.ids)');
-- An array of the other table is a list of keys.
SELECT keys_used('SELECT FROM few, big WHERE big.id = ANY (few.ids)');
SELECT keys_used('SELECT FROM few, big WHERE big.id IN (few.a, few.b)');
SELECT keys_used('SELECT FROM few, big WHERE big.id <> ALL (few.ids)');
-- What follows from other conditions does too: few.id = m.id = big.id.
SELECT keys_used('SELECT FROM few JOIN many m ON few.id = m.id JOIN big ON big.id = m.id WHERE m.b < 3');
-- A constant takes the place of the other column.
SELECT plan('SELECT big.x FROM few JOIN big ON big.id = few.id WHERE few.id = 7');
-- Values of several tables.
SELECT keys_used('SELECT FROM few f CROSS JOIN few g JOIN big ON big.a = f.a AND big.b = g.b');
SELECT keys_used('SELECT FROM few f CROSS JOIN few g JOIN big ON big.id = f.id + g.id');
-- The other table may be a foreign one.
SELECT keys_used('SELECT FROM small JOIN big ON big.id = small.x');
-- Outer joins, if the table is on the side that can be missing; semi and anti joins.
SELECT keys_used('SELECT FROM few LEFT JOIN big ON big.id = few.id');
SELECT keys_used('SELECT FROM few LEFT JOIN big ON big.id = few.id AND big.x = 3 AND few.a > 1');
SELECT keys_used('SELECT FROM big RIGHT JOIN few ON big.id = few.id');
SELECT keys_used('SELECT FROM big LEFT JOIN few ON big.id = few.id');
SELECT keys_used('SELECT FROM big FULL JOIN few ON big.id = few.id');
SELECT keys_used('SELECT FROM few WHERE EXISTS (SELECT FROM big WHERE big.id = few.id)');
SELECT keys_used('SELECT FROM few WHERE NOT EXISTS (SELECT FROM big WHERE big.id = few.id)');
SELECT keys_used('SELECT FROM few WHERE id IN (SELECT id FROM big)');
SELECT keys_used('SELECT FROM big WHERE id IN (SELECT id FROM few)');
-- LATERAL and subqueries that are run for each row do not even need a key.
ALTER FOREIGN TABLE big OPTIONS (SET keys '[]');
SELECT keys_used('SELECT FROM few, LATERAL (SELECT x FROM big WHERE big.id = few.id LIMIT 1) AS l');
SELECT keys_used('SELECT (SELECT x FROM big WHERE big.id = few.id) FROM few');
ALTER FOREIGN TABLE big OPTIONS (SET keys '[("id", 1), (("a", "b"), 1), ("t", 1), ("v", 1)]');
SELECT keys_used('SELECT FROM few, LATERAL (SELECT few.a + x FROM big WHERE big.id = few.id) AS l');
SELECT keys_used('SELECT FROM few LEFT JOIN LATERAL (SELECT few.a + x, id FROM big) AS l ON l.id = few.id');

-- How often is execute called, and how many rows are fetched?
CREATE FUNCTION counters(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP
        IF line ~ 'Foreign Scan|Wrapper' THEN
            RETURN NEXT regexp_replace(trim(line), 'actual rows=\S+ ', '');
        END IF;
    END LOOP;
END $$;
-- Once for each row of the other table but that with the NULL.
SELECT counters('SELECT FROM few JOIN big ON big.id = few.id');
SELECT counters('SELECT FROM few LEFT JOIN big ON big.id = few.id');
SELECT counters('SELECT FROM few, big WHERE big.a = few.a AND big.b = 0');
SELECT counters('SELECT FROM few, big WHERE big.id = ANY (few.ids)');
-- A nested loop can remember what it found.
SET enable_memoize = on;
CREATE TABLE twice AS SELECT n, n % 3 + 1 AS id FROM generate_series(1, 30) AS n;
ANALYZE twice;
SELECT counters('SELECT FROM twice JOIN big ON big.id = twice.id');
SET enable_memoize = off;
SELECT counters('SELECT FROM (SELECT * FROM twice LIMIT 6) AS w JOIN big ON big.id = w.id');

-- Partitions and children have keys of their own.
CREATE TABLE parent (id int, a int, b int, x int) PARTITION BY LIST (a);
CREATE FOREIGN TABLE one PARTITION OF parent FOR VALUES IN (1) SERVER srv
    OPTIONS (part '1', size '(10000, 20)', keys '[("id", 1)]');
CREATE FOREIGN TABLE two (x int, gone int, b int, a int, id int) SERVER srv
    OPTIONS (part '2', size '(10000, 20)', keys '[("id", 1)]');
ALTER FOREIGN TABLE two DROP gone;
ALTER TABLE parent ATTACH PARTITION two FOR VALUES IN (2);
SELECT plan('SELECT few.id, parent.x FROM few JOIN parent ON parent.id = few.id');
SELECT keys_used('SELECT few.id, parent.x FROM few JOIN parent ON parent.id = few.id');
SELECT few.id, parent.a, parent.x FROM few JOIN parent ON parent.id = few.id ORDER BY 1;
-- As long as one has none, the others cannot use theirs.
ALTER FOREIGN TABLE two OPTIONS (SET keys '[]');
SELECT keys_used('SELECT few.id, parent.x FROM few JOIN parent ON parent.id = few.id');
ALTER FOREIGN TABLE two OPTIONS (SET keys '[("id", 1)]');
CREATE TABLE ancestor (id int, x int);
CREATE FOREIGN TABLE heir () INHERITS (ancestor) SERVER srv
    OPTIONS (size '(10000, 20)', keys '[("id", 1)]');
CREATE INDEX ON ancestor (id);
INSERT INTO ancestor SELECT n, -n FROM generate_series(1, 1000) AS n;
ANALYZE ancestor;
SELECT keys_used('SELECT few.id, ancestor.x FROM few JOIN ancestor ON ancestor.id = few.id');
SELECT few.id, ancestor.x FROM few JOIN ancestor ON ancestor.id = few.id ORDER BY 1, 2;
-- A join of partitions, one by one, has the keys of each. Filters go along.
CREATE TABLE other (id int, a int) PARTITION BY LIST (a);
CREATE TABLE other_one PARTITION OF other FOR VALUES IN (1);
CREATE TABLE other_two PARTITION OF other FOR VALUES IN (2);
INSERT INTO other VALUES (1, 1), (6, 1), (NULL, 1), (7, 2), (100, 2);
ANALYZE other;
SET enable_partitionwise_join = on;
ALTER FOREIGN TABLE one OPTIONS (ADD filter 'on', ADD tell 'execute');
ALTER FOREIGN TABLE two OPTIONS (ADD filter 'on', ADD tell 'execute');
SELECT plan('SELECT p.id, p.x FROM other o JOIN parent p ON p.a = o.a AND p.id = o.id');
SELECT p.id, p.x FROM other o JOIN parent p ON p.a = o.a AND p.id = o.id ORDER BY 1;
SELECT o.id, p.x FROM other o LEFT JOIN parent p ON p.a = o.a AND p.id = o.id AND p.x > 3
ORDER BY 1;
RESET enable_partitionwise_join;

-- A plan with keys gives the answers that a table with the same rows gives, whatever is joined how.
CREATE FOREIGN TABLE t (
    id int, a int, b int, x int, f float8, t text, v varchar(10), d date
) SERVER srv OPTIONS (rows '40', size '(100000, 30)', filter 'on',
    keys '[("id", 1), (("a", "b"), 1), ("x", 3), ("t", 4), ("d", 2)]');
CREATE FOREIGN TABLE u (id int, x int, t text) SERVER srv OPTIONS (rows '12', size '(12, 12)');
CREATE TABLE heap AS SELECT * FROM t;
CREATE TABLE heap_u AS SELECT * FROM u;
ANALYZE heap, heap_u;
CREATE FUNCTION compare(query text, OUT keys bigint, OUT "rows" bigint, OUT same boolean)
LANGUAGE plpgsql AS $$
DECLARE
    foreign_query text := replace(replace(query, '$t', 't'), '$u', 'u');
    answer text;
    expected text;
BEGIN
    SELECT count(*) INTO keys FROM keys_used(foreign_query);
    EXECUTE format('SELECT string_agg(r::text, '' '' ORDER BY r::text), count(*) FROM (%s) AS r',
                   foreign_query) INTO answer, "rows";
    EXECUTE format('SELECT string_agg(r::text, '' '' ORDER BY r::text) FROM (%s) AS r',
                   replace(replace(query, '$t', 'heap'), '$u', 'heap_u')) INTO expected;
    same := answer IS NOT DISTINCT FROM expected;
END $$;
CREATE TABLE queries AS SELECT * FROM regexp_split_to_table($q$
SELECT p.*, q.a AS qa FROM few q JOIN $t p ON p.id = q.id
SELECT p.*, q.a AS qa FROM few q LEFT JOIN $t p ON p.id = q.id
SELECT p.*, q.a AS qa FROM few q RIGHT JOIN $t p ON p.id = q.id
SELECT p.*, q.a AS qa FROM few q FULL JOIN $t p ON p.id = q.id
SELECT p.id, q.id AS qid FROM few q LEFT JOIN $t p ON p.id = q.id AND p.x > 3 AND q.a < 4
SELECT p.id, q.id AS qid FROM few q LEFT JOIN $t p ON p.id = q.id WHERE p.x IS NULL
SELECT p.id, q.id AS qid FROM few q JOIN $t p ON p.a = q.a AND p.b = q.b
SELECT p.id, q.id AS qid FROM few q JOIN $t p ON p.a = q.a AND p.b IN (1, 3)
SELECT p.id, q.id AS qid FROM few q JOIN $t p ON p.a = q.a AND p.b = 2 AND p.id % 2 = 0
SELECT p.id, q.id AS qid FROM few q JOIN $t p ON p.id = ANY (q.ids)
SELECT p.id, q.id AS qid FROM few q JOIN $t p ON p.b = q.a AND p.a = ANY (q.ids)
SELECT p.id, q.id AS qid FROM few q JOIN $t p ON p.id IN (q.id, q.a, q.b)
SELECT p.id, q.id AS qid FROM few q JOIN $t p ON p.t = q.t
SELECT p.id, q.id AS qid FROM few q JOIN $t p ON p.v = q.t AND p.x = q.a + 3
SELECT p.id, q.id AS qid FROM few q JOIN $t p ON p.x = q.a AND p.id > q.id
SELECT p.id, q.id AS qid FROM few q JOIN $t p ON p.d = date '2024-01-01' + q.id
SELECT p.id, q.id AS qid FROM few q JOIN $t p ON p.d = CASE WHEN q.id = 2 THEN 'infinity' ELSE date '2024-01-01' + q.id END
SELECT p.id, q.id AS qid, r.id AS rid FROM few q JOIN $u r ON r.id = q.id JOIN $t p ON p.id = r.id
SELECT p.id, q.id AS qid, r.id AS rid FROM few q LEFT JOIN $u r ON r.id = q.id LEFT JOIN $t p ON p.id = r.id
SELECT p.id, q.id AS qid, r.id AS rid FROM few q LEFT JOIN ($u r JOIN $t p ON p.id = r.x) ON r.id = q.id
SELECT p.id, q.id AS qid, r.id AS rid FROM few q CROSS JOIN $u r JOIN $t p ON p.a = q.a AND p.b = r.x
SELECT p.id, q.id AS qid, r.id AS rid FROM few q CROSS JOIN few r LEFT JOIN $t p ON p.id = q.id + r.id
SELECT p.id, q.id AS qid, r.id AS rid FROM $u r LEFT JOIN few q ON q.id = r.id LEFT JOIN $t p ON p.id = coalesce(q.a, r.x)
SELECT p.id, q.id AS qid FROM few q LEFT JOIN (SELECT id, coalesce(x, -1) AS y FROM $t) p ON p.id = q.id
SELECT p.id, q.id AS qid FROM few q LEFT JOIN (SELECT id, 1 AS one FROM $t) p ON p.id = q.id AND p.one = q.b
SELECT q.id FROM few q WHERE EXISTS (SELECT FROM $t p WHERE p.id = q.id)
SELECT q.id FROM few q WHERE NOT EXISTS (SELECT FROM $t p WHERE p.id = q.id)
SELECT q.id FROM few q WHERE q.id IN (SELECT p.id FROM $t p WHERE p.x > 3)
SELECT q.id FROM few q WHERE q.id NOT IN (SELECT p.id FROM $t p)
SELECT q.id, (SELECT p.x FROM $t p WHERE p.id = q.id) AS y FROM few q
SELECT q.id, l.* FROM few q, LATERAL (SELECT p.id + q.a AS y FROM $t p WHERE p.x = q.a) AS l
SELECT q.id, l.* FROM few q LEFT JOIN LATERAL (SELECT p.id + q.a AS y, p.id FROM $t p) AS l ON l.id = q.id
SELECT q.id, l.* FROM few q, LATERAL (SELECT p.id AS pid FROM $t p WHERE p.x > q.a ORDER BY p.id LIMIT 2) AS l
SELECT q.id, l.n FROM few q, LATERAL (SELECT count(*) AS n FROM $t p JOIN $u r ON r.id = p.x WHERE p.a = q.a) AS l
SELECT p.id FROM $t p WHERE p.id IN (1, 3, 99) AND p.x > 0
SELECT p.id FROM $t p WHERE p.a = 1 AND p.b = 3
SELECT p.id FROM $t p JOIN $t q ON q.id = p.x
SELECT p.id, q.id AS qid FROM $t p JOIN $t q ON q.a = p.a AND q.b = p.id
SELECT p.id, q.id AS qid FROM $u p JOIN $t q ON q.x = p.x AND q.t = p.t
SELECT x, count(*) FROM (SELECT q.id, p.x FROM few q JOIN $t p ON p.id >= q.id AND p.x = q.a) AS s GROUP BY x
$q$, '\n') AS query WHERE query <> '';
\pset format unaligned
\pset fieldsep ' | '
SELECT query, c.same, c.rows FROM queries, compare(query) AS c;
-- Nested loops wherever they are possible: most of these queries can use a key.
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_material = off;
SELECT query, c.* FROM queries, compare(query) AS c WHERE c.keys = 0 OR NOT c.same;
SET enable_memoize = on;
SELECT query, c.* FROM queries, compare(query) AS c WHERE NOT c.same;
RESET enable_hashjoin;
SET enable_nestloop = off;
SELECT query, c.* FROM queries, compare(query) AS c WHERE NOT c.same;
RESET enable_nestloop;
RESET enable_mergejoin;
RESET enable_material;
RESET enable_memoize;
\pset format aligned

-- Changed rows are locked and checked again; the table may be what they are joined with.
BEGIN;
UPDATE few SET b = t.x FROM t WHERE t.id = few.id RETURNING few.id, few.b;
DELETE FROM few USING t WHERE t.id = few.id AND t.x > 5 RETURNING few.id, t.x;
SELECT few.id, t.x FROM few JOIN t ON t.id = few.id FOR UPDATE OF few;
ROLLBACK;

-- A column in text form is a key only where the wrapper is told of the condition: texts of one
-- number can differ, and the elements of a list are not told as texts.
CREATE FOREIGN TABLE texts (id int OPTIONS (value_form 'text'), f float8 OPTIONS (value_form 'text'))
    SERVER srv OPTIONS (size '(100000, 30)', keys '[("id", 1), ("f", 1)]');
SET enable_memoize = off;
SELECT plan('SELECT FROM few JOIN texts ON texts.id = few.id');
SELECT plan('SELECT FROM few JOIN texts ON texts.f = few.id');
SELECT plan('SELECT FROM few JOIN texts ON texts.id = ANY (few.ids)');
RESET enable_memoize;
DROP FOREIGN TABLE texts;

-- Row security of the parent comes first: what is below it gets its condition, and the key with it.
CREATE ROLE planning_reader;
GRANT SELECT ON parent, few TO planning_reader;
ALTER TABLE parent ENABLE ROW LEVEL SECURITY;
CREATE POLICY some_rows ON parent USING (x > 4);
PREPARE joined AS SELECT few.id, p.x FROM few JOIN parent p ON p.id = few.id;
SET plan_cache_mode = force_generic_plan;
EXECUTE joined;
SET ROLE planning_reader;
SELECT keys_used('SELECT FROM few JOIN parent p ON p.id = few.id');
EXECUTE joined;
RESET ROLE;
EXECUTE joined;
RESET plan_cache_mode;

SET client_min_messages = warning;
DROP FUNCTION plan, keys_used, keys_used_with, counters, compare;
DROP TABLE parent, ancestor, other, few, many, twice, heap, heap_u, queries CASCADE;
DROP SERVER srv CASCADE;
DROP ROLE planning_reader;
