"""What a wrapper can say to PostgreSQL, and ask of it."""

from __future__ import annotations

from multicorn import Error
from multicorn._bridge import bridge
from multicorn._output import send
from multicorn._text import safe_str

__all__ = [
    "CRITICAL",
    "DEBUG",
    "ERROR",
    "INFO",
    "WARNING",
    "MulticornException",
    "check_interrupts",
    "log_to_postgres",
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
    server = bridge()
    if server is None:
        _log_outside(level, text, detail, hint)
    elif level >= CRITICAL:
        send(server, server.FATAL, text, detail, hint)
    elif level >= WARNING:
        send(server, server.WARNING, text, detail, hint)
    elif level >= INFO:
        send(server, server.NOTICE, text, detail, hint)
    else:
        send(server, server.DEBUG1, text, detail, hint)


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
    server = bridge()
    if server is not None and server.is_main_thread():
        server.check_interrupts()
