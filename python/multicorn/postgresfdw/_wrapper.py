"""The class behind foreign tables of other PostgreSQL servers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from multicorn import (
    ColumnDefinition,
    Error,
    ForeignDataWrapper,
    Qual,
    SortKey,
    TableDefinition,
    _Marker,
)
from multicorn.expressions import Expression
from multicorn.libpq import ResultRows
from multicorn.postgresfdw import _transactions as transactions
from multicorn.postgresfdw._absence import available
from multicorn.postgresfdw._analyze import plan_sample
from multicorn.postgresfdw._connection import may_skip
from multicorn.postgresfdw._errors import Unreachable
from multicorn.postgresfdw._import import import_tables
from multicorn.postgresfdw._options import (
    MAPPING_OPTIONS,
    ColumnSettings,
    ImportSettings,
    TableSettings,
    validate_instance,
)
from multicorn.postgresfdw._scan import Repetitions, Scan, in_transaction
from multicorn.postgresfdw._statements import CTID, FIRST_UNFIXED_OID, Query, RemoteTable
from multicorn.postgresfdw._visits import connect_later, visit
from multicorn.postgresfdw._writes import Writer
from multicorn.utils import current_foreign_table

__all__ = ["PostgresFdw"]


class PostgresFdw(ForeignDataWrapper):
    """A table of another PostgreSQL server.

    Args:
        options: those of postgres_fdw, of server, table and user mapping.
        columns: the columns; the option `column_name` is what the other server calls one, `key`
            marks the primary key.

    Raises:
        Error: an option is unknown or wrong. Nothing is asked of the other server yet.
    """

    mapping_options = MAPPING_OPTIONS
    omit_unassigned = True
    omit_generated = True
    on_conflict_nothing = True
    takes_returning = True
    write_form = "text"

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        table = current_foreign_table()
        validate_instance(table.server, table, columns)
        settings = TableSettings.read(options, table.schema, table.name)
        keys = [name for name, column in columns.items() if ColumnSettings.read(column).is_key]
        self._name = table.name
        self._settings = settings
        self._startup_cost = settings.startup_cost
        self._tuple_cost = settings.tuple_cost
        self.modify_batch_size = settings.batch_size
        self._key = keys[0] if len(keys) == 1 else None
        self._connection = connect_later(table.server, options)
        self._table = RemoteTable(
            settings.schema_name,
            settings.table_name,
            columns,
            settings.extensions,
            settings.on_missing == "null",
        )
        self._writer = Writer(self._connection, self._table, self.rowid_column)
        self._repetitions = Repetitions()

    @property
    def rowid_column(self) -> str:
        """The primary key, or ctid if it is not known or has several columns.

        A type that is not PostgreSQL's own may have its `=` in a schema that is not known here.
        """
        if self._key is None or self._table.columns[self._key].type_oid >= FIRST_UNFIXED_OID:
            return CTID
        return self._key

    # Planning

    def get_rel_size(self, quals: list[Qual], columns: list[str]) -> tuple[float, float] | None:
        """Ask the other server, if it shall be asked; else the statistics of ANALYZE tell."""
        if not self._settings.use_remote_estimate:
            return None
        try:
            if may_skip(self._connection.settings) and self._connection.recent_failure:
                return None
            self._writer.learn_missing()
            query = self._table.select_where(columns, quals)
            plan = str(self._connection.query(f"EXPLAIN {query}", table=self._table)[0][0])
        except Unreachable:
            # What statement this is for will be seen when it is executed.
            if may_skip(self._connection.settings):
                return None
            raise
        found = re.search(r"rows=(\d+) width=(\d+)", plan)
        return None if found is None else (float(found[1]), float(found[2]))

    def get_path_keys(self) -> list[tuple[tuple[str, ...], float]]:
        """Say that the primary key identifies a row."""
        return [((self._key,), 1)] if self._key else []

    def can_filter(self, filters: list[Expression]) -> list[Expression]:
        """Take over what means the same on the other server."""
        return [one for one in filters if self._table.can_filter(one)]

    def can_sort(self, sortkeys: list[SortKey]) -> list[SortKey]:
        """Take over what sorts the same on the other server."""
        taken = []
        for key in sortkeys:
            if not self._table.can_sort(key):
                break
            taken.append(key)
        return taken

    def can_limit(self, limit: Any, offset: Any) -> bool:
        """Take over every limit."""
        return True

    def explain(
        self,
        quals: list[Qual],
        columns: list[str],
        *args: Any,
        verbose: bool = False,
        filters: Sequence[Expression] = (),
        sortkeys: Sequence[SortKey] = (),
        limit: object = None,
        offset: object = None,
        **keywords: Any,
    ) -> Iterator[str]:
        """Show the query that is sent."""
        if verbose:
            sql = self._table.describe(columns, filters, sortkeys, limit, offset)
            yield f"Remote SQL: {sql}"

    # Reading

    def execute(
        self,
        quals: list[Qual],
        columns: list[str],
        *args: Any,
        filters: Sequence[Expression] = (),
        sortkeys: Sequence[SortKey] = (),
        limit: int | None = None,
        offset: int | None = None,
        **keywords: Any,
    ) -> Iterator[ResultRows]:
        """Yield the rows in batches."""
        if CTID in columns:
            self._writer.require_rowid()

        def write() -> Query:
            self._writer.learn_missing()
            return self._table.select(columns, filters, sortkeys, limit, offset)

        return available(self._connection, self._scan(write).rows(self._repetitions))

    def _scan(self, write: Callable[[], Query]) -> Scan:
        """Return the execution of a query."""
        return Scan(self._connection, self._table, write, self._settings.fetch_size)

    def analyze(self) -> float:
        """Return how many rows the other server's planner expects."""
        method = self._settings.analyze_sampling
        return plan_sample(self._connection, self._table.sql, method).total

    def sample(self, columns: list[str], count: int) -> Iterator[ResultRows] | None:
        """Have the other server choose rows, if there are many more than wanted."""
        settings = self._settings
        plan = plan_sample(self._connection, self._table.sql, settings.analyze_sampling, count)
        method = plan.method
        if method is None:
            return None

        def write() -> Query:
            self._writer.learn_missing()
            return self._table.sample(columns, method, plan.fraction)

        return self._scan(write).rows(self._repetitions)

    def close(self) -> None:
        """Let go of the connection, which other tables may use."""
        self._connection.release()

    # Writing

    def insert(
        self,
        values: dict[str, Any],
        *args: Any,
        returning: bool = False,
        on_conflict_nothing: bool = False,
        **keywords: Any,
    ) -> Mapping[str, Any] | _Marker | None:
        """Insert a row."""
        self._require_updatable("inserts")
        return self._writer.insert(values, returning, on_conflict_nothing)

    def insert_arrays(
        self,
        arrays: list[bytes],
        count: int,
        columns: tuple[str, ...],
        *args: Any,
        on_conflict_nothing: bool = False,
        **keywords: Any,
    ) -> int | None:
        """Insert rows that come as one array for each column."""
        self._require_updatable("inserts")
        return self._writer.insert_arrays(arrays, columns, on_conflict_nothing)

    def insert_copy(self, data: bytes, count: int, columns: tuple[str, ...]) -> None:
        """Insert rows that come in COPY's text format."""
        self._require_updatable("inserts")
        self._writer.copy(data, columns)

    def update(
        self,
        rowid: Any,
        new_values: dict[str, Any],
        *args: Any,
        returning: bool = False,
        **keywords: Any,
    ) -> Mapping[str, Any] | _Marker | None:
        """Change a row."""
        self._require_updatable("updates")
        return self._writer.update(rowid, new_values, returning)

    def delete(self, rowid: Any, *args: Any, **keywords: Any) -> _Marker | None:
        """Delete a row."""
        self._require_updatable("deletes")
        return self._writer.delete(rowid)

    def truncate(self, cascade: bool, restart_identity: bool) -> None:
        """Delete all rows."""
        if not self._settings.truncatable:
            raise self._refusal("truncates")
        self._writer.truncate(cascade, restart_identity)

    def end_modify(self) -> None:
        """Have all that was sent written.

        After an error, the end of the transaction takes it back.
        """
        if in_transaction():
            self._writer.finish()
        else:
            self._writer.forget()

    def _require_updatable(self, what: str) -> None:
        """Raise an error if the option says that rows may not be written."""
        if not self._settings.updatable:
            raise self._refusal(what)

    def _refusal(self, what: str) -> Error:
        """Return the error of a table that does not allow something."""
        return Error(
            f'foreign table "{self._name}" does not allow {what}', sqlstate="55000", context=""
        )

    # Transactions: a connection is shared, so that all instances speak for all connections.

    def pre_commit(self) -> None:
        """Commit on the other servers."""
        transactions.pre_commit()

    def commit(self) -> None:
        """Close connections that are not kept."""
        transactions.commit()

    def rollback(self) -> None:
        """Roll back on the other servers."""
        transactions.rollback()

    def sub_begin(self, level: int) -> None:
        """Take part in savepoints; one is set when the connection is used in it."""

    def sub_commit(self, level: int) -> None:
        """Release the savepoint on the other servers."""
        transactions.sub_commit(level)

    def sub_rollback(self, level: int) -> None:
        """Roll back to the savepoint on the other servers."""
        transactions.sub_rollback(level)

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
        """Describe the tables of a remote schema; options are import_collate and the like."""
        settings = ImportSettings.read(options)
        with visit(srv_options) as (server, connection):
            yield from import_tables(
                connection, server.name, schema, settings, restriction_type, restricts
            )
