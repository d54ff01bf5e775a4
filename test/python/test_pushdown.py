"""Wrappers that filter, sort and limit give the same rows as a table of PostgreSQL's own.

The wrapper asks another database, in SQL that SQLWriter has made. Random queries are run on the
wrapper's tables and on a heap table with the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import psycopg
import pytest
from psycopg import pq

from harness import Cluster
from harness.queries import COLLATIONS, COLUMNS, ROWS, TYPES, WAYS_TO_JOIN, Generator, Query, rows
from harness.sessions import Connect, Session, wait_until

BATCHES = range(12)
QUERIES_PER_BATCH = 25
HALF = ROWS // 2

# A session in which everything that SQL can be read by is not as usual.
HOSTILE_SESSION = """
SET search_path = evil, public, pg_catalog;
SET standard_conforming_strings = off;
SET escape_string_warning = off;
SET transform_null_equals = on;
SET quote_all_identifiers = on;
SET DateStyle = 'German, YMD';
SET IntervalStyle = 'iso_8601';
SET TimeZone = 'America/St_Johns';
SET extra_float_digits = 0;
SET bytea_output = 'escape';
"""
HOSTILE_LOCAL_SESSION = """
SET DateStyle = 'SQL, DMY';
SET IntervalStyle = 'sql_standard';
SET TimeZone = 'Asia/Kolkata';
SET extra_float_digits = 0;
SET bytea_output = 'escape';
"""

# What comes first in the search path of that session, so that a bare name means this.
EVIL = """
CREATE SCHEMA evil;
CREATE FUNCTION evil.differ(anyelement, anyelement) RETURNS boolean
    LANGUAGE sql AS 'SELECT 1/0 = 1';
