-- The same rows for every competitor: in a heap table, from a Python class behind a foreign table,
-- from a PL/Python function, in a file read by file_fdw, and through postgres_fdw on loopback.
--
-- Variables: rows and wide_rows, how many; cursor_rows, those that are read through a cursor;
-- changed and inserted, those that are written; folder, where the files go; host and port of this
-- very server.

CREATE EXTENSION multicorn;
CREATE EXTENSION plpython3u;
CREATE EXTENSION file_fdw;
CREATE EXTENSION postgres_fdw;

CREATE SERVER python FOREIGN DATA WRAPPER multicorn;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE SERVER loopback FOREIGN DATA WRAPPER postgres_fdw
    OPTIONS (host :'host', port :'port', dbname 'postgres', fetch_size '10000');
CREATE USER MAPPING FOR CURRENT_USER SERVER loopback OPTIONS (user 'postgres');

-- Three columns

CREATE TABLE narrow_heap (id int, name text, val float8);
INSERT INTO narrow_heap SELECT i, 'some text', i * 0.5 FROM generate_series(0, :rows - 1) AS i;
CREATE UNIQUE INDEX ON narrow_heap (id);

CREATE FOREIGN TABLE narrow_tuples (id int, name text, val float8)
    SERVER python OPTIONS (wrapper 'bench_wrappers.Tuples', rows :'rows');
CREATE FOREIGN TABLE narrow_dicts (id int, name text, val float8)
    SERVER python OPTIONS (wrapper 'bench_wrappers.Dicts', rows :'rows');

CREATE FUNCTION narrow_plpython(rows int) RETURNS TABLE (id int, name text, val float8)
LANGUAGE plpython3u AS $$
    for i in range(rows):
        yield (i, "some text", i * 0.5)
$$;

\set file :folder '/narrow.csv'
COPY narrow_heap TO :'file' (FORMAT csv);
CREATE FOREIGN TABLE narrow_file (id int, name text, val float8)
    SERVER files OPTIONS (filename :'file', format 'csv');

CREATE FOREIGN TABLE narrow_remote (id int, name text, val float8)
    SERVER loopback OPTIONS (table_name 'narrow_heap');

-- The same with a text of its own in every row

CREATE TABLE texts_heap (id int, name text, val float8);
INSERT INTO texts_heap SELECT i, 'text ' || i, i * 0.5 FROM generate_series(0, :rows - 1) AS i;

CREATE FOREIGN TABLE texts_tuples (id int, name text, val float8)
    SERVER python OPTIONS (wrapper 'bench_wrappers.NewTexts', rows :'rows');

-- Ten columns

CREATE TABLE wide_heap (a int, b bigint, c float8, d bool, e text, f timestamp, g date, h numeric,
                        i bytea, j int);
INSERT INTO wide_heap
SELECT i, i::bigint * 1000003, i * 0.5, i % 2 = 0, 'some text', moment, moment::date,
       round(start / 100.0, 2), convert_to('block ' || start, 'UTF8'), NULL
FROM generate_series(0, :wide_rows - 1) AS i,
     LATERAL (SELECT i / 100 * 100 AS start) AS block,
     LATERAL (SELECT timestamp '2024-01-01' + start * interval '1 minute' AS moment) AS time;

CREATE FOREIGN TABLE wide_tuples (a int, b bigint, c float8, d bool, e text, f timestamp, g date,
                                  h numeric, i bytea, j int)
    SERVER python OPTIONS (wrapper 'bench_wrappers.Wide', rows :'wide_rows');

CREATE FUNCTION wide_plpython(rows int)
RETURNS TABLE (a int, b bigint, c float8, d bool, e text, f timestamp, g date, h numeric, i bytea,
               j int)
LANGUAGE plpython3u AS $$
    from datetime import datetime, timedelta
    from decimal import Decimal

    for start in range(0, rows, 100):
        moment = datetime(2024, 1, 1) + timedelta(minutes=start)
        day = moment.date()
        amount = Decimal(start).scaleb(-2)
        blob = b"block %d" % start
        for i in range(start, start + 100):
            even = i % 2 == 0
            yield (i, i * 1000003, i * 0.5, even, "some text", moment, day, amount, blob, None)
$$;

\set file :folder '/wide.csv'
COPY wide_heap TO :'file' (FORMAT csv);
CREATE FOREIGN TABLE wide_file (a int, b bigint, c float8, d bool, e text, f timestamp, g date,
                                h numeric, i bytea, j int)
    SERVER files OPTIONS (filename :'file', format 'csv');

CREATE FOREIGN TABLE wide_remote (a int, b bigint, c float8, d bool, e text, f timestamp, g date,
                                  h numeric, i bytea, j int)
    SERVER loopback OPTIONS (table_name 'wide_heap');

-- One row, and many

CREATE TABLE one_heap (id int, name text, val float8);
INSERT INTO one_heap VALUES (0, 'some text', 0);
CREATE FOREIGN TABLE one_tuple (id int, name text, val float8)
    SERVER python OPTIONS (wrapper 'bench_wrappers.Tuples', rows '1');

CREATE FOREIGN TABLE cursor_tuples (id int, name text, val float8)
    SERVER python OPTIONS (wrapper 'bench_wrappers.Tuples', rows :'cursor_rows');

-- A query to be planned, and a table of which rows are looked up

CREATE FOREIGN TABLE wide_planned (a int, b bigint, c float8, d bool, e text, f timestamp, g date,
                                   h numeric, i bytea, j int)
    SERVER python OPTIONS (wrapper 'bench_wrappers.Planned');

CREATE FOREIGN TABLE lookup_tuples (id int, val float8)
    SERVER python OPTIONS (wrapper 'bench_wrappers.Lookup');

-- Tables to write to

CREATE UNLOGGED TABLE written_heap (id int, name text, val float8);
CREATE FOREIGN TABLE written_rows (id int, name text, val float8)
    SERVER python OPTIONS (wrapper 'bench_wrappers.Rows', rows '0');
CREATE FOREIGN TABLE written_batches (id int, name text, val float8)
    SERVER python OPTIONS (wrapper 'bench_wrappers.Batches', rows '0');
CREATE FOREIGN TABLE changed_rows (id int, name text, val float8)
    SERVER python OPTIONS (wrapper 'bench_wrappers.Rows', rows :'changed');

\set file :folder '/written.csv'
COPY (SELECT i, 'name ' || i % 1000, i * 0.5 FROM generate_series(1, :inserted) AS i)
TO :'file' (FORMAT csv);

VACUUM ANALYZE;
CHECKPOINT;
