"""Whatever PostgreSQL ends a statement with, wherever and however Python code waits.

All ways of waiting are tried at once, each in a session of its own. `make test-python
PYTEST_ARGS="-k matrix -rP"` shows how long each took to end, in milliseconds.
"""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from harness import Cluster, Standby
from harness.sessions import LONGEST_WAIT, Connect, Session, wait_until

WAYS = [
    "loop",
    "sleep",
    "socket_recv",
    "pipe_read",
    "run_program",
    "wait_for_lock",
    "hold_lock",
    "wait_for_thread",
    "wait_for_pool",
    "run_event_loop",
    "swallow_exceptions",
    "turn_into_another",
    "wait_in_finally",
    "swallow_everything",
    "suppress_everything",
    "exit_returns_true",
    "swallow_and_wait",
]

# Those that go on when they are interrupted, until multicorn.cleanup_timeout.
WAITING_AGAIN = ["wait_for_pool", *WAYS[WAYS.index("wait_in_finally") :]]

# Where a wrapper waits, and the statements of which the last one gets it there; {t} is its table.
BEFORE_DECISION = {
    "__init__": ["SELECT count(*) FROM {t}"],
    "get_rel_size": ["SELECT count(*) FROM {t}"],
    "execute": ["SELECT count(*) FROM {t}"],
    "between rows": ["SELECT count(*) FROM {t}"],
    "end_scan": ["SELECT count(*) FROM {t}"],
    "begin": ["SELECT count(*) FROM {t}"],
    "sub_begin": ["BEGIN", "SAVEPOINT s", "SELECT count(*) FROM {t}"],
    "sub_commit": ["BEGIN", "SAVEPOINT s", "SELECT FROM {t}", "RELEASE s"],
    "pre_commit": ["BEGIN", "SELECT FROM {t}", "COMMIT"],
}
# PostgreSQL does not count what it does to end a transaction.
TIMED = [place for place in BEFORE_DECISION if not place.endswith("_commit")]

CURSOR = ["BEGIN", "DECLARE c CURSOR FOR SELECT a FROM {t}", "FETCH c"]
AFTER_DECISION = {
    "commit": ["BEGIN", "SELECT FROM {t}", "COMMIT"],
    "rollback": ["BEGIN", "SELECT FROM {t}", "ROLLBACK"],
    "sub_rollback": ["BEGIN", "SAVEPOINT s", "SELECT FROM {t}", "ROLLBACK TO s"],
    "generator": [*CURSOR, "ROLLBACK"],
    "end_scan": [*CURSOR, "ROLLBACK"],
    "dropped": [*CURSOR, "ROLLBACK"],
}

numbers = count()


@dataclass
class Attempt:
    """A session whose wrapper waits in one way; the statements run in a thread of the test."""

    way: str
    table: str
    begun: Path
    session: Session
    statements: Sequence[str]
    warnings: list[str | None] = field(default_factory=list)
    raised: list[psycopg.Error] = field(default_factory=list)
    ended: float = 0

    def __post_init__(self) -> None:
        self.pid = self.session.info.backend_pid
        self.session.add_notice_handler(lambda notice: self.warnings.append(notice.message_primary))
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self) -> None:
        """Run the statements up to the one that fails."""
        try:
            for statement in self.statements:
                self.session.execute(sql.SQL(statement).format(t=sql.Identifier(self.table)))
        except psycopg.Error as error:
            self.raised.append(error)
        self.ended = time.monotonic()

    def end(self) -> None:
        """Wait for the end of the statements."""
        self.thread.join(LONGEST_WAIT)
        assert not self.thread.is_alive(), f"{self.way} has not ended"

    def session_ended(self, reason: str) -> None:
        """The session has ended with PostgreSQL's message."""
        assert len(self.raised) == 1, self.way
        assert f"terminating connection {reason}" in str(self.raised[0]), self.way

    def is_gone(self) -> None:
        """The process ends, and the connection is given up."""
        wait_until(lambda: is_gone(self.pid))
        self.session.close()

    def goes_on(self) -> None:
        """The session can be used, the table too, and nothing is left of what has waited."""
        self.session.execute("ROLLBACK; RESET statement_timeout")
        assert self.session.info.backend_pid == self.pid
        assert self.session.execute("SELECT 1").fetchone() == (1,)
        query = f"SELECT count(*) > 0 FROM {self.table}"
        assert self.session.execute(query).fetchone() == (True,), self.way
        state = self.session.execute("SELECT held, handler, blocked FROM state").fetchone()
        assert state == (False, "on_interrupt", False), self.way


