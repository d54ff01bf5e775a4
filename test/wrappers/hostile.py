"""A wrapper that returns hostile objects, in whatever place it is told to.

A session chooses the place and the object by a query of the table `Choice`:
`SELECT FROM choice WHERE place = '...' AND object = '...'`. The name of an object says how it is
made: `Decimal.__le__ raises KeyboardInterrupt` is a Decimal with such a method; others are those
of OBJECTS. Names are repeatable: the same one makes the same object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

from multicorn import ColumnDefinition, ForeignDataWrapper, TableDefinition

# Calls of one method, after which an object no longer pretends to go on for ever.
MOST_CALLS = 300

# --- Objects of classes that misbehave -----------------------------------------------------------

BASES: dict[str, tuple[type, tuple[Any, ...]]] = {
    "object": (object, ()),
    "str": (str, ("text",)),
    "bytes": (bytes, (b"octets",)),
    "int": (int, (7,)),
    "float": (float, (7.5,)),
    "Decimal": (Decimal, ("7",)),
    "list": (list, ([1, 2],)),
    "tuple": (tuple, ((1, 2),)),
    "dict": (dict, ({"a": 1, "b": "x"},)),
    "set": (set, ({1, 2},)),
    "date": (date, (2024, 2, 29)),
    "time": (time, (1, 2, 3, 4, timezone(timedelta(hours=1)))),
    "datetime": (datetime, (2024, 2, 29, 1, 2, 3, 4, timezone(timedelta(hours=1)))),
    "timedelta": (timedelta, (1, 2, 3)),
    "UUID": (UUID, ("00000000-0000-0000-0000-000000000007",)),
}

METHODS = (
    "__str__",
    "__repr__",
    "__format__",
    "__len__",
    "__length_hint__",
    "__iter__",
    "__next__",
    "__getitem__",
    "__contains__",
    "__eq__",
    "__le__",
    "__hash__",
    "__bool__",
    "__int__",
    "__float__",
    "__index__",
    "__call__",
    "__getattribute__",
    "__del__",
    "__class__",
    "keys",
    "items",
    "isoformat",
    "utcoffset",
    "bytes",
    "encode",
)

RAISED: dict[str, Callable[[], BaseException]] = {
    "ValueError": lambda: ValueError("no"),
    "TypeError": lambda: TypeError("no"),
    "KeyError": lambda: KeyError("no"),
    "AttributeError": lambda: AttributeError("no"),
    "IndexError": lambda: IndexError("no"),
    "StopIteration": lambda: StopIteration("no"),
    "MemoryError": MemoryError,
    "NotImplementedError": NotImplementedError,
    "OverflowError": OverflowError,
    "UnicodeError": lambda: UnicodeEncodeError("utf-8", "\ud800", 0, 1, "no"),
    "KeyboardInterrupt": KeyboardInterrupt,
    "SystemExit": lambda: SystemExit(3),
    "GeneratorExit": GeneratorExit,
    "BaseException": lambda: BaseException("no"),
}

RETURNED: dict[str, Callable[[Any], Any]] = {
    "None": lambda self: None,
    "itself": lambda self: self,
    "NotImplemented": lambda self: NotImplemented,
    "-1": lambda self: -1,
    "0": lambda self: 0,
    "2**62": lambda self: 2**62,
    "2**100": lambda self: 2**100,
    "nan": lambda self: float("nan"),
    "True": lambda self: True,
    "text": lambda self: "1",
    "a surrogate": lambda self: "\ud800",
    "NUL": lambda self: "\0",
    "bytes": lambda self: b"\xff\0",
    "an iterator": lambda self: iter([("a", 1), None]),
    "a list": lambda self: [None, self],
    "a long timedelta": lambda self: timedelta(days=999_999_999),
    "str": lambda self: str,
}


def method(name: str, behaviour: str) -> Callable[..., Any]:
    """Return a method that raises something, or returns something that it should not."""
    verb, _, what = behaviour.partition(" ")
    calls = 0

    def misbehave(self: Any, *args: Any, **keywords: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > MOST_CALLS:
            raise IndexError(f"{name} was called too often")
        if verb == "raises":
            raise RAISED[what]()
        if verb == "recurs":
            return getattr(self, name)(*args)
        if verb == "clears":
            clear(self)
        return RETURNED[what](self)

    return misbehave


def clear(container: Any) -> None:
    """Empty a container, if it is one that can be."""
    if isinstance(container, list | dict | set):
        plain: Any = type(container).__mro__[-2]
        plain.clear(container)


def misbehaving(base: str, name: str, behaviour: str) -> Any:
    """Return an object of a subclass with such a method."""
    cls, arguments = BASES[base]
    function = method(name, behaviour)
    is_property = name in ("__class__", "bytes")
    made: Any = type(base, (cls,), {name: property(function) if is_property else function})
    return made(*arguments)


# --- Objects that are hostile otherwise ----------------------------------------------------------


def nested(depth: int) -> list[Any]:
    """Return a list in a list, and so on."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def list_in_itself() -> list[Any]:
    """Return a list that holds itself."""
    value: list[Any] = []
    value.append(value)
    return value


