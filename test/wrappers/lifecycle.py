"""Wrappers that write down which of their methods are called, and a table to read that from.

A NOTICE from a method that runs after an error could reach the client before or after the error;
the journal keeps the order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from multicorn import ColumnDefinition, ForeignDataWrapper, Qual
from multicorn.utils import current_foreign_server, current_foreign_table

journal: list[str] = []
made: Counter[str] = Counter()


class Tracked:
    """Numbers from 1 to the option `rows` in the column `n`; it inherits from nothing of ours.

    Option `name` is how the journal calls the table, option `form` how the rows are delivered.
    """

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        name = options.get("name", "table")
        made[name] += 1
        self.name = f"{name} #{made[name]}"
        self.rows = int(options.get("rows", "5"))
        self.deliver: Callable[[], Iterable[Any]] = getattr(self, options.get("form", "generator"))
        self.note("__init__")

    def note(self, event: str) -> None:
        """Add a line to the journal."""
        journal.append(f"{self.name}: {event}")

    def execute(self, quals: list[Qual], columns: list[str]) -> Iterable[Any]:
        """Return the rows."""
        self.note(" ".join(["execute", *sorted(map(str, quals))]))
        return self.deliver()

    def generator(self) -> Iterator[dict[str, int]]:
        """Deliver the rows by a generator that has something to clean up."""
        try:
            for number in range(1, self.rows + 1):
                yield {"n": number}
        finally:
            self.note("generator ends")

    def mapped(self) -> Iterable[dict[str, int]]:
        """Deliver them through an iterator that only refers to the generator."""
        return map(dict, self.generator())

    def all(self) -> list[dict[str, int]]:
        """Deliver them all at once."""
        return [{"n": number} for number in range(1, self.rows + 1)]

    def nothing(self) -> None:
        """Deliver nothing at all."""

    def thirty(self) -> list[tuple[str, int]]:
        """Deliver one row for a table with another column before `n`."""
        return [("more", 30)]

    def eager(self) -> Iterator[dict[str, int]]:
        """Deliver them one by one, and write down each that was asked for."""
        for number in range(1, self.rows + 1):
            self.note(f"asked for row {number}")
            yield {"n": number}

    def failing(self) -> list[dict[str, int]]:
        """Fail instead."""
        raise ValueError("no rows today")

    def end_scan(self) -> None:
        """Write it down."""
        self.note("end_scan")

    def close(self) -> None:
        """Write it down."""
        self.note("close")


class Journal(ForeignDataWrapper):
    """What has been written down since the journal was last read; column `event`."""

    def execute(self, quals: list[Qual], columns: list[str]) -> list[tuple[str]]:
        """Return the lines, and begin a new page."""
        events = [(event,) for event in journal]
        journal.clear()
        return events


class Places(ForeignDataWrapper):
    """Tells where it was made, as one row; without the option `asks` it does not ask."""

    made = 0

    def __init__(self, options: dict[str, str], columns: Any) -> None:
        super().__init__(options, columns)
        Places.made += 1
        self.row: tuple[Any, ...] = (Places.made, None, None, None, None, None)
        if "asks" in options:
            table = current_foreign_table()
            server = current_foreign_server()
            assert (server.name, server.oid) == (table.server.name, table.server.oid)
            self.row = (
                Places.made,
                table.schema,
                table.name,
                server.name,
                server.user,
                server.is_superuser,
            )

    def execute(self, quals: Any, columns: Any) -> Any:
        yield self.row

    def explain(self, quals: Any, columns: Any, **keywords: Any) -> Any:
        try:
            current_foreign_table()
        except Exception as error:
            yield str(error)
