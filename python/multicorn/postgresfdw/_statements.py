"""The SQL that is sent for a foreign table."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from multicorn import UNBOUND, ColumnDefinition, Qual, SortKey
from multicorn.expressions import (
    Collation,
    Column,
    Constant,
    DataType,
    Expression,
    SQLWriter,
)
from multicorn.expressions._sql import Fragment, _literal, _type_collation, quote_identifier
from multicorn.postgresfdw._options import ColumnSettings

__all__ = ["CTID", "Query", "RemoteTable"]

CTID = "ctid"

# OIDs from here on are not those of PostgreSQL's own types, and differ between servers.
FIRST_UNFIXED_OID = 10000

# Types whose binary form is an OID of the server it comes from, regproc and its kin, with their
# arrays; and those without a binary form, or with one that is not read again: aclitem; int2vector
# and oidvector without elements.
OBJECT_TYPES = frozenset((24, 2202, 2203, 2204, 2205, 2206, 3734, 3769, 4089, 4096, 4191))
OBJECT_ARRAYS = frozenset((1008, 2207, 2208, 2209, 2210, 2211, 3735, 3770, 4090, 4097, 4192))
TEXT_TYPES = OBJECT_TYPES | OBJECT_ARRAYS | {1033, 1034, 22, 1006, 30, 1013}

# What stands at both sides of the number of a value: it cannot be in any SQL.
MARK = "\0"

# What the fields of expressions are, beside expressions, types, collations and tuples of these.
PLAIN_KINDS = frozenset((str, bool, int, type(None), type(UNBOUND)))

# How many SELECTs of a table are kept as they were written.
MOST_WRITTEN = 100

# Collations that every server has, and that sort the same on all of them.
FIXED_COLLATIONS = ("C", "POSIX")

COMPARISONS = frozenset(("=", "<>", "<", "<=", ">", ">="))

# Types that compare with each other, by their OIDs: numbers, texts, days.
NUMBERS = frozenset((20, 21, 23, 700, 701, 1700))
TEXTS = frozenset((19, 25, 1042, 1043))
DAYS = frozenset((1082, 1114, 1184))


@dataclass(slots=True)
class Query:
    """A SELECT, in two forms that mean the same: see also `sql`.

    Attributes:
        template: with `$1`, `$2` and so on for the values, so that it is the same for others.
        pieces: the template, parted where the values are: every second one is a number.
        parameters: those values as text.
        names: the columns that its fields are for.
        limit: how many rows it has at most, if that is known.
    """

    template: str
    pieces: Sequence[str]
    parameters: Sequence[str]
    names: tuple[str, ...]
    limit: int | None

    @property
    def sql(self) -> str:
        """The SELECT with the values in it."""
        pieces = list(self.pieces)
        pieces[1::2] = [_literal(self.parameters[int(number) - 1]) for number in pieces[1::2]]
        return "".join(pieces)


class Written(NamedTuple):
    """A SELECT that was written, to be used again for other values.

    Attributes:
        template: as in Query.
        pieces: as in Query.
        positions: which of the constants in the filters the values are from.
    """

    template: str
    pieces: tuple[str, ...]
    positions: tuple[int, ...]

    @staticmethod
    def of(text: str, positions: Iterable[int]) -> Written:
        """Make it of what a ParameterWriter has written."""
        pieces = text.split(MARK)
        template = "".join("$" * (index % 2) + piece for index, piece in enumerate(pieces))
        return Written(template, tuple(pieces), tuple(positions))


class RemoteTable:
    """A table on the other server, and the SQL to read and write it.

    Args:
        schema: the remote schema.
        name: the remote name.
        columns: the foreign table's columns.
        extensions: those that the other server has as well.
        reads_null: whether columns that the remote table lacks read as NULL.

    Attributes:
        sql: its name.
        columns: the foreign table's columns.
        reads_null: as given.
        missing: those of the columns that the remote table lacks, as far as that was asked.
        text_columns: those that are read as text, because their types differ between the servers;
            may be added to.
    """

    def __init__(
        self,
        schema: str,
        name: str,
        columns: Mapping[str, ColumnDefinition],
        extensions: Collection[str] = (),
        reads_null: bool = False,
    ) -> None:
        self._extensions = frozenset(extensions)
        self.reads_null = reads_null
        self.missing: frozenset[str] = frozenset()
        self.sql = f"{quote_identifier(schema)}.{quote_identifier(name)}"
        self.columns = dict(columns)
        self.text_columns = {
            column
            for column, definition in columns.items()
            if definition.type_oid >= FIRST_UNFIXED_OID or definition.type_oid in TEXT_TYPES
        }
        settings = {column: ColumnSettings.read(one) for column, one in columns.items()}
        self._names = {column: one.name for column, one in settings.items()}
        self._local_columns = {column for column, one in settings.items() if not one.is_shippable}
        self._written: dict[Hashable, Written] = {}

    def column(self, name: str) -> str:
        """Return a column as the other server calls it, quoted."""
        return CTID if name == CTID else quote_identifier(self._names[name])

    def remote_name(self, name: str) -> str:
        """Return a column as the other server calls it."""
        return self._names[name]

    # What can be said there

    def can_filter(self, expression: Expression) -> bool:
        """Return whether a condition means the same on the other server."""
        return (
            self._local_columns.isdisjoint(expression.columns)
            and (expression.is_builtin or self._knows(expression))
            and expression.is_immutable
            and _collations_agree(expression)
            and Writer(self).supports(expression)
        )

    def _knows(self, expression: Expression) -> bool:
        """Return whether the other server has what an expression is made of."""
        return all(
            (node.type.is_builtin or node.type.extension in self._extensions)
            and (
                getattr(node, "calls_builtin", True)
                or getattr(node, "extension", "") in self._extensions
            )
            and all(
                collation is None or collation.is_builtin
                for collation in (node.collation, getattr(node, "input_collation", None))
            )
            for node in expression.walk()
        )

    def can_sort(self, key: SortKey) -> bool:
        """Return whether the other server sorts by a key in the same order."""
        definition = self.columns[key.attname]
        is_known = (
            definition.type_oid < FIRST_UNFIXED_OID and key.attname not in self._local_columns
        )
        return is_known and (key.collate is None or key.collate in FIXED_COLLATIONS)

    # Reading

    def select(
        self,
        columns: Sequence[str],
        filters: Sequence[Expression] = (),
        sort_keys: Sequence[SortKey] = (),
        limit: int | None = None,
        offset: int | None = None,
    ) -> Query:
        """Return the query for a scan."""
        names = self._present(columns)
        constants: list[Constant] = []
        # Other types than those that come with PostgreSQL can change their names.
        is_lasting = all(one.is_builtin for one in filters)
        shape: Hashable = (
            *(names, tuple(sort_keys), limit, offset, len(self.text_columns), self.missing),
            *[_shape(one, constants) for one in filters],
        )
        written = self._written.get(shape) if is_lasting else None
        if written is None:
            writer = ParameterWriter(self)
            sorted_by = [key for key in sort_keys if key.attname not in self.missing]
            tail = _order_by(self, sorted_by) + _limit(limit, offset)
            text = f"{self._select(names)}{_where(writer, filters)}{tail}"
            written = Written.of(text, [_position(one, constants) for one in writer.constants])
            if is_lasting:
                if len(self._written) == MOST_WRITTEN:
                    self._written.clear()
                self._written[shape] = written
        values = [constants[at].text or "" for at in written.positions]
        return Query(written.template, written.pieces, values, names, limit)

    def select_where(self, columns: Sequence[str], quals: Sequence[Qual]) -> str:
        """Return a query for an estimate: conditions are those that Quals can tell."""
        conditions = [one for one in map(self._estimated, quals) if one]
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        return self._select(self._present(columns)) + where

    def _present(self, columns: Sequence[str]) -> tuple[str, ...]:
        """Return the columns that the remote table has: without a field, a column is NULL."""
        return tuple(name for name in columns if name not in self.missing)

    def _estimated(self, qual: Qual) -> str:
        """Return a condition for an estimate; '' for one that might be an error there."""
        name, operator, value = qual.field_name, qual.operator, qual.value
        if name in self._local_columns or operator not in COMPARISONS:
            return ""
        definition = self.columns[name]
        literal = _comparable(definition.type_oid, value)
        null = f"NULL::{definition.type_name}"
        column = null if name in self.missing else self.column(name)
        return f"{column} {operator} {literal}" if literal else ""

    def describe(
        self,
        columns: Sequence[str],
        filters: Sequence[Expression],
        sort_keys: Sequence[SortKey],
        limit: object,
        offset: object,
    ) -> str:
        """Return the query for EXPLAIN: values that are not known yet are `$1` and so on.

        Nobody is asked, so that it names columns that will turn out to be missing.
        """
        where = _where(Writer(self, parameters=True), filters)
        return self._select(columns) + where + _order_by(self, sort_keys) + _limit(limit, offset)

    def sample(self, columns: Sequence[str], method: str, fraction: float) -> Query:
        """Return the query for a sample of the rows.

        Args:
            columns: the columns.
            method: 'bernoulli', 'system', or 'random' for a condition on each row.
            fraction: the share of the rows, between 0 and 1.
        """
        names = self._present(columns)
        sql = self._select(names)
        if method == "random":
            sql += f" WHERE pg_catalog.random() < {fraction}"
        else:
            sql += f" TABLESAMPLE {method.upper()}({fraction * 100})"
        return Query(sql, (sql,), (), names, None)

    def _select(self, columns: Sequence[str]) -> str:
        """Return a query for columns of all rows."""
        fields = [
            f"{self.column(name)}::text" if name in self.text_columns else self.column(name)
            for name in columns
        ]
        return f"SELECT {', '.join(fields)}{' ' if fields else ''}FROM {self.sql}"

    # Writing

    def insert(self, columns: Sequence[str], returning: bool, ignores_conflicts: bool) -> str:
        """Return the command that inserts one row, its values `$1`, `$2` and so on."""
        if not columns:
            target = f"{self.sql} DEFAULT VALUES"
        else:
            values = ", ".join(f"${index}" for index in range(1, len(columns) + 1))
            target = f"{self.sql} ({self._list(columns)}) VALUES ({values})"
        return self._insert(target, returning, ignores_conflicts)

    def insert_arrays(
        self, columns: Sequence[str], types: Mapping[str, RemoteType], ignores_conflicts: bool
    ) -> str:
        """Return the command that inserts rows, given as one array for each column."""
        arrays, fields = [], []
        for index, name in enumerate(columns, 1):
            remote = types[name]
            arrays.append(f"${index}::text[]" if remote.is_nested else f"${index}::{remote.sql}[]")
            fields.append(f"c{index}::{remote.sql}" if remote.is_nested else f"c{index}")
        names = ", ".join(f"c{index}" for index in range(1, len(columns) + 1))
        source = f"SELECT {', '.join(fields)} FROM unnest({', '.join(arrays)}) AS u ({names})"
        target = f"{self.sql} ({self._list(columns)}) {source}"
        return self._insert(target, False, ignores_conflicts)

    def _insert(self, target: str, returning: bool, ignores_conflicts: bool) -> str:
        """Return the command with its clauses."""
        conflict = " ON CONFLICT DO NOTHING" if ignores_conflicts else ""
        return f"INSERT INTO {target}{conflict}{self._returning(returning)}"

    def update(self, rowid: str, columns: Sequence[str], returning: bool) -> str:
        """Return the command that changes the row `$1`, its new values `$2`, `$3` and so on."""
        changes = ", ".join(
            f"{self.column(name)} = ${index}" for index, name in enumerate(columns, 2)
        )
        where = f"WHERE {self.column(rowid)} = $1"
        return f"UPDATE {self.sql} SET {changes} {where}{self._returning(returning)}"

    def lock(self, rowid: str, returning: bool) -> str:
        """Return the command for a change of the row `$1` that changes nothing."""
        fields = self._row() if returning else ""
        return f"SELECT {fields} FROM {self.sql} WHERE {self.column(rowid)} = $1 FOR UPDATE"

    def delete(self, rowid: str) -> str:
        """Return the command that deletes the row `$1`."""
        return f"DELETE FROM {self.sql} WHERE {self.column(rowid)} = $1"

    def truncate(self, cascade: bool, restart_identity: bool) -> str:
        """Return the command that deletes all rows."""
        identity = "RESTART IDENTITY" if restart_identity else "CONTINUE IDENTITY"
        return f"TRUNCATE {self.sql} {identity} {'CASCADE' if cascade else 'RESTRICT'}"

    def copy(self, columns: Sequence[str]) -> str:
        """Return the command that takes rows in COPY's text format."""
        return f"COPY {self.sql} ({self._list(columns)}) FROM STDIN"

    def _list(self, columns: Sequence[str]) -> str:
        """Return the names of columns as a list."""
        return ", ".join(self.column(name) for name in columns)

    def _returning(self, wanted: bool) -> str:
        """Return the clause that has the row as it was written come back, all of it, as text."""
        if not wanted or not self.columns:
            return ""
        return f" RETURNING {self._row()}"

    def _row(self) -> str:
        """Return what stands for all columns in a list of fields."""
        fields = ("NULL" if name in self.missing else self.column(name) for name in self.columns)
        return ", ".join(fields)


