"""A wrapper that delivers the same rows in every form that a row can have, and in wrong ones."""

from __future__ import annotations

import sqlite3
from array import array
from collections import ChainMap, Counter, UserDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from multicorn import ColumnDefinition, ForeignDataWrapper, Qual


class Fruit(NamedTuple):
    """A row with names."""

    id: int
    name: str | None
    price: float | None


Keyed = namedtuple("Keyed", ["keys", "name", "price"])
"""A row with a field that is called as the method of mappings is."""

Pair = namedtuple("Pair", ["id", "name"])
"""A row with too few fields."""

FRUITS = [Fruit(1, "apple", 0.5), Fruit(2, "pear", None), Fruit(3, None, 2.25)]


class LazyMapping(Mapping[str, Any]):
    """A mapping that is no dict."""

    def __init__(self, fruit: Fruit) -> None:
        self.fruit = fruit

    def __getitem__(self, key: str) -> Any:
        if key not in Fruit._fields:
            raise KeyError(key)
        return getattr(self.fruit, key)

    def __iter__(self) -> Iterator[str]:
        return iter(Fruit._fields)

    def __len__(self) -> int:
        return len(Fruit._fields)


class OnlyKeys:
    """The least that a mapping must have."""

    def __init__(self, fruit: Fruit) -> None:
        self.fruit = fruit

    def keys(self) -> list[str]:
        """Return the names."""
        return list(Fruit._fields)

    def __getitem__(self, key: str) -> Any:
        return self.fruit._asdict()[key]


class OnlyItems:
    """The least that a sequence must have."""

    def __init__(self, fruit: Fruit) -> None:
        self.fruit = fruit

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Any:
        return self.fruit[index]


class Slow:
    """An iterator that is no generator."""

    def __init__(self) -> None:
        self.left = list(FRUITS)

    def __iter__(self) -> Slow:
        return self

    def __next__(self) -> Fruit:
        if not self.left:
            raise StopIteration
        return self.left.pop(0)


class ByIndex:
    """An iterable of the old kind, with nothing but items."""

    def __getitem__(self, index: int) -> Fruit:
        return FRUITS[index]


class Greedy:
    """A value whose str() empties the row that it belongs to."""

    def __init__(self, row: Any) -> None:
        self.row = row

    def __str__(self) -> str:
        self.row.clear()
        return "greedy"


class Poisoned(dict[str, Any]):
    """A mapping that fails for one key."""

    def __getitem__(self, key: str) -> Any:
        if key == "price":
            raise ValueError("the price is a secret")
        return super().__getitem__(key)


