"""Connections to remote servers: what they follow, what ends them, and what they survive."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from random import Random
from typing import Any

import psycopg
import pytest
from psycopg import errors

from harness import Cluster
from harness.sessions import LONGEST_WAIT, Connect, Session, wait_until

numbers = count(1)


@pytest.fixture(scope="module")
def remote() -> Iterator[Cluster]:
    """The remote server, which has a table `t` with a number and a deferred constraint."""
    with Cluster(settings={"max_connections": "50"}) as cluster:
        cluster.run_sql(
            "CREATE TABLE t (n int UNIQUE DEFERRABLE INITIALLY DEFERRED, s text);"
            "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;"
            "CREATE TABLE deadly (n int);"
            "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON deadly DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION die()"
        )
        yield cluster


class Remote:
    """A foreign table in a session, by which a connection to the remote server is driven."""

    def __init__(self, session: Session, name: str) -> None:
        self.session = session
        self.name = name

    def __call__(self, command: str) -> Any:
        """Evaluate an expression in the backend."""
        sql = f"SELECT answer FROM {self.name} WHERE command = %s"
        row = self.session.execute(sql, [command]).fetchone()
        assert row is not None
        return row[0]

    def value(self, sql: str) -> Any:
        """Run a query on the remote server."""
        return self(f"value({sql!r})")

    def run(self, sql: str) -> None:
        """Run a command on the remote server."""
        self(f"connection.execute({sql!r}).command_status")

    @property
    def pid(self) -> int:
        """The process ID of the remote backend."""
        return int(self("connection.remote_backend_pid"))


@pytest.fixture
def make(server: Cluster, remote: Cluster, connect: Connect) -> Callable[..., Remote]:
    """Make a foreign server and a table for it; in a new session, unless one is given."""

    def make(session: Session | None = None, **options: str) -> Remote:
        name = f"driven_{next(numbers)}"
        given = {"host": remote.host, "dbname": "postgres", "user": "postgres", **options}
        written = ", ".join(f"{key} '{value}'" for key, value in given.items())
        server.run_sql(
            f"CREATE SERVER {name} FOREIGN DATA WRAPPER multicorn OPTIONS ({written});"
            f"CREATE USER MAPPING FOR postgres SERVER {name};"
            f"CREATE FOREIGN TABLE {name} (command text, answer text) SERVER {name}"
            " OPTIONS (wrapper 'connections.Driven')"
        )
        return Remote(session or connect(), name)

    return make


@pytest.fixture
def driven(make: Callable[..., Remote], remote: Cluster) -> Remote:
    """A table for the remote server, whose own tables are empty."""
    remote.run_sql("TRUNCATE t, deadly")
    return make()


def content(remote: Cluster) -> list[int]:
    """What others see in the remote table."""
    return [int(line) for line in remote.run_sql("SELECT n FROM t ORDER BY n").split()]


def activity(remote: Cluster, pid: int) -> str:
    """What a remote backend is doing."""
    return remote.run_sql(f"SELECT state FROM pg_stat_activity WHERE pid = {pid}").strip()


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Stop a process for a while."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


# --- The remote transaction -----------------------------------------------------------------------


def test_nothing_connects_before_it_must(make: Callable[..., Remote]) -> None:
    """Neither the instance nor planning needs the remote server."""
    driven = make(host="/nowhere")
    session = driven.session
    session.execute(f"EXPLAIN SELECT * FROM {driven.name}")
    assert driven("connections.listed()") == "[]"


def test_isolation(driven: Remote) -> None:
    """The remote transaction keeps its snapshot."""
    sql = "SELECT current_setting('transaction_isolation')"
    assert driven.value(sql) == "repeatable read"
    with driven.session.transaction():
        driven.session.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        assert driven.value(sql) == "serializable"


def test_one_transaction(driven: Remote) -> None:
    """All commands of a transaction are one transaction there, on one connection."""
    sql = "SELECT pg_current_xact_id()"
    with driven.session.transaction():
        first, pid = driven.value(sql), driven.pid
        assert driven.value(sql) == first
    assert driven.value(sql) != first
    assert driven.pid == pid


def test_first_use_is_one_round_trip(driven: Remote) -> None:
    """What begins the transaction goes along with the first command."""
    seen = driven.value("SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid()")
    assert seen.startswith("START TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT")


def test_session_settings(driven: Remote) -> None:
    """Names and values mean the same everywhere."""
    assert driven.value("SELECT current_setting('search_path')") == "pg_catalog"
    assert driven.value("SELECT current_setting('timezone')") == "UTC"
    assert driven.value("SELECT current_setting('datestyle')").startswith("ISO")
    assert driven.value("SELECT current_setting('extra_float_digits')") == "3"


def test_commit_and_rollback(driven: Remote, remote: Cluster) -> None:
    """Both go in step."""
    driven.run("INSERT INTO public.t VALUES (1)")
    assert content(remote) == [1]
    with driven.session.transaction(force_rollback=True):
        driven.run("INSERT INTO public.t VALUES (2)")
        assert content(remote) == [1]
    assert content(remote) == [1]
    with driven.session.transaction():
        driven.run("INSERT INTO public.t VALUES (3)")
    assert content(remote) == [1, 3]
    assert activity(remote, driven.pid) == "idle"


@pytest.mark.parametrize("seed", range(8))
def test_savepoints(driven: Remote, remote: Cluster, seed: int) -> None:
    """What savepoints leave is what they leave in a table of our own."""
    random = Random(seed)
    session = driven.session
    session.execute("CREATE TEMP TABLE own (n int)")
    for number in range(60):
        session.execute("BEGIN")
        names: list[str] = []
        for step in range(random.randrange(12)):
            match random.choice(["write", "write", "fail", "savepoint", "release", "back"]):
                case "write":
                    value = number * 100 + step
                    session.execute("INSERT INTO own VALUES (%s)", [value])
                    driven.run(f"INSERT INTO public.t VALUES ({value})")
                case "fail" if names:
                    wrong = random.choice(["SELECT 1/0", "syntax error", "SELECT 'a'::int"])
                    with pytest.raises(psycopg.Error):
                        driven.run(wrong)
                    session.execute(f"ROLLBACK TO {names[-1]}")
                case "savepoint":
                    names.append(f"s{step}")
                    session.execute(f"SAVEPOINT {names[-1]}")
                case "release" if names:
                    at = random.randrange(len(names))
                    session.execute(f"RELEASE {names[at]}")
                    del names[at:]
                case "back" if names:
                    at = random.randrange(len(names))
                    session.execute(f"ROLLBACK TO {names[at]}")
                    del names[at + 1 :]
        session.execute(random.choice(["COMMIT", "COMMIT", "ROLLBACK"]))
        own = [n for (n,) in session.execute("SELECT n FROM own ORDER BY n")]
        assert content(remote) == own


def test_exception_blocks(driven: Remote, remote: Cluster) -> None:
    """So do the blocks of PL/pgSQL, many of them."""
    driven.session.execute(
        f"""DO $$ BEGIN
        FOR i IN 1..200 LOOP
            BEGIN
                PERFORM answer FROM {driven.name}
                WHERE command = format('value(%L)',
                    format('INSERT INTO public.t VALUES (%s) RETURNING 1 / (%s %% 2)', i, i));
            EXCEPTION WHEN division_by_zero THEN NULL;
            END;
        END LOOP; END $$"""
    )
    assert content(remote) == list(range(1, 201, 2))


# --- Errors ---------------------------------------------------------------------------------------


def test_remote_error(driven: Remote) -> None:
    """It keeps all its fields, and the command is in CONTEXT."""
    code = "DO $$ BEGIN RAISE 'no' USING DETAIL = 'why', HINT = 'do', ERRCODE = 'AB123'; END $$"
    with pytest.raises(psycopg.Error) as raised:
        driven.run(code)
    diagnostics = raised.value.diag
    assert diagnostics.sqlstate == "AB123"
    assert diagnostics.message_primary == "no"
    assert diagnostics.message_detail == "why"
    assert diagnostics.message_hint == "do"
    lines = (diagnostics.context or "").splitlines()
    assert lines[0] == "PL/pgSQL function inline_code_block line 1 at RAISE"
    assert lines[1] == f"remote SQL command: {code}"


def test_error_of_the_beginning(make: Callable[..., Remote], remote: Cluster) -> None:
    """An error of what goes along shows that command, and the connection stays good."""
    driven = make()
    with driven.session.transaction():
        driven.run("SELECT 1")
        driven("connection.defer('CLOSE nothing')")
        with pytest.raises(errors.InvalidCursorName) as raised, driven.session.transaction():
            driven.run("SELECT 2")
        assert "remote SQL command: CLOSE nothing" in (raised.value.diag.context or "")
        assert driven.value("SELECT 3") == "3"


def test_notices(driven: Remote) -> None:
    """Messages come through, with their level."""
    seen: list[tuple[str | None, str | None]] = []
    driven.session.add_notice_handler(
        lambda notice: seen.append((notice.severity, notice.message_primary))
    )
    driven.run("DO $$ BEGIN RAISE NOTICE 'hello'; RAISE WARNING 'oh'; END $$")
    assert seen == [("NOTICE", "hello"), ("WARNING", "oh")]


def test_swallowed_error(driven: Remote, remote: Cluster) -> None:
    """A remote transaction that has failed does not commit, whatever Python has caught."""
    with pytest.raises(errors.TransactionRollback), driven.session.transaction():
        driven.run("INSERT INTO public.t VALUES (1)")
        assert driven("swallow('SELECT 1/0')") == "division by zero"
    assert content(remote) == []
    assert driven.value("SELECT 1") == "1"


def test_commit_fails(driven: Remote, remote: Cluster) -> None:
    """What COMMIT finds is an error, and the local transaction is rolled back."""
    session = driven.session
    session.execute("CREATE TEMP TABLE own (n int)")
    with pytest.raises(errors.UniqueViolation), session.transaction():
        session.execute("INSERT INTO own VALUES (1)")
        driven.run("INSERT INTO public.t VALUES (1), (1)")
    assert session.execute("SELECT count(*) FROM own").fetchone() == (0,)
    assert driven.value("SELECT 1") == "1"


def test_commit_without_answer(driven: Remote) -> None:
    """The error says that nobody knows."""
    with pytest.raises(psycopg.Error, match=r"outcome .* is unknown") as raised:
        driven.run("INSERT INTO public.deadly VALUES (1)")
    assert raised.value.diag.sqlstate == "08007"
    assert driven.value("SELECT 1") == "1"


@pytest.mark.parametrize("parallel", ["on", "off"])
def test_commit_on_several(make: Callable[..., Remote], remote: Cluster, parallel: str) -> None:
    """All commit, one after the other or together."""
    remote.run_sql("TRUNCATE t")
    first = make(parallel_commit=parallel)
    second = make(first.session, parallel_commit=parallel)
    with first.session.transaction():
        first.run("INSERT INTO public.t VALUES (1)")
        second.run("INSERT INTO public.t VALUES (2)")
    assert content(remote) == [1, 2]
    with pytest.raises(errors.UniqueViolation), first.session.transaction():
        first.run("INSERT INTO public.t VALUES (3), (3)")
        second.run("INSERT INTO public.t VALUES (4)")
    assert content(remote) == ([1, 2, 4] if parallel == "on" else [1, 2])


# --- Cancels --------------------------------------------------------------------------------------


@contextmanager
def running(driven: Remote, remote: Cluster, sql: str) -> Iterator[list[Any]]:
    """Run a remote command; in the block it is at work, behind it the query has ended."""
    raised: list[Any] = []

    def run() -> None:
        try:
            driven.run(sql)
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    wait_until(
        lambda: (
            f"{sql}\n"
            in remote.run_sql(
                "SELECT replace(query, 'START TRANSACTION ISOLATION LEVEL REPEATABLE READ; ', '')"
                " FROM pg_stat_activity WHERE state = 'active'"
            )
        )
    )
    yield raised
    thread.join(LONGEST_WAIT)
    assert not thread.is_alive(), "the query has not ended"


@pytest.mark.parametrize("begun", [False, True])
def test_cancel(driven: Remote, server: Cluster, remote: Cluster, begun: bool) -> None:
    """A cancel reaches the remote server."""
    pid = driven.pid if driven.value("SELECT 1") else 0
    if begun:
        driven.session.execute("BEGIN")
        driven.run("SELECT 1")
    with running(driven, remote, "SELECT pg_sleep(1000)") as raised:
        local = driven.session.info.backend_pid
        server.run_sql(f"SELECT pg_cancel_backend({local})")
        start = time.monotonic()
    assert time.monotonic() - start < 1
    assert [type(error) for error in raised] == [errors.QueryCanceled]
    assert "due to user request" in str(raised[0])
    assert activity(remote, pid) == "idle"
    driven.session.rollback()
    assert (driven.value("SELECT 1"), driven.pid) == ("1", pid)


def test_statement_timeout(driven: Remote, remote: Cluster) -> None:
    """So does a timeout; within a savepoint, what was before stays."""
    session = driven.session
    with session.transaction():
        driven.run("INSERT INTO public.t VALUES (1)")
        pid = driven.pid
        with pytest.raises(errors.QueryCanceled), session.transaction():
            driven.run("INSERT INTO public.t VALUES (2)")
            session.execute("SET LOCAL statement_timeout = '300ms'")
            driven.run("SELECT pg_sleep(1000)")
        driven.run("INSERT INTO public.t VALUES (3)")
        assert driven.pid == pid
    assert content(remote) == [1, 3]


def test_terminate(driven: Remote, server: Cluster, remote: Cluster) -> None:
    """The end of the session ends the remote one."""
    pid = driven.pid if driven.value("SELECT 1") else 0
    with running(driven, remote, "SELECT pg_sleep(1000)") as raised:
        server.run_sql(f"SELECT pg_terminate_backend({driven.session.info.backend_pid})")
    assert len(raised) == 1
    wait_until(lambda: activity(remote, pid) == "")


def test_stopped_remote(driven: Remote, remote: Cluster) -> None:
    """A server that does not answer is left within about a second."""
    driven.value("SELECT 1")
    pid = driven.pid
    session = driven.session
    session.execute("SET statement_timeout = '200ms'")
    with stopped(pid):
        start = time.monotonic()
        with pytest.raises(errors.QueryCanceled):
            driven.value("SELECT 1")
        assert time.monotonic() - start < 2
        session.execute("SET statement_timeout = 0")
        # The server itself is there: another backend of it.
        assert driven.value("SELECT 1") == "1"
        assert driven.pid != pid


def test_stopped_remote_in_a_savepoint(driven: Remote, remote: Cluster) -> None:
    """If a savepoint cannot be rolled back, nothing of the transaction is committed."""
    session = driven.session
    driven.value("SELECT 1")
    pid = driven.pid
    with pytest.raises(psycopg.Error, match="cannot be used"), session.transaction():
        driven.run("INSERT INTO public.t VALUES (1)")
        session.execute("SAVEPOINT s")
        driven.run("INSERT INTO public.t VALUES (2)")
        with stopped(pid):
            session.execute("ROLLBACK TO s")
        with pytest.raises(psycopg.Error, match="cannot be used") as raised:
            driven.run("INSERT INTO public.t VALUES (3)")
        assert raised.value.diag.sqlstate == "25P02"
        session.execute("ROLLBACK TO s")
    assert content(remote) == []
    assert driven.value("SELECT 1") == "1"


def test_stopped_server(driven: Remote, remote: Cluster) -> None:
    """A whole server that stands still cannot be cancelled, and is left all the same."""
    driven.value("SELECT 1")
    postmaster = int((remote.data / "postmaster.pid").read_text().split()[0])
    session = driven.session
    pid = driven.pid
    session.execute("SET statement_timeout = '200ms'")
    with stopped(postmaster), stopped(pid):
        start = time.monotonic()
        with pytest.raises(errors.QueryCanceled):
            driven.value("SELECT 1")
        assert time.monotonic() - start < 2
    session.execute("SET statement_timeout = 0")
    assert driven.value("SELECT 1") == "1"


# --- Lost connections -----------------------------------------------------------------------------


def kill(remote: Cluster, pid: int) -> None:
    """End a remote backend, and wait for that."""
    remote.run_sql(f"SELECT pg_terminate_backend({pid})")
    wait_until(lambda: activity(remote, pid) == "")


def test_lost_between_transactions(driven: Remote, remote: Cluster) -> None:
    """It is replaced without a word."""
    for _ in range(3):
        driven.value("SELECT 1")
        pid = driven.pid
        kill(remote, pid)
        assert driven.value("SELECT 1") == "1"
        assert driven.pid != pid


@pytest.mark.parametrize("how", ["simple", "extended", "prepared"])
def test_lost_without_a_sign(driven: Remote, remote: Cluster, how: str) -> None:
    """Also when it is found out only by the first command."""
    driven.value("SELECT 1")
    name = "connection.prepare('SELECT $1::text', [25])"
    run = f"kept['r'].send('', ['7'], statement={name}) or kept['r'].values()"
    assert driven(f"keep('r', Reader(connection)) or {run}") == "['7']"
    driven("setattr(link, 'is_alive', lambda pgconn: True)")
    kill(remote, driven.pid)
    match how:
        case "simple":
            assert driven.value("SELECT 7") == "7"
        case "extended":
            assert driven("value('SELECT $1::text', ['7'])") == "7"
        case "prepared":
            assert driven(run) == "['7']"


def test_lost_in_a_transaction(driven: Remote, remote: Cluster) -> None:
    """It is an error, and stays one to the end."""
    session = driven.session
    with pytest.raises(errors.ConnectionFailure, match="was lost"), session.transaction():
        driven.run("INSERT INTO public.t VALUES (1)")
        kill(remote, driven.pid)
        with pytest.raises(psycopg.Error), session.transaction():
            driven.value("SELECT 1")
        driven.value("SELECT 1")
    assert content(remote) == []
    assert driven.value("SELECT 1") == "1"


def test_lost_where_nothing_was_done(driven: Remote, remote: Cluster) -> None:
    """If all that is lost was to be rolled back anyway, the transaction can go on."""
    session = driven.session
    with session.transaction():
        session.execute("SAVEPOINT s")
        driven.run("INSERT INTO public.t VALUES (1)")
        kill(remote, driven.pid)
        with pytest.raises(errors.ConnectionFailure):
            driven.value("SELECT 1")
        session.execute("ROLLBACK TO s")
        driven.run("INSERT INTO public.t VALUES (2)")
    assert content(remote) == [2]


def test_lost_before_commit(driven: Remote, remote: Cluster) -> None:
    """COMMIT is not even sent."""
    with pytest.raises(errors.ConnectionFailure), driven.session.transaction():
        driven.run("INSERT INTO public.t VALUES (1)")
        kill(remote, driven.pid)
    assert driven.value("SELECT 1") == "1"


def test_server_crashes(make: Callable[..., Remote]) -> None:
    """A server that goes away and comes back is found again."""
    with Cluster() as other:
        driven = make(host=other.host)
        driven.value("SELECT 1")
        with pytest.raises(errors.ConnectionFailure), driven.session.transaction():
            driven.value("SELECT 1")
            other.stop("immediate")
            driven.value("SELECT 1")
        with pytest.raises(errors.SqlclientUnableToEstablishSqlconnection):
            driven.value("SELECT 1")
        other.start()
        assert driven.value("SELECT 1") == "1"


# --- Connecting -----------------------------------------------------------------------------------


def test_cannot_connect(make: Callable[..., Remote]) -> None:
    """The error says what libpq says."""
    driven = make(host="/nowhere", password="top secret")
    with pytest.raises(errors.SqlclientUnableToEstablishSqlconnection) as raised:
        driven.value("SELECT 1")
    assert raised.value.diag.message_primary == f'could not connect to server "{driven.name}"'
    assert "/nowhere" in (raised.value.diag.message_detail or "")
    assert "secret" not in (raised.value.diag.message_detail or "")


@contextmanager
def silent_host() -> Iterator[str]:
    """Listen on a port, and never answer."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield str(listener.getsockname()[1])


