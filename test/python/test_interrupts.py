"""A query that waits in Python ends as every other query does, with PostgreSQL's own error."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

import psycopg
import pytest
from psycopg import errors

from harness import Cluster
from harness.sessions import LONGEST_WAIT, Connect, Session, wait_until

WAYS = [
    "loop",
    "loop_in_rows",
    "sleep",
    "socket_recv",
    "pipe_read",
    "run_program",
    "wait_for_lock",
    "swallow_exceptions",
    "swallow_once",
    "turn_into_another",
    "ask",
]
PLACES = ["__init__", "between rows", "end_scan"]

numbers = count()


class Case:
    """A foreign table that waits, and a query on it that runs in a thread of the test."""

    def __init__(self, server: Cluster, how: str, place: str = "execute") -> None:
        name = f"busy_{next(numbers)}"
        self.server = server
        self.query = f"SELECT count(*) FROM {name}"
        self.begun = server.scratch / name
        server.run_sql(
            f"CREATE FOREIGN TABLE {name} (a int) SERVER python OPTIONS (wrapper 'busy.Busy',"
            f" how '{how}', place '{place}', begun '{self.begun}')"
        )

    @contextmanager
    def running(self, connection: Session) -> Iterator[list[Exception]]:
        """Run the query; in the ``with`` block Python is at work, behind it the query has ended."""
        raised: list[Exception] = []

        def run() -> None:
            try:
                connection.execute(self.query)
            except Exception as error:
                raised.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        wait_until(self.begun.exists)
        yield raised
        thread.join(LONGEST_WAIT)
        assert not thread.is_alive(), "the query has not ended"


@pytest.mark.parametrize("how", WAYS)
def test_cancel(server: Cluster, connect: Connect, how: str) -> None:
    """pg_cancel_backend() ends the statement, and the session goes on."""
    case = Case(server, how)
    with connect() as connection:
        with case.running(connection) as raised:
            server.run_sql(f"SELECT pg_cancel_backend({connection.info.backend_pid})")
        assert [type(error) for error in raised] == [errors.QueryCanceled]
        assert "due to user request" in str(raised[0])
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("how", WAYS)
def test_statement_timeout(server: Cluster, connect: Connect, how: str) -> None:
    """So does statement_timeout."""
    case = Case(server, how)
    with connect() as connection:
        connection.execute("SET statement_timeout = '200ms'")
        with pytest.raises(errors.QueryCanceled, match="due to statement timeout"):
            connection.execute(case.query)
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("how", WAYS)
def test_terminate(server: Cluster, connect: Connect, how: str) -> None:
    """pg_terminate_backend() ends the session, and no other."""
    case = Case(server, how)
    with connect() as bystander, connect() as connection:
        with case.running(connection) as raised:
            server.run_sql(f"SELECT pg_terminate_backend({connection.info.backend_pid})")
        assert len(raised) == 1 and isinstance(raised[0], psycopg.OperationalError)
        assert "due to administrator command" in str(raised[0])
        assert bystander.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("how", ["swallow_everything", "suppress_everything", "swallow_and_wait"])
def test_terminate_after_a_cancel(server: Cluster, connect: Connect, how: str) -> None:
    """Code that goes on in spite of a cancel has had its time: a termination ends it at once."""
    case = Case(server, how)
    with connect() as connection:
        connection.execute("SET multicorn.cleanup_timeout = '1h'")
        with case.running(connection) as raised:
            server.run_sql(f"SELECT pg_cancel_backend({connection.info.backend_pid})")
            time.sleep(1)
            server.run_sql(f"SELECT pg_terminate_backend({connection.info.backend_pid})")
        assert len(raised) == 1 and "due to administrator command" in str(raised[0])


@pytest.mark.parametrize("place", PLACES)
def test_cancel_anywhere(server: Cluster, connect: Connect, place: str) -> None:
    """It does not matter which method is at work."""
    case = Case(server, "sleep", place)
    with connect() as connection:
        with case.running(connection) as raised:
            server.run_sql(f"SELECT pg_cancel_backend({connection.info.backend_pid})")
        assert [type(error) for error in raised] == [errors.QueryCanceled]
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_cancel_does_not_reach_the_next_statement(server: Cluster, connect: Connect) -> None:
    """What was meant for one statement is over with it."""
    case = Case(server, "swallow_once")
    other = Case(server, "loop_in_rows")
    with connect() as connection:
        with case.running(connection) as raised:
            server.run_sql(f"SELECT pg_cancel_backend({connection.info.backend_pid})")
        assert len(raised) == 1
        query = other.query.replace("count(*)", "a") + " LIMIT 3"
        assert connection.execute(query).fetchall() == [(1,), (2,), (3,)]


def test_transaction_can_go_on_from_a_savepoint(server: Cluster, connect: Connect) -> None:
    """A cancelled query inside a savepoint leaves the rest of the transaction."""
    case = Case(server, "sleep")
    with connect() as connection, connection.transaction():
        connection.execute("SAVEPOINT before")
        with case.running(connection) as raised:
            server.run_sql(f"SELECT pg_cancel_backend({connection.info.backend_pid})")
        assert len(raised) == 1
        connection.execute("ROLLBACK TO before")
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_signal_handlers_are_restored(server: Cluster, connect: Connect) -> None:
    """Between statements PostgreSQL's own handlers are in place, SA_RESTART included."""
    case = Case(server, "loop_in_rows")
    with connect() as connection:
        pid = connection.info.backend_pid
        connection.execute("SELECT 1")
        connection.execute(f"SELECT a FROM ({case.query.replace('count(*)', 'a')}) q LIMIT 1")
        # A cancel that comes before the next query would be ignored.
        case.begun.unlink()
        with case.running(connection) as raised:
            server.run_sql(f"SELECT pg_cancel_backend({pid})")
        assert len(raised) == 1
        # A cancel of an idle session is ignored, as PostgreSQL's handler and no other does.
        server.run_sql(f"SELECT pg_cancel_backend({pid})")
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_the_echo_of_a_cancel_does_not_end_the_hook_of_its_rollback(
    session: Session, add_module: Callable[[str], str]
) -> None:
    """PostgreSQL signals a cancel twice; the second signal may come when the rollback runs."""
    module = add_module("""
        import os
        import signal
        import time

        from multicorn import ForeignDataWrapper

        class Echo(ForeignDataWrapper):
            def execute(self, quals, columns):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(3600)

            def rollback(self):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.01)
                print("rolled back")
    """)
    session.execute(f"CREATE FOREIGN TABLE {module} (n int) SERVER python"
                    f" OPTIONS (wrapper '{module}.Echo')")  # fmt: skip
    told: list[str | None] = []
    session.add_notice_handler(lambda notice: told.append(notice.message_primary))
    with pytest.raises(psycopg.errors.QueryCanceled):
        session.execute(f"SELECT FROM {module}")
    assert told == ["rolled back"]


