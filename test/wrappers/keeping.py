"""A wrapper that keeps the rows it is given, as they came, and gives them back."""

from __future__ import annotations

from typing import Any

from multicorn import ForeignDataWrapper


class Keeps(ForeignDataWrapper):
    """A table of any columns in the memory of the session."""

    def __init__(self, options: dict[str, str], columns: Any) -> None:
        super().__init__(options, columns)
        self.rows: list[dict[str, Any]] = []

    def execute(self, quals: Any, columns: Any) -> Any:
        """Return the rows."""
        return self.rows

    def insert(self, values: dict[str, Any], *args: Any, **keywords: Any) -> dict[str, Any]:
        """Keep a row, and return it."""
        self.rows.append(dict(values))
        return values