def test_connect_timeout(make: Callable[..., Remote]) -> None:
    """A server that does not answer is given up."""
    with silent_host() as port:
        driven = make(host="127.0.0.1", port=port, connect_timeout="1")
        start = time.monotonic()
        with pytest.raises(errors.SqlclientUnableToEstablishSqlconnection) as raised:
            driven.value("SELECT 1")
        assert time.monotonic() - start < 3
    assert "timeout expired" in (raised.value.diag.message_detail or "")


def test_connect_timeout_of_each_host(make: Callable[..., Remote], remote: Cluster) -> None:
    """The next host is tried."""
    with silent_host() as port:
        hosts = f"127.0.0.1,/nowhere,{remote.host}"
        driven = make(host=hosts, port=f"{port},5432,5432", connect_timeout="1")
        assert driven.value("SELECT 1") == "1"


def test_cancel_while_connecting(make: Callable[..., Remote]) -> None:
    """Connecting can be cancelled."""
    with silent_host() as port:
        driven = make(host="127.0.0.1", port=port)
        driven.session.execute("SET statement_timeout = '200ms'")
        with pytest.raises(errors.QueryCanceled):
            driven.value("SELECT 1")


@pytest.mark.parametrize("when", ["before", "after"])
def test_checks(make: Callable[..., Remote], when: str) -> None:
    """A connection can be refused."""
    driven = make(refuse=when)
    with pytest.raises(psycopg.Error, match=f"refused {when}"):
        driven.value("SELECT 1")
    assert driven("connections.listed()") == "[]"


