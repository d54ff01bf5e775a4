"""Waiting for libpq without its blocking calls, which would not hear of a cancel.

Everything here waits in poll(), which a signal interrupts. What has to end by itself, after an
error or in a hook that runs after the decision, is given a deadline and is not `interruptible`:
it does not ask whether the query is to end, which is the reason why it runs. Deadlines are times
of `time.monotonic()`; None is none.

PQconnectStart looks up host names, and that blocks: `hostaddr` avoids it.
"""

from __future__ import annotations

from collections.abc import Mapping
from select import POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, poll
from threading import Thread
from time import monotonic
from typing import Any, Protocol

from psycopg import OperationalError, pq

from multicorn.postgresfdw._errors import libpq_message
from multicorn.postgresfdw._options import conninfo
from multicorn.utils import check_interrupts

# A signal that comes just before poll() begins does not interrupt it: so it never takes long.
LONGEST_POLL = 0.4

_READABLE = POLLIN | POLLHUP | POLLERR | POLLNVAL


def wait(fd: int, events: int, deadline: float | None, *, interruptible: bool = True) -> int:
    """Wait until a socket is ready, and return for what; 0 if the deadline has passed.

    Raises:
        BaseException: the query is to end.
    """
    poller = poll()
    poller.register(fd, events)
    while True:
        longest = LONGEST_POLL
        if deadline is not None:
            longest = max(0.0, min(longest, deadline - monotonic()))
        ready = poller.poll(longest * 1000)
        if interruptible:
            check_interrupts()
        if ready:
            return ready[0][1]
        if deadline is not None and monotonic() >= deadline:
            return 0


def flush(
    pgconn: pq.abc.PGconn, deadline: float | None = None, *, interruptible: bool = True
) -> bool:
    """Send what libpq has in its buffer; False if the deadline has passed.

    Raises:
        OperationalError: the connection is lost.
        BaseException: the query is to end.
    """
    while pgconn.flush():
        # The server may wait for us to read, before it reads on itself.
        ready = wait(pgconn.socket, POLLIN | POLLOUT, deadline, interruptible=interruptible)
        if not ready:
            return False
        if ready & _READABLE:
            pgconn.consume_input()
    return True


def await_result(
    pgconn: pq.abc.PGconn, deadline: float | None = None, *, interruptible: bool = True
) -> bool:
    """Wait until get_result() does not block; False if the deadline has passed.

    A lost connection does not block either: its error is the result.

    Raises:
        BaseException: the query is to end.
    """
    try:
        # libpq may call a lost connection busy for ever.
        while pgconn.is_busy() and pgconn.status != pq.ConnStatus.BAD:
            events = POLLIN | POLLOUT if pgconn.flush() else POLLIN
            ready = wait(pgconn.socket, events, deadline, interruptible=interruptible)
            if not ready:
                return False
            if ready & _READABLE:
                pgconn.consume_input()
    except OperationalError:
        pass
    return True


def is_alive(pgconn: pq.abc.PGconn) -> bool:
    """Return whether a connection at rest seems to be there still; waits for nothing."""
    try:
        # A notice or a changed parameter; or its end, after the last words of the server.
        while wait(pgconn.socket, POLLIN, 0.0, interruptible=False):
            pgconn.consume_input()
            # Has libpq hand out what it has read.
            pgconn.is_busy()
    except OperationalError:
        return False
    return pgconn.status == pq.ConnStatus.OK


# --- Connecting ---------------------------------------------------------------------------------


class ConnectFailure(Exception):
    """A connection could not be made; the message is libpq's."""


def connect(parameters: Mapping[str, str], encoding: str = "utf-8") -> pq.abc.PGconn:
    """Connect. connect_timeout holds for each host, as in libpq's blocking functions.

    Args:
        parameters: libpq's keywords and their values.
        encoding: what the server is to get names and passwords in.

    Returns:
        A connection in non-blocking mode.

    Raises:
        ConnectFailure: it did not work.
        BaseException: the query is to end.
    """
    parameters = dict(parameters)
    too_late: list[str] = []
    while True:
        pgconn = pq.PGconn.connect_start(conninfo(parameters).encode(encoding, "surrogateescape"))
        try:
            if _poll_connection(pgconn):
                pgconn.nonblocking = 1
                return pgconn
            message = libpq_message(pgconn)
            if pgconn.status == pq.ConnStatus.BAD:
                raise ConnectFailure("\n".join([*too_late, message]))
            too_late.append(_timeout_message(pgconn))
            others = _other_hosts(pgconn)
            if others is None:
                raise ConnectFailure("\n".join(too_late))
            # libpq goes on to the next host when one refuses, but only we know when one is late.
            parameters.update(others)
        except BaseException:
            pgconn.finish()
            raise
        pgconn.finish()


