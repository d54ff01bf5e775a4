-- What the session has of Python: multicorn_status(), multicorn_instances(), multicorn_reset()
-- and DISCARD ALL.
\getenv srcdir PG_ABS_SRCDIR
\i :srcdir/setup.sql

CREATE SERVER tracked FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'lifecycle.Tracked');
CREATE SERVER journal FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'lifecycle.Journal');
CREATE SERVER hooks FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'hooks.Hooks');
CREATE FOREIGN TABLE events (event text) SERVER journal;
CREATE FOREIGN TABLE first (n int) SERVER tracked OPTIONS (name 'first');
CREATE FOREIGN TABLE second (n int) SERVER tracked OPTIONS (name 'second', place 'hidden');
SET client_min_messages = error;
DROP ROLE IF EXISTS regress_administered;
RESET client_min_messages;
CREATE ROLE regress_administered;
GRANT SELECT ON first TO regress_administered;

-- Asking starts no Python, and a session without it has nothing to drop.
\c -
SELECT running, python_version, executable, prefix, virtualenv, package, started_by, instances,
       python_blocks, postgres_memory > 0 AS postgres, process_memory > 0 AS process
FROM multicorn_status();
SELECT * FROM multicorn_instances();
SELECT multicorn_reset();
DISCARD ALL;
SELECT running FROM multicorn_status();

-- With the first foreign table it runs.
\i :srcdir/setup.sql
SELECT count(*) FROM first;
SELECT running, python_version ~ '^3\.\d+\.\d+' AS version, executable <> '' AS executable,
       prefix <> '' AS prefix, virtualenv, package LIKE '%/multicorn-python/multicorn' AS package,
       started_by IN ('multicorn', 'PL/Python') AS started, instances,
       python_blocks >= 0 AS blocks, process_memory > postgres_memory AS process
FROM multicorn_status();

-- One instance per table and user. No option of a server, a table or a mapping is shown.
SELECT count(*) FROM second;
SET ROLE regress_administered;
SELECT count(*) FROM first;
RESET ROLE;
SELECT foreign_table, user_name = CURRENT_USER AS own, class, in_transaction, in_use,
       memory BETWEEN 100 AND 100000 AS memory
FROM multicorn_instances();
-- Every role may ask for what is its own session's.
SET ROLE regress_administered;
SELECT count(*) FROM multicorn_instances();
RESET ROLE;

-- multicorn_reset() closes them all; the next use makes new ones.
SELECT count(*) FROM events;
SELECT multicorn_reset();
SELECT * FROM multicorn_instances();
SELECT count(*) FROM first;
SELECT * FROM events;

-- Within a transaction as well, except for what it still uses.
BEGIN;
DECLARE reading CURSOR FOR SELECT n FROM first;
FETCH 2 FROM reading;
SELECT count(*) FROM second;
SELECT foreign_table, in_use FROM multicorn_instances() ORDER BY 1;
SELECT multicorn_reset();
SELECT foreign_table, in_use FROM multicorn_instances() ORDER BY 1;
FETCH 2 FROM reading;
COMMIT;
SELECT multicorn_reset() > 0 AS dropped;
SELECT count(*) FROM multicorn_instances();

-- The query that resets may itself read a foreign table.
SELECT multicorn_reset() FROM first LIMIT 1;
SELECT foreign_table, in_use FROM multicorn_instances();

-- An instance that takes part in the transaction stays until that has ended.
CREATE FOREIGN TABLE hooked (a int) SERVER hooks OPTIONS (name 'hooked');
BEGIN;
SELECT count(*) FROM hooked;
SELECT foreign_table, in_transaction, in_use FROM multicorn_instances() WHERE in_transaction;
SELECT multicorn_reset();
SELECT foreign_table, in_transaction FROM multicorn_instances();
ROLLBACK;
SELECT foreign_table, in_transaction FROM multicorn_instances();
SELECT multicorn_reset();

-- One whose begin() has failed takes no part, and is not in use.
CREATE FOREIGN TABLE next (event text, way text) SERVER hooks OPTIONS (wrapper 'hooks.Next');
SELECT FROM next WHERE event = ANY (ARRAY['hooked: begin False']);
SELECT count(*) FROM hooked;
SELECT foreign_table, in_transaction, in_use FROM multicorn_instances() ORDER BY 1;
SELECT multicorn_reset();

-- In a savepoint that is rolled back, too: what was dropped is made anew.
BEGIN;
SAVEPOINT s;
SELECT count(*) FROM second;
SELECT multicorn_reset();
ROLLBACK TO s;
SELECT count(*) FROM second;
COMMIT;

-- DISCARD ALL drops them, after it has taken effect, and nothing else does.
SELECT count(*) > 0 AS events FROM events;
SELECT count(*) FROM second;
DISCARD PLANS;
DISCARD TEMP;
DISCARD SEQUENCES;
BEGIN;
DISCARD ALL;
ROLLBACK;
SELECT foreign_table FROM multicorn_instances() ORDER BY 1;
DISCARD ALL;
SELECT * FROM multicorn_instances();
-- It has also reset the settings.
\i :srcdir/setup.sql
SELECT * FROM events WHERE event LIKE 'second #%: close';

-- What close() raises is a WARNING, and the others are closed all the same.
CREATE FOREIGN TABLE unclosable (a int) SERVER journal OPTIONS (wrapper 'broken.Broken', where 'close');
SELECT count(*) FROM unclosable;
SELECT count(*) FROM first;
SELECT multicorn_reset();
SELECT * FROM multicorn_instances();

SET client_min_messages = warning;
DROP SERVER tracked, journal, hooks CASCADE;
DROP ROLE regress_administered;
