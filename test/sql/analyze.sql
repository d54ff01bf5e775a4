-- ANALYZE of foreign tables: a random sample of their rows, and what the planner makes of it.
\getenv srcdir PG_ABS_SRCDIR
\i :srcdir/setup.sql

-- The tables of this test write down what is done with them; "journal" shows it, and forgets.
CREATE SERVER srv FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'samples.Sampled');
CREATE FOREIGN TABLE journal (event text) SERVER srv OPTIONS (wrapper 'lifecycle.Journal');
CREATE VIEW statistics AS
    SELECT tablename, attname, inherited, null_frac, n_distinct,
           most_common_vals::text::text[], most_common_freqs, histogram_bounds::text::text[]
    FROM pg_stats ORDER BY tablename, inherited, attname;
CREATE FUNCTION size_of(name regclass) RETURNS text LANGUAGE sql AS
    'SELECT format(''%s rows, %s pages'', reltuples, relpages) FROM pg_class WHERE oid = $1';

-- The table is read with all columns and without conditions. First its rows are counted, if nobody
-- knows how many there are.
CREATE FOREIGN TABLE small (n int, kind text, half int, gone int, nothing date) SERVER srv
    OPTIONS (rows '16', name 'small');
ALTER FOREIGN TABLE small DROP gone;
SELECT size_of('small');
ANALYZE small;
SELECT * FROM journal;
SELECT size_of('small');
SELECT attname, null_frac, n_distinct, most_common_vals, most_common_freqs, histogram_bounds
FROM statistics WHERE tablename = 'small';
-- The second time, the size is known from the first.
ANALYZE small;
SELECT * FROM journal;
-- Some columns only.
ALTER FOREIGN TABLE small ALTER half SET STATISTICS 0, OPTIONS (SET rows '8');
ANALYZE small (n, half);
SELECT * FROM journal;
SELECT attname, n_distinct, histogram_bounds FROM statistics WHERE tablename = 'small' AND attname <> 'kind';
SELECT size_of('small');

-- A table without rows.
CREATE FOREIGN TABLE empty (n int, kind text) SERVER srv OPTIONS (rows '0', name 'empty');
ANALYZE empty;
SELECT * FROM journal;
SELECT size_of('empty');

-- More rows than the sample takes: 300 times the statistics target. It is a random one, so the
-- bounds of its histogram are near those of all rows, and all rows are counted.
CREATE FOREIGN TABLE large (n int, kind text, half int) SERVER srv OPTIONS (rows '20000');
ALTER FOREIGN TABLE large ALTER n SET STATISTICS 10, ALTER kind SET STATISTICS 10,
    ALTER half SET STATISTICS 0;
ANALYZE large;
SELECT size_of('large');
CREATE FUNCTION farthest(name text) RETURNS float8 LANGUAGE sql AS $$
    SELECT max(abs(bound::int / 20000.0 - (i - 1) / 10.0))
    FROM statistics, unnest(histogram_bounds) WITH ORDINALITY AS b (bound, i)
    WHERE tablename = name AND attname = 'n'
$$;
SELECT attname, n_distinct, array_length(histogram_bounds, 1) AS bounds,
       most_common_vals[1:2] AS common,
       round(most_common_freqs[1]::numeric, 1) AS frequency
FROM statistics WHERE tablename = 'large';
SELECT farthest('large') < 0.06 AS good;
-- The sample is another one each time.
CREATE TEMP TABLE before AS SELECT histogram_bounds FROM statistics WHERE tablename = 'large' AND attname = 'n';
ANALYZE large;
SELECT farthest('large') < 0.06 AS good,
       histogram_bounds <> (SELECT * FROM before) AS other
FROM statistics WHERE tablename = 'large' AND attname = 'n';
-- The target of the session holds for columns that have none of their own.
SET default_statistics_target = 2;
ALTER FOREIGN TABLE large ALTER n SET STATISTICS -1, ALTER kind SET STATISTICS -1;
ANALYZE large;
SELECT attname, array_length(histogram_bounds, 1) AS bounds
FROM statistics WHERE tablename = 'large' AND attname = 'n';
RESET default_statistics_target;