def dict_in_itself() -> dict[str, Any]:
    """Return a dict that holds itself."""
    value: dict[str, Any] = {}
    value["a"] = value
    return value


class Changing(dict[Any, Any]):
    """A dict that changes when one of its items is looked at."""

    def __init__(self, grows: bool) -> None:
        super().__init__(a=1, b="x", c=3)
        self.grows = grows

    def __getitem__(self, key: Any) -> Any:
        value = super().__getitem__(key)
        if self.grows:
            self.update({f"{key}{len(self)}": 1 for _ in range(3)})
        else:
            self.clear()
        return value


class Clearing:
    """An object whose str() empties the container that it is in."""

    def __init__(self, container: Any) -> None:
        self.container = container

    def __str__(self) -> str:
        self.container.clear()
        return "1"


class Equal:
    """A key with the hash of a str, which is compared by code of its own."""

    def __init__(self, text: str, container: Any) -> None:
        self.text = text
        self.container = container

    def __hash__(self) -> int:
        return hash(self.text)

    def __eq__(self, other: object) -> bool:
        self.container.clear()
        return True


def clearing_list() -> list[Any]:
    """Return a list that is empty once its second item has been converted."""
    value: list[Any] = [1]
    value += [Clearing(value), "3", [4]]
    return value


def clearing_dict() -> dict[str, Any]:
    """Return a dict that is empty once its first item has been converted."""
    value: dict[str, Any] = {}
    value.update(a=Clearing(value), b="x")
    return value


def colliding_dict() -> dict[Any, Any]:
    """Return a dict that is emptied while a key is looked for."""
    value: dict[Any, Any] = {}
    value.update({Equal(name, value): 1 for name in ("a", "b", "t", "i")})
    return value


class Textless(date):
    """A date with no isoformat that one could use."""

    def isoformat(self) -> Any:
        return 7

    def __str__(self) -> str:
        return "29 February"


class Meta(type):
    """A metaclass that takes part in every look-up."""

    def __getattribute__(cls, name: str) -> Any:
        raise ValueError(f"no {name}")


class OfMeta(dict[str, Any], metaclass=Meta):
    """A dict of a class that nothing can be asked."""


