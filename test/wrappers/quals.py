"""Wrappers that use the conditions of a query, and show which of them they were given."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

from multicorn import ANY, ColumnDefinition, ForeignDataWrapper, Qual
from multicorn.utils import log_to_postgres

last: list[str] = []


def written(qual: Qual) -> str:
    """Write a condition so that everything it holds can be seen."""
    sign = qual.operator
    if isinstance(sign, tuple):
        sign = f"{sign[0]} {qual.list_any_or_all}"
    collation = "" if qual.collation is None else f" COLLATE {qual.collation}"
    return f"{qual.field_name} {sign} {qual.value!r}{collation}"


class Shown(ForeignDataWrapper):
    """A table without rows that tells, in a NOTICE, what execute is called with."""

    def execute(self, quals: list[Qual], columns: list[str]) -> list[Any]:
        """Tell it. The order of conditions is the planner's choice, so they are sorted."""
        last[:] = sorted(map(written, quals))
        conditions = ", ".join(last) or "nothing"
        log_to_postgres(f"where {conditions}; columns {' '.join(columns)}")
        return []


def like(pattern: str) -> re.Pattern[str]:
    """Return the regular expression that means what a pattern of LIKE does."""
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    special = {"%": ".*", "_": "."}
    return re.compile("".join(special.get(p, re.escape(p[-1])) for p in parts), re.DOTALL)


SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "~~": lambda text, pattern: like(pattern).fullmatch(text) is not None,
    "!~~": lambda text, pattern: like(pattern).fullmatch(text) is None,
}


def holds(qual: Qual, value: Any) -> bool:
    """Tell whether a row with this value satisfies a condition, as an author would write it."""
    if qual.collation is not None:
        return True  # PostgreSQL will see
    if not isinstance(qual.operator, tuple):
        if qual.value is None:
            return (value is None) == (qual.operator == "=")
        return compare(qual.operator, value, qual.value)
    quantifier = any if qual.list_any_or_all is ANY else all
    return quantifier(compare(qual.operator[0], value, item) for item in qual.value)


def compare(sign: str, value: Any, other: Any) -> bool:
    """Compare two values; nothing is true of NULL."""
    return value is not None and other is not None and SIGNS[sign](value, other)


EAST = timezone(timedelta(hours=2))
LAST_MICROSECOND = time(23, 59, 59, 999999)
COLUMNS: dict[str, list[Any]] = {
    "i": [1, 2, 3, 4, 5],
    "s": [1, -2, 0, None, 32767],
    "l": [1, 1 << 62, -(1 << 63), 0, 5],
    "o": [1, 2, 4294967295, 0, 5],
    "d": [1.5, -0.0, float("inf"), 0.1, 5e-324],
    "n": [Decimal("1.50"), Decimal("1.5"), Decimal("-0.001"), Decimal(10) ** 30, Decimal("0.1")],
    "t": ["apple", "Apple", "a_p%l\\e", "", "äpfel\n\U0001f34e"],
    "v": ["apple", "APPLE", "Zoë", "", "z\n"],
    "ch": ["ab", "AB", "a", "", "a b"],
    "nm": ["one", "two", "tHree", "", "five"],
    "by": [b"", b"\x00\xff", b"\xff", b"x", b"X"],
    "b": [True, False, None, True, False],
    "dt": [date(2024, 2, 29), date.min, date.max, date(2024, 3, 1), date(1970, 1, 1)],
    "tm": [time(12, 30), time(0), LAST_MICROSECOND, time(12), time(1)],
    "tz": [
        time(12, tzinfo=UTC),
        time(14, tzinfo=EAST),
        time(12, tzinfo=EAST),
        time(11, tzinfo=UTC),
        time(1, tzinfo=EAST),
    ],
    "ts": [
        datetime(2024, 2, 29, 12),
        datetime(2024, 2, 29),
        datetime.max,
        datetime(2024, 3, 1),
        datetime(1970, 1, 1, 0, 0, 0, 1),
    ],
    "tsz": [
        datetime(2024, 2, 29, 12, tzinfo=UTC),
        datetime(2024, 2, 29, 14, tzinfo=EAST),
        datetime(1, 1, 2, tzinfo=UTC),
        datetime(2024, 3, 1, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=EAST),
    ],
    "iv": [
        timedelta(days=1),
        timedelta(hours=24),
        timedelta(microseconds=-1),
        timedelta(0),
        timedelta(days=-5, seconds=1),
    ],
    "u": [UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=4), UUID(int=1 << 127)],
    "m": ["sad", "ok", "happy", "sad", None],
    "ia": [[1, 2], [], [2, 1], [[1, 2], [3, 4]], [1, None]],
    "ta": [["x", None], ["x", ""], [], None, ["x"]],
    "re": [0.1, 0.2, None, 1.0, -0.1],
}
ROWS = [dict(zip(COLUMNS, row, strict=True)) for row in zip(*COLUMNS.values(), strict=True)]
ROWS.append(dict.fromkeys(COLUMNS))


class Filtering(ForeignDataWrapper):
    """A table that sends only the rows that satisfy the conditions it was given.

    With option `filter` `off`, it sends all.
    """

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        self.filters = options.get("filter") != "off"

    def execute(self, quals: list[Qual], columns: list[str]) -> Iterator[dict[str, Any]]:
        """Yield the rows, with the columns that were asked for."""
        last[:] = sorted(map(written, quals))
        for row in ROWS:
            if not self.filters or all(holds(qual, row[qual.field_name]) for qual in quals):
                yield {name: row[name] for name in columns}


class Last(ForeignDataWrapper):
    """A table of one row: the conditions of the last scan of the others; column `conditions`."""

    def execute(self, quals: list[Qual], columns: list[str]) -> Iterable[tuple[str]]:
        """Return the row."""
        return [(", ".join(last),)]
