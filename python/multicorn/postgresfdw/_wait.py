"""Waiting for libpq without its blocking calls, which would not hear of a cancel.

Everything here waits in poll(), which a signal interrupts. What has to end by itself, after an
error or in a hook that runs after the decision, is given a deadline and is not `interruptible`:
it does not ask whether the query is to end, which is the reason why it runs. Deadlines are times
of `time.monotonic()`; None is none.

PQconnectStart looks up host names, and that blocks: `hostaddr` avoids it.
"""

from __future__ import annotations

import ctypes
import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from select import POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, poll
from threading import Thread
from time import monotonic
from typing import Any, Protocol

from psycopg import OperationalError, pq

from multicorn.libpq import loaded_library
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
    """A connection could not be made; the message is libpq's.

    Attributes:
        is_unreachable: whether the server is not there, or not ready: another attempt may work
            without anybody having changed an option, a password or a permission.
    """

    def __init__(self, message: str, *, is_unreachable: bool) -> None:
        super().__init__(message)
        self.is_unreachable = is_unreachable


def connect(
    parameters: Mapping[str, str], encoding: str = "utf-8", default_timeout: int = 0
) -> pq.abc.PGconn:
    """Connect. connect_timeout holds for each host, as in libpq's blocking functions.

    Args:
        parameters: libpq's keywords and their values.
        encoding: what the server is to get names and passwords in.
        default_timeout: seconds, where connect_timeout is not set; 0 waits for ever.

    Returns:
        A connection in non-blocking mode.

    Raises:
        ConnectFailure: it did not work.
        BaseException: the query is to end.
    """
    parameters = dict(parameters)
    too_late: list[str] = []
    are_unreachable = True
    while True:
        attempt = _Attempt(conninfo(parameters).encode(encoding, "surrogateescape"))
        pgconn = attempt.pgconn
        try:
            if attempt.poll(connect_timeout(pgconn, default_timeout)):
                _set_verbosity(pgconn, _ERRORS_DEFAULT)
                pgconn.nonblocking = 1
                return pgconn
            if pgconn.status == pq.ConnStatus.BAD and not attempt.has_started:
                attempt.are_unreachable = not _are_options_wrong(pgconn, parameters, encoding)
            are_unreachable = are_unreachable and attempt.are_unreachable
            if pgconn.status == pq.ConnStatus.BAD:
                message = "\n".join([*too_late, _without_codes(libpq_message(pgconn))])
                raise ConnectFailure(message, is_unreachable=are_unreachable)
            too_late.append(_timeout_message(pgconn))
            others = _other_hosts(pgconn)
            if others is None:
                raise ConnectFailure("\n".join(too_late), is_unreachable=are_unreachable)
            # libpq goes on to the next host when one refuses, but only we know when one is late.
            parameters.update(others)
        except BaseException:
            pgconn.finish()
            raise
        pgconn.finish()


# PGVerbosity of libpq-fe.h: messages with SQLSTATE and place in the source, or without.
_ERRORS_DEFAULT, _ERRORS_VERBOSE = 1, 2

# What a server says that shuts down, has crashed, starts or is full; no other refusal passes by
# itself. https://www.postgresql.org/docs/current/errcodes-appendix.html
UNREACHABLE_STATES = frozenset(("57P01", "57P02", "57P03", "53300"))

# In a verbose message, whatever the language: "FATAL:  57P03: the database system is starting up",
# and below it "LOCATION:  ProcessStartupPacket, postmaster.c:2398".
_CODE = re.compile(r"(?<=:  )([0-9A-Z]{5}): ")
_LOCATION = re.compile(r"\n[^\n:]+:\s*\w+, [^\s:]+:\d+(?=\n|$)")


@cache
def _verbosity_setter() -> Any:
    """Return PQsetErrorVerbosity of the libpq that psycopg uses; None if it is not found."""
    with suppress(ImportError, OSError, AttributeError):
        function = ctypes.CDLL(loaded_library()).PQsetErrorVerbosity
        function.argtypes, function.restype = (ctypes.c_void_p, ctypes.c_int), ctypes.c_int
        return function
    return None


def _set_verbosity(pgconn: pq.abc.PGconn, verbosity: int) -> None:
    """Choose what messages contain: without it, no refusal counts as one that passes."""
    setter = _verbosity_setter()
    pointer = getattr(pgconn, "pgconn_ptr", None)
    if setter is not None and pointer is not None:
        setter(pointer, verbosity)