@dataclass
class Matrix:
    """Makes the attempts of a test, and measures them."""

    server: Cluster
    connect: Connect

    def attempts(
        self,
        place: str,
        statements: Sequence[str],
        settings: Sequence[str] = (),
        *,
        begins: bool = True,
        warm: bool = False,
        ways: Sequence[str] = WAYS,
        creator: Cluster | None = None,
    ) -> list[Attempt]:
        """Have a session for each way come to the place where its wrapper waits.

        Args:
            place: The method that waits.
            statements: What leads there.
            settings: What is set before.
            begins: Whether the statements lead there, and will not be ended before.
            warm: Whether Python is started first.
            ways: How they wait.
            creator: The server to create the tables on, if it is another.
        """
        creator = creator or self.server
        wrapper = "busy.BusyDropped" if place == "dropped" else "busy.BusyOnce"
        tables = {way: f"waits_{next(numbers)}" for way in ways}
        creator.run_sql(
            ";".join(
                f"CREATE FOREIGN TABLE {table} (a int) SERVER python OPTIONS (wrapper '{wrapper}',"
                f" how '{way}', place '{place}', begun '{self.server.scratch / table}')"
                for way, table in tables.items()
            )
        )
        made = []
        for way, table in tables.items():
            session = self.connect()
            if warm:
                session.execute("SELECT FROM state")
            for setting in ("multicorn.cleanup_timeout = '1s'", *settings):
                session.execute(f"SET {setting}")
            begun = self.server.scratch / table
            made.append(Attempt(way, table, begun, session, statements))
        if creator is not self.server:
            wait_until(lambda: self.server.run_sql(f"SELECT to_regclass('{made[-1].table}')"))
        for attempt in made:
            attempt.thread.start()
        for attempt in made if begins else []:
            wait_until(attempt.begun.exists)
        return made

    def end(self, attempts: list[Attempt], act: Callable[[Attempt], object]) -> None:
        """Do to each what ends it, wait for that, and print how long it took."""
        for attempt in attempts:
            since = time.monotonic()
            act(attempt)
            attempt.end()
            print(f"{attempt.way}: {(attempt.ended - since) * 1000:.0f} ms")

    def signal(self, function: str) -> Callable[[Attempt], object]:
        """Return what calls a function of PostgreSQL for the backend of an attempt."""
        control = self.connect()
        return lambda attempt: control.execute(f"SELECT {function}({attempt.pid})")


@pytest.fixture
def matrix(server: Cluster, connect: Connect) -> Matrix:
    """The matrix on the server of all tests."""
    server.run_sql(
        "CREATE FOREIGN TABLE IF NOT EXISTS state (held bool, handler text, blocked bool)"
        " SERVER python OPTIONS (wrapper 'busy.State')"
    )
    return Matrix(server, connect)


def is_gone(pid: int) -> bool:
    """Whether the process has ended."""
    return not Path(f"/proc/{pid}").exists()


# --- Before the decision -------------------------------------------------------------------------


