-- multicorn.execute(): SQL that a wrapper runs in the session's own database.
\getenv srcdir PG_ABS_SRCDIR
\i :srcdir/setup.sql
CREATE SERVER srv FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'asking.Asks');
CREATE TABLE heap (n int PRIMARY KEY, word text NOT NULL, CHECK (n < 100));
INSERT INTO heap VALUES (1, 'one'), (2, 'two');

-- A table whose wrapper runs Python code, and has the rows that it leaves; here in execute().
CREATE FOREIGN TABLE asked (a text, b text, c text) SERVER srv OPTIONS (code '', place 'execute');
CREATE PROCEDURE has(code text, place text DEFAULT 'execute') LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER FOREIGN TABLE asked OPTIONS (SET code %L, SET place %L)', code, place);
END $$;

-- A result: rows are tuples of Python values, and the columns have names and types.
CALL has('rows = execute("SELECT * FROM heap ORDER BY n")');
SELECT a, b FROM asked;
CALL has($$
result = execute("SELECT n, word, 1.50 AS price, n = 1 AS first, ARRAY[n, NULL] FROM heap ORDER BY n")
rows = [(result.columns, result.rowcount, len(result)), (result[0], result.description[1], result)]
$$);
SELECT * FROM asked;
CALL has('rows = [(row,) for row in execute("SELECT n AS number, word FROM heap").mappings()]');
SELECT a FROM asked;
SELECT a FROM asked LIMIT 1;

-- Parameters have the types that the statement gives them.
CALL has('rows = execute("SELECT word, $1 + n, $2::date FROM heap WHERE n = $1", [2, "2024-05-01"])');
SELECT * FROM asked;
CALL has('rows = execute("SELECT $1::text[], $2::numeric, $3::bytea", [["a", None], "1.50", b"x"])');
SELECT * FROM asked;
CALL has('execute("SELECT $1", [1])');
SELECT * FROM asked;
CALL has('execute("SELECT $1::int, $2::int", [1])');
SELECT * FROM asked;
CALL has('execute("SELECT $1::int; SELECT 2", [1])');
SELECT * FROM asked;
CALL has('execute("SELECT 1 + $1::int", ["x"])');
SELECT * FROM asked;

-- What changes something is counted, and may return rows.
BEGIN;
CALL has($$
changed = execute("UPDATE heap SET word = upper(word)")
returned = execute("DELETE FROM heap WHERE n = $1 RETURNING *", [2])
made = execute("CREATE TABLE made (n int)")
rows = [(changed.rowcount, changed.columns, len(changed)), (returned.rowcount, returned[0], None),
        (made.rowcount, made.columns, None)]
$$);
SELECT * FROM asked;
SELECT * FROM heap, made;
SELECT * FROM heap;
ROLLBACK;

-- An error is a DatabaseError with all that PostgreSQL says, and only what failed is rolled back.
CALL has($$
execute("INSERT INTO heap VALUES (3, 'three')")
rows = []
for sql in ("INSERT INTO heap VALUES (4, 'four'), (3, 'again')", "INSERT INTO heap VALUES (5, NULL)",
            "INSERT INTO heap VALUES (500, 'many')", "SELECT 1/0", "SELECT * FROM heaps", "SELEC 1"):
    try:
        execute(sql)
    except multicorn.DatabaseError as error:
        rows.append((error.sqlstate, error, error.constraint_name))
$$);
BEGIN;
SELECT * FROM asked;
SELECT * FROM heap;
ROLLBACK;
CALL has('execute("SELECT 1/0")');
SELECT * FROM asked;
CALL has('execute("DO $$ BEGIN RAISE ''no'' USING detail = ''a detail'', hint = ''a hint'', column = ''c''; END $$")');
SELECT * FROM asked;

-- Transactions are not for it, nor is the client.
CALL has('execute("COMMIT")');
SELECT * FROM asked;
CALL has('execute("SAVEPOINT a")');
SELECT * FROM asked;
CALL has('execute("COPY heap TO STDOUT")');
SELECT * FROM asked;
CALL has('execute(1)');
SELECT * FROM asked;
CALL has('execute("SELECT $1", 1)');
SELECT * FROM asked;

-- A value that Python has no form of.
CALL has($$rows = execute("SELECT 'infinity'::date")$$);
SELECT * FROM asked;
CALL has($$rows = execute("SELECT 'infinity'::date::text")$$);
SELECT a FROM asked;

-- Wherever a wrapper is called while the transaction is undecided.
CALL has('execute("INSERT INTO heap VALUES (10, ''ten'')")', 'insert');
BEGIN;
INSERT INTO asked VALUES ('a');
SELECT * FROM heap WHERE n = 10;
ROLLBACK;
CALL has('execute("INSERT INTO heap VALUES (10, ''ten'')")', '__init__');
BEGIN;
SELECT a FROM asked;
SELECT * FROM heap WHERE n = 10;
ROLLBACK;
CALL has('execute("SELECT 1")', 'get_rel_size');
SELECT a FROM asked;
CALL has('execute("SELECT 1")', 'end_scan');
SELECT a FROM asked;

-- Before a commit too, where constraints that were put off are looked at at once; not when it is decided.
CREATE TABLE child (n int REFERENCES heap DEFERRABLE INITIALLY DEFERRED);
ALTER FOREIGN TABLE asked OPTIONS (ADD wrapper 'asking.AsksInTransactions');
CALL has('execute("INSERT INTO child VALUES (1)")', 'pre_commit');
SELECT a FROM asked;
SELECT * FROM child;
CALL has('execute("INSERT INTO child VALUES (7)")', 'pre_commit');
SELECT a FROM asked;
CALL has('execute("SELECT 1")', 'commit');
SELECT a FROM asked;
CALL has('execute("SELECT 1")', 'rollback');
BEGIN;
SELECT a FROM asked;
ROLLBACK;
ALTER FOREIGN TABLE asked OPTIONS (DROP wrapper);

-- One within another: the wrapper reads a foreign table itself.
CREATE FOREIGN TABLE inner_table (a text, b text, c text) SERVER srv
    OPTIONS (code 'rows = execute("SELECT count(*) FROM heap")');
CALL has('rows = execute("SELECT a, a FROM inner_table")');
SELECT a, b FROM asked;

-- It has the rights of the user whose table it is, and under a view nothing of the reader's path.
CREATE ROLE execute_reader;
CREATE ROLE execute_owner;
GRANT SELECT ON heap TO execute_owner;
GRANT USAGE ON FOREIGN SERVER srv TO execute_owner;
GRANT SELECT ON asked TO execute_owner;
CALL has('rows = execute("SELECT current_user, current_setting(''search_path''), count(*) FROM public.heap")');
CREATE VIEW seen AS SELECT * FROM asked;
ALTER VIEW seen OWNER TO execute_owner;
GRANT SELECT ON seen TO execute_reader;
SET ROLE execute_reader;
SELECT * FROM seen;
SELECT * FROM asked;
RESET ROLE;

-- Nothing is written where the transaction may only read.
CALL has('execute("INSERT INTO heap VALUES (10, ''ten'')")');
BEGIN READ ONLY;
SELECT a FROM asked;
ROLLBACK;
CALL has('rows = execute("SHOW transaction_isolation")');
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY;
SELECT a FROM asked;
ROLLBACK;

DROP VIEW seen;
DROP SERVER srv CASCADE;
DROP PROCEDURE has;
DROP TABLE heap, child;
DROP ROLE execute_reader, execute_owner;
