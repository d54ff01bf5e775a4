"""A wrapper whose rows are those of transactions that were committed; for tools/faults.py."""

from __future__ import annotations

from typing import Any, ClassVar

from multicorn import ColumnDefinition, ForeignDataWrapper, Qual


class Ledger(ForeignDataWrapper):
    """A table of a column `n` that only inserts change."""

    kept: ClassVar[list[int]] = []

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        self.changes: list[int] = []
        self.marks: list[int] = []

    @property
    def rowid_column(self) -> str:
        """The only column."""
        return "n"

    def execute(self, quals: list[Qual], columns: list[str]) -> list[tuple[int]]:
        """Return what was committed and what this transaction has added."""
        return [(n,) for n in [*self.kept, *self.changes]]

    def insert(self, values: dict[str, Any]) -> None:
        """Add a row."""
        self.changes.append(values["n"])

    def begin(self, serializable: bool) -> None:
        """Begin without changes."""
        self.changes, self.marks = [], []

    def commit(self) -> None:
        """Keep the changes."""
        self.kept.extend(self.changes)
        self.changes = []

    def rollback(self) -> None:
        """Forget the changes."""
        self.changes = []

    def sub_begin(self, level: int) -> None:
        """Remember how far the transaction has come."""
        self.marks.append(len(self.changes))

    def sub_commit(self, level: int) -> None:
        """Leave the changes to the level above."""
        self.marks.pop()

    def sub_rollback(self, level: int) -> None:
        """Go back to where the level began."""
        del self.changes[self.marks.pop() :]