def test_options_change(driven: Remote, server: Cluster) -> None:
    """Other options count from the next transaction on."""
    sql = "SELECT current_setting('application_name')"
    session = driven.session
    with session.transaction():
        pid = driven.pid if driven.value("SELECT 1") else 0
        server.run_sql(f"ALTER SERVER {driven.name} OPTIONS (ADD application_name 'changed')")
        assert driven.value(sql) == ""
        assert driven.pid == pid
        assert ", False, True, False, " in driven("connections.listed()")
    assert driven.value(sql) == "changed"


def test_keep_connections(make: Callable[..., Remote], remote: Cluster) -> None:
    """A connection may end with the transaction."""
    driven = make(keep_connections="off")
    with driven.session.transaction():
        driven.value("SELECT 1")
        pid = driven.pid
    wait_until(lambda: activity(remote, pid) == "")
    assert driven("connections.listed()") == "[]"


def test_dropped(driven: Remote, make: Callable[..., Remote], remote: Cluster) -> None:
    """What nobody uses any more is closed."""
    driven.value("SELECT 1")
    pid = driven.pid
    driven.session.execute(f"DROP FOREIGN TABLE {driven.name}")
    driven.name = make(driven.session).name
    driven.value("SELECT 1")
    wait_until(lambda: activity(remote, pid) == "")


