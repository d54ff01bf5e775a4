-- What EXPLAIN shows of a foreign scan, and what a wrapper can add to it.
\getenv srcdir PG_ABS_SRCDIR
\i :srcdir/setup.sql

CREATE SERVER srv FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'catalog.Explained');
CREATE FOREIGN TABLE t (n int, who text) SERVER srv OPTIONS (promises 'sort limit filter', rows '5');
CREATE FOREIGN TABLE plain (n int, who text) SERVER srv OPTIONS (rows '5');

-- The methods of EXPLAIN get what execute() would get; execute() itself, which would tell, is not
-- called.
EXPLAIN (COSTS OFF) SELECT n FROM plain;
EXPLAIN (COSTS OFF) SELECT count(*) FROM plain;
EXPLAIN (COSTS OFF) SELECT * FROM plain WHERE n > 1 AND who IS NOT NULL ORDER BY n LIMIT 2;

-- What the wrapper does itself has lines of its own, and PostgreSQL none for it.
EXPLAIN (COSTS OFF) SELECT * FROM t ORDER BY n;
EXPLAIN (COSTS OFF) SELECT * FROM t WHERE n = 3;
EXPLAIN (COSTS OFF) SELECT * FROM t WHERE n = 3 AND who LIKE 'x%';
EXPLAIN (COSTS OFF) SELECT * FROM t LIMIT 2;
EXPLAIN (COSTS OFF) SELECT * FROM t OFFSET 2;
EXPLAIN (COSTS OFF) SELECT * FROM t WHERE n < 4 ORDER BY n DESC LIMIT 2 OFFSET 1;
SELECT n FROM t WHERE n < 4 ORDER BY n DESC LIMIT 2 OFFSET 1;
EXPLAIN (COSTS OFF) SELECT * FROM t WHERE n < 4 AND n < 3 ORDER BY n NULLS FIRST, who COLLATE "C";
EXPLAIN (COSTS OFF) SELECT * FROM t LIMIT ALL OFFSET NULL;

-- VERBOSE shows what execute() is given; explain() is told.
EXPLAIN (COSTS OFF, VERBOSE) SELECT n FROM plain;
EXPLAIN (COSTS OFF, VERBOSE) SELECT n FROM plain WHERE n > 1 AND who = 'x';
EXPLAIN (COSTS OFF, VERBOSE) SELECT count(*) FROM plain;
EXPLAIN (COSTS OFF, VERBOSE) SELECT n FROM t AS a WHERE n < 3 ORDER BY n LIMIT 1;

-- Names are quoted as SQL has them.
CREATE FOREIGN TABLE "Odd ""table" ("n" int, "who? ""me""" text) SERVER srv
    OPTIONS (promises 'sort limit filter', says 'nothing');
EXPLAIN (COSTS OFF, VERBOSE) SELECT "who? ""me""" FROM "Odd ""table" WHERE "who? ""me""" = 'it''s' ORDER BY n;

-- Values that the plan does not know are question marks; lists of them are lists.
SET plan_cache_mode = force_generic_plan;
PREPARE one (int, text) AS SELECT n FROM plain WHERE n > $1 AND who = $2;
EXPLAIN (COSTS OFF, VERBOSE) EXECUTE one (1, 'x');
PREPARE many (int[], int) AS SELECT n FROM plain WHERE n = ANY ($1) AND n <> ALL (ARRAY[1, $2]);
EXPLAIN (COSTS OFF) EXECUTE many ('{1,2}', 3);
PREPARE filtered (int) AS SELECT n FROM t WHERE n < $1 + 1;
EXPLAIN (COSTS OFF) EXECUTE filtered (1);
PREPARE limited (bigint, bigint) AS SELECT n FROM t LIMIT $1 OFFSET $2;
EXPLAIN (COSTS OFF) EXECUTE limited (1, 2);
PREPARE limited_to_parts (bigint) AS SELECT n FROM t ORDER BY n LIMIT $1 * 2 OFFSET 1;
EXPLAIN (COSTS OFF) EXECUTE limited_to_parts (1);
-- Also where there are none, and where no row could match.
EXPLAIN (COSTS OFF) EXECUTE limited (NULL, NULL);
EXPLAIN (COSTS OFF) EXECUTE one (NULL, NULL);
-- A custom plan knows them.
SET plan_cache_mode = force_custom_plan;
EXPLAIN (COSTS OFF, VERBOSE) EXECUTE one (1, 'x');
EXPLAIN (COSTS OFF) EXECUTE many ('{1,2}', 3);
EXPLAIN (COSTS OFF) EXECUTE filtered (1);
EXPLAIN (COSTS OFF) EXECUTE limited (1, 2);
EXPLAIN (COSTS OFF) EXECUTE limited (NULL, NULL);
RESET plan_cache_mode;

