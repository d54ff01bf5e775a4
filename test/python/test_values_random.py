"""Random values of PostgreSQL's, to Python and back.

They come as PostgreSQL's own text forms, and so from all that a type holds: also what Python has
no equal of, which must be refused, and never become something else. test_values_round_trip.py goes
the other way round.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

import psycopg
import pytest
from psycopg import sql

from harness.cases import cases, rng
from harness.sessions import Connect, Session


@dataclass(frozen=True)
class Text:
    """The text form of a value; None for NULL.

    Attributes:
        text: The text.
        exact: Whether Python has an exact equal of the value.
    """

    text: str | None
    exact: bool = True


Generate = Callable[[Random], Text]


def texts(generate: Callable[[Random], object]) -> Generate:
    """Values whose texts Python can always do something with."""
    return lambda rng: Text(str(generate(rng)))


# --- Numbers -------------------------------------------------------------------------------------


def integers(bits: int) -> Generate:
    """Integers of any size that fit."""

    def generate(rng: Random) -> int:
        size: int = 2 ** rng.randrange(bits)
        bound: int = 2 ** (bits - 1)
        return rng.choice([rng.randrange(-size, size), bound - 1, -bound])

    return texts(generate)


def digits(rng: Random, most: int) -> str:
    """Some decimal digits."""
    return "".join(rng.choices(string.digits, k=rng.randint(1, most)))


def numeric(rng: Random) -> Text:
    """Numbers of any scale and precision, and those that are none."""
    number = rng.choice(["-", ""]) + digits(rng, 40)
    forms = [number, f"{number}.{digits(rng, 40)}", f"{number}e{rng.randint(-90, 90)}", "0.000"]
    special = ["NaN", "Infinity", "-Infinity", f"1e{rng.randint(1000, 131071)}", "1e-16383"]
    return Text(rng.choice([*forms, *forms, rng.choice(special)]))


def floating(smallest: int, largest: int) -> Generate:
    """Numbers of any magnitude, and those that are none."""

    def generate(rng: Random) -> str:
        number = f"{rng.uniform(-10, 10)!r}e{rng.randint(smallest, largest)}"
        return rng.choice([number, number, number, "NaN", "Infinity", "-Infinity", "-0", "0"])

    return texts(generate)


# --- Dates and times -----------------------------------------------------------------------------


def day(rng: Random) -> Text:
    """Days of all of PostgreSQL's calendar, of which Python has a part."""
    month, day_of_month = rng.randint(1, 12), rng.randint(1, 28)
    if rng.random() < 0.6:
        year = rng.choice([1, 4, 9999, rng.randint(1, 9999)])
        return Text(f"{year:04}-{month:02}-{day_of_month:02}")
    year = rng.randint(1, 4000)
    later = rng.choice([10000, rng.randint(10000, 290000)])
    return rng.choice(
        [
            Text("infinity", exact=False),
            Text("-infinity", exact=False),
            Text(f"{year:04}-{month:02}-{day_of_month:02} BC", exact=False),
            Text(f"{later}-{month:02}-{day_of_month:02}", exact=False),
        ]
    )


def clock(rng: Random) -> Text:
    """Times of the day; PostgreSQL's has another midnight."""
    if rng.random() < 0.05:
        return Text("24:00:00", exact=False)
    fraction = rng.choice(["", ".5", f".{rng.randrange(10**6):06}"])
    return Text(f"{rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}{fraction}")


def zoned_clock(rng: Random) -> Text:
    """Times of the day with an offset."""
    time = clock(rng)
    offset = rng.choice(["+00", f"{rng.choice('+-')}{rng.randrange(16):02}:{rng.randrange(60):02}"])
    seconds = rng.choice(["", f":{rng.randrange(60):02}"]) if ":" in offset else ""
    return Text(f"{time.text}{offset}{seconds}", time.exact)


def moment(zone: str) -> Generate:
    """Points in time; those at the very ends may fall out of Python's calendar in another zone."""

    def generate(rng: Random) -> Text:
        date = day(rng)
        if date.text is None or "infinity" in date.text:
            return date
        time = Text("12:00:00") if zone else clock(rng)
        if not time.exact:
            # Midnight at the end of the last day is no time of a day that Python has.
            time = Text("00:00:00")
        place = f"{time.text}{zone}"
        text = f"{date.text} {place}"
        if date.text.endswith(" BC"):
            text = f"{date.text.removesuffix(' BC')} {place} BC"
        return Text(text, date.exact)

    return generate


