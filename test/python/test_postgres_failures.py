"""Tables of other PostgreSQL servers when something fails: the table in docs/postgres.md, tried."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any

import psycopg
import pytest
from psycopg import errors

from harness import Cluster
from harness.sessions import LONGEST_WAIT, Connect, Session, wait_until

numbers = count(1)

# Within a second, on a machine that has nothing else to do.
SOON = 2.5

REMOTE_TABLES = """
CREATE TABLE t (id int PRIMARY KEY, v text);
CREATE TABLE pages (id int PRIMARY KEY, v text);
CREATE TABLE big AS SELECT i AS id, repeat('x', 50) AS v FROM generate_series(1, 100000) AS i;
CREATE VIEW slow AS SELECT 1 AS id, pg_sleep(1000)::text AS v;
CREATE VIEW stuck AS SELECT i AS id, CASE WHEN i = 3000 THEN pg_sleep(1000)::text ELSE '' END AS v
    FROM generate_series(1, 10000) AS i;

-- A row of `deadly` ends its own backend at COMMIT, one of `sleepy` sleeps there.
CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
CREATE FUNCTION rest() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_sleep(1000); RETURN NULL; END $$;
CREATE TABLE deadly (id int, v text);
CREATE CONSTRAINT TRIGGER die AFTER INSERT ON deadly DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION die();
CREATE TABLE sleepy (id int, v text);
CREATE CONSTRAINT TRIGGER rest AFTER INSERT ON sleepy DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION rest();
CREATE TABLE strict (id int UNIQUE DEFERRABLE INITIALLY DEFERRED, v text);

-- Row 1000 of `gate` waits until the lock 1 is free.
CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END $$;
CREATE TABLE gate (id int, v text);
CREATE TRIGGER wait BEFORE INSERT ON gate FOR EACH ROW WHEN (NEW.id = 1000) EXECUTE FUNCTION wait();

