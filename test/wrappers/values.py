"""Wrappers that pass single values between Python and PostgreSQL.

Given gives a column what a Python expression is; Asked tells what a query asked it for.
"""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import ipaddress
import types
import uuid
import zoneinfo
from array import array
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, ClassVar

from multicorn import ColumnDefinition, ForeignDataWrapper, Qual


class Size(enum.IntEnum):
    """An int with a name."""

    SMALL = 1
    LARGE = 3


class Color(enum.StrEnum):
    """A str with a name."""

    RED = "red"


class Mood(str, enum.Enum):  # noqa: UP042
    """A str with a name, whose str() is not its value."""

    OK = "ok"


class Renamed(str):
    """A str whose str() is another one."""

    def __str__(self) -> str:
        return "another"


class Count(int):
    """An int whose str() is none."""

    def __str__(self) -> str:
        return "many"


class Unspeakable:
    """An object that has no text."""

    def __str__(self) -> str:
        raise RuntimeError("I will not say")

    __repr__ = __str__


class Mute:
    """An object whose str() is no str."""

    def __str__(self) -> str:
        return 3  # type: ignore[return-value]


class Lost(datetime.tzinfo):
    """A time zone that does not know its offset."""

    def utcoffset(self, moment: datetime.datetime | None) -> datetime.timedelta | None:
        """Fail."""
        raise LookupError("lost in time")


class Eraser:
    """An object whose str() empties the list that it is in."""

    def __init__(self, victim: list[object]) -> None:
        self.victim = victim

    def __str__(self) -> str:
        self.victim.clear()
        return "1"


Point = collections.namedtuple("Point", ["a", "b"])
KeysPoint = collections.namedtuple("KeysPoint", ["a", "keys"])


def hours(count: float) -> datetime.timezone:
    """Return a time zone so many hours east of Greenwich."""
    return datetime.timezone(datetime.timedelta(hours=count))


def erasing() -> list[object]:
    """Return a list whose second item empties it while it is converted."""
    items: list[object] = ["0"]
    items += [Eraser(items), "2"]
    return items


def recursive_list() -> list[object]:
    """Return a list that holds itself."""
    items: list[object] = [1]
    items.append(items)
    return items


def recursive_dict() -> dict[str, object]:
    """Return a dict that holds itself."""
    items: dict[str, object] = {}
    items["self"] = items
    return items


def deep(levels: int, core: object = 0) -> object:
    """Return lists nested so many levels deep."""
    for _ in range(levels):
        core = [core]
    return core


def released() -> memoryview:
    """Return a memoryview that may not be used any more."""
    view = memoryview(b"abc")
    view.release()
    return view


def parts(value: object, depth: int = 6) -> Iterator[object]:
    """Yield a value and, if it is made of values, those."""
    yield value
    if depth > 0 and isinstance(value, list | tuple | dict):
        for item in (*value, *value.values()) if isinstance(value, dict) else value:
            yield from parts(item, depth - 1)


def kinds(value: object) -> str:
    """Return the names of the types of a value and its parts, a line for each."""
    return "\n".join("None" if part is None else type(part).__name__ for part in parts(value))


def forms(value: object) -> str:
    """Return how a value or its parts may begin in a message, a line for each."""
    lines = []
    for part in parts(value):
        for write in (repr, str, decoded):
            try:
                lines.append(write(part)[:20])
            except Exception:
                continue
    return "\n".join(line for line in lines if line.isascii() and line.isprintable())


def decoded(value: object) -> str:
    """Return the text that bytes are."""
    if not isinstance(value, bytes | bytearray | memoryview):
        raise TypeError
    return bytes(value).decode("ascii")


NAMES: dict[str, Any] = {
    **{name: value for name, value in globals().items() if not name.startswith("_")},
    "Decimal": decimal.Decimal,
    "Fraction": Fraction,
    "UUID": uuid.UUID,
    "array": array,
    "date": datetime.date,
    "dt": datetime.datetime,
    "inf": float("inf"),
    "ip": ipaddress,
    "nan": float("nan"),
    "time": datetime.time,
    "td": datetime.timedelta,
    "types": types,
    "utc": datetime.UTC,
    "zone": zoneinfo.ZoneInfo,
}


class Given(ForeignDataWrapper):
    """One row, in which each column is its option `python`, evaluated.

    The table's option `rows` is instead an expression for the rows themselves; `name` is a
    column's name in both, `columns` what the query needs.
    """

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        self.rows = options.get("rows")
        self.expressions = {
            name: column.options["python"]
            for name, column in columns.items()
            if "python" in column.options
        }

    def execute(self, quals: Sequence[Qual], columns: Sequence[str]) -> Iterator[Any]:
        """Yield the rows."""
        if self.rows is not None:
            yield from eval(self.rows, {**NAMES, "columns": columns})
        else:
            yield {name: eval(self.expressions[name], NAMES) for name in columns}


class Asked(ForeignDataWrapper):
    """A row for each Qual: `value` is what was asked for, `python` its operator and repr()."""

    told: ClassVar[list[str]] = []

    def execute(self, quals: Sequence[Qual], columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield what was asked for."""
        Asked.told = [f"{qual.operator} {qual.value!r}" for qual in quals]
        for qual, told in zip(quals, Asked.told, strict=True):
            for value in qual.value if qual.is_list_operator else [qual.value]:
                yield {"value": value, "python": told}


NAMES["Asked"] = Asked