-- The planner uses what it finds. Without statistics, a foreign table is taken for ten pages of rows.
CREATE FUNCTION estimate(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    plan jsonb;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
    RETURN plan #>> '{0,Plan,Plan Rows}';
END $$;
CREATE FOREIGN TABLE fresh (n int, kind text) SERVER srv OPTIONS (rows '20000');
CREATE TABLE heap (n int PRIMARY KEY);
INSERT INTO heap SELECT generate_series(1, 10000);
ANALYZE heap;
SELECT estimate('SELECT n FROM fresh'), estimate('SELECT n FROM fresh WHERE n = 5'),
       estimate($$SELECT n FROM fresh WHERE kind = 'a'$$);
EXPLAIN (COSTS OFF) SELECT * FROM fresh JOIN heap USING (n) WHERE kind = 'a';
ANALYZE fresh;
SELECT estimate('SELECT n FROM fresh'), estimate('SELECT n FROM fresh WHERE n = 5'),
       estimate($$SELECT n FROM fresh WHERE kind = 'a'$$);
EXPLAIN (COSTS OFF) SELECT * FROM fresh JOIN heap USING (n) WHERE kind = 'a';

-- A column in text form, and types that have statistics of another kind.
CREATE FOREIGN TABLE other (n numeric OPTIONS (value_form 'text'), kind varchar(1), half text, a int[]) SERVER srv;
ANALYZE other;
SELECT attname, null_frac, n_distinct, most_common_vals, most_common_freqs FROM statistics WHERE tablename = 'other';

-- How large a table is: what analyze() says, else get_rel_size() of the whole table, else what the last
-- ANALYZE has seen. It gives the pages; the rows have been counted in the end.
CREATE FOREIGN TABLE sized (n int, kind text) SERVER srv
    OPTIONS (wrapper 'samples.Answering', name 'sized', analyze '1000', size 'None', rows '3');
CREATE FUNCTION sized(analyze_answer text, size_answer text DEFAULT 'None') RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER FOREIGN TABLE sized OPTIONS (SET analyze %L, SET size %L)',
                   analyze_answer, size_answer);
    UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE oid = 'sized'::regclass;
    ANALYZE sized;
    RETURN size_of('sized');
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
DELETE FROM pg_statistic WHERE starelid = 'sized'::regclass;
SELECT count(*) > 0 AS noted FROM journal;
SELECT sized('1000');
SELECT * FROM journal;
SELECT sized('None', 'tuple');
SELECT * FROM journal;
SELECT sized('None');
SELECT * FROM journal;
SELECT answer, sized(answer) FROM unnest('{float,Decimal,bool,zero,negative,infinite,huge}'::text[]) AS answer;
SELECT answer, sized('None', answer) FROM unnest('{list,wide,negative both}'::text[]) AS answer;
-- Nonsense is an error that says what came.
SELECT answer, sized(answer) FROM unnest('{str,NaN,tuple,dict,raises}'::text[]) AS answer;
SELECT answer, sized('None', answer) FROM unnest('{str,1000,three,one,strs,NaNs,none wide,dict,generator,raises}'::text[]) AS answer;
ALTER FOREIGN TABLE sized OPTIONS (SET analyze 'raises');
ANALYZE sized;
ALTER FOREIGN TABLE sized OPTIONS (SET analyze 'None', SET size 'strs');
ANALYZE sized;
SELECT count(*) > 0 AS noted FROM journal;

-- A plain ANALYZE leaves foreign tables alone.
SET client_min_messages = error;
ANALYZE;
RESET client_min_messages;
SELECT * FROM journal;

-- A partitioned table is sampled with its partitions, each by its share of the pages; one without any is
-- not read for that. Then they are analysed themselves.
CREATE TABLE parent (n int, kind text) PARTITION BY LIST (kind);
CREATE FOREIGN TABLE many PARTITION OF parent FOR VALUES IN ('many') SERVER srv
    OPTIONS (wrapper 'samples.Answering', name 'many', rows '9000', kind 'many', analyze '9000');
CREATE FOREIGN TABLE rest PARTITION OF parent FOR VALUES IN ('rest') SERVER srv
    OPTIONS (wrapper 'samples.Answering', name 'rest', rows '1000', kind 'rest', analyze '1000');