def _poll_connection(pgconn: pq.abc.PGconn) -> bool:
    """Return whether the connection is made; else it is BAD, or a host has not answered in time."""
    if pgconn.status == pq.ConnStatus.BAD:
        return False
    timeout = _connect_timeout(pgconn)
    place = (b"", b"", b"")
    deadline = monotonic() + timeout if timeout else None
    state = pq.PollingStatus.WRITING
    while True:
        last, place = place, (pgconn.host, pgconn.hostaddr, pgconn.port)
        if timeout and place != last:
            deadline = monotonic() + timeout
        events = POLLIN if state == pq.PollingStatus.READING else POLLOUT
        if not wait(pgconn.socket, events, deadline):
            return False
        state = pq.PollingStatus(pgconn.connect_poll())
        if state in (pq.PollingStatus.OK, pq.PollingStatus.FAILED):
            return state == pq.PollingStatus.OK


def _option(pgconn: pq.abc.PGconn, keyword: bytes) -> str:
    """Return a parameter of a connection, wherever libpq has it from."""
    for option in pgconn.info:
        if option.keyword == keyword:
            return (option.val or b"").decode("utf-8", "surrogateescape")
    return ""


def _connect_timeout(pgconn: pq.abc.PGconn) -> int:
    """Return connect_timeout in seconds; 0 if there is none."""
    try:
        return max(0, int(_option(pgconn, b"connect_timeout") or 0))
    except ValueError:
        return 0


def _timeout_message(pgconn: pq.abc.PGconn) -> str:
    """Say of the host that has not answered what libpq would."""
    host, port = pgconn.host.decode(errors="replace"), pgconn.port.decode(errors="replace")
    if host.startswith(("/", "@")):
        where = f'on socket "{host}/.s.PGSQL.{port}"'
    else:
        where = f'at "{host}", port {port}'
    return f"connection to server {where} failed: timeout expired"


def _other_hosts(pgconn: pq.abc.PGconn) -> dict[str, str] | None:
    """Return the parameters without the host that is being tried; None if no other is left."""
    lists = {
        name: _option(pgconn, name.encode()).split(",") for name in ("host", "hostaddr", "port")
    }
    count = max(len(lists["host"]), len(lists["hostaddr"]))
    if count == 1:
        return None
    host, port = pgconn.host.decode(errors="replace"), pgconn.port.decode(errors="replace")

    def value(name: str, at: int) -> str:
        values = lists[name]
        return values[at] if len(values) == count else values[0]

    kept = [
        at
        for at in range(count)
        if (value("host", at) or value("hostaddr", at)) != host or value("port", at) != port
    ]
    if not 0 < len(kept) < count:
        return None
    return {
        name: ",".join(value(name, at) for at in kept)
        for name, values in lists.items()
        if values != [""]
    }


# --- Cancelling ---------------------------------------------------------------------------------


class Cancel(Protocol):
    """A request to cancel what a connection is running, on its way."""

    def wait(self, deadline: float) -> bool:
        """Return whether the server has taken it by a deadline; never raises OperationalError."""


def start_cancel(pgconn: pq.abc.PGconn) -> Cancel | None:
    """Begin to cancel what a connection is running; None if that cannot be done."""
    try:
        if pq.version() >= 170000 and hasattr(pgconn, "cancel_conn"):
            return _PolledCancel(pgconn)
        # psycopg's C implementation would hold the interpreter while it waits.
        return _ThreadedCancel(pgconn) if pq.__impl__ == "python" else None
    except OperationalError:
        return None


class _PolledCancel:
    """A cancel of libpq 17, which is polled as a connection is."""

    def __init__(self, pgconn: Any) -> None:
        self._cancel = pgconn.cancel_conn()
        self._cancel.start()

    def wait(self, deadline: float) -> bool:
        state = pq.PollingStatus.WRITING
        try:
            while state not in (pq.PollingStatus.OK, pq.PollingStatus.FAILED):
                events = POLLIN if state == pq.PollingStatus.READING else POLLOUT
                if not wait(self._cancel.socket, events, deadline, interruptible=False):
                    return False
                state = pq.PollingStatus(self._cancel.poll())
        except OperationalError:
            return False
        finally:
            self._cancel.finish()
        return state == pq.PollingStatus.OK


class _ThreadedCancel:
    """A cancel of older versions, which block: it waits in a thread that may be left behind."""

    def __init__(self, pgconn: pq.abc.PGconn) -> None:
        self._cancel = pgconn.get_cancel()
        self._taken = False
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._cancel.cancel()
            self._taken = True
        except OperationalError:
            pass

    def wait(self, deadline: float) -> bool:
        self._thread.join(max(0.0, deadline - monotonic()))
        return self._taken
