"""The ends of transactions and savepoints, for all connections at once.

Every instance has these hooks called; the first call does the work for all of them. Up to the
decision an exception aborts. What runs after it has its own time-outs, leaves no connection in a
state that is not known, and raises only what interrupts it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from multicorn import Error
from multicorn.postgresfdw._connection import (
    CANCEL_TIMEOUT,
    DRAIN_TIMEOUT,
    ROLLBACK_TIMEOUT,
    Connection,
)
from multicorn.postgresfdw._connections import connections
from multicorn.utils import WARNING, log_to_postgres

__all__ = ["commit", "own_transaction", "pre_commit", "rollback", "sub_commit", "sub_rollback"]


def pre_commit() -> None:
    """Commit on all servers.

    Raises:
        Error: one of them has not, or nobody knows; what others have committed stays.
    """
    for connection in connections.all():
        connection.leave_other_transaction()
    used = [connection for connection in connections.all() if connection.is_open_in_transaction]
    for connection in used:
        connection.require_committable()
    together = [connection for connection in used if connection.settings.parallel_commit]
    for connection in together:
        connection.send_commit()
    _await_commits(together)
    for connection in used:
        if not connection.settings.parallel_commit:
            connection.send_commit()
            connection.await_commit()


def _await_commits(together: list[Connection]) -> None:
    """Wait for the answers of all; raise the first error, and warn of the others."""
    failure = None
    for connection in together:
        try:
            connection.await_commit()
        except Error as error:
            if failure is None:
                failure = error
            else:
                log_to_postgres(error.message, WARNING, error.hint, error.detail)
    if failure is not None:
        raise failure


def commit() -> None:
    """The local transaction has committed."""
    _end(connections.all())


def rollback() -> None:
    """The local transaction is rolled back: so are the remote ones, or they lose the connection."""
    everyone = connections.all()
    try:
        _roll_back(everyone, 1)
    finally:
        _end(everyone)


def _end(those: list[Connection]) -> None:
    """Have connections forget the local transaction, whatever interrupts that.

    What was left of it would become part of the next one.
    """
    interrupt = None
    for _ in range(3):
        try:
            for connection in those:
                connection.end_transaction()
            break
        except BaseException as error:
            interrupt = error
    if interrupt is not None:
        raise interrupt


def sub_commit(level: int) -> None:
    """A savepoint is released; 2 is the outermost."""
    for connection in connections.all():
        connection.release_savepoint(level)


def sub_rollback(level: int) -> None:
    """A savepoint is rolled back; a connection that cannot do the same must not commit."""
    _sub_rollback([one for one in connections.all() if one.is_in_savepoint(level)], level)


def _sub_rollback(inside: list[Connection], level: int) -> None:
    """Roll a savepoint back on some connections."""
    unsettled = list(inside)
    try:
        deadline = monotonic() + DRAIN_TIMEOUT
        for connection in inside:
            connection.drain(deadline)
        for connection in _roll_back(inside, level):
            connection.savepoint_rolled_back(level)
            unsettled.remove(connection)
    finally:
        for connection in unsettled:
            connection.savepoint_lost(level)


def _roll_back(those: list[Connection], level: int) -> list[Connection]:
    """Cancel what is under way, roll back, and return the connections where that has worked."""
    for connection in those:
        connection.begin_rest()
    deadline = monotonic() + CANCEL_TIMEOUT
    rested = [connection for connection in those if connection.end_rest(deadline)]
    waiting = [connection for connection in rested if connection.needs_rollback]
    for connection in waiting:
        connection.begin_rollback(level)
    deadline = monotonic() + ROLLBACK_TIMEOUT
    return [
        connection
        for connection in rested
        if connection not in waiting or connection.end_rollback(deadline)
    ]


@contextmanager
def own_transaction(connection: Connection) -> Iterator[None]:
    """Use a connection where no instance hears of the end of the transaction.

    What is begun on it within the block ends with the block: IMPORT FOREIGN SCHEMA has no instance
    that would take part. In a transaction that uses the connection already, it goes along.
    """
    before = connection.local_level
    try:
        yield
    except BaseException:
        if before == 0:
            try:
                _roll_back([connection], 1)
            finally:
                _end([connection])
        elif connection.is_in_savepoint(before + 1):
            _sub_rollback([connection], before + 1)
        raise
    if before == 0:
        if connection.is_open_in_transaction:
            connection.require_committable()
            connection.send_commit()
            connection.await_commit()
    else:
        connection.release_savepoint(before + 1)
