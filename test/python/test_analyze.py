"""ANALYZE tells of its samples, and no method that it or the planner calls keeps a session busy."""

from __future__ import annotations

import re
import threading
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg import errors

from harness import Cluster
from harness.marks import measures_memory
from harness.sessions import LONGEST_WAIT, Connect, Session, wait_until

# Where Python is at work, and in which statement.
STATEMENTS = {
    "analyze": "ANALYZE {table}",
    "get_rel_size": "ANALYZE {table}",
    "execute": "ANALYZE {table}",
    "between rows": "ANALYZE {table}",
    "end_scan": "ANALYZE {table}",
    "__init__": "ANALYZE {table}",
    "get_path_keys": "SELECT * FROM {table}",
    "can_sort": "SELECT * FROM {table} ORDER BY a",
    "can_filter": "PREPARE {table} AS SELECT * FROM {table} WHERE a = 1; EXECUTE {table}",
    "can_limit": "SELECT * FROM {table} LIMIT 1",
    "explain": "EXPLAIN SELECT * FROM {table}",
    "import_schema": "IMPORT FOREIGN SCHEMA s FROM SERVER python INTO public"
    " OPTIONS (wrapper 'busy.BusyHooks', how '{how}', begun '{begun}')",
}
WAYS = ["loop", "sleep", "swallow_exceptions"]

numbers = count()


def make_statement(server: Cluster, place: str, how: str) -> tuple[str, Path]:
    """Return a statement that waits in a method, and the file that tells when it does."""
    table = f"hooks_{next(numbers)}"
    begun = server.scratch / table
    server.run_sql(
        f"CREATE FOREIGN TABLE {table} (a int) SERVER python OPTIONS (wrapper 'busy.BusyHooks',"
        f" how '{how}', place '{place}', begun '{begun}')"
    )
    return STATEMENTS[place].format(table=table, how=how, begun=begun), begun


@pytest.mark.parametrize("place", STATEMENTS)
def test_cancel(server: Cluster, connect: Connect, place: str) -> None:
    """pg_cancel_backend() ends the statement whatever method is at work; the session goes on."""
    statement, begun = make_statement(server, place, "sleep")
    raised: list[Exception] = []
    with connect() as connection:

        def run() -> None:
            try:
                connection.execute(statement.encode())
            except Exception as error:
                raised.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        wait_until(begun.exists)
        server.run_sql(f"SELECT pg_cancel_backend({connection.info.backend_pid})")
        thread.join(LONGEST_WAIT)
        assert not thread.is_alive(), "the statement has not ended"
        assert [type(error) for error in raised] == [errors.QueryCanceled]
        assert "due to user request" in str(raised[0])
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("place", ["analyze", "between rows", "explain", "can_sort"])
def test_statement_timeout(server: Cluster, connect: Connect, place: str, how: str) -> None:
    """So does statement_timeout, whatever Python is doing."""
    statement, _ = make_statement(server, place, how)
    with connect() as connection:
        connection.execute("SET statement_timeout = '200ms'")
        with pytest.raises(errors.QueryCanceled, match="due to statement timeout"):
            connection.execute(statement.encode())
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_cancel_leaves_statistics_alone(server: Cluster, connect: Connect) -> None:
    """A sample that was not finished is none."""
    statement, _ = make_statement(server, "between rows", "sleep")
    table = statement.split()[-1]
    with connect() as connection:
        connection.execute("SET statement_timeout = '200ms'")
        with pytest.raises(errors.QueryCanceled):
            connection.execute(statement.encode())
        found = connection.execute("SELECT count(*) FROM pg_stats WHERE tablename = %s", [table])
        assert found.fetchone() == (0,)
        found = connection.execute("SELECT reltuples FROM pg_class WHERE relname = %s", [table])
        assert found.fetchone() == (-1,)


# --- What it says ---------------------------------------------------------------------------------


def make_sampled(session: Session, rows: int) -> str:
    """Create a table of so many rows and return its name."""
    name = f"sampled_{next(numbers)}"
    command = f"CREATE FOREIGN TABLE {name} (n int, kind text) SERVER python OPTIONS"
    command += f" (wrapper 'samples.Sampled', rows '{rows}')"
    session.execute(command.encode())
    return name


def analyze(session: Session, table: str) -> list[str]:
    """Run ANALYZE VERBOSE and return what it says of the table's own sample."""
    messages: list[str] = []

    def keep(diagnostic: psycopg.errors.Diagnostic) -> None:
        messages.append(diagnostic.message_primary or "")

    session.add_notice_handler(keep)
    session.execute(f"ANALYZE VERBOSE {table}".encode())
    session.remove_notice_handler(keep)
    return [message for message in messages if "table contains" in message]


