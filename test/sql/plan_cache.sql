-- Plans are kept by prepared statements, functions and cursors: each relies on what one instance has
-- promised, and serves nothing else.
\getenv srcdir PG_ABS_SRCDIR
\i :srcdir/setup.sql

SET client_min_messages = error;
DROP ROLE IF EXISTS regress_one, regress_two;
RESET client_min_messages;
CREATE ROLE regress_one;
CREATE ROLE regress_two;
CREATE SERVER srv FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'catalog.Promising');
CREATE FOREIGN TABLE t (n int, who text) SERVER srv OPTIONS (promises 'sort limit filter', rows '4');
GRANT SELECT ON t TO regress_one, regress_two;

-- A statement whose order, condition and limit are the wrapper's; what it answers, and what is left to
-- PostgreSQL in its plan.
PREPARE lowest (int) AS SELECT who, n FROM t WHERE n < $1 ORDER BY n LIMIT 2;
CREATE FUNCTION lowest(OUT answer text, OUT plan text) LANGUAGE plpgsql AS $$
DECLARE
    line text; who text; n int;
BEGIN
    FOR who, n IN EXECUTE 'EXECUTE lowest (4)' LOOP
        answer := concat_ws(' ', answer, who, n);
    END LOOP;
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) EXECUTE lowest (4)' LOOP
        plan := nullif(concat_ws(' ', plan, substring(line FROM '(Limit|Sort|Filter|Wrapper \w+)')), '');
    END LOOP;
END $$;
SET plan_cache_mode = force_generic_plan;
SELECT * FROM lowest();

-- Whatever changes what the class is given changes the plan: options of table, server and user mapping,
-- columns, and the class itself.
ALTER FOREIGN TABLE t OPTIONS (ADD who 'table');
SELECT * FROM lowest();
ALTER FOREIGN TABLE t OPTIONS (SET promises 'sort');
SELECT * FROM lowest();
ALTER FOREIGN TABLE t OPTIONS (DROP promises, DROP who);
SELECT * FROM lowest();
ALTER SERVER srv OPTIONS (ADD promises 'filter', ADD who 'server');
SELECT * FROM lowest();
ALTER SERVER srv OPTIONS (DROP promises, DROP who);
CREATE USER MAPPING FOR PUBLIC SERVER srv OPTIONS (promises 'sort filter', who 'anybody');
SELECT * FROM lowest();
CREATE USER MAPPING FOR CURRENT_USER SERVER srv OPTIONS (promises 'limit filter sort', who 'me');
SELECT * FROM lowest();
ALTER USER MAPPING FOR CURRENT_USER SERVER srv OPTIONS (SET promises '', SET who 'still me');
SELECT * FROM lowest();
DROP USER MAPPING FOR CURRENT_USER SERVER srv;
SELECT * FROM lowest();
DROP USER MAPPING FOR PUBLIC SERVER srv;
SELECT * FROM lowest();
ALTER FOREIGN TABLE t ADD made int;
SELECT * FROM lowest();
ALTER FOREIGN TABLE t OPTIONS (ADD wrapper 'lifecycle.Tracked');
SELECT * FROM lowest();
ALTER FOREIGN TABLE t OPTIONS (DROP wrapper, ADD promises 'sort limit filter');
SELECT * FROM lowest();
-- What is rolled back is as if it had not been.
BEGIN;
ALTER FOREIGN TABLE t OPTIONS (DROP promises, ADD who 'nobody else');
SELECT * FROM lowest();
SAVEPOINT s;
ALTER FOREIGN TABLE t OPTIONS (SET who 'somebody');
SELECT * FROM lowest();
ROLLBACK TO s;
SELECT * FROM lowest();
ROLLBACK;
SELECT * FROM lowest();
-- A type that is called otherwise is a change, too.
CREATE TYPE mood AS ENUM ('sad', 'ok');
ALTER FOREIGN TABLE t ADD m mood;
SELECT * FROM lowest();
ALTER TYPE mood RENAME TO feeling;
SELECT * FROM lowest();
EXECUTE lowest (3);
ALTER FOREIGN TABLE t DROP m;

-- The same where the plan is made for each execution.
SET plan_cache_mode = force_custom_plan;
SELECT * FROM lowest();
ALTER SERVER srv OPTIONS (ADD who 'server');
SELECT * FROM lowest();
ALTER SERVER srv OPTIONS (DROP who);
ALTER FOREIGN TABLE t OPTIONS (DROP promises);

-- A plan is one user's. Here, the user mapping decides what is promised.
CREATE USER MAPPING FOR regress_one SERVER srv OPTIONS (who 'one', promises 'sort filter limit');
CREATE USER MAPPING FOR regress_two SERVER srv OPTIONS (who 'two');
GRANT SELECT ON t TO regress_one, regress_two;
SET plan_cache_mode = force_generic_plan;
SET ROLE regress_one;
SELECT * FROM lowest();
SET ROLE regress_two;
SELECT * FROM lowest();
SET ROLE regress_one;
SELECT * FROM lowest();
RESET ROLE;
SELECT * FROM lowest();
-- Mappings that are made, changed or dropped for one.
ALTER USER MAPPING FOR regress_two SERVER srv OPTIONS (SET who 'second', ADD promises 'sort');
SET ROLE regress_two;
SELECT * FROM lowest();
RESET ROLE;
DROP USER MAPPING FOR regress_two SERVER srv;
SET ROLE regress_two;
SELECT * FROM lowest();
RESET ROLE;
CREATE USER MAPPING FOR regress_two SERVER srv OPTIONS (who 'two', promises 'filter');
SET ROLE regress_two;
SELECT * FROM lowest();
RESET ROLE;

