"""What multicorn_postgres sends, and what it waits for: batches, statements that come again."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors

from harness import Cluster
from harness.sessions import Connect, Session

REMOTE = "traffic"

TABLES = """
CREATE TABLE plain (id int PRIMARY KEY CHECK (id <> 13), name text);
CREATE TABLE picky (id int, name text);
CREATE FUNCTION leave_out() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RETURN CASE WHEN NEW.id % 2 = 0 THEN NEW END; END $$;
CREATE TRIGGER leave_out BEFORE INSERT ON picky FOR EACH ROW EXECUTE FUNCTION leave_out();
CREATE TABLE pairs (a int, b int, t text);
INSERT INTO pairs SELECT i, i % 7, 'text ' || i FROM generate_series(1, 500) AS i;
CREATE VIEW dividing AS SELECT a, 100 / a AS d FROM generate_series(0, 10) AS a;
CREATE VIEW many AS SELECT i AS id, repeat('x', 1000) AS name FROM generate_series(1, 50000) AS i;
"""


@pytest.fixture(scope="module")
def remote(server: Cluster) -> Iterator[Cluster]:
    """A server with the remote database, and with foreign tables for it in the local one."""
    server.createdb(REMOTE)
    server.run_sql(TABLES, database=REMOTE)
    server.run_sql(
        "CREATE SCHEMA traffic; CREATE SERVER traffic FOREIGN DATA WRAPPER multicorn_postgres"
        f" OPTIONS (host '{server.host}', port '{server.port}', dbname '{REMOTE}',"
        " batch_size '10');"
        "CREATE USER MAPPING FOR CURRENT_USER SERVER traffic OPTIONS (user 'postgres');"
        "IMPORT FOREIGN SCHEMA public FROM SERVER traffic INTO traffic"
    )
    yield server
    server.run_sql("DROP SERVER traffic CASCADE; DROP SCHEMA traffic")


@pytest.fixture
def session(remote: Cluster, connect: Connect) -> Session:
    """A session that finds the foreign tables; those that are written are empty."""
    remote.run_sql("TRUNCATE plain, picky", database=REMOTE)
    session = connect()
    session.execute("SET search_path = traffic")
    return session


def content(remote: Cluster, table: str) -> list[int]:
    """What others see in a remote table."""
    lines = remote.run_sql(f"SELECT id FROM {table} ORDER BY id", database=REMOTE)
    return [int(line) for line in lines.split()]


# --- Batches --------------------------------------------------------------------------------------


def insert(session: Session, table: str, first: int, last: int, rest: str = "") -> int:
    """Insert rows in batches, and return how many PostgreSQL says that there were."""
    sql = f"INSERT INTO {table} SELECT i, 'n' FROM generate_series({first}, {last}) AS i {rest}"
    return session.execute(sql.encode()).rowcount


def test_batches(remote: Cluster, session: Session) -> None:
    """All of them are there at the end of the statement."""
    with session.transaction():
        assert insert(session, "plain", 20, 64) == 45
        assert session.execute("SELECT count(*) FROM plain").fetchone() == (45,)
    assert content(remote, "plain") == list(range(20, 65))


def test_rows_left_out_are_not_counted(remote: Cluster, session: Session) -> None:
    """Neither those of a trigger nor those in conflict."""
    assert insert(session, "picky", 1, 35) == 17
    assert len(content(remote, "picky")) == 17
    assert insert(session, "plain", 20, 40) == 21
    assert insert(session, "plain", 30, 60, "ON CONFLICT DO NOTHING") == 20


@pytest.mark.parametrize(("first", "last"), [(10, 60), (-30, 13), (-20, 16), (13, 13)])
def test_error_in_a_batch(remote: Cluster, session: Session, first: int, last: int) -> None:
    """It is the error of the statement, whichever batch it is."""
    with pytest.raises(errors.CheckViolation) as caught:
        insert(session, "plain", first, last)
    assert "remote SQL command: INSERT INTO" in str(caught.value.diag.context)
    assert content(remote, "plain") == []
    assert insert(session, "plain", 20, 40) == 21


def test_error_in_a_savepoint(remote: Cluster, session: Session) -> None:
    """It is over when the savepoint is rolled back."""
    with session.transaction():
        insert(session, "plain", 100, 130)
        for last in (13, 40):
            with pytest.raises(errors.CheckViolation), session.transaction():
                insert(session, "plain", 0, last)
        insert(session, "plain", 200, 205)
    assert content(remote, "plain") == [*range(100, 131), *range(200, 206)]


def test_reading_between_batches(remote: Cluster, session: Session) -> None:
    """Others find the connection at rest, and the rows of all batches before."""
    session.execute(
        "CREATE FUNCTION pg_temp.seen(i int) RETURNS text LANGUAGE plpgsql AS $$ BEGIN"
        " RETURN (SELECT count(*) FROM plain);"
        " EXCEPTION WHEN division_by_zero THEN RETURN ''; END $$"
    )
    rows = session.execute(
        "INSERT INTO plain SELECT i, pg_temp.seen(i) FROM generate_series(20, 50) AS i"
    ).rowcount
    assert rows == 31
    seen = remote.run_sql("SELECT name FROM plain ORDER BY id", database=REMOTE).split()
    # A full batch is sent when there is one more row.
    assert [int(one) for one in seen] == [max(n - 1, 0) // 10 * 10 for n in range(31)]


def test_two_writes_in_one_statement(remote: Cluster, session: Session) -> None:
    """They share a connection, and perhaps more."""
    rows = session.execute(
        "WITH first AS (INSERT INTO plain SELECT i, 'a' FROM generate_series(20, 45) AS i),"
        " second AS (INSERT INTO plain SELECT i, 'b' FROM generate_series(50, 75) AS i"
        " RETURNING id) SELECT count(*) FROM second"
    ).fetchone()
    assert rows == (26,)
    assert content(remote, "plain") == [*range(20, 46), *range(50, 76)]


def test_copy_and_batches_in_one_transaction(remote: Cluster, session: Session) -> None:
    """Each finds the connection at rest."""
    with session.transaction():
        for first in (20, 60):
            insert(session, "plain", first, first + 15)
            with session.cursor().copy("COPY plain FROM STDIN") as copy:
                copy.write(b"".join(b"%d\tx\n" % i for i in range(first + 16, first + 30)))
    assert content(remote, "plain") == [*range(20, 50), *range(60, 90)]


# --- Statements that come again -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "answer"),
    [
        ("a = $1 AND b = $2", lambda x, y: [x] if x % 7 == y else []),
        ("b = $2 AND a = $1", lambda x, y: [x] if x % 7 == y else []),
        ("a < $1 AND CASE WHEN a > $2 THEN b WHEN a = $1 THEN $2 ELSE $1 END = 3", None),
        ("NULLIF(a, $1) IS NULL OR a = $2", lambda x, y: sorted({x, y} - {0})),
        ("a = $1 AND $1 = $1 AND b IS DISTINCT FROM $2", None),
        ("t = 'text ' || $1", lambda x, y: [x]),
    ],
)
def test_values_of_the_same_query(session: Session, condition: str, answer: object) -> None:
    """Each time, each value is where it belongs."""
    for table in ("pairs", "here"):
        if table == "here":
            session.execute("CREATE TEMP TABLE here AS SELECT * FROM pairs")
        session.execute(
            f"PREPARE {table}_q (int, int) AS SELECT a FROM {table} WHERE {condition}"
            " ORDER BY a".encode()
        )
    for x, y in ((1, 2), (9, 2), (3, 3), (2, 1), (500, 3), (8, 1), (8, 8), (11, 4), (11, 5)):
        found, expected = (
            [row[0] for row in session.execute(f"EXECUTE {table}_q ({x}, {y})".encode())]
            for table in ("pairs", "here")
        )
        assert found == expected
        assert not callable(answer) or found == answer(x, y)


def test_other_conditions_are_other_queries(session: Session) -> None:
    """What differs in more than values is not taken for the same."""
    for sql, count in [
        ("a = 5", 1),
        ("a <> 5", 499),
        ("a = '5'::int", 1),
        ("a = 5::bigint", 1),
        ("t = 'text 5'", 1),
        ("t = 'text 5' COLLATE \"C\"", 1),
        ("a = 5 AND b = 5", 1),
        ("a = 5 OR b = 5", 71),
        ("a IS NULL", 0),
        ("a IS NOT NULL", 500),
        ("a = ANY ('{5,6}')", 2),
        ("a <> ALL ('{5,6}')", 498),
        ("(a = 5) IS TRUE", 1),
        ("(a = 5) IS NOT TRUE", 499),
        ("(a = 5) IS FALSE", 499),
    ]:
        for _ in range(3):
            row = session.execute(f"SELECT count(*) FROM pairs WHERE {sql}".encode()).fetchone()
            assert row == (count,), sql


def test_errors_of_a_prepared_statement(session: Session) -> None:
    """Neither the statement nor the connection is the worse for it."""
    session.execute("PREPARE q (int) AS SELECT d FROM dividing WHERE a = $1 AND d > 0")
    for _ in range(2):
        assert session.execute("EXECUTE q (4)").fetchone() == (25,)
    for _ in range(2):
        with pytest.raises(errors.DivisionByZero) as caught:
            session.execute("EXECUTE q (0)")
        assert "remote SQL command: SELECT" in str(caught.value.diag.context)
        with session.transaction(), pytest.raises(psycopg.Error), session.transaction():
            session.execute("EXECUTE q (0)")
        assert session.execute("EXECUTE q (5)").fetchone() == (20,)


def test_statement_that_cannot_be_prepared(remote: Cluster, session: Session) -> None:
    """The error is the remote server's, each time anew, until the table is there."""
    session.execute("PREPARE q (int) AS SELECT b FROM pairs WHERE a = $1")
    session.execute("EXECUTE q (3)")
    remote.run_sql("ALTER TABLE pairs RENAME TO gone", database=REMOTE)
    try:
        for _ in range(3):
            with pytest.raises(errors.UndefinedTable, match="pairs"):
                session.execute("EXECUTE q (3)")
    finally:
        remote.run_sql("ALTER TABLE gone RENAME TO pairs", database=REMOTE)
    for _ in range(3):
        assert session.execute("EXECUTE q (3)").fetchone() == (3,)


def test_prepared_statement_on_a_new_connection(remote: Cluster, session: Session) -> None:
    """It is prepared again, without a word."""
    session.execute("PREPARE q (int) AS SELECT b FROM pairs WHERE a = $1")
    for _ in range(3):
        for i in range(3, 6):
            assert session.execute(f"EXECUTE q ({i})".encode()).fetchone() == (i,)
        remote.run_sql(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            f" WHERE datname = '{REMOTE}' AND application_name = 'multicorn'"
        )


def test_results_go_at_once(session: Session) -> None:
    """A batch that was read stays in memory no longer than the next one is on its way."""
    session.execute("CREATE EXTENSION IF NOT EXISTS plpython3u")
    session.execute("DO 'import gc; gc.disable()' LANGUAGE plpython3u")
    session.execute("SELECT sum(length(name)) FROM many")
    held = session.execute(
        "CREATE FUNCTION pg_temp.held() RETURNS int LANGUAGE plpython3u AS $$\n"
        "import gc\n"
        "return sum(type(one).__name__ == 'PGresult' for one in gc.get_objects())\n"
        "$$; SELECT pg_temp.held()"
    )
    held.nextset()
    assert held.fetchone() in [(0,), (1,), (2,)]
