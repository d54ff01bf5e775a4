"""What a remote server says, and what becomes of its connection, as our own errors and messages."""

from __future__ import annotations

import re

from psycopg import pq

from multicorn import Error
from multicorn.utils import DEBUG, INFO, WARNING

# What PostgreSQL calls the encodings that Python calls otherwise. Bytes of SQL_ASCII are most
# often UTF-8; those that are not survive as surrogates.
_CODECS = {
    "SQL_ASCII": "utf-8",
    "UTF8": "utf-8",
    "EUC_CN": "gb2312",
    "KOI8R": "koi8-r",
    "KOI8U": "koi8-u",
    "SJIS": "shift_jis",
    "UHC": "cp949",
    "LATIN1": "iso8859-1",
    "LATIN2": "iso8859-2",
    "LATIN3": "iso8859-3",
    "LATIN4": "iso8859-4",
    "LATIN5": "iso8859-9",
    "LATIN6": "iso8859-10",
    "LATIN7": "iso8859-13",
    "LATIN8": "iso8859-14",
    "LATIN9": "iso8859-15",
    "LATIN10": "iso8859-16",
}

_LEVELS = {"WARNING": WARNING, "NOTICE": INFO, "INFO": INFO}

# The class of a lost connection, and that of one that could not be made.
CONNECTION_FAILURE = "08006"
NOT_CONNECTED = "08001"
OUTCOME_UNKNOWN = "08007"
TRANSACTION_ROLLED_BACK = "40000"
FAILED_TRANSACTION = "25P02"
UNDEFINED_COLUMN = "42703"
UNDEFINED_TABLE = "42P01"

# What is to be done about a missing column or table.
MIGRATE = (
    "Migrate that server, or set on_missing 'null' on the server or the foreign table to have the"
    " column read as NULL."
)
ONLY_NULL = "Migrate that server. Until then, nothing but NULL can be written there."
KEY_MISSING = (
    "The key of a table cannot read as NULL: migrate that server, or drop the option key of the"
    " column."
)

CREATE_TABLE = "Create it there, or drop the foreign table or take it from its parent."

# What CONTEXT begins with.
REMOTE_COMMAND = "remote SQL command: "


def codec(encoding: str) -> str:
    """Return Python's name for an encoding of PostgreSQL; decode with errors="surrogateescape".

    Raises:
        LookupError: Python has no such encoding; only EUC_TW and MULE_INTERNAL are known to lack.
    """
    name = _CODECS.get(encoding) or re.sub("^WIN", "cp", encoding).replace("ISO_8859_", "iso8859-")
    "".encode(name)
    return name


def text_of(data: bytes | None, encoding: str = "utf-8") -> str | None:
    """Decode what libpq has for us, whatever it is."""
    return None if data is None else data.decode(encoding, "surrogateescape")


def libpq_message(pgconn: pq.abc.PGconn) -> str:
    """Return what libpq has to say about a connection."""
    return pgconn.error_message.decode("utf-8", "replace").strip()


class Report:
    """The fields of an error or a notice.

    Attributes:
        severity: as PostgreSQL has it in English.
        sqlstate: five characters; `XX000` if libpq has made the error up.
        message: the primary message.
        detail: more about it, or None.
        hint: what to do about it, or None.
        context: where it happened, or None.
    """

    def __init__(self, result: pq.abc.PGresult, encoding: str) -> None:
        def field(which: pq.DiagnosticField) -> str | None:
            return text_of(result.error_field(which), encoding)

        self.severity = field(pq.DiagnosticField.SEVERITY_NONLOCALIZED) or "ERROR"
        self.sqlstate = field(pq.DiagnosticField.SQLSTATE) or "XX000"
        self.message = (
            field(pq.DiagnosticField.MESSAGE_PRIMARY)
            or (text_of(result.error_message, encoding) or "").strip()
            or "could not obtain message string for remote error"
        )
        self.detail = field(pq.DiagnosticField.MESSAGE_DETAIL)
        self.hint = field(pq.DiagnosticField.MESSAGE_HINT)
        self.context = field(pq.DiagnosticField.CONTEXT)

    @property
    def level(self) -> int:
        """The level for log_to_postgres; what a server merely logs is for debugging here."""
        return _LEVELS.get(self.severity, DEBUG)