-- Functions that keep their plans: with the rights of the caller, and of the owner.
CREATE FUNCTION callers(first int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT concat(who, ' ', n) FROM t WHERE n = first ORDER BY n LIMIT 1);
END $$;
CREATE FUNCTION owners(first int) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    RETURN (SELECT concat(who, ' ', n) FROM t WHERE n = first ORDER BY n LIMIT 1);
END $$;
ALTER FUNCTION owners OWNER TO regress_one;
SET ROLE regress_one;
SELECT callers(1), owners(1);
SET ROLE regress_two;
SELECT callers(2), owners(2);
RESET ROLE;
SELECT callers(3), owners(3);
SET ROLE regress_two;
SELECT callers(4), owners(4), callers(5), owners(5), callers(NULL), owners(NULL);
RESET ROLE;
-- Called often, with the planner's own choice between the two kinds of plans.
RESET plan_cache_mode;
SELECT i, callers(i), owners(i) FROM generate_series(1, 12) AS i;
ALTER USER MAPPING FOR regress_one SERVER srv OPTIONS (SET who 'first', DROP promises);
SELECT callers(i), owners(i) FROM generate_series(1, 2) AS i;
ALTER USER MAPPING FOR regress_one SERVER srv OPTIONS (SET who 'one', ADD promises 'sort filter limit');

-- Views read for their owner, unless they are those of the invoker.
CREATE VIEW view_of_one AS SELECT who, n FROM t;
CREATE VIEW view_of_caller WITH (security_invoker) AS SELECT who, n FROM t;
ALTER VIEW view_of_one OWNER TO regress_one;
GRANT SELECT ON view_of_one, view_of_caller TO regress_one, regress_two;
SET plan_cache_mode = force_generic_plan;
PREPARE of_one AS SELECT who, n FROM view_of_one ORDER BY n LIMIT 1;
PREPARE of_caller AS SELECT who, n FROM view_of_caller ORDER BY n LIMIT 1;
SET ROLE regress_two;
EXECUTE of_one;
EXECUTE of_caller;
EXPLAIN (COSTS OFF) EXECUTE of_one;
EXPLAIN (COSTS OFF) EXECUTE of_caller;
SET ROLE regress_one;
EXECUTE of_one;
EXECUTE of_caller;
EXPLAIN (COSTS OFF) EXECUTE of_caller;
RESET ROLE;
EXECUTE of_one;
EXECUTE of_caller;
ALTER VIEW view_of_one OWNER TO regress_two;
EXECUTE of_one;
-- Two users in one query.
SELECT a.who, b.who, a.n FROM view_of_one AS a JOIN t AS b USING (n) WHERE n = 2;

