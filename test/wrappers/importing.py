"""Tables of another PostgreSQL server, imported and sampled by the parts of postgresfdw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from remote import connect, quoted, run

from multicorn import ColumnDefinition, ForeignDataWrapper, Qual, TableDefinition
from multicorn.libpq import ResultRows
from multicorn.postgresfdw._analyze import plan_sample
from multicorn.postgresfdw._import import import_tables
from multicorn.postgresfdw._options import ImportSettings
from multicorn.utils import current_foreign_server, log_to_postgres


class Connection:
    """A connection of its own, on which names are found in pg_catalog alone."""

    def __init__(self, dsn: str) -> None:
        self.pgconn = connect(dsn, "SET search_path = pg_catalog")

    def query(
        self, sql: str, parameters: Sequence[str | None] = ()
    ) -> list[tuple[str | None, ...]]:
        """Return the rows of a query as text."""
        return [tuple(row) for row in run(self.pgconn, sql, parameters)]


class Importing(ForeignDataWrapper):
    """Offers the tables of the server `dsn`, and reads a table's own columns.

    ANALYZE tells by a NOTICE how it reads. Option `analyze_sampling` is the way; `dsn` and
    `schema_name` and `table_name` say which table it is.
    """

    @classmethod
    def import_schema(
        cls,
        schema: str,
        srv_options: Any,
        options: Any,
        restriction_type: str | None,
        restricts: Sequence[str],
    ) -> Iterator[TableDefinition]:
        return import_tables(
            Connection(srv_options["dsn"]),
            current_foreign_server().name,
            schema,
            ImportSettings.read(options),
            restriction_type,
            restricts,
        )

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        self.connection = Connection(options["dsn"])
        self.table = f"{quoted(options['schema_name'])}.{quoted(options['table_name'])}"
        self.method = options.get("analyze_sampling", "auto")

    def close(self) -> None:
        self.connection.pgconn.finish()

    def execute(self, quals: list[Qual], columns: list[str]) -> Iterator[Any]:
        return self.read(columns, "")

    def read(self, columns: list[str], tail: str) -> Iterator[Any]:
        """Yield the rows."""
        names = ", ".join(map(quoted, columns))
        sql = f"SELECT {names} FROM {self.table} {tail}"
        yield ResultRows(self.connection.pgconn.exec_(sql.encode()), columns)

    def analyze(self) -> float:
        return plan_sample(self.connection, self.table, self.method).total

    def sample(self, columns: list[str], count: int) -> Iterator[Any] | None:
        sample = plan_sample(self.connection, self.table, self.method, count)
        log_to_postgres(f"{count} rows of {sample}")
        if sample.method is None:
            return None
        if sample.method == "random":
            return self.read(columns, f"WHERE random() < {sample.fraction}")
        return self.read(columns, f"TABLESAMPLE {sample.method} ({sample.fraction * 100})")