SAMPLES = [
    *((0, 1, 0), (1, 1, 1), (299, 1, 299), (300, 1, 300), (301, 1, 300), (5000, 1, 300)),
    *((2999, 10, 2999), (5000, 10, 3000), (31000, 100, 30000)),
]


@pytest.mark.parametrize(("rows", "target", "sampled"), SAMPLES)
def test_size_of_sample(session: Session, rows: int, target: int, sampled: int) -> None:
    """A sample has 300 rows for each unit of the statistics target, and VERBOSE tells."""
    table = make_sampled(session, rows)
    alter = f"ALTER FOREIGN TABLE {table} ALTER n SET STATISTICS {target},"
    session.execute(f"{alter} ALTER kind SET STATISTICS {target}".encode())
    assert analyze(session, table) == [
        f'"{table}": table contains {rows} rows; {sampled} rows in sample'
    ]


def test_verbose_tells_of_partitions(session: Session) -> None:
    """Each partition has its share of the whole sample, and then a sample of its own."""
    parent = f"parent_{next(numbers)}"
    session.execute(f"CREATE TABLE {parent} (n int, kind text) PARTITION BY LIST (n)".encode())
    parts = [make_sampled(session, rows) for rows in (3000, 1000, 0)]
    for number, part in enumerate(parts):
        attach = f"ALTER TABLE {parent} ATTACH PARTITION {part} FOR VALUES IN ({number})"
        session.execute(attach.encode())
    for table in (parent, *parts):
        session.execute(f"ALTER TABLE {table} ALTER n SET STATISTICS 1".encode())
        session.execute(f"ALTER TABLE {table} ALTER kind SET STATISTICS 1".encode())
    found = [
        re.fullmatch(r'"(\w+)": table contains (\d+) rows; (\d+) rows in sample', message)
        for message in analyze(session, parent)
    ]
    counts = [(match[1], int(match[2]), int(match[3])) for match in found if match]
    most, few, none = parts
    # The pages of a small table are few, so the shares are not exact.
    share = counts[0][2]
    assert 210 <= share <= 240
    assert counts[:2] == [(most, 3000, share), (few, 1000, 300 - share)]
    assert sorted(counts[2:]) == sorted([(most, 3000, 300), (few, 1000, 300), (none, 0, 0)])


def test_every_row_has_the_same_chance(session: Session) -> None:
    """Over many samples, the parts of a table are found equally often."""
    table = make_sampled(session, 2000)
    session.execute(f"ALTER FOREIGN TABLE {table} ALTER n SET STATISTICS 1".encode())
    session.execute(f"ALTER FOREIGN TABLE {table} ALTER kind SET STATISTICS 0".encode())
    lows, highs = [], []
    for _ in range(40):
        session.execute(f"ANALYZE {table}".encode())
        row = session.execute(
            "SELECT histogram_bounds::text::int[] FROM pg_stats WHERE tablename = %s", [table]
        ).fetchone()
        assert row is not None
        lows.append(row[0][0])
        highs.append(row[0][-1])
    # The lowest of 300 in 2000 is 6.6 on average, as is the distance of the highest to the end.
    assert 2 < sum(lows) / 40 < 14
    assert 2 < sum(2001 - high for high in highs) / 40 < 14


# --- Memory ---------------------------------------------------------------------------------------


def private_memory(session: Session) -> int:
    """Return how many kilobytes belong to the session's process alone."""
    text = Path(f"/proc/{session.info.backend_pid}/smaps_rollup").read_text()
    return sum(map(int, re.findall(r"^Private_\w+: +(\d+) kB", text, re.MULTILINE)))


@measures_memory
def test_memory_does_not_grow_with_the_table(session: Session) -> None:
    """Rows that are not in the sample are gone at once."""
    table = make_sampled(session, 2000)
    session.execute(f"ALTER FOREIGN TABLE {table} ALTER n SET STATISTICS 1".encode())
    session.execute(f"ALTER FOREIGN TABLE {table} ALTER kind SET STATISTICS 1".encode())
    analyze(session, table)
    before = private_memory(session)
    session.execute(f"ALTER FOREIGN TABLE {table} OPTIONS (SET rows '200000')".encode())
    analyze(session, table)
    assert private_memory(session) - before < 4096
