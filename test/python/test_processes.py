"""Processes that Python code makes: programs run, and nothing becomes a second backend."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from harness import Cluster
from harness.sessions import Connect, Session

REFUSED = [
    "os.fork",
    "os.forkpty",
    "pty.fork",
    "multiprocessing fork",
    "executor fork",
    "os.fork on a thread",
]

ANSWERS = {
    "subprocess": "42",
    "subprocess with a shell": "42",
    "subprocess with preexec_fn": "42",
    "subprocess on a thread": "42",
    "posix_spawn": "42",
    "system": "42",
    "system that is killed": "9",
    "popen": "42",
    "multiprocessing spawn": "42",
    "multiprocessing forkserver": "42",
    "executor spawn": "42",
    "C, then exit()": "42",
    "C, then os._exit()": "42",
    "C, then abort()": "-6",
}

FAILURES = {
    "subprocess with a failing preexec_fn": "SubprocessError",
    "subprocess of nothing": "FileNotFoundError",
}

ADVICE = "use multiprocessing.get_context('spawn')"


@pytest.fixture(scope="module", autouse=True)
def _tables(server: Cluster) -> None:
    """Create the tables."""
    server.run_sql(
        "CREATE FOREIGN TABLE processes (way text, answer text) SERVER python"
        " OPTIONS (wrapper 'processes.Processes')"
    )
    for child in ("return", "raise", "exit"):
        server.run_sql(
            f"CREATE FOREIGN TABLE forks_{child} (status int) SERVER python"
            f" OPTIONS (wrapper 'processes.Forks', child '{child}')"
        )


@pytest.fixture
def session(server: Cluster, connect: Connect) -> Iterator[Session]:
    """A session that holds a lock in a transaction, and that nothing is to happen to."""
    began = len(server.log)
    notices: list[str | None] = []
    with connect() as session:
        session.add_notice_handler(lambda notice: notices.append(notice.message_primary))
        process = session.info.backend_pid
        with session.transaction():
            session.execute("SELECT pg_advisory_xact_lock(7)")
            yield session
            if session.info.transaction_status != psycopg.pq.TransactionStatus.INERROR:
                # What a process of its own gave up at its end would be gone.
                assert not connect().execute("SELECT pg_try_advisory_xact_lock(7)").fetchall()[0][0]
        assert session.execute("SELECT pg_backend_pid()").fetchall() == [(process,)]
        assert notices == []
        assert connect().execute(
            "SELECT count(*) FROM pg_stat_activity WHERE pid = %s", (process,)
        ).fetchone() == (1,)
    for sign in ("PANIC", "terminated by signal", "server process"):
        assert sign not in server.log[began:]


def ask(session: Session, way: str) -> str:
    """Have a process made; return the answer."""
    query = "SELECT answer FROM processes WHERE way = %s"
    answer: str = session.execute(query, (way,)).fetchall()[0][0]
    return answer


@pytest.mark.parametrize("way", REFUSED)
def test_a_fork_is_refused(session: Session, way: str) -> None:
    """The error says what to do; a savepoint gets over it."""
    try:
        with session.transaction():
            answer = ask(session, way)
    except psycopg.Error as error:
        answer = str(error)
    # pty.fork() takes the one for a system without forkpty(), and forks by itself.
    function = "os.forkpty" if way == "os.forkpty" else "os.fork"
    assert f"PermissionError: {function}() would make a second backend" in answer
    assert ADVICE in answer


@pytest.mark.parametrize("way", ANSWERS)
def test_a_process_is_harmless(session: Session, way: str) -> None:
    assert ask(session, way) == ANSWERS[way]


@pytest.mark.parametrize("way", ["system for long", "system for long on a thread"])
def test_os_system_keeps_no_cancel_away(session: Session, way: str) -> None:
    """libc has the process ignore SIGINT meanwhile, on whatever thread."""
    with pytest.raises(psycopg.errors.QueryCanceled), session.transaction():
        session.execute("SET LOCAL statement_timeout = '500ms'")
        ask(session, way)
    assert session.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("way", FAILURES)
def test_a_program_that_does_not_start_is_an_error(session: Session, way: str) -> None:
    with pytest.raises(psycopg.Error, match=FAILURES[way]), session.transaction():
        ask(session, way)


@pytest.mark.parametrize("child", ["return", "raise", "exit"])
def test_a_forked_process_is_no_second_backend(
    server: Cluster, session: Session, child: str
) -> None:
    """A child that comes back into PostgreSQL ends there; the client hears of the parent alone."""
    assert session.execute(f"SELECT status FROM forks_{child}").fetchall() == [(1,)]
    assert "came back into PostgreSQL" in server.log


def test_plpython_forks_as_before(connect: Connect) -> None:
    """What PL/Python's functions may do is not for us to say, but the backend is safe from it."""
    fork = (
        "DO $$\n"
        "import os, ctypes\n"
        "child = os.fork()\n"
        "if child == 0: ctypes.CDLL(None).exit(42)\n"
        "assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42\n"
        "$$ LANGUAGE plpython3u"
    )
    with connect() as session, session.transaction(force_rollback=True):
        session.execute("CREATE EXTENSION IF NOT EXISTS plpython3u")
        session.execute("SELECT pg_advisory_xact_lock(8)")
        assert ask(session, "subprocess") == "42"
        session.execute(fork)
        assert not connect().execute("SELECT pg_try_advisory_xact_lock(8)").fetchall()[0][0]
        with pytest.raises(psycopg.Error, match="second backend"):
            ask(session, "os.fork")
