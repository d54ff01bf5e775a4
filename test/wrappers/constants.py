"""Wrappers of tables with a column that they do not know of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from multicorn import ColumnDefinition, ForeignDataWrapper, Qual, SortKey
from multicorn.expressions import Expression
from multicorn.utils import log_to_postgres

ROWS = [(1, "ada"), (2, "bob"), (3, "eve")]


class People(ForeignDataWrapper):
    """A table (id, name) of three people that tells each call; rows have just these two items."""

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        log_to_postgres(f"columns: {', '.join(columns)}")

    @property
    def rowid_column(self) -> str:
        """The column that identifies a row."""
        return "id"

    def execute(
        self, quals: list[Qual], columns: list[str], **keywords: Any
    ) -> Iterator[tuple[int, str]]:
        """Yield the rows."""
        told = "".join(f" {name}: {', '.join(map(str, what))}" for name, what in keywords.items())
        log_to_postgres(f"execute: {columns} {quals}{told}")
        yield from ROWS

    def insert(self, values: dict[str, Any]) -> dict[str, Any]:
        """Tell what is inserted; the answer names a column that is not the wrapper's."""
        log_to_postgres(f"insert: {values}")
        return {"id": 4, "place": "nowhere"}

    def bulk_insert(self, rows: list[dict[str, Any]]) -> None:
        """Tell what is inserted."""
        log_to_postgres(f"bulk_insert: {rows}")

    def update(self, rowid: int, values: dict[str, Any]) -> None:
        """Tell what is changed."""
        log_to_postgres(f"update: {rowid} {values}")

    def delete(self, rowid: int) -> None:
        """Tell what is deleted."""
        log_to_postgres(f"delete: {rowid}")


class Batches(People):
    """The same, which takes several rows at once."""

    modify_batch_size = 10


class Sorted(People):
    """The same, which is asked what it can take over."""

    def can_filter(self, filters: list[Expression]) -> list[Expression]:
        """Tell what is offered; take nothing."""
        log_to_postgres(f"can_filter: {', '.join(map(str, filters))}")
        return []

    def can_sort(self, sortkeys: list[SortKey]) -> list[SortKey]:
        """Take over every order by id alone, which is that of the rows."""
        log_to_postgres(f"can_sort: {', '.join(key.attname for key in sortkeys)}")
        return [key for key in sortkeys[:1] if key.attname == "id" and not key.is_reversed]


class Mappings(ForeignDataWrapper):
    """The same rows as mappings, with a key that the table has but the wrapper is not asked for."""

    def execute(self, quals: list[Qual], columns: list[str]) -> Iterator[dict[str, Any]]:
        """Yield the rows."""
        for number, name in ROWS:
            yield {"id": number, "name": name, "place": "nowhere"}