def test_the_echo_of_a_cancel_does_not_end_a_finally(
    session: Session, add_module: Callable[[str], str]
) -> None:
    """Neither does it end what the wrapper does because of the first signal."""
    module = add_module("""
        import os
        import signal
        import time

        from multicorn import ForeignDataWrapper

        class Cleans(ForeignDataWrapper):
            def execute(self, quals, columns):
                try:
                    os.kill(os.getpid(), signal.SIGINT)
                    time.sleep(3600)
                finally:
                    os.kill(os.getpid(), signal.SIGINT)
                    time.sleep(0.01)
                    self.cleaned = True

            def rollback(self):
                print("cleaned", self.cleaned)
    """)
    session.execute(f"CREATE FOREIGN TABLE {module} (n int) SERVER python"
                    f" OPTIONS (wrapper '{module}.Cleans')")  # fmt: skip
    told: list[str | None] = []
    session.add_notice_handler(lambda notice: told.append(notice.message_primary))
    with pytest.raises(psycopg.errors.QueryCanceled):
        session.execute(f"SELECT FROM {module}")
    assert told == ["cleaned True"]
    assert session.execute("SELECT 1").fetchone() == (1,)


def test_a_later_cancel_ends_a_finally(server: Cluster, connect: Connect) -> None:
    """Who cancels once more means it."""
    case = Case(server, "wait_in_finally")
    with connect() as connection:
        connection.execute("SET multicorn.cleanup_timeout = 0")
        cancel = f"SELECT pg_cancel_backend({connection.info.backend_pid})"
        with case.running(connection) as raised:
            wait_until(lambda: server.run_sql(cancel) and raised)
        assert [type(error) for error in raised] == [errors.QueryCanceled]
        assert connection.execute("SELECT 1").fetchone() == (1,)
