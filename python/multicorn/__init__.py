"""Foreign tables of PostgreSQL, answered by a Python class.

A wrapper is a class with a constructor `(options, columns)` and a method `execute`; most inherit
from `ForeignDataWrapper`, whose methods document the whole interface. This package also works
outside a server: messages then go to `logging`, and `multicorn.testing` runs a wrapper from plain
Python.
"""

# The first query of every session waits for this import, so that it takes only what the
# interpreter has loaded anyway: no typing, no collections, no enum.
from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
    from typing import Any, Final

    from multicorn.expressions import Expression

__all__ = [
    "ALL",
    "ANY",
    "SKIPPED",
    "UNBOUND",
    "ColumnDefinition",
    "DatabaseError",
    "Error",
    "ForeignDataWrapper",
    "Qual",
    "Result",
    "SortKey",
    "TableDefinition",
    "TransactionAwareForeignDataWrapper",
    "execute",
    "get_class",
]


def _extend_path() -> None:
    """Let wrappers that live in another installed package `multicorn` be found, after ours.

    What pkgutil.extend_path does for folders, without its imports; called again when sys.path
    has changed.
    """
    ours = __path__[0]
    others = []
    for entry in sys.path:
        if isinstance(entry, str):
            folder = os.path.join(os.path.abspath(entry), "multicorn")
            if folder not in others and os.path.isdir(folder) and not _same(folder, ours):
                others.append(folder)
    __path__[:] = [ours, *others]


def _same(folder: str, other: str) -> bool:
    """Return whether two paths are one folder."""
    return os.path.realpath(folder) == os.path.realpath(other)


_extend_path()


class _Marker:
    """A constant with a name: equal to itself only, also after copying and pickling."""

    __slots__ = ("_name", "_text")

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._text = text

    def __repr__(self) -> str:
        return self._text

    def __reduce__(self) -> str:
        return self._name


ANY: Final = _Marker("ANY", "ANY")
"""`Qual.list_any_or_all` of `column operator ANY (array)`."""

ALL: Final = _Marker("ALL", "ALL")
"""`Qual.list_any_or_all` of `column operator ALL (array)`."""

UNBOUND: Final = _Marker("UNBOUND", "?")
"""Stands for a value that is not known yet, as in EXPLAIN of a prepared statement."""

SKIPPED: Final = _Marker("SKIPPED", "SKIPPED")
"""Returned by a write method: no row was written, so none is counted or returned."""


class Error(Exception):
    """An error as PostgreSQL reports it; raising one ends the query.

    Args:
        message: the primary message; PostgreSQL's style is lower case without a full stop.
        sqlstate: five digits or capital letters that name the condition, `HV000` (fdw_error) if
            not given. See https://www.postgresql.org/docs/current/errcodes-appendix.html
        detail: more about what happened, shown as DETAIL.
        hint: what to do about it, shown as HINT.
        context: where it happened, shown in CONTEXT in place of Python's traceback: the command
            that a remote server has refused, for instance. With '' there is no traceback either.

    Raises:
        ValueError: `sqlstate` is not one, or belongs to the class 00 of success.
    """

    def __init__(
        self,
        message: object = "",
        sqlstate: str = "HV000",
        detail: str | None = None,
        hint: str | None = None,
        context: str | None = None,
    ) -> None:
        super().__init__(message)
        if not _is_sqlstate(sqlstate):
            raise ValueError(
                f"sqlstate must be five digits or capital letters and no success, not {sqlstate!r}"
            )
        self.message = str(message)
        self.sqlstate = sqlstate
        self.detail = detail
        self.hint = hint
        self.context = context


class DatabaseError(Error):
    """An error of SQL that `execute` has run; what the SQL did has been rolled back.

    Attributes:
        message: PostgreSQL's primary message.
        sqlstate: the code of the condition, such as `23505` for unique_violation.
        detail, hint, context: more of the message, or None.
        schema_name, table_name, column_name, datatype_name, constraint_name: what the error is
            about, where PostgreSQL says so; else None.
        position: the character in the SQL at which it was noticed, from 1, or None.
    """

    def __init__(
        self,
        message: object = "",
        sqlstate: str = "HV000",
        detail: str | None = None,
        hint: str | None = None,
        context: str | None = None,
        schema_name: str | None = None,
        table_name: str | None = None,
        column_name: str | None = None,
        datatype_name: str | None = None,
        constraint_name: str | None = None,
        position: int | None = None,
    ) -> None:
        # SQL can raise an error with a SQLSTATE that says success.
        super().__init__(
            message, sqlstate if _is_sqlstate(sqlstate) else "HV000", detail, hint, context
        )
        self.schema_name = schema_name
        self.table_name = table_name
        self.column_name = column_name
        self.datatype_name = datatype_name
        self.constraint_name = constraint_name
        self.position = position