def test_list_and_close(driven: Remote, make: Callable[..., Remote]) -> None:
    """Connections can be listed, and closed when the transaction does not use them."""
    warnings: list[str | None] = []
    driven.session.add_notice_handler(lambda notice: warnings.append(notice.message_primary))
    driven.value("SELECT 1")
    pid = driven.pid
    row = f"[('{driven.name}', 'postgres', True, False, False, {pid})]"
    assert driven("connections.listed()") == row
    with driven.session.transaction():
        driven.value("SELECT 1")
        assert driven(f"connections.disconnect('{driven.name}')") == "False"
        assert driven("connections.disconnect_all()") == "False"
    refused = f'cannot close connection for server "{driven.name}" because it is still in use'
    assert warnings == [refused, refused]
    assert driven("connections.disconnect('another')") == "False"
    assert driven(f"connections.disconnect('{driven.name}')") == "True"
    assert driven(f"connections.disconnect('{driven.name}')") == "False"
    assert driven("connections.listed()") == "[]"


# --- Owners ---------------------------------------------------------------------------------------


def test_owners(driven: Remote) -> None:
    """Whoever has a request under way yields to others, and finds its results later."""
    with driven.session.transaction():
        driven("keep('a', Reader(connection)) or keep('b', Reader(connection))")
        driven("kept['a'].send('SELECT 1; SELECT 2')")
        driven("kept['b'].send('SELECT $1::text', ['3'])")
        assert driven.value("SELECT 4") == "4"
        assert driven("kept['b'].values(), kept['a'].values()") == "(['3'], ['1', '2'])"
        assert driven("kept['a'].yields, kept['b'].yields") == "(1, 1)"


