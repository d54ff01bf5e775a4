"""The file of JSON lines: whole after every crash, in step with the local transaction."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

import psycopg
import pytest

from harness import Cluster
from harness.cases import cases, rng
from harness.sessions import Session, wait_until
from multicorn import Error, _durable_file, jsonlinesfdw
from multicorn.testing import Table
from multicorn.utils import current_transaction_id, transaction_status

WRAPPERS = Path(__file__).resolve().parents[1] / "wrappers"
CLASS = "multicorn.jsonlinesfdw.JsonLinesFdw"
MOST_STEPS = 60


@pytest.fixture(scope="module")
def fragile() -> Iterator[Cluster]:
    """A server of its own, whose sessions may be killed."""
    with Cluster() as cluster:
        wrappers = cluster.scratch / "wrappers"
        shutil.copytree(WRAPPERS, wrappers)
        for path in (wrappers, *wrappers.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        cluster.configure({"multicorn.python_path": str(wrappers)})
        cluster.reload()
        cluster.run_sql(
            "CREATE EXTENSION multicorn;"
            "CREATE SERVER killing FOREIGN DATA WRAPPER multicorn"
            " OPTIONS (wrapper 'killing.Lines');"
            "CREATE FOREIGN TABLE refuser (n int) SERVER killing"
            " OPTIONS (wrapper 'killing.Refuser')"
        )
        yield cluster


def connect(cluster: Cluster) -> Session:
    """Open a session, as soon as the server has recovered."""
    sessions: list[Session] = []

    def is_open() -> bool:
        try:
            sessions.append(psycopg.connect(cluster.dsn, autocommit=True))
        except psycopg.OperationalError:
            return False
        return True

    wait_until(is_open)
    return sessions[0]


def is_open(session: Session) -> bool:
    """Return whether a session can still be used."""
    try:
        session.execute("SELECT")
    except psycopg.OperationalError:
        return False
    return True


def has_ended(process: int) -> bool:
    """Return whether a process has ended, and its parent has noticed."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def create(cluster: Cluster, name: str) -> Path:
    """Create tables for a test: two of files, one local; return the folder of the files."""
    folder = cluster.scratch / name
    folder.mkdir()
    folder.chmod(0o777)
    tables = "".join(
        f"CREATE FOREIGN TABLE {name}_{table} (id int, v int) SERVER killing"
        f" OPTIONS (filename '{folder}/{table}.jsonl', rowid_column 'id', kill_at '');"
        for table in ("first", "second")
    )
    cluster.run_sql(f"{tables} CREATE TABLE {name}_local (id int)")
    cluster.run_sql(f"INSERT INTO {name}_second VALUES (0, 0)")
    return folder


@pytest.mark.parametrize("end", ["commit", "fail"])
def test_a_kill_leaves_all_of_a_transaction_or_nothing(fragile: Cluster, end: str) -> None:
    """Killed at each step in turn, both files agree with the local table."""
    folder = create(fragile, end)
    outcomes = []
    for step in range(1, MOST_STEPS):
        with connect(fragile) as session:
            process = session.info.backend_pid
            session.execute(f"ALTER FOREIGN TABLE {end}_first OPTIONS (SET kill_at '{step - 1}')")
            try:
                with session.transaction():
                    session.execute(f"INSERT INTO {end}_local VALUES ({step})")
                    session.execute(f"INSERT INTO {end}_first VALUES ({step}, {step})")
                    session.execute(f"UPDATE {end}_second SET v = {step} WHERE id = 0")
                    session.execute("SELECT FROM refuser WHERE %s", [end == "fail"])
                error = None
            except psycopg.Error as raised:
                error = raised
            # A client hears of the error before the hook rollback.
            survived = is_open(session)
            assert not survived or end == "commit" or "refused" in str(error)
        if not survived:
            # Until it is noticed there, the server takes connections that it will end as well.
            wait_until(partial(has_ended, process))
        with connect(fragile) as session:
            # This takes the next transaction ID, which must not be that of the one that died.
            session.execute(f"ALTER FOREIGN TABLE {end}_first OPTIONS (SET kill_at '')")
            committed = step in numbers(session, f"SELECT id FROM {end}_local")
            outcomes.append((survived, committed))
            assert (step in numbers(session, f"SELECT id FROM {end}_first")) == committed
            assert (numbers(session, f"SELECT v FROM {end}_second") == {step}) == committed
            # The next writer clears up.
            session.execute(f"UPDATE {end}_second SET v = 0")
            session.execute(f"INSERT INTO {end}_first VALUES (-{step}, 0)")
            assert sorted(path.name for path in folder.iterdir()) == [
                "first.jsonl",
                "first.jsonl.lock",
                "second.jsonl",
                "second.jsonl.lock",
            ]
            assert (step in numbers(session, f"SELECT id FROM {end}_first")) == committed
        if survived:
            break
    died = [committed for survived, committed in outcomes if not survived]
    assert outcomes[-1] == (True, end == "commit")
    assert set(died) == ({False, True} if end == "commit" else {False})
    assert len(died) > 10


