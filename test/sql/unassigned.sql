-- Columns that a statement does not assign can be left to the wrapper.
\getenv srcdir PG_ABS_SRCDIR
\i :srcdir/setup.sql
CREATE SERVER srv FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'writing.Unassigned');

-- With omit_unassigned, values hold only the columns that a statement assigns.
CREATE FOREIGN TABLE u (id int, name text, state text, n int DEFAULT 7) SERVER srv;
INSERT INTO u (name) VALUES ('one') RETURNING *;
INSERT INTO u (name, state) VALUES ('two', NULL), ('three', 'old') RETURNING *;
INSERT INTO u DEFAULT VALUES RETURNING id, state;
INSERT INTO u (n) SELECT i FROM generate_series(1, 2) AS i RETURNING *;
-- A column that comes after those of VALUES is not assigned either.
INSERT INTO u VALUES (50, 'seven') RETURNING *;
-- An assigned NULL is one; a DEFAULT alone is PostgreSQL's, if it has one.
INSERT INTO u VALUES (51, NULL, NULL, NULL);
INSERT INTO u (id, state, n) VALUES (52, DEFAULT, DEFAULT);
-- In VALUES of several rows PostgreSQL has to put something into its place: that is a NULL.
INSERT INTO u (id, state) VALUES (53, DEFAULT), (54, 'x');
-- UPDATE: only what it assigns.
UPDATE u SET name = NULL WHERE id = 1 RETURNING *;
UPDATE u SET id = id + 50, state = name WHERE id = 2;
UPDATE u SET n = h.n FROM (VALUES (3, 30)) AS h (id, n) WHERE h.id = u.id;
UPDATE u SET name = DEFAULT, n = DEFAULT WHERE id = 4;
SELECT * FROM u ORDER BY id;
-- Each statement of a view or a rule assigns its own columns.
CREATE VIEW v AS SELECT state, id FROM u;
INSERT INTO v (state) VALUES ('by view') RETURNING *;
UPDATE v SET state = 'view' WHERE id = 3;
-- Each prepared statement as well.
PREPARE add AS INSERT INTO u (name) VALUES ($1) RETURNING id, state;
EXECUTE add ('a');
EXECUTE add (NULL);
DROP VIEW v;

-- COPY: its list of columns.
COPY u (name) FROM stdin;
copied
\N
\.
COPY u FROM stdin;
90	all	\N	\N
\.
-- A BEFORE trigger assigns as well. What it leaves NULL was not assigned by it.
CREATE FUNCTION assign() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.state := CASE WHEN NEW.name = 'none' THEN NULL ELSE 'trigger' END;
    RETURN NEW;
END $$;
CREATE TRIGGER b BEFORE INSERT OR UPDATE ON u FOR EACH ROW EXECUTE FUNCTION assign();
INSERT INTO u (name) VALUES ('x'), ('none') RETURNING state;
-- In an UPDATE it may have assigned any column.
UPDATE u SET n = 1 WHERE id = 1;
DROP TRIGGER b ON u;
TRUNCATE u;

-- Generated columns that follow from what is assigned go along.
CREATE FOREIGN TABLE g (id int, a int, b int, twice int GENERATED ALWAYS AS (a * 2) STORED,
    more int GENERATED ALWAYS AS (b + 1) STORED) SERVER srv OPTIONS (store 'g');
INSERT INTO g (a) VALUES (1) RETURNING *;
INSERT INTO g (a, b) VALUES (1, 1) RETURNING *;
UPDATE g SET a = 5 WHERE id = 2;
UPDATE g SET b = NULL WHERE id = 2;

-- Routed rows: what the statement names, by the partition's own order of columns.
CREATE TABLE p (id int, state text, part int, name text) PARTITION BY LIST (part);
CREATE FOREIGN TABLE p1 (name text, x int, part int, state text, id int) SERVER srv OPTIONS (store 'p');
ALTER FOREIGN TABLE p1 DROP x;
ALTER TABLE p ATTACH PARTITION p1 FOR VALUES IN (1);
CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2);
INSERT INTO p (part, name) VALUES (1, 'a'), (2, 'b'), (1, NULL) RETURNING *;
COPY p (part, id) FROM stdin;
1	10
1	\N
\.
UPDATE p SET name = 'A' WHERE part = 1 AND id = 1 RETURNING *;
-- A row that moves has all its columns, NULL too.
UPDATE p SET part = 1 WHERE part = 2 RETURNING *;
-- A child has its own columns.
CREATE FOREIGN TABLE child (extra int) INHERITS (u) SERVER srv OPTIONS (store 'child');
INSERT INTO child (name) VALUES ('child') RETURNING *;
UPDATE u SET state = 'parent';

-- A column option says the same of every NULL that would be inserted into one column.
CREATE FOREIGN TABLE r (id int OPTIONS (generated 'remote'), name text, state text)
    SERVER srv OPTIONS (wrapper 'writing.Numbered', store 'r');
INSERT INTO r (name) VALUES ('one') RETURNING id;
INSERT INTO r VALUES (DEFAULT, 'two', 'x'), (7, 'seven', DEFAULT), (NULL, 'eight', NULL) RETURNING *;
INSERT INTO r SELECT NULL, 'selected' RETURNING id, name;
COPY r (name) FROM stdin;
copied
\.
COPY r FROM stdin;
\N	all	\N
20	all	\N
\.
-- Not of one that UPDATE sets.
UPDATE r SET id = NULL, state = NULL WHERE id = 20;
SELECT * FROM r;
-- Both together.
ALTER FOREIGN TABLE u ALTER id OPTIONS (generated 'remote');
INSERT INTO u (id, name, state) VALUES (DEFAULT, NULL, NULL), (30, 'x', DEFAULT) RETURNING id, state;
ALTER FOREIGN TABLE u ALTER state OPTIONS (generated 'never');

SET client_min_messages = warning;
DROP SERVER srv CASCADE;
DROP TABLE p;
DROP FUNCTION assign;
