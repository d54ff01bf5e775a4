-- How long an instance of a wrapper lives: one per table and user, until something changes.
\getenv srcdir PG_ABS_SRCDIR
\i :srcdir/setup.sql

-- The tables of this test write down what is done with them; "journal" shows it, and forgets.
CREATE SERVER tracked FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'lifecycle.Tracked');
CREATE FOREIGN TABLE a (n int) SERVER tracked OPTIONS (name 'a', rows '2');
CREATE FOREIGN TABLE b (n int) SERVER tracked OPTIONS (name 'b', rows '2');
CREATE FOREIGN TABLE journal (event text) SERVER tracked OPTIONS (wrapper 'lifecycle.Journal');

-- An instance is made at first use, not by DDL or by a query that the planner answers without the
-- table; all scans of the table share it.
SELECT * FROM journal;
SELECT n FROM a WHERE false;
SELECT * FROM journal;
-- Planning is a use.
SELECT 1 WHERE NOT EXISTS (SELECT 1) AND EXISTS (SELECT * FROM a);
SELECT n FROM a;
SELECT x.n FROM a x JOIN a y ON y.n = x.n + 1;
SELECT * FROM journal WHERE event LIKE '%__init__';

-- Another table, another instance.
SELECT n FROM b;
SELECT * FROM journal WHERE event LIKE '%__init__';

