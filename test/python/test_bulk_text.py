"""Rows that are written as text, read back by PostgreSQL: every type, whatever the settings are."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from psycopg import errors, sql
from psycopg.rows import tuple_row

from harness import Cluster
from harness.marks import measures_memory
from harness.sessions import Connect, Session

HOSTILE = [
    "",
    "\\",
    "\\.",
    "\\N",
    "N",
    "NULL",
    "null",
    " NULL ",
    '"',
    '""',
    "'",
    "{}",
    "{a,b}",
    ",",
    " ",
    "  a ",
    "a\tb",
    "a\nb",
    "a\r\nb",
    "\b\f\v\x01\x7f",
    "\\t",
    "\\\\x",
    "caf\xe9",
    "\u20ac\U0001f600",
    "a" * 5000,
    "\\" * 3000,
]

# Types, and literals of them.
LITERALS: dict[str, list[str]] = {
    "smallint": ["-32768", "0", "32767"],
    "integer": ["-2147483648", "-1", "2147483647"],
    "bigint": ["-9223372036854775808", "9223372036854775807"],
    "oid": ["0", "4294967295"],
    "real": ["0.1", "1e-45", "3.4028235e38", "-0", "NaN", "-Infinity", "16777216"],
    "double precision": ["0.1", "5e-324", "-1.7976931348623157e308", "-0", "NaN", "Infinity"],
    "numeric": ["0", "-0.000", "1e100", "NaN", "-Infinity", "1.10", "9" * 200 + "." + "1" * 200],
    "numeric(10,3)": ["1234567.890"],
    "boolean": ["t", "f"],
    "text": HOSTILE,
    "varchar(9999)": HOSTILE,
    "char(5)": ["", "a", "ab  ", "\\", '"', "NULL"],
    '"char"': ["a", "\\", '"', ""],
    "name": ["a b", "\\", ""],
    "bytea": [r"\x", r"\x00ff5c0a09", r"\x" + "5c" * 3000],
    "date": ["infinity", "-infinity", "0044-03-15 BC", "2024-02-29", "5874897-12-31"],
    "time": ["00:00", "24:00", "12:34:56.000001"],
    "timetz": ["12:34:56.1+05:30", "00:00-15:59:59"],
    "timestamp": ["infinity", "-infinity", "0001-12-31 23:59:59.999999 BC", "294276-12-31"],
    "timestamptz": ["infinity", "-infinity", "4713-01-01 00:00+00 BC", "1850-01-01 12:00:00.1+01"],
    "interval": ["1 year -2 mons 3 days -04:05:06.7", "-1 mon", "0", "00:00:00.000001"],
    "json": ['{"a": "\\"\\\\"}', "null", '  [1,\t"x"]'],
    "jsonb": ['{"a": "\\"\\\\", "b": [null]}', '"\\\\n"'],
    "uuid": ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"],
    "inet": ["10.0.0.1/8", "::1"],
    "cidr": ["10.0.0.0/8"],
    "macaddr": ["08:00:2b:01:02:03"],
    "macaddr8": ["08:00:2b:01:02:03:04:05"],
    "bit(3)": ["101"],
    "varbit": ["", "10101"],
    "money": ["-1234.56", "0.01"],
    "point": ["(0.1,-1e300)"],
    "box": ["(1,2),(0.1,0.2)"],
    "path": ["[(0.1,2),(3,4)]"],
    "int4range": ["[1,5)", "empty", "(,)"],
    "tstzrange": ['["2024-01-01 00:00+00",infinity)'],
    "datemultirange": ["{[2024-01-01,2024-02-01),[2025-01-01,)}"],
    "tsvector": ["'a \\\\ b':1A 'c'"],
    "tsquery": ["'a' & !'b c'"],
    "xml": ["<a b='\"'>\\ &amp;</a>"],
    "regclass": ["pg_class", 'odd."Table"', "source"],
    "regtype": ["integer", "odd.mood", "timestamp with time zone"],
    "regprocedure": ["odd.f(integer)", "sum(integer)"],
    "pg_lsn": ["0/16B3748"],
    "integer[]": ["{}", "{1,NULL,-3}", "[0:1]={1,2}", "{{1,2},{3,4}}"],
    "text[]": ["{}", '{"",NULL,"NULL","\\\\","\\"","a b",c,"{}"}', '{{a,"\t"},{"\n",d}}'],
    "double precision[]": ["{0.1,NaN,-Infinity}"],
    "timestamptz[]": ['{"2024-01-01 00:00:00.1+00",infinity,NULL}'],
    "interval[]": ['{"1 year -3 days"}'],
    "box[]": ["{(1,2),(0,0);(3,4),(0,0)}"],
    "bytea[]": ['{"\\\\x005c"}'],
    "odd.mood": ["so so", "\\", '"'],
    "odd.mood[]": ['{"so so","\\\\"}'],
    "odd.pair": ['(1,"a ""b"" \\\\,")', "(,)", '(2,"")'],
    "odd.pair[]": ['{"(1,\\"a b\\")",NULL}'],
    "odd.short": ["ab", ""],
    "odd.days": ["{2024-01-01,infinity}"],
}

SETTINGS = {
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "sql_standard",
    "extra_float_digits": "-15",
    "bytea_output": "escape",
    "xmlbinary": "hex",
    "TimeZone": "Asia/Kolkata",
    "search_path": "odd, public",
}

PREPARE = """
CREATE SCHEMA odd;
CREATE TYPE odd.mood AS ENUM ('so so', E'\\\\', '"');
CREATE TYPE odd.pair AS (n int, t text);
CREATE DOMAIN odd.short AS varchar(3) CHECK (length(VALUE) < 3);
CREATE DOMAIN odd.days AS date[];
CREATE TABLE odd."Table" ();
CREATE FUNCTION odd.f(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FOREIGN TABLE calls (method text, count int, columns text[], data bytea[])
    SERVER python OPTIONS (wrapper 'bulk_text.Calls', store 'python');
"""

SILENT = "insert bulk_insert insert_copy insert_arrays end_modify"

Write = Callable[[Session], None]
Call = tuple[str, int, list[str], list[bytes]]


@pytest.fixture
def session(connect: Connect) -> Iterator[Session]:
    """A session whose changes of the catalogs are taken back."""
    session = connect()
    with session.transaction(force_rollback=True):
        session.execute(PREPARE)
        yield session


def create_tables(session: Session, columns: str, **options: str) -> None:
    """Create the tables `source`, `target` and the foreign table `remote`, all with the columns."""
    given = {"wrapper": "bulk_text.Both", "store": "python", "silent": SILENT, "size": "100"}
    listed = [
        sql.SQL("{} {}").format(sql.Identifier(name), value)
        for name, value in (given | options).items()
    ]
    session.execute(f"CREATE TABLE source ({columns}); CREATE TABLE target ({columns});")
    session.execute(
        sql.SQL("CREATE FOREIGN TABLE remote ({}) SERVER python OPTIONS ({})").format(
            sql.SQL(columns), sql.SQL(", ").join(listed)
        )
    )


def fill_source(session: Session, rows: int) -> list[str]:
    """Create tables with a column of every type, fill `source`, and return the types."""
    types = list(LITERALS)
    columns = ", ".join(f"c{i} {name.replace('%', '%%')}" for i, name in enumerate(types))
    create_tables(session, f"id int, {columns}")
    draw = random.Random(rows)
    for number in range(rows):
        values = [
            None if draw.random() < 0.1 else literals[number % len(literals)]
            for literals in LITERALS.values()
        ]
        casts = ", ".join(f"%s::text::{name}" for name in types)
        session.execute(f"INSERT INTO source VALUES (%s, {casts})", [number, *values])
    return ["integer", *types]


def insert(session: Session) -> None:
    """Write the rows of `source` by INSERT."""
    session.execute("INSERT INTO remote SELECT * FROM source ORDER BY id")


def copy(session: Session) -> None:
    """Write the rows of `source` by COPY, in a form that settings do not matter to."""
    with session.cursor().copy("COPY source TO STDOUT (FORMAT binary)") as reading:
        blocks = [bytes(block) for block in reading]
    with session.cursor().copy("COPY remote FROM STDIN (FORMAT binary)") as writing:
        for block in blocks:
            writing.write(block)


def calls(session: Session) -> list[Call]:
    """Return what the wrapper was given."""
    cursor = session.cursor(row_factory=tuple_row, binary=True)
    return cursor.execute("SELECT * FROM calls").fetchall()


def load(session: Session, call: Call, types: list[str]) -> None:
    """Write to `target` what the wrapper was given."""
    method, _, columns, data = call
    names = ", ".join(columns)
    if method == "insert_copy":
        with session.cursor().copy(f"COPY target ({names}) FROM STDIN") as writing:
            writing.write(data[0])
        return
    values = ", ".join(f"v{i}::{name}" for i, name in enumerate(types))
    aliases = ", ".join(f"v{i}" for i in range(len(types)))
    arrays = ", ".join(["convert_from(%b, getdatabaseencoding())::text[]"] * len(types))
    session.execute(
        f"INSERT INTO target ({names}) SELECT {values} FROM unnest({arrays}) AS u ({aliases})", data
    )


def different(session: Session) -> list[Any]:
    """Return the rows that `source` and `target` do not have in common."""
    session.execute("SET LOCAL extra_float_digits = 3")
    return session.execute(
        "SELECT s::text, t::text FROM source AS s FULL JOIN target AS t USING (id)"
        " WHERE s::text IS DISTINCT FROM t::text"
    ).fetchall()


@pytest.mark.parametrize("write", [insert, copy])
@pytest.mark.parametrize("hostile", [False, True], ids=["usual settings", "hostile settings"])
def test_every_type_comes_back(session: Session, write: Write, hostile: bool) -> None:
    types = fill_source(session, 60)
    for name, value in SETTINGS.items() if hostile else ():
        session.execute("SELECT set_config(%s, %s, true)", (name, value))
    write(session)
    for name in SETTINGS if hostile else ():
        session.execute(sql.SQL("SET LOCAL {} TO DEFAULT").format(sql.Identifier(name)))
    given = calls(session)
    assert sum(call[1] for call in given) == 60
    for call in given:
        load(session, call, types)
    assert different(session) == []


@pytest.mark.parametrize("write", [insert, copy])
@pytest.mark.parametrize("type_name", sorted(LITERALS))
def test_each_type_alone(session: Session, write: Write, type_name: str) -> None:
    """Rows of common types alone go another way than those among which is one of the others."""
    create_tables(session, f"id int, value {type_name}")
    literals = [None, *LITERALS[type_name]]
    session.cursor().executemany(
        f"INSERT INTO source VALUES (%s, %s::text::{type_name})", list(enumerate(literals))
    )
    write(session)
    for call in calls(session):
        load(session, call, ["integer", type_name])
    assert different(session) == []


@pytest.mark.parametrize("write", [insert, copy])
def test_random_texts(session: Session, write: Write) -> None:
    create_tables(session, "id int, a text, b text[]")
    draw = random.Random(1)
    letters = "\\\\\"{},\t\n\r\b\f\v. NULabn'\u00e9\u20ac"
    texts = ["".join(draw.choices(letters, k=draw.randrange(12))) for _ in range(2000)]
    session.cursor().executemany(
        "INSERT INTO source VALUES (%s, %s, %s)",
        [(i, text, [text, None, texts[i - 1]]) for i, text in enumerate(texts)],
    )
    write(session)
    for call in calls(session):
        load(session, call, ["integer", "text", "text[]"])
    assert different(session) == []


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_it_is_in_the_encoding_of_the_database(
    connect: Connect, create_database: Callable[[str], str], encoding: str
) -> None:
    session = connect(create_database(encoding))
    with session.transaction(force_rollback=True):
        session.execute("SET client_encoding = SQL_ASCII")
        session.execute(PREPARE)
        create_tables(session, "id int, value text")
        session.execute("INSERT INTO remote VALUES (1, convert_from('\\xe95c', %s))", [encoding])
        with session.cursor().copy("COPY remote FROM STDIN") as writing:
            writing.write(b"1\t\xe9\\\\\n")
        assert [call[3] for call in calls(session)] == [
            [b"{1}", b'{"\xe9\\\\"}'],
            [b"1\t\xe9\\\\\n"],
        ]


def lines(count: int, width: int = 0) -> Iterator[str]:
    """Return lines for COPY, some together."""
    rows = (f"{i}\t{'x' * width}\n" for i in range(count))
    while block := "".join(islice(rows, 1000)):
        yield block


def copy_lines(session: Session, count: int, width: int = 0) -> int:
    """Write rows to `remote`, and return how many PostgreSQL counts."""
    cursor = session.cursor()
    with cursor.copy("COPY remote (id, value) FROM STDIN") as writing:
        for block in lines(count, width):
            writing.write(block)
    return cursor.rowcount


@pytest.mark.parametrize("columns", ["id int, value text", "id int, value text, n box"])
def test_copy_hands_over_as_soon_as_it_has_enough(session: Session, columns: str) -> None:
    """That is 1000 rows or 64 KB."""
    create_tables(session, columns)
    assert copy_lines(session, 2500) == 2500
    assert [call[1] for call in calls(session)] == [1000, 1000, 500]
    copy_lines(session, 250, 1000)
    given = calls(session)
    assert sum(call[1] for call in given) == 250
    assert {call[1] for call in given[:-1]} == {66}
    assert max(len(call[3][0]) for call in given) < 70_000
    copy_lines(session, 2, 1_000_000)
    assert [call[1] for call in calls(session)] == [1, 1]


def test_batches_of_long_values_are_split(session: Session) -> None:
    create_tables(session, "id int, value text")
    session.execute(
        "INSERT INTO remote SELECT i, repeat('x', 10000000) FROM generate_series(1, 16) AS i"
    )
    assert [call[1] for call in calls(session)] == [7, 7, 2]


@measures_memory
@pytest.mark.parametrize("columns", ["id int, value text", "id int, value text, n box"])
def test_more_rows_take_no_more_memory(connect: Connect, columns: str) -> None:
    session = connect()
    with session.transaction(force_rollback=True):
        create_tables(session, columns, store="memory")
        session.execute("ALTER FOREIGN TABLE remote OPTIONS (DROP store)")
        pid = session.info.backend_pid

        def resident() -> int:
            status = Path(f"/proc/{pid}/status").read_text()
            (line,) = (line for line in status.splitlines() if line.startswith("RssAnon"))
            return int(line.split()[1])

        def write(count: int) -> None:
            with session.cursor().copy("COPY remote (id, value) FROM STDIN") as writing:
                for block in lines(count, 20):
                    writing.write(block)
            session.execute(
                "INSERT INTO remote SELECT generate_series(1, %s), 'some text'", [count]
            )

        write(20_000)
        before = resident()
        write(400_000)
        assert resident() - before < 1000, "kilobytes"


def test_an_error_of_the_wrapper_fails_the_copy(session: Session) -> None:
    """And leaves the session as it was before the savepoint."""
    create_tables(session, "id int, value text")
    session.execute(
        "ALTER FOREIGN TABLE remote OPTIONS (returns 'None if count == 1000 else 1 / 0')"
    )
    with pytest.raises(errors.FdwError, match="division by zero"), session.transaction():
        session.execute("SET LOCAL DateStyle = German")
        copy_lines(session, 2500)
    assert [call[1] for call in calls(session)] == [1000, 1000, 500]
    session.execute("ALTER FOREIGN TABLE remote OPTIONS (DROP returns)")
    copy_lines(session, 5)
    assert [call[1] for call in calls(session)] == [5]


@pytest.mark.parametrize("write", [insert, copy_lines])
def test_an_error_of_a_type_names_the_column(session: Session, write: Any) -> None:
    """And leaves the settings as they were."""
    session.execute("""
        CREATE TYPE mute;
        CREATE FUNCTION mute_in(cstring) RETURNS mute LANGUAGE internal STRICT AS 'boolin';
        CREATE FUNCTION mute_out(mute) RETURNS cstring LANGUAGE internal STRICT AS 'shell_out';
        CREATE TYPE mute (INPUT = mute_in, OUTPUT = mute_out, LIKE = bool);
        SET LOCAL DateStyle = 'German';
        """)
    create_tables(session, "id int, \"odd name\" mute DEFAULT 't', value text")
    session.execute("INSERT INTO source VALUES (1)")
    arguments = (1,) if write is copy_lines else ()
    with pytest.raises(errors.FeatureNotSupported) as caught, session.transaction():
        write(session, *arguments)
    assert 'column "odd name"' in str(caught.value.diag.context)
    assert 'foreign table "remote"' in str(caught.value.diag.context)
    assert session.execute("SHOW DateStyle").fetchall() == [("German, DMY",)]


def test_the_settings_are_put_back(session: Session) -> None:
    create_tables(session, "id int, value oidvector, n int[]")
    session.execute("SET LOCAL search_path = odd, public")
    session.execute("INSERT INTO remote VALUES (1, '1 2', '{1}')")
    assert session.execute("SHOW search_path").fetchall() == [("odd, public",)]
    assert calls(session)[0][3] == [b"{1}", b'{"1 2"}', b'{"{1}"}']


@pytest.mark.parametrize("columns", ["id int, value text", "id int, value text[]"])
def test_a_copy_is_cancelled(session: Session, columns: str) -> None:
    create_tables(session, columns)
    session.execute("ALTER FOREIGN TABLE remote OPTIONS (returns 'sleep(100)')")
    with pytest.raises(errors.QueryCanceled), session.transaction():
        session.execute("SET LOCAL statement_timeout = '200ms'")
        with session.cursor().copy("COPY remote (id) FROM STDIN") as writing:
            writing.write("1\n")
    calls(session)


def test_a_copy_from_the_server(server: Cluster, session: Session) -> None:
    """A file is read as what a client sends is."""
    create_tables(session, "id int, value text")
    path = server.scratch / "bulk_text.csv"
    path.write_text("".join(f"{i},line {i}\n" for i in range(1500)))
    path.chmod(0o644)
    session.execute(f"COPY remote FROM '{path}' (FORMAT csv)")
    assert [call[1] for call in calls(session)] == [1000, 500]