def test_discard(driven: Remote) -> None:
    """An owner that has had enough says so."""
    with driven.session.transaction():
        driven("keep('a', Reader(connection)) or kept['a'].send('SELECT 1')")
        driven("connection.discard(kept['a'])")
        assert driven.value("SELECT 2") == "2"
        assert driven("kept['a'].yields") == "0"


def test_results_of_a_savepoint(driven: Remote) -> None:
    """Rows that were fetched within a savepoint by an older cursor are not lost with it."""
    session = driven.session
    with session.transaction():
        driven(
            "keep('a', Reader(connection)) or kept['a'].send('DECLARE c CURSOR FOR"
            " SELECT generate_series(1, 6)') or kept['a'].values()"
        )
        session.execute("SAVEPOINT s")
        driven("kept['a'].send('FETCH 3 FROM c')")
        session.execute("ROLLBACK TO s")
        assert driven("kept['a'].values()") == "['1', '2', '3']"
        driven("kept['a'].send('FETCH 3 FROM c')")
        assert driven("kept['a'].values()") == "['4', '5', '6']"


def test_lost_results(driven: Remote) -> None:
    """Results that are gone are an error, never fewer rows."""
    session = driven.session
    with session.transaction():
        driven(
            "keep('a', Reader(connection)) or kept['a'].send('DECLARE c CURSOR FOR"
            " SELECT pg_sleep(1000)') or kept['a'].values()"
        )
        session.execute("SAVEPOINT s")
        driven("kept['a'].send('FETCH 3 FROM c')")
        session.execute("ROLLBACK TO s")
        with pytest.raises(errors.InvalidCursorState), session.transaction():
            driven("kept['a'].values()")
        with pytest.raises(psycopg.Error, match='portal "c" cannot be run'), session.transaction():
            driven("kept['a'].send('FETCH 3 FROM c') or kept['a'].values()")