@pytest.mark.parametrize("place", BEFORE_DECISION)
def test_cancel(matrix: Matrix, place: str) -> None:
    """The statement ends with PostgreSQL's error, and the next one is not cancelled."""
    attempts = matrix.attempts(place, BEFORE_DECISION[place])
    matrix.end(attempts, matrix.signal("pg_cancel_backend"))
    for attempt in attempts:
        assert [error.sqlstate for error in attempt.raised] == ["57014"], attempt.way
        assert "canceling statement due to user request" in str(attempt.raised[0])
        attempt.goes_on()


@pytest.mark.parametrize("place", TIMED)
def test_statement_timeout(matrix: Matrix, place: str) -> None:
    """So it does when its time is over."""
    settings = ["statement_timeout = '500ms'"]
    attempts = matrix.attempts(place, BEFORE_DECISION[place], settings, begins=False, warm=True)
    for attempt in attempts:
        attempt.end()
        assert [error.sqlstate for error in attempt.raised] == ["57014"], attempt.way
        assert "canceling statement due to statement timeout" in str(attempt.raised[0])
        attempt.goes_on()
    assert any(attempt.begun.exists() for attempt in attempts)


@pytest.mark.parametrize("place", BEFORE_DECISION)
def test_transaction_timeout(matrix: Matrix, place: str) -> None:
    """The session ends when the time of the transaction is over (PostgreSQL 17 and later)."""
    if matrix.server.version < 170000:
        pytest.skip("transaction_timeout came with PostgreSQL 17")
    settings = ["transaction_timeout = '500ms'"]
    attempts = matrix.attempts(place, BEFORE_DECISION[place], settings, begins=False, warm=True)
    for attempt in attempts:
        attempt.end()
        attempt.session_ended("due to transaction timeout")
        attempt.is_gone()
    assert any(attempt.begun.exists() for attempt in attempts)


@pytest.mark.parametrize("place", BEFORE_DECISION)
def test_terminate(matrix: Matrix, place: str) -> None:
    """The session ends, and no other."""
    attempts = matrix.attempts(place, BEFORE_DECISION[place])
    bystander = matrix.connect()
    matrix.end(attempts, matrix.signal("pg_terminate_backend"))
    for attempt in attempts:
        attempt.session_ended("due to administrator command")
        attempt.is_gone()
    assert bystander.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("place", BEFORE_DECISION)
def test_client_goes(matrix: Matrix, place: str) -> None:
    """client_connection_check_interval ends what nobody waits for any more."""
    settings = ["client_connection_check_interval = '100ms'"]
    attempts = matrix.attempts(place, BEFORE_DECISION[place], settings)

    def go(attempt: Attempt) -> None:
        with socket.socket(fileno=os.dup(attempt.session.fileno())) as connection:
            connection.shutdown(socket.SHUT_RDWR)
        wait_until(lambda: is_gone(attempt.pid))

    matrix.end(attempts, go)
    for attempt in attempts:
        assert re.search(rf"\[{attempt.pid}\] .*connection to client lost", matrix.server.log)


# --- After the decision --------------------------------------------------------------------------


def check_warnings(attempt: Attempt, place: str, reason: str) -> None:
    """There is one warning: of the interrupt, or of what the wrapper has made of it.

    What is raised while an object is let go of is not even one.
    """
    if place == "dropped":
        expected = []
    elif attempt.way == "turn_into_another":
        expected = ["ValueError: no"]
    else:
        expected = [f"interrupted by {reason}"]
    assert attempt.warnings == expected, attempt.way


@pytest.mark.parametrize("place", AFTER_DECISION)
def test_cleanup_timeout(matrix: Matrix, place: str) -> None:
    """What is called after the decision ends by itself, with a WARNING; the decision stands."""
    attempts = matrix.attempts(place, AFTER_DECISION[place])
    for attempt in attempts:
        attempt.end()
        assert attempt.raised == [], attempt.way
        check_warnings(attempt, place, "multicorn.cleanup_timeout")
        attempt.goes_on()


