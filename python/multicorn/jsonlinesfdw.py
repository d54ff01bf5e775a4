"""A file of JSON objects, one on each line, as a table that can be written in real transactions.

CREATE FOREIGN TABLE notes (id bigint, body text, at timestamptz)
    SERVER multicorn_srv
    OPTIONS (wrapper 'multicorn.jsonlinesfdw.JsonLinesFdw',
             filename '/srv/notes.jsonl', rowid_column 'id');

An example of a wrapper that writes safely: its changes and those of the local transaction are there
together or not at all, whenever the power fails.

1. The first write locks the file against other writers, until the transaction ends.
2. Changes are collected. `pre_commit` writes the whole new version of the file beside it, then a
   journal that names this version and the local transaction, each forced to disk.
3. PostgreSQL commits: that decides.
4. `commit` renames the new version over the file, and removes the journal.

Whoever finds a journal asks PostgreSQL what has become of the transaction. If it has committed, the
version that the journal names is the file's content, renamed yet or not; otherwise it is rubbish.
Readers take no lock, since an open file keeps its content when another is renamed over it.

All of that is in `multicorn._durable_file`, which knows nothing of rows; this module knows nothing
of disks.
"""

from __future__ import annotations

import json
import os
from decimal import Decimal
from math import isfinite
from uuid import UUID

from multicorn import SKIPPED, Error, TransactionAwareForeignDataWrapper
from multicorn._durable_file import DurableFile, Identity, identity
from multicorn._json import dump
from multicorn.utils import current_transaction_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator
    from typing import Any, BinaryIO

    from multicorn import ColumnDefinition, Qual, _Marker

    Row = dict[str, Any]

__all__ = ["JsonLinesFdw"]

# Which types identify a row, and what makes JSON's values ones of Python's.
_KEY_TYPES: dict[str, Callable[[Any], Hashable]] = {
    "smallint": int,
    "integer": int,
    "bigint": int,
    "text": str,
    "character varying": str,
    "uuid": lambda value: UUID(str(value)),
}

# How much of a file is looked at to estimate how many lines it has, in bytes.
_SAMPLE_SIZE = 8192


