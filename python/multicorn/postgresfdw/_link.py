"""A connection of libpq and what is under way on it: at most one request.

Nothing here knows of transactions. An exception may come between any two steps, so the truth about
a link is libpq's transaction status, which says whether something is still running.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Protocol

from psycopg import OperationalError, pq

from multicorn.postgresfdw._errors import Report, codec, is_error, libpq_message, text_of
from multicorn.postgresfdw._wait import (
    UNREACHABLE_STATES,
    Cancel,
    ConnectFailure,
    await_result,
    connect,
    connect_timeout,
    flush,
    is_alive,
    start_cancel,
)
from multicorn.utils import log_to_postgres

__all__ = ["Link", "Owner", "Request", "Table", "Value"]

# The remote session is to write values so that they are read alike, and to mean by a name what
# it is in pg_catalog, or what its schema says.
SESSION_SETTINGS = (
    "SET search_path = pg_catalog",
    "SET timezone = 'UTC'",
    "SET datestyle = ISO",
    "SET intervalstyle = postgres",
    "SET extra_float_digits = 3",
)

Value = str | bytes | None
CheckAfter = Callable[[pq.abc.PGconn], None]


class Owner(Protocol):
    """Whoever has requests under way on a connection."""

    def yield_connection(self) -> None:
        """Bring the pending request to rest: take its results, or end the COPY."""


class Table(Protocol):
    """A remote table, as messages speak of it."""

    @property
    def sql(self) -> str:
        """Its name, as SQL writes it."""

    @property
    def reads_null(self) -> bool:
        """Whether columns that it lacks read as NULL."""


class Request:
    """What was sent and is not answered completely.

    Attributes:
        owner: who is to take the results; None if nobody will.
        sql: what the owner asked for, for messages; empty if there are only steps.
        steps: commands that go first, one result each.
        results: what has come so far, that of the steps included.
        complete: whether all has come.
        copying: whether the server waits for data.
        interrupted: whether an exception has ended the wait for results.
        restartable: whether it may be sent again on another link, since it begins a transaction
            on one that may have died long ago.
        is_prepared: whether a prepared statement is run.
        prepares: the name of the statement that the last step prepares, here and on the server.
        half_sent: whether only a part of a pipeline has been handed to libpq.
        table: the table that it is about, or None: an owner's attribute of that name.
    """

    __slots__ = (
        "_send",
        "complete",
        "copying",
        "half_sent",
        "interrupted",
        "is_prepared",
        "owner",
        "prepares",
        "restartable",
        "results",
        "sql",
        "steps",
        "table",
    )

    def __init__(
        self,
        sql: str,
        send: Callable[[Link, Request], None] | None = None,
        *,
        owner: Owner | None = None,
        steps: Sequence[str] = (),
        restartable: bool = False,
        is_prepared: bool = False,
    ) -> None:
        self.owner = owner
        self.sql = sql
        self._send = send
        self.steps = list(steps)
        self.results: list[pq.abc.PGresult] = []
        self.complete = False
        self.copying = False
        self.interrupted = False
        self.restartable = restartable
        self.is_prepared = is_prepared
        self.prepares: tuple[str, str] | None = None
        self.half_sent = False
        self.table: Table | None = getattr(owner, "table", None)

    def send(self, link: Link) -> None:
        """Hand it to libpq; without a way of its own, with the steps by the simple protocol."""
        if self._send is not None:
            self._send(link, self)
            return
        link.pgconn.send_query(link.encode("; ".join([*self.steps, self.sql])))

    def sql_of(self, position: int) -> str:
        """Return the command that has a result."""
        return self.steps[position] if position < len(self.steps) else self.sql

    @property
    def errors(self) -> list[int]:
        """The positions of the results that are errors."""
        return [at for at, result in enumerate(self.results) if is_error(result)]

    @property
    def has_begun(self) -> bool:
        """Whether the server is known to have done something."""
        return len(self.errors) < len(self.results)


class Link:
    """A connection of libpq.

    Attributes:
        pgconn: the connection, in non-blocking mode.
        encoding: Python's name of what the client encoding is.
        version: the server's version, such as 150003.
        request: what is under way, or None.
        statements: remote names of prepared statements, by their names here.
    """

    def __init__(
        self, parameters: Mapping[str, str], check: CheckAfter | None, default_timeout: int = 0
    ) -> None:
        """Connect.

        Args:
            parameters: libpq's keywords and their values.
            check: called with the connection before anything is sent; raises to refuse.
            default_timeout: seconds, where connect_timeout is not set; 0 waits for ever.

        Raises:
            ConnectFailure: it did not work.
            BaseException: the query is to end.
        """
        self.encoding = codec(parameters.get("client_encoding", "UTF8"))
        self.request: Request | None = None
        self.statements: dict[str, str] = {}
        self._cancel: Cancel | None = None
        self._notices: list[Report] = []
        self._farewell = ""
        self.pgconn = connect(parameters, self.encoding, default_timeout)
        try:
            if check is not None:
                check(self.pgconn)
            self._set_up(connect_timeout(self.pgconn, default_timeout))
        except BaseException:
            self.close()
            raise
        self.version = self.pgconn.server_version

    def _set_up(self, timeout: int) -> None:
        """Make the settings of the remote session.

        A pooler may have let us in for a server that it does not reach itself.
        """
        encoding = self.pgconn.parameter_status(b"client_encoding")
        self.encoding = codec(text_of(encoding) or "UTF8")
        self.pgconn.notice_handler = self._note
        request = Request("; ".join(SESSION_SETTINGS))
        self.dispatch(request)
        if not self.collect(request, monotonic() + timeout if timeout else None):
            raise ConnectFailure("timeout expired", is_unreachable=True)
        self.request = None
        if request.errors or not self.is_good:
            states = [Report(request.results[at], self.encoding) for at in request.errors]
            raise ConnectFailure(
                self.last_words(request),
                is_unreachable=not self.is_good
                and all(one.sqlstate in (*UNREACHABLE_STATES, "XX000") for one in states),
            )

    def close(self) -> None:
        """Leave the server."""
        self.request = None
        self.pgconn.notice_handler = None
        self.pgconn.finish()

    # --- Facts ------------------------------------------------------------------------------------

    @property
    def is_good(self) -> bool:
        """Whether the connection is not known to be lost."""
        return self.pgconn.status == pq.ConnStatus.OK

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way, and no transaction is open."""
        return self.pgconn.transaction_status == pq.TransactionStatus.IDLE

    @property
    def has_failed(self) -> bool:
        """Whether nothing is under way in a transaction that can only be rolled back."""
        return self.pgconn.transaction_status == pq.TransactionStatus.INERROR

    @property
    def has_transaction(self) -> bool:
        """Whether nothing is under way, and a transaction is open."""
        return self.has_failed or self.pgconn.transaction_status == pq.TransactionStatus.INTRANS

    @property
    def is_alive(self) -> bool:
        """Whether the server seems to be there still; waits for nothing."""
        if self.request is not None:
            return self.is_good
        return is_alive(self.pgconn) and not self._farewell

    @property
    def _is_pipeline(self) -> bool:
        """Whether several commands are under way together."""
        return self.pgconn.pipeline_status != pq.PipelineStatus.OFF

    def last_words(self, request: Request) -> str:
        """Return what is known about the end of the connection."""
        if self._farewell:
            return self._farewell
        for at in request.errors:
            return Report(request.results[at], self.encoding).message
        return libpq_message(self.pgconn)

    # --- Text and messages ------------------------------------------------------------------------

    def encode(self, text: str) -> bytes:
        """Encode text for the server."""
        return text.encode(self.encoding, "surrogateescape")

    def values(self, parameters: Iterable[Value]) -> list[bytes | None]:
        """Encode the values of parameters."""
        return [self.encode(value) if isinstance(value, str) else value for value in parameters]

    def _note(self, result: pq.abc.PGresult) -> None:
        """Keep a notice; libpq calls this, and nothing can be raised through it.

        Between commands, libpq takes the last words of a server for a notice too.
        """
        report = Report(result, self.encoding)
        if report.severity in ("FATAL", "PANIC"):
            self._farewell = report.message
        else:
            self._notices.append(report)

    def pass_on_notices(self) -> None:
        """Send the server's messages to the client."""
        while self._notices:
            notice = self._notices.pop(0)
            log_to_postgres(notice.message, notice.level, notice.hint, notice.detail)

    # --- Requests ---------------------------------------------------------------------------------

    def dispatch(self, request: Request) -> None:
        """Send a request; whether the connection has survived that is seen by its results.

        Raises:
            UnicodeEncodeError: the encoding lacks a character; nothing was sent.
            BaseException: the query is to end.
        """
        self.request = request
        try:
            request.send(self)
            flush(self.pgconn)
        except OperationalError:
            if self.is_good:
                raise
        except UnicodeEncodeError:
            self.request = None
            raise
        except BaseException:
            request.interrupted = True
            raise

    def collect(
        self, request: Request, deadline: float | None = None, *, interruptible: bool = True
    ) -> bool:
        """Wait until a request is complete or the server waits for data.

        Returns:
            False if a deadline has passed.
        """
        at_end = False
        try:
            while not request.complete and not request.copying:
                if not await_result(self.pgconn, deadline, interruptible=interruptible):
                    return False
                result = self.pgconn.get_result()
                if result is None:
                    # In a pipeline, it ends the results of a command; a second one says that there
                    # are no more, if an interrupt has swallowed what comes last.
                    request.complete = at_end or not self._is_pipeline or not self.is_good
                    at_end = True
                    if request.complete and self._is_pipeline and self.is_good:
                        self.pgconn.exit_pipeline_mode()
                    continue
                at_end = False
                if result.status == pq.ExecStatus.PIPELINE_SYNC:
                    self.pgconn.exit_pipeline_mode()
                    request.complete = True
                elif result.status == pq.ExecStatus.COPY_IN:
                    request.copying = True
                elif result.status in (pq.ExecStatus.COPY_OUT, pq.ExecStatus.COPY_BOTH):
                    # Nobody here reads that, and libpq would offer it for ever.
                    self.pgconn.finish()
                    request.complete = True
                else:
                    request.results.append(result)
                    # A pipeline that is lost may offer its error for ever.
                    request.complete = self._is_pipeline and not self.is_good
        except BaseException:
            request.interrupted = True
            raise
        return True

    def copy_data(self, request: Request, data: bytes) -> None:
        """Send data of a COPY; waits until the server has room for it.

        Raises:
            OperationalError: the connection is lost; the results tell why.
        """
        try:
            while not self.pgconn.put_copy_data(data):
                flush(self.pgconn)
            flush(self.pgconn)
        except OperationalError:
            raise
        except BaseException:
            request.interrupted = True
            raise

    def copy_end(self, request: Request, error: bytes | None = None) -> None:
        """End the data of a COPY, well or with an error; the results follow."""
        try:
            with suppress(OperationalError):
                while not self.pgconn.put_copy_end(error):
                    flush(self.pgconn)
            request.copying = False
        except BaseException:
            request.interrupted = True
            raise

    def note_prepared(self, request: Request) -> None:
        """Note the statement that a request has prepared, whatever came of running it."""
        at = len(request.steps) - 1
        if request.prepares and at < len(request.results) and not is_error(request.results[at]):
            name, remote_name = request.prepares
            self.statements[name] = remote_name

    # --- Bringing to rest -------------------------------------------------------------------------

    def begin_rest(self) -> None:
        """Begin to cancel what is under way."""
        self._cancel = None
        if self.request is not None and self.request.half_sent:
            # The server waits for the rest, and nobody knows where it would go on.
            self.pgconn.finish()
            return
        if self.pgconn.transaction_status != pq.TransactionStatus.ACTIVE:
            return
        request = self.request = self.request or Request("?")
        self._fail_copy(request)
        self.collect(request, monotonic(), interruptible=False)
        # Steps alone are quick, and without a cancel they leave a transaction that can go on.
        if not request.complete and request.sql:
            self._cancel = start_cancel(self.pgconn)
            if self._cancel is None:
                self.pgconn.finish()

    def end_rest(self, deadline: float) -> tuple[bool, Request | None]:
        """Wait for what `begin_rest` has begun, at most until a deadline.

        Returns:
            Whether the connection can go on, and what was under way, as far as it was answered.
        """
        request, self.request = self.request, None
        cancel, self._cancel = self._cancel, None
        # A cancel that is still on its way would hit the next command.
        rested = cancel is None or cancel.wait(deadline)
        while rested and request is not None and self.is_good and not request.complete:
            rested = self.collect(request, deadline, interruptible=False)
            self._fail_copy(request)
        return rested and (self.is_idle or self.has_transaction), request

    def _fail_copy(self, request: Request) -> None:
        """Tell the server that no more data will come, without waiting for it."""
        if request.copying:
            request.copying = False
            with suppress(OperationalError):
                self.pgconn.put_copy_end(b"the statement has failed")