@dataclass(frozen=True)
class RemoteType:
    """The type that a column has on the other server.

    Attributes:
        sql: its name there, without modifiers.
        is_nested: whether an array of it has to be one of text: unnest() takes arrays of arrays
            and of composite types apart further than wanted, and boxes have another delimiter.
    """

    sql: str
    is_nested: bool


class Writer(SQLWriter):
    """Writes conditions with the names that the other server's columns have.

    Where values are, NULL stands for a column that it lacks.
    """

    def __init__(self, table: RemoteTable, parameters: bool = False) -> None:
        super().__init__(parameters)
        self._table = table
        self._missing: frozenset[str] = frozenset() if parameters else table.missing

    def visit_column(self, node: Column) -> Fragment:
        """Write the column, or what it is if there is none."""
        if node.name not in self._missing:
            return super().visit_column(node)
        sql = f"(NULL::{self._type(node.type)})"
        return self._leaf(node, sql, _type_collation(node.type))

    def column_name(self, column: Column) -> str:
        """Return the remote name."""
        return self._table.column(column.name)


class ParameterWriter(Writer):
    """Writes a number between marks for every value, and collects the constants.

    Attributes:
        constants: those that have the values, in the order of their numbers.
    """

    def __init__(self, table: RemoteTable) -> None:
        super().__init__(table)
        self.constants: list[Constant] = []

    def visit_constant(self, node: Constant) -> Fragment:
        """Write the next number."""
        if not _is_value(node):
            return super().visit_constant(node)
        self.constants.append(node)
        written = super().visit_constant(node)
        number = f"{MARK}{len(self.constants)}{MARK}"
        return written._replace(sql=f"{number}::{self._type(node.type)}")


