"""Wrappers of wide tables, long values and odd options."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from multicorn import ForeignDataWrapper, Qual

MEGABYTE = 2**20


FORMS: dict[str, Callable[[range], Any]] = {"tuple": tuple, "list": list, "range": lambda row: row}


class Wide(ForeignDataWrapper):
    """A table of integers c1 and so on, whose values are their numbers; says what it was told."""

    rowid_column = "c1"

    def __init__(self, options: dict[str, str], columns: dict[str, Any]) -> None:
        super().__init__(options, columns)
        self.form = options["form"]
        self.columns = list(columns)

    def execute(self, quals: list[Qual], columns: list[str]) -> Iterator[Any]:
        """Yield a row, if every qual is about the number of its column."""
        if any(qual.value != self.columns.index(qual.field_name) + 1 for qual in quals):
            raise ValueError("a condition is another one than was asked for")
        print(f"{len(quals)} conditions, {len(columns)} columns")
        numbers = range(1, len(self.columns) + 1)
        if self.form == "dict":
            yield dict(zip(self.columns, numbers, strict=True))
        else:
            yield FORMS[self.form](numbers)

    def insert(self, values: dict[str, Any], *args: Any, **keywords: Any) -> dict[str, Any]:
        """Return the values with another sign."""
        return {name: -value for name, value in values.items()}

    def update(self, rowid: Any, new_values: dict[str, Any], *args: Any, **keywords: Any) -> Any:
        """Return the values with another sign."""
        return {name: -value for name, value in new_values.items()}


class Options(ForeignDataWrapper):
    """A table (name, value) of its options; conditions and rows that are written come back."""

    def __init__(self, options: dict[str, str], columns: Any) -> None:
        super().__init__(options, columns)
        self.options = dict(options)

    def execute(self, quals: Any, columns: Any) -> Any:
        """Return the options."""
        return list(self.options.items())


class Echo(ForeignDataWrapper):
    """A table (given, back): asked for a value in `given`, it gives it back."""

    def execute(self, quals: list[Qual], columns: Any) -> Any:
        """Yield the value twice."""
        for qual in quals:
            yield {"given": qual.value, "back": qual.value}

    def insert(self, values: dict[str, Any], *args: Any, **keywords: Any) -> dict[str, Any]:
        """Return what was given as what comes back."""
        return {"back": values["given"]}


LONG: dict[str, Callable[[], Any]] = {
    "str": lambda: "x" * 2**30,
    "bytes": lambda: bytes(2**30),
    "text of bytes": lambda: b"x" * 2**30,
    "list": lambda: ["x" * (600 * MEGABYTE)] * 2,
    "tuple": lambda: ("x" * (600 * MEGABYTE),) * 2,
    "dict": lambda: {"a": "x" * (600 * MEGABYTE), "b": "x" * (600 * MEGABYTE)},
    "items": lambda: [[None] * 20_000] * 20_000,
    "digits": lambda: "9" * (2 * MEGABYTE),
    "many bytes": lambda: "x" * (600 * MEGABYTE),
}


class Long(ForeignDataWrapper):
    """A table (value, other) with a value that is long in the way that the option says."""

    def __init__(self, options: dict[str, str], columns: Any) -> None:
        super().__init__(options, columns)
        self.make = LONG[options["long"]]

    def execute(self, quals: Any, columns: Any) -> Any:
        """Yield a row."""
        yield (self.make(), "other")

    def insert(self, values: Any, *args: Any, **keywords: Any) -> Any:
        """Return a row."""
        value = self.make()
        return {"value": value, "other": value}


SAID: dict[str, Callable[[str], Any]] = {
    "raised": lambda text: (_ for _ in ()).throw(ValueError(text)),
    "printed": print,
}


class Wordy(ForeignDataWrapper):
    """Says as many characters as the option `length` says."""

    def __init__(self, options: dict[str, str], columns: Any) -> None:
        super().__init__(options, columns)
        self.text = "x" * int(options["length"])

    def execute(self, quals: Any, columns: Any) -> Any:
        """Say it in the way that the condition asks for."""
        SAID[quals[0].value](self.text)
        return []

    def explain(self, quals: Any, columns: Any, **keywords: Any) -> list[str]:
        """Explain at length."""
        return [self.text] * 2
