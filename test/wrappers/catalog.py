"""Wrappers that promise what a query needs, and say in EXPLAIN what they like."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from multicorn import ColumnDefinition, Error, ForeignDataWrapper, Qual, SortKey
from multicorn.expressions import Column, Constant, OperatorCall
from multicorn.utils import log_to_postgres


def holds(one: Any, row: dict[str, Any]) -> bool:
    """Tell whether a row satisfies `column = constant` or `column < constant`."""
    column, constant = one.arguments
    value = row[column.name]
    if value is None or constant.value is None:
        return False
    return bool(value == constant.value if one.name == "=" else value < constant.value)


class Promising(ForeignDataWrapper):
    """Numbers from 1 to option `rows` in `n`, and the value of option `who` in each row.

    Option `promises` lists what it does itself: `sort`, `limit`, `filter`. Each instance has a
    number of its own, in the column `made`, if there is one.
    """

    made = 0

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        self.columns = columns
        self.rows = int(options.get("rows", "3"))
        self.who = options.get("who", "nobody")
        self.promises = options.get("promises", "").split()
        Promising.made += 1
        self.serial = Promising.made

    def can_sort(self, sortkeys: list[SortKey]) -> list[SortKey]:
        """Deliver `n`, either way."""
        first = [key for key in sortkeys[:1] if key.attname == "n"]
        return first if "sort" in self.promises else []

    def can_limit(self, limit: Any, offset: Any) -> bool:
        """Apply both."""
        return "limit" in self.promises

    def can_filter(self, filters: list[Any]) -> list[Any]:
        """Enforce `column = constant` and `column < constant`."""
        return [one for one in filters if "filter" in self.promises and self.is_simple(one)]

    def is_simple(self, one: Any) -> bool:
        """Tell whether a filter is one of these two."""
        return (
            isinstance(one, OperatorCall)
            and one.is_builtin
            and one.name in ("=", "<")
            and isinstance(one.arguments[0], Column)
            and isinstance(one.arguments[1], Constant)
        )

    def execute(
        self, quals: list[Qual], columns: list[str], *args: Any, **keywords: Any
    ) -> Iterator[dict[str, Any]]:
        """Return the rows, in descending order if none is asked for."""
        numbers = range(self.rows, 0, -1)
        for key in keywords.get("sortkeys", ()):
            numbers = numbers if key.is_reversed else numbers[::-1]
        rows: Iterable[dict[str, Any]] = (
            {"n": n, "who": self.who, "made": self.serial} for n in numbers
        )
        rows = (row for row in rows if all(holds(one, row) for one in keywords.get("filters", ())))
        first = keywords.get("offset", 0)
        last = first + keywords["limit"] if "limit" in keywords else None
        return islice(rows, first, last)


class Speechless:
    """What cannot be shown."""

    def __str__(self) -> str:
        raise ValueError("no comment")


class Explained(Promising):
    """The same, and option `says` chooses what explain() does.

    A NOTICE tells that execute() is called.
    """

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        self.options = options
        self.says: Callable[..., Any] = getattr(self, options.get("says", "arguments"))

    def explain(self, quals: list[Qual], columns: list[str], *args: Any, **keywords: Any) -> Any:
        """Say it."""
        return self.says(quals=quals, columns=columns, **keywords)

    def execute(
        self, quals: list[Qual], columns: list[str], *args: Any, **keywords: Any
    ) -> Iterator[dict[str, Any]]:
        """Tell that this is called."""
        log_to_postgres("execute is called")
        return super().execute(quals, columns, *args, **keywords)

    def arguments(self, **arguments: Any) -> Iterator[str]:
        """Say what explain() was given, a line for each argument that is not empty."""
        for name, value in arguments.items():
            if isinstance(value, list):
                yield f"{name}: {', '.join(sorted(map(str, value)))}"
            else:
                yield f"{name}: {value!r}"

    def types(self, **arguments: Any) -> list[str]:
        """Say of which types they are, and change the lists."""
        lines = [f"{name}: {type(value).__name__}" for name, value in arguments.items()]
        for value in arguments.values():
            if isinstance(value, list):
                value.clear()
        return lines

    def nothing(self, **arguments: Any) -> None:
        """Say nothing."""

    def empty(self, **arguments: Any) -> list[str]:
        """Say nothing, in a list."""
        return []

    def blank(self, **arguments: Any) -> list[str]:
        """Say lines that have nothing in them."""
        return ["", "between", ""]

    def text(self, **arguments: Any) -> str:
        """Return a str instead of a list."""
        return "one line"

    def lines(self, **arguments: Any) -> list[str]:
        """Say lines that have line ends inside."""
        return ["first\nsecond", "third\r\nfourth\n"]

    def letters(self, **arguments: Any) -> list[str]:
        """Say what is not ASCII, and what has a meaning in one format or another."""
        return ["Zoë \U0001f34e", '<a href="x">&amp;</a> ]]>', "back\\slash: - # ' %s"]

    def control(self, **arguments: Any) -> list[str]:
        """Say characters that move a cursor."""
        return ["\x01 \x1b[31m \x7f", "a\ttab"]

    def odd(self, **arguments: Any) -> Iterator[Any]:
        """Say what is no str."""
        yield from (1, None, 2.5, b"bytes", ("a", "b"), {"k": 1}, Qual("n", "=", 1))

    def nul(self, **arguments: Any) -> list[str]:
        """Say what no text of PostgreSQL can hold."""
        return ["before\x00after", "half \ud83c"]

    def number(self, **arguments: Any) -> int:
        """Return what is no iterable."""
        return 7

    def long(self, **arguments: Any) -> list[str]:
        """Say very much."""
        return ["x" * 100_000] * 2

    def raises(self, **arguments: Any) -> list[str]:
        """Fail."""
        raise ConnectionError("the service\nis down")

    def raises_error(self, **arguments: Any) -> list[str]:
        """Fail with everything that an error can have."""
        raise Error("not today", sqlstate="57014", detail="a detail", hint="a hint")

    def raises_later(self, **arguments: Any) -> Iterator[str]:
        """Fail after the first line."""
        yield "so far so good"
        raise ValueError("but no further")

    def speechless(self, **arguments: Any) -> list[Any]:
        """Return what cannot be shown."""
        return [Speechless()]

    def exits(self, **arguments: Any) -> list[str]:
        """Try to end the program."""
        raise SystemExit("enough")

    def secrets(self, **arguments: Any) -> list[str]:
        """Tell everything."""
        return [f"{name} is {value}" for name, value in sorted(self.options.items())]

    def raises_secrets(self, **arguments: Any) -> list[str]:
        """Tell everything in an error."""
        raise ValueError(" ".join(self.secrets()))

    def notice(self, **arguments: Any) -> list[str]:
        """Send a message as well."""
        log_to_postgres("said aside")
        return ["said aloud"]


class Wordless:
    """A class that inherits from nothing and explains nothing."""

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        pass

    def execute(self, quals: list[Qual], columns: list[str]) -> list[dict[str, int]]:
        """Return a row."""
        return [{"n": 1}]
