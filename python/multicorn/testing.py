"""Run a wrapper's reads and writes from plain Python, to test it without a database.

    from multicorn.testing import Table

    def test_reads():
        table = Table("myfdw.ConstantForeignDataWrapper", {"test": "text"})
        assert table.select(limit=2) == [{"test": "test 0"}, {"test": "test 1"}]

A `Table` calls the wrapper as the server does, and holds it to the same rules: which keywords
are passed, what a row looks like, when `end_scan` is called, which hook of a transaction comes
when. It does not convert values: they are what the wrapper sends.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Any

from multicorn import (
    ANY,
    SKIPPED,
    ColumnDefinition,
    Error,
    Qual,
    SortKey,
    _Marker,
    _transactions,
    get_class,
)
from multicorn._describe import summary
from multicorn._server import close, construct, implements
from multicorn.expressions import Expression

__all__ = ["Table"]

# In a mapping, str or ColumnDefinition; mypy would not infer a dict that has both.
Columns = Mapping[str, Any] | Iterable[ColumnDefinition]
Row = dict[str, Any]


class Table:
    """A foreign table without a server.

    Outside `transaction`, each method is a transaction of its own.

    Args:
        wrapper: the class, or its path `package.module.Class`.
        columns: the columns, in table order: name -> type, as SQL writes it, or ColumnDefinition;
            or an iterable of ColumnDefinition.
        options: what the OPTIONS of server, table and user mapping come to.
        name: the name of the table, which is in the schema public of a server called "server".

    Attributes:
        wrapper: the instance.
        columns: name -> ColumnDefinition.

    Raises:
        Error: the class cannot be imported.
    """

    def __init__(
        self,
        wrapper: type | str,
        columns: Columns,
        options: Mapping[str, str] | None = None,
        name: str = "table",
    ) -> None:
        cls: Any = get_class(wrapper) if isinstance(wrapper, str) else wrapper
        self.columns = _column_definitions(columns)
        place: tuple[Any, ...] = (
            "public",
            name,
            0,
            {},
            "server",
            0,
            "postgres",
            10,
            0,
            True,
            {},
            {},
            None,
        )
        self.wrapper: Any
        self.wrapper, _ = construct(place, cls, dict(options or {}), dict(self.columns))
        self._transaction: _Transaction | None = None

    def __enter__(self) -> Table:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the wrapper's instance, as the server does when it drops it."""
        close(self.wrapper)

    # Reading

    def select(
        self,
        columns: Iterable[str] | None = None,
        quals: Iterable[Qual | tuple[Any, ...]] = (),
        sortkeys: Iterable[SortKey | str] = (),
        limit: int | None = None,
        offset: int | None = None,
        filters: Sequence[Expression] = (),
        recheck: bool = True,
    ) -> list[Row]:
        """Return the rows that a query would return.

        What the wrapper promises in `can_sort`, `can_limit` and `can_filter` is passed to
        `execute`; what it does not is done here, as the server would. Text is ordered by code
        points.

        Args:
            columns: the columns to return, all if not given. The wrapper is also asked for those
                of `quals` and `sortkeys`.
            quals: conditions, as Qual or as its arguments in a tuple.
            sortkeys: ORDER BY, as SortKey or as the name of a column.
            limit: LIMIT.
            offset: OFFSET.
            filters: conditions as expressions. Those that `can_filter` does not enforce are left
                to `quals`.
            recheck: leave out rows that do not satisfy the quals, as the server does. Only
                comparisons and LIKE, of values of one kind, can be decided here.

        Raises:
            Error: a row has the wrong shape, or a column does not exist.
            AssertionError: the wrapper did not deliver what it promised.
        """
        conditions = [self._qual(qual) for qual in quals]
        keys = [self._sort_key(key) for key in sortkeys]
        shown = self._column_list(columns)
        needed = {*shown, *(qual.field_name for qual in conditions), *(key[0] for key in keys)}
        with self._statement():
            promised = self._promised_keys(keys)
            enforced = self._enforced_filters(filters)
            exact = len(enforced) == len(filters) if filters else not conditions
            pushed = exact and promised == keys and self._applies_limit(limit, offset)
            scan = self._scan(
                conditions,
                self._column_list(needed),
                sortkeys=promised,
                limit=limit if pushed else None,
                offset=offset if pushed else None,
                filters=enforced,
            )
            try:
                rows: Iterator[Row] = _in_order(scan, promised) if promised else scan
                if conditions and recheck:
                    rows = (row for row in rows if all(_satisfies(row, q) for q in conditions))
                if promised != keys:
                    rows = iter(_sorted(list(rows), keys))
                if not pushed:
                    start = offset or 0
                    rows = islice(rows, start, None if limit is None else start + limit)
                found = [{name: row[name] for name in shown} for row in rows]
            finally:
                scan.close()
        if pushed and limit is not None and len(found) > limit:
            raise AssertionError(f"can_limit promised {limit} rows, execute sent {len(found)}")
        return found

    def scan(
        self,
        quals: Iterable[Qual | tuple[Any, ...]] = (),
        columns: Iterable[str] | None = None,
        sortkeys: Iterable[SortKey | str] = (),
        limit: int | None = None,
        offset: int | None = None,
        filters: Sequence[Expression] = (),
    ) -> Generator[Row]:
        """Yield the rows of one `execute`, one at a time and as they come.

        The wrapper is not asked what it can do: what is given here is passed, and nothing is
        checked or sorted again. Closing the generator ends the scan early.

        Args:
            quals: as for `select`.
            columns: the columns to ask for, all if not given.
            sortkeys: as for `select`.
            limit: passed if given.
            offset: passed if given.
            filters: passed if there are any.

        Raises:
            Error: a row has the wrong shape, or a column does not exist.
        """
        conditions = [self._qual(qual) for qual in quals]
        keys = [self._sort_key(key) for key in sortkeys]
        asked = self._column_list(columns)
        with self._statement():
            try:
                yield from self._scan(
                    conditions,
                    asked,
                    sortkeys=keys,
                    limit=limit,
                    offset=offset,
                    filters=list(filters),
                )
            except GeneratorExit:
                return  # ending early is no error

    def explain(
        self,
        quals: Iterable[Qual | tuple[Any, ...]] = (),
        columns: Iterable[str] | None = None,
        verbose: bool = False,
        **keywords: Any,
    ) -> list[str]:
        """Return the lines that the wrapper adds to EXPLAIN.

        Args:
            quals: as for `select`.
            columns: as for `select`.
            verbose: EXPLAIN (VERBOSE).
            **keywords: those of `execute`.
        """
        method = getattr(self.wrapper, "explain", None)
        if method is None:
            return []
        conditions = [self._qual(qual) for qual in quals]
        given = _carried(verbose=verbose, **keywords)
        with self._statement():
            try:
                return [
                    str(line) for line in method(conditions, self._column_list(columns), **given)
                ]
            except Exception as error:
                return [summary(error)]

    def _scan(self, quals: list[Qual], columns: list[str], **keywords: Any) -> Generator[Row]:
        """Yield the rows of one `execute`, and end its scan."""
        iterator: Iterator[Any] = iter(())
        try:
            rows = self.wrapper.execute(quals, columns, **_carried(**keywords))
            if rows is None:
                return
            if not isinstance(rows, Iterable) and not hasattr(rows, "__getitem__"):
                raise Error(f"execute must return an iterable of rows, not {_type(rows)}")
            iterator = iter(rows)
            for row in iterator:
                if row is None:
                    return
                for one in row if _is_result(row) else (row,):
                    yield self._row(one, columns)
        finally:
            try:
                if isinstance(iterator, Generator):
                    iterator.close()
            finally:
                end_scan = getattr(self.wrapper, "end_scan", None)
                if end_scan is not None:
                    end_scan()

    def _row(self, row: Any, columns: list[str]) -> Row:
        """Return what a row of any shape holds for some columns."""
        if isinstance(row, dict):
            return {name: row.get(name) for name in columns}
        if hasattr(row, "keys"):
            names = row.keys()
            return {name: row[name] if name in names else None for name in columns}
        is_sequence = hasattr(type(row), "__getitem__") and hasattr(type(row), "__len__")
        if not is_sequence or isinstance(row, str | bytes | bytearray):
            raise Error(f"row must be a mapping or a sequence, not {_type(row)}", sqlstate="42804")
        if len(row) != len(self.columns):
            raise Error(
                f"row has {_count(len(row), 'item')}, "
                f"table has {_count(len(self.columns), 'column')}",
                sqlstate="42804",
            )
        values = dict(zip(self.columns, row, strict=True))
        return {name: values[name] for name in columns}

    def _promised_keys(self, keys: list[SortKey]) -> list[SortKey]:
        """Return the leading sort keys that the wrapper will deliver."""
        can_sort = getattr(self.wrapper, "can_sort", None)
        if not keys or can_sort is None:
            return []
        promised = list(can_sort(list(keys)) or [])
        if promised != keys[: len(promised)]:
            raise AssertionError(f"can_sort returned {promised}, which do not lead {keys}")
        return promised

    def _enforced_filters(self, filters: Sequence[Expression]) -> list[Any]:
        """Return the filters that the wrapper enforces."""
        can_filter = getattr(self.wrapper, "can_filter", None)
        if not filters or can_filter is None:
            return []
        enforced = list(can_filter(list(filters)) or [])
        if not all(one in filters for one in enforced):
            raise AssertionError(f"can_filter returned {enforced}, which are not all of {filters}")
        return enforced

    def _applies_limit(self, limit: int | None, offset: int | None) -> bool:
        """Return whether the wrapper applies LIMIT and OFFSET."""
        if limit is None and offset is None:
            return False
        can_limit = getattr(self.wrapper, "can_limit", None)
        return can_limit is not None and bool(can_limit(limit, offset))

    def _qual(self, qual: Qual | tuple[Any, ...]) -> Qual:
        """Return a condition as a Qual on a column of the table."""
        qual = Qual(*qual) if isinstance(qual, tuple) else qual
        self._check_columns([qual.field_name])
        return qual

    def _sort_key(self, key: SortKey | str) -> SortKey:
        """Return a sort key with the number of its column."""
        name = key if isinstance(key, str) else key.attname
        self._check_columns([name])
        number = list(self.columns).index(name) + 1
        return SortKey(name, number) if isinstance(key, str) else SortKey(name, number, *key[2:])

    def _column_list(self, names: Iterable[str] | None) -> list[str]:
        """Return the named columns, all if None, in table order."""
        if names is None:
            return list(self.columns)
        wanted = set(names)
        self._check_columns(wanted)
        return [name for name in self.columns if name in wanted]

    def _check_columns(self, names: Iterable[str]) -> None:
        """Raise an error for a name that is no column."""
        for name in names:
            if name not in self.columns:
                raise Error(f'column "{name}" does not exist', sqlstate="42703")

    # Writing

    def insert(self, values: Mapping[str, Any], on_conflict_nothing: bool = False) -> Row | _Marker:
        """Insert a row.

        Args:
            values: column -> value; a column left out is NULL, or not in what the wrapper gets if
                it says `omit_unassigned`.
            on_conflict_nothing: ON CONFLICT DO NOTHING.

        Returns:
            The row that RETURNING would show, or `SKIPPED`.

        Raises:
            Error: the wrapper does not implement it, or a column does not exist.
        """
        insert = self._write_method("insert")
        keywords = self._conflict_keyword(on_conflict_nothing)
        with self._statement(writes=True):
            sent = self._written(values)
            return self._returned("insert", sent, insert(dict(sent), **keywords))

    def insert_many(
        self, rows: Iterable[Mapping[str, Any]], on_conflict_nothing: bool = False
    ) -> list[Row | _Marker]:
        """Insert rows in one statement, by `bulk_insert` if `modify_batch_size` is more than 1.

        Args:
            rows: each as `values` of `insert`.
            on_conflict_nothing: ON CONFLICT DO NOTHING.

        Returns:
            For each row what `insert` would return.

        Raises:
            Error: the wrapper implements neither way, a column does not exist, or `bulk_insert`
                returned another number of rows.
        """
        size = getattr(self.wrapper, "modify_batch_size", 1)
        bulk = size > 1 and implements(type(self.wrapper), "bulk_insert")
        method = self._write_method("bulk_insert" if bulk else "insert")
        keywords = self._conflict_keyword(on_conflict_nothing)
        done: list[Row | _Marker] = []
        with self._statement(writes=True):
            sent = [self._written(row) for row in rows]
            if not bulk:
                return [
                    self._returned("insert", row, method(dict(row), **keywords)) for row in sent
                ]
            for start in range(0, len(sent), size):
                batch = sent[start : start + size]
                returned = method([dict(row) for row in batch], **keywords)
                if returned is None:
                    returned = [None] * len(batch)
                if len(returned) != len(batch):
                    raise Error(
                        f"bulk_insert returned {_count(len(returned), 'row')} "
                        f"for {_count(len(batch), 'row')}"
                    )
                done += [
                    self._returned("bulk_insert", row, one)
                    for row, one in zip(batch, returned, strict=True)
                ]
        return done

    def update(self, rowid: Any, new_values: Mapping[str, Any]) -> Row | _Marker:
        """Update the row that `rowid` identifies.

        Args:
            rowid: the value of the wrapper's `rowid_column`.
            new_values: column -> value. If columns are left out, their values are read from the
                wrapper first, as an UPDATE does, unless it says `omit_unassigned`.

        Returns:
            The row that RETURNING would show, or `SKIPPED`.

        Raises:
            Error: the wrapper does not implement it, a column does not exist, or the row to
                complete is not there.
        """
        update = self._write_method("update")
        self._check_columns(new_values)
        with self._statement(writes=True):
            column = self._checked_rowid_column(rowid)
            old: Row = {}
            if len(new_values) < len(self.columns) and not self._omits_unassigned():
                qual = Qual(column, "=", rowid)
                rows = self._scan([qual], list(self.columns))
                old = next((row for row in rows if _satisfies(row, qual)), old)
                rows.close()
                if not old:
                    raise Error(f'there is no row with "{column}" = {rowid!r}', sqlstate="02000")
            sent = self._written({**old, **new_values})
            return self._returned("update", sent, update(rowid, dict(sent)))

    def delete(self, rowid: Any) -> _Marker | None:
        """Delete the row that `rowid` identifies.

        Args:
            rowid: the value of the wrapper's `rowid_column`.

        Returns:
            None, or `SKIPPED`.

        Raises:
            Error: the wrapper does not implement it.
        """
        delete = self._write_method("delete")
        with self._statement(writes=True):
            self._checked_rowid_column(rowid)
            return SKIPPED if delete(rowid) is SKIPPED else None

    def truncate(self, cascade: bool = False, restart_identity: bool = False) -> None:
        """Delete all rows.

        Args:
            cascade: TRUNCATE ... CASCADE.
            restart_identity: TRUNCATE ... RESTART IDENTITY.

        Raises:
            Error: the wrapper does not implement it.
        """
        truncate = self._write_method("truncate")
        with self._statement():
            truncate(cascade, restart_identity)

    @property
    def rowid_column(self) -> str | None:
        """The column that identifies a row, None if rows cannot be changed.

        The wrapper may give it as a property, an attribute or a method.
        """
        column = getattr(self.wrapper, "rowid_column", None)
        if callable(column):
            column = column()
        if column is not None and column not in self.columns:
            raise Error(f'rowid column "{column}" does not exist', sqlstate="42703")
        return None if column is None else str(column)

    def _checked_rowid_column(self, rowid: Any) -> str:
        """Return the rowid column; raise an error if there is none, or the rowid is NULL."""
        column = self.rowid_column
        if column is None:
            raise Error(f"{_type(self.wrapper)} has no rowid_column", sqlstate="0A000")
        if rowid is None:
            raise Error(f'rowid column "{column}" is NULL', sqlstate="22004")
        return column

    def _write_method(self, name: str) -> Any:
        """Return a method that writes; raise an error if the wrapper does not define it."""
        if not implements(type(self.wrapper), name):
            raise Error(f"{_type(self.wrapper)} does not implement {name}", sqlstate="0A000")
        return getattr(self.wrapper, name)

    def _conflict_keyword(self, on_conflict_nothing: bool) -> dict[str, bool]:
        """Return the keyword for ON CONFLICT DO NOTHING, if the wrapper lets it through."""
        if on_conflict_nothing and not getattr(self.wrapper, "on_conflict_nothing", False):
            raise Error(
                f"{_type(self.wrapper)} does not support ON CONFLICT DO NOTHING", sqlstate="0A000"
            )
        return _carried(on_conflict_nothing=on_conflict_nothing)

    def _omits_unassigned(self) -> bool:
        """Return whether the wrapper gets only what was assigned."""
        return bool(getattr(self.wrapper, "omit_unassigned", False))

    def _written(self, values: Mapping[str, Any]) -> Row:
        """Return the values as the wrapper gets them."""
        self._check_columns(values)
        written = {}
        for name, column in self.columns.items():
            if name not in values and self._omits_unassigned():
                continue
            value = values.get(name)
            if value is not None or column.options.get("generated") != "remote":
                written[name] = value
        return written

    def _returned(self, method: str, sent: Row, returned: Any) -> Row | _Marker:
        """Return the row that is there after a write."""
        if isinstance(returned, _Marker) and returned is SKIPPED:
            return returned
        if returned is None:
            return {name: sent.get(name) for name in self.columns}
        if not hasattr(returned, "keys"):
            raise Error(
                f"{method} must return a mapping, None or SKIPPED, not {_type(returned)}",
                sqlstate="42804",
            )
        names = returned.keys()
        row: Row = {}
        for name in self.columns:
            row[name] = returned[name] if name in names else sent.get(name)
        return row

    # Transactions

    @contextmanager
    def transaction(self, serializable: bool = False) -> Iterator[Table]:
        """Run what is in the block as one transaction.

        The wrapper's `begin` comes before its first use; at the end `pre_commit` and `commit`, or
        `rollback` after an exception. After an error in a statement that was caught within the
        block, the transaction can only be rolled back, unless it happened in a savepoint. A
        failing `commit` or `rollback` is a warning, as in the server.

        Args:
            serializable: the isolation level is REPEATABLE READ or SERIALIZABLE.

        Raises:
            Error: there is a transaction already, or the wrapper can no longer commit.
        """
        if self._transaction is not None:
            raise Error("there is already a transaction in progress", sqlstate="25001")
        transaction = self._transaction = _Transaction(serializable)
        try:
            yield self
            if not transaction.failed:
                self._prepare(transaction)
        except BaseException:
            transaction.failed = True
            raise
        finally:
            _transactions.end(transaction.id, not transaction.failed)
            if transaction.begun:
                self._cleanup_hook("rollback" if transaction.failed else "commit")
            self._transaction = None

    @contextmanager
    def savepoint(self) -> Iterator[int]:
        """Run what is in the block within a savepoint, and yield its level.

        An exception rolls back to the savepoint and passes on; catch it outside the block to go
        on with the transaction.

        Raises:
            Error: there is no transaction, or an error was caught within the block.
        """
        transaction = self._transaction
        if transaction is None:
            raise Error("SAVEPOINT can only be used in transaction blocks", sqlstate="25P01")
        self._check_not_failed(transaction)
        level = len(transaction.savepoints) + 2
        transaction.savepoints.append(False)
        try:
            yield level
            self._check_not_failed(transaction)
            if transaction.savepoints[-1]:
                self._hook("sub_commit", level)
            transaction.savepoints.pop()
        except BaseException:
            if transaction.savepoints.pop() and not self._cleanup_hook("sub_rollback", level):
                transaction.doomed = True
            transaction.failed = False
            raise

    @contextmanager
    def _statement(self, writes: bool = False) -> Iterator[None]:
        """Run a statement, in a transaction of its own if there is none."""
        if self._transaction is None:
            with self.transaction(), self._statement(writes):
                yield
            return
        transaction = self._transaction
        self._check_not_failed(transaction)
        try:
            self._take_part(transaction)
            yield
            if writes:
                self._hook("end_modify")
        except BaseException:
            transaction.failed = True
            raise

    def _take_part(self, transaction: _Transaction) -> None:
        """Have the wrapper take part in a transaction and its savepoints."""
        if transaction.doomed:
            raise _doomed()
        if not transaction.begun:
            self._hook("begin", transaction.serializable)
            transaction.begun = True
        for index, begun in enumerate(transaction.savepoints):
            if not begun:
                self._hook("sub_begin", index + 2)
                transaction.savepoints[index] = True

    def _prepare(self, transaction: _Transaction) -> None:
        """Prepare to commit, as far as the wrapper took part."""
        if not transaction.begun:
            return
        if transaction.doomed:
            raise _doomed()
        self._hook("pre_commit")

    def _hook(self, name: str, *args: Any) -> None:
        """Call a method if the wrapper has it."""
        method = getattr(self.wrapper, name, None)
        if method is not None:
            method(*args)

    def _cleanup_hook(self, name: str, *args: Any) -> bool:
        """Call a method whose failure is only a warning; return whether it succeeded."""
        try:
            self._hook(name, *args)
        except Exception as error:
            warnings.warn(f"{name} raised {summary(error)}", RuntimeWarning, stacklevel=2)
            return False
        return True

    def _check_not_failed(self, transaction: _Transaction) -> None:
        """Raise an error if the transaction has failed."""
        if transaction.failed:
            raise Error(
                "current transaction is aborted, commands ignored until end of transaction block",
                sqlstate="25P02",
            )


