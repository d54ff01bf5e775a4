"""Servers that cannot be reached, and queries that do without their rows."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from multicorn._bridge import bridge
from multicorn.postgresfdw._connection import may_skip
from multicorn.postgresfdw._errors import Unreachable
from multicorn.utils import WARNING, log_to_postgres

if TYPE_CHECKING:
    from multicorn.postgresfdw._connection import Connection, Failure

__all__ = ["Absences", "Reading", "absences", "available"]

T = TypeVar("T")

# The name of the server, libpq's message, and since when, in microseconds since 1970.
Skipped = tuple[str, str, int]


class Reading(NamedTuple):
    """The query that `execute` is called for.

    Attributes:
        may_be_incomplete: whether it may do without the rows of a server.
        query: a number that it shares with no other query of the session.
        statement: a number that it shares with all queries of what the client has sent, which
            functions run for instance; 0 if it is none.
    """

    may_be_incomplete: bool
    query: int
    statement: int


def current_reading() -> Reading:
    """Return what `execute` is called for."""
    server = bridge()
    return Reading(False, 0, 0) if server is None else Reading(*server.reading())


class Absences:
    """What the last statement that has read remote tables did without."""

    def __init__(self) -> None:
        self._statement = 0
        self._skipped: dict[str, Skipped] = {}
        # Connections, each with a query that does without it: so it does to its end.
        self._decided: set[tuple[Connection, int]] = set()

    def begin(self, reading: Reading) -> None:
        """Forget what another statement did without."""
        if reading.statement not in (0, self._statement):
            self._statement = reading.statement
            self._skipped.clear()
            self._decided.clear()

    def is_decided(self, connection: Connection, reading: Reading) -> bool:
        """Return whether a query has done without a connection before."""
        return (connection, reading.query) in self._decided

    def add(self, connection: Connection, reading: Reading, failure: Failure) -> None:
        """Note a server, and warn of it once in a statement."""
        self._decided.add((connection, reading.query))
        name = connection.server.name
        if name in self._skipped:
            return
        self._skipped[name] = (name, failure.message, failure.since)
        log_to_postgres(
            f'server "{name}" cannot be reached: its rows are left out',
            WARNING,
            f"It is tried again after {connection.settings.retry_after:g} s. To have an error"
            " instead, set multicorn.on_unreachable to 'error'.",
            failure.message,
        )

    def listed(self) -> list[Skipped]:
        """Return what multicorn_skipped() shows."""
        return list(self._skipped.values())


absences = Absences()


def available(connection: Connection, rows: Generator[T, None, None]) -> Generator[T, None, None]:
    """Return rows; none, with a WARNING, if the server cannot be reached and the query may do so.

    Args:
        connection: where the rows come from.
        rows: a generator that connects, if need be, before it yields for the first time.
    """
    reading = current_reading()
    absences.begin(reading)
    if reading.may_be_incomplete and may_skip(connection.settings):
        return _rows_or_none(connection, rows, reading)
    return rows


def _rows_or_none(
    connection: Connection, rows: Generator[T, None, None], reading: Reading
) -> Generator[T, None, None]:
    """Yield rows; only that there is no connection to begin with means that there are none."""
    if absences.is_decided(connection, reading):
        return
    failure = connection.recent_failure
    with closing(rows):
        if failure is None:
            try:
                first = next(rows)
            except StopIteration:
                return
            except Unreachable:
                failure = connection.last_failure
                if failure is None:
                    raise
            else:
                yield first
                yield from rows
                return
    absences.add(connection, reading, failure)
