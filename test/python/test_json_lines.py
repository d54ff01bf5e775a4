"""The file of JSON lines: whole after every crash, in step with the local transaction."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from harness import Cluster
from harness.sessions import Session, wait_until
from multicorn import Error
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
            session.execute(f"ALTER FOREIGN TABLE {end}_first OPTIONS (SET kill_at '{step - 1}')")
            try:
                with session.transaction():
                    session.execute(f"INSERT INTO {end}_local VALUES ({step})")
                    session.execute(f"INSERT INTO {end}_first VALUES ({step}, {step})")
                    session.execute(f"UPDATE {end}_second SET v = {step} WHERE id = 0")
                    session.execute("SELECT FROM refuser WHERE %s", [end == "fail"])
                survived = True
            except psycopg.Error as error:
                survived = "refused" in str(error)
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
        for wrong in ("", "x", "1:", "1:2:3", "-1:2"):
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
    assert (tmp_path / "t.jsonl").read_text() == '{"id": 1, "v": "a"}\n{"id": 2, "v": "b"}\n'
