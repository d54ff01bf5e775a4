"""Connections to remote servers: one per user mapping, shared by all its foreign tables.

A `Connection` is an object for the life of the session; the link it holds comes and goes. Every
use first *takes* it: whoever else has a request under way is asked to bring it to rest, the link is
made if need be, and the remote transaction and its savepoints are brought to where the local ones
are. What ends transactions for all connections is in `_transactions`.

An exception may end every wait. So what a request is going to change on the remote side is noted
before it is sent, and corrected by libpq's transaction status afterwards.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from time import monotonic, time_ns
from typing import NoReturn, Protocol

from psycopg import OperationalError, pq

from multicorn import Error
from multicorn._bridge import bridge
from multicorn.postgresfdw._errors import (
    FAILED_TRANSACTION,
    TRANSACTION_ROLLED_BACK,
    connection_failed,
    connection_lost,
    explain_missing,
    outcome_unknown,
    remote_error,
    results_lost,
    text_of,
)
from multicorn.postgresfdw._link import CheckAfter, Link, Owner, Request, Table, Value
from multicorn.postgresfdw._wait import ConnectFailure
from multicorn.utils import DEBUG, WARNING, ForeignServer, log_to_postgres

__all__ = ["Connection", "ConnectionSettings", "Owner"]

# Seconds. All but the last count where PostgreSQL holds interrupts off: their sum stays below the
# default of multicorn.cleanup_timeout, and a cancel has its effect within about a second.
DRAIN_TIMEOUT = 0.3
CANCEL_TIMEOUT = 0.8
ROLLBACK_TIMEOUT = 3.0
COMMIT_TIMEOUT = 300.0

# Where a server may be left out and connect_timeout is not set, in seconds.
SKIP_TIMEOUT = 10

LARGEST_STATEMENT_CACHE = 100

# A prepared statement's result is of other types by now, or somebody has deallocated it.
CHANGED_RESULT = "0A000"
OUTDATED_STATEMENT = (CHANGED_RESULT, "26000")


class ConnectionSettings(Protocol):
    """What a server's options say about its connection, beside libpq's parameters.

    Another value of any of them makes a new connection. They are compared with ==.
    """

    @property
    def keep_connections(self) -> bool:
        """Whether the connection outlives the transaction."""

    @property
    def parallel_commit(self) -> bool:
        """Whether COMMIT is sent to several servers before the first has answered."""

    @property
    def on_unreachable(self) -> str:
        """What a query does where the server cannot be reached: 'error' or 'skip'."""

    @property
    def retry_after(self) -> float:
        """For how many seconds a query that may do without the server does not try again."""


# Called with the parameters before connecting; raises to refuse.
CheckBefore = Callable[[Mapping[str, str]], None]


def nest_level() -> int:
    """Return 1 in a local transaction, 2 in its first savepoint, and so on."""
    server = bridge()
    return 1 if server is None else server.nest_level()


def transaction_number() -> int:
    """Return a number that this local transaction shares with no other one of the session."""
    server = bridge()
    return 1 if server is None else server.transaction_number()


def isolation_level() -> str:
    """Return the isolation level of the remote transaction that belongs to the local one."""
    server = bridge()
    if server is not None and server.isolation_level() == "serializable":
        return "SERIALIZABLE"
    return "REPEATABLE READ"


def may_skip(settings: ConnectionSettings) -> bool:
    """Return whether queries may leave a server out; the session's setting goes over the option."""
    server = bridge()
    setting = "server" if server is None else server.on_unreachable()
    return (settings.on_unreachable if setting == "server" else setting) == "skip"


@dataclass(frozen=True)
class Failure:
    """An attempt to connect to a server that could not be reached.

    Attributes:
        message: what libpq has said.
        since: when that was, by the clock, in microseconds since 1970.
        at: the same by `time.monotonic()`.
        parameters: what was tried.
    """

    message: str
    since: int
    at: float
    parameters: Mapping[str, str]