@pytest.mark.parametrize("place", AFTER_DECISION)
def test_cancel_after_the_decision(matrix: Matrix, place: str) -> None:
    """A cancel ends it at once."""
    attempts = matrix.attempts(place, AFTER_DECISION[place], ["multicorn.cleanup_timeout = 0"])
    matrix.end(attempts, matrix.signal("pg_cancel_backend"))
    for attempt in attempts:
        # What was cancelled is ROLLBACK TO, which may still hear of it.
        allowed = [["57014"], []] if place == "sub_rollback" else [[]]
        assert [error.sqlstate for error in attempt.raised] in allowed, attempt.way
        check_warnings(attempt, place, "a cancel or a termination")
        attempt.goes_on()


@pytest.mark.parametrize("place", AFTER_DECISION)
def test_terminate_after_the_decision(matrix: Matrix, place: str) -> None:
    """A termination ends it, and the session."""
    attempts = matrix.attempts(place, AFTER_DECISION[place], ["multicorn.cleanup_timeout = 0"])
    matrix.end(attempts, matrix.signal("pg_terminate_backend"))
    for attempt in attempts:
        attempt.is_gone()


def test_close_at_the_end_of_the_session(matrix: Matrix) -> None:
    """close() that hangs does not keep the process, its locks and the server from ending."""
    attempts = matrix.attempts("close", ["SELECT count(*) FROM {t}"], begins=False)
    for attempt in attempts:
        attempt.end()
        attempt.session.close()
    for attempt in attempts:
        attempt.is_gone()
        assert attempt.begun.exists()


def close_all(matrix: Matrix, timeout: str) -> int:
    """End a session that has an instance for each way to wait in close(); returns its process."""
    attempts = matrix.attempts("close", ["SELECT 1"], begins=False)
    for attempt in attempts:
        attempt.end()
    last = attempts[-1]
    last.session.execute(f"SET multicorn.cleanup_timeout = '{timeout}'")
    for attempt in attempts:
        last.session.execute(f"SELECT FROM {attempt.table}")
    last.session.close()
    wait_until(lambda: any(attempt.begun.exists() for attempt in attempts))
    return last.pid


def interruptions(server: Cluster, pid: int) -> list[str]:
    """What the log says of the calls of close() that a session has ended."""
    return re.findall(rf"\[{pid}\] .*WARNING:  interrupted by (.*)", server.log)


def test_all_instances_are_closed_within_one_time(matrix: Matrix) -> None:
    """The end of a session with many of them does not take many times the limit."""
    pid = close_all(matrix, "6s")
    assert len(WAYS) * 6 > LONGEST_WAIT
    wait_until(lambda: is_gone(pid))
    # One of them raises an exception of its own.
    expected = ["multicorn.cleanup_timeout"] * (len(WAYS) - 1)
    assert interruptions(matrix.server, pid) == expected


def test_termination_while_instances_are_closed(matrix: Matrix) -> None:
    """PostgreSQL itself is deaf to it by then: without a limit this would not end."""
    pid = close_all(matrix, "0")
    matrix.connect().execute(f"SELECT pg_terminate_backend({pid})")
    wait_until(lambda: is_gone(pid))
    expected = ["a cancel or a termination"] * (len(WAYS) - 1)
    assert interruptions(matrix.server, pid) == expected


@pytest.mark.parametrize(
    "statements",
    [
        ["ALTER FOREIGN TABLE {t} OPTIONS (other 'one')", "SELECT count(*) FROM {t}"],
        ["SELECT multicorn_reset()"],
    ],
)
def test_close_within_a_statement(matrix: Matrix, statements: Sequence[str]) -> None:
    """It belongs to the statement then, which a cancel ends."""
    attempts = matrix.attempts(
        "close",
        ["SELECT count(*) FROM {t}", *statements],
        ["multicorn.cleanup_timeout = 0"],
        ways=[way for way in WAYS if way not in WAITING_AGAIN],
    )
    matrix.end(attempts, matrix.signal("pg_cancel_backend"))
    for attempt in attempts:
        assert [error.sqlstate for error in attempt.raised] == ["57014"], attempt.way
        attempt.goes_on()