OBJECTS: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "NotImplemented": lambda: NotImplemented,
    "Ellipsis": lambda: ...,
    "empty tuple": lambda: (),
    "empty list": lambda: [],
    "empty dict": lambda: {},
    "empty str": lambda: "",
    "empty bytes": lambda: b"",
    "-1": lambda: -1,
    "2**31": lambda: 2**31,
    "2**63": lambda: 2**63,
    "-2**63": lambda: -(2**63),
    "10**5000": lambda: 10**5000,
    "-10**400": lambda: -(10**400),
    "nan": lambda: float("nan"),
    "inf": lambda: float("inf"),
    "1e308": lambda: 1e308,
    "complex": lambda: 1j,
    "Decimal sNaN": lambda: Decimal("sNaN"),
    "Decimal 1E+999999": lambda: Decimal("1E+999999"),
    "Decimal -Infinity": lambda: Decimal("-Infinity"),
    "surrogate": lambda: "a\ud800",
    "all surrogates": lambda: "".join(map(chr, range(0xD800, 0xE000))),
    "NUL": lambda: "a\0b",
    "every octet": lambda: bytes(range(256)),
    "not UTF-8": lambda: b"\xff\xfe",
    "half a character": lambda: "€".encode()[:2],
    "control characters": lambda: "".join(map(chr, range(1, 32))) + "\x7f\u2028\ufeff",
    "quotes": lambda: "'\"\\$$;--/*%s %n{}",
    "astral": lambda: "\U0001f600" * 300,
    "bytearray": lambda: bytearray(b"123"),
    "memoryview": lambda: memoryview(b"123"),
    "released memoryview": lambda: released(),
    "strided memoryview": lambda: memoryview(b"1234567")[::2],
    "memoryview of numbers": lambda: memoryview(b"12345678").cast("i"),
    "nested lists": lambda: nested(7),
    "deep lists": lambda: nested(100_000),
    "ragged lists": lambda: [[1, 2], [3]],
    "ragged depths": lambda: [1, [2], [[3]]],
    "ragged at the end": lambda: [[[1]], [[2]], [3]],
    "empty among lists": lambda: [[], [1]],
    "list in itself": list_in_itself,
    "dict in itself": dict_in_itself,
    "dict of odd keys": lambda: {1: 1, None: 2, (): 3, "a": 4, b"a": 5},
    "dict of surrogates": lambda: {"\ud800": "\ud800"},
    "growing dict": lambda: Changing(grows=True),
    "shrinking dict": lambda: Changing(grows=False),
    "clearing list": clearing_list,
    "clearing dict": clearing_dict,
    "colliding dict": colliding_dict,
    "dict of a hostile class": OfMeta,
    "date of no text": lambda: Textless(2024, 2, 29),
    "class": lambda: OfMeta,
    "generator": lambda: (number for number in (1, 2)),
    "failing generator": lambda: (1 // number for number in (1, 0)),
    "function": lambda: nested,
    "module": lambda: __import__("sys"),
    "exception": lambda: KeyboardInterrupt(),
    "long name": lambda: type("N" * 100_000, (), {})(),
    "name beyond ASCII": lambda: type("Größe€", (), {})(),
    "year 1": lambda: datetime(1, 1, 1, tzinfo=UTC),
    "year 9999": lambda: datetime.max,
    "longest timedelta": lambda: timedelta.max,
    "shortest timedelta": lambda: timedelta.min,
}


def released() -> memoryview:
    """Return a memoryview that can no longer be used."""
    view = memoryview(b"123")
    view.release()
    return view


def hang(*args: Any) -> Any:
    """Never come to an end."""
    while True:
        pass


def endless(name: str) -> Any:
    """Return an object that has code which never comes to an end."""
    if name == "key":
        colliding = type("Key", (), {"__hash__": lambda self: hash("a"), "__eq__": hang})
        return {colliding(): 1}
    if name == "metaclass":
        return type("Meta", (type,), {"__getattribute__": hang})("Dict", (dict,), {})()
    base, _, method_name = name.partition(".")
    cls, arguments = BASES[base]
    function: Any = property(hang) if method_name == "bytes" else hang
    made: Any = type(base, (cls,), {method_name: function})
    return made(*arguments)