class _Transaction:
    """How far a transaction has come."""

    def __init__(self, serializable: bool) -> None:
        self.id = _transactions.begin()
        self.serializable = serializable
        self.begun = False
        self.failed = False
        self.doomed = False
        self.savepoints: list[bool] = []  # for each, whether the wrapper takes part


def _doomed() -> Error:
    """Return the error of a wrapper that could not roll back to a savepoint."""
    return Error(
        "transaction cannot go on because sub_rollback failed: it can only be rolled back",
        sqlstate="25000",
    )


def _carried(**keywords: Any) -> dict[str, Any]:
    """Return the keywords that carry something."""
    return {
        name: value
        for name, value in keywords.items()
        if value is not None and value is not False and value != []
    }


def _is_result(row: object) -> bool:
    """Return whether this is `multicorn.libpq.ResultRows`, which only a user of it has imported."""
    module = sys.modules.get("multicorn.libpq")
    return module is not None and isinstance(row, module.ResultRows)


def _type(value: object) -> str:
    """Return the name of a value's type."""
    return type(value).__name__


def _count(number: int, noun: str) -> str:
    """Return a number of things in words."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


# What PostgreSQL's format_type makes of the names that people write, and the OID in pg_type.
_TYPES = {
    "boolean": ("bool", 16),
    "bytea": ("", 17),
    "name": ("", 19),
    "bigint": ("int8", 20),
    "smallint": ("int2", 21),
    "integer": ("int4 int", 23),
    "text": ("", 25),
    "oid": ("", 26),
    "json": ("", 114),
    "real": ("float4", 700),
    "double precision": ("float8 float", 701),
    "character": ("char", 1042),
    "character varying": ("varchar", 1043),
    "date": ("", 1082),
    "time without time zone": ("time", 1083),
    "timestamp without time zone": ("timestamp", 1114),
    "timestamp with time zone": ("timestamptz", 1184),
    "interval": ("", 1186),
    "time with time zone": ("timetz", 1266),
    "numeric": ("decimal", 1700),
    "uuid": ("", 2950),
    "jsonb": ("", 3802),
}
_ALIASES = {alias: name for name, (aliases, _) in _TYPES.items() for alias in aliases.split()}


def _column_definitions(columns: Columns) -> dict[str, ColumnDefinition]:
    """Return definitions of columns that were given in any way."""
    if isinstance(columns, Mapping):
        return {
            name: _column(name, given) if isinstance(given, str) else given
            for name, given in columns.items()
        }
    return {column.column_name: column for column in columns}


def _column(name: str, type_name: str) -> ColumnDefinition:
    """Return the definition of a column, from its type as SQL writes it."""
    modifier = re.search(r"\s*\([^)]*\)", type_name)
    written = " ".join(re.sub(r"\s*\([^)]*\)", "", type_name).lower().split())
    base = _ALIASES.get(written, written)
    full = base
    if modifier is not None:
        first, _, rest = base.partition(" with")
        full = first + modifier.group().strip() + (f" with{rest}" if rest else "")
    return ColumnDefinition(name, _TYPES.get(base, ("", 0))[1], -1, full, base)


# What a row has to satisfy. A comparison that cannot be decided here counts as satisfied.


def _satisfies(row: Row, qual: Qual) -> bool:
    """Return whether a row satisfies a condition, or may."""
    value = row[qual.field_name]
    operator = qual.operator
    if isinstance(operator, str):
        if qual.value is None and operator in ("=", "<>"):
            return (value is None) == (operator == "=")
        return _compare(value, operator, qual.value)
    results = (_compare(value, operator[0], item) for item in qual.value)
    return any(results) if qual.list_any_or_all is ANY else all(results)


def _compare(value: Any, operator: str, other: Any) -> bool:
    """Return whether `value operator other` is true, or may be; NULL makes it not true."""
    if operator not in _OPERATORS:
        return True
    if value is None or other is None:
        return False
    if isinstance(value, str) != isinstance(other, str):
        try:
            value, other = Decimal(str(value)), Decimal(str(other))
        except InvalidOperation:
            return True
    try:
        return bool(_OPERATORS[operator](value, other))
    except TypeError:
        return True


def _like(value: Any, pattern: Any, flags: re.RegexFlag = re.DOTALL) -> bool:
    """Return whether `value LIKE pattern`."""
    parts = re.findall(r"\\.|.", str(pattern), re.DOTALL)
    wild = {"%": ".*", "_": "."}
    regex = "".join(wild.get(part) or re.escape(part[-1]) for part in parts)
    return re.fullmatch(regex, str(value), flags) is not None


_OPERATORS: dict[str, Any] = {
    "=": lambda value, other: value == other,
    "<>": lambda value, other: value != other,
    "<": lambda value, other: value < other,
    "<=": lambda value, other: value <= other,
    ">": lambda value, other: value > other,
    ">=": lambda value, other: value >= other,
    "~~": _like,
    "!~~": lambda value, other: not _like(value, other),
    "~~*": lambda value, other: _like(value, other, re.DOTALL | re.IGNORECASE),
    "!~~*": lambda value, other: not _like(value, other, re.DOTALL | re.IGNORECASE),
}


def _sorted(rows: list[Row], keys: list[SortKey]) -> list[Row]:
    """Return rows in an order."""
    for key in reversed(keys):
        name = key.attname
        nulls = [row for row in rows if row[name] is None]
        rest = [row for row in rows if row[name] is not None]
        rest.sort(key=lambda row, name=name: row[name], reverse=key.is_reversed)  # type: ignore[misc]
        rows = nulls + rest if key.nulls_first else rest + nulls
    return rows


def _in_order(rows: Iterator[Row], keys: list[SortKey]) -> Iterator[Row]:
    """Pass rows on, and see that they come in the order that the wrapper promised."""
    previous: Row | None = None
    for row in rows:
        if previous is not None:
            for key in keys:
                order = _order(previous[key.attname], row[key.attname], key)
                if order > 0:
                    raise AssertionError(f"can_sort promised {keys}, but {row} follows {previous}")
                if order != 0:
                    break
        previous = row
        yield row


def _order(first: Any, second: Any, key: SortKey) -> float:
    """Return -1 if `first` comes first, 1 if last, 0 if they are equal, NaN if undecided."""
    if first is None or second is None:
        order = (first is None) - (second is None)
        return -order if key.nulls_first else order
    if first == second:
        return 0
    if isinstance(first, str) and key.collate not in ("C", "POSIX"):
        return float("nan")
    return 1 if (first > second) != key.is_reversed else -1
