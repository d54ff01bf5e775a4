"""What a wrapper can say to PostgreSQL, and ask of it."""

from __future__ import annotations

from multicorn import Error
from multicorn._bridge import bridge
from multicorn._output import send
from multicorn._place import ForeignServer, ForeignTable, server, table
from multicorn._text import safe_str

__all__ = [
    "CRITICAL",
    "DEBUG",
    "ERROR",
    "INFO",
    "WARNING",
    "ForeignServer",
    "ForeignTable",
    "MulticornException",
    "check_interrupts",
    "current_foreign_server",
    "current_foreign_table",
    "current_transaction_id",
    "log_to_postgres",
    "transaction_status",
]

# The levels of the module logging, which is not imported for them.
DEBUG = 10
INFO = 20
WARNING = 30
ERROR = 40
CRITICAL = 50

MulticornException = Error
"""An older name of `multicorn.Error`."""


def log_to_postgres(
    message: object, level: int = INFO, hint: str | None = None, detail: str | None = None
) -> None:
    """Send a message to the client and the server log, or raise an error.

    Which messages are shown where is decided by the settings client_min_messages and
    log_min_messages: https://www.postgresql.org/docs/current/runtime-config-logging.html
    Outside a server, messages go to the logger `multicorn`.

    Args:
        message: any object; its str() is sent.
        level: DEBUG sends a DEBUG1, INFO a NOTICE, WARNING a WARNING; ERROR raises, which ends
            the query unless it is caught; CRITICAL ends the session. A level in between counts
            as the next lower one.
        hint: what to do about it.
        detail: more about what happened.

    Raises:
        Error: the level is ERROR.
        TypeError: the level is not a number.
        SystemExit: the level is CRITICAL, outside a server.
        BaseException: the level is CRITICAL, or PostgreSQL has an error of its own to report.
    """
    if not isinstance(level, int):
        raise TypeError(f"level must be one of the levels of logging, not {level!r}")
    text = safe_str(message)
    hint = None if hint is None else safe_str(hint)
    detail = None if detail is None else safe_str(detail)
    if ERROR <= level < CRITICAL:
        raise Error(text, detail=detail, hint=hint)
    backend = bridge()
    if backend is None:
        _log_outside(level, text, detail, hint)
    elif level >= CRITICAL:
        send(backend, backend.FATAL, text, detail, hint)
    elif level >= WARNING:
        send(backend, backend.WARNING, text, detail, hint)
    elif level >= INFO:
        send(backend, backend.NOTICE, text, detail, hint)
    else:
        send(backend, backend.DEBUG1, text, detail, hint)


def _log_outside(level: int, message: str, detail: str | None, hint: str | None) -> None:
    """Log a message where there is no server."""
    import logging

    lines = [message]
    if detail is not None:
        lines.append(f"DETAIL: {detail}")
    if hint is not None:
        lines.append(f"HINT: {hint}")
    logging.getLogger("multicorn").log(level, "%s", "\n".join(lines))
    if level >= CRITICAL:
        raise SystemExit(message)


def check_interrupts() -> None:
    """Let a cancel, a timeout or the end of the session take effect now.

    They end Python code wherever it is; only a loop within an extension module in C that never
    looks for signals needs to call this now and then. Does nothing outside a server and on other
    threads than the backend's own.

    Raises:
        BaseException: the query is to end; let it pass.
    """
    backend = bridge()
    if backend is not None and backend.is_main_thread():
        backend.check_interrupts()


def current_foreign_table() -> ForeignTable:
    """Return the foreign table that an instance is being made for.

    Raises:
        Error: called elsewhere than in `__init__` of a wrapper.
    """
    return table()


def current_foreign_server() -> ForeignServer:
    """Return the server, and the user, that an instance is being made for.

    Raises:
        Error: called elsewhere than in `__init__` and `import_schema` of a wrapper.
    """
    return server()


def current_transaction_id() -> str:
    """Return the ID of the local transaction, for a journal that outlives a crash.

    It is what pg_current_xact_id() returns, with the identifier of the cluster in front. Once
    returned, it is never used for another transaction, even if the server crashes, and the commit
    waits until it is on disk, whatever synchronous_commit says. `transaction_status` tells what
    became of it. Outside a server, it is that of the running `multicorn.testing` transaction.

    Returns:
        An opaque text of at most 41 characters.

    Raises:
        Error: there is no transaction, outside a server.
        RuntimeError: called in `commit`, `rollback` or `sub_rollback`.
        BaseException: PostgreSQL cannot assign an ID, during recovery for instance.
    """
    backend = bridge()
    if backend is None:
        from multicorn._transactions import current

        return current()
    system, number = backend.transaction_id()
    return f"{system}:{number}"


def transaction_status(transaction_id: str) -> str | None:
    """Tell what has become of a transaction.

    See https://www.postgresql.org/docs/current/functions-info.html for pg_xact_status().

    Args:
        transaction_id: what `current_transaction_id` has returned in it.

    Returns:
        'in progress', 'committed' or 'aborted', which is also what a crash makes of one that was
        in progress. None if it is so old that PostgreSQL has forgotten it.

    Raises:
        TypeError: it is not a str.
        ValueError: it is no such ID, or one of another cluster.
        RuntimeError: called in `commit`, `rollback` or `sub_rollback`.
        BaseException: no such ID was given out yet, after the cluster was restored from a backup.
    """
    if not isinstance(transaction_id, str):
        raise TypeError(f"the ID of a transaction is a str, not {transaction_id!r}")
    backend = bridge()
    if backend is None:
        from multicorn._transactions import status

        return status(transaction_id)
    system, _, number = transaction_id.partition(":")
    if not (_is_uint64(system) and _is_uint64(number)):
        raise ValueError(f"not the ID of a transaction: {transaction_id!r}")
    return backend.transaction_status(int(system), int(number))


def _is_uint64(text: str) -> bool:
    """Return whether a text is a number of at most 64 bits."""
    is_number = text.isascii() and text.isdecimal()
    return is_number and len(text) <= 20 and int(text) < 1 << 64