class Result:
    """What SQL has returned to `execute`: a sequence of rows, which are tuples.

    Attributes:
        columns: the names of the columns; empty where there are none.
        rows: the list of rows; empty for a statement that returns none.
        rowcount: how many rows the statement has returned or changed; -1 if it does neither.
        description: for each column a tuple as in DB-API (PEP 249): name, type OID, and five times
            None. None for a statement that returns no rows.
    """

    __slots__ = ("columns", "description", "rowcount", "rows")

    def __init__(
        self,
        columns: tuple[tuple[str, ...], tuple[int, ...]] | None,
        rows: list[tuple[Any, ...]] | None,
        rowcount: int,
    ) -> None:
        names, types = columns or ((), ())
        self.columns = names
        self.rows = rows or []
        self.rowcount = rowcount
        self.description = (
            None
            if columns is None
            else [
                (name, oid, None, None, None, None, None)
                for name, oid in zip(names, types, strict=True)
            ]
        )

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        return self.rows[index]

    def __repr__(self) -> str:
        return f"<Result: {len(self.rows)} rows of {self.columns!r}, rowcount {self.rowcount}>"

    def mappings(self) -> list[dict[str, Any]]:
        """Return the rows as dicts by column name; of two columns of a name the last counts."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def scalar(self) -> Any:
        """Return the first value of the first row; None if there is no row."""
        return self.rows[0][0] if self.rows and self.columns else None


def execute(sql: str, params: Sequence[Any] | None = None) -> Result:
    """Run SQL in the database of the session, within its transaction.

    Callable by methods of a wrapper on the main thread, and not by those that are called when
    nothing may fail any more: `commit`, `rollback`, `sub_commit`, `sub_rollback`, `close`.
    The SQL has the rights of the user that the wrapper's instance is for.

    Args:
        sql: a statement; without `params`, there may be several, separated by semicolons: the
            result is that of the last.
        params: the values of `$1`, `$2` and so on. Each is converted to the type that PostgreSQL
            infers where it stands. None is no parameters.

    Returns:
        All rows, converted as values of foreign tables are.

    Raises:
        DatabaseError: PostgreSQL has raised an error; only what this SQL did was rolled back.
        RuntimeError: there is no server, or SQL cannot be run here.
        TypeError: `sql` is not a str, or `params` is not a sequence.
        BaseException: the query was cancelled, or the session is to end.
    """
    from multicorn._bridge import bridge

    if not isinstance(sql, str):
        raise TypeError(f"sql must be a str, not {type(sql).__name__}")
    if params is None:
        params = ()
    is_iterable = hasattr(params, "__iter__") or hasattr(params, "__getitem__")
    if not is_iterable or isinstance(params, (str, bytes, bytearray, dict, set, frozenset)):
        raise TypeError(f"params must be a sequence of values, not {type(params).__name__}")
    server = bridge()
    if server is None:
        raise RuntimeError("multicorn.execute() needs a server: there is no database here")
    return Result(*server.execute(sql, tuple(params)))


def _is_sqlstate(value: object) -> bool:
    """Return whether a value is the SQLSTATE of an error."""
    return (
        isinstance(value, str)
        and len(value) == 5
        and all("0" <= c <= "9" or "A" <= c <= "Z" for c in value)
        and not value.startswith("00")
    )


class Qual:
    """A condition on one column: `field_name operator value`.

    PostgreSQL checks every row again, so a wrapper may ignore a Qual, or use it to send fewer
    rows. It must not leave out a row that satisfies all of them.

    Args:
        field_name: the column, always on the left of the operator.
        operator: a PostgreSQL operator such as `=` or `~~` (LIKE); `(operator, True)` for
            `operator ANY (array)` and `(operator, False)` for `operator ALL (array)`.
        value: what it is compared with, a list for ANY and ALL; None is NULL (`=` is then IS NULL,
            `<>` is IS NOT NULL); `UNBOUND` if not known yet.
        collation: the collation that decides, when text is not compared by code points.
    """

    def __init__(
        self,
        field_name: str,
        operator: str | tuple[str, bool],
        value: Any,
        collation: str | None = None,
    ) -> None:
        self.field_name = field_name
        self.operator = operator
        self.value = value
        self.collation = collation

    @property
    def is_list_operator(self) -> bool:
        """Whether the value is a list: `= ANY (array)`, `<> ALL (array)`."""
        return isinstance(self.operator, tuple)

    @property
    def list_any_or_all(self) -> _Marker | None:
        """`ANY` or `ALL` for a list operator, else None."""
        if not isinstance(self.operator, tuple):
            return None
        return ANY if self.operator[1] else ALL

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Qual):
            return NotImplemented
        return (
            self.field_name == other.field_name
            and self.operator == other.operator
            and self.collation == other.collation
            and bool(self.value == other.value)
        )

    def __hash__(self) -> int:
        # The value may be a list, or hold one.
        return hash((self.field_name, self.operator))

    def __repr__(self) -> str:
        collation = "" if self.collation is None else f", {self.collation!r}"
        return f"Qual({self.field_name!r}, {self.operator!r}, {self.value!r}{collation})"

    def __str__(self) -> str:
        if isinstance(self.operator, tuple):
            return f"{self.field_name} {self.operator[0]} {self.list_any_or_all} ({self.value})"
        return f"{self.field_name} {self.operator} {self.value}"


if TYPE_CHECKING:
    _SortKeyTuple = tuple[str, int, bool, bool, str | None]
else:
    _SortKeyTuple = tuple


class SortKey(_SortKeyTuple):
    """One column of a wanted order.

    Args:
        attname: the column.
        attnum: its number in the table, from 1.
        is_reversed: descending.
        nulls_first: NULLs come before everything else.
        collate: the collation of the order; None is the database's default.
    """

    __slots__ = ()

    def __new__(
        cls,
        attname: str,
        attnum: int = 0,
        is_reversed: bool = False,
        nulls_first: bool = False,
        collate: str | None = None,
    ) -> SortKey:
        """Return the key."""
        return tuple.__new__(cls, (attname, attnum, is_reversed, nulls_first, collate))

    @property
    def attname(self) -> str:
        """The column."""
        return self[0]

    @property
    def attnum(self) -> int:
        """The column's number in the table, from 1."""
        return self[1]

    @property
    def is_reversed(self) -> bool:
        """Whether the order is descending."""
        return self[2]

    @property
    def nulls_first(self) -> bool:
        """Whether NULLs come before everything else."""
        return self[3]

    @property
    def collate(self) -> str | None:
        """The collation of the order; None is the database's default."""
        return self[4]

    def __getnewargs__(self) -> _SortKeyTuple:
        return (self.attname, self.attnum, self.is_reversed, self.nulls_first, self.collate)

    def __repr__(self) -> str:
        return (
            f"SortKey(attname={self.attname!r}, attnum={self.attnum!r}, "
            f"is_reversed={self.is_reversed!r}, nulls_first={self.nulls_first!r}, "
            f"collate={self.collate!r})"
        )


