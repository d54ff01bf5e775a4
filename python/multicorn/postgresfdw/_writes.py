"""Writing to the other server."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from multicorn import SKIPPED, Error
from multicorn.postgresfdw._connection import Connection, transaction_number
from multicorn.postgresfdw._statements import CTID, RemoteTable, RemoteType

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

    from multicorn import _Marker

__all__ = ["Writer"]

# What is to be known of a table before it is written.
DESCRIBE_TABLE = """
SELECT c.relkind, pg_catalog.row_security_active(c.oid),
    EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhparent = c.oid),
    c.relkind = 'r' AND NOT c.relhasrules AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_trigger AS t
        WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgtype & 7 = 7),
    a.attname, pg_catalog.format_type(a.atttypid, -1),
    a.atttypid <> 'int2vector'::regtype AND a.atttypid <> 'oidvector'::regtype
        AND (pg_catalog.format_type(a.atttypid, -1) LIKE '%[]' OR y.typtype IN ('c', 'd')
            OR a.atttypid = 'box'::regtype)
FROM pg_catalog.pg_class AS c
LEFT JOIN pg_catalog.pg_attribute AS a
    ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_catalog.pg_type AS y ON y.oid = a.atttypid
WHERE c.oid = $1::regclass
"""

# Kinds of relations that take COPY.
COPIED_KINDS = frozenset("rpf")

# What stands behind a backslash in COPY's text format, where it is not itself.
COPY_ESCAPES = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


class Description:
    """What a remote table is.

    Attributes:
        takes_copy: whether COPY FROM is possible.
        has_ctid: whether ctid tells one row: that of a view does not exist, and two tables of an
            inheritance tree may have the same.
        takes_all: whether an INSERT inserts all its rows or fails: no trigger leaves any out.
        types: the types of its columns, by their remote names.
    """

    def __init__(self, rows: Sequence[tuple[str | None, ...]]) -> None:
        kind, has_row_security, has_children, takes_all, *_ = rows[0]
        self.takes_copy = kind in COPIED_KINDS and has_row_security == "f"
        self.has_ctid = kind == "r" and has_children == "f"
        self.takes_all = takes_all == "t"
        self.types = {
            str(name): RemoteType(str(sql), is_nested == "t")
            for *_, name, sql, is_nested in rows
            if name is not None
        }


class Writer:
    """Sends the rows of one foreign table.

    Args:
        connection: where to.
        table: what is written.
        rowid: the column that identifies rows, or ctid.
    """

    def __init__(self, connection: Connection, table: RemoteTable, rowid: str) -> None:
        self._connection = connection
        self._table = table
        self._rowid = rowid
        self._described: tuple[int, Description] | None = None
        self._copied: tuple[str, ...] | None = None

    def insert(
        self, values: Mapping[str, str | None], returning: bool, ignores_conflicts: bool
    ) -> dict[str, str | None] | _Marker | None:
        """Write a row."""
        sql = self._table.insert(tuple(values), returning, ignores_conflicts)
        result = self._run(sql, tuple(values.values()))
        return self._written(result, returning)

    def insert_arrays(
        self, arrays: Sequence[bytes], columns: Sequence[str], ignores_conflicts: bool
    ) -> int | None:
        """Write rows that come as arrays; return how many, or None for all.

        Where that is certain, they are on their way when this returns: while the other server
        writes them, the next ones are made here. `finish` waits for the last ones.
        """
        description = self._describe()
        types = description.types
        by_column = {}
        for name in columns:
            remote = self._table.remote_name(name)
            if remote not in types:
                raise Error(
                    f'column "{remote}" of relation {self._table.sql} does not exist',
                    sqlstate="42703",
                    context="",
                )
            by_column[name] = types[remote]
        sql = self._table.insert_arrays(columns, by_column, ignores_conflicts)
        self._send(sql, arrays)
        if description.takes_all and not ignores_conflicts:
            return None
        (result,) = self._connection.results(self)
        return result.command_tuples or 0

    def update(
        self, rowid: str, values: Mapping[str, str | None], returning: bool
    ) -> dict[str, str | None] | _Marker | None:
        """Change a row."""
        self.require_rowid()
        sql = self._table.update(self._rowid, tuple(values), returning)
        return self._written(self._run(sql, (rowid, *values.values())), returning)

    def delete(self, rowid: str) -> _Marker | None:
        """Delete a row."""
        self.require_rowid()
        result = self._run(self._table.delete(self._rowid), (rowid,))
        return None if result.command_tuples else SKIPPED

    def truncate(self, cascade: bool, restart_identity: bool) -> None:
        """Delete all rows."""
        self._connection.execute(self._table.truncate(cascade, restart_identity))

    # COPY

    def copy(self, data: bytes, columns: tuple[str, ...]) -> None:
        """Send rows in COPY's text format; where COPY is not possible, by INSERT."""
        if not self._describe().takes_copy:
            self._insert_lines(data, columns)
            return
        if self._copied != columns:
            self.finish()
            self._connection.copy(self, self._table.copy(columns))
            self._copied = columns
        self._connection.copy_data(self, data)

    def _insert_lines(self, data: bytes, columns: tuple[str, ...]) -> None:
        """Insert rows in COPY's text format."""
        lines = data.removesuffix(b"\n").split(b"\n")
        if not columns:
            for _ in lines:
                self.insert({}, False, False)
            return
        rows = [line.split(b"\t") for line in lines]
        arrays = [b"{%s}" % b",".join(map(_element, fields)) for fields in zip(*rows, strict=True)]
        self.insert_arrays(arrays, columns, False)

    def finish(self) -> None:
        """Have all that was sent written."""
        if self._copied is not None:
            self._copied = None
            self._connection.copy_end(self)
        if self._connection.has_request(self):
            self._connection.results(self)

    def yield_connection(self) -> None:
        """Have all that was sent written: somebody else needs the connection."""
        self.finish()

    def forget(self) -> None:
        """Know of no COPY any more: the transaction has ended it."""
        self._copied = None

    # How it is done

    def _run(self, sql: str, parameters: Sequence[str | bytes | None]) -> PGresult:
        """Run a command that comes again and again."""
        self._send(sql, parameters)
        (result,) = self._connection.results(self)
        return result

    def _send(self, sql: str, parameters: Sequence[str | bytes | None]) -> None:
        """Send a command that comes again and again, and do not wait for it."""
        self.finish()
        statement = self._connection.prepare(sql)
        self._connection.send(self, sql, parameters, statement=statement)

    def _written(self, result: PGresult, returning: bool) -> dict[str, str | None] | _Marker | None:
        """Return what came of a row."""
        if not result.command_tuples:
            return SKIPPED
        if not returning:
            return None
        return dict(zip(self._table.columns, self._connection.row(result, 0), strict=True))

    def _describe(self) -> Description:
        """Return what the remote table is; it is asked once in each transaction."""
        transaction = transaction_number()
        if self._described is None or self._described[0] != transaction:
            rows = self._connection.query(DESCRIBE_TABLE, (self._table.sql,))
            self._described = (transaction, Description(rows))
        return self._described[1]

    def require_rowid(self) -> None:
        """Raise an error if ctid does not tell which row is meant."""
        if self._rowid != CTID:
            return
        if not self._describe().has_ctid:
            raise Error(
                f"rows of {self._table.sql} on the other server cannot be told apart",
                sqlstate="0A000",
                detail="It is not an ordinary table, or has children, so that ctid does not tell"
                " which row is meant.",
                hint="Say which column is its primary key: ALTER FOREIGN TABLE ... ALTER COLUMN ..."
                " OPTIONS (ADD key 'true').",
                context="",
            )


def _element(field: bytes) -> bytes:
    """Return a field of COPY's text format as an element of an array in text form."""
    if field == b"\\N":
        return b"NULL"
    value = re.sub(rb"\\(.)", lambda found: COPY_ESCAPES.get(found[1], found[1]), field)
    return b'"%s"' % value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
