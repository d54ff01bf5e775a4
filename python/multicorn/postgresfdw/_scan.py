"""Reading from the other server: a cursor, or a prepared statement for what is asked again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING

from multicorn._bridge import bridge
from multicorn.libpq import ResultRows
from multicorn.postgresfdw._statements import CTID, FIRST_UNFIXED_OID, Query, RemoteTable

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

    from multicorn.postgresfdw._connection import Connection

__all__ = ["Repetitions", "Scan", "in_transaction"]

# Rows of the first batch, and of the largest, where no fetch_size is set; and what a batch may take
# here, in bytes.
FIRST_FETCH_SIZE = 100
LARGEST_FETCH_SIZE = 10_000
LARGEST_FETCH = 4 * 1024 * 1024

# How many queries are remembered, to know one that comes again.
MOST_REMEMBERED = 200


class Repetitions:
    """Which queries of a table come again, with other values."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, None] = OrderedDict()

    def is_known(self, template: str) -> bool:
        """Return whether a query was asked before, and remember it."""
        known = template in self._seen
        self._seen[template] = None
        self._seen.move_to_end(template)
        if len(self._seen) > MOST_REMEMBERED:
            self._seen.popitem(last=False)
        return known


class Scan:
    """One execution of a query. It owns the connection while an answer is on its way.

    Args:
        connection: where to ask.
        table: what is read.
        write: makes the query, anew if columns turn out to need another form.
        fetch_size: rows of a batch; None begins with few, and takes more and more.

    Attributes:
        table: as given.
    """

    def __init__(
        self,
        connection: Connection,
        table: RemoteTable,
        write: Callable[[], Query],
        fetch_size: int | None,
    ) -> None:
        self._connection = connection
        self.table = table
        self._write = write
        self._adapts = fetch_size is None
        self._fetch_size = fetch_size or FIRST_FETCH_SIZE
        self._cursor = ""
        self._is_pending = False
        self._kept: list[PGresult] | None = None

    def rows(self, repetitions: Repetitions) -> Generator[ResultRows, None, None]:
        """Yield the rows, in batches."""
        query = self._write()
        if query.parameters and repetitions.is_known(query.template):
            result = self._ask_prepared(query)
            if result is not None:
                yield ResultRows(result, query.names)
                return
        yield from self._cursor_rows(query)

    # A prepared statement

    def _ask_prepared(self, query: Query) -> PGresult | None:
        """Return the whole result of a prepared statement; None if it is too large for memory."""
        sql = query.template
        is_bounded = query.limit is not None and query.limit <= self._fetch_size
        if not is_bounded:
            sql = f"SELECT * FROM ({sql}) AS q LIMIT {self._fetch_size + 1}"
        statement = self._connection.prepare(sql)
        self._connection.send(self, sql, query.parameters, statement=statement, binary=True)
        self._is_pending = True
        (result,) = self._results()
        if result.ntuples > self._fetch_size or not self._fits(result, query):
            return None
        return result

    # A cursor

    def _cursor_rows(self, query: Query) -> Iterator[ResultRows]:
        """Yield the rows of a cursor; the next batch is on its way while one is read."""
        try:
            result = self._open_cursor(query)
            if not self._fits(result, query):
                self._close_cursor()
                query = self._write()
                result = self._open_cursor(query)
            while result.ntuples == self._fetch_size:
                self._adapt(result)
                self._fetch_next()
                yield ResultRows(result, query.names)
                (result,) = self._results()
            yield ResultRows(result, query.names)
        finally:
            self._close_cursor()

    def _open_cursor(self, query: Query) -> PGresult:
        """Open a cursor and return its first rows."""
        self._cursor = self._connection.new_cursor_name()
        self._connection.send(
            self,
            f"DECLARE {self._cursor} BINARY CURSOR FOR {query.sql}; {self._fetch_command()}",
        )
        self._is_pending = True
        return self._results()[-1]

    def _fetch_command(self) -> str:
        """Return the command for the next batch."""
        return f"FETCH {self._fetch_size} FROM {self._cursor}"

    def _fetch_next(self) -> None:
        """Ask for the next batch."""
        self._connection.send(self, self._fetch_command())
        self._is_pending = True

    def _adapt(self, result: PGresult) -> None:
        """Choose how many rows to ask for next."""
        if not self._adapts:
            return
        width = max(1, _size_of_some(result))
        most = min(LARGEST_FETCH_SIZE, max(1, LARGEST_FETCH // width))
        self._fetch_size = min(most, self._fetch_size * 10)

    def _close_cursor(self) -> None:
        """Have the cursor closed with the next command, and what is on its way thrown away.

        After an error, the end of the transaction or the savepoint does that.
        """
        self._connection.discard(self)
        if self._cursor and in_transaction():
            self._connection.close_cursor(self._cursor)
        self._cursor = ""
        self._is_pending = False

    # Both

    def _results(self) -> list[PGresult]:
        """Return the results that are on their way, or were taken in meanwhile."""
        if self._kept is not None:
            kept, self._kept = self._kept, None
            return kept
        results = self._connection.results(self)
        self._is_pending = False
        return results

    def yield_connection(self) -> None:
        """Take in what is on its way: somebody else needs the connection."""
        if self._is_pending:
            self._kept = self._connection.results(self)
            self._is_pending = False

    def _fits(self, result: PGresult, query: Query) -> bool:
        """Return whether the fields can be read as they are.

        A column whose remote type is not one of PostgreSQL's own, and so has no binary form that is
        known here, is asked for as text from now on.
        """
        fits = True
        for field, name in enumerate(query.names):
            if result.ftype(field) >= FIRST_UNFIXED_OID and name != CTID:
                self.table.text_columns.add(name)
                fits = False
        return fits


def in_transaction() -> bool:
    """Return whether the local transaction goes on."""
    backend = bridge()
    return backend is None or backend.in_transaction()


def _size_of_some(result: PGresult) -> int:
    """Return the mean length of the first rows of a result, in bytes."""
    rows = min(result.ntuples, 10)
    fields = range(result.nfields)
    values = (result.get_value(row, field) or b"" for row in range(rows) for field in fields)
    return sum(len(value) + 8 for value in values) // rows
