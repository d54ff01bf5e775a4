"""Much of everything: columns, characters of options, bytes of values."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from harness.cases import cases, few, rng
from harness.sessions import Connect, Session

# What a table of PostgreSQL has at most.
MOST_COLUMNS = 1600

# The longest name, in bytes.
LONGEST_NAME = 63


@pytest.fixture
def session(connect: Connect) -> Iterator[Session]:
    """A session in a transaction that the test's end rolls back."""
    with connect() as session, session.transaction(force_rollback=True):
        yield session


# --- Columns -------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["dict", "tuple", "list", "range"])
def test_as_many_columns_as_there_can_be(session: Session, form: str) -> None:
    notices: list[str | None] = []
    session.add_notice_handler(lambda notice: notices.append(notice.message_primary))
    names = [f"c{number}" for number in range(1, MOST_COLUMNS + 1)]
    numbers = tuple(range(1, MOST_COLUMNS + 1))
    negative = tuple(-number for number in numbers)
    columns = ", ".join(f"{name} integer" for name in names)
    session.execute(
        f"CREATE FOREIGN TABLE wide ({columns}) SERVER python"
        f" OPTIONS (wrapper 'sizes.Wide', form '{form}')"
    )
    conditions = " AND ".join(f"c{number} = {number}" for number in numbers)
    values = ", ".join(map(str, numbers))
    assert session.execute(f"SELECT * FROM wide WHERE {conditions}").fetchall() == [numbers]
    assert session.execute("SELECT c1600, c1, c800 FROM wide").fetchall() == [(1600, 1, 800)]
    assert notices == ["1600 conditions, 1600 columns", "0 conditions, 3 columns"]
    inserted = session.execute(f"INSERT INTO wide VALUES ({values}) RETURNING *").fetchall()
    updated = session.execute("UPDATE wide SET c2 = c2 RETURNING *").fetchall()
    assert inserted == updated == [negative]


# --- Options -------------------------------------------------------------------------------------


def characters(number: int) -> str:
    """Return random characters, most of them those that mean something somewhere."""
    random = rng("options")
    special = (
        "'\"\\\n\r\t\b\f\v\x01\x1b\x7f$%:;,.(){}[]<>|&^~`@#*/-+ \u2028\ufeff\u202e\x85é€\U0001f600"
    )
    plain = [chr(code) for code in range(1, 0x2FF) if chr(code) != "="]
    return "".join(random.choice(random.choice([special, plain])) for _ in range(number))


def name_of(text: str) -> str:
    """Return a name out of characters: as many of them as fit."""
    return text.encode()[:LONGEST_NAME].decode(errors="ignore")


def test_options_are_made_of_any_characters(session: Session) -> None:
    """All of Unicode, in names and values, short and long."""
    everything = "".join(map(chr, [*range(1, 0xD800), *range(0xE000, sys.maxunicode + 1, 97)]))
    text = characters(cases(60) * LONGEST_NAME)
    options = {
        name_of(text[start : start + LONGEST_NAME]): text[start:]
        for start in range(0, len(text), LONGEST_NAME)
    }
    options |= {"long": "x" * 2**20, "everything": everything, "empty": "", "blank": " "}
    pairs = [
        sql.SQL("{} {}").format(sql.Identifier(name), sql.Literal(value))
        for name, value in options.items()
    ]
    places = [pairs[0::3], pairs[1::3], pairs[2::3]]
    lists = [sql.SQL(", ").join(place) for place in places]
    session.execute(
        sql.SQL("CREATE SERVER strange FOREIGN DATA WRAPPER multicorn OPTIONS ({})").format(
            lists[0]
        )
    )
    session.execute(
        sql.SQL("CREATE USER MAPPING FOR CURRENT_USER SERVER strange OPTIONS ({})").format(lists[1])
    )
    session.execute(
        sql.SQL(
            "CREATE FOREIGN TABLE strange (name text, value text) SERVER strange"
            " OPTIONS (wrapper 'sizes.Options', {})"
        ).format(lists[2])
    )
    assert dict(session.execute("SELECT * FROM strange").fetchall()) == options
    session.execute("ALTER FOREIGN TABLE strange OPTIONS (ADD later 'it''s')")
    assert dict(session.execute("SELECT * FROM strange").fetchall()) == {
        **options,
        "later": "it's",
    }


# --- Values --------------------------------------------------------------------------------------

MEGABYTE = 2**20