-- A new one is made when options or columns change; the old one is closed.
CREATE FUNCTION what_happens(change text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE change;
    PERFORM * FROM a;
    PERFORM * FROM b;
    RETURN QUERY SELECT event FROM journal WHERE event ~ '__init__|close';
END $$;
SELECT what_happens('SELECT 1');
SELECT what_happens($$ALTER FOREIGN TABLE a OPTIONS (ADD x '1')$$);
SELECT what_happens($$ALTER FOREIGN TABLE a OPTIONS (SET x '2')$$);
SELECT what_happens($$ALTER FOREIGN TABLE a OPTIONS (DROP x)$$);
SELECT what_happens($$ALTER FOREIGN TABLE a ADD m int$$);
SELECT what_happens($$ALTER FOREIGN TABLE a ALTER m TYPE bigint$$);
SELECT what_happens($$ALTER FOREIGN TABLE a ALTER m TYPE numeric(5, 2)$$);
SELECT what_happens($$ALTER FOREIGN TABLE a ALTER m TYPE numeric(5, 3)$$);
SELECT what_happens($$ALTER FOREIGN TABLE a RENAME m TO k$$);
SELECT what_happens($$ALTER FOREIGN TABLE a ALTER k OPTIONS (ADD x '1')$$);
SELECT what_happens($$ALTER FOREIGN TABLE a DROP k$$);
SELECT what_happens($$ALTER SERVER tracked OPTIONS (ADD y '1')$$);
SELECT what_happens($$CREATE USER MAPPING FOR CURRENT_USER SERVER tracked OPTIONS (z '1')$$);
SELECT what_happens($$ALTER USER MAPPING FOR CURRENT_USER SERVER tracked OPTIONS (SET z '2')$$);
SELECT what_happens($$DROP USER MAPPING FOR CURRENT_USER SERVER tracked$$);
SELECT what_happens($$CREATE USER MAPPING FOR PUBLIC SERVER tracked OPTIONS (z '1')$$);
SELECT what_happens($$DROP USER MAPPING FOR PUBLIC SERVER tracked$$);
CREATE TYPE mood AS ENUM ('good', 'bad');
SELECT what_happens($$ALTER FOREIGN TABLE a ADD m mood$$);
SELECT what_happens($$ALTER TYPE mood RENAME TO feeling$$);
SELECT what_happens($$ALTER FOREIGN TABLE a DROP m$$);

-- Nothing is made anew when nothing has changed for the wrapper ...
SELECT what_happens($$CREATE TABLE unrelated (x int); DROP TABLE unrelated$$);
SELECT what_happens($$GRANT SELECT ON a TO PUBLIC$$);
SELECT what_happens($$COMMENT ON FOREIGN TABLE a IS 'a table'$$);
SELECT what_happens($$ALTER FOREIGN TABLE a ALTER n SET STATISTICS 10$$);
SELECT what_happens($$ALTER FOREIGN TABLE a ALTER n SET DEFAULT 5$$);
SELECT what_happens($$SET LOCAL client_min_messages = error; ANALYZE a, b$$);
SELECT what_happens($$CREATE ROLE regress_unrelated; DROP ROLE regress_unrelated$$);
SELECT what_happens($$ALTER SERVER tracked RENAME TO watched$$);
SELECT what_happens($$ALTER SERVER watched OPTIONS (SET y '1')$$);
SELECT what_happens($$CREATE SERVER unrelated FOREIGN DATA WRAPPER multicorn; DROP SERVER unrelated$$);
SELECT what_happens($$CREATE USER MAPPING FOR CURRENT_USER SERVER watched$$);
SELECT what_happens($$DROP USER MAPPING FOR CURRENT_USER SERVER watched$$);
CREATE SCHEMA elsewhere;
SELECT what_happens($$ALTER FOREIGN TABLE a RENAME TO c; ALTER FOREIGN TABLE c RENAME TO a$$);
SELECT what_happens($$ALTER TYPE feeling SET SCHEMA elsewhere$$);

-- ... nor by a change that was rolled back, or that has been taken back before the next use.
BEGIN;
ALTER FOREIGN TABLE a OPTIONS (SET rows '1');
ROLLBACK;
SELECT what_happens('SELECT 1');
BEGIN;
SAVEPOINT s;
ALTER FOREIGN TABLE a OPTIONS (SET rows '1');
SELECT * FROM a;
ROLLBACK TO s;
SELECT * FROM a;
COMMIT;
SELECT event FROM journal WHERE event ~ '__init__|close';

-- How a type is called in the current search_path is no change either.
ALTER FOREIGN TABLE a ADD m elsewhere.feeling;
SELECT what_happens('SELECT 1');
SET search_path = public, elsewhere;
SELECT what_happens('GRANT SELECT ON a TO PUBLIC');
RESET search_path;
ALTER FOREIGN TABLE a DROP m;
SELECT what_happens('SELECT 1');

-- A renamed table keeps its instance, and its errors have the new name.
CREATE FOREIGN TABLE early_name (n int) SERVER watched OPTIONS (name 'failing', form 'failing');
SELECT * FROM early_name;
ALTER FOREIGN TABLE early_name RENAME TO late_name;
SELECT * FROM late_name;
SELECT event FROM journal WHERE event ~ '__init__|close';

-- A scan keeps the instance that it has begun with. The change is seen by the next scan; the old
-- instance is closed when its last scan ends.
BEGIN;
DECLARE early CURSOR FOR SELECT n FROM a;
FETCH 1 FROM early;
ALTER SERVER watched OPTIONS (ADD later 'true');
SELECT n FROM a;
SELECT event FROM journal;
FETCH 1 FROM early;
CLOSE early;
COMMIT;
SELECT event FROM journal;

-- The same when the cursor ends with its transaction, in success or failure.
BEGIN;
DECLARE early CURSOR FOR SELECT n FROM a;
FETCH 1 FROM early;
ALTER SERVER watched OPTIONS (DROP later);
SELECT n FROM a;
COMMIT;
SELECT event FROM journal;
BEGIN;
DECLARE early CURSOR FOR SELECT n FROM a;
FETCH 1 FROM early;
ALTER SERVER watched OPTIONS (ADD later 'true');
SELECT n FROM a;
ROLLBACK;
SELECT event FROM journal;

-- A cursor that was opened but never fetched from has been planned, but has not begun: it gets the
-- new one.
BEGIN;
DECLARE late CURSOR FOR SELECT n FROM a;
ALTER SERVER watched OPTIONS (ADD latest 'true');
FETCH ALL FROM late;
COMMIT;
SELECT event FROM journal;

-- Every role has an instance of its own, with its own mapping.
CREATE ROLE regress_other;
GRANT SELECT ON a, journal TO regress_other;
CREATE USER MAPPING FOR regress_other SERVER watched OPTIONS (name 'the other''s a');
SET ROLE regress_other;
SELECT count(*) FROM a;
RESET ROLE;
DROP USER MAPPING FOR regress_other SERVER watched;
CREATE USER MAPPING FOR regress_other SERVER watched OPTIONS (who 'other');
SET ROLE regress_other;
SELECT count(*) FROM a;
RESET ROLE;
SELECT count(*) FROM a;
SET ROLE regress_other;
SELECT count(*) FROM a;
RESET ROLE;
SELECT event FROM journal WHERE event ~ '__init__|close';

-- Another class is another instance.
ALTER FOREIGN TABLE b OPTIONS (ADD wrapper 'given.Columns');
SELECT n FROM b;
SELECT event FROM journal;

-- A constructor that fails is tried again at the next use. (Each try has its number.)
ALTER FOREIGN TABLE b OPTIONS (DROP wrapper, SET rows 'many');
SELECT n FROM b;
SELECT n FROM b;
ALTER FOREIGN TABLE b OPTIONS (SET rows '1');
SELECT n FROM b;
SELECT event FROM journal;

-- As long as the new constructor fails, the old instance stays; it is closed when it is replaced.
ALTER FOREIGN TABLE b OPTIONS (SET rows 'many');
SELECT n FROM b;
SELECT event FROM journal;
ALTER FOREIGN TABLE b OPTIONS (SET rows '1');
SELECT n FROM b;
SELECT event FROM journal;

-- The instance of a table that is dropped is closed, at the latest by the next use of any
-- foreign table.
DROP FOREIGN TABLE b;
SELECT event FROM journal;
BEGIN;
DROP FOREIGN TABLE a;
SELECT event FROM journal WHERE event ~ '__init__|close' ORDER BY event;
ROLLBACK;
SELECT n FROM a LIMIT 1;
SELECT event FROM journal WHERE event ~ '__init__|close';

-- A wrapper may ask where it is made. For one that has, an instance is made anew when that changes.
CREATE SERVER "a place" FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'lifecycle.Places');
CREATE FOREIGN TABLE asks (made int, in_schema name, is_table name, of_server name, as_user name,
    is_superuser boolean) SERVER "a place" OPTIONS (asks 'yes');
CREATE FOREIGN TABLE does_not_ask (made int, in_schema name, is_table name, of_server name,
    as_user name, is_superuser boolean) SERVER "a place";
SELECT made, in_schema, is_table, of_server, as_user = current_user AS as_me, is_superuser FROM asks;
SELECT made, is_table FROM does_not_ask;
ALTER FOREIGN TABLE asks RENAME TO "it asks";
ALTER FOREIGN TABLE does_not_ask RENAME TO "it does not";
SELECT made, is_table FROM "it asks";
SELECT made, is_table FROM "it does not";
ALTER SERVER "a place" RENAME TO elsewhere;
SELECT made, of_server FROM "it asks";
GRANT SELECT ON "it asks" TO regress_other;
SET ROLE regress_other;
SELECT as_user, is_superuser FROM "it asks";
RESET ROLE;
-- Later it is too late to ask.
EXPLAIN (COSTS off, VERBOSE) SELECT made FROM "it asks";

SET client_min_messages = warning;
DROP SERVER elsewhere CASCADE;
DROP SERVER watched CASCADE;
DROP OWNED BY regress_other;
DROP ROLE regress_other;
DROP SCHEMA elsewhere CASCADE;
DROP FUNCTION what_happens;