CREATE FUNCTION evil.differ(int, int) RETURNS boolean LANGUAGE sql AS 'SELECT 1/0 = 1';
CREATE FUNCTION evil.differ(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT 1/0 = 1';
CREATE FUNCTION evil.lower(text) RETURNS text LANGUAGE sql AS 'SELECT ''evil''';
CREATE FUNCTION evil.length(text) RETURNS int LANGUAGE sql AS 'SELECT 666';
CREATE FUNCTION evil.abs(int) RETURNS int LANGUAGE sql AS 'SELECT 666';
CREATE FUNCTION evil.isfinite(timestamp) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE COLLATION evil."C" (provider = libc, locale = 'POSIX');
CREATE TYPE evil.mood AS ENUM ('evil');
CREATE TYPE evil.pair AS (evil int);
CREATE DOMAIN evil.code AS int;
CREATE DOMAIN evil.positive AS text;
"""
EVIL_TYPES = ["text", "name", "bpchar", "numeric", "date", "uuid", "bytea", "jsonb", "int4"]
EVIL_OPERATORS = ["=", "<>", "<", "<=", ">", ">="]
COMPARED = ["anyelement", "pg_catalog.int4", "pg_catalog.text"]

# What an error of these is depends on what is evaluated first: no collation can be told, or a
# function does not take a nondeterministic one.
INDETERMINATE = {"42P22", "0A000"}

Outcome = list[tuple[bytes | None, ...]] | str


# --- The databases -------------------------------------------------------------------------------


def columns(names: list[str], options: str = "") -> str:
    """The definition of columns, each with the same options."""
    parts = []
    for name in names:
        type_name, collate, collation = COLUMNS[name].partition(" COLLATE ")
        parts.append(f"{name} {type_name} {options}{collate}{collation}")
    return ", ".join(parts)


def create_databases(server: Cluster) -> tuple[str, str]:
    """Create the database of the queries, and the one that the wrapper asks, if it has ICU with it.

    Then the databases order texts in another way than their bytes.
    """
    has_icu = server.run_sql("SELECT count(*) FROM pg_collation WHERE collprovider = 'i'") != "0"
    locale = "LOCALE_PROVIDER icu ICU_LOCALE 'en' LOCALE 'C'" if has_icu else "LOCALE 'C'"
    names = ("pushdown", "pushdown_remote")
    for name in names:
        server.run_sql(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' {locale}")
        server.run_sql(
            f"{COLLATIONS[has_icu]} {TYPES} CREATE TABLE heap ({columns(list(COLUMNS))});"
            "CREATE TYPE trimmed AS (x int, gone int, s text);"
            "ALTER TYPE trimmed DROP ATTRIBUTE gone;" + rows(seed=1).replace("{table}", "heap"),
            name,
        )
    return names


def create_remote_objects(server: Cluster, database: str) -> None:
    """Create the halves of the table, and what is called like something else."""
    evil = [f"CREATE TYPE evil.{name} AS (evil int);" for name in EVIL_TYPES]
    evil += [
        f"CREATE OPERATOR evil.{name}"
        f" (FUNCTION = evil.differ, LEFTARG = {compared}, RIGHTARG = {compared});"
        for name in EVIL_OPERATORS
        for compared in COMPARED
    ]
    server.run_sql(
        f"CREATE VIEW low AS SELECT * FROM heap WHERE id <= {HALF};"
        f"CREATE VIEW high AS SELECT * FROM heap WHERE id > {HALF};" + EVIL + "".join(evil),
        database,
    )


def foreign_table(name: str, definition: str, **options: str) -> str:
    """SQL that creates a foreign table."""
    given = {"relation": "public.heap", "keys": "id i4 k", **options}
    texts = ", ".join(f"{option} $o${value}$o$" for option, value in given.items())
    return f"CREATE FOREIGN TABLE {name} ({definition}) SERVER python OPTIONS ({texts});"


def create_foreign_tables(server: Cluster, database: str, remote: str) -> None:
    """Create the tables that the queries are run on."""
    names = list(COLUMNS)
    plain = columns(names)
    mixed = names.copy()
    Random(1).shuffle(mixed)
    mixed_columns = f"gone int, {columns(mixed[:9])}, gone_too text, {columns(mixed[9:])}"
    server.run_sql(
        "CREATE EXTENSION multicorn; CREATE SERVER python FOREIGN DATA WRAPPER multicorn"
        f" OPTIONS (wrapper 'remote.Remote', dsn '{server.conninfo(remote)}');"
        "CREATE TABLE small AS SELECT * FROM heap WHERE id < 6; ANALYZE;"
        + foreign_table("everything", plain)
        + foreign_table("nothing", plain, promise="nothing")
        + foreign_table("parameters", plain, parameters="on")
        + foreign_table("hostile", plain, promise="immutable", session=HOSTILE_SESSION)
        + foreign_table("as_text", columns(names, "OPTIONS (value_form 'text')"))
        # The columns of a partition have an order of their own.
        + foreign_table("low", mixed_columns, relation="public.low")
        + foreign_table("high", plain, relation="public.high")
        + "ALTER FOREIGN TABLE low DROP gone, DROP gone_too;"
        f"CREATE TABLE parted ({plain}) PARTITION BY RANGE (id);"
        f"ALTER TABLE parted ATTACH PARTITION low FOR VALUES FROM (0) TO ({HALF + 1});"
        f"ALTER TABLE parted ATTACH PARTITION high FOR VALUES FROM ({HALF + 1}) TO ({ROWS + 1});"
        # What is below UNION ALL gets the conditions above it.
        f"CREATE VIEW united AS SELECT * FROM everything WHERE id <= {HALF}"
        f" UNION ALL SELECT * FROM heap WHERE id > {HALF};"
        # Conditions must not see the rows that this hides.
        + "".join(
            f"CREATE VIEW barrier_of_{table} WITH (security_barrier) AS"
            f" SELECT * FROM {table} WHERE i4 <> 3 AND c < 'b';"
            for table in ("heap", "everything", "parted")
        ),
        database,
    )


@pytest.fixture(scope="module")
def database(server: Cluster) -> str:
    """A database with the table `heap`, and tables of wrappers that have the same rows."""
    database, remote = create_databases(server)
    create_remote_objects(server, remote)
    create_foreign_tables(server, database, remote)
    return database


@pytest.fixture(scope="module")
def session(server: Cluster, database: str) -> Iterator[Session]:
    """A session for many queries."""
    with psycopg.connect(server.conninfo(database), autocommit=True) as session:
        yield session


# --- Running queries -----------------------------------------------------------------------------


def run_statement(session: Session, sql: str, is_ordered: bool = True) -> Outcome:
    """Run a statement: its rows as texts, or the SQLSTATE of its error."""
    result = session.pgconn.exec_(sql.encode())
    if result.status == pq.ExecStatus.FATAL_ERROR:
        return (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
    fields = range(result.nfields)
    found = [tuple(result.get_value(row, i) for i in fields) for row in range(result.ntuples)]
    return found if is_ordered else sorted(found, key=repr)


def run_query(session: Session, query: Query, table: str) -> list[Outcome]:
    """Run a query on a table: the outcomes of its statements."""
    for name, value in query.settings.items():
        run_statement(session, f"SET {name} = {value}")
    outcomes = [run_statement(session, sql, query.is_ordered) for sql in query.statements(table)]
    run_statement(session, "DEALLOCATE ALL")
    for name in query.settings:
        run_statement(session, f"RESET {name}")
    return outcomes


def require_same(session: Session, numbers: range, heap: str, tables: list[str]) -> None:
    """Fail if a query gives other rows on a table than on the heap table."""
    for number in numbers:
        query = Generator(number).query()
        wanted = run_query(session, query, heap)
        for table in tables:
            found = run_query(session, query, table)
            if not INDETERMINATE.isdisjoint(one for one in wanted + found if isinstance(one, str)):
                continue
            said = f"query {number} on {table}: {query.settings} {query.statements(table)}"
            assert found == wanted, said


def numbers_of(batch: int, base: int) -> range:
    """The numbers of the queries of a batch."""
    return range(base + batch * QUERIES_PER_BATCH, base + (batch + 1) * QUERIES_PER_BATCH)


# --- Tests ---------------------------------------------------------------------------------------

# What the random queries seldom come to: collations of constants, and collations that conflict;
# records of no named type, which compare NULLs as equal unless they are written as rows; types with
# dropped attributes; depth.
CONDITIONS = [
    "r IS DISTINCT FROM r2",
    "r = r2",
    "r <= r2",
    "nullif(r, r2) IS NULL",
    "CASE r WHEN r2 THEN true ELSE false END",
    "r = ANY (ARRAY[r2])",
    "r IS NULL",
    "r IS NOT DISTINCT FROM NULL",
    "pr IS DISTINCT FROM co",
    "nullif(pr, co) IS NULL",
    "pr IS NOT DISTINCT FROM NULL",
    "(pr).s = t",
    "ROW(i4, t)::trimmed < ROW(i2, 'a')::trimmed",
    "ROW(i4, t)::trimmed IS DISTINCT FROM ROW(1, 'a')::trimmed",
    "CASE (SELECT 1) WHEN i4 THEN true WHEN i2 THEN b END",
    "(SELECT true) OR i4 = 1 / (SELECT 0)",
    """t < 'b' COLLATE "C\"""",
    "t = 'A' COLLATE nocase",
    "k > 'A' COLLATE swedish",
    "sw > 'z' COLLATE \"default\"",
    "t COLLATE swedish > 'z'",
    """(t, i4) < ('b' COLLATE "C", 1)""",
    """greatest(t, 'B' COLLATE "C") = 'a'""",
    """coalesce(t, 'x' COLLATE "C") > 'B'""",
    """CASE WHEN b THEN t ELSE 'z' COLLATE "C" END > 'A'""",
    "t = ANY (ARRAY['A', 'Z'] COLLATE nocase)",
    "t = ANY (ARRAY['A' COLLATE nocase, v])",
    "nullif(t, 'A' COLLATE nocase) IS NULL",
    "t IS DISTINCT FROM 'A' COLLATE nocase",
    "t || ('x' COLLATE \"C\") < 'B'",
    "upper(t COLLATE \"C\") = upper('ä')",
    'nm < t COLLATE "default"',
    "c < 'B' COLLATE \"C\"",
    "(CASE WHEN b THEN k ELSE sw END)::varchar || 'x' IS NOT NULL",
    "j ?| ARRAY['a', nc::name]",
    "i4" + " + 1" * 100 + " = 101",
    "i4" + " + 1" * 1500 + " = 1501",
    " OR ".join(f"(i4 = {number} AND id > {number})" for number in range(500)),
]
CONDITIONS_SINCE_16 = [
    "JSON_OBJECT('a': i4)::text = '{\"a\" : 1}'",
    "JSON_ARRAY(i4, t)::text LIKE '%a%'",
    "t IS JSON",
]
CONDITIONS_SINCE_17 = [
    "JSON_VALUE(j, '$.a' RETURNING int DEFAULT 7 ON EMPTY) = (SELECT 7)",
    "JSON_EXISTS(j, '$.a ? (@ > $x)' PASSING i4 AS x)",
    "JSON_SCALAR(i4)::text = '1'",
    "JSON_QUERY(j, '$.b' DEFAULT '5'::jsonb ON EMPTY) = '5'",
]