# Writers at the same time, and how often one of them is killed.
WRITERS, KILLS = 5, 6

# How many things a writer does to the folder before it dies, and how long it is let live, in s.
MOST_EVENTS, LONGEST_LIFE = 10, 0.2


class Writer(threading.Thread):
    """A session that writes the same numbers into a file and a local table until it is stopped.

    Attributes:
        acknowledged: The numbers that have been committed, as far as it has heard.
        process: The backend.
        failure: What has ended it, if that was not to be expected.
    """

    def __init__(self, cluster: Cluster, number: int, stopped: threading.Event) -> None:
        super().__init__()
        self.cluster = cluster
        self.number = number
        self.stopped = stopped
        self.acknowledged: set[int] = set()
        self.process: int | None = None
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Write, and begin anew after each crash."""
        numbers = count(self.number, WRITERS)
        try:
            while not self.stopped.is_set():
                with suppress(psycopg.OperationalError), connect(self.cluster) as session:
                    self.process = session.info.backend_pid
                    session.execute("SET synchronous_commit = on")
                    session.execute("SET statement_timeout = '60s'")
                    while not self.stopped.is_set():
                        self.write(session, next(numbers))
        except BaseException as error:
            self.failure = error

    def write(self, session: Session, number: int) -> None:
        """Write a number into both; sometimes it is to be rolled back."""
        # The end of the connection while it rolls back leaves the exception as it was.
        conflict = (psycopg.errors.SerializationFailure, psycopg.Rollback)
        with suppress(*conflict), session.transaction():
            session.execute("INSERT INTO crowd_local VALUES (%s)", (number,))
            session.execute("INSERT INTO crowd_first VALUES (%s, %s)", (number, number))
            session.execute("UPDATE crowd_second SET v = v + 1")
            if number % 4 == 0:
                raise psycopg.Rollback
        if number % 4 != 0:
            # A conflict is not told from a commit here: the local table knows.
            query = "SELECT FROM crowd_local WHERE id = %s"
            if session.execute(query, (number,)).fetchall():
                self.acknowledged.add(number)


def set_kill_at(cluster: Cluster, event: str) -> None:
    """Have all who write die at some event, or no longer; whoever sets it may go with them."""
    while True:
        with suppress(psycopg.OperationalError), connect(cluster) as session:
            session.execute(f"ALTER FOREIGN TABLE crowd_first OPTIONS (SET kill_at '{event}')")
            return


def kill(process: int | None) -> bool:
    """Kill a process; return whether there was one."""
    if process is None:
        return False
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def kill_one(cluster: Cluster, writers: list[Writer], random: Random) -> None:
    """Kill a writer at some point, and wait until the server has noticed."""
    began = cluster.log.count("all server processes terminated")
    if random.random() < 0.5:
        set_kill_at(cluster, str(random.randrange(MOST_EVENTS)))
    else:
        threading.Event().wait(random.uniform(0, LONGEST_LIFE))
        while not kill(random.choice(writers).process):
            pass
    wait_until(lambda: cluster.log.count("all server processes terminated") > began)
    set_kill_at(cluster, "")


def acknowledged(writers: list[Writer]) -> set[int]:
    """Return the numbers whose commits have been heard of."""
    return set().union(*(writer.acknowledged.copy() for writer in writers))


def wait_for_more(writers: list[Writer]) -> None:
    """Wait until more has been committed."""
    before = len(acknowledged(writers))
    wait_until(lambda: len(acknowledged(writers)) > before + WRITERS)


def test_a_kill_among_many_writers_leaves_all_of_each_transaction_or_nothing(
    fragile: Cluster,
) -> None:
    """The file agrees with the local table, and with what clients have been told."""
    folder = create(fragile, "crowd")
    stopped = threading.Event()
    writers = [Writer(fragile, number, stopped) for number in range(WRITERS)]
    random = rng("kills")
    for writer in writers:
        writer.start()
    try:
        for _ in range(cases(KILLS)):
            wait_for_more(writers)
            kill_one(fragile, writers, random)
    finally:
        stopped.set()
        for writer in writers:
            writer.join()
    assert [writer.failure for writer in writers] == [None] * WRITERS
    with connect(fragile) as session:
        session.execute("INSERT INTO crowd_first VALUES (-1, -1)")
        session.execute("INSERT INTO crowd_local VALUES (-1)")
        local = numbers(session, "SELECT id FROM crowd_local")
        assert numbers(session, "SELECT id FROM crowd_first") == local
        assert numbers(session, "SELECT count(*) FROM crowd_first") == {len(local)}
        assert numbers(session, "SELECT v FROM crowd_second") == {len(local) - 1}
    assert acknowledged(writers) <= local
    assert not {number for number in local if number % 4 == 0}
    lines = (folder / "first.jsonl").read_text().splitlines()
    assert {json.loads(line)["id"] for line in lines} == local
    assert {path.name for path in folder.iterdir()} >= {"first.jsonl", "second.jsonl"}
    assert "PANIC" not in fragile.log


def numbers(session: Session, query: str) -> set[int]:
    """Return the first column of a query."""
    return {row[0] for row in session.execute(query)}


def test_writers_wait_for_each_other(fragile: Cluster) -> None:
    """Sessions that count up in one row lose no count, if those that fail repeat."""
    create(fragile, "counting")
    rounds, writers = 10, 4
    failures: list[BaseException] = []

    def count() -> None:
        try:
            with connect(fragile) as session:
                done = 0
                while done < rounds:
                    try:
                        session.execute("UPDATE counting_second SET v = v + 1")
                        done += 1
                    except psycopg.errors.SerializationFailure:
                        pass
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=count) for _ in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with connect(fragile) as session:
        assert numbers(session, "SELECT v FROM counting_second") == {rounds * writers}


def test_a_cancel_ends_the_wait_for_another_writer(fragile: Cluster) -> None:
    """Waiting for the lock is interrupted like everything else."""
    create(fragile, "waiting")
    with connect(fragile) as first, connect(fragile) as second:
        with first.transaction():
            first.execute("INSERT INTO waiting_first VALUES (1)")
            second.execute("SET statement_timeout = 100")
            with pytest.raises(psycopg.errors.QueryCanceled):
                second.execute("INSERT INTO waiting_first VALUES (2)")
        second.execute("RESET statement_timeout")
        second.execute("INSERT INTO waiting_first VALUES (3)")
        assert numbers(second, "SELECT id FROM waiting_first") == {1, 3}


def test_a_scan_keeps_the_version_it_has_begun_with(fragile: Cluster) -> None:
    """A cursor sees the rows that were there, although the file was replaced."""
    create(fragile, "cursor")
    with connect(fragile) as reader, connect(fragile) as writer:
        writer.execute("INSERT INTO cursor_first SELECT i, i FROM generate_series(1, 5000) AS i")
        with reader.transaction():
            reader.execute("DECLARE c CURSOR FOR SELECT id FROM cursor_first")
            assert reader.execute("FETCH 1 FROM c").fetchall() == [(1,)]
            writer.execute("DELETE FROM cursor_first WHERE id > 2")
            assert len(reader.execute("FETCH ALL FROM c").fetchall()) == 4999
            assert numbers(reader, "SELECT id FROM cursor_first") == {1, 2}


def test_a_snapshot_that_cannot_be_kept_is_an_error(fragile: Cluster) -> None:
    """In REPEATABLE READ, a file that was replaced is not read a second time."""
    create(fragile, "snapshot")
    with connect(fragile) as reader, connect(fragile) as writer:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        for statement in ("SELECT FROM snapshot_second", "UPDATE snapshot_second SET v = 1"):
            with pytest.raises(psycopg.errors.SerializationFailure), reader.transaction():
                reader.execute("SELECT FROM snapshot_second")
                writer.execute("UPDATE snapshot_second SET v = 5")
                reader.execute(statement)


def test_a_change_that_builds_on_an_older_version_is_an_error(fragile: Cluster) -> None:
    """In READ COMMITTED, what was read before another transaction wrote is not written back."""
    create(fragile, "older")
    with connect(fragile) as reader, connect(fragile) as writer:
        for statement in ("UPDATE older_second SET v = 1", "DELETE FROM older_second"):
            with pytest.raises(psycopg.errors.SerializationFailure), reader.transaction():
                reader.execute("SELECT FROM older_second")
                writer.execute("UPDATE older_second SET v = v + 5")
                reader.execute(statement)
        with reader.transaction():
            reader.execute("SELECT FROM older_second")
            writer.execute("UPDATE older_second SET v = v + 5")
            assert numbers(reader, "SELECT v FROM older_second") == {15}
            reader.execute("INSERT INTO older_second VALUES (1, 1)")


def test_a_journal_of_another_cluster_is_an_error(fragile: Cluster) -> None:
    """Nobody guesses what has become of a transaction that PostgreSQL does not know."""
    folder = create(fragile, "stranger")
    (folder / "second.jsonl.1-1.new").write_text('{"id": 7}\n')
    (folder / "second.jsonl.journal").write_text(
        '{"transaction": "1:1", "version": "second.jsonl.1-1.new"}'
    )
    with connect(fragile) as session:
        for statement in ("SELECT FROM stranger_second", "INSERT INTO stranger_second VALUES (1)"):
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="cannot tell"):
                session.execute(statement)
    assert (folder / "second.jsonl.1-1.new").exists()


def test_transaction_ids(fragile: Cluster) -> None:
    """They are PostgreSQL's own, and so is what it says of them."""
    with connect(fragile) as session:
        session.execute(
            "CREATE FOREIGN TABLE ids (own text, status text) SERVER killing"
            " OPTIONS (wrapper 'session.TransactionIds')"
        )
        with session.transaction():
            own, status = session.execute("SELECT * FROM ids").fetchall()[0]
            real = session.execute(
                "SELECT system_identifier || ':' || pg_current_xact_id() FROM pg_control_system()"
            ).fetchone()
            assert (own,) == real
            assert status == "in progress"
        again = session.execute("SELECT status FROM ids WHERE own = %s", [own]).fetchone()
        assert again == ("committed",)
        with pytest.raises(psycopg.Error, match="in the future"):
            session.execute("SELECT FROM ids WHERE own = %s", [own + "000"])
        for wrong in ("", "x", "1:", "1:2:3", "-1:2", "1:\uff11", f"1:{1 << 64}", "1:" + "9" * 30):
            with pytest.raises(psycopg.Error, match="not the ID of a transaction"):
                session.execute("SELECT FROM ids WHERE own = %s", [wrong])