def _without_codes(message: str) -> str:
    """Return a verbose message as it usually is."""
    return _LOCATION.sub("", _CODE.sub("", message))


def _are_options_wrong(pgconn: pq.abc.PGconn, parameters: Mapping[str, str], encoding: str) -> bool:
    """Return whether libpq has given up at once because of what it was given, not of the host.

    Only its message tells, and that in any language. So it is asked about the same with sockets
    that cannot exist: if it finds fault with the options, it says the same words again. And newer
    versions find at once that the owner of a socket is not the one of requirepeer, or that there is
    no ticket for gssencmode: without that they would have begun.
    """

    def start(changes: Mapping[str, str]) -> tuple[bytes, bool]:
        text = conninfo({**parameters, **changes}).encode(encoding, "surrogateescape")
        probe = pq.PGconn.connect_start(text)
        outcome = probe.error_message, probe.status != pq.ConnStatus.BAD
        probe.finish()
        return outcome

    if _option(pgconn, b"requirepeer") and start({"requirepeer": ""})[1]:
        return True
    if _option(pgconn, b"gssencmode") == "require" and start({"gssencmode": "disable"})[1]:
        return True
    hosts, addresses = _option(pgconn, b"host").split(","), _option(pgconn, b"hostaddr").split(",")
    nowhere = ",".join(["/dev/null"] * max(len(hosts), len(addresses)))
    return start({"host": nowhere, "hostaddr": ""})[0] == pgconn.error_message


class _Attempt:
    """A connection that is being made.

    libpq goes from one host or address to the next, and tells of failures by message alone.
    Whether a server was there is seen by its socket and by SQLSTATE.

    Attributes:
        pgconn: the connection, which the owner finishes.
        has_started: whether there was a socket to wait for.
        are_unreachable: whether all that has failed so far was not reached.
    """

    def __init__(self, conninfo: bytes) -> None:
        self.pgconn = pq.PGconn.connect_start(conninfo)
        self.has_started = self.pgconn.status != pq.ConnStatus.BAD
        self.are_unreachable = True
        self._codes = 0
        _set_verbosity(self.pgconn, _ERRORS_VERBOSE)

    def poll(self, timeout: int) -> bool:
        """Return whether the connection is made; else it is BAD, or a host was late.

        Args:
            timeout: seconds for each host, 0 for none.
        """
        if not self.has_started:
            return False
        place = self._place
        deadline = monotonic() + timeout if timeout else None
        state = pq.PollingStatus.WRITING
        while True:
            events = POLLIN if state == pq.PollingStatus.READING else POLLOUT
            if not wait(self.pgconn.socket, events, deadline):
                return False
            is_lost = self._is_lost()
            state = pq.PollingStatus(self.pgconn.connect_poll())
            if state == pq.PollingStatus.OK:
                return True
            if state == pq.PollingStatus.FAILED:
                self._note_failure(is_lost)
                return False
            if place != self._place:
                self._note_failure(is_lost)
                place = self._place
                deadline = monotonic() + timeout if timeout else None

    @property
    def _place(self) -> tuple[bytes, bytes, bytes]:
        """Which host and address is being tried."""
        return self.pgconn.host, self.pgconn.hostaddr, self.pgconn.port

    def _is_lost(self) -> bool:
        """Return whether there is nobody at the other end, if the next step fails.

        Nobody has taken the call, or the other end has closed the socket without a word, as a
        tunnel does whose own other end is missing.
        """
        with socket.socket(fileno=self.pgconn.socket) as peer:
            try:
                peer.getpeername()
                return not peer.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            except BlockingIOError:
                return False
            except OSError:
                return True
            finally:
                peer.detach()

    def _note_failure(self, is_lost: bool) -> None:
        """Note why a host has failed: what it has said counts, if it has said something."""
        codes = _CODE.findall(libpq_message(self.pgconn))
        said, self._codes = codes[self._codes :], len(codes)
        passes = all(code in UNREACHABLE_STATES for code in said) if said else is_lost
        self.are_unreachable = self.are_unreachable and passes


def _option(pgconn: pq.abc.PGconn, keyword: bytes) -> str:
    """Return a parameter of a connection, wherever libpq has it from."""
    for option in pgconn.info:
        if option.keyword == keyword:
            return (option.val or b"").decode("utf-8", "surrogateescape")
    return ""


def connect_timeout(pgconn: pq.abc.PGconn, default: int = 0) -> int:
    """Return connect_timeout in seconds, the default if it is not set; 0 if there is none."""
    try:
        return max(0, int(_option(pgconn, b"connect_timeout") or default))
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