class Connection:
    """A connection to a remote server, for one user mapping.

    Attributes:
        server: the foreign server and the user, as they were when last asked for.
        settings: what the options say beside libpq's parameters.
    """

    def __init__(
        self, server: ForeignServer, parameters: Mapping[str, str], settings: ConnectionSettings
    ) -> None:
        self.server = server
        self.settings = settings
        self._parameters = dict(parameters)
        self._check_before: CheckBefore | None = None
        self._check_after: CheckAfter | None = None
        self._users = 0
        self._connected_with: tuple[dict[str, str], ConnectionSettings] | None = None
        self._link: Link | None = None
        self._failure: Failure | None = None
        # The remote transaction: how deep it is (0 is none), how deep the local one was when it
        # was followed last, and when the remote one began. Deeper savepoints than the local ones
        # have been released here and not yet there. No name of a savepoint is used twice: one that
        # was not made, since the command was interrupted, must not be taken for an older one.
        self._level = 0
        self._local_level = 0
        self._first_level = 0
        # Which local transaction that belongs to.
        self._transaction = 0
        self._savepoints: dict[int, str] = {}
        self._broken: str | None = None
        self._doomed = False
        self._commit_sent = False
        self._deferred: list[str] = []
        # The cursors, and how deep the local transaction was when they were opened.
        self._cursors: dict[str, int] = {}
        # Names of prepared statements, in the order of their last use, and what they stand for;
        # and remote names to forget.
        self._names: OrderedDict[tuple[str, tuple[int, ...]], str] = OrderedDict()
        self._sources: dict[str, tuple[str, tuple[int, ...]]] = {}
        self._outdated_statements: list[str] = []
        self._numbers = count(1)

    # --- Facts ------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether there is a connection."""
        return self._link is not None

    @property
    def is_open_in_transaction(self) -> bool:
        """Whether the connection is part of the local transaction."""
        return self._level > 0 or self._broken is not None or self._doomed

    @property
    def local_level(self) -> int:
        """How deep the local transaction was when it was followed last; 0 is none."""
        return self._local_level

    @property
    def is_valid(self) -> bool:
        """Whether the connection was made with the parameters and settings of today."""
        return self._connected_with == (self._parameters, self.settings)

    @property
    def is_closed(self) -> bool:
        """Whether the remote side has gone, as far as can be known without asking it."""
        return self._link is not None and not self._link.is_alive

    @property
    def recent_failure(self) -> Failure | None:
        """Why the server cannot be reached, if that was tried less than `retry_after` ago."""
        failure = self._failure
        if failure is None or self.is_open_in_transaction:
            return None
        if failure.parameters != self._parameters:
            return None
        return failure if monotonic() - failure.at < self.settings.retry_after else None

    @property
    def last_failure(self) -> Failure | None:
        """The last attempt to connect, if the server could not be reached."""
        return self._failure

    @property
    def remote_backend_pid(self) -> int:
        """The remote backend's process ID; 0 without a connection."""
        return 0 if self._link is None else self._link.pgconn.backend_pid

    @property
    def remote_version(self) -> int:
        """The remote server's version, such as 150003; connects if need be."""
        if self._link is None:
            self._require_usable()
            self._renew()
        return self._require_link().version

    # --- Requests ---------------------------------------------------------------------------------

    def execute(
        self,
        sql: str,
        parameters: Sequence[Value] = (),
        *,
        binary: bool = False,
        table: Table | None = None,
    ) -> pq.abc.PGresult:
        """Run a command in the remote transaction, and wait for its result.

        Args:
            sql: the command; without parameters and `binary`, it may be several.
            parameters: values for $1 and so on, in text form.
            binary: whether the result is to be in binary format.
            table: the table that it is about, for messages.

        Returns:
            The result, the last one of several.

        Raises:
            Error: the remote server's, or that of the connection.
        """
        simple = not parameters and not binary
        request = self._submit(None, sql, None if simple else parameters, binary=binary)
        request.table = table
        return self._take_results(request)[-1]

    def query(
        self, sql: str, parameters: Sequence[Value] = (), table: Table | None = None
    ) -> list[tuple[str | None, ...]]:
        """Run a query as `execute` does, and return its rows in text form."""
        result = self.execute(sql, parameters, table=table)
        return [self.row(result, row) for row in range(result.ntuples)]

    def row(self, result: pq.abc.PGresult, number: int) -> tuple[str | None, ...]:
        """Return a row of a result in text form."""
        encoding = self._require_link().encoding
        fields = range(result.nfields)
        return tuple(text_of(result.get_value(number, field), encoding) for field in fields)

    def send(
        self,
        owner: Owner,
        sql: str,
        parameters: Sequence[Value] | None = None,
        *,
        statement: str | None = None,
        binary: bool = False,
    ) -> None:
        """Send a request without waiting for its results.

        Args:
            owner: who will ask for the results, with `results`; at rest until then.
            sql: the command, which CONTEXT of an error shows; without parameters, `statement` and
                `binary` it may be several, and needs no round trip of its own to begin the
                remote transaction.
            parameters: values for $1 and so on, in text form.
            statement: the name of a prepared statement that is run instead.
            binary: whether results are to be in binary format.

        Raises:
            Error: the remote server's about what had to go first, or that of the connection.
            RuntimeError: the owner has not taken the results of its last request.
        """
        self._submit(owner, sql, parameters, statement=statement, binary=binary)

    def results(self, owner: Owner) -> list[pq.abc.PGresult]:
        """Wait for the results of what an owner has sent.

        Raises:
            Error: the remote server's, or that of the connection; or that the results are gone
                with a savepoint or a connection.
        """
        return self._take_results(self._request_of(owner))

    def has_request(self, owner: Owner) -> bool:
        """Return whether an owner has a request under way."""
        request = None if self._link is None else self._link.request
        return request is not None and request.owner is owner

    def discard(self, owner: Owner) -> None:
        """Let go of a request: its results will be thrown away, and only errors seen."""
        if self.has_request(owner):
            request = self._request_of(owner)
            if request.copying:
                self.copy_end(owner)
            else:
                request.owner = None

    def prepare(self, sql: str, types: Sequence[int] = ()) -> str:
        """Return the name of a prepared statement, for `send`.

        It is prepared when it is first sent, and again on a new connection. A hundred are kept:
        ask again before each use.

        Args:
            sql: one command.
            types: the OIDs of its parameters' types, 0 for those to be inferred.
        """
        key = (sql, tuple(types))
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = f"p{next(self._numbers)}"
            self._sources[name] = key
            if len(self._names) > LARGEST_STATEMENT_CACHE:
                _, oldest = self._names.popitem(last=False)
                del self._sources[oldest]
                if self._link is not None and oldest in self._link.statements:
                    self._outdated_statements.append(self._link.statements.pop(oldest))
        self._names.move_to_end(key)
        return name

    def new_cursor_name(self) -> str:
        """Return a name that no cursor of this session has had on this connection.

        The cursor is to be opened with the next command.
        """
        name = f"c{next(self._numbers)}"
        self._cursors[name] = nest_level()
        return name

    def close_cursor(self, name: str) -> None:
        """Have a cursor closed with the next command, unless a savepoint has taken it along."""
        if self._cursors.pop(name, None) is not None:
            self.defer(f"CLOSE {name}")

    def defer(self, sql: str) -> None:
        """Have a command run before the next one that is sent, without waiting for it.

        It is forgotten when that never happens: at the end of the transaction, and when a
        savepoint is rolled back.
        """
        if self._level > 0:
            self._deferred.append(sql)

    # --- COPY -------------------------------------------------------------------------------------

    def copy(self, owner: Owner, sql: str) -> None:
        """Begin a COPY FROM STDIN.

        Raises:
            Error: the remote server's, or that of the connection.
        """
        request = self._submit(owner, sql, None)
        self._collect(request)
        if not request.copying:
            self._finish(request)
            raise Error(f"not a COPY FROM STDIN: {sql}")

    def copy_data(self, owner: Owner, data: bytes) -> None:
        """Send data of a COPY; waits until the server has room for it.

        Raises:
            Error: that of the connection; what the server dislikes is told by `copy_end`.
        """
        request = self._request_of(owner)
        try:
            self._require_link().copy_data(request, data)
        except OperationalError:
            request.copying = False
            self._take_results(request)
            raise

    def copy_end(self, owner: Owner) -> int:
        """End a COPY, and return how many rows the server has taken.

        Raises:
            Error: the remote server's, or that of the connection.
        """
        request = self._request_of(owner)
        self._require_link().copy_end(request)
        return self._take_results(request)[-1].command_tuples or 0

    # --- Taking the connection --------------------------------------------------------------------

    def _submit(
        self,
        owner: Owner | None,
        sql: str,
        parameters: Sequence[Value] | None,
        *,
        statement: str | None = None,
        binary: bool = False,
    ) -> Request:
        """Take the connection and send a request."""
        self.leave_other_transaction()
        self._rest_of_others(owner)
        self._require_usable()
        if self._level == 0:
            self._renew()
        if parameters is None and statement is None and not binary:
            steps, begins = self._follow(go_along=True)
            request = Request(sql, owner=owner, steps=steps, restartable=begins)
        else:
            steps, begins = self._follow(go_along=self._level == 0)
            sql = sql or self._sources.get(statement or "", ("", ()))[0]
            sender = self._sender(sql, parameters or (), statement, binary)
            request = Request(
                sql,
                sender,
                owner=owner,
                steps=steps,
                restartable=begins,
                is_prepared=statement is not None,
            )
        self._dispatch(request)
        return request

    def leave_other_transaction(self) -> None:
        """Drop what is left of another local transaction, whose end was cut short."""
        number = transaction_number()
        if number != self._transaction and self.is_open_in_transaction:
            self.close()
            self.end_transaction()
        self._transaction = number

    def _rest_of_others(self, owner: Owner | None) -> None:
        """Bring what is under way to rest."""
        request = None if self._link is None else self._link.request
        if request is None:
            return
        if request.interrupted:
            if not self.bring_to_rest(monotonic() + CANCEL_TIMEOUT):
                self._lost(request, "a command could not be cancelled")
        elif request.owner is None:
            self._take_results(request)
        elif request.owner is owner:
            raise RuntimeError("the results of the last request have not been taken")
        else:
            request.owner.yield_connection()
            if self._link is not None and self._link.request is request:
                raise RuntimeError(f"{request.owner!r} has not brought its request to rest")

    def _require_usable(self) -> None:
        """Raise if the connection can do nothing before the end of the transaction."""
        if self._broken is not None:
            raise connection_lost(self.server.name, self._broken)
        if self._doomed:
            raise Error(
                f'connection to server "{self.server.name}" cannot be used until the end of the'
                " transaction",
                FAILED_TRANSACTION,
                "A savepoint could not be rolled back on the remote server.",
                "Roll back the transaction.",
                context="",
            )

    def _require_link(self) -> Link:
        """Return the link, which is in use."""
        if self._link is None:
            raise connection_lost(self.server.name, self._broken)
        return self._link

    def _request_of(self, owner: Owner) -> Request:
        """Return what an owner has under way."""
        request = None if self._link is None else self._link.request
        if request is None or request.owner is not owner:
            self._require_usable()
            raise results_lost()
        return request

    def _renew(self) -> None:
        """Connect, unless there is a good link, outside a remote transaction."""
        link = self._link
        if link is None or not (link.is_idle and self.is_valid and link.is_alive):
            self.close()
            self._connect()

    def _connect(self) -> None:
        """Make a new link."""
        name, parameters, settings = self.server.name, self._parameters, self.settings
        if self._check_before is not None:
            self._check_before(parameters)
        self._failure = None
        try:
            link = Link(parameters, self._check_after, SKIP_TIMEOUT if may_skip(settings) else 0)
        except ConnectFailure as failure:
            if failure.is_unreachable:
                now = time_ns() // 1000
                self._failure = Failure(str(failure), now, monotonic(), parameters)
            raise connection_failed(name, str(failure), failure.is_unreachable) from None
        self._connected_with = (parameters, settings)
        self._link = link

    # --- Following the local transaction ----------------------------------------------------------

    def _follow(self, *, go_along: bool) -> tuple[list[str], bool]:
        """Bring the remote transaction to where the local one is.

        A command that cannot even be parsed takes all that goes along with it down: so savepoints
        within a transaction are made before.

        Args:
            go_along: whether steps can go along with the command that comes next.

        Returns:
            The steps that are to go along, and whether they begin the transaction.
        """
        local_level = nest_level()
        if local_level < self._local_level:
            # A savepoint has ended, and nobody has said how.
            self._doomed = True
            self._require_usable()
        begins = self._level == 0
        needed = self._needed_steps(local_level)
        now = bool(needed) and not (begins and go_along)
        steps = needed + (self._other_steps(local_level) if now or go_along else [])
        if begins:
            self._first_level = local_level
        # What goes wrong is seen later, by the transaction status.
        self._level = max(local_level, self._level)
        self._local_level = local_level
        if not now:
            return steps, begins
        request = Request("", steps=steps, restartable=begins)
        self._dispatch(request)
        self._take_results(request)
        return [], False

    def _needed_steps(self, local_level: int) -> list[str]:
        """Return what begins the transaction and its savepoints."""
        steps = []
        first = self._local_level + 1
        if self._level == 0:
            steps.append(f"START TRANSACTION ISOLATION LEVEL {isolation_level()}")
            first = 2
        elif local_level > self._local_level:
            steps += self._release()
        for level in range(first, local_level + 1):
            name = self._savepoints[level] = f"s{level}_{next(self._numbers)}"
            steps.append(f"SAVEPOINT {name}")
        return steps

    def _release(self) -> list[str]:
        """Return what releases savepoints that were released locally; it counts as done."""
        if self._level <= self._local_level:
            return []
        self._level = self._local_level
        return [f"RELEASE SAVEPOINT {self._savepoints[self._level + 1]}"]

    def _other_steps(self, local_level: int) -> list[str]:
        """Return what can be done by the way."""
        steps = self._release() if local_level == self._local_level else []
        steps += self._deferred
        steps += [f"DEALLOCATE {name}" for name in self._outdated_statements]
        self._deferred = []
        self._outdated_statements = []
        return steps

    # --- Sending ----------------------------------------------------------------------------------

    def _sender(
        self, sql: str, parameters: Sequence[Value], statement: str | None, binary: bool
    ) -> Callable[[Link, Request], None]:
        """Return what sends a command by the extended protocol, in a pipeline after its steps."""
        result_format = pq.Format.BINARY if binary else pq.Format.TEXT
        source = None if statement is None else self._sources.get(statement)
        if statement is not None and source is None:
            raise RuntimeError(f"no prepared statement {statement}: ask before each use")

        def send(link: Link, request: Request) -> None:
            # What cannot be encoded must be found out before anything is sent.
            steps = [link.encode(step) for step in request.steps]
            values = link.values(parameters)
            command = link.encode(source[0] if source else sql)
            name = link.statements.get(statement or "")
            types: Sequence[int] | None = None
            if source is not None and name is None:
                # A name of its own for each try: one that was interrupted may exist.
                name = f"{statement}_{next(self._numbers)}"
                types = source[1]
                request.prepares = (statement or "", name)
                request.steps.append(sql)
            if request.steps:
                request.half_sent = True
                link.pgconn.enter_pipeline_mode()
            for step in steps:
                link.pgconn.send_query_params(step, None)
            if name is not None and types is not None:
                link.pgconn.send_prepare(name.encode(), command, types)
            if name is not None:
                link.pgconn.send_query_prepared(name.encode(), values, result_format=result_format)
            else:
                link.pgconn.send_query_params(command, values, result_format=result_format)
            if request.steps:
                link.pgconn.pipeline_sync()
                request.half_sent = False

        return send

    def _dispatch(self, request: Request) -> None:
        """Send a request."""
        link = self._require_link()
        try:
            link.dispatch(request)
        except UnicodeEncodeError:
            self._note_status(link)
            raise

    # --- Results ----------------------------------------------------------------------------------

    def _take_results(self, request: Request) -> list[pq.abc.PGresult]:
        """Wait for all results of a request; returns those of the owner's commands."""
        self._collect(request)
        if request.copying:
            link = self._require_link()
            link.copy_end(request, b"there is no data")
            link.collect(request)
        return self._finish(request)

    def _collect(self, request: Request, deadline: float | None = None) -> bool:
        """Wait for results, on another link if the first had died before; False if too late."""
        link = self._require_link()
        if not link.collect(request, deadline):
            return False
        if not link.is_good and request.restartable and not request.has_begun:
            self._restart(request)
            return self._require_link().collect(request, deadline)
        return True

    def _restart(self, request: Request) -> None:
        """Send a request that begins the transaction again, on a new link."""
        level = self._local_level
        self.close()
        self._end_remote_transaction()
        self._connect()
        # There is nothing else to do on a new link.
        steps = self._needed_steps(level)
        self._level = self._local_level = self._first_level = level
        request.steps, request.results = steps, []
        request.restartable = request.complete = False
        self._dispatch(request)

    def _finish(self, request: Request) -> list[pq.abc.PGresult]:
        """Let go of a request that is complete; returns the results of the owner's commands.

        Raises:
            Error: one of its results is an error, or the connection is lost.
        """
        link = self._require_link()
        if not link.is_good:
            self._lost(request, link.last_words(request))
        link.request = None
        self._note_status(link)
        link.note_prepared(request)
        link.pass_on_notices()
        for at in request.errors:
            error = remote_error(request.results[at], request.sql_of(at), link.encoding)
            if request.is_prepared and error.sqlstate in OUTDATED_STATEMENT:
                self._forget_statements(link, error.sqlstate == CHANGED_RESULT)
            if request.table is not None:
                explain_missing(
                    error, self.server.name, request.table.sql, request.table.reads_null
                )
            raise error
        return request.results[len(request.steps) :]

    def _forget_statements(self, link: Link, exist: bool) -> None:
        """Have all statements prepared anew: what has happened to one may hold for others."""
        if exist:
            self._outdated_statements += link.statements.values()
        link.statements.clear()

    def _note_status(self, link: Link) -> None:
        """Notice that there is no remote transaction, where what was to begin it has failed."""
        if link.is_idle:
            self._end_remote_transaction()

    def _lost(self, request: Request, message: str) -> NoReturn:
        """Give the link up, and raise the error.

        What the transaction has done on it is gone, unless it had not even begun.
        """
        begun = self._level > 0 and (request.has_begun or not request.restartable)
        self.close()
        if begun:
            self._broken = message
        else:
            self._end_remote_transaction()
        raise connection_lost(self.server.name, message)

    def _end_remote_transaction(self) -> None:
        """There is no remote transaction, and nothing that belongs to one."""
        self._level = self._local_level = self._first_level = 0
        self._deferred = []
        self._cursors = {}
        self._commit_sent = False

    # --- COMMIT: called by `_transactions`, as what follows ---------------------------------------

    def require_committable(self) -> None:
        """Raise if the connection may not commit; what is under way comes to rest.

        Raises:
            Error: the connection is lost, or the remote transaction has failed.
        """
        self._require_usable()
        self._rest_of_others(None)
        link = self._require_link()
        if link.has_failed:
            raise self._rolled_back()
        if not link.is_alive:
            request = Request("COMMIT")
            self._lost(request, link.last_words(request))

    def send_commit(self) -> None:
        """Send COMMIT.

        Raises:
            Error: as `require_committable`, which may have been long ago.
        """
        self.require_committable()
        self._commit_sent = True
        self._dispatch(Request("COMMIT"))

    def await_commit(self) -> None:
        """Wait for what `send_commit` has sent.

        Raises:
            Error: the remote transaction was rolled back, or nobody knows.
        """
        link = self._require_link()
        request = link.request
        assert request is not None
        if not link.collect(request, monotonic() + COMMIT_TIMEOUT):
            request.interrupted = True
            raise outcome_unknown(self.server.name, f"timed out after {COMMIT_TIMEOUT:.0f} s")
        if not link.is_good:
            message = link.last_words(request)
            self.close()
            self._end_remote_transaction()
            raise outcome_unknown(self.server.name, message)
        self._finish(request)
        if not _has_committed(request):
            raise self._rolled_back()

    def _rolled_back(self) -> Error:
        """Return the error of a remote transaction that has failed before."""
        return Error(
            f'the transaction on server "{self.server.name}" was rolled back',
            TRANSACTION_ROLLED_BACK,
            "A remote command had failed before.",
            context="",
        )

    # --- Rolling back -----------------------------------------------------------------------------

    def is_in_savepoint(self, level: int) -> bool:
        """Return whether the connection was used in a savepoint that ends."""
        return self._local_level >= level

    def release_savepoint(self, level: int) -> None:
        """Note that a local savepoint was released; the remote one is when there is need."""
        self._local_level = min(self._local_level, level - 1)
        self._first_level = min(self._first_level, level - 1)
        self._cursors = {name: min(at, level - 1) for name, at in self._cursors.items()}

    def drain(self, deadline: float) -> None:
        """Give the owner of a pending request its results, if they come in time.

        A cursor that was opened before a savepoint outlives it, and so does what was fetched.
        """
        link = self._link
        request = None if link is None else link.request
        if link is None or request is None or request.owner is None:
            return
        if request.interrupted or request.copying:
            return
        request.restartable = False
        if link.collect(request, deadline, interruptible=False) and not request.copying:
            try:
                request.owner.yield_connection()
            except Exception as error:
                log_to_postgres(f"a remote command has failed: {error}", DEBUG)

    def bring_to_rest(self, deadline: float) -> bool:
        """Cancel what is under way and wait until it has ended, at most until a deadline.

        Returns:
            Whether the connection can go on; the results are gone.
        """
        self.begin_rest()
        return self.end_rest(deadline)

    def begin_rest(self) -> None:
        """Begin to cancel what is under way."""
        if self._link is not None:
            self._link.begin_rest()

    def end_rest(self, deadline: float) -> bool:
        """Wait for what `begin_rest` has begun; see `bring_to_rest`."""
        link = self._link
        if link is None:
            return False
        rested, request = link.end_rest(deadline)
        if request is not None and request.complete:
            self._note_outcome(request)
        if rested:
            self._note_status(link)
        return rested

    def _note_outcome(self, request: Request) -> None:
        """Learn what has become of a COMMIT whose answer comes after the local decision."""
        if not self._commit_sent or not request.results:
            return
        if _has_committed(request):
            log_to_postgres(
                f'the transaction on server "{self.server.name}" was committed', WARNING
            )
        elif self._link is None or not self._link.is_good:
            return
        self._commit_sent = False

    @property
    def needs_rollback(self) -> bool:
        """Whether there is a remote transaction to roll back."""
        return self._link is not None and self._link.has_transaction

    def begin_rollback(self, level: int) -> None:
        """Send what rolls back a savepoint, on a connection at rest; level 1 is the transaction."""
        self._deferred = []
        link = self._require_link()
        name = self._savepoints.get(level)
        back = f"ROLLBACK TO SAVEPOINT {name}; RELEASE SAVEPOINT {name}"
        link.request = Request("ROLLBACK" if level == 1 else back)
        with suppress(OperationalError):
            link.request.send(link)
            link.pgconn.flush()

    def end_rollback(self, deadline: float) -> bool:
        """Return whether what `begin_rollback` has sent has worked, by a deadline."""
        link = self._require_link()
        request = link.request
        if request is None or not link.collect(request, deadline, interruptible=False):
            return False
        link.request = None
        return link.is_good and not request.errors

    def savepoint_rolled_back(self, level: int) -> None:
        """Note that the remote savepoint was rolled back as well, and its cursors are gone."""
        self._cursors = {name: at for name, at in self._cursors.items() if at < level}
        if self._level > 0:
            self._level = self._local_level = level - 1
            self._first_level = min(self._first_level, level - 1)

    def savepoint_lost(self, level: int) -> None:
        """Give the link up, since a savepoint could not be rolled back on it.

        If the transaction was begun within the savepoint, there is nothing else to lose.
        """
        self.close()
        if self._first_level >= level:
            self._end_remote_transaction()
            self._broken = None
            self._doomed = False
            return
        self._doomed = True
        self._local_level = level - 1
        log_to_postgres(
            f'a savepoint could not be rolled back on server "{self.server.name}"',
            WARNING,
            detail="The transaction cannot commit.",
        )

    def end_transaction(self) -> None:
        """Forget the local transaction, and close the link if it is not to be kept."""
        unknown, link = self._commit_sent, self._link
        self._end_remote_transaction()
        self._broken = None
        self._doomed = False
        if link is not None:
            at_rest = link.request is None and link.is_idle
            kept = self.is_valid and self.settings.keep_connections and self._users > 0
            if not (at_rest and kept):
                self.close()
        if unknown:
            log_to_postgres(
                f'the outcome of the transaction on server "{self.server.name}" is unknown', WARNING
            )

    def close(self) -> None:
        """Leave the remote server. What is known of the transaction is kept for its end."""
        link, self._link = self._link, None
        self._outdated_statements = []
        if link is not None:
            link.close()

    # --- Beside transactions ----------------------------------------------------------------------

    def ask(
        self,
        server: ForeignServer,
        parameters: Mapping[str, str],
        settings: ConnectionSettings,
        check_before: CheckBefore | None,
        check_after: CheckAfter | None,
    ) -> None:
        """Take what the options say now; it counts from the next connection on."""
        self.server = server
        self.settings = settings
        self._parameters = dict(parameters)
        self._check_before = check_before
        self._check_after = check_after
        self._users += 1

    def release(self) -> None:
        """Tell that somebody who has asked for the connection does not need it any more.

        The last one closes it, at the end of the transaction if it is used in one.
        """
        self._users -= 1
        if self._users == 0 and not self.is_open_in_transaction:
            self.close()


def _has_committed(request: Request) -> bool:
    """Return whether COMMIT has done that, and not rolled back a transaction that had failed."""
    return any(result.command_status == b"COMMIT" for result in request.results)
