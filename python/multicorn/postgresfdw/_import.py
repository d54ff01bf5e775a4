"""IMPORT FOREIGN SCHEMA: the tables of a remote schema, as its catalogs describe them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Protocol

from multicorn import ColumnDefinition, Error, TableDefinition
from multicorn._bridge import bridge
from multicorn.utils import log_to_postgres

if TYPE_CHECKING:
    from multicorn.postgresfdw._options import ImportSettings

__all__ = ["Catalog", "RemoteColumn", "array_of", "import_tables", "read_tables"]

SCHEMA_NOT_FOUND = "HV00Q"
UNDEFINED_OBJECT = "42704"

SCHEMA_QUERY = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1"

# One row per column, in the order of RemoteColumn; one with nulls for a table without any. Types
# and expressions are qualified, except for what is in pg_catalog, because that alone is searched.
TABLES_QUERY = """
SELECT c.relname, a.attname,
       pg_catalog.format_type(a.atttypid, a.atttypmod), t.typtype = 'p',
       a.attnotnull, pg_catalog.pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attgenerated,
       ln.nspname, l.collname, a.attcollation = t.typcollation,
       a.attnum = i.indkey[0]
FROM pg_catalog.pg_class c
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN pg_catalog.pg_attribute a
          ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
     LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
     LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
     LEFT JOIN pg_catalog.pg_namespace ln ON ln.oid = l.collnamespace
     LEFT JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisprimary
          AND i.indisvalid AND i.indimmediate AND i.indnkeyatts = 1