def test_copy(driven: Remote, remote: Cluster) -> None:
    """COPY ends before anything else is done."""
    data = "b''.join(b'%d\\n' % n for n in range({}, {}))"
    with driven.session.transaction():
        driven(
            "keep('c', Copier(connection)) or connection.copy(kept['c'],"
            " 'COPY public.t (n) FROM STDIN')"
        )
        driven(f"connection.copy_data(kept['c'], {data.format(0, 1000)})")
        driven(f"connection.copy_data(kept['c'], {data.format(1000, 100000)})")
        assert driven.value("SELECT count(*) FROM public.t") == "100000"
        assert driven("kept['c'].rows") == "100000"
    assert len(content(remote)) == 100000


def test_copy_fails(driven: Remote) -> None:
    """What the server dislikes is told at the end."""
    session = driven.session
    with session.transaction():
        driven.value("SELECT 1")
        with pytest.raises(errors.InvalidTextRepresentation), session.transaction():
            driven(
                "keep('c', Copier(connection)) or connection.copy(kept['c'],"
                " 'COPY public.t (n) FROM STDIN')"
            )
            driven("connection.copy_data(kept['c'], b'x\\n')")
            driven("connection.copy_end(kept['c'])")
        with pytest.raises(errors.UndefinedTable), session.transaction():
            driven("connection.copy(kept['c'], 'COPY public.nothing FROM STDIN')")
        assert driven.value("SELECT 1") == "1"


