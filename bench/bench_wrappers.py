"""The wrappers that the benchmark measures: rows as a wrapper author would write them.

The heap table and the PL/Python functions of setup.sql hold and yield the very same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from multicorn import ForeignDataWrapper, Qual, SortKey

FIRST_MOMENT = datetime(2024, 1, 1)


class _Rows(ForeignDataWrapper):
    """A table of as many rows as the option ``rows`` says."""

    def __init__(self, options: Any, columns: Any) -> None:
        super().__init__(options, columns)
        self.rows = int(options["rows"])


class Tuples(_Rows):
    """Three columns, from a generator of tuples."""

    def execute(self, quals: list[Qual], columns: list[str]) -> Iterator[tuple[Any, ...]]:
        """Yield the rows."""
        for i in range(self.rows):
            yield (i, "some text", i * 0.5)


class Dicts(_Rows):
    """The same rows as dicts."""

    def execute(self, quals: list[Qual], columns: list[str]) -> Iterator[dict[str, Any]]:
        """Yield the rows."""
        for i in range(self.rows):
            yield {"id": i, "name": "some text", "val": i * 0.5}


class NewTexts(_Rows):
    """The same columns, with a text of its own in every row, that Python has to make."""

    def execute(self, quals: list[Qual], columns: list[str]) -> Iterator[tuple[Any, ...]]:
        """Yield the rows."""
        for i in range(self.rows):
            yield (i, f"text {i}", i * 0.5)


class Wide(_Rows):
    """Ten columns of ten types; what takes Python long to make is made for a hundred rows."""

    def execute(self, quals: list[Qual], columns: list[str]) -> Iterator[tuple[Any, ...]]:
        """Yield the rows."""
        for start in range(0, self.rows, 100):
            moment = FIRST_MOMENT + timedelta(minutes=start)
            day = moment.date()
            amount = Decimal(start).scaleb(-2)
            blob = b"block %d" % start
            for i in range(start, start + 100):
                even = i % 2 == 0
                yield (i, i * 1000003, i * 0.5, even, "some text", moment, day, amount, blob, None)


class Planned(ForeignDataWrapper):
    """A table without rows that answers whatever the planner asks, as a wrapper of some care would.

    Only planning is measured.
    """

    def get_rel_size(self, quals: list[Qual], columns: list[str]) -> tuple[int, int]:
        """Expect fewer rows with each condition."""
        return 1_000_000 >> (2 * len(quals)), 8 * len(columns)

    def get_path_keys(self) -> list[tuple[tuple[str, ...], int]]:
        """Find rows by two keys."""
        return [(("a",), 1), (("b", "g"), 10)]

    def can_sort(self, sortkeys: list[SortKey]) -> list[SortKey]:
        """Deliver every order in which text is compared by code points."""
        return [key for key in sortkeys if key.collate in (None, "C")]

    def can_limit(self, limit: Any, offset: Any) -> bool:
        """Apply both."""
        return True

    def can_filter(self, filters: list[Any]) -> list[Any]:
        """Enforce what means the same everywhere."""
        return [one for one in filters if one.is_builtin and one.is_immutable]

    def explain(self, quals: list[Qual], columns: list[str], **keywords: Any) -> Iterable[str]:
        """Say what would be asked for."""
        return [f"{len(quals)} conditions, {len(columns)} columns"]

    def execute(self, quals: list[Qual], columns: list[str], **keywords: Any) -> list[Any]:
        """Return no rows."""
        return []


class Lookup(ForeignDataWrapper):
    """Very many rows, of which one is found by its id at once."""

    def get_rel_size(self, quals: list[Qual], columns: list[str]) -> tuple[int, int]:
        """Make everything but a lookup look expensive."""
        return (1 if quals else 1_000_000_000), 12

    def get_path_keys(self) -> list[tuple[tuple[str, ...], int]]:
        """Say what is quick."""
        return [(("id",), 1)]

    def execute(self, quals: list[Qual], columns: list[str]) -> list[tuple[Any, ...]]:
        """Return the row that is asked for."""
        (qual,) = quals
        return [(qual.value, qual.value * 0.5)]


class Rows(Tuples):
    """A table that takes every write and keeps nothing."""

    rowid_column = "id"

    def insert(self, values: dict[str, Any], *args: Any, **keywords: Any) -> None:
        """Take a row."""

    def update(self, rowid: Any, new_values: dict[str, Any], *args: Any, **keywords: Any) -> None:
        """Take a change."""

    def delete(self, rowid: Any, *args: Any, **keywords: Any) -> None:
        """Take a removal."""


class Batches(Rows):
    """The same, a thousand rows at once."""

    modify_batch_size = 1000

    def bulk_insert(self, rows: list[dict[str, Any]], *args: Any, **keywords: Any) -> None:
        """Take rows."""