class ColumnDefinition:
    """A column of a foreign table.

    Args:
        column_name: its name.
        type_oid: the type's OID in pg_type; 0 if not known, as in `import_schema`.
        typmod: the type modifier, -1 for none.
        type_name: the type as SQL writes it, with modifier: `character varying(20)`.
        base_type_name: the type without modifier: `character varying`.
        options: the OPTIONS of the column.
        not_null: for `import_schema`: the column is NOT NULL.
        default: for `import_schema`: its DEFAULT, one SQL expression.
        collation: for `import_schema`: the name of its COLLATE, or `(schema, name)`.
        generated: for `import_schema`: the SQL expression of GENERATED ALWAYS AS (...) STORED.
    """

    def __init__(
        self,
        column_name: str,
        type_oid: int = 0,
        typmod: int = 0,
        type_name: str = "",
        base_type_name: str = "",
        options: Mapping[str, str] | None = None,
        *,
        not_null: bool = False,
        default: str | None = None,
        collation: str | tuple[str, str] | None = None,
        generated: str | None = None,
    ) -> None:
        self.column_name = column_name
        self.type_oid = type_oid
        self.typmod = typmod
        self.type_name = type_name
        self.base_type_name = base_type_name
        self.options: dict[str, str] = dict(options) if options else {}
        self.not_null = not_null
        self.default = default
        self.collation = collation
        self.generated = generated

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ColumnDefinition):
            return NotImplemented
        return vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(self.column_name)

    def __repr__(self) -> str:
        return (
            f"ColumnDefinition({self.column_name!r}, {self.type_oid!r}, {self.typmod!r}, "
            f"{self.type_name!r}, {self.base_type_name!r}, {self.options!r})"
        )