def _is_value(node: Constant) -> bool:
    """Return whether a constant may be another one in the same SQL: not so NULL."""
    return node.text is not None


def _position(constant: Constant, constants: Sequence[Constant]) -> int:
    """Return where a constant is among others."""
    return next(at for at, one in enumerate(constants) if one is constant)


def _shape(part: Any, constants: list[Constant]) -> Hashable:
    """Return all that the SQL of a part of an expression depends on, but for the values.

    Args:
        part: an expression, or what is in one.
        constants: takes the constants that have the values.
    """
    kind = type(part)
    if kind in PLAIN_KINDS:
        found: Hashable = part
        return found
    if kind is DataType:
        return part.oid, part.typmod
    if kind is Constant and _is_value(part):
        constants.append(part)
        return kind, part.type.oid, part.type.typmod, _shape(part.collation, constants)
    parts = part if kind is tuple else part._values()
    return kind, *[_shape(one, constants) for one in parts]


def _comparable(type_oid: int, value: object) -> str:
    """Return a literal that a column of a type can be compared with; '' if that is not known."""
    kind = type(value)
    if type_oid in NUMBERS and isinstance(value, int | Decimal) and kind is not bool:
        # Without quotes, its type is the smallest one that it fits in.
        return str(value) if Decimal(value).is_finite() else f"'{value}'::numeric"
    if type_oid in NUMBERS and kind is float:
        return f"'{value}'::float8"
    if type_oid in TEXTS and isinstance(value, str):
        return _literal(value)
    if type_oid in DAYS and isinstance(value, date):
        has_zone = isinstance(value, datetime) and value.tzinfo is not None
        name = "date" if kind is date else "timestamptz" if has_zone else "timestamp"
        return f"'{value}'::{name}"
    return ""


