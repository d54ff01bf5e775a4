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
    from collections.abc import Callable, Hashable, Iterable, Iterator
    from typing import Any, BinaryIO

    from multicorn import ColumnDefinition, Qual, _Marker

    Row = dict[str, Any]

__all__ = ["JsonLinesFdw"]


def _int(value: Any) -> int:
    """Return an int that may have come as text."""
    return int(str(value))


def _str(value: Any) -> str:
    """Return what must be a str."""
    if not isinstance(value, str):
        raise ValueError(f"not a text: {value}")
    return value


def _uuid(value: Any) -> UUID:
    """Return a UUID that may have come as text."""
    return UUID(str(value))


# Which types identify a row, and what makes JSON's values ones of Python's, or is a ValueError.
_KEY_TYPES: dict[str, Callable[[Any], Hashable]] = {
    "smallint": _int,
    "integer": _int,
    "bigint": _int,
    "text": _str,
    "character varying": _str,
    "uuid": _uuid,
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
        Error: an option is missing, wrong or unknown.
    """

    # What an UPDATE does not name stays as it is written.
    omit_unassigned = True

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        unknown = options.keys() - {"filename", "rowid_column"}
        if unknown:
            raise Error(
                f"unknown options: {', '.join(sorted(unknown))}",
                sqlstate="HV00D",
                hint='There are "filename" and "rowid_column".',
            )
        filename = options.get("filename", "")
        if not os.path.isabs(filename):
            raise Error(
                f'option "filename" must be an absolute path, not "{filename}"', sqlstate="HV00D"
            )
        self._file = DurableFile(filename)
        self._rowid_column = options.get("rowid_column")
        self._key_type = _key_type(self._rowid_column, columns)
        self._binary = {
            name
            for name, column in columns.items()
            if column.base_type_name in ("bytea", "bytea[]")
            and column.options.get("value_form") != "text"
        }
        # A float would not keep the digits of a numeric.
        self._decoder = json.JSONDecoder(parse_float=Decimal)
        self._start(serializable=False)

    def _start(self, serializable: bool) -> None:
        """Forget everything about earlier transactions."""
        self._serializable = serializable
        # All that the base class has collected, as it changes the file.
        self._changes = _Changes()
        # The same, as far as scans see it; None if that is to be found out.
        self._seen: _Changes | None = None
        # How much was collected before the statement that is writing.
        self._seen_count: int | None = None
        # The versions of the file that were read.
        self._read: set[Identity] = set()

    def close(self) -> None:
        """Let go of the file."""
        self._file.unlock()

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
        """Yield the objects, as this transaction has left them before the present statement."""
        file = self._open()
        if self._seen is None:
            self._seen = self._replay(self.current_transaction_state[: self._seen_count])
        return self._rows(file, self._seen)

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
        version = identity(file)
        if self._serializable and self._read - {version}:
            file.close()
            raise self._changed_meanwhile()
        self._read.add(version)
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
            row, key = self._parse(line, number)
            if key is None or not changes.concern(key):
                yield row, line if line.endswith(b"\n") else line + b"\n"
                continue
            if key not in changes.changed:
                raise self._duplicate(key)
            values = changes.changed[key]
            if values is not None:
                if key in met:
                    raise self._duplicate(key)
                yield {**row, **values}, None
            met.add(key)
        for key in changes.changed.keys() - met:
            raise Error(
                f'cannot find a row of "{self._file.path}" to change it',
                detail=f'Its "{self._rowid_column}" is {key}.',
            )
        for values in changes.added.values():
            yield dict(values), None

    def _parse(self, line: bytes, number: int) -> tuple[Row, Hashable | None]:
        """Return the object on a line, and what identifies it; None for nothing."""
        try:
            row = self._decoder.decode(line.decode().rstrip())
            if not isinstance(row, dict):
                raise ValueError("not a JSON object")
            return row, self._key(row)
        except (ValueError, RecursionError) as error:
            raise Error(
                f'cannot read line {number} of "{self._file.path}"',
                sqlstate="22032",
                detail=str(error),
            ) from None

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
        self._change("insert", self._written(values))

    def update(self, rowid: Any, new_values: Row, *args: Any, **keywords: Any) -> _Marker | None:
        """Collect a change; SKIPPED if the row has been deleted."""
        self._prepare_to_write(builds_on_scan=True)
        return self._change("update", (rowid, self._written(new_values)))

    def delete(self, rowid: Any, *args: Any, **keywords: Any) -> _Marker | None:
        """Collect a removal; SKIPPED if the row has been deleted."""
        self._prepare_to_write(builds_on_scan=True)
        return self._change("delete", rowid)

    def truncate(self, cascade: bool, restart_identity: bool) -> None:
        """Collect the removal of all rows."""
        self._prepare_to_write(builds_on_scan=False)
        self._change("truncate", None)
        self.end_modify()

    def end_modify(self) -> None:
        """Let scans see what the statement has written."""
        self._seen = self._seen_count = None

    def _prepare_to_write(self, builds_on_scan: bool) -> None:
        """Lock the file, and see that it is what this transaction has read."""
        if not self._file.is_locked:
            self._file.lock()
        outdated = self._read - {self._file.locked_version}
        if outdated and (builds_on_scan or self._serializable):
            raise self._changed_meanwhile()

    def _change(self, kind: str, change: Any) -> _Marker | None:
        """Collect a change."""
        if self._seen_count is None:
            self._seen_count = len(self.current_transaction_state)
        result = self._apply(self._changes, kind, change)
        self.current_transaction_state.append((kind, change))
        return result

    def _replay(self, collected: Iterable[tuple[str, Any]]) -> _Changes:
        """Return how changes that were collected change the file."""
        changes = _Changes()
        for kind, change in collected:
            self._apply(changes, kind, change)
        return changes

    def _apply(self, changes: _Changes, kind: str, change: Any) -> _Marker | None:
        """Note a change among others."""
        if kind == "truncate":
            changes.truncate()
            return None
        if kind == "insert":
            if not changes.insert(self._new_key(changes, change), change):
                raise self._duplicate(self._key(change))
            return None
        if kind == "delete":
            return None if changes.delete(self._key_type(change)) else SKIPPED
        rowid, values = change
        key = self._key_type(rowid)
        if self._rowid_column in values and self._key(values) != key:
            raise Error(
                f'column "{self._rowid_column}" of "{self._file.path}" cannot be changed',
                sqlstate="0A000",
                detail="It identifies the row.",
                hint="Delete the row, and insert another one.",
            )
        return None if changes.update(key, values) else SKIPPED

    def _new_key(self, changes: _Changes, values: Row) -> Hashable:
        """Return what identifies a new row."""
        if self._rowid_column is None:
            return len(changes.added)
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

    def _written(self, values: Row) -> Row:
        """Return new values in forms that JSON has."""
        return {column: self._writable(column, value) for column, value in values.items()}

    def _writable(self, column: str, value: Any) -> Any:
        """Return a value of a column, or one within it, in a form that JSON has."""
        if isinstance(value, list):
            return [self._writable(column, item) for item in value]
        if isinstance(value, dict):
            return {name: self._writable(column, item) for name, item in value.items()}
        if isinstance(value, bytes):
            if column not in self._binary:
                raise Error(
                    f'cannot write the bytea within column "{column}" of "{self._file.path}"',
                    sqlstate="0A000",
                    detail="It would be read as text: only columns of the types bytea and bytea[]"
                    " are known to hold one.",
                    hint="Give the column the option value_form 'text'.",
                )
            return f"\\x{value.hex()}"
        if isinstance(value, float | Decimal) and not isfinite(value):
            return str(Decimal(value))
        return value

    # Transactions
    #
    # An interrupt may end these methods at any point. What decides about the file comes first in
    # them, and begin() takes nothing over from an earlier transaction.

    def begin(self, serializable: bool) -> None:
        """Start with no changes."""
        self._file.unlock()
        super().begin(serializable)
        self._start(serializable)

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
        self._file.commit()
        super().commit()
        self._start(serializable=False)

    def rollback(self) -> None:
        """Forget that version."""
        self._file.rollback()
        super().rollback()
        self._start(serializable=False)

    def sub_rollback(self, level: int) -> None:
        """Forget the changes since the savepoint."""
        super().sub_rollback(level)
        self._changes = self._replay(self.current_transaction_state)
        self._seen = None


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
    """Return an object as a line of JSON; a lone surrogate is escaped as JSON does."""
    return f"{dump(row, allow_nan=True)}\n".encode(errors="backslashreplace")


def _bytes(value: Any) -> Any:
    """Return the bytes, or the list of them, that the text of a bytea stands for."""
    if isinstance(value, list):
        return [_bytes(item) for item in value]
    if isinstance(value, str) and value.startswith("\\x"):
        return bytes.fromhex(value[2:])
    return value