def test_copy_is_abandoned(driven: Remote, remote: Cluster) -> None:
    """A COPY that is under way when the transaction is rolled back leaves nothing."""
    with driven.session.transaction(force_rollback=True):
        driven(
            "keep('c', Copier(connection)) or connection.copy(kept['c'],"
            " 'COPY public.t (n) FROM STDIN')"
        )
        driven("connection.copy_data(kept['c'], b'1\\n')")
        pid = driven.session.execute(
            f"SELECT answer FROM {driven.name} WHERE command = 'connection.remote_backend_pid'"
        ).fetchone()
    assert content(remote) == []
    assert pid == (str(driven.pid),)
    assert driven.value("SELECT 1") == "1"


def test_copy_that_nobody_expects(driven: Remote) -> None:
    """A COPY from a command that is not meant to be one is an error."""
    with pytest.raises(psycopg.Error, match="COPY from stdin failed"):
        driven.run("COPY public.t FROM STDIN")
    with pytest.raises(psycopg.Error, match="was lost"):
        driven.run("COPY public.t TO STDOUT")
    assert driven.value("SELECT 1") == "1"


def test_prepared_statements(driven: Remote) -> None:
    """They are kept, up to a number, and prepared again on a new connection."""
    driven("setattr(module, 'LARGEST_STATEMENT_CACHE', 2)")
    driven("keep('a', Reader(connection))")

    def run(sql: str) -> str:
        statement = f"connection.prepare({sql!r}, [25])"
        return str(
            driven(f"kept['a'].send('', ['x'], statement={statement}) or kept['a'].values()")
        )

    def prepared() -> Any:
        return driven.value(
            "SELECT string_agg(statement, ';' ORDER BY name) FROM pg_prepared_statements"
        )

    a, b, c = (f"SELECT $1 || '{letter}'" for letter in "abc")
    assert [run(sql) for sql in (a, b, a, c)] == ["['xa']", "['xb']", "['xa']", "['xc']"]
    assert prepared() == f"{a};{c}"
    assert run(a) == "['xa']"
    driven("connections.disconnect_all()")
    assert run(a) == "['xa']"
    assert prepared() == a