class TableDefinition:
    """A foreign table that `ForeignDataWrapper.import_schema` offers.

    Args:
        table_name: its name.
        schema: the local schema. PostgreSQL creates every table in the one that IMPORT FOREIGN
            SCHEMA names, whatever is said here.
        columns: its columns, in order.
        options: the OPTIONS of the table.
    """

    def __init__(
        self,
        table_name: str,
        schema: str | None = None,
        columns: Iterable[ColumnDefinition] | None = None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self.table_name = table_name
        self.schema = schema
        self.columns: list[ColumnDefinition] = list(columns) if columns else []
        self.options: dict[str, str] = dict(options) if options else {}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TableDefinition):
            return NotImplemented
        return vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(self.table_name)

    def __repr__(self) -> str:
        return (
            f"TableDefinition({self.table_name!r}, {self.schema!r}, {self.columns!r}, "
            f"{self.options!r})"
        )


class ForeignDataWrapper:
    """The interface of a wrapper, with its defaults; inheriting from it is optional.

    One instance answers for a foreign table and an effective user for as long as a session lasts,
    or until options or columns change. All scans of the table share it, so what belongs to one
    scan is best kept in the generator that `execute` returns.

    Args:
        options: the OPTIONS of server, table (which wins) and user mapping, without `wrapper`.
        columns: the columns of the table, in its order, by name.
    """

    _startup_cost: float = 20
    """Cost before the first row comes, in the planner's unit. See
    https://www.postgresql.org/docs/current/runtime-config-query.html#RUNTIME-CONFIG-QUERY-CONSTANTS
    """

    _tuple_cost: float
    """Cost of each row beside what one of a heap table costs; cpu_tuple_cost if there is none."""

    modify_batch_size: int = 1
    """Above 1, INSERT and COPY send as many rows at once through `bulk_insert`."""

    omit_unassigned: bool = False
    """If True, written values hold only the columns that the statement assigned."""

    omit_generated: bool = False
    """If True, written values hold no columns that PostgreSQL computes (GENERATED ... STORED)."""

    write_form: str = "native"
    """'text' has written values, rowids and what comes back exchanged in PostgreSQL's text form."""

    takes_returning: bool = False
    """If True, `insert`, `bulk_insert` and `update` are called with the keyword `returning`, which
    is True, where somebody looks at what they return."""

    on_conflict_nothing: bool = False
    """If True, INSERT ... ON CONFLICT DO NOTHING calls `insert` with the keyword
    `on_conflict_nothing=True`; otherwise PostgreSQL refuses the statement."""

    mapping_options: Sequence[str] = ("user", "username", "login", "password")
    """The options that a user mapping may set although server or table set them too."""

    def __init__(
        self, options: MutableMapping[str, str], columns: MutableMapping[str, ColumnDefinition]
    ) -> None:
        pass

    # Reading

    def get_rel_size(
        self, quals: list[Qual], columns: list[str]
    ) -> tuple[float, float] | Sequence[float] | None:
        """Estimate the result for the planner.

        Args:
            quals: the conditions whose values are known while planning.
            columns: the columns that the query needs.

        Returns:
            The number of rows that `execute` would send, and their average width in bytes; None
            (the default) for the statistics of ANALYZE, or PostgreSQL's guess where there are
            none. See https://www.postgresql.org/docs/current/fdw-callbacks.html#FDW-CALLBACKS-SCAN
        """
        return None

    def get_path_keys(self) -> Iterable[tuple[Sequence[str] | str, float]]:
        """Name the columns by which rows are found cheaply, for joins.

        Returns:
            Pairs `(columns, rows)`: with an equality on all of those columns, `execute` sends that
            many rows. One column may be a bare name. Each pair lets the planner consider a nested
            loop that asks the wrapper once per row of the other side.
        """
        return []

    def can_sort(self, sortkeys: list[SortKey]) -> Sequence[SortKey]:
        """Say how far `execute` can deliver rows in an order.

        Args:
            sortkeys: the wanted order.

        Returns:
            The leading sort keys that it will deliver, possibly none. PostgreSQL relies on it.
        """
        return []

    def can_limit(self, limit: int | _Marker | None, offset: int | _Marker | None) -> bool:
        """Say whether `execute` applies LIMIT and OFFSET itself.

        Args:
            limit: the number of rows wanted; None if not given, `UNBOUND` if not known yet.
            offset: the number of rows to leave out first, likewise.

        Returns:
            True if `execute` applies both; PostgreSQL then skips no row itself.
        """
        return False

    def can_filter(self, filters: list[Expression]) -> Sequence[Expression]:
        """Say which conditions `execute` enforces exactly as PostgreSQL would.

        Args:
            filters: the conditions of the query on this table, as expressions.

        Returns:
            Those that `execute` enforces. PostgreSQL does not check them again.
        """
        return []

    def explain(
        self, quals: list[Qual], columns: list[str], *args: Any, **keywords: Any
    ) -> Iterable[str]:
        """Describe for EXPLAIN what `execute` would do, without doing it.

        Args:
            quals: as for `execute`; values that are not known are `UNBOUND`.
            columns: as for `execute`.
            **keywords: those of `execute`, and `verbose`, True for EXPLAIN (VERBOSE).

        Returns:
            Lines of text. An exception becomes one line.
        """
        return []

    def execute(
        self, quals: list[Qual], columns: list[str], *args: Any, **keywords: Any
    ) -> Iterable[Any] | None:
        """Read the rows.

        Each keyword below is passed only if it carries something, which it can only after the
        method that promises it (`can_sort`, `can_limit`, `can_filter`) said so. A wrapper without
        these defines `execute(self, quals, columns)`.

        Args:
            quals: conditions that PostgreSQL will check again.
            columns: the columns that are needed, in table order.
            **keywords: `sortkeys`, the list of SortKey to follow; `limit` and `offset`, numbers
                to apply; `filters`, the list of expressions to enforce.

        Returns:
            An iterable of rows: mappings of column name to value (missing is NULL, unknown names
            are ignored) or sequences with one value per column of the table. It ends early at a
            row that is None; None in its place is no rows at all. A generator is closed as soon
            as the scan ends, so that its `finally` runs.
        """
        raise NotImplementedError(f"{_class_name(self)} does not implement execute")

    def end_scan(self) -> None:
        """End a scan: called once for every `execute`, also after LIMIT or an error."""

    def analyze(self) -> float | None:
        """Return an estimate of the table's rows for ANALYZE, or None.

        ANALYZE samples the rows of `execute([], columns)` with all columns; the estimate lets it
        tell how many there are. See https://www.postgresql.org/docs/current/sql-analyze.html

        Raises:
            NotImplementedError: the table cannot be read as a whole; ANALYZE skips it with a
                WARNING.
        """
        return None

    def sample(self, columns: list[str], count: int) -> Iterable[Any] | None:
        """Send a random sample of the rows for ANALYZE, of a table too large to be read.

        `analyze` tells then how many rows the table has; without that, as many as were sent.

        Args:
            columns: all columns.
            count: how many rows PostgreSQL will take of those that come; fewer make its
                statistics less exact.

        Returns:
            Rows as `execute` returns them, each with the same chance to be among them; None (the
            default) to have all read by `execute`.
        """
        return None

    def close(self) -> None:
        """Release what the instance holds: called when it is dropped and when the session ends."""

    # Writing

    @property
    def rowid_column(self) -> str | None:
        """The column whose value identifies a row; None (the default) refuses changes of rows."""
        return None

    def insert(
        self, values: dict[str, Any], *args: Any, **keywords: Any
    ) -> Mapping[str, Any] | _Marker | None:
        """Write a row.

        Args:
            values: column -> value, for every column (see `omit_unassigned`), to change and keep.
            **keywords: `on_conflict_nothing`, True if a row that conflicts is to be skipped.

        Returns:
            What RETURNING and AFTER triggers see: a mapping replaces the values it names, None
            leaves all as sent. `SKIPPED` if no row was written.
        """
        raise NotImplementedError(f"{_class_name(self)} does not implement insert")

    def bulk_insert(
        self, rows: list[dict[str, Any]], *args: Any, **keywords: Any
    ) -> Sequence[Mapping[str, Any] | _Marker | None] | None:
        """Write several rows; used if `modify_batch_size` is more than 1.

        Args:
            rows: as `values` of `insert`, one dict per row.
            **keywords: as for `insert`.

        Returns:
            None, or as many items as there were rows, each as `insert` returns it.
        """
        raise NotImplementedError(f"{_class_name(self)} does not implement bulk_insert")

    def insert_copy(self, data: bytes, count: int, columns: tuple[str, ...]) -> None:
        """Write rows of COPY FROM as text; used if nobody looks at the rows after that.

        Args:
            data: complete lines of COPY's text format, in the database's encoding. See
                https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS
            count: how many lines.
            columns: the names of the columns of each line.
        """
        raise NotImplementedError(f"{_class_name(self)} does not implement insert_copy")

    def insert_arrays(
        self,
        arrays: list[bytes],
        count: int,
        columns: tuple[str, ...],
        *args: Any,
        **keywords: Any,
    ) -> int | None:
        """Write several rows as text; used in place of `bulk_insert` if nobody looks at the rows.

        Args:
            arrays: for each column the literal of an array of text with the values of all rows, in
                the database's encoding. See
                https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
            count: how many rows.
            columns: the names of the columns.
            **keywords: as for `insert`.

        Returns:
            How many rows were written; None for all.
        """
        raise NotImplementedError(f"{_class_name(self)} does not implement insert_arrays")

    def update(
        self, rowid: Any, new_values: dict[str, Any], *args: Any, **keywords: Any
    ) -> Mapping[str, Any] | _Marker | None:
        """Change the row that `rowid` identifies.

        Args:
            rowid: the value of `rowid_column` before the change.
            new_values: column -> value, as for `insert`.

        Returns:
            As `insert`.
        """
        raise NotImplementedError(f"{_class_name(self)} does not implement update")

    def delete(self, rowid: Any, *args: Any, **keywords: Any) -> _Marker | None:
        """Delete the row that `rowid` identifies.

        Args:
            rowid: the value of `rowid_column`.

        Returns:
            None, or `SKIPPED` if no row was deleted.
        """
        raise NotImplementedError(f"{_class_name(self)} does not implement delete")

    def truncate(self, cascade: bool, restart_identity: bool) -> None:
        """Delete all rows.

        Args:
            cascade: TRUNCATE ... CASCADE was asked for.
            restart_identity: TRUNCATE ... RESTART IDENTITY was asked for. See
                https://www.postgresql.org/docs/current/sql-truncate.html
        """
        raise NotImplementedError(f"{_class_name(self)} does not implement truncate")

    def end_modify(self) -> None:
        """End a statement that wrote."""

    # Transactions

    def begin(self, serializable: bool) -> None:
        """Take part in a transaction: called before its first other call.

        Args:
            serializable: the isolation level is REPEATABLE READ or SERIALIZABLE. See
                https://www.postgresql.org/docs/current/transaction-iso.html
        """

    def pre_commit(self) -> None:
        """Prepare to commit; an exception aborts the transaction."""

    def commit(self) -> None:
        """The transaction has committed; an exception becomes a WARNING."""

    def rollback(self) -> None:
        """The transaction was rolled back; an exception becomes a WARNING."""

    def sub_begin(self, level: int) -> None:
        """Take part in a savepoint.

        Args:
            level: the nesting level of the subtransaction; 2 is the first savepoint.
        """

    def sub_commit(self, level: int) -> None:
        """The savepoint was released; an exception aborts its transaction.

        Args:
            level: as for `sub_begin`.
        """

    def sub_rollback(self, level: int) -> None:
        """The savepoint was rolled back.

        An exception becomes a WARNING, and the transaction can no longer commit.

        Args:
            level: as for `sub_begin`.
        """

    # Catalog

    @classmethod
    def import_schema(
        cls,
        schema: str,
        srv_options: Mapping[str, str],
        options: Mapping[str, str],
        restriction_type: str | None,
        restricts: Sequence[str],
    ) -> Iterable[TableDefinition]:
        """Describe the tables of a remote schema.

        Args:
            schema: the remote schema.
            srv_options: the OPTIONS of the server, then of the user mapping.
            options: the OPTIONS of the statement.
            restriction_type: 'limit' for LIMIT TO, 'except' for EXCEPT, or None.
            restricts: the tables that the restriction names.

        Returns:
            Definitions of the tables; PostgreSQL leaves out those the restriction excludes. See
            https://www.postgresql.org/docs/current/sql-importforeignschema.html
        """
        raise NotImplementedError(f"{cls.__module__}.{cls.__qualname__} cannot import a schema")


