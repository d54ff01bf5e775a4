"""A wrapper that lies in a folder of its own."""

from __future__ import annotations

from multicorn import ForeignDataWrapper, Qual


class Found(ForeignDataWrapper):
    """A table (name text, value text) of one row."""

    def execute(self, quals: list[Qual], columns: list[str]) -> list[tuple[str, str]]:
        """Return the row."""
        return [("found", "elsewhere")]