class Endless:
    """A sequence that lies about its length."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Any:
        raise IndexError("nothing here")


class Unmeasured:
    """A sequence without a length."""

    def __getitem__(self, index: int) -> Any:
        return None


class Uniterable:
    """Something whose __iter__ fails."""

    def __iter__(self) -> Iterator[Any]:
        raise ValueError("not today")


def _greedy(row: Any, key: Any) -> list[Any]:
    """Return rows of which the first empties itself when its name is converted."""
    row[key] = Greedy(row)
    return [row]


def _sqlite_rows() -> Iterator[Any]:
    """Yield rows as sqlite3 makes them."""
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    yield from connection.execute(
        "SELECT 1 AS id, 'apple' AS name, 0.5 AS price UNION ALL SELECT 2, 'pear', NULL "
        "UNION ALL SELECT 3, NULL, 2.25"
    )
    connection.close()


def _one_list() -> Iterator[list[Any]]:
    """Yield the same list again and again, changed."""
    row: list[Any] = [None, None, None]
    for fruit in FRUITS:
        row[:] = fruit
        yield row


def _with_none() -> Iterator[Any]:
    """Yield a row, None, and another row."""
    yield FRUITS[0]
    yield None
    yield FRUITS[1]


GOOD: dict[str, Callable[[], Any]] = {
    "dict": lambda: [fruit._asdict() for fruit in FRUITS],
    "dict with more keys": lambda: [{**f._asdict(), "color": "red", 7: 8, None: 9} for f in FRUITS],
    "dict with fewer keys": lambda: [
        {key: value for key, value in f._asdict().items() if value is not None} for f in FRUITS
    ],
    "tuple": lambda: [tuple(fruit) for fruit in FRUITS],
    "list": lambda: [list(fruit) for fruit in FRUITS],
    "named tuple": lambda: FRUITS,
    "named tuple with a field keys": lambda: [Keyed(*fruit) for fruit in FRUITS],
    "Mapping": lambda: [LazyMapping(fruit) for fruit in FRUITS],
    "keys() and items": lambda: [OnlyKeys(fruit) for fruit in FRUITS],
    "ChainMap": lambda: [ChainMap(fruit._asdict(), {"id": 99}) for fruit in FRUITS],
    "UserDict": lambda: [UserDict(fruit._asdict()) for fruit in FRUITS],
    "MappingProxyType": lambda: [MappingProxyType(fruit._asdict()) for fruit in FRUITS],
    "sqlite3.Row": _sqlite_rows,
    "len() and items": lambda: [OnlyItems(fruit) for fruit in FRUITS],
    "deque": lambda: [deque(fruit) for fruit in FRUITS],
    "of several kinds": lambda: [tuple(FRUITS[0]), FRUITS[1]._asdict(), LazyMapping(FRUITS[2])],
    "in a tuple": lambda: tuple(FRUITS),
    "in a generator": lambda: (fruit for fruit in FRUITS),
    "in an iterator": Slow,
    "in items by index": ByIndex,
    "in a dict's values": lambda: dict(enumerate(FRUITS)).values(),
    "in a set": lambda: dict.fromkeys(FRUITS).keys(),
    "one list, changed": _one_list,
}

OTHER: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "no rows": lambda: [],
    "a None among the rows": _with_none,
    "array": lambda: [array("d", [1, 2, 3])],
    "range": lambda: [range(3)],
    "defaultdict": lambda: [defaultdict(lambda: 7, name="seven")],
    "Counter": lambda: [Counter(id=1)],
    "str": lambda: ["abc"],
    "str of the right length": lambda: "abc",
    "bytes": lambda: [b"abc"],
    "bytearray": lambda: [bytearray(b"abc")],
    "memoryview": lambda: [memoryview(b"abc")],
    "int": lambda: [1, 2, 3],
    "set": lambda: [{1, 2, 3}],
    "generator": lambda: [(value for value in FRUITS[0])],
    "a class": lambda: [Fruit],
    "short tuple": lambda: [(1, "apple")],
    "long tuple": lambda: [(1, "apple", 0.5, None)],
    "empty tuple": lambda: [()],
    "short list": lambda: [[1, "apple"]],
    "short named tuple": lambda: [Pair(1, "apple")],
    "long deque": lambda: [deque([1, "apple", 0.5, None])],
    "good, then short": lambda: [FRUITS[0], (2, "pear")],
    "one dict": lambda: FRUITS[0]._asdict(),
    "one tuple": lambda: tuple(FRUITS[0]),
    "one int": lambda: 42,
    "False": lambda: False,
    "one class": lambda: Fruit,
    "__iter__ fails": Uniterable,
    "greedy list": lambda: _greedy([1, None, 0.5], 1),
    "greedy dict": lambda: _greedy({"id": 1, "name": None, "price": 0.5}, "name"),
    "poisoned": lambda: [Poisoned(id=1)],
    "wrong items": lambda: [Endless()],
    "no length": lambda: [Unmeasured()],
}


class Rows(ForeignDataWrapper):
    """A table (id, name, price); option `form` says what execute returns."""

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        self.make = {**GOOD, **OTHER}[options["form"]]

    def execute(self, quals: list[Qual], columns: list[str]) -> Any:
        """Return the rows in the form that the table asks for."""
        return self.make()


class Forms(ForeignDataWrapper):
    """A table of the forms that are all the same to PostgreSQL; column `form`."""

    def execute(self, quals: list[Qual], columns: list[str]) -> list[dict[str, str]]:
        """Return their names."""
        return [{"form": form} for form in GOOD]


class Wide(ForeignDataWrapper):
    """A table of one row that says which columns it was asked for: each has its own name."""

    def execute(self, quals: list[Qual], columns: list[str]) -> Iterator[dict[str, str]]:
        """Yield the row."""
        yield dict.fromkeys(columns, " ".join(columns))