CREATE TABLE parted (id int, v text) PARTITION BY RANGE (id);
CREATE TABLE parted1 PARTITION OF parted FOR VALUES FROM (0) TO (5000);
CREATE TABLE parted2 PARTITION OF parted FOR VALUES FROM (5000) TO (10000);
"""

TABLES = (
    *("t", "pages", "big", "slow", "stuck", "deadly", "sleepy", "strict", "gate"),
    *("parted1", "parted2"),
)


@pytest.fixture(scope="module")
def remote() -> Iterator[Cluster]:
    """The remote server."""
    with Cluster(settings={"max_connections": "60"}) as cluster:
        cluster.run_sql(REMOTE_TABLES)
        yield cluster


class Far:
    """A session with foreign tables of a remote server, and a session of the remote server's own.

    Attributes:
        session: the local session, which finds the foreign tables.
        server: the name of the foreign server, and of the schema with its tables.
        remote: a session on the remote server.
    """

    def __init__(self, session: Session, name: str, remote: Session, options: dict[str, str]):
        self.session = session
        self.name = name
        self.remote = remote
        written = ", ".join(f"{key} '{value}'" for key, value in options.items())
        session.execute(
            f"CREATE SERVER {name} FOREIGN DATA WRAPPER multicorn_postgres OPTIONS ({written});"
            f"CREATE USER MAPPING FOR postgres SERVER {name} OPTIONS (user 'postgres');"
            f"CREATE SCHEMA {name}; SET search_path = {name}"
        )
        for table in TABLES:
            session.execute(
                f"CREATE FOREIGN TABLE {table} (id int OPTIONS (key 'true'), v text) SERVER {name}"
                " OPTIONS (schema_name 'public')"
            )

    def execute(self, sql: str, parameters: Any = None) -> None:
        """Run a statement."""
        self.session.execute(sql, parameters)

    def values(self, sql: str, parameters: Any = None) -> list[Any]:
        """Return the first column of a query."""
        return [row[0] for row in self.session.execute(sql, parameters)]

    def value(self, sql: str, parameters: Any = None) -> Any:
        """Return the only value of a query."""
        (value,) = self.values(sql, parameters)
        return value

    def remote_values(self, sql: str) -> list[Any]:
        """Return the first column of a query that is run on the remote server itself."""
        return [row[0] for row in self.remote.execute(sql)]

    def content(self, table: str = "t") -> list[int]:
        """Return what others see in a remote table."""
        return self.remote_values(f"SELECT id FROM {table} ORDER BY id")

    def backends(self, condition: str = "true") -> list[int]:
        """Return the remote backends that serve the foreign server."""
        return self.remote_values(
            f"SELECT pid FROM pg_stat_activity WHERE application_name = '{self.name}'"
            f" AND {condition}"
        )

    def kill(self) -> None:
        """End the remote backends, and wait for that."""
        for pid in self.backends():
            self.remote.execute("SELECT pg_terminate_backend(%s)", [pid])
        wait_until(lambda: not self.backends())


@pytest.fixture
def make(connect: Connect, remote: Cluster) -> Iterator[Callable[..., Far]]:
    """Make a foreign server and its tables; in a new session, unless one is given."""
    remotes: list[Session] = []

    def make(session: Session | None = None, place: Cluster | None = None, **options: str) -> Far:
        place = place or remote
        own = psycopg.connect(place.dsn, autocommit=True)
        remotes.append(own)
        name = f"far_{next(numbers)}"
        given = {
            **{"host": place.host, "port": str(place.port), "dbname": "postgres"},
            **{"application_name": name},
            **options,
        }
        return Far(session or connect(), name, own, given)

    yield make
    for own in remotes:
        own.close()


@pytest.fixture
def far(make: Callable[..., Far]) -> Far:
    """Foreign tables in a session, empty where tests write."""
    far = make()
    far.remote.execute("TRUNCATE t, pages, deadly, sleepy, strict, gate, parted")
    return far


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Stop a process for a while."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


class Running:
    """A statement that runs in a thread."""

    def __init__(self, session: Session, sql: str) -> None:
        self.error: Any = None
        self._session = session
        self._sql = sql
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._session.execute(self._sql)
        except Exception as error:
            self.error = error

    def end(self) -> Any:
        """Wait for the end and return the error, if there was one."""
        self._thread.join(LONGEST_WAIT)
        assert not self._thread.is_alive(), "the statement has not ended"
        return self.error


# --- The remote goes away -------------------------------------------------------------------------


def lines(numbers: range) -> str:
    """Return rows for COPY."""
    return "".join(f"{number}\trow\n" for number in numbers)


def copy_in(far: Far, data: str, table: str = "t") -> None:
    """COPY into a table."""
    with far.session.cursor().copy(f"COPY {table} FROM STDIN") as copy:
        copy.write(data)


def scan(far: Far, kill: Callable[[], None]) -> None:
    """Read some rows, kill, and read on."""
    with far.session.cursor("c") as cursor:
        cursor.execute("SELECT id FROM big")
        assert len(cursor.fetchmany(500)) == 500
        kill()
        cursor.fetchall()


def write_rows(far: Far, kill: Callable[[], None]) -> None:
    """Write row by row."""
    far.execute("INSERT INTO t VALUES (1), (2)")
    kill()
    far.execute("INSERT INTO t VALUES (3), (4)")


def write_batches(far: Far, kill: Callable[[], None]) -> None:
    """Write in batches."""
    far.execute("ALTER FOREIGN TABLE t OPTIONS (ADD batch_size '100')")
    far.execute("INSERT INTO t SELECT generate_series(1, 1000)")
    kill()
    far.execute("INSERT INTO t SELECT generate_series(1001, 2000)")


def write_copy(far: Far, kill: Callable[[], None]) -> None:
    """COPY."""
    with far.session.cursor().copy("COPY t FROM STDIN") as copy:
        copy.write(lines(range(100_000)))
        wait_until(lambda: far.backends("query LIKE '%COPY%' AND state = 'active'"))
        kill()
        copy.write(lines(range(100_000, 200_000)))


def change_rows(far: Far, kill: Callable[[], None]) -> None:
    """Change rows that are being read."""
    far.execute("INSERT INTO t SELECT generate_series(1, 10)")
    kill()
    far.execute("UPDATE t SET v = 'new'")


def between(far: Far, kill: Callable[[], None]) -> None:
    """Read, and read again."""
    far.value("SELECT count(*) FROM t")
    kill()
    far.value("SELECT count(*) FROM t")


def before_commit(far: Far, kill: Callable[[], None]) -> None:
    """Write, and then commit."""
    far.execute("INSERT INTO t VALUES (1)")
    kill()


WORK = [scan, write_rows, write_batches, write_copy, change_rows, between, before_commit]


@pytest.mark.parametrize("work", WORK)
def test_backend_is_killed(far: Far, work: Callable[..., None]) -> None:
    """The transaction is lost, here and there; the next one connects anew."""
    far.execute("CREATE TEMP TABLE own (n int)")
    failure = pytest.raises(errors.ConnectionFailure, match="was lost")
    with failure as raised, far.session.transaction():
        far.execute("INSERT INTO own VALUES (1)")
        work(far, far.kill)
    detail = raised.value.diag.message_detail or ""
    # What is being sent may be refused before the last words of the server are read.
    assert "terminating connection" in detail or work is write_copy
    assert far.content() == []
    assert far.value("SELECT count(*) FROM own") == 0
    far.execute("INSERT INTO t VALUES (7)")
    assert far.content() == [7]


@pytest.mark.parametrize("work", WORK)
def test_backend_is_killed_in_a_savepoint(far: Far, work: Callable[..., None]) -> None:
    """What was done before the savepoint is lost with it: the transaction cannot commit."""
    with pytest.raises(errors.ConnectionFailure), far.session.transaction():
        far.execute("INSERT INTO t VALUES (1000000)")
        with suppress(errors.ConnectionFailure), far.session.transaction():
            work(far, far.kill)
            far.value("SELECT count(*) FROM t")
    assert far.content() == []
    far.execute("INSERT INTO t VALUES (7)")
    assert far.content() == [7]


@pytest.mark.parametrize("work", WORK)
def test_backend_is_killed_where_all_was_in_the_savepoint(
    far: Far, work: Callable[..., None]
) -> None:
    """Nothing is lost but what is rolled back: the transaction goes on, on a new connection."""
    with far.session.transaction():
        with pytest.raises(errors.ConnectionFailure), far.session.transaction():
            work(far, far.kill)
            far.value("SELECT count(*) FROM t")
        far.execute("INSERT INTO t VALUES (7)")
    assert far.content() == [7]


def test_server_stops(make: Callable[..., Far]) -> None:
    """A server that has crashed is found again as soon as it is back."""
    with Cluster() as other:
        other.run_sql(REMOTE_TABLES)
        for work in (scan, write_copy, before_commit):
            far = make(place=other)
            with pytest.raises(errors.ConnectionFailure), far.session.transaction():
                work(far, lambda: other.stop("immediate"))
            with pytest.raises(errors.SqlclientUnableToEstablishSqlconnection):
                far.value("SELECT count(*) FROM t")
            other.start()
            assert far.value("SELECT count(*) FROM t") == 0


# --- COMMIT ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def other_wrapper(add_module: Callable[[str], str]) -> str:
    """A wrapper that does at COMMIT what its option says."""
    return add_module(
        """
        import os, signal
        from psycopg import pq
        from multicorn import ForeignDataWrapper, Error


        class AtCommit(ForeignDataWrapper):
            def __init__(self, options, columns):
                super().__init__(options, columns)
                self.options = options

            def execute(self, quals, columns):
                return []

            def pre_commit(self):
                if "crash" in self.options:
                    os.kill(os.getpid(), signal.SIGKILL)
                elif "kill" in self.options:
                    remote = pq.PGconn.connect(self.options["kill"].encode())
                    remote.exec_(b"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                                 b" WHERE application_name LIKE 'far_%'")
                else:
                    raise Error("not here", "AB123")
        """
    )


def add_other(far: Far, wrapper: str, **options: str) -> None:
    """Create the table `other` of that wrapper."""
    written = "".join(f", {name} '{value}'" for name, value in options.items())
    far.execute(
        f"CREATE FOREIGN TABLE other (n int) SERVER python"
        f" OPTIONS (wrapper '{wrapper}.AtCommit'{written})"
    )


def test_another_refuses_before(far: Far, other_wrapper: str) -> None:
    """Who took part earlier commits earlier: nothing has been committed on the remote."""
    add_other(far, other_wrapper)
    with pytest.raises(psycopg.Error, match="not here"), far.session.transaction():
        far.execute("SELECT FROM other")
        far.execute("INSERT INTO t VALUES (1)")
    assert far.content() == []
    far.execute("INSERT INTO t VALUES (7)")
    assert far.content() == [7]


def test_another_refuses_after(far: Far, other_wrapper: str) -> None:
    """What the remote has committed stays, though the local transaction is rolled back."""
    add_other(far, other_wrapper)
    far.execute("CREATE TEMP TABLE own (n int)")
    with pytest.raises(psycopg.Error, match="not here"), far.session.transaction():
        far.execute("INSERT INTO own VALUES (1)")
        far.execute("INSERT INTO t VALUES (1)")
        far.execute("SELECT FROM other")
    assert far.content() == [1]
    assert far.value("SELECT count(*) FROM own") == 0
    far.execute("INSERT INTO t VALUES (7)")
    assert far.content() == [1, 7]


def test_killed_before_its_commit(far: Far, other_wrapper: str, remote: Cluster) -> None:
    """COMMIT is not sent."""
    add_other(far, other_wrapper, kill=remote.dsn)
    with pytest.raises(errors.ConnectionFailure, match="was lost"), far.session.transaction():
        far.execute("SELECT FROM other")
        far.execute("INSERT INTO t VALUES (1)")
    assert far.content() == []
    far.execute("INSERT INTO t VALUES (7)")
    assert far.content() == [7]


def test_killed_between_its_commit_and_ours(far: Far, other_wrapper: str, remote: Cluster) -> None:
    """Nothing is lost: the remote has committed, and so does the local transaction."""
    add_other(far, other_wrapper, kill=remote.dsn)
    far.execute("CREATE TEMP TABLE own (n int)")
    with far.session.transaction():
        far.execute("INSERT INTO own VALUES (1)")
        far.execute("INSERT INTO t VALUES (1)")
        far.execute("SELECT FROM other")
    assert far.content() == [1]
    assert far.value("SELECT count(*) FROM own") == 1
    far.execute("INSERT INTO t VALUES (7)")
    assert far.content() == [1, 7]


@pytest.mark.parametrize("when", ["before", "after"])
def test_local_server_crashes(
    make: Callable[..., Far], server: Cluster, other_wrapper: str, when: str
) -> None:
    """Before the remote COMMIT nothing is committed; after it, the remote has what is lost here."""
    modules = f"{server.scratch}/modules"
    settings = {"multicorn.python_path": modules, "synchronous_commit": "on"}
    with Cluster(settings=settings) as local:
        local.run_sql(
            "CREATE EXTENSION multicorn; CREATE SERVER python FOREIGN DATA WRAPPER multicorn"
        )
        far = make(psycopg.connect(local.dsn, autocommit=True))
        far.remote.execute("TRUNCATE t")
        add_other(far, other_wrapper, crash="yes")
        far.execute("CREATE TABLE own (n int)")
        statements = ["INSERT INTO t VALUES (1)", "SELECT FROM other"]
        with pytest.raises(psycopg.OperationalError), far.session.transaction():
            far.execute("INSERT INTO own VALUES (1)")
            for statement in statements if when == "after" else statements[::-1]:
                far.execute(statement)
        wait_until(lambda: not far.backends())
        assert far.content() == ([1] if when == "after" else [])
        local.restart("immediate")
        assert local.run_sql(f"SELECT count(*) FROM {far.name}.own") == "0"


def test_killed_in_its_commit(far: Far) -> None:
    """Nobody knows, and the error says so."""
    with pytest.raises(psycopg.Error, match=r"outcome .* is unknown") as raised:
        far.execute("INSERT INTO deadly VALUES (1)")
    assert raised.value.diag.sqlstate == "08007"
    assert far.content("deadly") == []
    far.execute("INSERT INTO t VALUES (7)")
    assert far.content() == [7]


@pytest.mark.parametrize("how", ["cancel", "terminate"])
def test_cancel_of_commit(far: Far, server: Cluster, how: str) -> None:
    """A COMMIT that is at work is cancelled on the remote as well."""
    warnings: list[str | None] = []
    far.session.add_notice_handler(lambda notice: warnings.append(notice.message_primary))
    local = far.session.info.backend_pid
    running = Running(far.session, "INSERT INTO sleepy VALUES (1)")
    wait_until(lambda: far.backends("query = 'COMMIT' AND state = 'active'"))
    server.run_sql(f"SELECT pg_{how}_backend({local})")
    start = time.monotonic()
    assert running.end() is not None
    assert time.monotonic() - start < SOON
    wait_until(lambda: not far.backends("state = 'active'"))
    assert far.content("sleepy") == []
    assert warnings == []
    if how == "cancel":
        far.execute("INSERT INTO t VALUES (7)")
        assert far.content() == [7]


def test_commit_is_not_answered(far: Far, server: Cluster) -> None:
    """A remote that stands still is left, and whether it has committed is not known."""
    warnings: list[str | None] = []
    far.session.add_notice_handler(lambda notice: warnings.append(notice.message_primary))
    running = Running(far.session, "INSERT INTO sleepy VALUES (1)")
    wait_until(lambda: far.backends("query = 'COMMIT' AND state = 'active'"))
    (pid,) = far.backends()
    with stopped(pid):
        server.run_sql(f"SELECT pg_cancel_backend({far.session.info.backend_pid})")
        start = time.monotonic()
        assert isinstance(running.end(), errors.QueryCanceled)
        assert time.monotonic() - start < SOON
    assert warnings == [f'the outcome of the transaction on server "{far.name}" is unknown']
    far.execute("INSERT INTO t VALUES (7)")
    assert far.content() == [7]


def test_commit_cannot_be_cancelled(make: Callable[..., Far]) -> None:
    """If a cancelled COMMIT goes through all the same, a WARNING tells."""
    warnings: list[str | None] = []
    with Cluster(settings={"synchronous_standby_names": "nobody"}) as other:
        other.run_sql(REMOTE_TABLES)
        far = make(place=other, options="-c synchronous_commit=on")
        far.session.add_notice_handler(lambda notice: warnings.append(notice.message_primary))
        far.execute("CREATE TEMP TABLE own (n int)")
        running = Running(far.session, "INSERT INTO own VALUES (1); INSERT INTO t VALUES (1)")
        wait_until(lambda: far.backends("wait_event = 'SyncRep'"))
        far.session.cancel()
        assert isinstance(running.end(), errors.QueryCanceled)
        assert far.content() == [1]
        assert far.value("SELECT count(*) FROM own") == 0
    assert f'the transaction on server "{far.name}" was committed' in warnings


# --- Cancels --------------------------------------------------------------------------------------


class Wait:
    """A statement that waits.

    Attributes:
        sql: the statement.
        waits: tells whether it has got there.
    """

    def __init__(self, far: Far, sql: str, condition: str) -> None:
        self.sql = sql
        self.far = far
        self.condition = condition

    def waits(self) -> bool:
        return bool(self.far.backends(self.condition))


@contextmanager
def waiting_for_query(far: Far) -> Iterator[Wait]:
    yield Wait(far, "SELECT v FROM slow", "wait_event = 'PgSleep'")


@contextmanager
def waiting_in_a_scan(far: Far) -> Iterator[Wait]:
    yield Wait(far, "SELECT count(v) FROM stuck", "wait_event = 'PgSleep'")


@contextmanager
def waiting_for_a_lock(far: Far) -> Iterator[Wait]:
    far.remote.execute("INSERT INTO t VALUES (100, 'old')")
    with psycopg.connect(far.remote.info.dsn) as holder:
        holder.execute("UPDATE t SET v = 'locked' WHERE id = 100")
        yield Wait(far, "UPDATE t SET v = 'new' WHERE id = 100", "wait_event_type = 'Lock'")
        holder.execute("DELETE FROM t WHERE id = 100")


@contextmanager
def waiting_in_copy(far: Far) -> Iterator[Wait]:
    """The remote reads no more; what was sent fills the socket."""
    file = f"{far.name}.copy"
    scratch = far.value("SELECT setting FROM pg_settings WHERE name = 'unix_socket_directories'")
    path = f"{scratch}/scratch/{file}"
    with open(path, "w") as output:
        output.write(lines(range(500_000)))
    wait = Wait(far, f"COPY gate FROM '{path}'", "wait_event = 'advisory'")
    far.remote.execute("SELECT pg_advisory_lock(1)")
    try:
        yield wait
    finally:
        far.remote.execute("SELECT pg_advisory_unlock(1)")
        os.unlink(path)


@contextmanager
def working(far: Far) -> Iterator[Wait]:
    """Rows have come, the next ones have been asked for, and the local session computes."""
    sql = (
        "SELECT count(*) FROM big CROSS JOIN LATERAL"
        " (SELECT sum(n) FROM generate_series(1, 100000) AS n WHERE n > id) AS x"
    )
    yield Wait(far, sql, "query LIKE 'FETCH%' AND state = 'idle in transaction'")


WAITS = [waiting_for_query, waiting_in_a_scan, waiting_for_a_lock, waiting_in_copy, working]


def end_from_outside(far: Far, server: Cluster, wait: Wait, how: str) -> Any:
    """Cancel or terminate a statement while it waits; return its error."""
    running = Running(far.session, wait.sql)
    wait_until(wait.waits)
    if "COPY" in wait.sql:
        wait_until_still(server)
    server.run_sql(f"SELECT pg_{how}_backend({far.session.info.backend_pid})")
    start = time.monotonic()
    error = running.end()
    assert time.monotonic() - start < SOON
    return error


def wait_until_still(server: Cluster) -> None:
    """Wait until COPY reads no further."""
    seen = [""]

    def is_still() -> bool:
        seen.append(server.run_sql("SELECT bytes_processed FROM pg_stat_progress_copy"))
        return seen[-1] == seen[-2]

    wait_until(is_still)


@pytest.mark.parametrize("situation", WAITS)
def test_cancel(far: Far, server: Cluster, situation: Callable[..., Any]) -> None:
    """It ends soon, here and there, and the session goes on with the same connection."""
    far.value("SELECT count(*) FROM t")
    before = far.backends()
    with situation(far) as wait:
        assert isinstance(end_from_outside(far, server, wait, "cancel"), errors.QueryCanceled)
        wait_until(lambda: not far.backends("state <> 'idle'"))
    assert far.value("SELECT count(*) FROM t") == 0
    assert far.backends() == before
    assert far.content("gate") == []


@pytest.mark.parametrize("situation", WAITS)
def test_cancel_in_a_savepoint(far: Far, server: Cluster, situation: Callable[..., Any]) -> None:
    """What was before stays, and the transaction goes on."""
    session = far.session
    with situation(far) as wait, session.transaction():
        far.execute("INSERT INTO t VALUES (1)")
        (before,) = far.backends()
        far.execute("SAVEPOINT s")
        far.execute("INSERT INTO t VALUES (2)")
        assert isinstance(end_from_outside(far, server, wait, "cancel"), errors.QueryCanceled)
        far.execute("ROLLBACK TO s")
        far.execute("INSERT INTO t VALUES (3)")
        assert far.backends() == [before]
    assert far.content() == [1, 3]
    assert far.content("gate") == []


@pytest.mark.parametrize("situation", WAITS)
def test_terminate(far: Far, server: Cluster, situation: Callable[..., Any]) -> None:
    """The end of the session ends the remote one, and what it was doing."""
    with situation(far) as wait:
        assert end_from_outside(far, server, wait, "terminate") is not None
        wait_until(lambda: not far.backends())
    assert far.content() == []
    assert far.content("gate") == []


@pytest.mark.parametrize("situation", WAITS[:3])
def test_statement_timeout(far: Far, situation: Callable[..., Any]) -> None:
    """So does a timeout."""
    far.value("SELECT count(*) FROM t")
    with situation(far) as wait:
        far.execute("SET statement_timeout = '100ms'")
        start = time.monotonic()
        with pytest.raises(errors.QueryCanceled, match="statement timeout"):
            far.execute(wait.sql)
        assert time.monotonic() - start < SOON
        wait_until(lambda: not far.backends("state <> 'idle'"))
    far.execute("RESET statement_timeout")
    assert far.value("SELECT count(*) FROM t") == 0


@contextmanager
def black_hole() -> Iterator[str]:
    """Listen on a port, and never answer."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield str(listener.getsockname()[1])


@pytest.mark.parametrize("how", ["cancel", "terminate", "timeout"])
@pytest.mark.parametrize("sslmode", ["disable", "prefer"])
def test_end_while_connecting(
    far: Far, make: Callable[..., Far], server: Cluster, how: str, sslmode: str
) -> None:
    """A server that never answers; within a savepoint, the transaction goes on."""
    with black_hole() as port:
        hole = make(far.session, host="127.0.0.1", port=port, sslmode=sslmode)
        far.execute(f"SET search_path = {far.name}")
        far.execute("BEGIN")
        far.execute("INSERT INTO t VALUES (1)")
        far.execute("SAVEPOINT s")
        if how == "timeout":
            far.execute("SET LOCAL statement_timeout = '100ms'")
        running = Running(far.session, f"SELECT FROM {hole.name}.t")
        local = far.session.info.backend_pid
        if how != "timeout":
            wait_until(
                lambda: server.run_sql(
                    f"SELECT 1 FROM pg_stat_activity WHERE pid = {local} AND state = 'active'"
                )
            )
            server.run_sql(f"SELECT pg_{how}_backend({local})")
        start = time.monotonic()
        error = running.end()
        assert time.monotonic() - start < SOON
    if how == "terminate":
        assert error is not None
        wait_until(lambda: not far.backends())
        assert far.content() == []
        return
    assert isinstance(error, errors.QueryCanceled)
    far.execute("ROLLBACK TO s")
    far.execute("INSERT INTO t VALUES (2)")
    far.execute("COMMIT")
    assert far.content() == [1, 2]


# --- Savepoints -----------------------------------------------------------------------------------


def test_exception_blocks(far: Far) -> None:
    """A remote error in a block of PL/pgSQL undoes the block, there as here."""
    far.execute(
        """DO $$ BEGIN
        INSERT INTO t VALUES (1);
        FOR i IN 1..5 LOOP
            BEGIN
                INSERT INTO t VALUES (10 + i);
                BEGIN
                    INSERT INTO t VALUES (20 + i);
                    INSERT INTO t VALUES (1 + i % 2);
                EXCEPTION WHEN unique_violation THEN
                    INSERT INTO t VALUES (30 + i);
                END;
                IF i = 4 THEN INSERT INTO t VALUES (11); END IF;
            EXCEPTION WHEN unique_violation THEN
                INSERT INTO t VALUES (40 + i);
            END;
        END LOOP; END $$"""
    )
    assert far.content() == [1, 2, 11, 12, 13, 15, 21, 32, 33, 35, 44]


def test_failed_batch_in_a_block(far: Far) -> None:
    """So does an error of a batch, or of COPY, which comes with the last row."""
    far.execute("ALTER FOREIGN TABLE t OPTIONS (ADD batch_size '100')")
    with far.session.transaction():
        far.execute("INSERT INTO t VALUES (1)")
        with pytest.raises(errors.UniqueViolation), far.session.transaction():
            far.execute("INSERT INTO t SELECT n % 150 FROM generate_series(1, 400) AS n")
        for data in ("5\tx\n5\tx\n", "6\tx\nseven\tx\n", lines(range(50_000)) + "wrong\n"):
            with pytest.raises(psycopg.Error), far.session.transaction():
                copy_in(far, data)
        copy_in(far, "7\tx\n")
    assert far.content() == [1, 7]


def test_failed_rollback_to(far: Far) -> None:
    """A savepoint that cannot be rolled back dooms the transaction."""
    warnings: list[str | None] = []
    far.session.add_notice_handler(lambda notice: warnings.append(notice.message_primary))
    with pytest.raises(psycopg.Error, match="cannot be used"), far.session.transaction():
        far.execute("INSERT INTO t VALUES (1)")
        (pid,) = far.backends()
        far.execute("SAVEPOINT s")
        far.execute("INSERT INTO t VALUES (2)")
        with stopped(pid):
            far.execute("ROLLBACK TO s")
    assert warnings == [f'a savepoint could not be rolled back on server "{far.name}"']
    wait_until(lambda: not far.backends())
    assert far.content() == []
    far.execute("INSERT INTO t VALUES (7)")
    assert far.content() == [7]


def test_cursors_and_savepoints(far: Far) -> None:
    """A cursor outlives the savepoints that were set after it, and ends with its own."""
    with far.session.transaction():
        far.execute("DECLARE a CURSOR FOR SELECT id FROM big ORDER BY id")
        assert far.values("FETCH 150 FROM a") == list(range(1, 151))
        far.execute("SAVEPOINT s")
        assert far.values("FETCH 100 FROM a") == list(range(151, 251))
        far.execute("DECLARE b CURSOR FOR SELECT id FROM big ORDER BY id")
        assert far.values("FETCH 300 FROM b") == list(range(1, 301))
        far.execute("ROLLBACK TO s")
        # As with a local table: where a cursor stands is not rolled back.
        assert far.values("FETCH 1000 FROM a") == list(range(251, 1251))
        far.execute("INSERT INTO t VALUES (1)")
        far.execute("SAVEPOINT s2")
        far.execute("CLOSE a")
        far.execute("ROLLBACK TO s2")
        with pytest.raises(errors.UniqueViolation), far.session.transaction():
            far.execute("DECLARE c CURSOR FOR SELECT id FROM big ORDER BY id")
            assert far.values("FETCH 150 FROM c") == list(range(1, 151))
            far.execute("INSERT INTO t VALUES (1)")
        far.execute("INSERT INTO t VALUES (2)")
    assert far.content() == [1, 2]


def test_savepoint_within_a_scan(far: Far) -> None:
    """Blocks that fail and blocks that do not, for each row of a scan."""
    far.execute(
        """DO $$ DECLARE r record; BEGIN
        FOR r IN SELECT id FROM big WHERE id <= 1000 ORDER BY id LOOP
            BEGIN
                INSERT INTO t VALUES (r.id / 10);
            EXCEPTION WHEN unique_violation THEN NULL;
            END;
        END LOOP; END $$"""
    )
    assert far.content() == list(range(101))


def test_cursor_with_hold(far: Far) -> None:
    """It has its rows at the end of the transaction, and needs no connection after it."""
    far.execute("BEGIN")
    far.execute("DECLARE h CURSOR WITH HOLD FOR SELECT id FROM big ORDER BY id")
    assert far.values("FETCH 10 FROM h") == list(range(1, 11))
    far.execute("INSERT INTO t VALUES (1)")
    far.execute("COMMIT")
    far.kill()
    assert far.values("FETCH 10 FROM h") == list(range(11, 21))
    assert far.content() == [1]
    far.execute("CLOSE h")


# --- Several on one connection --------------------------------------------------------------------


def test_partitions(far: Far) -> None:
    """Two partitions on one server, read together in turns."""
    far.remote.execute("INSERT INTO parted SELECT i, i::text FROM generate_series(0, 9999) AS i")
    far.execute(
        "CREATE TABLE whole (id int, v text) PARTITION BY RANGE (id);"
        "ALTER TABLE whole ATTACH PARTITION parted1 FOR VALUES FROM (0) TO (5000);"
        "ALTER TABLE whole ATTACH PARTITION parted2 FOR VALUES FROM (5000) TO (10000)"
    )
    assert far.value("SELECT sum(id) FROM whole") == sum(range(10000))
    assert far.values("SELECT id FROM whole ORDER BY v, id") == sorted(range(10000), key=str)
    far.execute("SET enable_hashjoin = off; SET enable_nestloop = off")
    sql = "SELECT count(*) FROM parted1 AS a JOIN parted2 AS b ON a.v = right(b.v, 3)"
    assert far.value(sql) == 4500
    sql = "SELECT count(*) FROM parted1 AS a FULL JOIN parted2 AS b ON a.id + 5000 = b.id"
    assert far.value(sql) == 5000
    far.execute("UPDATE whole SET v = 'changed' WHERE id % 2500 = 1")
    assert far.value("SELECT count(*) FROM whole WHERE v = 'changed'") == 4
    assert far.value("SELECT count(*) FROM parted1 AS a, parted2 AS b WHERE a.id = b.id") == 0


def test_statement_that_reads_and_writes(far: Far) -> None:
    """INSERT ... SELECT on one server, with a trigger that asks that server."""
    far.execute(
        """CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN NEW.v := (SELECT count(*) FROM t) || ' ' || NEW.v; RETURN NEW; END $$;
        CREATE TRIGGER look BEFORE INSERT ON pages FOR EACH ROW EXECUTE FUNCTION look();
        INSERT INTO t VALUES (1), (2);
        INSERT INTO pages SELECT id, 'x' FROM big WHERE id <= 1000"""
    )
    assert far.remote_values("SELECT DISTINCT v FROM pages") == ["2 x"]
    assert len(far.content("pages")) == 1000


@pytest.mark.parametrize("batch_size", ["1", "100"])
def test_copy_with_a_trigger(far: Far, batch_size: str) -> None:
    """COPY into one table while a trigger writes another one and a default reads it."""
    far.execute(f"ALTER SERVER {far.name} OPTIONS (ADD batch_size '{batch_size}')")
    far.execute(
        """CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO t VALUES (NEW.id); RETURN NEW; END $$;
        CREATE TRIGGER note BEFORE INSERT ON pages FOR EACH ROW EXECUTE FUNCTION note();
        CREATE FUNCTION noted() RETURNS text LANGUAGE sql AS 'SELECT count(*)::text FROM t';
        ALTER FOREIGN TABLE strict ALTER v SET DEFAULT noted();"""
    )
    copy_in(far, lines(range(500)), "pages")
    assert far.content() == far.content("pages") == list(range(500))
    copy_in(far, "".join(f"{n}\n" for n in range(500)), "strict (id)")
    assert far.remote_values("SELECT DISTINCT v FROM strict") == ["500"]
    assert far.content("strict") == list(range(500))


# --- Objects that change --------------------------------------------------------------------------


def test_objects_go_in_the_transaction(far: Far, make: Callable[..., Far]) -> None:
    """What was written by a table that is dropped then is committed, or not, with the rest."""
    for number, how in enumerate(("COMMIT", "ROLLBACK")):
        far.execute("BEGIN")
        far.execute("INSERT INTO t VALUES (%s)", [number])
        far.execute("DROP FOREIGN TABLE t")
        far.execute(how)
        assert far.content() == [0]
        if how == "COMMIT":
            far.execute(
                f"CREATE FOREIGN TABLE t (id int, v text) SERVER {far.name}"
                " OPTIONS (schema_name 'public')"
            )
    far.execute("BEGIN")
    far.execute("INSERT INTO t VALUES (2)")
    far.execute(f"DROP SERVER {far.name} CASCADE")
    far.execute("COMMIT")
    assert far.content() == [0, 2]
    # What nobody uses any more is closed when the session uses a foreign table again.
    make(far.session).value("SELECT count(*) FROM t")
    wait_until(lambda: not far.backends())


def test_mapping_goes_in_the_transaction(far: Far) -> None:
    """Without it nothing can be used any more, and what was done is committed."""
    far.execute("BEGIN")
    far.execute("INSERT INTO t VALUES (1)")
    far.execute(f"DROP USER MAPPING FOR postgres SERVER {far.name}")
    far.execute("SAVEPOINT s")
    with pytest.raises(errors.UndefinedObject, match="user mapping not found"):
        far.execute("INSERT INTO t VALUES (2)")
    far.execute("ROLLBACK TO s")
    far.execute("COMMIT")
    assert far.content() == [1]
    far.execute(f"CREATE USER MAPPING FOR postgres SERVER {far.name} OPTIONS (user 'postgres')")
    far.execute("INSERT INTO t VALUES (3)")
    assert far.content() == [1, 3]


def test_server_changes(far: Far) -> None:
    """Options count from the next transaction on, also if this one is half done."""
    far.execute("BEGIN")
    far.execute("INSERT INTO t VALUES (1)")
    far.execute(f"ALTER SERVER {far.name} OPTIONS (SET application_name '{far.name} changed')")
    far.execute("INSERT INTO t VALUES (2)")
    far.execute(f"ALTER USER MAPPING FOR postgres SERVER {far.name} OPTIONS (SET user 'nobody')")
    far.execute("INSERT INTO t VALUES (3)")
    assert len(far.backends()) == 1
    far.execute("COMMIT")
    assert far.content() == [1, 2, 3]
    with pytest.raises(errors.SqlclientUnableToEstablishSqlconnection) as raised:
        far.value("SELECT count(*) FROM t")
    assert 'role "nobody" does not exist' in (raised.value.diag.message_detail or "")
    far.execute(f"ALTER USER MAPPING FOR postgres SERVER {far.name} OPTIONS (SET user 'postgres')")
    assert far.value("SELECT count(*) FROM t") == 3
    wait_until(lambda: not far.backends())


def test_server_change_is_rolled_back(far: Far) -> None:
    """An option that was never committed makes no connection of its own."""
    far.value("SELECT count(*) FROM t")
    before = far.backends()
    far.execute("BEGIN")
    far.execute(f"ALTER SERVER {far.name} OPTIONS (SET host '/nowhere')")
    far.execute("ROLLBACK")
    assert far.value("SELECT count(*) FROM t") == 0
    assert far.backends() == before


def test_keep_connections_off(make: Callable[..., Far]) -> None:
    """Each transaction has a connection of its own, after an error as well."""
    far = make(keep_connections="off")
    far.remote.execute("TRUNCATE t")
    far.execute("INSERT INTO t VALUES (1)")
    wait_until(lambda: not far.backends())
    with pytest.raises(errors.UniqueViolation):
        far.execute("INSERT INTO t VALUES (1)")
    wait_until(lambda: not far.backends())
    with far.session.transaction():
        far.execute("INSERT INTO t VALUES (2)")
        with pytest.raises(errors.UniqueViolation), far.session.transaction():
            far.execute("INSERT INTO t VALUES (1)")
        far.execute("INSERT INTO t VALUES (3)")
        assert len(far.backends()) == 1
    wait_until(lambda: not far.backends())
    assert far.content() == [1, 2, 3]


def test_remote_table_changes(far: Far) -> None:
    """When a remote column gets another type, a prepared statement fails once; all are renewed."""
    far.execute("INSERT INTO t VALUES (1, 'a')")

    def use() -> None:
        for _ in range(3):
            assert far.values("SELECT v FROM t WHERE id = %s", [1]) == ["a"]
            for _ in range(8):
                assert far.values("EXECUTE p (1)") == ["a"]
            assert far.value("UPDATE t SET v = 'a' WHERE id = 1 RETURNING v") == "a"

    far.execute("PREPARE p (int) AS SELECT v FROM t WHERE id = $1")
    use()
    try:
        far.remote.execute("ALTER TABLE t ADD w int, ALTER v TYPE varchar(10)")
        with pytest.raises(errors.FeatureNotSupported, match="cached plan"):
            use()
        use()
    finally:
        far.remote.execute("ALTER TABLE t DROP IF EXISTS w, ALTER v TYPE text")


# --- Several servers ------------------------------------------------------------------------------


@pytest.mark.parametrize("parallel", ["on", "off"])
@pytest.mark.parametrize(("servers", "refuses"), [(2, 0), (2, 1), (3, 0), (3, 1), (3, 2)])
def test_one_of_several_refuses(
    make: Callable[..., Far], parallel: str, servers: int, refuses: int
) -> None:
    """COMMIT goes to one after the other, or to all at once; what was committed stays."""
    first = make(parallel_commit=parallel)
    first.remote.execute("TRUNCATE strict")
    every = [first, *(make(first.session, parallel_commit=parallel) for _ in range(servers - 1))]
    first.execute("CREATE TEMP TABLE own (n int)")
    with pytest.raises(errors.UniqueViolation), first.session.transaction():
        first.execute("INSERT INTO own VALUES (1)")
        for number, far in enumerate(every):
            rows = "(100), (100)" if number == refuses else f"({number})"
            first.execute(f"INSERT INTO {far.name}.strict VALUES {rows}")
    others = [number for number in range(servers) if number != refuses]
    committed = others if parallel == "on" else [one for one in others if one < refuses]
    assert first.content("strict") == committed
    assert first.value("SELECT count(*) FROM own") == 0
    for number, far in enumerate(every):
        first.execute(f"INSERT INTO {far.name}.strict VALUES (%s)", [10 + number])
    assert len(first.content("strict")) == len(committed) + servers


@pytest.mark.parametrize("parallel", ["on", "off"])
@pytest.mark.parametrize("lost", [0, 1])
def test_one_of_several_is_gone(make: Callable[..., Far], parallel: str, lost: int) -> None:
    """If one is known to be lost, none of them commits."""
    every = [make(parallel_commit=parallel)]
    every.append(make(every[0].session, parallel_commit=parallel))
    session = every[0].session
    every[0].remote.execute("TRUNCATE t")
    with pytest.raises(errors.ConnectionFailure), session.transaction():
        for number, far in enumerate(every):
            session.execute(f"INSERT INTO {far.name}.t VALUES ({number})")
        every[lost].kill()
    assert every[0].content() == []


def test_wait_for_oneself(make: Callable[..., Far]) -> None:
    """Two servers are two remote transactions, also if they lead to one database."""
    first = make()
    first.remote.execute("TRUNCATE t")
    second = make(first.session, options="-c lock_timeout=100ms")
    with first.session.transaction():
        first.execute(f"INSERT INTO {first.name}.t VALUES (1)")
        with pytest.raises(errors.LockNotAvailable), first.session.transaction():
            first.execute(f"INSERT INTO {second.name}.t VALUES (1)")
        first.execute(f"INSERT INTO {second.name}.t VALUES (2)")
    assert first.content() == [1, 2]


# --- Isolation ------------------------------------------------------------------------------------


def test_snapshot(far: Far) -> None:
    """A transaction sees the remote as it was at its first use, at any isolation level here."""
    far.remote.execute("INSERT INTO t VALUES (1)")
    for level in ("READ COMMITTED", "REPEATABLE READ"):
        with far.session.transaction():
            far.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
            before = far.value("SELECT count(*) FROM t")
            far.remote.execute("INSERT INTO t SELECT max(id) + 1 FROM t")
            assert far.value("SELECT count(*) FROM t") == before
            assert far.value("SELECT count(*) FROM t AS a CROSS JOIN t AS b") == before**2
        assert far.value("SELECT count(*) FROM t") == before + 1


def test_concurrent_update(far: Far) -> None:
    """What another has changed meanwhile cannot be changed: 40001, to be tried again."""
    far.remote.execute("INSERT INTO t VALUES (1, 'old')")
    with pytest.raises(errors.SerializationFailure), far.session.transaction():
        assert far.value("SELECT v FROM t") == "old"
        far.remote.execute("UPDATE t SET v = 'theirs'")
        far.execute("UPDATE t SET v = 'ours' WHERE id = 1")
    far.execute("UPDATE t SET v = v || ', ours' WHERE id = 1")
    assert far.remote_values("SELECT v FROM t") == ["theirs, ours"]


def test_serializable(far: Far) -> None:
    """Two transactions of which each does not see what the other writes: one of them fails."""
    far.remote.execute("INSERT INTO t VALUES (1, 'a'), (2, 'a')")
    with pytest.raises(errors.SerializationFailure), far.session.transaction():
        far.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        far.value("SELECT count(*) FROM t WHERE v = 'a'")
        with far.remote.transaction():
            far.remote.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
            far.remote.execute("SELECT count(*) FROM t WHERE v = 'a'")
            far.remote.execute("UPDATE t SET v = 'b' WHERE id = 1")
        far.execute("UPDATE t SET v = 'b' WHERE id = 2")
    assert far.remote_values("SELECT v FROM t ORDER BY id") == ["b", "a"]


def test_two_phase_commit(far: Far) -> None:
    """A transaction that has used the remote cannot be prepared."""
    with pytest.raises(psycopg.Error) as raised:
        far.execute("BEGIN")
        far.execute("INSERT INTO t VALUES (1)")
        far.execute("PREPARE TRANSACTION 'x'")
    assert raised.value.diag.sqlstate in ("0A000", "55000")
    far.session.rollback()
    assert far.content() == []
    far.execute("INSERT INTO t VALUES (7)")
    assert far.content() == [7]
