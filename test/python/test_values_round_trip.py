"""Random values of every type, compared with what a heap table holds.

The same values reach the heap table by another way: psycopg sends them as parameters.
"""

from __future__ import annotations

import base64
import math
import pickle
import random
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from harness.sessions import Session

SEED = 20240229
VALUES_PER_TYPE = 200
TIME_ZONES = ["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"]

Random = random.Random
Generate = Callable[[Random], Any]

WRAPPER = """
import base64, pickle

from multicorn import ForeignDataWrapper

VALUES = pickle.loads(base64.b64decode({values!r}))


class Recorded(ForeignDataWrapper):
    def execute(self, quals, columns):
        yield from enumerate(VALUES)
"""


def same(value: Any) -> Any:
    """What is sent as it is."""
    return value


@dataclass(frozen=True)
class Kind:
    """A column type, the values for it, and how psycopg sends one of them.

    Attributes:
        type: The type of the column.
        generate: Makes a random value.
        parameter: What psycopg sends for the value; a tuple is several parameters.
        expression: What PostgreSQL makes of the parameters.
    """

    type: str
    generate: Generate
    parameter: Callable[[Any], Any] = field(default=same)
    expression: str = "%s"

    def __str__(self) -> str:
        return self.type


# --- Scalars -------------------------------------------------------------------------------------


def integers(bits: int) -> Generate:
    """Ints of any size that fit."""

    def generate(rng: Random) -> int:
        limit: int = 2 ** rng.randrange(bits)
        bound: int = 2 ** (bits - 1)
        return rng.choice([rng.randrange(-limit, limit), bound - 1, -bound])

    return generate


def integer_like(rng: Random) -> Any:
    """An int, a bool, an integral float or Decimal, or an int's text."""
    number = rng.randrange(-(2**31), 2**31)
    forms = [number, float(number), Decimal(number), Decimal(number).scaleb(0) * Decimal("1.00")]
    return rng.choice([*forms, str(number), rng.random() < 0.5])


def floating(rng: Random) -> float:
    """A float of any magnitude, or a special one."""
    special = [0.0, -0.0, math.inf, -math.inf, 5e-324, 1.7976931348623157e308, 1e23]
    return rng.choice([math.ldexp(rng.random() - 0.5, rng.randrange(-1000, 1000)), *special])


def single(rng: Random) -> float:
    """A float in the range of real."""
    return math.ldexp(rng.random() + 0.5, rng.randrange(-100, 100)) * rng.choice([1, -1])


def decimals(digits: int, exponent: int) -> Generate:
    """Decimals of so many digits, and powers of ten up to an exponent."""

    def generate(rng: Random) -> Decimal:
        number = rng.randrange(10 ** rng.randrange(1, digits + 1))
        sign = rng.choice([0, 1])
        return Decimal((sign, Decimal(number).as_tuple().digits, rng.randint(-exponent, exponent)))

    return generate


def number(rng: Random) -> Any:
    """What numeric takes besides Decimal."""
    return rng.choice([rng.randrange(-(10**40), 10**40), rng.randrange(-100, 100), Decimal("NaN")])


def text(longest: int) -> Generate:
    """Characters of all planes."""

    def character(rng: Random) -> str:
        most = rng.choice([0x7F, 0xFF, 0xD7FF, 0x10FFFF])
        code = rng.randint(1, most)
        return "\ufffd" if 0xD800 <= code <= 0xDFFF else chr(code)

    def generate(rng: Random) -> str:
        return "".join(character(rng) for _ in range(rng.randint(0, longest)))

    return generate


def word(rng: Random) -> str:
    """Letters, without blanks at the end."""
    return "".join(rng.choices(string.ascii_letters, k=rng.randint(0, 8)))


def octets(rng: Random) -> bytes:
    """Bytes of any value."""
    return rng.randbytes(rng.choice([0, 1, 5, 100, 3000]))


def uuid(rng: Random) -> UUID:
    """Any UUID."""
    return UUID(int=rng.getrandbits(128))


# --- Dates and times -----------------------------------------------------------------------------


def day(rng: Random) -> date:
    """Any day that Python knows."""
    return date.fromordinal(rng.randint(1, date.max.toordinal()))


def clock(rng: Random) -> time:
    """Any time of the day."""
    return (datetime.min + timedelta(microseconds=rng.randrange(86_400_000_000))).time()


def offset(rng: Random) -> timezone:
    """A time zone that PostgreSQL takes, to the second."""
    return timezone(timedelta(seconds=rng.choice([0, 3600, rng.randint(-57599, 57599)])))


def zoned_clock(rng: Random) -> time:
    """Any time of the day in a zone."""
    return clock(rng).replace(tzinfo=offset(rng))


def moment(rng: Random) -> datetime:
    """Any naive datetime."""
    return datetime.combine(day(rng), clock(rng))


