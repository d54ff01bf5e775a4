"""Connections to remote servers in plain Python: interrupted anywhere, and without a server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from random import Random
from types import FrameType
from typing import Any

import pytest
from psycopg import pq

from harness import Cluster
from multicorn import Error
from multicorn.postgresfdw import _connection, _transactions
from multicorn.postgresfdw._connection import Connection
from multicorn.postgresfdw._connections import connections
from multicorn.postgresfdw._errors import codec
from multicorn.postgresfdw._link import Link
from multicorn.postgresfdw._options import conninfo
from multicorn.utils import ForeignServer


class Interrupt(BaseException):
    """What a signal raises, as the bridge does."""


@dataclass(frozen=True)
class Settings:
    keep_connections: bool = True
    parallel_commit: bool = False
    on_unreachable: str = "error"
    retry_after: float = 60.0


@pytest.fixture(scope="module")
def remote() -> Iterator[Cluster]:
    with Cluster() as cluster:
        cluster.run_sql("CREATE TABLE t (n int)")
        yield cluster


@pytest.fixture
def connection(remote: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    """A connection, outside a transaction."""
    remote.run_sql("TRUNCATE t")
    server = ForeignServer("remote", 1, "postgres", 10, 0, True, {}, {}, None)
    parameters = {"host": remote.host, "dbname": "postgres", "user": "postgres"}
    connection = connections.get(server, parameters, Settings())
    yield connection
    _transactions.rollback()
    connections.close_all()


@contextmanager
def interrupted(after: int) -> Iterator[None]:
    """Raise Interrupt before a line of the package, counted from the beginning, as a signal may."""
    left = after

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal left
        if "postgresfdw" not in frame.f_code.co_filename:
            return None
        if event == "line":
            left -= 1
            if left == 0:
                raise Interrupt
        return trace

    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(previous)


class Reader:
    """An owner that keeps nothing."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def yield_connection(self) -> None:
        self.connection.results(self)


class Copier(Reader):
    """An owner that copies."""

    def yield_connection(self) -> None:
        self.connection.copy_end(self)


class Local:
    """A local transaction, which calls the hooks as PostgreSQL would."""

    def __init__(self, connection: Connection, random: Random) -> None:
        self.connection = connection
        self.random = random
        self.level = 1
        self.rows: list[list[int]] = [[]]
        self.failed = False

    def work(self, number: int) -> None:
        """Do something on the remote side."""
        connection = self.connection
        insert = "INSERT INTO public.t VALUES ({})"
        match self.random.randrange(6):
            case 0:
                connection.execute(insert.format(number))
            case 1:
                connection.execute(insert.format("$1::int"), [str(number)])
            case 2:
                reader = Reader(connection)
                connection.send(reader, insert.format(number))
                connection.query("SELECT 1")
            case 3:
                reader = Reader(connection)
                name = connection.prepare(insert.format("$1::int"))
                connection.send(reader, "", [str(number)], statement=name)
                connection.results(reader)
            case 4:
                copier = Copier(connection)
                connection.copy(copier, "COPY public.t FROM STDIN")
                connection.copy_data(copier, b"%d\n" % number)
                connection.copy_end(copier)
            case 5:
                connection.query("SELECT pg_sleep(0.002)")
                connection.execute(insert.format(number))
        self.rows[-1].append(number)

    def savepoint(self) -> None:
        self.level += 1
        self.rows.append([])

    def release(self) -> None:
        _transactions.sub_commit(self.level)
        self.level -= 1
        self.rows[-2:] = [self.rows[-2] + self.rows[-1]]

    def roll_back(self) -> None:
        """Roll back a savepoint; a hook that fails dooms the transaction."""
        try:
            _transactions.sub_rollback(self.level)
        except BaseException:
            self.failed = True
        self.level -= 1
        self.rows.pop()

    def roll_back_all(self) -> None:
        while self.level > 1:
            self.roll_back()
        with suppress(Interrupt):
            _transactions.rollback()