_ERRORS = (
    pq.ExecStatus.FATAL_ERROR,
    pq.ExecStatus.BAD_RESPONSE,
    pq.ExecStatus.PIPELINE_ABORTED,
)


def is_error(result: pq.abc.PGresult) -> bool:
    """Return whether a result is an error, or of a command left out after one."""
    return result.status in _ERRORS


def remote_error(result: pq.abc.PGresult, sql: str, encoding: str) -> Error:
    """Return a remote error as ours, with the remote command in CONTEXT."""
    report = Report(result, encoding)
    lines = [report.context] if report.context else []
    lines.append(REMOTE_COMMAND + sql)
    return Error(
        report.message, report.sqlstate, report.detail, report.hint, context="\n".join(lines)
    )


def explain_missing(error: Error, server: str, table: str, reads_null: bool) -> None:
    """Say of an error about a missing column or table where that is, and what to do.

    Not of those from within the remote server, where a function or trigger lacks something.

    Args:
        error: the remote's.
        server: the name of the foreign server.
        table: the remote table, as SQL writes it.
        reads_null: whether its missing columns are known before they are asked for.
    """
    if error.sqlstate not in (UNDEFINED_COLUMN, UNDEFINED_TABLE) or error.detail:
        return
    if not (error.context or "").startswith(REMOTE_COMMAND):
        return
    if error.sqlstate == UNDEFINED_TABLE:
        remedy = CREATE_TABLE
    elif reads_null:
        remedy = "The remote table was altered within the transaction: try it again."
    else:
        remedy = MIGRATE
    error.detail = _place(server, table)
    error.hint = f"{error.hint}\n{remedy}" if error.hint else remedy


def _place(server: str, table: str) -> str:
    """Return where a remote table is, for DETAIL."""
    return f'The remote table is {table} on server "{server}".'


def column_missing(server: str, table: str, column: str, remedy: str) -> Error:
    """Return the error of a column that the remote table lacks, which we have found out."""
    return Error(
        f'column "{column}" of relation {table} does not exist',
        UNDEFINED_COLUMN,
        _place(server, table),
        remedy,
        context="",
    )


def table_missing(server: str, table: str) -> Error:
    """Return the error of a remote table that is missing, which we have found out."""
    return Error(
        f"relation {table} does not exist",
        UNDEFINED_TABLE,
        _place(server, table),
        CREATE_TABLE,
        context="",
    )


class Unreachable(Error):
    """A connection could not be made, since the server is not there or not ready."""


def connection_failed(server: str, message: str, is_unreachable: bool = False) -> Error:
    """Return the error of a connection that could not be made."""
    kind = Unreachable if is_unreachable else Error
    return kind(
        f'could not connect to server "{server}"', NOT_CONNECTED, detail=message, context=""
    )


def connection_lost(server: str, message: str | None) -> Error:
    """Return the error of a connection that has broken."""
    return Error(
        f'connection to server "{server}" was lost', CONNECTION_FAILURE, message or None, context=""
    )


def outcome_unknown(server: str, message: str) -> Error:
    """Return the error of a COMMIT that was sent and not answered."""
    return Error(
        f'the outcome of the transaction on server "{server}" is unknown',
        OUTCOME_UNKNOWN,
        f"COMMIT was sent, and no answer came: {message}",
        "Look on the remote server whether the changes are there.",
        context="",
    )


def results_lost() -> Error:
    """Return the error of results that were cancelled, or are gone with a connection."""
    return Error(
        "the results of a remote command were lost",
        "24000",
        "A savepoint or a connection that it needed is gone.",
        context="",
    )