-- What is evaluated once for the scan is not known either.
EXPLAIN (COSTS OFF) SELECT n FROM plain WHERE who = current_user;
EXPLAIN (COSTS OFF) SELECT n FROM t WHERE who = current_user;
-- Nor is the other side of a join; with the values of another query it is the same.
CREATE FUNCTION wrapper_lines(query text, options text DEFAULT 'COSTS OFF') RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE format('EXPLAIN (%s) %s', options, query) LOOP
        IF line ~ 'Wrapper|Foreign Scan' THEN
            -- A time is a time, and a subquery is $0 or (InitPlan 1).col1.
            line := regexp_replace(btrim(line), '(Time.*: )[0-9.]+ ms', '\1# ms');
            RETURN NEXT replace(line, '(InitPlan 1).col1', '$0');
        END IF;
    END LOOP;
END $$;
SELECT wrapper_lines('SELECT x, (SELECT n FROM plain WHERE n = x) FROM generate_series(1, 2) AS x');
SELECT wrapper_lines('SELECT n FROM plain WHERE n = (SELECT 2)');
SELECT wrapper_lines('SELECT n FROM t WHERE n = (SELECT 2)');

-- A condition that cannot be true: explain() is not asked, for execute() would not be called.
EXPLAIN (COSTS OFF) SELECT n FROM plain WHERE n = ANY (NULL::int[]);
EXPLAIN (COSTS OFF, VERBOSE) SELECT n FROM plain WHERE n = ANY (NULL::int[]);

-- A wrapper need not have the method.
CREATE FOREIGN TABLE wordless (n int) SERVER srv OPTIONS (wrapper 'catalog.Wordless');
EXPLAIN (COSTS OFF) SELECT * FROM wordless WHERE n = 1;
EXPLAIN (COSTS OFF, VERBOSE) SELECT * FROM wordless WHERE n = 1;

-- What explain() may return, and what becomes of everything else. Exceptions are lines, so that a
-- plan can always be seen.
CREATE FUNCTION says(how text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER FOREIGN TABLE plain OPTIONS (SET says %L)', how);
    RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) SELECT n FROM plain';
END $$;
ALTER FOREIGN TABLE plain OPTIONS (ADD says 'nothing');
SELECT says('nothing');
SELECT says('empty');
SELECT says('blank');
SELECT says('text');
SELECT says('lines');
SELECT says('letters');
SELECT says('control');
SELECT says('odd');
SELECT says('nul');
SELECT says('number');
SELECT length(says) FROM says('long');
SELECT says('raises');
SELECT says('raises_error');
SELECT says('raises_later');
SELECT says('speechless');
SELECT says('types');
SELECT says('notice');
-- But for those that are to end the query.
SELECT says('exits');
SELECT says('text');

-- What explain() does with its lists changes nothing.
SELECT says('types');
PREPARE again AS SELECT n FROM plain WHERE n > 3;
EXPLAIN (COSTS OFF) EXECUTE again;
EXECUTE again;

-- Secrets stay secret: the values of options that are named like one, in lines and in errors.
CREATE USER MAPPING FOR CURRENT_USER SERVER srv OPTIONS (password 'hunter2hunter2', api_key 'k€y-value');
SELECT says('secrets');
SELECT says('raises_secrets');
DROP USER MAPPING FOR CURRENT_USER SERVER srv;

-- With ANALYZE: what was fetched, how often execute() was called again, and where the time went.
ALTER FOREIGN TABLE plain OPTIONS (SET says 'nothing');
SET client_min_messages = warning;
SELECT wrapper_lines('SELECT n FROM plain', 'ANALYZE, TIMING OFF, COSTS OFF') OFFSET 1;
SELECT wrapper_lines('SELECT n FROM plain', 'ANALYZE, COSTS OFF') OFFSET 1;
SELECT wrapper_lines('SELECT n FROM plain LIMIT 2', 'ANALYZE, TIMING OFF, COSTS OFF') OFFSET 1;
SELECT wrapper_lines('SELECT n FROM plain LIMIT 0', 'ANALYZE, TIMING OFF, COSTS OFF') OFFSET 1;
-- Rows that PostgreSQL removes were fetched; those that the wrapper removes were not.
SELECT wrapper_lines('SELECT n FROM plain WHERE n = 3', 'ANALYZE, TIMING OFF, COSTS OFF') OFFSET 1;
ALTER FOREIGN TABLE t OPTIONS (ADD says 'nothing');
SELECT wrapper_lines('SELECT n FROM t WHERE n = 3', 'ANALYZE, TIMING OFF, COSTS OFF') OFFSET 1;
SELECT wrapper_lines('SELECT n FROM t WHERE n < 5 LIMIT 2 OFFSET 1', 'ANALYZE, TIMING OFF, COSTS OFF') OFFSET 1;
-- The inner side of a nested loop is read anew for each row.
SELECT wrapper_lines($$SELECT x, (SELECT n FROM plain WHERE n = x) FROM generate_series(1, 4) AS x$$,
                     'ANALYZE, TIMING OFF, COSTS OFF') OFFSET 1;