def test_deferred(driven: Remote) -> None:
    """What can wait costs no round trip, and is forgotten with the transaction."""
    driven("connection.defer('SELECT 1/0')")
    with driven.session.transaction():
        driven.run("DECLARE c CURSOR FOR SELECT 1")
        driven("connection.defer('CLOSE c')")
        assert driven.value("SELECT count(*) FROM pg_cursors") == "0"
        driven("connection.defer('SELECT 1/0')")
    assert driven.value("SELECT 1") == "1"


def test_own_transaction(driven: Remote, remote: Cluster) -> None:
    """Where no instance takes part, a block does, within a transaction or without."""
    session = driven.session
    insert = "INSERT INTO public.t VALUES ({})"
    assert driven(f"in_own_transaction({insert.format(1)!r}, 'SELECT 5')") == "5"
    with session.transaction():
        assert driven(f"in_own_transaction({insert.format(2)!r}) or connection.local_level") == "0"
        driven.run(insert.format(3))
        session.execute("SAVEPOINT s")
        assert driven(f"in_own_transaction({insert.format(4)!r}) or connection.local_level") == "1"
        with pytest.raises(errors.DivisionByZero):
            driven(f"in_own_transaction({insert.format(5)!r}, 'SELECT 1/0')")
        session.execute("ROLLBACK TO s")
    assert content(remote) == [1, 2, 3, 4]


@pytest.mark.parametrize("encoding", ["LATIN1", "EUC_JP", "WIN1252"])
def test_encoding(make: Callable[..., Remote], encoding: str) -> None:
    """Text is in the encoding that was asked for."""
    driven = make(client_encoding=encoding)
    letter = "あ" if encoding == "EUC_JP" else "ä"
    assert driven.value(f"SELECT upper('{letter}')") == letter.upper()
    assert driven.value(f"SELECT length('{letter}')") == "1"
    with pytest.raises(psycopg.Error), driven.session.transaction():
        driven.value("SELECT '☃'")
    assert driven.value("SELECT 1") == "1"