@pytest.mark.parametrize(
    ("condition", "since"),
    [
        *((condition, 150000) for condition in CONDITIONS),
        *((condition, 160000) for condition in CONDITIONS_SINCE_16),
        *((condition, 170000) for condition in CONDITIONS_SINCE_17),
    ],
    ids=lambda value: str(value)[:40],
)
def test_same_rows_for_a_condition(session: Session, condition: str, since: int) -> None:
    if session.info.server_version < since:
        pytest.skip("this PostgreSQL does not have it")
    records = "ROW(i4, t) r, ROW(i2::int, t) r2, ROW(i4, t)::pair pr"
    source = f"SELECT id FROM (SELECT *, {records} FROM {{table}}) x WHERE {condition} ORDER BY id"
    query = Query(source, is_ordered=True)
    wanted = run_query(session, query, "heap")
    assert isinstance(wanted[0], list), session.pgconn.error_message
    for table in ("everything", "parameters", "hostile"):
        assert run_query(session, query, table) == wanted, session.pgconn.error_message


@pytest.mark.parametrize("batch", BATCHES)
def test_same_rows(session: Session, batch: int) -> None:
    tables = ["everything", "nothing", "parameters", "as_text", "parted", "united"]
    require_same(session, numbers_of(batch, 0), "heap", tables)