-- A scan that is never begun.
SELECT wrapper_lines($$SELECT x, (SELECT n FROM plain WHERE n = x) FROM generate_series(1, 0) AS x$$,
                     'ANALYZE, TIMING OFF, COSTS OFF') OFFSET 1;
-- A strict condition with NULL: execute() is not called.
SELECT wrapper_lines($$SELECT x, (SELECT n FROM plain WHERE n = x) FROM (VALUES (1), (NULL), (2)) AS v (x)$$,
                     'ANALYZE, TIMING OFF, COSTS OFF') OFFSET 1;
RESET client_min_messages;
-- An error of execute() is an error here, too.
ALTER FOREIGN TABLE plain OPTIONS (ADD wrapper 'broken.Broken', ADD error 'ValueError', ADD "where" 'execute');
EXPLAIN (COSTS OFF) SELECT n FROM plain;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT n FROM plain;
ALTER FOREIGN TABLE plain OPTIONS (DROP wrapper, DROP error, DROP "where");

-- The other formats: lists are lists, numbers numbers, and everything is well-formed, whatever
-- explain() says.
ALTER FOREIGN TABLE t OPTIONS (SET says 'letters');
CREATE FUNCTION explained(query text, options text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    plan text;
BEGIN
    EXECUTE format('EXPLAIN (%s) %s', options, query) INTO plan;
    RETURN plan;
END $$;
\set query 'SELECT n FROM t WHERE n < 4 ORDER BY n LIMIT 2 OFFSET 1'
SELECT jsonb_pretty(jsonb_object_agg(key, value))
FROM jsonb_each(explained(:'query', 'FORMAT json, COSTS OFF, VERBOSE')::jsonb #> '{0,Plan}')
WHERE key LIKE 'Wrapper%';
SELECT key, jsonb_typeof(value)
FROM jsonb_each(explained('SELECT n FROM plain', 'FORMAT json, ANALYZE')::jsonb #> '{0,Plan}')
WHERE key LIKE 'Wrapper%';
SELECT x.* FROM xmltable(
    XMLNAMESPACES ('http://www.postgresql.org/2009/explain' AS e),
    '//e:*[starts-with(local-name(), "Wrapper")]'
    PASSING xmlparse(DOCUMENT explained(:'query', 'FORMAT xml, COSTS OFF, VERBOSE'))
    COLUMNS name text PATH 'local-name()', value text PATH 'normalize-space()') AS x;
-- YAML: what is quoted there is a string of JSON.
CREATE FUNCTION yaml_lines(yaml text) RETURNS TABLE (line text, value jsonb) LANGUAGE sql AS $$
    WITH lines AS (
        SELECT number, l,
               count(*) FILTER (WHERE l ~ '^ +Wrapper') OVER (ORDER BY number) AS block,
               l ~ '^ +[A-Z]' AND l !~ '^ +Wrapper' AS ends
        FROM regexp_split_to_table(yaml, '\n') WITH ORDINALITY AS t (l, number)
    )
    SELECT btrim(l), CASE WHEN l ~ '"$' THEN substring(l FROM '".*"$')::jsonb END
    FROM lines WHERE block > 0 AND NOT ends ORDER BY number
$$;
SELECT * FROM yaml_lines(explained(:'query', 'FORMAT yaml, COSTS OFF, VERBOSE'));
-- Nothing to say leaves nothing there.
ALTER FOREIGN TABLE t OPTIONS (SET says 'empty');
SELECT explained('SELECT n FROM t', 'FORMAT json, COSTS OFF')::jsonb #> '{0,Plan}' ? 'Wrapper' AS found;
ALTER FOREIGN TABLE t OPTIONS (SET says 'text');
SELECT explained('SELECT n FROM t', 'FORMAT json, COSTS OFF')::jsonb #> '{0,Plan,Wrapper}' AS found;

-- EXPLAIN of what is inside of other statements.
EXPLAIN (COSTS OFF) CREATE TABLE copied AS SELECT n FROM t;
EXPLAIN (COSTS OFF) DECLARE c CURSOR FOR SELECT n FROM t;

SET client_min_messages = warning;
DROP SERVER srv CASCADE;
DROP FUNCTION wrapper_lines, says, explained, yaml_lines;