class JsonLinesFdw(TransactionAwareForeignDataWrapper):
    """The objects in a file, by the names of the columns.

    What an object has beside the columns is kept when the row changes. A transaction sees its own
    changes, others see them once it has committed. One that writes waits for others that do.

    Args:
        options: `filename`, an absolute path; a file that is not there is an empty table, and made
            by the first write. `rowid_column`, the column that identifies a row, of an integer,
            character or uuid type; without it rows can only be inserted.
        columns: any columns. What JSON has no form for, such as bytea, is text there, as
            PostgreSQL writes it.

    Raises:
        Error: an option is missing or wrong.
    """

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        filename = options.get("filename", "")
        if not os.path.isabs(filename):
            raise Error(
                f'option "filename" must be an absolute path, not "{filename}"', sqlstate="HV00D"
            )
        self._file = DurableFile(filename)
        self._rowid_column = options.get("rowid_column")
        self._key_type = _key_type(self._rowid_column, columns)
        self._binary = [
            name for name in columns if columns[name].base_type_name in ("bytea", "bytea[]")
        ]
        # A float would not keep the digits of a numeric.
        self._decoder = json.JSONDecoder(parse_float=Decimal)
        self._serializable = False
        self._changes = _Changes()
        self._has_read = False
        self._version: Identity = None
        self._locked_version: Identity = None

    @property
    def rowid_column(self) -> str | None:
        """The option of that name."""
        return self._rowid_column

    # Reading

    def get_rel_size(self, quals: list[Qual], columns: list[str]) -> tuple[float, float]:
        """Estimate the number of lines, and their width, from the first ones."""
        with self._file.open() as file:
            sample = file.read(_SAMPLE_SIZE)
            size = file.seek(0, os.SEEK_END)
        width = len(sample) / max(1, sample.count(b"\n"))
        return size / max(1, width), width

    def execute(self, quals: list[Qual], columns: list[str]) -> Iterator[Row]:
        """Yield the objects, as this transaction sees them now."""
        return self._rows(self._open(), self._changes.copy())

    def _rows(self, file: BinaryIO, changes: _Changes) -> Iterator[Row]:
        """Yield the objects of a file with changes."""
        with file:
            for row, _ in self._merge(file, changes):
                for name in self._binary:
                    row[name] = _bytes(row.get(name))
                yield row

    def _open(self) -> BinaryIO:
        """Open the version of the file that this transaction reads."""
        file = self._file.open()
        found = identity(file)
        if self._serializable and self._has_read and found != self._version:
            file.close()
            raise self._changed_meanwhile()
        self._has_read = True
        self._version = found
        return file

    def _changed_meanwhile(self) -> Error:
        """Return the error of a transaction that builds on what is there no more."""
        return Error(
            "could not serialize access due to concurrent update",
            sqlstate="40001",
            detail=f'"{self._file.path}" has changed since this transaction has read it.',
            hint="Repeat the transaction.",
        )

    def _merge(self, file: BinaryIO, changes: _Changes) -> Iterator[tuple[Row, bytes | None]]:
        """Yield the objects of a file with changes, each with its line if that is unchanged."""
        met = set()
        for number, line in enumerate(() if changes.truncated else file, 1):
            if line.isspace():
                continue
            row = self._parse(line, number)
            key = self._key(row)
            if key is None or not changes.concern(key):
                yield row, line if line.endswith(b"\n") else line + b"\n"
                continue
            if key in met or key not in changes.changed:
                raise self._duplicate(key)
            met.add(key)
            values = changes.changed[key]
            if values is not None:
                yield {**row, **values}, None
        for values in changes.added.values():
            yield values, None

    def _parse(self, line: bytes, number: int) -> Row:
        """Return the object on a line."""
        try:
            row = self._decoder.decode(line.decode().rstrip())
        except ValueError as error:
            raise Error(
                f'line {number} of "{self._file.path}" is not JSON',
                sqlstate="22032",
                detail=str(error),
            ) from None
        if not isinstance(row, dict):
            raise Error(
                f'line {number} of "{self._file.path}" is not a JSON object', sqlstate="22032"
            )
        return row

    def _key(self, row: Row) -> Hashable | None:
        """Return what identifies a row; None for nothing."""
        value = None if self._rowid_column is None else row.get(self._rowid_column)
        return None if value is None else self._key_type(value)

    # Writing

    def insert(self, values: Row, *args: Any, **keywords: Any) -> None:
        """Collect a new row.

        Raises:
            Error: the column that identifies it is NULL, or this transaction knows that there is
                such a row. If there is one in the file, that is found at the commit.
        """
        self._prepare_to_write(builds_on_scan=False)
        self._change("insert", values)

    def update(self, rowid: Any, new_values: Row, *args: Any, **keywords: Any) -> _Marker | None:
        """Collect a change; SKIPPED if the row has been deleted."""
        self._prepare_to_write(builds_on_scan=True)
        return self._change("update", (rowid, new_values))

    def delete(self, rowid: Any, *args: Any, **keywords: Any) -> _Marker | None:
        """Collect a removal; SKIPPED if the row has been deleted."""
        self._prepare_to_write(builds_on_scan=True)
        return self._change("delete", rowid)

    def truncate(self, cascade: bool, restart_identity: bool) -> None:
        """Collect the removal of all rows."""
        self._prepare_to_write(builds_on_scan=False)
        self._change("truncate", None)

    def _prepare_to_write(self, builds_on_scan: bool) -> None:
        """Lock the file, and see that it is what this transaction has read."""
        if not self._file.is_locked:
            self._file.lock()
            with self._file.open() as file:
                self._locked_version = identity(file)
        if (
            self._has_read
            and (builds_on_scan or self._serializable)
            and self._version != self._locked_version
        ):
            raise self._changed_meanwhile()

    def _change(self, kind: str, change: Any) -> _Marker | None:
        """Collect a change."""
        result = self._apply(kind, change)
        self.current_transaction_state.append((kind, change))
        return result

    def _apply(self, kind: str, change: Any) -> _Marker | None:
        """Note a change among those that a scan merges with the file."""
        changes = self._changes
        if kind == "truncate":
            changes.truncate()
            return None
        if kind == "insert":
            if not changes.insert(self._new_key(change), change):
                raise self._duplicate(self._key(change))
            return None
        if kind == "delete":
            return None if changes.delete(self._key_type(change)) else SKIPPED
        rowid, values = change
        if self._key(values) != self._key_type(rowid):
            raise Error(
                f'column "{self._rowid_column}" of "{self._file.path}" cannot be changed',
                sqlstate="0A000",
                detail="It identifies the row.",
                hint="Delete the row, and insert another one.",
            )
        return None if changes.update(self._key_type(rowid), values) else SKIPPED

    def _new_key(self, values: Row) -> Hashable:
        """Return what identifies a new row."""
        if self._rowid_column is None:
            return len(self._changes.added)
        key = self._key(values)
        if key is None:
            raise Error(
                f'null value in column "{self._rowid_column}" of "{self._file.path}"',
                sqlstate="23502",
                detail="It identifies the row.",
            )
        return key

    def _duplicate(self, key: Hashable) -> Error:
        """Return the error of two rows that cannot be told apart."""
        return Error(
            f'two rows of "{self._file.path}" would have the same "{self._rowid_column}"',
            sqlstate="23505",
            detail=f"It is {key}.",
        )

    # Transactions

    def begin(self, serializable: bool) -> None:
        """Start with no changes."""
        super().begin(serializable)
        self._serializable = serializable
        self._changes = _Changes()
        self._has_read = False

    def pre_commit(self) -> None:
        """Write the next version of the file."""
        if self._changes.is_empty:
            return
        with self._file.open() as file:
            lines = (
                _encode(row) if line is None else line
                for row, line in self._merge(file, self._changes)
            )
            self._file.prepare(lines, current_transaction_id())

    def commit(self) -> None:
        """Have that version take the file's place."""
        super().commit()
        self._changes = _Changes()
        self._file.commit()

    def rollback(self) -> None:
        """Forget that version."""
        super().rollback()
        self._changes = _Changes()
        self._file.rollback()

    def sub_rollback(self, level: int) -> None:
        """Forget the changes since the savepoint."""
        super().sub_rollback(level)
        self._changes = _Changes()
        for kind, change in self.current_transaction_state:
            self._apply(kind, change)