@pytest.mark.parametrize("batch", BATCHES)
def test_same_rows_whatever_the_settings(session: Session, batch: int) -> None:
    run_statement(session, HOSTILE_LOCAL_SESSION)
    try:
        require_same(session, numbers_of(batch, 10_000), "heap", ["hostile"])
    finally:
        run_statement(session, "RESET ALL")


@pytest.mark.parametrize("batch", BATCHES[:4])
def test_same_rows_behind_a_security_barrier(session: Session, batch: int) -> None:
    tables = ["barrier_of_everything", "barrier_of_parted"]
    require_same(session, numbers_of(batch, 20_000), "barrier_of_heap", tables)


def explain(session: Session, query: Query, table: str) -> str:
    """The plan of a query that has no parameters; nothing if the query has an error."""
    lines = run_statement(session, f"EXPLAIN (COSTS OFF) {query.statements(table)[0]}")
    return "\n".join(str(line[0]) for line in lines)


@pytest.mark.parametrize("table", ["everything", "hostile"])
def test_that_much_is_left_to_the_wrapper(session: Session, table: str) -> None:
    queries = [Generator(number).query() for number in range(300)]
    plans = [explain(session, query, table) for query in queries if not query.types]
    assert sum("Wrapper Filter" in plan for plan in plans) > len(plans) / 2
    assert sum("Wrapper Sort Key" in plan for plan in plans) > len(plans) / 4
    assert sum("Wrapper Limit" in plan for plan in plans) > len(plans) / 16