def recent(rng: Random) -> datetime:
    """A naive datetime in the years of summer times, often near a change of the clocks."""
    change = rng.choice([(2020, 3, 29, 2), (2020, 10, 25, 2), (2021, 3, 14, 2), (2021, 11, 7, 1)])
    distance = rng.choice([timedelta(hours=3), timedelta(days=20000)])
    return datetime(*change) + distance * (rng.random() * 2 - 1)


def zoned(rng: Random) -> datetime:
    """Any aware datetime."""
    return moment(rng).replace(tzinfo=offset(rng))


def duration(rng: Random) -> timedelta:
    """A timedelta of any size and sign."""
    days = rng.choice([0, 1, 400, 999_999_000])
    return timedelta(rng.randint(-days, days), rng.randrange(-90000, 90000), rng.randrange(10**6))


# --- Values made of values -----------------------------------------------------------------------


def arrays(item: Generate, depth: int = 3) -> Generate:
    """Nested lists of one shape, with None among the items."""

    def nested(rng: Random, shape: list[int]) -> Any:
        if not shape:
            return item(rng) if rng.random() < 0.9 else None
        return [nested(rng, shape[1:]) for _ in range(shape[0])]

    def generate(rng: Random) -> Any:
        shape = [rng.randint(1, 4) for _ in range(rng.randint(1, depth))]
        return nested(rng, shape if rng.random() < 0.95 else [0])

    return generate


def document(rng: Random, depth: int = 3) -> Any:
    """A JSON document."""
    kind = rng.randrange(8 if depth else 6)
    if kind == 6:
        return [document(rng, depth - 1) for _ in range(rng.randrange(4))]
    if kind == 7:
        return {text(5)(rng): document(rng, depth - 1) for _ in range(rng.randrange(4))}
    simple = [None, True, False, rng.randrange(-(10**20), 10**20), rng.random() * 1e6, text(8)(rng)]
    return simple[kind]


def pair(rng: Random) -> Any:
    """A composite of two attributes, in one of its forms."""
    a, b = rng.choice([None, rng.randrange(100)]), rng.choice([None, text(6)(rng)])
    return rng.choice([(a, b), [a, b], {"a": a, "b": b}])


def attributes(value: Any) -> tuple[Any, Any]:
    """The two attributes of a pair."""
    return (value["a"], value["b"]) if isinstance(value, dict) else tuple(value)


def dictionary(rng: Random) -> dict[str, str | None]:
    """A dict for hstore."""
    return {text(5)(rng): rng.choice([None, text(9)(rng)]) for _ in range(rng.randrange(5))}


def keys_and_values(value: dict[str, str | None]) -> tuple[list[str], list[str | None]]:
    """Return the two arrays that make an hstore."""
    return list(value), list(value.values())


KINDS = [
    Kind("boolean", lambda rng: rng.random() < 0.5),
    Kind("smallint", integers(16)),
    Kind("integer", integers(32)),
    Kind("bigint", integers(64)),
    Kind("integer", integer_like, int),
    Kind("oid", lambda rng: rng.randrange(2**32), str, "%s::text::oid"),
    Kind("real", single),
    Kind("double precision", floating),
    Kind("numeric", decimals(60, 40)),
    Kind("numeric", number),
    Kind("numeric(30,10)", decimals(15, 5)),
    Kind("numeric(20,0)", integers(60)),
    Kind("text", text(30)),
    Kind("varchar(30)", text(30)),
    Kind("char(12)", word),
    Kind("name", word),
    Kind("color", lambda rng: rng.choice(["red", "green", "blue"])),
    Kind("bytea", octets),
    Kind("uuid", uuid),
    Kind("date", day),
    Kind("time", clock),
    Kind("time(2)", clock),
    Kind("timetz", zoned_clock),
    Kind("timetz(4)", zoned_clock),
    Kind("timestamp", moment),
    Kind("timestamp(0)", moment),
    Kind("timestamptz", zoned),
    Kind("timestamptz(3)", zoned),
    Kind("timestamptz", recent),
    Kind("timestamptz(1)", moment),
    Kind("interval", duration),
    Kind("interval(2)", duration),
    Kind("jsonb", lambda rng: [document(rng)], Jsonb),
    Kind("boolean[]", arrays(lambda rng: rng.random() < 0.5)),
    Kind("integer[]", arrays(integers(32))),
    Kind("bigint[]", arrays(integers(64), 6)),
    Kind("float8[]", arrays(floating)),
    Kind("numeric[]", arrays(decimals(20, 10))),
    Kind("numeric(12,3)[]", arrays(decimals(8, 1))),
    Kind("text[]", arrays(text(6))),
    Kind("varchar(8)[]", arrays(word), expression="%s::text[]"),
    Kind("bytea[]", arrays(lambda rng: rng.randbytes(4))),
    Kind("uuid[]", arrays(uuid)),
    Kind("date[]", arrays(day)),
    Kind("timestamp(3)[]", arrays(moment)),
    Kind("timestamptz[]", arrays(zoned)),
    Kind("pair", pair, attributes, "ROW(%s, %s)::pair"),
    Kind(
        "hstore",
        dictionary,
        lambda d: (list(d), list(d.values())),
        "hstore(%s::text[], %s::text[])",
    ),
]

