"""A table of another PostgreSQL server, which filters, sorts and limits its rows itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from psycopg import pq

from multicorn import ColumnDefinition, ForeignDataWrapper, Qual, SortKey
from multicorn.expressions import Constant, Expression, SQLWriter
from multicorn.utils import log_to_postgres

# The types whose order follows a collation.
COLLATABLE = {"text", "character varying", "character", "name", "code"}


class ParameterWriter(SQLWriter):
    """Writes parameters as $1, $2 and so on, without gaps, and keeps their values."""

    def __init__(self) -> None:
        super().__init__(parameters=True)
        self.numbers: dict[int | None, int] = {}
        self.texts: list[str | None] = []

    def parameter_name(self, constant: Constant) -> str:
        """Number the parameter by its first use."""
        if constant.parameter not in self.numbers:
            self.texts.append(constant.text)
            self.numbers[constant.parameter] = len(self.texts)
        return f"${self.numbers[constant.parameter]}"


def quoted(name: str) -> str:
    """Quote an identifier."""
    return '"' + name.replace('"', '""') + '"'


class Remote(ForeignDataWrapper):
    """A table of another server, of which each row is told by its column `id`.

    Options:
        dsn: How libpq connects to it.
        relation: The table, as SQL writes it.
        promise: What the other server does: `everything` that it can, what is `immutable`, or
            `nothing`.
        session: SQL that makes the settings in which conditions are evaluated; rows are read
            without them.
        parameters: `on` to send the values of parameters apart from the SQL.
        keys: Columns by which rows are found, for joins.
        show: `on` to show the SQL that is sent.
    """

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        self.columns = columns
        self.relation = options["relation"]
        self.promise = options.get("promise", "everything")
        self.keys = options.get("keys", "").split()
        self.parameters = options.get("parameters") == "on"
        self.show = options.get("show") == "on"
        self.writer = SQLWriter(parameters=True)
        self.rows = self._read_rows(options["dsn"], columns)
        self.server = connect(options["dsn"], options.get("session", ""))

    def _read_rows(self, dsn: str, columns: dict[str, ColumnDefinition]) -> dict[str, Any]:
        """Return all rows by their `id`: values in text form, which every type reads."""
        server = connect(dsn, "")
        names = ", ".join(quoted(name) for name in columns)
        readers = [reader(column) for column in columns.values()]
        rows = {
            identity: tuple(
                None if text is None else read(text)
                for read, text in zip(readers, row, strict=True)
            )
            for identity, *row in run(server, f"SELECT id, {names} FROM {self.relation}")
            if identity is not None
        }
        server.finish()
        return rows

    def close(self) -> None:
        """Leave the other server."""
        self.server.finish()

    # --- What it promises -------------------------------------------------------------------------

    def get_rel_size(self, quals: list[Qual], columns: list[str]) -> tuple[int, int]:
        return len(self.rows), 100

    def get_path_keys(self) -> list[tuple[str, int]]:
        return [(key, 1) for key in self.keys]

    def can_filter(self, filters: list[Expression]) -> list[Expression]:
        return [one for one in filters if self.promises(one) and self.writer.supports(one)]

    def promises(self, one: Expression) -> bool:
        """Tell whether the other server would answer as this one does."""
        return self.promise == "everything" or (self.promise == "immutable" and one.is_immutable)

    def can_sort(self, sortkeys: list[SortKey]) -> list[SortKey]:
        return [] if self.promise == "nothing" else sortkeys

    def can_limit(self, limit: Any, offset: Any) -> bool:
        return self.promise != "nothing"

    # --- What it does -----------------------------------------------------------------------------

    def execute(
        self,
        quals: list[Qual],
        columns: list[str],
        sortkeys: Sequence[SortKey] = (),
        limit: int | None = None,
        offset: int | None = None,
        filters: Sequence[Expression] = (),
    ) -> Iterator[Any]:
        """Ask for the ids of rows, and yield the rows."""
        writer = ParameterWriter() if self.parameters else SQLWriter()
        parts = [f"SELECT id FROM {self.relation}"]
        if filters:
            parts.append("WHERE " + " AND ".join(map(writer.write, filters)))
        if sortkeys:
            parts.append("ORDER BY " + ", ".join(map(self.order, sortkeys)))
        if limit is not None:
            parts.append(f"LIMIT {limit}")
        if offset is not None:
            parts.append(f"OFFSET {offset}")
        sql = " ".join(parts)
        if self.show:
            log_to_postgres(sql)
        texts = writer.texts if isinstance(writer, ParameterWriter) else []
        for (identity,) in run(self.server, sql, texts):
            yield self.rows[identity or ""]

    def order(self, key: SortKey) -> str:
        """Write a sort key. The column may have a collation of its own, so that one is named."""
        sql = quoted(key.attname)
        if self.columns[key.attname].base_type_name in COLLATABLE:
            sql += f" COLLATE {quoted(key.collate or 'default')}"
        direction = "DESC" if key.is_reversed else "ASC"
        return f"{sql} {direction} NULLS {'FIRST' if key.nulls_first else 'LAST'}"


class RemoteError(Exception):
    """The other server has refused a statement.

    Attributes:
        sqlstate: Why, so that it is the SQLSTATE of our error as well.
    """

    def __init__(self, message: str, sqlstate: str | None = None) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


def connect(dsn: str, session: str) -> pq.abc.PGconn:
    """Connect to a server, with the settings that SQL makes."""
    server = pq.PGconn.connect(dsn.encode())
    if server.status != pq.ConnStatus.OK:
        raise RemoteError(server.error_message.decode())
    list(run(server, "SET client_encoding = 'UTF8'"))
    if session:
        server.exec_(session.encode())
    return server


def run(
    server: pq.abc.PGconn, sql: str, parameters: Iterable[str | None] = ()
) -> Iterator[list[str | None]]:
    """Run a statement, with texts for $1 and so on, and yield its rows as texts."""
    values = [None if text is None else text.encode() for text in parameters]
    result = server.exec_params(sql.encode(), values)
    if result.status not in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
        sqlstate = result.error_field(pq.DiagnosticField.SQLSTATE) or b"XX000"
        raise RemoteError(f"{result.error_message.decode()} in {sql}", sqlstate.decode())
    for row in range(result.ntuples):
        values = [result.get_value(row, column) for column in range(result.nfields)]
        yield [None if value is None else value.decode() for value in values]


def reader(column: ColumnDefinition) -> Any:
    """Return what makes of a text what a column takes."""
    is_bytes = column.base_type_name == "bytea" and "value_form" not in column.options
    return (lambda text: bytes.fromhex(text[2:])) if is_bytes else str