def test_outside_a_server(tmp_path: Path) -> None:
    """multicorn.testing runs transactions of its own."""
    with pytest.raises(Error, match="no transaction"):
        current_transaction_id()
    columns = {"id": "integer", "v": "text"}
    options = {"filename": str(tmp_path / "t.jsonl"), "rowid_column": "id"}
    with Table(CLASS, columns, options) as table:
        with table.transaction():
            table.insert({"id": 1, "v": "a"})
            table.insert({"id": 2, "v": "b"})
            transaction = current_transaction_id()
            assert transaction_status(transaction) == "in progress"
        assert transaction_status(transaction) == "committed"
        with pytest.raises(RuntimeError), table.transaction():
            transaction = current_transaction_id()
            table.delete(1)
            raise RuntimeError
        assert transaction_status(transaction) == "aborted"
        assert table.select() == [{"id": 1, "v": "a"}, {"id": 2, "v": "b"}]
    assert transaction_status("0:0") is None
    with pytest.raises(TypeError, match="not None"):
        transaction_status(None)  # type: ignore[arg-type]
    assert (tmp_path / "t.jsonl").read_text() == '{"id": 1, "v": "a"}\n{"id": 2, "v": "b"}\n'


# --- Interrupts -----------------------------------------------------------------------------------


class Interrupt(Exception):
    """What an interrupt is here; an Exception, so that a hook which it ends is a warning."""