@pytest.mark.parametrize("seed", range(300))
def test_interrupts(
    connection: Connection, remote: Cluster, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Wherever an interrupt comes, what is committed is what was not rolled back."""
    random = Random(seed)
    local = Local(connection, random)
    monkeypatch.setattr(_connection, "nest_level", lambda: local.level)
    if random.random() < 0.7:
        connection.query("SELECT 1")
        _transactions.pre_commit()
        _transactions.commit()
    committed = False
    doubtful = False
    with suppress(Interrupt), interrupted(random.randrange(1, 3000)):
        try:
            for number in range(8):
                match random.randrange(6):
                    case 0:
                        local.savepoint()
                    case 1 if local.level > 1:
                        local.release()
                    case 2 if local.level > 1:
                        local.roll_back()
                    case _:
                        try:
                            local.work(number)
                        except (Interrupt, Error):
                            if local.level == 1:
                                raise
                            local.roll_back()
            while local.level > 1:
                local.release()
            if local.failed:
                raise Error("doomed")
            doubtful = True
            _transactions.pre_commit()
            committed = True
            _transactions.commit()
        except (Interrupt, Error):
            if not committed:
                local.roll_back_all()
    # Whatever has come in between, the next hook of another instance would do the same.
    _transactions.rollback()
    local.level = 1
    content = [int(n or 0) for (n,) in connection.query("SELECT n FROM public.t ORDER BY n")]
    expected = sorted(n for rows in local.rows for n in rows) if committed else []
    assert content == expected or (doubtful and not committed)
    _transactions.pre_commit()
    _transactions.commit()
    states = "SELECT state, count(*) FROM pg_stat_activity WHERE query <> '' AND pid <>"
    assert "transaction" not in remote.run_sql(f"{states} pg_backend_pid() GROUP BY 1")


@pytest.mark.parametrize(
    "encoding",
    [
        *("BIG5", "EUC_CN", "EUC_JP", "EUC_JIS_2004", "EUC_KR", "GB18030", "GBK", "ISO_8859_5"),
        *("ISO_8859_6", "ISO_8859_7", "ISO_8859_8", "JOHAB", "KOI8R", "KOI8U", "SHIFT_JIS_2004"),
        *("SJIS", "SQL_ASCII", "UHC", "UTF8", "WIN866", "WIN874", "WIN1250", "WIN1251", "WIN1258"),
        *(f"LATIN{number}" for number in range(1, 11)),
    ],
)
def test_codec(remote: Cluster, encoding: str) -> None:
    """Python's codec is that of PostgreSQL."""
    if encoding in ("SQL_ASCII", "SHIFT_JIS_2004"):
        codec(encoding)
        return
    letters = {"BIG5": "中", "EUC_CN": "中", "EUC_KR": "한", "UHC": "한", "JOHAB": "한"}
    letter = letters.get(encoding, "")
    for candidate in [letter] if letter else ["ą", "é", "ж", "ا", "ω", "א", "ก", "あ", "ẁ", "đ"]:
        with suppress(UnicodeEncodeError):
            data = candidate.encode(codec(encoding))
            sql = f"SELECT encode(convert_to('{candidate}', '{encoding}'), 'hex')"
            assert remote.run_sql(sql).strip() == data.hex()
            return
    raise AssertionError("no letter")


@pytest.mark.parametrize("value", ["plain", "", "two words", "o'clock", "back\\slash", "\\'", "ä="])
def test_conninfo(value: str) -> None:
    """libpq reads what is written."""
    options = pq.Conninfo.parse(conninfo({"dbname": value, "password": value}).encode())
    found = {option.keyword: option.val for option in options if option.val is not None}
    assert found == {b"dbname": value.encode(), b"password": value.encode()}


def test_refusal_to_yield(connection: Connection) -> None:
    """An owner that does not bring its request to rest is an error, not a confusion."""

    class Stubborn(Reader):
        def yield_connection(self) -> None:
            pass

    stubborn = Stubborn(connection)
    connection.send(stubborn, "SELECT 1")
    with pytest.raises(RuntimeError, match="has not brought its request to rest"):
        connection.query("SELECT 1")
    with pytest.raises(RuntimeError, match="have not been taken"):
        connection.send(stubborn, "SELECT 2")
    assert connection.results(stubborn)[0].get_value(0, 0) == b"1"


def test_savepoint_that_nobody_has_ended(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a hook has not been called, nothing is committed."""
    level = 2
    monkeypatch.setattr(_connection, "nest_level", lambda: level)
    connection.query("SELECT 1")
    level = 1
    for use in (lambda: connection.query("SELECT 1"), _transactions.pre_commit):
        with pytest.raises(Error, match="cannot be used"):
            use()


def test_savepoint_that_was_not_made(
    connection: Connection, remote: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was interrupted is not taken for one before it, which was released."""
    level = 1
    monkeypatch.setattr(_connection, "nest_level", lambda: level)
    connection.execute("INSERT INTO public.t VALUES (1)")
    level = 2
    connection.execute("INSERT INTO public.t VALUES (2)")
    _transactions.sub_commit(2)

    def interrupt(*arguments: Any) -> None:
        raise Interrupt

    with monkeypatch.context() as patch, pytest.raises(Interrupt):
        patch.setattr(Link, "dispatch", interrupt)
        connection.execute("INSERT INTO public.t VALUES (3)")
    _transactions.sub_rollback(2)
    level = 1
    with pytest.raises(Error, match="cannot be used"):
        _transactions.pre_commit()
    _transactions.rollback()
    assert remote.run_sql("SELECT n FROM t") == ""


@pytest.mark.parametrize("end", ["commit", "use"])
def test_transaction_that_nobody_has_ended(
    connection: Connection, remote: Cluster, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """If the hook of a rollback was cut short, the next transaction does not commit it."""
    number = 1
    monkeypatch.setattr(_connection, "transaction_number", lambda: number)
    connection.execute("INSERT INTO public.t VALUES (1)")
    number = 2
    if end == "use":
        connection.execute("INSERT INTO public.t VALUES (2)")
    _transactions.pre_commit()
    _transactions.commit()
    assert remote.run_sql("SELECT n FROM t") == ("2" if end == "use" else "")
