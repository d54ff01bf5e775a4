-- How wrappers take part in transactions and savepoints: which hook is called when, and for whom.
\getenv srcdir PG_ABS_SRCDIR
\i :srcdir/setup.sql

-- The tables a, b and c write down what is asked of them; "journal" shows it, and forgets.
CREATE SERVER hooked FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'hooks.Hooks');
CREATE FOREIGN TABLE a (n int) SERVER hooked OPTIONS (name 'a');
CREATE FOREIGN TABLE b (n int) SERVER hooked OPTIONS (name 'b');
CREATE FOREIGN TABLE c (n int) SERVER hooked OPTIONS (name 'c', rows '3');
CREATE FOREIGN TABLE journal (event text) SERVER hooked OPTIONS (wrapper 'hooks.Journal');
-- "next" lets a hook go wrong, once, in the way that is asked for.
CREATE FOREIGN TABLE next (event text, way text) SERVER hooked OPTIONS (wrapper 'hooks.Next');
CREATE FUNCTION fails(events text[]) RETURNS void LANGUAGE sql
    AS 'SELECT FROM next WHERE event = ANY (events)';
CREATE FUNCTION goes(a_event text, a_way text) RETURNS void LANGUAGE sql
    AS 'SELECT FROM next WHERE event = ANY (ARRAY[a_event]) AND way = a_way';

-- ---------- transactions ----------

-- A statement by itself is a transaction: begin comes before every other call.
ALTER FOREIGN TABLE a OPTIONS (ADD verbose 'on');
SELECT n FROM a;
SELECT * FROM journal;

-- A block is one, for all its statements.
BEGIN;
SELECT n FROM a;
SELECT n FROM a;
COMMIT;
SELECT * FROM journal;
ALTER FOREIGN TABLE a OPTIONS (DROP verbose);

-- Instances hear of the end in the order in which they have joined.
BEGIN;
SELECT n FROM b;
SELECT n FROM a;
SELECT n FROM b;
SELECT n FROM c LIMIT 1;
COMMIT;
SELECT * FROM journal;

-- The same when it is rolled back.
BEGIN;
SELECT n FROM c LIMIT 1;
SELECT n FROM a;
ROLLBACK;
SELECT * FROM journal;

-- Or has failed. In a failed transaction nothing is called but the end, and that at once.
BEGIN;
SELECT n FROM b;
SELECT n FROM a;
SELECT 1 / 0;
SELECT n FROM c;
COMMIT;
SELECT * FROM journal;
SELECT 1 / (n - 1) FROM a;
SELECT * FROM journal;

-- A transaction in which none was used calls nothing; nor does one of another table.
BEGIN;
SELECT 1;
COMMIT;
BEGIN;
CREATE FOREIGN TABLE unused (n int) SERVER hooked;
SELECT 1 / 0;
ROLLBACK;
SELECT * FROM journal;

-- Planning is a use, so EXPLAIN is, and PREPARE is not; a query that is answered without the table
-- is not one either.
EXPLAIN (COSTS off) SELECT n FROM a;
SELECT * FROM journal;
PREPARE of_a AS SELECT n FROM a;
SELECT * FROM journal;
EXECUTE of_a;
SELECT * FROM journal;
SELECT n FROM a WHERE false;
SELECT * FROM journal;
-- A plan that is kept is no new planning: reading is a use as well.
SET plan_cache_mode = force_generic_plan;
EXECUTE of_a;
SELECT * FROM journal;
EXECUTE of_a;
SELECT * FROM journal;
RESET plan_cache_mode;

-- begin is told whether all statements of the transaction see the same: in REPEATABLE READ and
-- SERIALIZABLE.
BEGIN ISOLATION LEVEL READ UNCOMMITTED;
SELECT n FROM a;
COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT n FROM a;
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE;
SELECT n FROM a;
COMMIT;
SELECT event FROM journal WHERE event LIKE '%begin%';
-- A transaction that only reads is one like any other.
BEGIN READ ONLY;
SELECT n FROM a;
COMMIT;
SELECT * FROM journal;
-- COMMIT AND CHAIN begins another, in which the next use joins.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT n FROM a;
COMMIT AND CHAIN;
SELECT 1;
ROLLBACK AND CHAIN;
SELECT n FROM a;
ROLLBACK;
SELECT * FROM journal;