CREATE FOREIGN TABLE void PARTITION OF parent FOR VALUES IN ('void') SERVER srv
    OPTIONS (wrapper 'samples.Answering', name 'void', rows '7', kind 'void', analyze '0');
ALTER TABLE parent ALTER n SET STATISTICS 10, ALTER kind SET STATISTICS 10;
ANALYZE parent;
SELECT * FROM journal;
CREATE FUNCTION shares(name text) RETURNS TABLE (kind text, share numeric) LANGUAGE sql AS $$
    SELECT value, round(frequency::numeric, 2)
    FROM statistics, unnest(most_common_vals, most_common_freqs) AS v (value, frequency)
    WHERE tablename = name AND attname = 'kind' AND inherited ORDER BY 2 DESC, 1
$$;
SELECT * FROM shares('parent');
-- What counts is what they say.
ALTER FOREIGN TABLE many OPTIONS (SET analyze '1000');
ALTER FOREIGN TABLE rest OPTIONS (SET rows '2000');
ANALYZE parent;
SELECT * FROM shares('parent');
-- Those that say nothing have been analysed before, or are counted.
ALTER FOREIGN TABLE many OPTIONS (SET wrapper 'samples.Sampled');
ALTER FOREIGN TABLE rest OPTIONS (SET wrapper 'samples.Sampled');
UPDATE pg_class SET reltuples = -1 WHERE oid = 'many'::regclass;
SELECT count(*) > 0 AS noted FROM journal;
ANALYZE parent;
SELECT * FROM journal LIMIT 7;
SELECT * FROM shares('parent');

-- So is a parent with its children.
CREATE TABLE mother (n int, kind text);
CREATE FOREIGN TABLE son () INHERITS (mother) SERVER srv
    OPTIONS (wrapper 'samples.Answering', rows '300', kind 'son', analyze '300');
CREATE FOREIGN TABLE daughter () INHERITS (mother) SERVER srv OPTIONS (rows '100', kind 'daughter');
INSERT INTO mother SELECT i, 'own' FROM generate_series(1, 100) AS i;
ANALYZE mother;
SELECT * FROM shares('mother');

-- Partitions may have their columns in another order, and may be tables of other kinds.
CREATE TABLE parted (n int, kind text) PARTITION BY LIST (kind);
CREATE FOREIGN TABLE parted_a (kind text, n int) SERVER srv
    OPTIONS (wrapper 'samples.Answering', rows '300', kind 'a', analyze '300');
CREATE FOREIGN TABLE parted_b (n int, gone int, kind text) SERVER srv
    OPTIONS (wrapper 'samples.Answering', rows '100', kind 'b', size 'tuple');
ALTER FOREIGN TABLE parted_b DROP gone;
CREATE TABLE parted_c (n int, kind text);
INSERT INTO parted_c SELECT i, 'c' FROM generate_series(1, 100) AS i;
ALTER TABLE parted ATTACH PARTITION parted_a FOR VALUES IN ('a');
ALTER TABLE parted ATTACH PARTITION parted_b FOR VALUES IN ('b');
ALTER TABLE parted ATTACH PARTITION parted_c FOR VALUES IN ('c');
ANALYZE parted;
SELECT * FROM shares('parted');
SELECT tablename, attname, inherited, null_frac, n_distinct
FROM statistics WHERE tablename LIKE 'parted%';
SELECT size_of('parted_a'), size_of('parted_b'), size_of('parted_c');

-- It is the table's owner who reads.
CREATE ROLE regress_owner;
CREATE SERVER mapped FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'samples.Mapped');
CREATE USER MAPPING FOR CURRENT_USER SERVER mapped OPTIONS (who 'superuser');
CREATE USER MAPPING FOR regress_owner SERVER mapped OPTIONS (who 'owner');
CREATE FOREIGN TABLE owned (kind text) SERVER mapped OPTIONS (name 'owned');
SELECT count(*) > 0 AS noted FROM journal;
ALTER FOREIGN TABLE owned OWNER TO regress_owner;
ANALYZE owned;
SELECT * FROM journal;
SELECT most_common_vals FROM statistics WHERE tablename = 'owned';
SET ROLE regress_owner;
ANALYZE owned;
RESET ROLE;
SELECT most_common_vals FROM statistics WHERE tablename = 'owned';
SELECT count(*) > 0 AS noted FROM journal;
SELECT kind FROM owned LIMIT 1;