LONG_VALUES: list[tuple[str, Any, str]] = [
    ("text", "x" * MEGABYTE, "%s"),
    ("text", "€" * MEGABYTE, "%s"),
    ("varchar", "é" * MEGABYTE, "%s"),
    ("bytea", bytes(range(256)) * 4096, "%s"),
    ("json", '"' + "\\n" * MEGABYTE + '"', "%s"),
    ("numeric", "7" * 100_000, "%s"),
    ("text[]", ["x" * MEGABYTE, None, "€" * MEGABYTE], "%s::text[]"),
    ("integer[]", list(range(MEGABYTE // 8)), "%s::integer[]"),
    ("hstore", "x" * MEGABYTE, "hstore('key', %s)"),
    ("pair", "x" * MEGABYTE, "ROW(1, %s)::pair"),
]


@pytest.mark.parametrize(
    ("kind", "value", "expression"), LONG_VALUES, ids=[kind for kind, *_ in LONG_VALUES]
)
def test_a_value_of_a_megabyte(session: Session, kind: str, value: Any, expression: str) -> None:
    """It goes to a wrapper and comes back, in a condition and in a row; PostgreSQL compares."""
    session.execute("CREATE EXTENSION hstore; CREATE TYPE pair AS (a integer, b text)")
    session.execute(
        f"CREATE TABLE heap (value {kind});"
        f"CREATE FOREIGN TABLE echo (given {kind}, back {kind}) SERVER python"
        " OPTIONS (wrapper 'sizes.Echo')"
    )
    cast = f"{expression}::{kind}"
    session.execute(f"INSERT INTO heap VALUES ({cast})", (value,))
    length = session.execute("SELECT length(value::text) > 90000 FROM heap").fetchall()
    assert length == [(True,)]
    written = session.execute(
        "WITH written AS (INSERT INTO echo (given) SELECT value FROM heap RETURNING back)"
        " SELECT back::text = value::text FROM written, heap"
    )
    assert written.fetchall() == [(True,)]
    if kind in ("text", "varchar", "bytea", "numeric", "text[]", "integer[]"):
        read = session.execute(
            f"SELECT back = value FROM echo, heap WHERE given = {cast}", (value,)
        )
        assert read.fetchall() == [(True,)]


# Each takes gigabytes of memory, for a moment.
TOO_LONG = [
    ("str", "text"),
    ("items", "integer[]"),
    ("text of bytes", "xml"),
    ("str", "json"),
    ("str", "varchar(10)"),
    ("bytes", "bytea"),
    ("list", "text[]"),
    ("tuple", "pair"),
]


@pytest.mark.parametrize(("long", "kind"), few(TOO_LONG, 3))
def test_a_value_that_is_too_long_is_an_error(connect: Connect, long: str, kind: str) -> None:
    """Of a gigabyte, or more: the error names the column, and the session goes on."""
    with connect() as session, session.transaction(force_rollback=True):
        session.execute("CREATE TYPE pair AS (a text, b text)")
        session.execute(
            f"CREATE FOREIGN TABLE long (value {kind}, other text) SERVER python"
            f" OPTIONS (wrapper 'sizes.Long', long '{long}')"
        )
        with pytest.raises(psycopg.errors.ProgramLimitExceeded) as raised, session.transaction():
            session.execute("SELECT value FROM long")
        assert 'column "value"' in str(raised.value)
        assert len(str(raised.value)) < 2000
        assert session.execute("SELECT other FROM long").fetchall() == [("other",)]


def test_a_row_that_is_too_long_is_an_error(connect: Connect) -> None:
    """Of values each of which is not."""
    with connect() as session, session.transaction(force_rollback=True):
        session.execute(
            "CREATE FOREIGN TABLE long (value text, other text) SERVER python"
            " OPTIONS (wrapper 'sizes.Long', long 'many bytes')"
        )
        with pytest.raises(psycopg.errors.ProgramLimitExceeded, match=r"too (long|big)"):
            session.execute("INSERT INTO long VALUES ('', '') RETURNING length(value)")


@pytest.mark.parametrize("kind", ["integer", "uuid", "jsonb", "inet[]", "integer[]", "color"])
def test_an_error_shows_the_beginning_of_a_long_value(session: Session, kind: str) -> None:
    """PostgreSQL's own message would quote all of it."""
    session.execute("CREATE TYPE color AS ENUM ('red')")
    session.execute(
        f"CREATE FOREIGN TABLE long (value {kind}, other text) SERVER python"
        " OPTIONS (wrapper 'sizes.Long', long 'digits')"
    )
    with pytest.raises(psycopg.DataError) as raised:
        session.execute("SELECT value FROM long")
    assert 'column "value"' in str(raised.value)
    assert "999..." in str(raised.value)
    assert len(str(raised.value)) < 3000


@pytest.mark.parametrize("length", [10 * MEGABYTE, *few([600 * MEGABYTE], 0)])
def test_what_is_said_at_length_is_cut(session: Session, length: int) -> None:
    """An exception and a message of more than any client wants."""
    notices: list[str | None] = []
    session.add_notice_handler(lambda notice: notices.append(notice.message_primary))
    session.execute(
        "CREATE FOREIGN TABLE wordy (way text) SERVER python"
        f" OPTIONS (wrapper 'sizes.Wordy', length '{length}')"
    )
    session.execute("SELECT FROM wordy WHERE way = 'printed'")
    assert 10_000 < len(notices[0] or "") < 200_000
    with pytest.raises(psycopg.Error, match="ValueError: xxx") as raised, session.transaction():
        session.execute("SELECT FROM wordy WHERE way = 'raised'")
    assert 10_000 < len(str(raised.value)) < 300_000
    if length > 100 * MEGABYTE:
        with pytest.raises(psycopg.Error, match="out of memory"), session.transaction():
            session.execute("EXPLAIN SELECT FROM wordy")
    else:
        lines = session.execute("EXPLAIN SELECT FROM wordy").fetchall()
        assert sum(len(line) for (line,) in lines) > 2 * length