-- A wrapper need not have all of the hooks.
CREATE FOREIGN TABLE few (n int) SERVER hooked OPTIONS (wrapper 'hooks.Few', name 'few');
BEGIN;
SELECT n FROM few;
SAVEPOINT s;
SELECT n FROM few;
ROLLBACK TO s;
COMMIT;
SELECT 1 / (n - 1) FROM few;
SELECT * FROM journal;

-- Every role has an instance of its own, which takes part by itself.
CREATE ROLE regress_hooks;
GRANT SELECT ON a TO regress_hooks;
BEGIN;
SELECT n FROM a;
SET ROLE regress_hooks;
SELECT n FROM a;
RESET ROLE;
COMMIT;
SELECT * FROM journal;

-- DISCARD ends neither an instance nor anything else of a wrapper.
DISCARD ALL;
\i :srcdir/setup.sql
SELECT n FROM a;
SELECT * FROM journal;

-- ---------- savepoints ----------

-- sub_begin comes with the first use inside a savepoint, for each level around it.
BEGIN;
SELECT n FROM a;
SAVEPOINT s;
SELECT 1;
SAVEPOINT t;
SELECT n FROM a;
SELECT n FROM b;
SELECT * FROM journal;
RELEASE t;
SELECT * FROM journal;
RELEASE s;
COMMIT;
SELECT * FROM journal;

-- A savepoint in which an instance was not used does not concern it.
BEGIN;
SELECT n FROM a;
SAVEPOINT s;
SELECT n FROM b;
ROLLBACK TO s;
RELEASE s;
COMMIT;
SELECT * FROM journal;

-- ROLLBACK TO ends the savepoint and those inside, from within; the savepoint itself begins anew
-- with the next use.
BEGIN;
SELECT n FROM a;
SAVEPOINT s;
SELECT n FROM b;
SAVEPOINT t;
SELECT n FROM a;
SAVEPOINT u;
SELECT n FROM c LIMIT 1;
ROLLBACK TO s;
SELECT * FROM journal;
ROLLBACK TO s;
SELECT * FROM journal;
SELECT n FROM a;
ROLLBACK TO s;
COMMIT;
SELECT * FROM journal;

-- RELEASE of an outer savepoint, COMMIT and ROLLBACK end all of them.
BEGIN;
SAVEPOINT s;
SELECT n FROM a;
SAVEPOINT t;
SELECT n FROM a;
RELEASE s;
SAVEPOINT s;
SAVEPOINT t;
SELECT n FROM b;
COMMIT;
SELECT * FROM journal;
BEGIN;
SAVEPOINT s;
SELECT n FROM a;
SAVEPOINT t;
SELECT n FROM b;
ROLLBACK;
SELECT * FROM journal;

-- An error rolls back the innermost savepoint at once, the others when they end.
BEGIN;
SAVEPOINT s;
SELECT n FROM a;
SAVEPOINT t;
SELECT 1 / (n - 1) FROM a;
ROLLBACK TO s;
SELECT * FROM journal;
SAVEPOINT t;
SELECT n FROM b;
SELECT 1 / 0;
ROLLBACK;
SELECT * FROM journal;

-- A block of PL/pgSQL with EXCEPTION is a savepoint.
DO $$
BEGIN
    PERFORM n FROM a;
    BEGIN
        PERFORM n FROM a;
        BEGIN
            PERFORM n FROM b;
        EXCEPTION WHEN others THEN
            RAISE NOTICE 'not reached';
        END;
        RAISE division_by_zero;
    EXCEPTION WHEN division_by_zero THEN
        RAISE NOTICE 'caught';
        PERFORM n FROM b;
    END;
END $$;
SELECT * FROM journal;
-- An error that is caught no earlier than at the top.
DO $$
BEGIN
    BEGIN
        PERFORM n FROM a;
        PERFORM 1 / (n - 1) FROM b;
    EXCEPTION WHEN no_data_found THEN
        RAISE NOTICE 'not reached';
    END;
END $$;
SELECT * FROM journal;
-- A function that is called for every row: each call has a savepoint of its own.
CREATE FUNCTION tried(x int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT n / (x - 2) FROM a);
EXCEPTION WHEN division_by_zero THEN
    RETURN NULL;
END $$;
SELECT n, tried(n) FROM c;
SELECT * FROM journal;