def make(name: str) -> Any:
    """Return the object of a name."""
    if name.startswith("endless "):
        return endless(name.removeprefix("endless "))
    if name in OBJECTS:
        return OBJECTS[name]()
    class_and_method, behaviour = name.split(" ", 1)
    base, _, method_name = class_and_method.partition(".")
    return misbehaving(base, method_name, behaviour)


def names() -> Iterator[str]:
    """Yield the names of all objects."""
    yield from OBJECTS
    behaviours = [
        *(f"raises {name}" for name in RAISED),
        *(f"returns {name}" for name in RETURNED),
        *(f"clears {name}" for name in ("text", "0", "None")),
        "recurs",
    ]
    for base in BASES:
        for name in METHODS:
            for behaviour in behaviours:
                yield f"{base}.{name} {behaviour}"


# --- The wrapper ---------------------------------------------------------------------------------

chosen = ("", "None")


def at(place: str, otherwise: Any) -> Any:
    """Return the object that was chosen, or raise what was, if this is the place for it."""
    if chosen[0] != place:
        return otherwise
    verb, _, what = chosen[1].partition(" ")
    if verb == "raises":
        raise RAISED[what]()
    return make(chosen[1])


class Choice(ForeignDataWrapper):
    """A table (place, object) by which a session chooses."""

    def execute(self, quals: list[Any], columns: list[str]) -> list[Any]:
        """Choose."""
        global chosen
        asked = {qual.field_name: qual.value for qual in quals}
        chosen = (asked["place"], asked["object"])
        return [chosen]


class Objects(ForeignDataWrapper):
    """A table of the names of all objects."""

    def execute(self, quals: list[Any], columns: list[str]) -> Iterator[tuple[str]]:
        """Yield the names."""
        for name in names():
            yield (name,)