def duration(rng: Random) -> Text:
    """Intervals; one with months has no length, and so no equal in Python."""
    months = rng.choice([0, 0, rng.randint(-1000, 1000)])
    days = rng.choice([0, rng.randint(-(10**6), 10**6)])
    seconds = rng.choice([0, rng.randint(-(10**9), 10**9)])
    fraction = rng.choice(["", f".{rng.randrange(10**6):06}"])
    text = f"{months} months {days} days {seconds}{fraction} seconds"
    return Text(text, exact=months == 0)


# --- Characters and bytes ------------------------------------------------------------------------


def characters(longest: int) -> Generate:
    """Characters of all planes."""

    def character(rng: Random) -> str:
        code = rng.randint(1, rng.choice([0x7F, 0xFF, 0xD7FF, 0x10FFFF]))
        return "\ufffd" if 0xD800 <= code <= 0xDFFF else chr(code)

    return texts(lambda rng: "".join(character(rng) for _ in range(rng.randint(0, longest))))


def words(longest: int) -> Generate:
    """ASCII letters."""
    return texts(lambda rng: "".join(rng.choices(string.ascii_letters, k=rng.randint(1, longest))))


def octets(rng: Random) -> str:
    """Bytes of any value."""
    return "\\x" + rng.randbytes(rng.choice([0, 1, 5, 100, 3000])).hex()


def bits(rng: Random) -> str:
    """Bits."""
    return "".join(rng.choices("01", k=rng.randint(0, 70)))


# --- Documents, networks, geometry ---------------------------------------------------------------


def document(rng: Random, depth: int = 3) -> str:
    """A JSON text, as somebody may have written it."""
    kind = rng.randrange(8 if depth else 6)
    if kind == 6:
        return "[ " + " ,".join(document(rng, depth - 1) for _ in range(rng.randrange(4))) + "]"
    if kind == 7:
        items = (f'"{name(rng)}" : {document(rng, depth - 1)}' for _ in range(rng.randrange(4)))
        return "{" + ", ".join(items) + " }"
    number = f"{rng.randint(-9, 9)}.{digits(rng, 30)}e{rng.randint(-40, 40)}"
    return ["null", "true", "false", str(rng.randint(-(10**30), 10**30)), number, '"\\u00e9\\n"'][
        kind
    ]


def name(rng: Random) -> str:
    """A few letters."""
    return words(5)(rng).text or ""


def address(rng: Random) -> str:
    """An address of a host or of a network, of either kind."""
    if rng.random() < 0.5:
        return ".".join(str(rng.randrange(256)) for _ in range(4)) + f"/{rng.randint(0, 32)}"
    return ":".join(f"{rng.randrange(65536):x}" for _ in range(8)) + f"/{rng.randint(0, 128)}"


def point(rng: Random) -> str:
    """A point, which may be anywhere."""
    return f"({rng.uniform(-1e9, 1e9)!r},{rng.choice([0, 1e300, rng.random()])!r})"


def pairs(rng: Random) -> str:
    """The text of an hstore."""
    keys = {characters(5)(rng).text for _ in range(rng.randrange(5))}
    values = {key: rng.choice([None, characters(9)(rng).text]) for key in keys}
    return ", ".join(
        f"{quoted(key or '')} => {'NULL' if value is None else quoted(value)}"
        for key, value in values.items()
    )