-- A procedure may end transactions. A loop over a table outlives them, since PostgreSQL reads all
-- of its rows before the first COMMIT.
CREATE PROCEDURE committing() LANGUAGE plpgsql AS $$
DECLARE
    x int;
BEGIN
    PERFORM n FROM a;
    COMMIT;
    PERFORM n FROM b;
    ROLLBACK;
    COMMIT;
    FOR x IN SELECT n FROM c LOOP
        PERFORM n FROM a WHERE x = 2;
        COMMIT;
    END LOOP;
    PERFORM n FROM b;
END $$;
CALL committing();
SELECT * FROM journal;
-- In a block DO as well.
DO $$
BEGIN
    PERFORM n FROM a;
    COMMIT;
    BEGIN
        PERFORM n FROM a;
    EXCEPTION WHEN others THEN
        NULL;
    END;
    ROLLBACK;
END $$;
SELECT * FROM journal;

-- ---------- cursors ----------

-- Taking a row is a use, also inside a savepoint that is younger than the cursor.
BEGIN;
DECLARE d CURSOR FOR SELECT n FROM c;
FETCH 1 FROM d;
SAVEPOINT s;
SELECT * FROM journal;
FETCH 1 FROM d;
SELECT * FROM journal;
ROLLBACK TO s;
SELECT * FROM journal;
FETCH 1 FROM d;
COMMIT;
SELECT * FROM journal;
-- So is beginning with one.
BEGIN;
DECLARE d CURSOR FOR SELECT n FROM c;
SAVEPOINT s;
FETCH 1 FROM d;
RELEASE s;
FETCH 1 FROM d;
SAVEPOINT t;
CLOSE d;
RELEASE t;
COMMIT;
SELECT * FROM journal;
-- The scans of a transaction that fails end before the instance hears of it.
ALTER FOREIGN TABLE c OPTIONS (ADD verbose 'on');
BEGIN;
DECLARE d CURSOR FOR SELECT n FROM c;
FETCH 1 FROM d;
SAVEPOINT s;
DECLARE e CURSOR FOR SELECT n FROM c;
FETCH 1 FROM e;
ROLLBACK TO s;
ROLLBACK;
SELECT event FROM journal WHERE event NOT LIKE '%close';
-- A cursor WITH HOLD is read to its end before pre_commit, and has nothing to do with the
-- transactions that follow.
BEGIN;
DECLARE d CURSOR WITH HOLD FOR SELECT n FROM c;
FETCH 1 FROM d;
COMMIT;
SELECT * FROM journal;
BEGIN;
FETCH 1 FROM d;
ROLLBACK;
CLOSE d;
SELECT * FROM journal;
ALTER FOREIGN TABLE c OPTIONS (DROP verbose);
-- One that was not fetched from joins in the middle of COMMIT; one that fails there fails it.
BEGIN;
DECLARE d CURSOR WITH HOLD FOR SELECT n FROM c;
COMMIT;
SELECT * FROM journal;
CLOSE d;
BEGIN;
SELECT n FROM a;
DECLARE d CURSOR WITH HOLD FOR SELECT 1 / (n - 2) FROM c;
COMMIT;
SELECT * FROM journal;
-- A constraint trigger that is deferred is the same: it comes before pre_commit.
CREATE TABLE heap (n int);
CREATE FUNCTION reads_b() RETURNS trigger LANGUAGE plpgsql
    AS 'BEGIN PERFORM n FROM b; RETURN NULL; END';
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON heap DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION reads_b();
BEGIN;
INSERT INTO heap SELECT n FROM a;
SELECT * FROM journal;
COMMIT;
SELECT * FROM journal;

-- ---------- errors ----------

-- Whatever fails in begin fails the statement. The instance does not take part then; those that
-- do get their hook.
SELECT fails('{a: begin False}');
BEGIN;
SELECT n FROM b;
SELECT n FROM a;
COMMIT;
SELECT * FROM journal;
-- It may try again. The order is that of success.
SELECT fails('{a: begin False}');
BEGIN;
SAVEPOINT s;
SELECT n FROM a;
ROLLBACK TO s;
SELECT n FROM b;
SELECT n FROM a;
COMMIT;
SELECT * FROM journal;
-- sub_begin is the same for its savepoint.
SELECT fails('{a: sub_begin 3}');
BEGIN;
SAVEPOINT s;
SAVEPOINT t;
SELECT n FROM a;
ROLLBACK TO t;
SELECT * FROM journal;
SELECT n FROM a;
COMMIT;
SELECT * FROM journal;