class Hostile(ForeignDataWrapper):
    """A table with a row that has an `i`, 1, and a `t`; every place may be hostile."""

    # As a class it can be updated, whatever its instances say.
    rowid_column = "i"

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        self.names = list(columns)

    def __getattribute__(self, name: str) -> Any:
        if name in ATTRIBUTES:
            return at(name, ATTRIBUTES[name])
        return super().__getattribute__(name)

    def execute(self, quals: Any, columns: Any, **keywords: Any) -> Any:
        """Return the rows."""
        return at("rows", self.rows(columns))

    def rows(self, columns: list[str]) -> Iterator[Any]:
        """Yield the row."""
        yield at("row", self.row(columns))
        at("a second row", None)

    def row(self, columns: list[str]) -> Any:
        """Return the row, hostile in all columns that are asked for but the key."""
        row = {"i": 1, "t": "text"}
        row.update({name: at("value", None) for name in columns if name != "i"})
        if chosen[0] == "item of a list":
            values: list[Any] = [None] * len(self.names)
            values[self.names.index("i")] = 1
            values[-1] = at("item of a list", None)
            return values
        return row

    def end_scan(self) -> Any:
        """End the scan."""
        return at("end_scan", None)

    def get_rel_size(self, quals: Any, columns: Any) -> Any:
        """Return rows and width."""
        return at("get_rel_size", (at("rows of get_rel_size", 1), at("width of get_rel_size", 8)))

    def get_path_keys(self) -> Any:
        """Return the keys."""
        columns = at("columns of a key", (at("column of a key", "i"),))
        return at("get_path_keys", [at("key", (columns, at("rows of a key", 1)))])

    def can_sort(self, sortkeys: Any) -> Any:
        """Return what it sorts by."""
        return at("can_sort", [at("sort key", sortkeys[0])])

    def can_limit(self, limit: Any, offset: Any) -> Any:
        """Return whether it limits."""
        return at("can_limit", False)

    def can_filter(self, filters: Any) -> Any:
        """Return what it filters by."""
        return at("can_filter", [at("filter", filters[0])])

    def explain(self, quals: Any, columns: Any, **keywords: Any) -> Any:
        """Return lines."""
        return at("explain", [at("line of explain", "a line")])

    def analyze(self) -> Any:
        """Return the number of rows."""
        return at("analyze", 1)

    def sample(self, columns: Any, count: int) -> Any:
        """Return rows."""
        return at("sample", None)

    def insert(self, values: Any, **keywords: Any) -> Any:
        """Insert."""
        return at("insert", {"t": at("value of insert", "inserted")})

    def update(self, rowid: Any, new_values: Any, *args: Any, **keywords: Any) -> Any:
        """Update."""
        return at("update", {"t": at("value of update", "updated")})

    def delete(self, rowid: Any) -> Any:
        """Delete."""
        return at("delete", None)

    def truncate(self, cascade: bool, restart_identity: bool) -> Any:
        """Truncate."""
        return at("truncate", None)

    def end_modify(self) -> Any:
        """End the write."""
        return at("end_modify", None)

    def begin(self, serializable: bool) -> Any:
        """Begin."""
        return at("begin", None)

    def pre_commit(self) -> Any:
        """Prepare."""
        return at("pre_commit", None)

    def commit(self) -> Any:
        """Commit."""
        return at("commit", None)

    def rollback(self) -> Any:
        """Roll back."""
        return at("rollback", None)

    def sub_begin(self, level: int) -> Any:
        """Begin a savepoint."""
        return at("sub_begin", None)

    def sub_commit(self, level: int) -> Any:
        """Release a savepoint."""
        return at("sub_commit", None)

    def sub_rollback(self, level: int) -> Any:
        """Roll back to a savepoint."""
        return at("sub_rollback", None)

    @classmethod
    def import_schema(cls, *args: Any) -> Any:
        """Return tables."""
        column = at(
            "column definition",
            Column(
                column_name=at("name of a column", "i"),
                type_name=at("type of a column", "integer"),
                type_oid=at("type OID of a column", 0),
                typmod=at("modifier of a column", -1),
                options=at("options of a column", {"k": "v"}),
            ),
        )
        if isinstance(column, Column):
            for name in ("default", "collation", "not_null", "generated"):
                setattr(column, name, at(f"{name} of a column", None))
        options = at("options of a table", {at("name of an option", "k"): at("option", "v")})
        table = TableDefinition(
            table_name=at("name of a table", "imported"),
            columns=at("columns of a table", [column]),
            options=options,
        )
        return at("tables", [at("table definition", table)])


class Column(ColumnDefinition):
    """A definition whose attributes are what they are set to."""


class Batches(Hostile):
    """One that inserts batches."""

    def __getattribute__(self, name: str) -> Any:
        if name == "modify_batch_size":
            return at(name, 10)
        return super().__getattribute__(name)

    def bulk_insert(self, rows: Any, **keywords: Any) -> Any:
        """Insert many."""
        if chosen[0] == "fewer rows":
            rows.clear()
            return []
        if chosen[0] == "more rows":
            rows.extend([{}] * 10_000)
            return list(rows)
        return at("bulk_insert", [at("row of bulk_insert", None) for _ in rows])


class OnlyBatches(Batches):
    """One that inserts nothing but batches."""

    insert = property()


class Arrays(Batches):
    """One that inserts arrays and takes COPY as text."""

    def insert_arrays(self, arrays: Any, count: int, columns: Any, **keywords: Any) -> Any:
        """Insert many."""
        return at("insert_arrays", count)

    def insert_copy(self, data: Any, count: int, columns: Any, **keywords: Any) -> Any:
        """Insert many."""
        return at("insert_copy", None)


# What is read of an instance, and what it is where that is not hostile.
ATTRIBUTES: dict[str, Any] = {
    "rowid_column": "i",
    "_startup_cost": 20,
    "_tuple_cost": 0.01,
    "omit_unassigned": False,
    "omit_generated": False,
    "takes_returning": False,
    "on_conflict_nothing": True,
    "write_form": None,
}
