"""The wrapper of the tutorial: twenty rows that name their columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from multicorn import ForeignDataWrapper


class ConstantForeignDataWrapper(ForeignDataWrapper):
    """Sends 20 rows; a value is the name of its column and the number of its row."""

    def __init__(self, options: Any, columns: Any) -> None:
        """Remember the columns of the foreign table."""
        super().__init__(options, columns)
        self.columns = columns

    def execute(
        self, quals: list[Any], columns: list[str], *args: Any, **keywords: Any
    ) -> Iterator[dict[str, str]]:
        """Send the rows."""
        for index in range(20):
            yield {name: f"{name} {index}" for name in self.columns}
