"""Tables that ANALYZE reads; lifecycle.Journal shows which methods it calls."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from lifecycle import journal

from multicorn import ColumnDefinition, Error, ForeignDataWrapper, Qual

HUGE = 10**400


class Sampled(ForeignDataWrapper):
    """Numbers from 1 to option `rows` in `n`; `half` is NULL in every other row.

    The column `kind` has option `kind`, or else a letter: `a` in half of the rows, `b` in a
    quarter, and so on. In row `bad`, `n` is no number. Other columns are NULL.
    """

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        self.name = options.get("name", "table")
        self.rows = int(options.get("rows", "10"))
        self.kind = options.get("kind")
        self.bad = int(options.get("bad", "0"))
        self.fails = options.get("fails")

    def note(self, event: str) -> None:
        """Add a line to the journal."""
        journal.append(f"{self.name}: {event}")

    def row(self, n: int) -> dict[str, Any]:
        """Return a row."""
        kind = self.kind or "abcdefgh"[min((n & -n).bit_length() - 1, 7)]
        return {
            "n": "no number" if n == self.bad else n,
            "kind": kind,
            "half": n if n % 2 else None,
        }

    def execute(self, quals: list[Qual], columns: list[str]) -> Iterator[Any]:
        """Yield the rows."""
        self.note(f"execute {quals} {columns}")
        if self.fails == "execute":
            raise Error("it cannot be read")
        for n in range(1, self.rows + 1):
            yield "a row" if self.fails == "shape" else self.row(n)

    def end_scan(self) -> None:
        """Write it down."""
        self.note("end_scan")


class Answering(Sampled):
    """The same, with an estimate; option `answer` chooses it, of `analyze` and `size`.

    A number is a number of rows.
    """

    ANSWERS: dict[str, Any] = {  # noqa: RUF012
        "None": None,
        "float": 1000.5,
        "Decimal": Decimal(1000),
        "bool": True,
        "zero": 0,
        "negative": -5,
        "infinite": float("inf"),
        "NaN": float("nan"),
        "huge": HUGE,
        "str": "1000",
        "tuple": (1000, 50),
        "list": [1000, 50],
        "three": (1000, 50, 7),
        "one": (1000,),
        "strs": ("1000", "50"),
        "NaNs": (float("nan"), 50),
        "wide": (1000, HUGE),
        "none wide": (1000, None),
        "negative both": (-1, -1),
        "dict": {"rows": 1000, "width": 50},
        "generator": iter((1000, 50)),
    }

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        self.answers = {name: options.get(name, "None") for name in ("analyze", "size")}

    def answer(self, name: str) -> Any:
        """Return what is to be answered."""
        answer = self.answers[name]
        if answer == "raises":
            raise ConnectionError("nobody knows")
        if answer == "declines":
            raise NotImplementedError
        return self.ANSWERS[answer] if answer in self.ANSWERS else int(answer)

    def analyze(self) -> Any:
        """Estimate the rows."""
        self.note("analyze")
        return self.answer("analyze")

    def get_rel_size(self, quals: list[Qual], columns: list[str]) -> Any:
        """Estimate rows and width."""
        self.note(f"get_rel_size {quals} {columns}")
        return self.answer("size")


class Drawing(Answering):
    """The same, which draws a sample: one of `every` rows; `nothing` and `5` are other answers."""

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        self.draws = options.get("draws", "rows")
        self.every = int(options.get("every", "1"))

    def sample(self, columns: list[str], count: int) -> Any:
        """Draw the rows."""
        self.note(f"sample {columns} {count}")
        if self.draws == "rows":
            return (self.row(n) for n in range(1, self.rows + 1, self.every))
        return None if self.draws == "nothing" else int(self.draws)


class Mapped(Sampled):
    """A table that says in its rows and in the journal for whom it was made: option `who`."""

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        self.kind = options["who"]
        self.note(f"made for {self.kind}")

    def analyze(self) -> float:
        """Estimate the rows."""
        self.note(f"analyze for {self.kind}")
        return self.rows
