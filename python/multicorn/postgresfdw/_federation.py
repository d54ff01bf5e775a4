"""What SQL asks about deployments: what tables a server has, and whether it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter

from multicorn import Error
from multicorn.postgresfdw._connection import Connection
from multicorn.postgresfdw._import import RemoteColumn, array_of, read_tables
from multicorn.postgresfdw._visits import visit
from multicorn.postgresfdw._wrapper import PostgresFdw
from multicorn.utils import current_foreign_server

__all__ = ["connect", "remote_columns", "require_postgres"]

# The fields of an answer are texts, which SQL reads as the types of a function's columns.
Row = tuple[str | None, ...]

# What the user may do with each column of some tables. DELETE is for whole tables.
PRIVILEGES_QUERY = """
SELECT c.relname, a.attname, p.name
FROM pg_catalog.pg_class c
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     JOIN pg_catalog.pg_attribute a
          ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     CROSS JOIN (VALUES (1, 'SELECT'), (2, 'INSERT'), (3, 'UPDATE'), (4, 'DELETE')) p (number, name)
WHERE n.nspname = $1 AND c.relname = ANY ($2::pg_catalog.text[])
      AND CASE p.name WHEN 'DELETE' THEN pg_catalog.has_table_privilege(c.oid, p.name)
          ELSE pg_catalog.has_column_privilege(c.oid, a.attnum, p.name) END
ORDER BY p.number
"""


# The default collation of the database: its provider, and the name that this has for it.
COLLATION_QUERY = """
SELECT CASE d.facts ->> 'datlocprovider' WHEN 'c' THEN 'libc ' || (d.facts ->> 'datcollate')
    WHEN 'i' THEN 'icu ' || coalesce(d.facts ->> 'datlocale', d.facts ->> 'daticulocale')
    ELSE 'builtin ' || (d.facts ->> 'datlocale') END
FROM (SELECT pg_catalog.to_jsonb(own) AS facts FROM pg_catalog.pg_database AS own
    WHERE own.datname = pg_catalog.current_database()) AS d
"""


def require_postgres(cls: type) -> None:
    """Raise an error unless the class of a server is that of a remote PostgreSQL."""
    if not issubclass(cls, PostgresFdw):
        raise Error(
            f'server "{current_foreign_server().name}" is not a remote PostgreSQL',
            sqlstate="42809",
            detail=f"Its wrapper is {cls.__module__}.{cls.__qualname__}.",
            context="",
        )


def remote_columns(
    options: Mapping[str, str], schema: str, tables: Sequence[str] | None
) -> list[Row]:
    """Return a row for each column of remote tables.

    Args:
        options: those of server and mapping.
        schema: the remote schema.
        tables: names of its tables; None for all but partitions.

    Returns:
        Table, column, type, NOT NULL, collation if it is not the type's, the options key and
        generated that IMPORT FOREIGN SCHEMA would give it, and what the user may do with it.

    Raises:
        Error: HV00Q (fdw_schema_not_found) if there is no such schema; or that of the connection.
    """
    with visit(options) as (server, connection):
        restriction = None if tables is None else "limit"
        found = list(read_tables(connection, server.name, schema, restriction, tables or ()))
        privileges = _privileges(connection, schema, [name for name, _ in found])
    return [
        _row(column, privileges.get((name, column.name), []))
        for name, columns in found
        for column in columns
    ]


def _row(column: RemoteColumn, privileges: Sequence[str]) -> Row:
    """Return what is told of a column."""
    options = []
    if column.is_key:
        options.append("key=true")
    if column.is_filled or column.generated:
        options.append("generated=remote")
    return (
        column.table,
        column.name,
        column.type,
        "t" if column.is_not_null else "f",
        ".".join(column.collation) if column.collation and column.has_own_collation else None,
        array_of(options),
        array_of(privileges),
    )


def _privileges(
    connection: Connection, schema: str, tables: Sequence[str]
) -> dict[tuple[str, str], list[str]]:
    """Return what the user may do with the columns of tables, by table and column."""
    found: dict[tuple[str, str], list[str]] = {}
    for table, column, name in connection.query(PRIVILEGES_QUERY, [schema, array_of(tables)]):
        found.setdefault((table or "", column or ""), []).append(name or "")
    return found


def connect(options: Mapping[str, str]) -> list[Row]:
    """Return a row that tells what a server has answered.

    Returns:
        The server's version, such as 15.8; the default collation of the database, such as
        `libc en_US.UTF-8`; its backend's process ID; whether the connection is encrypted; how long
        a round trip takes, in ms.

    Raises:
        Error: that of the connection.
    """
    with visit(options) as (_, connection):
        version = str(connection.query("SHOW server_version")[0][0]).partition(" ")[0]
        collation = connection.query(COLLATION_QUERY)[0][0]
        before = perf_counter()
        encrypted = connection.query(
            "SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid()"
        )
        milliseconds = (perf_counter() - before) * 1000
        pid = connection.remote_backend_pid
    is_encrypted = bool(encrypted) and encrypted[0][0] == "t"
    return [(version, collation, str(pid), "t" if is_encrypted else "f", f"{milliseconds:.3f}")]