# --- Servers that end, and standbys --------------------------------------------------------------


@pytest.fixture
def own_server(server: Cluster) -> Iterator[Cluster]:
    """A server for one test, with the wrappers of the others."""
    path = server.run_sql("SHOW multicorn.python_path")
    with Cluster(settings={"multicorn.python_path": path}) as cluster:
        cluster.run_sql(
            "CREATE EXTENSION multicorn; CREATE SERVER python FOREIGN DATA WRAPPER multicorn"
        )
        yield cluster


@contextmanager
def sessions_on(server: Cluster) -> Iterator[Matrix]:
    """The matrix on another server, whose sessions are closed at the end."""
    with ExitStack() as sessions:
        yield Matrix(
            server,
            lambda: sessions.enter_context(psycopg.connect(server.dsn, autocommit=True)),
        )


def test_fast_shutdown(own_server: Cluster) -> None:
    """The server stops whatever its sessions wait for, in close() too."""
    with sessions_on(own_server) as matrix:
        before = [
            attempt
            for place in ("execute", "pre_commit")
            for attempt in matrix.attempts(place, BEFORE_DECISION[place])
        ]
        after = [
            attempt
            for place in ("commit", "generator")
            for attempt in matrix.attempts(
                place, AFTER_DECISION[place], ["multicorn.cleanup_timeout = 0"]
            )
        ]
        idle = matrix.attempts("close", ["SELECT count(*) FROM {t}"], begins=False)
        for attempt in idle:
            attempt.end()
        since = time.monotonic()
        own_server.stop("fast")
        print(f"stopped after {(time.monotonic() - since) * 1000:.0f} ms")
        for attempt in before:
            attempt.end()
            attempt.session_ended("due to administrator command")
        for attempt in (*after, *idle):
            attempt.end()
            assert is_gone(attempt.pid) and attempt.begun.exists()


def test_recovery_conflict(own_server: Cluster) -> None:
    """On a standby, a wrapper makes way for what the primary has done."""
    own_server.run_sql("CREATE TABLE held (a int)")
    with (
        sessions_on(own_server) as primary,
        Standby(own_server) as standby,
        sessions_on(standby) as matrix,
    ):
        attempts = []
        # The standby waits for one after the other.
        ways = [way for way in WAYS if way not in WAITING_AGAIN]
        for place in ("execute", "get_rel_size"):
            statements = ["BEGIN", "SELECT FROM held", "SELECT count(*) FROM {t}"]
            attempts += matrix.attempts(place, statements, creator=own_server, ways=ways)
        savepoints = matrix.attempts(
            "execute",
            ["BEGIN", "SELECT FROM held", "SAVEPOINT s", "SELECT count(*) FROM {t}"],
            creator=own_server,
            ways=ways,
        )
        since = time.monotonic()
        primary.connect().execute("DROP TABLE held")
        gone_on = 0
        for attempt in attempts:
            attempt.end()
            print(f"{attempt.way}: {(attempt.ended - since) * 1000:.0f} ms")
            assert [error.sqlstate for error in attempt.raised] == ["40001"], attempt.way
            assert "canceling statement due to conflict with recovery" in str(attempt.raised[0])
            query = f"SELECT count(*) > 0 FROM {attempt.table}"
            try:
                attempt.session.execute("ROLLBACK")
                assert attempt.session.execute(query).fetchone() == (True,)
                gone_on += 1
            except psycopg.OperationalError:
                # Up to version 15 a standby may signal again while the first signal is answered,
                # and PostgreSQL ends the session, which is idle by then.
                assert standby.version < 160000
        assert gone_on > 0
        # PostgreSQL ends the session of one in a savepoint.
        for attempt in savepoints:
            attempt.end()
            attempt.session_ended("due to conflict with recovery")
            attempt.is_gone()
