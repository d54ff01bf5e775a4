-- A column with the option constant has that value in every row. The wrapper does not know of it:
-- not in its columns, not in its rows, not in what is written.
\getenv srcdir PG_ABS_SRCDIR
\i :srcdir/setup.sql
SET datestyle = ISO;
CREATE SERVER people FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'constants.People');
CREATE FOREIGN TABLE here (id int, place text OPTIONS (constant 'here'), name text) SERVER people;
SELECT * FROM here;

-- Only what is the wrapper's is asked of it.
SELECT place FROM here LIMIT 1;
SELECT place, count(*), max(id) FROM here GROUP BY place;

-- Rows that are mappings may have the key: the option holds.
CREATE FOREIGN TABLE mappings (id int, place text OPTIONS (constant 'here'), name text)
    SERVER people OPTIONS (wrapper 'constants.Mappings');
SELECT * FROM mappings;

-- The value is kept when rows are sorted, joined, stored.
SELECT * FROM here ORDER BY name DESC;
SELECT a.id, a.place, b.place FROM mappings a JOIN mappings b USING (id) ORDER BY id;
CREATE TEMP TABLE kept AS SELECT * FROM mappings;
SELECT * FROM kept ORDER BY id;

-- A condition on it is settled before the wrapper is called: here it holds for all rows,
EXPLAIN (COSTS OFF) SELECT * FROM here WHERE place = 'here';
SELECT id FROM here WHERE place = 'here' AND id > 2;
-- and here for none, so that execute() is not called.
EXPLAIN (COSTS OFF) SELECT * FROM here WHERE place = 'there';
SELECT * FROM here WHERE place = 'there';
SELECT * FROM here WHERE place IN ('there', 'elsewhere') AND id > 1;
SELECT * FROM here WHERE place IS NULL;
SELECT * FROM here WHERE place LIKE 't%';

-- So it is with a parameter, when its value is known.
PREPARE of_place(text) AS SELECT id, place FROM here WHERE place = $1;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE of_place('here');
EXECUTE of_place('here');
EXECUTE of_place('there');
EXECUTE of_place(NULL);
RESET plan_cache_mode;

-- What depends on the row as well is looked at for each row, or told with the value in it.
SELECT id FROM here WHERE place = name OR id = 2;
SELECT id FROM here WHERE (place = 'here' AND id = 1) OR (place = 'there' AND id = 2);
CREATE FOREIGN TABLE sorted (id int, place text OPTIONS (constant 'here'), name text)
    SERVER people OPTIONS (wrapper 'constants.Sorted');
SELECT id FROM sorted WHERE (place = 'here' AND id = 1) OR (place = 'there' AND id = 2);

-- All rows are in its order: only the rest of an order is asked of the wrapper.
EXPLAIN (COSTS OFF) SELECT id, place FROM sorted ORDER BY place, id;
SELECT id, place FROM sorted ORDER BY place DESC, id LIMIT 2;
EXPLAIN (COSTS OFF) SELECT id, place FROM mappings ORDER BY place;

-- Other rows of a join decide, too.
CREATE TEMP TABLE place (name text);
INSERT INTO place VALUES ('here'), ('there');
SELECT p.name, (SELECT count(*) FROM here h WHERE h.place = p.name) FROM place p ORDER BY 1;

-- INSERT may leave it out, or say what is so anyway; nothing of it goes to the wrapper. RETURNING
-- shows it, whatever the wrapper has returned.
INSERT INTO here (name) VALUES ('new') RETURNING *;
INSERT INTO here (name, place) VALUES ('new', 'here') RETURNING *;
CREATE FOREIGN TABLE batches (id int, place text OPTIONS (constant 'here'), name text)
    SERVER people OPTIONS (wrapper 'constants.Batches');
INSERT INTO batches (name, place) VALUES ('a', 'here'), ('b', NULL);
COPY here (id, place, name) FROM stdin;
7	here	x
8	\N	y
\.
-- Any other value would be lost: an error.
INSERT INTO here (name, place) VALUES ('new', 'there');
INSERT INTO batches (name, place) VALUES ('a', 'here'), ('b', 'there');
COPY here (id, place, name) FROM stdin;
7	there	x
\.
UPDATE here SET name = 'x' WHERE id = 1 AND place = 'here' RETURNING id, place;
UPDATE here SET place = 'here', name = 'y' WHERE id = 2;
UPDATE here SET place = 'there' WHERE id = 1;
UPDATE here SET place = NULL WHERE id = 1;
DELETE FROM here WHERE place = 'there';
DELETE FROM here WHERE id = 3 RETURNING *;

-- Statistics know it.
ANALYZE mappings;
SELECT n_distinct, most_common_vals FROM pg_stats WHERE tablename = 'mappings' AND attname = 'place';

-- It can be of any type. The option is read as the type's input, at the first use.
CREATE FOREIGN TABLE typed (id int, name text,
    n numeric(6, 2) OPTIONS (constant '12.5'), d date OPTIONS (constant '2024-02-29'),
    a int[] OPTIONS (constant '{1,2}'), c char(4) OPTIONS (constant 'ab'),
    b boolean OPTIONS (constant 'yes')) SERVER people OPTIONS (wrapper 'constants.Mappings');
SELECT * FROM typed WHERE n = 12.50 AND d > '2024-01-01' AND 2 = ANY (a) AND c = 'ab' AND b AND id = 1;
SELECT * FROM typed WHERE NOT b;
CREATE FOREIGN TABLE wrong (id int OPTIONS (constant 'one'), name text) SERVER people;
SELECT * FROM wrong;
CREATE FOREIGN TABLE long (id int, name varchar(3) OPTIONS (constant 'four')) SERVER people;
SELECT * FROM long;

-- What says how a value is exchanged has no meaning beside it.
CREATE FOREIGN TABLE two (id int OPTIONS (constant '1', generated 'remote')) SERVER people;
ALTER FOREIGN TABLE here ALTER COLUMN place OPTIONS (ADD value_form 'text');

-- Another value holds at once, also for a prepared statement.
ALTER FOREIGN TABLE here ALTER COLUMN place OPTIONS (SET constant 'there');
EXECUTE of_place('here');
EXECUTE of_place('there');
-- Without the option, the column is the wrapper's.
ALTER FOREIGN TABLE mappings ALTER COLUMN place OPTIONS (DROP constant);
SELECT * FROM mappings WHERE id = 1;

-- Tables of several sources are one table, of which only those are read that matter.
CREATE TABLE everywhere (id int, place text NOT NULL, name text) PARTITION BY LIST (place);
CREATE FOREIGN TABLE north PARTITION OF everywhere FOR VALUES IN ('north') SERVER people;
CREATE FOREIGN TABLE south PARTITION OF everywhere FOR VALUES IN ('south') SERVER people;
ALTER FOREIGN TABLE north ALTER COLUMN place OPTIONS (ADD constant 'north');
ALTER FOREIGN TABLE south ALTER COLUMN place OPTIONS (ADD constant 'south');
SELECT tableoid::regclass, * FROM everywhere WHERE place > 'north';
INSERT INTO everywhere (place, name) VALUES ('south', 'x') RETURNING tableoid::regclass, *;
UPDATE everywhere SET place = 'south' WHERE place = 'north' AND id = 1;

DROP TABLE everywhere;
DROP SERVER people CASCADE;