-- What fails in pre_commit rolls back all, also those that were prepared already.
BEGIN;
INSERT INTO heap VALUES (10);
SELECT n FROM a;
SELECT n FROM b;
SELECT n FROM c LIMIT 1;
SELECT fails('{b: pre_commit}');
COMMIT;
SELECT * FROM journal;
SELECT count(*) FROM heap WHERE n = 10;

-- What fails in sub_commit rolls back the savepoint, and what is around it: RELEASE itself has
-- failed.
BEGIN;
SELECT n FROM a;
SAVEPOINT s;
SAVEPOINT t;
SELECT n FROM a;
SELECT fails('{a: sub_commit 3}');
RELEASE t;
ROLLBACK TO s;
SELECT n FROM a;
COMMIT;
SELECT * FROM journal;
-- PL/pgSQL may catch it.
SELECT fails('{a: sub_commit 2}');
DO $$
BEGIN
    BEGIN
        PERFORM n FROM a;
    EXCEPTION WHEN others THEN
        RAISE NOTICE 'caught: %', sqlerrm;
    END;
END $$;
SELECT * FROM journal;

-- After the decision nothing may fail any more: it is a WARNING, and the others get their hook.
BEGIN;
INSERT INTO heap VALUES (20);
SELECT n FROM a;
SELECT n FROM b;
SELECT n FROM c LIMIT 1;
SELECT fails('{a: commit, b: commit}');
COMMIT;
SELECT * FROM journal;
SELECT count(*) FROM heap WHERE n = 20;
BEGIN;
SELECT n FROM a;
SELECT n FROM b;
SELECT fails('{a: rollback}');
ROLLBACK;
SELECT * FROM journal;
-- So is an error that is logged, even one that would end the session.
BEGIN;
SELECT n FROM a;
SELECT goes('a: commit', 'log_error');
COMMIT;
BEGIN;
SELECT n FROM a;
SELECT goes('a: commit', 'log_critical');
COMMIT;
BEGIN;
SELECT n FROM a;
SELECT goes('a: rollback', 'print');
ROLLBACK;
SELECT * FROM journal;

-- What an instance could not roll back to a savepoint, it must not commit: it is doomed. Another
-- use is an error ...
BEGIN;
SELECT n FROM a;
SELECT n FROM b;
SAVEPOINT s;
SELECT n FROM a;
SELECT n FROM b;
SELECT fails('{a: sub_rollback 2}');
ROLLBACK TO s;
SELECT n FROM b;
SELECT n FROM a;
ROLLBACK TO s;
EXPLAIN SELECT n FROM a;
ROLLBACK;
SELECT * FROM journal;
-- ... also of a cursor from before, and inside another savepoint ...
BEGIN;
DECLARE d CURSOR FOR SELECT n FROM c;
FETCH 1 FROM d;
SAVEPOINT s;
FETCH 1 FROM d;
SELECT fails('{c: sub_rollback 2}');
ROLLBACK TO s;
SAVEPOINT t;
FETCH 1 FROM d;
ROLLBACK TO t;
SELECT n FROM c;
ROLLBACK;
SELECT * FROM journal;
-- ... and so is COMMIT, before pre_commit of any.
BEGIN;
SELECT n FROM b;
SAVEPOINT s;
SELECT n FROM a;
SELECT fails('{a: sub_rollback 2}');
ROLLBACK TO s;
COMMIT;
SELECT * FROM journal;
-- The savepoints around it can be rolled back, but not released.
BEGIN;
SAVEPOINT s;
SAVEPOINT t;
SELECT n FROM a;
SELECT fails('{a: sub_rollback 3}');
ROLLBACK TO t;
RELEASE s;
COMMIT;
SELECT * FROM journal;
BEGIN;
SAVEPOINT s;
SAVEPOINT t;
SELECT n FROM a;
SELECT fails('{a: sub_rollback 3}');
ROLLBACK TO s;
COMMIT;
SELECT * FROM journal;
-- As with COMMIT, the others hear nothing of a RELEASE that cannot succeed.
BEGIN;
SAVEPOINT s;
SELECT n FROM b;
SAVEPOINT t;
SELECT n FROM a;
SELECT fails('{a: sub_rollback 3}');
ROLLBACK TO t;
RELEASE s;
ROLLBACK;
SELECT * FROM journal;
-- In the next transaction it is as good as new.
SELECT n FROM a;
SELECT * FROM journal;

