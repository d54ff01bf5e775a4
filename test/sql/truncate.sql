-- TRUNCATE, and which tables PostgreSQL takes for ones that can be written.
\getenv srcdir PG_ABS_SRCDIR
\i :srcdir/setup.sql
CREATE SERVER srv FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'writing.Store');
CREATE FOREIGN TABLE t (id int) SERVER srv;
INSERT INTO t VALUES (1);

-- The wrapper is told what else was asked for.
TRUNCATE t;
TRUNCATE t CASCADE;
TRUNCATE t RESTART IDENTITY;
TRUNCATE ONLY t CONTINUE IDENTITY RESTRICT;
SELECT * FROM t;
-- Several tables, and those below a parent.
CREATE FOREIGN TABLE u () INHERITS (t) SERVER srv OPTIONS (store 'u');
INSERT INTO u VALUES (2);
CREATE TABLE h AS SELECT 1 AS id;
TRUNCATE ONLY t;
SELECT * FROM t;
TRUNCATE t, h;
SELECT * FROM t, h;
CREATE TABLE p (id int) PARTITION BY LIST (id);
CREATE FOREIGN TABLE p1 PARTITION OF p FOR VALUES IN (1) SERVER srv OPTIONS (store 'p');
INSERT INTO p VALUES (1);
TRUNCATE p;
SELECT * FROM p;
-- A wrapper without truncate() refuses it, and then no table is emptied.
CREATE FOREIGN TABLE reader (id int) SERVER srv OPTIONS (wrapper 'writing.Reader');
TRUNCATE reader;
INSERT INTO h VALUES (1);
TRUNCATE h, reader;
SELECT * FROM h;
-- Each user needs the right to, and has an instance.
CREATE ROLE truncate_user;
SET ROLE truncate_user;
TRUNCATE t;
RESET ROLE;
GRANT TRUNCATE ON t, u TO truncate_user;
SET ROLE truncate_user;
TRUNCATE t;
RESET ROLE;

-- A class says by its methods what can be done with its tables: no instance is made to know it.
CREATE SERVER other FOREIGN DATA WRAPPER multicorn;
SET client_min_messages = error;
CREATE FOREIGN TABLE a_reader (id int) SERVER other OPTIONS (wrapper 'writing.Reader');
CREATE FOREIGN TABLE an_inserter (id int) SERVER other OPTIONS (wrapper 'writing.Inserter');
CREATE FOREIGN TABLE a_changer (id int) SERVER other OPTIONS (wrapper 'writing.Changer');
CREATE FOREIGN TABLE a_store (id int) SERVER other OPTIONS (wrapper 'writing.Store');
CREATE FOREIGN TABLE an_attribute (id int) SERVER other OPTIONS (wrapper 'writing.Attribute');
CREATE FOREIGN TABLE batches (id int) SERVER other OPTIONS (wrapper 'writing.Batches');
CREATE FOREIGN TABLE bulk_only (id int, t text) SERVER other OPTIONS (wrapper 'writing.BulkOnly');
-- That of a class that cannot be loaded is not known; nothing is raised for it.
CREATE FOREIGN TABLE broken (id int) SERVER other OPTIONS (wrapper 'broken.Gone');
CREATE FOREIGN TABLE missing (id int) SERVER other OPTIONS (wrapper 'nowhere.at.All');
CREATE FOREIGN TABLE nameless (id int) SERVER other;
RESET client_min_messages;
CREATE VIEW tables AS
    SELECT relname AS name, commands & 8 > 0 AS insert, commands & 4 > 0 AS update,
        commands & 16 > 0 AS delete, is_insertable_into AS insertable
    FROM pg_foreign_table
        JOIN pg_foreign_server s ON s.oid = ftserver AND srvname = 'other'
        JOIN pg_class c ON c.oid = ftrelid,
        pg_relation_is_updatable(c.oid, false) AS commands,
        information_schema.tables i
    WHERE i.table_name = relname;
SELECT * FROM tables ORDER BY name COLLATE "C";
-- Views follow.
CREATE VIEW v_store AS SELECT * FROM a_store;
CREATE VIEW v_reader AS SELECT * FROM a_reader;
SELECT table_name, is_updatable, is_insertable_into FROM information_schema.views
WHERE table_name LIKE 'v\_%' ORDER BY 1;
-- For a role that may not use the class, too.
GRANT SELECT ON tables TO truncate_user;
GRANT ALL ON a_store, an_inserter TO truncate_user;
ALTER FOREIGN TABLE a_store OWNER TO truncate_user;
SET ROLE truncate_user;
SELECT table_name, is_insertable_into FROM information_schema.tables
WHERE table_name IN ('a_store', 'an_inserter') ORDER BY 1;
RESET ROLE;

-- PostgreSQL refuses the rest, before anything is run.
INSERT INTO a_reader VALUES (1 / (random() * 0)::int);
UPDATE a_reader SET id = 2;
DELETE FROM a_reader;
COPY a_reader FROM stdin;
\.
UPDATE an_inserter SET id = 2;
DELETE FROM a_changer;
INSERT INTO v_reader VALUES (1);
CREATE TABLE parts (id int) PARTITION BY LIST (id);
ALTER TABLE parts ATTACH PARTITION a_reader FOR VALUES IN (1);
INSERT INTO parts VALUES (1);
-- Rows of this table have no name.
CREATE FOREIGN TABLE no_name (id int) SERVER other OPTIONS (wrapper 'writing.Nameless');
UPDATE no_name SET id = 2;
DELETE FROM no_name;
-- The class cannot be loaded.
\set VERBOSITY terse
INSERT INTO missing VALUES (1);
TRUNCATE missing;
\set VERBOSITY default

SET client_min_messages = warning;
DROP VIEW tables;
DROP SERVER srv, other CASCADE;
DROP TABLE p, h, parts;
DROP ROLE truncate_user;