def quoted(text: str) -> str:
    """A text within the text of an array, a composite or an hstore."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


# --- Values made of values -----------------------------------------------------------------------


def maybe(item: Generate, rng: Random) -> Text:
    """A value, or NULL."""
    return item(rng) if rng.random() < 0.9 else Text(None)


def arrays(item: Generate, most_dimensions: int = 4) -> Generate:
    """Arrays of several dimensions, with NULLs; one that does not begin at 1 has no equal."""

    def generate(rng: Random) -> Text:
        shape = [rng.randint(1, 3) for _ in range(rng.randint(0, most_dimensions))]
        if not shape:
            return Text("{}")
        bounds = [rng.choice([1, 1, 1, 1, 1, 1, rng.randint(-5, 5)]) for _ in shape]
        exact = all(bound == 1 for bound in bounds)

        def nested(rest: list[int]) -> str:
            nonlocal exact
            if rest:
                return "{" + ",".join(nested(rest[1:]) for _ in range(rest[0])) + "}"
            value = maybe(item, rng)
            exact = exact and value.exact
            return "NULL" if value.text is None else quoted(value.text)

        prefix = "".join(
            f"[{bound}:{bound + length - 1}]" for bound, length in zip(bounds, shape, strict=True)
        )
        text = nested(shape)
        return Text(f"{prefix}={text}" if any(bound != 1 for bound in bounds) else text, exact)

    return generate


def composite(*items: Generate) -> Generate:
    """Rows, with NULLs."""

    def generate(rng: Random) -> Text:
        values = [maybe(item, rng) for item in items]
        parts = ["" if value.text is None else quoted(value.text) for value in values]
        return Text("(" + ",".join(parts) + ")", all(value.exact for value in values))

    return generate


def ranges(item: Generate) -> Generate:
    """Ranges, which are exchanged as text, and so all have an equal."""

    def generate(rng: Random) -> str:
        bounds = sorted(item(rng).text or "" for _ in range(2))
        low, high = (quoted(bound) if rng.random() < 0.8 else "" for bound in bounds)
        return rng.choice(["empty", *[f"{rng.choice('[(')}{low},{high}{rng.choice('])')}"] * 5])

    return texts(generate)


def sets_of_ranges(item: Generate) -> Generate:
    """Multiranges."""
    return texts(lambda rng: "{" + ",".join(ranges(item)(rng).text or "" for _ in range(3)) + "}")


def positive(rng: Random) -> Text:
    """A number that the domain lets through."""
    return Text(str(rng.randint(1, 2**31 - 1)))


def ordered(low: int, high: int) -> Generate:
    """Numbers of as many digits, which as texts are in the same order."""
    return texts(lambda rng: rng.randint(low, high))


COLORS = texts(lambda rng: rng.choice(["red", 'it\'s "blue"', "grün"]))
DATES = texts(lambda rng: f"{rng.randint(1000, 9999)}-{rng.randint(10, 12)}-{rng.randint(10, 28)}")

KINDS: dict[str, Generate] = {
    "boolean": texts(lambda rng: rng.choice(["t", "f"])),
    "smallint": integers(16),
    "integer": integers(32),
    "bigint": integers(64),
    "oid": texts(lambda rng: rng.randrange(2**32)),
    "real": floating(-36, 36),
    "double precision": floating(-306, 306),
    "numeric": numeric,
    "numeric(30,10)": texts(lambda rng: f"{digits(rng, 20)}.{digits(rng, 10)}"),
    "money": texts(lambda rng: f"{rng.randint(-(10**12), 10**12)}.{rng.randrange(100):02}"),
    "text": characters(40),
    "varchar(30)": characters(30),
    "char(12)": characters(12),
    "name": words(60),
    '"char"': texts(lambda rng: rng.choice(["", "a", "'", '"', "\\", "\\377", "\\001"])),
    "citext": characters(20),
    "bytea": texts(octets),
    "uuid": texts(lambda rng: f"{rng.getrandbits(128):032x}"),
    "date": day,
    "time": clock,
    "time(3)": clock,
    "timetz": zoned_clock,
    "timestamp": moment(""),
    "timestamp(2)": moment(""),
    "timestamptz": moment("+00"),
    "interval": duration,
    "interval(3)": duration,
    "json": texts(document),
    "jsonb": texts(document),
    "jsonpath": texts(lambda rng: f"$.{name(rng)}[*] ? (@ > {rng.randint(0, 9)})"),
    "xml": texts(lambda rng: f"<a b='{name(rng)}'>{name(rng)}&amp;é</a>"),
    "color": COLORS,
    "bit(5)": texts(lambda rng: "".join(rng.choices("01", k=5))),
    "varbit": texts(bits),
    "inet": texts(address),
    "macaddr8": texts(lambda rng: rng.randbytes(8).hex()),
    "point": texts(point),
    "path": texts(lambda rng: f"[{point(rng)},{point(rng)}]"),
    "circle": texts(lambda rng: f"<{point(rng)},{rng.uniform(0, 1e9)!r}>"),
    "pg_lsn": texts(lambda rng: f"{rng.getrandbits(32):X}/{rng.getrandbits(32):X}"),
    "tid": texts(lambda rng: f"({rng.getrandbits(32)},{rng.getrandbits(16)})"),
    "tsvector": texts(lambda rng: f"'{name(rng)}':{rng.randint(1, 99)}A {name(rng)}"),
    "tsquery": texts(lambda rng: f"{name(rng)} & !{name(rng)}:*"),
    "int2vector": texts(lambda rng: f"{rng.randint(0, 9)} {rng.randint(0, 9)}"),
    "int4range": ranges(ordered(10**5, 10**6 - 1)),
    "numrange": ranges(texts(lambda rng: f"{rng.randint(100, 999)}.{digits(rng, 9)}")),
    "daterange": ranges(DATES),
    "tstzrange": ranges(texts(lambda rng: f"{DATES(rng).text} {clock(rng).text}+00")),
    "int8multirange": sets_of_ranges(ordered(10**9, 10**10 - 1)),
    "hstore": texts(pairs),
    "positive": positive,
    "short": words(5),
    "numbers": arrays(integers(32)),
    "even": texts(lambda rng: 2 * rng.randint(-100, 100)),
    "integer[]": arrays(integers(32)),
    "bigint[]": arrays(integers(64), 6),
    "float8[]": arrays(floating(-300, 300)),
    "numeric[]": arrays(numeric, 2),
    "text[]": arrays(characters(8)),
    "char(3)[]": arrays(words(3)),
    "bytea[]": arrays(texts(lambda rng: "\\x" + rng.randbytes(4).hex())),
    "date[]": arrays(day, 2),
    "timestamp[]": arrays(moment(""), 2),
    "timetz[]": arrays(zoned_clock, 2),
    "interval[]": arrays(duration, 1),
    "jsonb[]": arrays(texts(document), 2),
    "color[]": arrays(COLORS),
    "positive[]": arrays(positive),
    "int4range[]": arrays(ranges(ordered(10**5, 10**6 - 1)), 2),
    "hstore[]": arrays(texts(pairs), 2),
    "pair": composite(integers(32), characters(9)),
    "pair[]": arrays(composite(integers(32), characters(9)), 2),
    "deep": composite(
        composite(integers(32), characters(9)),
        arrays(composite(integers(32), characters(4)), 2),
        positive,
        arrays(numeric, 2),
        day,
        texts(document),
    ),
    "deep[]": arrays(
        composite(
            composite(integers(32), characters(3)),
            arrays(composite(integers(32), characters(3)), 1),
            positive,
            arrays(integers(32), 1),
            DATES,
            texts(document),
        ),
        1,
    ),
}

# Python has one way to write a duration, where PostgreSQL has several that are equal.
COMPARED_BY_VALUE = ("interval", "interval(3)", "interval[]")

# What another way to write values must not change.
SETTINGS = {
    "datestyle": ["ISO, MDY", "SQL, DMY", "German", "Postgres, MDY"],
    "intervalstyle": ["postgres", "postgres_verbose", "sql_standard", "iso_8601"],
    "timezone": ["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Kiritimati"],
    "extra_float_digits": ["-10", "0", "1", "3"],
    "bytea_output": ["hex", "escape"],
}


@pytest.fixture
def session(connect: Connect) -> Iterator[Session]:
    """A session with the types, in a transaction that the test's end rolls back."""
    with connect() as session, session.transaction(force_rollback=True):
        session.execute(
            "CREATE EXTENSION hstore; CREATE EXTENSION citext;"
            "CREATE TYPE color AS ENUM ('red', 'it''s \"blue\"', 'grün');"
            "CREATE TYPE pair AS (a integer, gone text, b text);"
            "ALTER TYPE pair DROP ATTRIBUTE gone;"
            "CREATE DOMAIN positive AS integer CHECK (VALUE > 0);"
            "CREATE DOMAIN even_or_null AS bigint CHECK (VALUE % 2 = 0);"
            "CREATE DOMAIN even AS even_or_null NOT NULL;"
            "CREATE DOMAIN short AS varchar(5) CHECK (length(VALUE) > 0);"
            "CREATE DOMAIN numbers AS integer[] CHECK (cardinality(VALUE) < 1000);"
            'CREATE TYPE deep AS (p pair, "a b" pair[], c positive, d numeric[], e date, f json)'
        )
        yield session