class _Changes:
    """What a transaction has changed.

    Attributes:
        added: new rows, by what identifies them.
        changed: new values of rows that are in the file, by what identifies them; None for a row
            that was deleted.
        truncated: whether nothing of the file is left.
    """

    def __init__(self) -> None:
        self.added: dict[Hashable, Row] = {}
        self.changed: dict[Hashable, Row | None] = {}
        self.truncated = False

    @property
    def is_empty(self) -> bool:
        """Whether the file stays as it is."""
        return not (self.added or self.changed or self.truncated)

    def copy(self) -> _Changes:
        """Return what further changes do not touch."""
        other = _Changes()
        other.added = self.added.copy()
        other.changed = self.changed.copy()
        other.truncated = self.truncated
        return other

    def concern(self, key: Hashable) -> bool:
        """Return whether they say anything about a row."""
        return key in self.changed or key in self.added

    def truncate(self) -> None:
        """Delete all rows."""
        self.added.clear()
        self.changed.clear()
        self.truncated = True

    def insert(self, key: Hashable, values: Row) -> bool:
        """Add a row; False if there is one."""
        if key in self.added or self.changed.get(key) is not None:
            return False
        self.added[key] = values
        return True

    def update(self, key: Hashable, values: Row) -> bool:
        """Change a row; False if it has been deleted."""
        if key in self.added:
            self.added[key] = {**self.added[key], **values}
        elif self._is_deleted(key):
            return False
        else:
            self.changed[key] = {**(self.changed.get(key) or {}), **values}
        return True

    def delete(self, key: Hashable) -> bool:
        """Delete a row; False if it has been deleted before."""
        if key in self.added:
            del self.added[key]
        elif self._is_deleted(key):
            return False
        else:
            self.changed[key] = None
        return True

    def _is_deleted(self, key: Hashable) -> bool:
        """Return whether a row of the file has been deleted."""
        return self.truncated or (key in self.changed and self.changed[key] is None)


def _key_type(name: str | None, columns: dict[str, ColumnDefinition]) -> Callable[[Any], Hashable]:
    """Return what makes the values of the column comparable that identifies rows."""
    if name is None:
        return str
    if name not in columns:
        raise Error(f'option "rowid_column" names no column: "{name}"', sqlstate="HV005")
    base_type = columns[name].base_type_name
    if base_type not in _KEY_TYPES:
        raise Error(
            f'column "{name}" of type {base_type} cannot identify rows',
            sqlstate="HV004",
            hint=f"Use one of {', '.join(_KEY_TYPES)}.",
        )
    return _KEY_TYPES[base_type]


def _encode(row: Row) -> bytes:
    """Return an object as a line of JSON."""
    return f"{dump({name: _writable(value) for name, value in row.items()})}\n".encode()


def _writable(value: Any) -> Any:
    """Return a value in a form that JSON has."""
    if isinstance(value, list):
        return [_writable(item) for item in value]
    if isinstance(value, dict):
        return {name: _writable(item) for name, item in value.items()}
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    if isinstance(value, float | Decimal) and not isfinite(value):
        return str(value)
    return value


def _bytes(value: Any) -> Any:
    """Return the bytes, or the list of them, that the text of a bytea stands for."""
    if isinstance(value, list):
        return [_bytes(item) for item in value]
    if isinstance(value, str) and value.startswith("\\x"):
        return bytes.fromhex(value[2:])
    return value
