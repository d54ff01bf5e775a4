"""The handler that carries records of `logging` to PostgreSQL; imported after logging only."""

from __future__ import annotations

import logging

from multicorn._bridge import bridge
from multicorn._output import say, takes_output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from multicorn._bridge import Bridge


def server_level(server: Bridge, level: int) -> int:
    """Return PostgreSQL's level for one of logging that raises nothing."""
    if level < logging.INFO:
        return server.DEBUG1
    return server.NOTICE if level < logging.WARNING else server.WARNING


class PostgresHandler(logging.Handler):
    """Sends records to PostgreSQL while output is its own; never raises into the caller."""

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record, with the text of its exception as detail."""
        server = bridge()
        if server is None or not takes_output(server):
            self._as_without_us(record)
            return
        try:
            message = self.format(record) if self.formatter else record.getMessage()
            detail = None if self.formatter else self._detail(record)
        except Exception:
            self.handleError(record)
        else:
            say(server, server_level(server, record.levelno), message, detail)

    def _detail(self, record: logging.LogRecord) -> str | None:
        """Return the traceback and the stack that a record carries."""
        parts = []
        if record.exc_info and record.exc_info[0] is not None:
            parts.append(logging.Formatter().formatException(record.exc_info))
        elif record.exc_text:
            parts.append(record.exc_text)
        if record.stack_info:
            parts.append(record.stack_info)
        return "\n".join(parts) or None

    def _as_without_us(self, record: logging.LogRecord) -> None:
        """Do what logging does when it has no other handler for a record than this one."""
        fallback = logging.lastResort
        if fallback is None or record.levelno < fallback.level:
            return
        logger: logging.Logger | None = logging.getLogger(record.name)
        while logger is not None:
            if any(handler is not self for handler in logger.handlers):
                return
            logger = logger.parent if logger.propagate else None
        fallback.handle(record)


def install() -> None:
    """Add the handler to the root logger, once."""
    root = logging.getLogger()
    if not any(isinstance(handler, PostgresHandler) for handler in root.handlers):
        root.addHandler(PostgresHandler())