-- A value that its column cannot take is an error that names the column; the scan ends, the old
-- statistics stay, and the session goes on.
CREATE FOREIGN TABLE bad (n int, kind text) SERVER srv OPTIONS (name 'bad', rows '4');
ANALYZE bad;
SELECT count(*) > 0 AS noted FROM journal;
ALTER FOREIGN TABLE bad OPTIONS (ADD bad '3');
ANALYZE bad;
SELECT * FROM journal;
SELECT attname, histogram_bounds FROM statistics WHERE tablename = 'bad' AND attname = 'n';
-- So are a row of another shape, and an exception.
ALTER FOREIGN TABLE bad OPTIONS (DROP bad, ADD fails 'shape');
ANALYZE bad;
ALTER FOREIGN TABLE bad OPTIONS (SET fails 'execute');
ANALYZE bad;
SELECT * FROM journal;
-- Nothing is left behind in a transaction.
BEGIN;
SAVEPOINT before;
ANALYZE bad;
ROLLBACK TO before;
ALTER FOREIGN TABLE bad OPTIONS (DROP fails);
ANALYZE bad;
SELECT * FROM journal;
COMMIT;

-- It may be done while the table is being read.
BEGIN;
DECLARE reading CURSOR FOR SELECT n FROM small;
FETCH 2 FROM reading;
ANALYZE small;
FETCH 2 FROM reading;
COMMIT;
SELECT * FROM journal;

-- A wrapper may draw the sample itself: it is told how many rows are wanted, and execute() is not
-- called. What analyze() says is the number of rows then, if it is not less than those that came.
CREATE FOREIGN TABLE drawn (n int, kind text) SERVER srv
    OPTIONS (wrapper 'samples.Drawing', name 'drawn', rows '20000', every '5', analyze '20000');
ALTER FOREIGN TABLE drawn ALTER n SET STATISTICS 10, ALTER kind SET STATISTICS 10;
ANALYZE drawn;
SELECT * FROM journal;
SELECT size_of('drawn');
SELECT farthest('drawn') < 0.06 AS good;
ALTER FOREIGN TABLE drawn OPTIONS (SET analyze '100');
ANALYZE drawn;
SELECT size_of('drawn');
ALTER FOREIGN TABLE drawn OPTIONS (DROP analyze, ADD size 'tuple');
ANALYZE drawn;
SELECT size_of('drawn');
-- None has the table read after all; a sample without rows is one.
ALTER FOREIGN TABLE drawn OPTIONS (ADD analyze '100', ADD draws 'nothing');
SELECT count(*) > 0 AS noted FROM journal;
ANALYZE drawn;
SELECT * FROM journal;
SELECT size_of('drawn');
ALTER FOREIGN TABLE drawn OPTIONS (SET draws 'rows', SET rows '0');
ANALYZE drawn;
SELECT size_of('drawn');
-- Anything else is an error.
ALTER FOREIGN TABLE drawn OPTIONS (SET draws '5');
ANALYZE drawn;
-- A query reads the table by execute(), whatever ANALYZE has done.
ALTER FOREIGN TABLE drawn OPTIONS (SET draws 'rows', SET rows '20000');
ANALYZE drawn;
SELECT count(*) FROM drawn;
SELECT count(*) > 0 AS noted FROM journal;

-- A table that cannot be read as a whole declines; other tables are analysed all the same.
ALTER FOREIGN TABLE sized OPTIONS (SET analyze 'declines');
ANALYZE sized, heap;
SELECT * FROM journal;

SET client_min_messages = warning;
DROP TABLE parted, parent, mother, heap, before CASCADE;
DROP SERVER srv, mapped CASCADE;
DROP VIEW statistics CASCADE;
DROP FUNCTION size_of, estimate, sized;
DROP ROLE regress_owner;