def create(session: Session, kind: str, values: list[Text]) -> None:
    """Put the values into a heap table, and create foreign tables that keep rows."""
    random = rng(f"settings of {kind}")
    for setting, choices in SETTINGS.items():
        query = "SELECT set_config(%s, %s, true)"
        session.execute(query, (setting, random.choice(choices)))
    session.execute(
        f"CREATE TABLE heap (number integer, exact boolean, value {kind});"
        f"CREATE FOREIGN TABLE kept (number integer, value {kind})"
        " SERVER python OPTIONS (wrapper 'keeping.Keeps');"
        f"CREATE FOREIGN TABLE kept_text (number integer, value {kind}"
        " OPTIONS (value_form 'text')) SERVER python OPTIONS (wrapper 'keeping.Keeps')"
    )
    insert = sql.SQL("INSERT INTO heap SELECT %s, %s, %s::text::{}").format(sql.SQL(kind))
    rows = [(number, value.exact, value.text) for number, value in enumerate(values)]
    session.cursor().executemany(insert, rows)


def lost(session: Session, kind: str, table: str, condition: str) -> list[tuple[object, ...]]:
    """Send values through a table; return those that have not come back, from either place."""
    same = (
        "x.value IS NOT DISTINCT FROM y.value"
        if kind in COMPARED_BY_VALUE
        else "record_image_eq(ROW(x.value), ROW(y.value))"
    )
    returned = session.execute(
        f"WITH y AS (INSERT INTO {table} SELECT number, value FROM heap WHERE {condition}"
        " RETURNING *) SELECT number, x.value::text, y.value::text FROM"
        f" (SELECT * FROM heap WHERE {condition}) AS x FULL JOIN y USING (number)"
        f" WHERE ({same}) IS NOT TRUE"
    ).fetchall()
    # Another session, with settings of its own, may be the one that reads.
    for setting in SETTINGS:
        session.execute(f"SET LOCAL {setting} TO DEFAULT")
    read = session.execute(
        f"SELECT number, x.value::text, y.value::text FROM (SELECT * FROM heap WHERE {condition})"
        f" AS x FULL JOIN {table} AS y USING (number) WHERE ({same}) IS NOT TRUE"
    ).fetchall()
    return returned + read


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_comes_back_as_it_was_or_is_refused(session: Session, kind: str) -> None:
    random = rng(kind)
    values = [KINDS[kind](random) for _ in range(cases(100))]
    create(session, kind, values)
    assert lost(session, kind, "kept", "exact") == []
    assert lost(session, kind, "kept_text", "true") == []
    inexact = [number for number, value in enumerate(values) if not value.exact]
    for number in inexact:
        with pytest.raises(psycopg.Error, match="no exact equivalent"), session.transaction():
            session.execute(
                "INSERT INTO kept SELECT number, value FROM heap WHERE number = %s", (number,)
            )


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("daterange", "[2024-10-11,2024-12-11)"),
        ("tstzrange", "[2024-10-11 01:02:03+00,)"),
        ("pair_of_dates", '("[2024-10-11,2024-10-12)","(0.1,0.2)")'),
        ("point", "(0.1,1e-300)"),
    ],
)
def test_a_text_form_means_the_same_in_every_session(
    session: Session, kind: str, text: str
) -> None:
    """What one session has written is read by another with other settings."""
    session.execute("CREATE TYPE pair_of_dates AS (a daterange, b point)")
    create(session, kind, [Text(text)])
    session.execute("SET LOCAL datestyle = 'SQL, DMY'; SET LOCAL extra_float_digits = -10")
    assert lost(session, kind, "kept", "true") == []


def test_the_random_values_are_of_both_kinds() -> None:
    """Most have an equal in Python, and of some types some have none."""
    found: dict[str, set[bool]] = {}
    for kind, generate in KINDS.items():
        random = rng(kind)
        found[kind] = {generate(random).exact for _ in range(100)}
    assert all(True in exact for exact in found.values())
    assert sum(False in exact for exact in found.values()) > 10
