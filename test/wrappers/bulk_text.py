"""Wrappers that take rows to be written as text; what they are given can be read again."""

from __future__ import annotations

from collections.abc import Iterator
from time import sleep
from typing import Any

from multicorn import SKIPPED, ColumnDefinition, ForeignDataWrapper, Qual
from multicorn.utils import log_to_postgres

# store -> the calls: method, count, columns, the rows as they came
Call = tuple[str, int, list[str], list[bytes]]
stores: dict[str, list[Call]] = {}


class Rows(ForeignDataWrapper):
    """A table that is only written, in rows and in batches.

    Options:
        store: the name under which calls are kept; they are not if it is not given.
        size: modify_batch_size, 3 if not given.
        returns: what insert_copy and insert_arrays return, an expression over `count` and `data`.
        silent: methods that do not tell of their calls.
    """

    on_conflict_nothing = True

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        self.options = options
        self.modify_batch_size = int(options.get("size", "3"))
        self.omit_unassigned = "omit" in options

    def tell(self, method: str, *details: object) -> None:
        """Tell of a call."""
        if method not in self.options.get("silent", "").split():
            log_to_postgres(" ".join([method, *map(str, details)]))

    def take(
        self, method: str, data: list[bytes], count: int, columns: tuple[str, ...], keywords: Any
    ) -> Any:
        """Store rows, tell of them, and return what is wanted."""
        assert type(columns) is tuple
        self.tell(method, count, ",".join(columns), data, *sorted(keywords))
        if "store" in self.options:
            store = stores.setdefault(self.options["store"], [])
            store.append((method, count, list(columns), data))
        scope = {"SKIPPED": SKIPPED, "count": count, "data": data, "sleep": sleep}
        return eval(self.options.get("returns", "None"), scope)

    def execute(self, quals: list[Qual], columns: list[str]) -> list[Any]:
        """Return no rows."""
        return []

    def insert(self, values: dict[str, Any], **keywords: Any) -> None:
        """Tell it."""
        self.tell("insert", list(values.values()), *sorted(keywords))

    def bulk_insert(self, rows: list[dict[str, Any]], **keywords: Any) -> None:
        """Tell it."""
        self.tell("bulk_insert", [list(row.values()) for row in rows], *sorted(keywords))

    def end_modify(self) -> None:
        """Tell it."""
        self.tell("end_modify")


class Copies(Rows):
    """A table that takes the lines of COPY."""

    def insert_copy(self, data: bytes, count: int, columns: tuple[str, ...]) -> Any:
        """Store them."""
        assert data.count(b"\n") == count
        return self.take("insert_copy", [data], count, columns, {})


class Arrays(Rows):
    """A table that takes arrays."""

    def insert_arrays(
        self, arrays: list[bytes], count: int, columns: tuple[str, ...], **keywords: Any
    ) -> Any:
        """Store them."""
        assert len(arrays) == len(columns)
        return self.take("insert_arrays", arrays, count, columns, keywords)


class Both(Copies, Arrays):
    """A table that takes both."""


class OnlyArrays(ForeignDataWrapper):
    """A table without bulk_insert."""

    modify_batch_size = 2

    def execute(self, quals: list[Qual], columns: list[str]) -> list[Any]:
        """Return no rows."""
        return []

    def insert(self, values: dict[str, Any]) -> None:
        """Tell it."""
        log_to_postgres(f"insert {values}")

    def insert_arrays(self, arrays: list[bytes], count: int, columns: tuple[str, ...]) -> None:
        """Tell it."""
        log_to_postgres(f"insert_arrays {arrays}")


class NoInsert(ForeignDataWrapper):
    """A table that could take rows as text, but not one by one."""

    def execute(self, quals: list[Qual], columns: list[str]) -> list[Any]:
        """Return no rows."""
        return []

    def insert_copy(self, data: bytes, count: int, columns: tuple[str, ...]) -> None:
        """Do nothing."""

    def insert_arrays(self, arrays: list[bytes], count: int, columns: tuple[str, ...]) -> None:
        """Do nothing."""


class Calls(ForeignDataWrapper):
    """The calls of a store.

    Options:
        store: its name.
    """

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        self.store = options["store"]

    def execute(self, quals: list[Qual], columns: list[str]) -> Iterator[tuple[Any, ...]]:
        """Yield them, and forget them."""
        names = ("method", "count", "columns", "data")
        for call in stores.pop(self.store, []):
            row = dict(zip(names, call, strict=True))
            yield tuple(row[name] for name in columns)