class TransactionAwareForeignDataWrapper(ForeignDataWrapper):
    """A wrapper that collects the changes of a transaction, to make them in `pre_commit`.

    `current_transaction_state` is a list of `('insert', values)`,
    `('update', (rowid, new_values))` and `('delete', rowid)` in the order of the statements.
    Rolling back to a savepoint removes what came after it.
    """

    def __init__(
        self, options: MutableMapping[str, str], columns: MutableMapping[str, ColumnDefinition]
    ) -> None:
        super().__init__(options, columns)
        self._savepoints: list[tuple[int, int]] = []
        self._init_transaction_state()

    def _init_transaction_state(self) -> None:
        """Forget the changes: called before and after every transaction."""
        self.current_transaction_state: list[tuple[str, Any]] = []

    def insert(
        self, values: dict[str, Any], *args: Any, **keywords: Any
    ) -> Mapping[str, Any] | _Marker | None:
        """Collect the row."""
        self.current_transaction_state.append(("insert", values))
        return None

    def update(
        self, rowid: Any, new_values: dict[str, Any], *args: Any, **keywords: Any
    ) -> Mapping[str, Any] | _Marker | None:
        """Collect the change."""
        self.current_transaction_state.append(("update", (rowid, new_values)))
        return None

    def delete(self, rowid: Any, *args: Any, **keywords: Any) -> _Marker | None:
        """Collect the removal."""
        self.current_transaction_state.append(("delete", rowid))
        return None

    def begin(self, serializable: bool) -> None:
        """Start with no changes."""
        self._savepoints = []
        self._init_transaction_state()

    def commit(self) -> None:
        """Forget the changes."""
        self._savepoints = []
        self._init_transaction_state()

    def rollback(self) -> None:
        """Forget the changes."""
        self._savepoints = []
        self._init_transaction_state()

    def sub_begin(self, level: int) -> None:
        """Remember how many changes came before the savepoint."""
        self._savepoints.append((level, len(self.current_transaction_state)))

    def sub_commit(self, level: int) -> None:
        """Keep the changes since the savepoint."""
        self._leave_savepoint(level)

    def sub_rollback(self, level: int) -> None:
        """Forget the changes since the savepoint."""
        count = self._leave_savepoint(level)
        if count is not None:
            del self.current_transaction_state[count:]

    def _leave_savepoint(self, level: int) -> int | None:
        """Return how many changes came before a savepoint, and forget it and those inside it."""
        count = None
        while self._savepoints and self._savepoints[-1][0] >= level:
            count = self._savepoints.pop()[1]
        return count


def get_class(path: str) -> type:
    """Import a class.

    Args:
        path: where it is: `package.module.Class`; nested classes are found too.

    Returns:
        The class.

    Raises:
        Error: there is no such module or class, or it is not a class. The detail tells where
            the module was looked for.
    """
    from multicorn._loading import load

    return load(path)


def _class_name(instance: object) -> str:
    """Return the dotted path of an instance's class."""
    cls = type(instance)
    return f"{cls.__module__}.{cls.__qualname__}"
