"""Foreign tables of a remote PostgreSQL server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from multicorn import ForeignDataWrapper
from multicorn.postgresfdw._options import MAPPING_OPTIONS, TableSettings, validate_instance
from multicorn.utils import current_foreign_table

if TYPE_CHECKING:
    from multicorn import ColumnDefinition

__all__ = ["PostgresFdw"]


class PostgresFdw(ForeignDataWrapper):
    """Answers for a table of a remote PostgreSQL server; its options are those of postgres_fdw."""

    mapping_options = MAPPING_OPTIONS

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        table = current_foreign_table()
        validate_instance(table.server, table, columns)
        self.settings = TableSettings.read(options, table.schema, table.name)