# What a wrapper is told of a value is the value itself.
TOLD = [
    kind
    for kind in KINDS
    if kind.type.partition("[")[0] not in ("jsonb", "pair", "hstore", "oid", "real")
    and "(" not in kind.type
    and kind.generate not in (integer_like, number, recent)
]


@pytest.fixture
def values_of() -> Callable[[Kind], list[Any]]:
    """Make the random values of a kind; the same ones every time."""

    def make(kind: Kind) -> list[Any]:
        rng = Random(f"{SEED} {kind.type} {KINDS.index(kind)}")
        return [kind.generate(rng) for _ in range(VALUES_PER_TYPE)]

    return make


@pytest.fixture
def session(session: Session) -> Iterator[Session]:
    """A session with the types, in a transaction that the test's end rolls back."""
    with session.transaction(force_rollback=True):
        session.execute("CREATE EXTENSION hstore")
        session.execute("CREATE TYPE color AS ENUM ('red', 'green', 'blue')")
        session.execute("CREATE TYPE pair AS (a integer, b text)")
        yield session


def insert(session: Session, kind: Kind, values: list[Any]) -> None:
    """Put the values into a heap table, as parameters."""
    session.execute(
        sql.SQL("CREATE TABLE heap (number integer, value {})").format(sql.SQL(kind.type))
    )
    statement = sql.SQL("INSERT INTO heap VALUES (%s, {})").format(sql.SQL(kind.expression))
    rows = []
    for number_, value in enumerate(values):
        sent = kind.parameter(value)
        rows.append((number_, *(sent if isinstance(sent, tuple) else (sent,))))
    session.cursor().executemany(statement, rows)


def test_the_seed_makes_thousands_of_values() -> None:
    assert len(KINDS) * VALUES_PER_TYPE > 3000


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_value_arrives_as_psycopg_sends_it(
    session: Session,
    add_module: Callable[[str], str],
    values_of: Callable[[Kind], list[Any]],
    kind: Kind,
) -> None:
    values = values_of(kind)
    pickled = base64.b64encode(pickle.dumps(values)).decode()
    module = add_module(WRAPPER.format(values=pickled))
    zone = TIME_ZONES[KINDS.index(kind) % len(TIME_ZONES)]
    session.execute("SELECT set_config('timezone', %s, true)", (zone,))
    session.execute(
        sql.SQL(
            "CREATE FOREIGN TABLE foreign_table (number integer, value {})"
            " SERVER python OPTIONS (wrapper {})"
        ).format(sql.SQL(kind.type), f"{module}.Recorded")
    )
    insert(session, kind, values)

    rows = session.execute(
        "SELECT record_image_eq(foreign_table, heap), number, foreign_table.value::text,"
        " heap.value::text FROM foreign_table FULL JOIN heap USING (number) ORDER BY number"
    ).fetchall()

    assert len(rows) == len(values)
    different = [(values[row[1]], row[2], row[3]) for row in rows if not row[0]]
    assert different == []


@pytest.mark.parametrize("kind", TOLD, ids=str)
def test_a_wrapper_is_told_what_was_asked_for(
    session: Session, values_of: Callable[[Kind], list[Any]], kind: Kind
) -> None:
    session.execute(
        sql.SQL(
            "CREATE FOREIGN TABLE asked (value {}, python text) SERVER python"
            " OPTIONS (wrapper 'values.Asked')"
        ).format(sql.SQL(kind.type))
    )
    query = sql.SQL("SELECT python FROM asked WHERE value = %s::{}").format(sql.SQL(kind.type))
    for value in values_of(kind):
        row = session.execute(query, (value,)).fetchone()
        if row is None and not is_told(value):
            continue
        assert row is not None, value
        assert row[0] == f"= {told(value)!r}"


def is_told(value: Any) -> bool:
    """Has the value a counterpart in the type that the wrapper is told?"""
    if isinstance(value, list):
        return all(is_told(item) for item in value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        try:
            value.astimezone(UTC)
        except OverflowError:
            return False
    return True


def told(value: Any) -> Any:
    """The value as the wrapper is told."""
    if isinstance(value, list):
        items = [told(item) for item in value]
        return items if value_count(value) else []
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    if isinstance(value, Decimal):
        plain = Decimal(f"{value:f}")
        return abs(plain) if plain.is_zero() else plain
    return value


def value_count(value: Any) -> int:
    """How many items nested lists hold."""
    return sum(map(value_count, value)) if isinstance(value, list) else 1
