"""Rows from libpq, which the server turns into values without a Python object for each.

A wrapper that gets its rows from a PostgreSQL server yields results of psycopg's low level as they
are, where it would else yield rows:

    from psycopg import pq
    from multicorn.libpq import ResultRows

    def execute(self, quals, columns):
        result = self.connection.exec_params(query, [], result_format=pq.Format.BINARY)
        yield ResultRows(result, columns)

psycopg 3 is needed, in any of its implementations; the module is imported by those who use it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import final

from psycopg import pq
from psycopg.pq.abc import PGresult

from multicorn._bridge import bridge

__all__ = ["ResultRows", "loaded_library"]


@final
class ResultRows:
    """The rows of a libpq result.

    As an item of what `execute` yields, it stands for all its rows; it may be mixed with rows of
    other kinds, and `execute` may return one. Where the value of a field ends up, and which are
    taken, is told in docs/wrappers.md, "Rows from libpq".

    Iterated over in Python, as `multicorn.testing` does, it yields a dict for each row: name ->
    str for a field in text format, bytes for one in binary format, None for NULL.

    Args:
        result: the result, which must not be cleared as long as its rows are read. It goes with
            its last reference.
        names: the column that each field fills, in the order of the fields. Those that the query
            does not need are ignored, and columns without a field are NULL. A tuple that is
            the same object each time is looked at once in a scan.

    Raises:
        TypeError: a name is no str.
        ValueError: the result is not one of rows, or the names are not as many as its fields, or
            not different.
    """

    __slots__ = ("names", "result")

    names: tuple[str, ...]
    result: PGresult

    def __init__(self, result: PGresult, names: Sequence[str]) -> None:
        if isinstance(names, str):
            raise TypeError("names must be a sequence of str, not a str")
        names = tuple(names)
        if result.status != pq.ExecStatus.TUPLES_OK:
            raise ValueError(f"the result has no rows: {pq.ExecStatus(result.status).name}")
        if result.nfields != len(names):
            raise ValueError(f"number of names is {len(names)}, number of fields {result.nfields}")
        for name in names:
            if not isinstance(name, str):
                raise TypeError(f"names must be str, not {type(name).__name__}")
        if len(set(names)) != len(names):
            raise ValueError("two fields have the same name")
        self.names = names
        self.result = result

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.result.ntuples

    def __iter__(self) -> Iterator[dict[str, str | bytes | None]]:
        """Yield the rows."""
        result = self.result
        in_text = [result.fformat(field) == pq.Format.TEXT for field in range(len(self.names))]
        fields = list(zip(self.names, range(len(self.names)), in_text, strict=True))
        for row in range(result.ntuples):
            yield {name: _value(result.get_value(row, field), text) for name, field, text in fields}

    def __repr__(self) -> str:
        return f"<ResultRows({', '.join(self.names)}), rows: {len(self)}>"


def _value(value: bytes | None, is_text: bool) -> str | bytes | None:
    """Return what a field holds, decoded if it is in text format."""
    if value is None or not is_text:
        return value
    return value.decode("utf-8", "surrogateescape")


def loaded_library() -> str:
    """Return the shared library through which psycopg has loaded libpq.

    It is libpq itself or, of the implementations in C, the module that needs it: psycopg's packages
    bring a libpq of their own, beside which that of the system may be loaded, too.

    Raises:
        ImportError: psycopg does not tell.
    """
    name: object
    if pq.__impl__ == "python":
        from psycopg.pq import _pq_ctypes

        name = getattr(getattr(_pq_ctypes, "pq", None), "_name", None)
    else:
        module = sys.modules.get(pq.PGresult.__module__)
        name = getattr(module, "__file__", None)
    if not isinstance(name, str):
        raise ImportError(f"psycopg's implementation {pq.__impl__!r} does not tell its libpq")
    return name


def _register() -> None:
    """Tell the server, if this is one, to read the rows itself."""
    server = bridge()
    if server is not None:
        server.use_libpq(loaded_library(), ResultRows)


_register()