-- Both kinds of plans give the same answers.
ALTER FOREIGN TABLE t OPTIONS (ADD promises 'sort limit filter');
DEALLOCATE ALL;
PREPARE q1 (int, int, int) AS SELECT n FROM t WHERE n < $1 ORDER BY n DESC LIMIT $2 OFFSET $3;
PREPARE q2 (int, int, int) AS SELECT n FROM t WHERE n = $1 OR n IN ($2, $3) ORDER BY n;
PREPARE q3 (int, int, int) AS SELECT n FROM t WHERE n < $1 AND n <> $2 ORDER BY n NULLS FIRST LIMIT $3;
PREPARE q4 (int, int, int) AS SELECT count(*)::int FROM t AS a JOIN t AS b ON a.n = b.n WHERE a.n < $1 AND b.n < $2 + $3;
PREPARE q5 (int, int, int) AS SELECT n FROM t WHERE n = ANY (ARRAY[$1, $2, $3]) LIMIT 2;
CREATE FUNCTION answer(query text, mode text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    n int; answer text;
BEGIN
    PERFORM set_config('plan_cache_mode', mode, true);
    FOR n IN EXECUTE query LOOP
        answer := concat_ws(' ', answer, n);
    END LOOP;
    RETURN coalesce(answer, 'nothing');
EXCEPTION WHEN OTHERS THEN
    RETURN SQLERRM;
END $$;
SELECT query, generic, CASE WHEN custom <> generic THEN custom END AS other
FROM (SELECT query, answer(query, 'force_generic_plan') AS generic, answer(query, 'force_custom_plan') AS custom
      FROM (SELECT format('EXECUTE q%s (%s)', number, arguments)
            FROM generate_series(1, 5) AS number,
                 unnest('{"4, 2, 1","3, 1, 0","4, NULL, NULL","NULL, 1, 1","4, 0, 2","4, -1, 0","4, 1, -1"}'::text[]) AS arguments)
            AS queries (query)) AS answers;

-- Plans can be printed: what the wrapper was asked is in them.
SET client_min_messages = error;
SET debug_print_plan = on;
SET debug_print_parse = on;
SET debug_print_rewritten = on;
SELECT n FROM t WHERE n < 4 AND who IS NOT NULL ORDER BY n LIMIT 2 OFFSET 1;
EXECUTE q1 (4, 2, 1);
RESET debug_print_plan;
RESET debug_print_parse;
RESET debug_print_rewritten;
RESET client_min_messages;

-- Cursors. One that has begun to read goes on with the instance that it has.
BEGIN;
DECLARE reading CURSOR FOR SELECT who, n FROM t ORDER BY n;
FETCH reading;
ALTER SERVER srv OPTIONS (ADD who 'later');
FETCH reading;
SELECT who, n FROM t ORDER BY n LIMIT 1;
FETCH reading;
ROLLBACK;
-- One that was opened but not read was planned with what an instance had promised that is gone. The new one
-- is asked whether it promises the same; if not, the cursor is refused.
ALTER FOREIGN TABLE t OPTIONS (DROP promises);
ALTER SERVER srv OPTIONS (ADD promises 'sort limit filter', ADD who 'early');
CREATE FUNCTION late(query text, new_promises text, class text DEFAULT 'catalog.Promising') RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    late refcursor; answer text; hint text;
BEGIN
    OPEN late FOR EXECUTE query;
    EXECUTE format('ALTER SERVER srv OPTIONS (SET promises %L, SET who %L, SET wrapper %L)',
                   new_promises, 'late', class);
    FETCH late INTO answer;
    CLOSE late;
    ALTER SERVER srv OPTIONS (SET promises 'sort limit filter', SET who 'early', SET wrapper 'catalog.Promising');
    RETURN answer;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' | ', SQLSTATE, SQLERRM, hint);
END $$;
SELECT query, late(query, 'filter limit sort') AS answer FROM unnest(ARRAY[
    'SELECT who, n FROM t',
    'SELECT who, n FROM t ORDER BY n',
    'SELECT who, n FROM t WHERE n = 1',
    'SELECT who, n FROM t LIMIT 1',
    'SELECT who, n FROM t WHERE n < 4 ORDER BY n DESC LIMIT 1 OFFSET 1']) AS query;
SELECT late('SELECT who FROM t ORDER BY n', 'limit filter');
SELECT query, promises, CASE WHEN late(query, promises) = 'late' THEN 'served' ELSE 'refused' END AS outcome
FROM unnest(ARRAY[
    'SELECT who FROM t WHERE n <> 1',
    'SELECT who FROM t ORDER BY n',
    'SELECT who FROM t WHERE n = 1',
    'SELECT who FROM t LIMIT 1',
    'SELECT who FROM t OFFSET 1',
    'SELECT who FROM t WHERE n < 3 ORDER BY n LIMIT 1',
    'SELECT a.who FROM t AS a, t AS b WHERE a.n < 3 AND b.n = 3']) AS query,
    unnest('{sort,limit,filter,sort limit,sort filter,limit filter}'::text[]) AS promises;
-- Another class may not even know what that is.
SELECT query, late(query, '', 'catalog.Wordless') IS NULL AS served FROM unnest(ARRAY[
    'SELECT who FROM t', 'SELECT who FROM t ORDER BY n', 'SELECT who FROM t LIMIT 1']) AS query;
ALTER SERVER srv OPTIONS (SET promises 'sort limit filter', SET wrapper 'catalog.Promising', DROP who);
-- Nothing is asked again of an instance that has not changed: another server, statistics, an option that was
-- set to what it had been.
BEGIN;
CREATE SERVER other FOREIGN DATA WRAPPER multicorn;
DECLARE late CURSOR FOR SELECT who, n FROM t WHERE n < 3 ORDER BY n LIMIT 1;
ALTER SERVER other OPTIONS (ADD who 'other');
ALTER SERVER srv OPTIONS (ADD who 'later');
ALTER SERVER srv OPTIONS (DROP who);
ANALYZE t;
GRANT SELECT ON t TO PUBLIC;
FETCH late;
ROLLBACK;
-- A cursor that another role has opened is that role's.
ALTER USER MAPPING FOR regress_one SERVER srv OPTIONS (DROP promises);
ALTER USER MAPPING FOR regress_two SERVER srv OPTIONS (DROP promises);
BEGIN;
SET LOCAL ROLE regress_one;
DECLARE ones CURSOR FOR SELECT who, n FROM t ORDER BY n LIMIT 1;
SET LOCAL ROLE regress_two;
FETCH ones;
DECLARE twos CURSOR FOR SELECT who, n FROM t ORDER BY n LIMIT 1;
RESET ROLE;
FETCH twos;
ROLLBACK;

SET client_min_messages = warning;
DROP SERVER srv CASCADE;
DROP FUNCTION lowest, callers, owners, answer, late;
DROP TYPE feeling;
DROP ROLE regress_one, regress_two;
