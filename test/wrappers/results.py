"""Wrappers whose rows are results of libpq, from the server of the test itself and made by hand."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from psycopg import pq
from psycopg.pq.abc import PGconn, PGresult

from multicorn import ColumnDefinition, ForeignDataWrapper, Qual
from multicorn.libpq import ResultRows, loaded_library

TEXT, BINARY = pq.Format.TEXT, pq.Format.BINARY


class Remote(ForeignDataWrapper):
    """What a query yields, on a connection of its own.

    Options: `conninfo`, `query`, `format` (binary if not given), and `fetch`, the number of rows in
    each result, one result if not given.
    """

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        self.options = options
        self.format = TEXT if options.get("format") == "text" else BINARY
        self.conn: PGconn = pq.PGconn.connect(options["conninfo"].encode())
        self.run("SET client_encoding TO " + options.get("encoding", "utf8"))

    def run(self, query: str) -> PGresult:
        """Run a query; its rows come in the format that the option says."""
        result = self.conn.exec_params(query.encode(), None, result_format=self.format)
        if result.status not in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
            raise RuntimeError(result.error_message.decode())
        return result

    def rows(self, result: PGresult) -> ResultRows:
        """Return the rows of a result, by the names that its fields have."""
        names = [result.fname(i) or b"" for i in range(result.nfields)]
        return ResultRows(result, [name.decode() for name in names])

    def execute(self, quals: Sequence[Qual], columns: Sequence[str]) -> Any:
        """Return the rows at once, or yield as many as `fetch` says at a time."""
        if "fetch" in self.options:
            return self.batches(self.options["query"])
        return self.rows(self.run(self.options["query"]))

    def batches(self, query: str) -> Iterator[ResultRows]:
        """Yield the rows of a cursor."""
        self.run("BEGIN")
        try:
            self.run(f"DECLARE c NO SCROLL CURSOR FOR {query}")
            while True:
                rows = self.rows(self.run(f"FETCH {self.options['fetch']} FROM c"))
                if len(rows) == 0:
                    return
                yield rows
        finally:
            self.run("ROLLBACK")

    def close(self) -> None:
        """Close the connection."""
        self.conn.finish()


class Mixed(Remote):
    """Rows of every kind in turn: results, empty ones, tuples and dicts of column `i`."""

    def execute(self, quals: Sequence[Qual], columns: Sequence[str]) -> Iterator[Any]:
        """Yield the numbers from 1 to 8."""
        yield self.rows(self.run("SELECT 1 AS i WHERE false"))
        yield (1,)
        yield self.rows(self.run("SELECT i FROM generate_series(2, 4) i"))
        yield self.rows(self.run("SELECT 0 AS i WHERE false"))
        yield self.rows(self.run("SELECT 5::bigint AS other, 5 AS i"))
        yield {"i": 6}
        yield [7]
        self.format = TEXT if self.format == BINARY else BINARY
        yield self.rows(self.run("SELECT 8 AS i"))
        yield None
        yield self.rows(self.run("SELECT 9 AS i"))


class Released(Remote):
    """Ten results of ten rows; says how many of them were alive at most, and are."""

    alive: ClassVar[weakref.WeakSet[Any]] = weakref.WeakSet()
    most: ClassVar[int] = 0

    def execute(self, quals: Sequence[Qual], columns: Sequence[str]) -> Iterator[Any]:
        """Yield the results, and nothing in between holds them."""
        for _ in range(10):
            yield self.made()

    def made(self) -> ResultRows:
        """Return a result that is counted."""
        result = Counted(self.run("SELECT i FROM generate_series(1, 10) i"))
        Released.alive.add(result)
        Released.most = max(Released.most, len(Released.alive))
        return ResultRows(result, ("i",))


class Counted:
    """A PGresult that can be referred to weakly."""

    def __init__(self, result: PGresult) -> None:
        self.result = result

    def __getattr__(self, name: str) -> Any:
        return getattr(self.result, name)


class Alive(ForeignDataWrapper):
    """One row: how many results of Released are alive, and how many were at most."""

    def execute(self, quals: Sequence[Qual], columns: Sequence[str]) -> Iterator[Any]:
        """Yield the row."""
        yield len(Released.alive), Released.most


# --- Made by hand --------------------------------------------------------------------------------


class Description(ctypes.Structure):
    """PGresAttDesc of libpq-fe.h."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("tableid", ctypes.c_int),
        ("columnid", ctypes.c_int),
        ("format", ctypes.c_int),
        ("typid", ctypes.c_uint),
        ("typlen", ctypes.c_int),
        ("atttypmod", ctypes.c_int),
    ]


class Made:
    """A result with one field, as much of psycopg's PGresult as is needed."""

    status = pq.ExecStatus.TUPLES_OK

    def __init__(self, type_oid: int, values: list[bytes | None], format: int = BINARY) -> None:
        self.libpq = ctypes.CDLL(loaded_library())
        self.libpq.PQmakeEmptyPGresult.restype = ctypes.c_void_p
        address = self.libpq.PQmakeEmptyPGresult(None, int(self.status))
        self.pgresult_ptr: int | None = address
        field = Description(b"value", 0, 0, format, type_oid, -1, -1)
        assert self.libpq.PQsetResultAttrs(ctypes.c_void_p(address), 1, ctypes.byref(field))
        for row, value in enumerate(values):
            length = -1 if value is None else len(value)
            assert self.libpq.PQsetvalue(ctypes.c_void_p(address), row, 0, value, length)
        self.nfields = 1

    def clear(self) -> None:
        """Free the result."""
        self.libpq.PQclear(ctypes.c_void_p(self.pgresult_ptr))
        self.pgresult_ptr = None

    def __del__(self) -> None:
        if self.pgresult_ptr is not None:
            self.clear()


class Handmade(ForeignDataWrapper):
    """Column `value`: what the option `result` makes, by an expression for a Made."""

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        self.result = options["result"]

    def execute(self, quals: Sequence[Qual], columns: Sequence[str]) -> Any:
        """Return the rows."""
        made = eval(self.result, {"Made": Made, "TEXT": TEXT, "BINARY": BINARY})
        return ResultRows(made, ("value",))


class Cleared(Handmade):
    """Clears the result before it is read."""

    def execute(self, quals: Sequence[Qual], columns: Sequence[str]) -> Any:
        """Return rows that are gone."""
        rows = super().execute(quals, columns)
        rows.result.clear()
        return rows