class Interrupted(jsonlinesfdw.JsonLinesFdw):
    """The file; the n-th bytecode of a method is interrupted, in either of its two modules."""

    files = (jsonlinesfdw.__file__, _durable_file.__file__)
    method = ""
    left = 0
    fails = False

    def trace(self, frame: FrameType, event: str, argument: object) -> Any:
        """Hear of a bytecode."""
        if frame.f_code.co_filename not in self.files:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            self.left -= 1
            if self.left < 0:
                raise Interrupt
        return self.trace

    def run(self, method: str, *args: Any) -> None:
        """Run a method of the base class."""
        if method == self.method:
            sys.settrace(self.trace)
        try:
            getattr(super(), method)(*args)
        finally:
            sys.settrace(None)

    def insert(self, values: dict[str, Any], *args: Any, **keywords: Any) -> None:
        self.run("insert", values)

    def pre_commit(self) -> None:
        self.run("pre_commit")
        if self.fails:
            raise Interrupt

    def commit(self) -> None:
        self.run("commit")

    def rollback(self) -> None:
        self.run("rollback")


@pytest.mark.parametrize("method", ["insert", "pre_commit", "commit", "rollback"])
def test_an_interrupt_changes_no_decision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Wherever it hits, the next transactions find what was decided, and nothing is left over."""
    monkeypatch.setattr(os, "fsync", lambda file: None)
    warnings.simplefilter("ignore")  # of hooks that are interrupted
    options = {"filename": str(tmp_path / "t.jsonl"), "rowid_column": "id"}
    for step in count():
        with (
            Table(Interrupted, {"id": "integer"}, options) as table,
            Table(CLASS, {"id": "integer"}, options) as other,
        ):
            table.insert({"id": 1})
            wrapper = table.wrapper
            wrapper.method, wrapper.left, wrapper.fails = method, step, method == "rollback"
            with suppress(Interrupt):
                table.insert({"id": 2})
            wrapper.method, wrapper.fails = "", False
            expected = [{"id": 1}, {"id": 2}] if method == "commit" else [{"id": 1}]
            if method in ("insert", "pre_commit") and wrapper.left >= 0:
                break
            # Whoever only reads drops what is left in memory, but for the files.
            assert table.select() == expected
            assert other.select() == expected
            table.select()
            other.insert({"id": 3})
            assert table.select() == [*expected, {"id": 3}]
            assert {path.name for path in tmp_path.iterdir()} == {"t.jsonl", "t.jsonl.lock"}
            table.insert({"id": 4})
            table.truncate()
            if wrapper.left >= 0:
                break
    assert step > 20


def test_files_of_others_stay(tmp_path: Path) -> None:
    """A writer removes the versions of its own file, and nothing else."""
    others = ["t.old.1-2.new", "t.new", "t.2024.new", "t.old.journal.new", "xt.1-2.new"]
    for name in (*others, "t.1-2.new", "t.journal.new"):
        (tmp_path / name).touch()
    with Table(CLASS, {"id": "integer"}, {"filename": str(tmp_path / "t")}) as table:
        table.insert({"id": 1})
    assert {path.name for path in tmp_path.iterdir()} == {"t", "t.lock", *others}
    for suffix in ("journal", "lock", "new"):
        with pytest.raises(Error, match="another file"):
            Table(CLASS, {"id": "integer"}, {"filename": str(tmp_path / f"t.{suffix}")})


# --- Lines ----------------------------------------------------------------------------------------


def table_of(path: Path, *lines: str, key: str = "integer") -> Table:
    """Return a table of a file with some lines."""
    path.write_text("".join(f"{line}\n" for line in lines))
    options = {"filename": str(path), "rowid_column": "id"}
    return Table(CLASS, {"id": key, "v": "text"}, options)


def test_what_is_beside_the_columns_stays(tmp_path: Path) -> None:
    """Also what only lax programs write."""
    path = tmp_path / "t.jsonl"
    line = '{"id": 1, "v": {"a": [1]}, "u": [NaN, -Infinity, 1.50, "\\ud800"], "w": %d}'
    with table_of(path, line % 1) as table:
        table.columns["w"] = table.columns["id"]
        table.update(1, {"w": 2})
        table.insert({"id": 2, "v": "\udce9"})  # as SQL_ASCII has bytes that are not UTF-8
        assert [row["v"] for row in table.select()][1] == "\udce9"
    assert path.read_text() == f'{line % 2}\n{{"id": 2, "v": "\\udce9"}}\n'


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("integer", '"x"'),
        ("integer", "1.5"),
        ("integer", "true"),
        ("text", '{"a": 1}'),
        ("text", "5"),
        ("uuid", '"x"'),
        ("integer", "[" * 100_000),
    ],
)
def test_a_line_that_cannot_be_a_row_is_an_error(tmp_path: Path, key: str, value: str) -> None:
    """The error names file and line."""
    expected = pytest.raises(Error, match=r'cannot read line 2 of ".*t\.jsonl"')
    with table_of(tmp_path / "t.jsonl", "{}", f'{{"id": {value}}}', key=key) as table, expected:
        table.select()


def test_a_row_that_is_not_found_again_is_an_error(tmp_path: Path) -> None:
    """A change that was reported is made, or fails."""
    path = tmp_path / "t.jsonl"
    with table_of(path, '{"id": 1}') as table:
        with pytest.raises(Error, match="cannot find a row"):
            table.delete(2)
        with pytest.raises(Error, match="cannot find a row"):
            table.update(2, {"v": "x"})


def test_lines_with_the_same_key(tmp_path: Path) -> None:
    """DELETE removes all of them; nothing else can tell them apart."""
    path = tmp_path / "t.jsonl"
    with table_of(path, '{"id": 1}', '{"id": 2}', '{"id": 1}') as table:
        with pytest.raises(Error, match="would have the same"):
            table.update(1, {"v": "x"})
        table.delete(1)
        assert table.select() == [{"id": 2, "v": None}]