def test_that_nothing_is_left_to_one_that_promises_nothing(session: Session) -> None:
    queries = [Generator(number).query() for number in range(100)]
    plans = [explain(session, query, "nothing") for query in queries if not query.types]
    assert not any("Wrapper" in plan for plan in plans)


# --- Rows that change under a lock ---------------------------------------------------------------

# Another session changes a row that this one waits for: then its conditions are checked on the new
# row, together with the row of the other table that was read before.
CHANGES = [
    "UPDATE locked SET x = 5 WHERE x = 3",
    "UPDATE locked SET x = 3, y = 9 WHERE x = 3",
    "UPDATE locked SET y = 1000 WHERE x = 3",
    "UPDATE locked SET y = -1000 WHERE x = 3",
    "DELETE FROM locked WHERE x = 3",
]
LOCKING = [
    "SELECT x, y, t.id FROM locked JOIN {table} t ON t.id = x ORDER BY x FOR UPDATE OF locked",
    "SELECT x, y, t.id FROM locked JOIN {table} t ON t.id = x AND t.id + y > 10 ORDER BY x"
    " FOR UPDATE OF locked",
    "SELECT x, y, t.id FROM locked LEFT JOIN {table} t ON t.id = x AND t.id > y - 5 ORDER BY x"
    " FOR UPDATE OF locked",
    "SELECT x, y, t.id, t.t FROM locked, LATERAL (SELECT * FROM {table} WHERE id <= x AND y < 100"
    " ORDER BY id DESC LIMIT 1) t ORDER BY x FOR UPDATE OF locked",
]


def is_blocked(session: Session, other: Session) -> bool:
    """Ask another session whether this one waits for a lock."""
    row = other.execute(
        "SELECT pg_blocking_pids(%s) <> '{}'", [session.info.backend_pid]
    ).fetchone()
    return row == (True,)


def has_ended(session: Session) -> bool:
    """Tell whether a statement that was sent has ended."""
    session.pgconn.consume_input()
    return not session.pgconn.is_busy()


def lock(session: Session, other: Session, change: str, sql: str) -> Outcome:
    """Run a statement that has to wait for a change in another session."""
    other.execute("BEGIN")
    other.execute(change)
    session.pgconn.send_query(sql.encode())
    wait_until(lambda: is_blocked(session, other) or has_ended(session))
    other.execute("COMMIT")
    outcome: Outcome = "none"
    while (result := session.pgconn.get_result()) is not None:
        assert result.status == pq.ExecStatus.TUPLES_OK, result.error_message
        fields = range(result.nfields)
        outcome = [tuple(result.get_value(row, i) for i in fields) for row in range(result.ntuples)]
    return outcome


@pytest.mark.parametrize("ways", ["nested loops", "any"])
@pytest.mark.parametrize("sql", LOCKING, ids=range(len(LOCKING)))
@pytest.mark.parametrize("change", CHANGES, ids=range(len(CHANGES)))
def test_a_row_changes_under_a_lock(
    connect: Connect, database: str, change: str, sql: str, ways: str
) -> None:
    session, other = connect(database), connect(database)
    outcomes = []
    for way in WAYS_TO_JOIN if ways == "nested loops" else []:
        session.execute(f"SET {way} = off")
    for table in ("heap", "everything"):
        session.execute("DROP TABLE IF EXISTS locked")
        session.execute("CREATE TABLE locked AS SELECT x, x * 3 AS y FROM generate_series(1, 6) x")
        outcomes.append(lock(session, other, change, sql.replace("{table}", table)))
    assert outcomes[1] == outcomes[0]
