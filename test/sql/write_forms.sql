-- What a wrapper may want to get otherwise when it writes: it says so with attributes.
\getenv srcdir PG_ABS_SRCDIR
\i :srcdir/setup.sql

CREATE SERVER srv FOREIGN DATA WRAPPER multicorn;
CREATE FOREIGN TABLE remote (id int, at timestamptz, n numeric,
    twice int GENERATED ALWAYS AS (id * 2) STORED)
    SERVER srv OPTIONS (wrapper 'writing.Remote', store 'forms', flags '');

-- Without them: values as Python has them, computed ones too.
INSERT INTO remote (id, at, n) VALUES (1, '2024-01-01 00:00Z', 1.50);
INSERT INTO remote (at) VALUES ('infinity');

-- omit_generated: what PostgreSQL computes is left out.
ALTER FOREIGN TABLE remote OPTIONS (SET flags 'omit_generated');
INSERT INTO remote (id) VALUES (2);
UPDATE remote SET id = 3 WHERE id = 2;
INSERT INTO remote (id) VALUES (4) RETURNING twice;

-- write_form: all values are PostgreSQL's text, which every value has.
ALTER FOREIGN TABLE remote OPTIONS (SET flags 'write_form');
INSERT INTO remote (id, at, n) VALUES (5, 'infinity', 'NaN');
SELECT id, at, n FROM remote WHERE id = 5;
-- So is what comes back.
ALTER FOREIGN TABLE remote OPTIONS (returns '{"at": "2024-01-01 00:00+00", "n": "7.70"}');
INSERT INTO remote (id) VALUES (6) RETURNING at, n;
ALTER FOREIGN TABLE remote OPTIONS (DROP returns);

-- takes_returning: insert and update are told where somebody looks at the row they return.
ALTER FOREIGN TABLE remote OPTIONS (SET flags 'takes_returning');
INSERT INTO remote (id) VALUES (7);
INSERT INTO remote (id) VALUES (8) RETURNING id;
UPDATE remote SET n = 1 WHERE id = 8;
UPDATE remote SET n = 2 WHERE id = 8 RETURNING n;
DELETE FROM remote WHERE id = 8 RETURNING n;
CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER looks AFTER INSERT ON remote FOR EACH ROW EXECUTE FUNCTION look();
INSERT INTO remote (id) VALUES (9);
DROP TRIGGER looks ON remote;
CREATE VIEW checked AS SELECT * FROM remote WHERE id > 5 WITH CHECK OPTION;
INSERT INTO checked (id) VALUES (10);
INSERT INTO checked (id) VALUES (1);

-- rowid_column 'ctid': a row is known by its place, which execute is asked for only then.
SELECT id FROM remote WHERE id = 10;
UPDATE remote SET n = 3 WHERE id = 10;
DELETE FROM remote USING generate_series(10, 11) AS g WHERE id = g;
SELECT ctid, id FROM remote WHERE id = 9;
-- It is PostgreSQL's own: ordinary and foreign children of a parent share it.
CREATE TABLE parent (id int, at timestamptz, n numeric);
CREATE TABLE child () INHERITS (parent);
INSERT INTO child VALUES (9, NULL, 100);
ALTER FOREIGN TABLE remote INHERIT parent;
UPDATE parent SET n = coalesce(n, 0) + 1 WHERE id = 9 RETURNING tableoid::regclass, n;
DELETE FROM parent WHERE id = 9 RETURNING tableoid::regclass, n;
-- A row without one is an error.
CREATE FOREIGN TABLE sequences (n int) SERVER srv OPTIONS (wrapper 'writing.Sequences');
SELECT n FROM sequences;
DELETE FROM sequences;

SET client_min_messages = warning;
DROP TABLE parent CASCADE;
DROP SERVER srv CASCADE;
DROP FUNCTION look;