-- An instance that has released a savepoint cannot roll back to it: when it is rolled back after
-- all because another instance fails, the first is doomed. One that knows no sub_commit is not.
DO $$
BEGIN
    BEGIN
        PERFORM n FROM a;
        PERFORM n FROM few;
        PERFORM n FROM b;
        PERFORM fails('{b: sub_commit 2}');
    EXCEPTION WHEN others THEN
        RAISE NOTICE 'caught: %', sqlerrm;
    END;
    PERFORM n FROM few;
    PERFORM n FROM b;
    PERFORM n FROM a;
END $$;
SELECT * FROM journal;

-- ---------- instances that change ----------

-- A change of the table makes a new instance, in the middle of a transaction too. The old one has
-- taken part: it gets its hook, and is closed after that, at the next use of a foreign table.
ALTER FOREIGN TABLE a OPTIONS (ADD verbose 'on');
BEGIN;
SELECT n FROM a;
ALTER FOREIGN TABLE a OPTIONS (SET name 'A');
SELECT n FROM a;
COMMIT;
SELECT * FROM journal;
-- A change that is rolled back leaves three of them.
BEGIN;
SELECT n FROM a;
SAVEPOINT s;
ALTER FOREIGN TABLE a OPTIONS (SET name 'aa');
SELECT n FROM a;
ROLLBACK TO s;
SELECT n FROM a;
ROLLBACK;
SELECT * FROM journal;
-- The instance of a table that is dropped hears of the end, too.
BEGIN;
SELECT n FROM a;
DROP FOREIGN TABLE a;
COMMIT;
SELECT * FROM journal;

-- ---------- TransactionAwareForeignDataWrapper ----------

-- It collects changes, and makes them in pre_commit.
CREATE FOREIGN TABLE collected (n int) SERVER hooked OPTIONS (wrapper 'hooks.Collects');
CREATE FOREIGN TABLE changes (change text) SERVER hooked OPTIONS (wrapper 'hooks.Changes');
BEGIN;
INSERT INTO collected VALUES (1), (2), (3);
SELECT * FROM collected;
SELECT * FROM changes;
COMMIT;
SELECT * FROM changes;
SELECT * FROM collected;
SELECT * FROM journal;
-- What a savepoint has added goes with it; what was released stays.
BEGIN;
INSERT INTO collected VALUES (4);
SAVEPOINT s;
UPDATE collected SET n = n * 10 WHERE n = 1;
SAVEPOINT t;
DELETE FROM collected WHERE n = 2;
RELEASE t;
SAVEPOINT t;
DELETE FROM collected WHERE n = 3;
ROLLBACK TO t;
SELECT * FROM changes;
SAVEPOINT u;
INSERT INTO collected VALUES (5);
SELECT * FROM changes;
ROLLBACK TO s;
SELECT * FROM changes;
INSERT INTO collected VALUES (6);
COMMIT;
SELECT * FROM collected;
SELECT * FROM journal;
-- A rollback forgets all.
BEGIN;
DELETE FROM collected;
SELECT * FROM changes;
ROLLBACK;
SELECT * FROM changes;
DO $$
BEGIN
    INSERT INTO collected VALUES (7);
    BEGIN
        DELETE FROM collected;
        PERFORM 1 / 0;
    EXCEPTION WHEN division_by_zero THEN
        INSERT INTO collected VALUES (8);
    END;
END $$;
SELECT * FROM collected;
SELECT * FROM journal;

-- ---------- PREPARE TRANSACTION ----------

-- A transaction that was prepared would have nobody to finish it for the wrapper.
BEGIN;
SELECT n FROM b;
PREPARE TRANSACTION 'regress_hooks';
SELECT * FROM journal;

SET client_min_messages = warning;
DROP SERVER hooked CASCADE;
DROP TABLE heap;
DROP FUNCTION fails, goes, tried, reads_b;
DROP PROCEDURE committing;
DROP ROLE regress_hooks;