WHERE n.nspname = $1 AND c.relkind IN ('r', 'v', 'f', 'm', 'p') AND {wanted}
ORDER BY c.relname, a.attnum
"""

# Partitions come with the table that they belong to, unless they are asked for.
WANTED = {
    None: "NOT c.relispartition",
    "except": "NOT c.relispartition AND c.relname <> ALL ($2::pg_catalog.text[])",
    "limit": "c.relname = ANY ($2::pg_catalog.text[])",
}

# The collation of types that have none of their own.
DEFAULT_COLLATION = ("pg_catalog", "default")

# A default that takes the next value of a sequence, as pg_get_expr() writes it, without literals.
NEXT_VALUE = re.compile(r'(?<![\w$".])nextval\(')
LITERAL = re.compile(r"'(?:[^']|'')*'")


class Catalog(Protocol):
    """What is asked of a connection; names in its catalogs are found in pg_catalog alone."""

    def query(
        self, sql: str, parameters: Sequence[str | None] = ()
    ) -> list[tuple[str | None, ...]]:
        """Return the rows of a query as text."""


def import_tables(
    connection: Catalog,
    server: str,
    schema: str,
    settings: ImportSettings,
    restriction_type: str | None = None,
    restricts: Sequence[str] = (),
) -> Iterator[TableDefinition]:
    """Describe the tables, views, materialized views and foreign tables of a remote schema.

    Columns of types that do not exist here become text, with a NOTICE. Beside the options that
    postgres_fdw sets, a primary key of one column gets `key`, and columns that the remote fills
    get `generated`.

    Args:
        connection: the connection.
        server: the name of the foreign server, for messages.
        schema: the remote schema.
        settings: what is taken over.
        restriction_type: 'limit', 'except' or None, as `import_schema` gets it.
        restricts: the tables that the restriction names.

    Raises:
        Error: HV00Q (fdw_schema_not_found) if there is no such schema; 42704 (undefined_object)
            for a collation that does not exist here.
    """
    for name, columns in read_tables(connection, server, schema, restriction_type, restricts):
        yield TableDefinition(
            name,
            columns=[_definition(column, settings) for column in columns],
            options={"schema_name": schema, "table_name": name},
        )


def read_tables(
    connection: Catalog,
    server: str,
    schema: str,
    restriction_type: str | None = None,
    restricts: Sequence[str] = (),
) -> Iterator[tuple[str, list[RemoteColumn]]]:
    """Return the name and the columns of each table of a remote schema.

    Args:
        connection: the connection.
        server: the name of the foreign server, for messages.
        schema: the remote schema.
        restriction_type: 'limit', 'except' or None, as `import_schema` gets it.
        restricts: the tables that the restriction names.

    Raises:
        Error: HV00Q (fdw_schema_not_found) if there is no such schema.
    """
    if not connection.query(SCHEMA_QUERY, [schema]):
        raise Error(
            f'schema "{schema}" is not present on foreign server "{server}"',
            sqlstate=SCHEMA_NOT_FOUND,
            context="",
        )
    sql = TABLES_QUERY.format(wanted=WANTED[restriction_type])
    parameters = [schema] if restriction_type is None else [schema, array_of(restricts)]
    rows = connection.query(sql, parameters)
    for name, fields in groupby(rows, lambda row: row[0] or ""):
        yield name, [RemoteColumn.read(row) for row in fields if row[1] is not None]


def array_of(items: Sequence[str]) -> str:
    """Return texts as an array of PostgreSQL."""
    quoted = (item.replace("\\", "\\\\").replace('"', '\\"') for item in items)
    return "{" + ",".join(f'"{item}"' for item in quoted) + "}"


@dataclass(frozen=True)
class RemoteColumn:
    """A column of the other server.

    Attributes:
        table: the name of its table.
        name: its name.
        type: its type as SQL writes it.
        is_pseudo_type: whether that is one that only system catalogs use in columns.
        is_not_null: whether it is NOT NULL.
        expression: its default, or that from which it is computed; None if there is none.
        is_identity: whether it is GENERATED AS IDENTITY.
        generated: 's' if it is computed and stored, 'v' if computed when read, or ''.
        collation: its collation's schema and name, or None.
        has_own_collation: whether that is another one than its type's.
        is_key: whether it is the primary key.
    """

    table: str
    name: str
    type: str
    is_pseudo_type: bool
    is_not_null: bool
    expression: str | None
    is_identity: bool
    generated: str
    collation: tuple[str, str] | None
    has_own_collation: bool
    is_key: bool

    @classmethod
    def read(cls, row: Sequence[str | None]) -> RemoteColumn:
        """Return what a row of the query tells."""
        table, name, type_name, pseudo, not_null, expression, identity, generated = row[:8]
        schema, collation, is_types_collation, key = row[8:]
        return cls(
            table or "",
            name or "",
            type_name or "",
            pseudo == "t",
            not_null == "t",
            expression,
            bool(identity),
            generated or "",
            None if collation is None else (schema or "", collation),
            is_types_collation == "f",
            key == "t",
        )

    def __str__(self) -> str:
        return f'column "{self.name}" of foreign table "{self.table}"'

    @property
    def is_filled(self) -> bool:
        """Whether the remote numbers rows by it."""
        return self.is_identity or self.takes_next_value

    @property
    def takes_next_value(self) -> bool:
        """Whether the default is the next value of a sequence."""
        if self.expression is None or self.generated:
            return False
        return NEXT_VALUE.search(LITERAL.sub("''", self.expression)) is not None


def _definition(column: RemoteColumn, settings: ImportSettings) -> ColumnDefinition:
    """Return a column of the foreign table."""
    has_type = _has_type(column)
    is_computed = has_type and settings.generated and column.generated == "s"
    has_default = has_type and settings.default and not column.generated
    options = {"column_name": column.name}
    if column.is_key:
        options["key"] = "true"
    if not has_type:
        options["shippable"] = "false"
    if column.is_filled or (column.generated and not is_computed):
        options["generated"] = "remote"
    return ColumnDefinition(
        column.name,
        type_name=column.type if has_type else "text",
        options=options,
        not_null=settings.not_null and column.is_not_null,
        # A local sequence of the same name would go its own way.
        default=column.expression if has_default and not column.is_filled else None,
        generated=column.expression if is_computed else None,
        collation=_collation(column, has_type) if settings.collate else None,
    )


def _has_type(column: RemoteColumn) -> bool:
    """Return whether the type of a column exists here, and tell the user if not."""
    backend = bridge()
    if not column.is_pseudo_type and (backend is None or backend.type_exists(column.type)):
        return True
    log_to_postgres(f'type "{column.type}" of {column} is not available, text is used in its place')
    return False


def _collation(column: RemoteColumn, has_type: bool) -> tuple[str, str] | None:
    """Return the collation that has to be named, if any.

    Without its collation, a column would compare and sort in one way here and in another one
    there, so that one that does not exist here is an error.
    """
    collation = column.collation
    is_named = column.has_own_collation if has_type else collation != DEFAULT_COLLATION
    if collation is None or not is_named:
        return None
    backend = bridge()
    if backend is not None and not backend.collation_exists(*collation):
        schema, name = collation
        raise Error(
            f'collation "{name}" of schema "{schema}" does not exist',
            sqlstate=UNDEFINED_OBJECT,
            detail=f'It belongs to column "{column.name}" of the remote table "{column.table}".',
            hint="Create it, or leave the table out with EXCEPT, or all collations with the"
            " option import_collate 'false'.",
            context="",
        )
    return collation
