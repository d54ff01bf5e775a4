"""The wrappers that the benchmark measures: rows as a wrapper author would write them.

The heap table and the PL/Python functions of setup.sql hold and yield the very same rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from multicorn import ForeignDataWrapper, Qual

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
