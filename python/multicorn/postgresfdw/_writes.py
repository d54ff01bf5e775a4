"""Writing to the other server."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from multicorn import SKIPPED, Error
from multicorn.postgresfdw._connection import Connection, transaction_number
from multicorn.postgresfdw._errors import (
    KEY_MISSING,
    MIGRATE,
    ONLY_NULL,
    column_missing,
    table_missing,
)
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
WHERE c.oid = pg_catalog.to_regclass($1)
"""

# Kinds of relations that take COPY.
COPIED_KINDS = frozenset("rpf")

# What stands behind a backslash in COPY's text format, where it is not itself.
COPY_ESCAPES = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


# An array in text form that holds nothing.
ALL_NULL = re.compile(rb"\{NULL(,NULL)*\}")


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

    Attributes:
        table: as given.
    """

    def __init__(self, connection: Connection, table: RemoteTable, rowid: str) -> None:
        self._connection = connection
        self.table = table
        self._rowid = rowid
        self._described: tuple[int, Description] | None = None
        self._copied: tuple[str, ...] | None = None

    def insert(
        self, values: Mapping[str, str | None], returning: bool, ignores_conflicts: bool
    ) -> dict[str, str | None] | _Marker | None:
        """Write a row."""
        values = self._present(values)
        sql = self.table.insert(tuple(values), returning, ignores_conflicts)
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
        if not self.table.missing.isdisjoint(columns):
            count = arrays[0].count(b"NULL")
            arrays, columns = self._present_arrays(arrays, columns)
            if not columns:
                results = [self.insert({}, False, ignores_conflicts) for _ in range(count)]
                return sum(result is not SKIPPED for result in results)
        types = description.types
        by_column = {}
        for name in columns:
            remote = self.table.remote_name(name)
            if remote not in types:
                raise self._column_missing(name, MIGRATE)
            by_column[name] = types[remote]
        sql = self.table.insert_arrays(columns, by_column, ignores_conflicts)
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
        values = self._present(values)
        if values:
            sql = self.table.update(self._rowid, tuple(values), returning)
        else:
            sql = self.table.lock(self._rowid, returning)
        result = self._run(sql, (rowid, *values.values()))
        self._require_one(result)
        return self._written(result, returning)

    def delete(self, rowid: str) -> _Marker | None:
        """Delete a row."""
        self.require_rowid()
        result = self._run(self.table.delete(self._rowid), (rowid,))
        self._require_one(result)
        return None if result.command_tuples else SKIPPED

    def _require_one(self, result: PGresult) -> None:
        """Raise an error if a command for one row has found several: its key is none any more."""
        if (result.command_tuples or 0) > 1:
            raise Error(
                f'column "{self.table.remote_name(self._rowid)}" does not tell rows of'
                f" {self.table.sql} on the other server apart",
                sqlstate="21000",
                detail=f"A command for one row has found {result.command_tuples}; it is undone.",
                hint="Take the option off the column, ALTER FOREIGN TABLE ... ALTER COLUMN ..."
                " OPTIONS (DROP key), and set it on the one that does.",
                context="",
            )

    def truncate(self, cascade: bool, restart_identity: bool) -> None:
        """Delete all rows."""
        sql = self.table.truncate(cascade, restart_identity)
        self._connection.execute(sql, table=self.table)

    # COPY

    def copy(self, data: bytes, columns: tuple[str, ...]) -> None:
        """Send rows in COPY's text format; where COPY is not possible, by INSERT."""
        takes_copy = self._describe().takes_copy
        if not self.table.missing.isdisjoint(columns):
            data, columns = self._present_lines(data, columns)
        if not takes_copy or not columns:
            self._insert_lines(data, columns)
            return
        if self._copied != columns:
            self.finish()
            self._connection.copy(self, self.table.copy(columns))
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
        return dict(zip(self.table.columns, self._connection.row(result, 0), strict=True))

    def _describe(self) -> Description:
        """Return what the remote table is; it is asked once in each transaction."""
        transaction = transaction_number()
        if self._described is None or self._described[0] != transaction:
            rows = self._connection.query(DESCRIBE_TABLE, (self.table.sql,), self.table)
            if not rows:
                raise table_missing(self._connection.server.name, self.table.sql)
            description = Description(rows)
            if self.table.reads_null:
                self._note_missing(description)
            self._described = (transaction, description)
        return self._described[1]

    # Columns that the remote table lacks

    def learn_missing(self) -> None:
        """Ask which columns the remote table has, if those that it lacks read as NULL.

        Raises:
            Error: the remote server's, that of the connection, or 42703 (undefined_column) if the
                key is missing.
        """
        if self.table.reads_null:
            self._describe()

    def _note_missing(self, description: Description) -> None:
        """Note the columns that are missing; the one that identifies rows must not be."""
        table = self.table
        table.missing = frozenset(
            name for name in table.columns if table.remote_name(name) not in description.types
        )
        if self._rowid in table.missing:
            raise self._column_missing(self._rowid, KEY_MISSING)

    def _present(self, values: Mapping[str, str | None]) -> Mapping[str, str | None]:
        """Return a row without what the remote table lacks, which must be NULL."""
        self.learn_missing()
        missing = self.table.missing
        if missing.isdisjoint(values):
            return values
        for name in missing.intersection(values):
            if values[name] is not None:
                raise self._column_missing(name, ONLY_NULL)
        return {name: value for name, value in values.items() if name not in missing}

    def _present_arrays(
        self, arrays: Sequence[bytes], columns: Sequence[str]
    ) -> tuple[list[bytes], list[str]]:
        """Return the same for arrays."""
        kept = []
        for array, name in zip(arrays, columns, strict=True):
            if name not in self.table.missing:
                kept.append((array, name))
            elif not ALL_NULL.fullmatch(array):
                raise self._column_missing(name, ONLY_NULL)
        return [array for array, _ in kept], [name for _, name in kept]

    def _present_lines(self, data: bytes, columns: Sequence[str]) -> tuple[bytes, tuple[str, ...]]:
        """Return the same for rows in COPY's text format."""
        missing = self.table.missing
        lines = []
        for line in data.removesuffix(b"\n").split(b"\n"):
            kept = []
            for field, name in zip(line.split(b"\t"), columns, strict=True):
                if name not in missing:
                    kept.append(field)
                elif field != b"\\N":
                    raise self._column_missing(name, ONLY_NULL)
            lines.append(b"\t".join(kept) + b"\n")
        return b"".join(lines), tuple(name for name in columns if name not in missing)

    def _column_missing(self, name: str, remedy: str) -> Error:
        """Return the error of a missing column."""
        server, remote = self._connection.server.name, self.table.remote_name(name)
        return column_missing(server, self.table.sql, remote, remedy)

    def require_rowid(self) -> None:
        """Raise an error if ctid does not tell which row is meant."""
        if self._rowid != CTID:
            return
        if not self._describe().has_ctid:
            raise Error(
                f"rows of {self.table.sql} on the other server cannot be told apart",
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