def _where(writer: SQLWriter, filters: Sequence[Expression]) -> str:
    """Return the WHERE clause."""
    return f" WHERE {' AND '.join(map(writer.write, filters))}" if filters else ""


def _order_by(table: RemoteTable, keys: Sequence[SortKey]) -> str:
    """Return the ORDER BY clause."""
    terms = []
    for key in keys:
        collation = "" if key.collate is None else f' COLLATE pg_catalog."{key.collate}"'
        direction = "DESC" if key.is_reversed else "ASC"
        nulls = "FIRST" if key.nulls_first else "LAST"
        terms.append(f"{table.column(key.attname)}{collation} {direction} NULLS {nulls}")
    return f" ORDER BY {', '.join(terms)}" if terms else ""


def _limit(limit: object, offset: object) -> str:
    """Return the LIMIT and OFFSET clauses."""
    clauses = "" if limit is None else f" LIMIT {limit}"
    return clauses if not offset else f"{clauses} OFFSET {offset}"


def _collations_agree(expression: Expression) -> bool:
    """Return whether every collation that counts comes from a column, or is the same everywhere.

    What a column of the other server has is taken to be what the foreign table's has. Any other
    collation may mean something else there.
    """
    for node in expression.walk():
        collation: Collation | None = getattr(node, "input_collation", None)
        if collation is None or (collation.is_builtin and collation.name in FIXED_COLLATIONS):
            continue
        if not any(isinstance(one, Column) and one.collation == collation for one in node.walk()):
            return False
    return True
