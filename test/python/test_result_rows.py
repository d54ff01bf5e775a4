"""Rows that come from libpq are what a table of the server holds, or an error that says why not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors, pq, sql

from harness import Cluster
from harness.marks import measures_memory
from harness.sessions import Connect, Session
from multicorn.libpq import ResultRows
from multicorn.testing import Table

WRAPPERS = Path(__file__).resolve().parents[1] / "wrappers"

numbers = count(1)
FORMATS = ("binary", "text")

# Types, and what makes a value of one out of the number i.
TYPES = {
    "boolean": "i % 2 = 0",
    "smallint": "i * 300 - 30000",
    "integer": "i * 20000000 - 2000000000",
    "bigint": "i * 90000000000000000 - 9000000000000000000",
    "oid": "i * 40000000::bigint",
    "real": "(i - 50) / 7.0 * 10.0 ^ (i % 30)",
    "double precision": "CASE i WHEN 1 THEN 'NaN' WHEN 2 THEN '-Infinity'"
    " ELSE (i - 50) / 7.0 * 10.0 ^ (i % 300) END",
    "numeric": "(i - 50) / 7.0 * 10.0 ^ (i % 40)",
    "numeric(12,3)": "(i - 50) / 7.0",
    "money": "(i - 50) * 1.17::numeric",
    "text": "repeat(chr(i * 300), i * 20)",
    "varchar": "repeat(chr(i * 300), i)",
    "varchar(20)": "repeat(chr(i * 300), i % 21)",
    "char(12)": "repeat(chr(i * 300), i % 13)",
    "name": "repeat('n', i % 63)",
    '"char"': "(chr(i))",
    "bytea": "decode(repeat(lpad(to_hex(i), 4, '0'), i * 10), 'hex')",
    "date": "CASE i WHEN 1 THEN 'infinity' WHEN 2 THEN '4713-01-01 BC'"
    " ELSE date '1900-01-01' + i * 1000 END",
    "time": "time '00:00:00.123456' + i * interval '14 minutes'",
    "time(2)": "time '00:00:00.123456' + i * interval '14 minutes'",
    "timetz": "('12:00:00.5+' || i % 14)::timetz",
    "timestamp": "CASE i WHEN 1 THEN 'infinity' WHEN 2 THEN '-infinity'"
    " ELSE timestamp '0100-01-01 BC' + i * interval '40 years 1.000001 seconds' END",
    "timestamp(0)": "timestamp '2000-01-01' + i * interval '40 days 1.123456 seconds'",
    "timestamptz": "timestamptz '1900-01-01' + i * interval '40 years 1.000001 seconds'",
    "timestamptz(3)": "timestamptz '1900-01-01' + i * interval '40 days 1.123456 seconds'",
    "interval": "i * interval '-1 year 3 days 4.5 seconds'",
    "interval(1)": "i * interval '-1 year 3 days 4.55 seconds'",
    "uuid": "md5(i::text)::uuid",
    "json": """format('{"a": [%s, "%s"]}', i, chr(i * 300))::json""",
    "jsonb": """format('{"a": [%s, "%s"]}', i, chr(i * 300))::jsonb""",
    "xml": "format('<a>%s</a>', chr(i * 300))::xml",
    "inet": "'10.0.0.0'::inet + i",
    "macaddr": "'08:00:2b:01:02:03'::macaddr",
    "point": "point(i, i / 3.0)",
    "polygon": "polygon(i % 9 + 2, circle '((1,2),3)')",
    "bit(7)": "i::bit(7)",
    "bit varying": "i::bit(7)",
    "int4range": "int4range(i, i + 5)",
    "tstzmultirange": "tstzmultirange(tstzrange(now(), now() + i * interval '1 s'))",
    "tsvector": "to_tsvector('simple', 'a b ' || i || ' ' || chr(i * 300))",
    "regclass": "'pg_class'::regclass",
    "integer[]": "ARRAY[[i, NULL], [3, i * 2]]",
    "bigint[]": "CASE WHEN i % 2 = 0 THEN '{}' ELSE ARRAY[i] END",
    "text[]": "ARRAY['a', NULL, '', repeat(chr(i * 300), i)]",
    "varchar(8)[]": "ARRAY['a', NULL, repeat(chr(i * 300), i % 9)]",
    "numeric(12,3)[]": "ARRAY[i / 7.0]",
    "timestamp(3)[]": "ARRAY[now()::timestamp + i * interval '1 day']",
    "date[]": "ARRAY[date '2000-01-01' + i]",
    "positive": "i",
    "word": "repeat(chr(i * 300), i % 9)",
    "positive[]": "ARRAY[i, i + 1]",
    "color": "(ARRAY['red', 'green', 'blue'])[i % 3 + 1]",
    "pair": "(i, repeat(chr(i * 300), i))",
    "hstore": "hstore('a' || i, repeat(chr(i * 300), i))",
    "citext": "repeat(chr(i * 300), i)",
}


class Foreign:
    """Makes foreign tables in the database of a session, and sees that they are gone at the end."""

    def __init__(self, session: Session, conninfo: str) -> None:
        self.session = session
        self.conninfo = conninfo

    def table(self, columns: str, wrapper: str = "Remote", **options: str) -> sql.Identifier:
        """Create a foreign table; returns its name."""
        name = sql.Identifier(f"results_{next(numbers)}")
        options = {"wrapper": f"results.{wrapper}", "conninfo": self.conninfo, **options}
        self.session.execute(
            sql.SQL("CREATE FOREIGN TABLE {} ({}) SERVER python OPTIONS ({})").format(
                name,
                sql.SQL(columns),
                sql.SQL(", ").join(
                    sql.SQL("{} {}").format(sql.Identifier(key), sql.Literal(value))
                    for key, value in options.items()
                ),
            )
        )
        return name

    def rows(self, query: str, *tables: sql.Composable) -> list[Any]:
        """Run a query on tables, which it has placeholders for."""
        return self.session.execute(sql.SQL(query).format(*tables)).fetchall()


DATABASE = "result_rows"


@pytest.fixture
def foreign(connect: Connect, server: Cluster) -> Foreign:
    return Foreign(connect(DATABASE), server.conninfo(DATABASE))


@pytest.fixture(scope="module", autouse=True)
def types(server: Cluster) -> None:
    """A database with the types that are not built in."""
    server.createdb(DATABASE)
    server.run_sql(
        "CREATE EXTENSION multicorn; CREATE SERVER python FOREIGN DATA WRAPPER multicorn;"
        "CREATE EXTENSION IF NOT EXISTS hstore; CREATE EXTENSION IF NOT EXISTS citext;"
        "CREATE DOMAIN positive AS integer CHECK (VALUE > 0);"
        "CREATE DOMAIN word AS varchar(8) NOT NULL;"
        "CREATE TYPE color AS ENUM ('red', 'green', 'blue');"
        "CREATE TYPE pair AS (a integer, b text)",
        database=DATABASE,
    )


@pytest.fixture(scope="module")
def heaps(server: Cluster) -> Iterator[dict[str, str]]:
    """A heap table for each type, by its name: a hundred values and, where one can be, a NULL."""
    tables = {type: f"heap_{next(numbers)}" for type in TYPES}
    with psycopg.connect(server.conninfo(DATABASE), autocommit=True) as session:
        for type, table in tables.items():
            session.execute(f"CREATE TABLE {table} (number integer, value {type})".encode())
            session.execute(
                f"INSERT INTO {table} SELECT i, ({TYPES[type]})::{type}"
                " FROM generate_series(1, 99) i".encode()
            )
            if type != "word":
                session.execute(f"INSERT INTO {table} VALUES (100, NULL)".encode())
    yield tables


DIFFERENT = """
    SELECT heap.number, heap.value::text, f.value::text, heap IS NULL, f IS NULL
    FROM {} f FULL JOIN {} heap USING (number)
    WHERE (record_image_eq(f, heap) AND heap.value::text IS NOT DISTINCT FROM f.value::text)
        IS NOT TRUE
"""


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("encoding", ["utf8", "latin1"])
@pytest.mark.parametrize("type", TYPES)
def test_every_value_is_what_the_table_holds(
    foreign: Foreign, heaps: dict[str, str], type: str, encoding: str, format: str
) -> None:
    table = foreign.table(
        f"number integer, value {type}", query=f"SELECT * FROM {heaps[type]}", format=format
    )
    foreign.session.execute("SET client_encoding TO utf8")
    if encoding == "latin1":
        foreign.session.execute("SET client_encoding TO latin1")
        query = "SELECT count(*) FROM (" + DIFFERENT + ") different"
        expected: list[Any] = [(0,)]
    else:
        query, expected = DIFFERENT, []
    name = sql.Identifier(heaps[type])
    assert foreign.rows(query, table, name) == expected
    assert foreign.rows("SELECT count(*) FROM {}", table) == foreign.rows(
        "SELECT count(*) FROM {}", name
    )
    shown = foreign.session.execute("SHOW client_encoding").fetchone()
    assert shown is not None and shown[0].lower() == encoding


@pytest.mark.parametrize("format", FORMATS)
def test_fields_are_matched_by_name(foreign: Foreign, format: str) -> None:
    table = foreign.table(
        "a integer, b text, c integer, d float8",
        query="SELECT 2.5::float8 AS d, 'x' AS nobody, 1 AS a, 'two' AS b",
        format=format,
    )
    assert foreign.rows("SELECT * FROM {}", table) == [(1, "two", None, 2.5)]
    assert foreign.rows("SELECT d, a FROM {}", table) == [(2.5, 1)]
    assert foreign.rows("SELECT count(*) FROM {}", table) == [(1,)]


def test_rows_without_fields_are_counted(foreign: Foreign) -> None:
    table = foreign.table("a integer", query="SELECT FROM generate_series(1, 7)")
    assert foreign.rows("SELECT count(*) FROM {}", table) == [(7,)]
    assert foreign.rows("SELECT a FROM {} LIMIT 2", table) == [(None,), (None,)]


@pytest.mark.parametrize("format", FORMATS)
def test_kinds_of_rows_may_be_mixed(foreign: Foreign, format: str) -> None:
    table = foreign.table("i integer", wrapper="Mixed", format=format)
    assert foreign.rows("SELECT i FROM {}", table) == [(i,) for i in range(1, 9)]


@pytest.mark.parametrize(
    ("remote", "local", "value"),
    [
        ("5::bigint", "integer", 5),
        ("5::smallint", "bigint", 5),
        ("5", "text", "5"),
        ("1.5::float8", "numeric", "1.5"),
        ("'7'::text", "integer", 7),
        ("'ab'::varchar(5)", "text", "ab"),
        ("'red'::text", "color", "red"),
        ("'2000-01-01'::date", "timestamp", "2000-01-01 00:00:00"),
        ("ARRAY[1, 2]", "bigint[]", "{1,2}"),
        ("'{\"a\": 1}'::jsonb", "json", '{"a": 1}'),
        ("'grün'::char(6)", "varchar(6)", "grün"),
        ("17::numeric", "positive", "17"),
    ],
)
@pytest.mark.parametrize("format", FORMATS)
def test_a_field_of_another_type_is_converted(
    foreign: Foreign, remote: str, local: str, value: Any, format: str
) -> None:
    table = foreign.table(f"value {local}", query=f"SELECT {remote} AS value, true", format=format)
    assert foreign.rows("SELECT rtrim(value::text) FROM {}", table) == [(str(value),)]


REFUSED = [
    ("5000000000::bigint", "integer", errors.NumericValueOutOfRange, "out of range"),
    ("'x'::text", "integer", errors.InvalidTextRepresentation, "invalid input syntax"),
    ("'abcdef'::text", "varchar(5)", errors.StringDataRightTruncation, "too long"),
    ("'abcdef'::text", "char(5)", errors.StringDataRightTruncation, "too long"),
    ("repeat('x', 64)", "name", errors.StringDataRightTruncation, "too long for type name"),
    ("'xy'::text", '"char"', errors.StringDataRightTruncation, "too long for type"),
    ("12345.6::numeric", "numeric(5,2)", errors.NumericValueOutOfRange, "overflow"),
    ("0", "positive", errors.CheckViolation, "positive"),
    ("NULL::text", "word", errors.NotNullViolation, "word"),
    ("'abcdefghi'::text", "word", errors.StringDataRightTruncation, "too long"),
    ("'{'::text", "json", errors.InvalidTextRepresentation, "json"),
]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(("remote", "local", "error", "message"), REFUSED)
def test_a_value_that_the_column_cannot_hold_is_an_error(
    foreign: Foreign, remote: str, local: str, error: Any, message: str, format: str
) -> None:
    table = foreign.table(f"value {local}", query=f"SELECT {remote} AS value", format=format)
    for client in ("utf8", "latin1"):
        foreign.session.execute(f"SET client_encoding TO {client}".encode())
        with pytest.raises(error, match=message) as raised:
            foreign.rows("SELECT * FROM {}", table)
        assert 'column "value"' in str(raised.value.diag.context)
        shown = foreign.session.execute("SHOW client_encoding").fetchone()
        assert shown is not None and shown[0].lower() == client
    foreign.session.execute("SET client_encoding TO utf8")
    assert foreign.rows("SELECT 'grün'") == [("grün",)]


def test_a_missing_column_of_a_domain_that_forbids_null_is_an_error(foreign: Foreign) -> None:
    table = foreign.table("value word", query="SELECT 1 AS other")
    with pytest.raises(errors.NotNullViolation):
        foreign.rows("SELECT * FROM {}", table)


@pytest.mark.parametrize("remote", ["'red'::color", "hstore('a', 'b')", "ROW(1, 'a')::pair"])
def test_a_binary_field_of_a_type_unknown_here_is_refused(foreign: Foreign, remote: str) -> None:
    table = foreign.table("value text", query=f"SELECT {remote} AS value")
    with pytest.raises(errors.DatatypeMismatch, match='column "value" of type text') as raised:
        foreign.rows("SELECT * FROM {}", table)
    assert "text format" in str(raised.value.diag.message_hint)
    table = foreign.table("value text", query=f"SELECT {remote} AS value", format="text")
    assert len(foreign.rows("SELECT * FROM {}", table)) == 1


# --- Garbage -------------------------------------------------------------------------------------

OIDS = {
    "boolean": 16, "bytea": 17, "bigint": 20, "smallint": 21, "integer": 23, "text": 25,
    "oid": 26, "json": 114, "xml": 142, "real": 700, "double precision": 701, "inet": 869,
    "text[]": 1009, "integer[]": 1007, "char(3)": 1042, "varchar(5)": 1043, "date": 1082,
    "time": 1083, "timestamp": 1114, "timestamptz": 1184, "interval": 1186, "timetz": 1266,
    "numeric": 1700, "uuid": 2950, "jsonb": 3802, "int4range": 3904, "tsvector": 3614,
    "bit(4)": 1560, "point": 600, "polygon": 604, "name": 19, '"char"': 18,
}  # fmt: skip

GARBAGE = [
    b"", b"\0", b"\1", b"\xff", b"ab", b"\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff" * 5,
    b"\x7f" * 8, b"\x80" + b"\0" * 7, b"\xff" * 9, b"\0" * 12, b"\x7f" * 16, b"\xff" * 17,
    b"\0\0\0\1\0\0\0\0\0\0\0\x17\x7f\xff\xff\xff\0\0\0\1", b"x" * 3000, b"\xff" * 70000,
]  # fmt: skip


@pytest.mark.parametrize("local", OIDS)
def test_garbage_is_an_error_or_a_value_but_never_more(foreign: Foreign, local: str) -> None:
    refused = 0
    for value in GARBAGE:
        for format in ("BINARY", "TEXT"):
            table = foreign.table(
                f"value {local}",
                wrapper="Handmade",
                result=f"Made({OIDS[local]}, [None, {value!r}], {format})",
            )
            try:
                foreign.rows("SELECT value::text FROM {}", table)
            except psycopg.Error as error:
                refused += 1
                assert error.sqlstate is not None and error.sqlstate[:2] in ("22", "42", "54")
                assert 'column "value"' in str(error.diag.context)
            foreign.session.execute(sql.SQL("DROP FOREIGN TABLE {}").format(table))
    assert refused > 0 or local == "bytea"


@pytest.mark.parametrize(
    ("local", "value"),
    [
        ("integer", b"123"), ("integer", b"12345"), ("bigint", b"1234"), ("boolean", b""),
        ("uuid", b"x" * 15), ("date", b"12345678"), ("timestamp", b"1234"), ("numeric", b"\0\5"),
        ("real", b"12345678"), ("double precision", b"1234"), ("oid", b""), ("smallint", b"1"),
        ("integer[]", b"\0\0\0\1"), ("text[]", b"\0"), ("time", b"1"), ("interval", b"x" * 17),
        ("jsonb", b""), ("inet", b"\2"),
    ],
)  # fmt: skip
def test_a_wrong_length_names_the_column(foreign: Foreign, local: str, value: bytes) -> None:
    table = foreign.table(
        f"value {local}", wrapper="Handmade", result=f"Made({OIDS[local]}, [{value!r}])"
    )
    with pytest.raises(errors.InvalidBinaryRepresentation) as raised:
        foreign.rows("SELECT * FROM {}", table)
    assert 'column "value"' in str(raised.value.diag.context)


@pytest.mark.parametrize("format", ["BINARY", "TEXT"])
@pytest.mark.parametrize("local", ["text", "varchar(5)", "char(3)", "name", "json", "text[]"])
@pytest.mark.parametrize("value", [b"a\0b", b"\xc3", b"gr\xfcn"])
def test_text_is_verified(foreign: Foreign, local: str, value: bytes, format: str) -> None:
    if local == "text[]":
        value = (
            b"\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\1\0\0\0\1" + len(value).to_bytes(4, "big") + value
            if format == "BINARY"
            else b"{" + value + b"}"
        )
    table = foreign.table(
        f"value {local}", wrapper="Handmade", result=f"Made({OIDS[local]}, [{value!r}], {format})"
    )
    for client in ("utf8", "latin1"):
        foreign.session.execute(f"SET client_encoding TO {client}".encode())
        with pytest.raises(errors.CharacterNotInRepertoire):
            foreign.rows("SELECT * FROM {}", table)


def test_a_cleared_result_is_refused(foreign: Foreign) -> None:
    table = foreign.table("value integer", wrapper="Cleared", result="Made(23, [b'1234'])")
    with pytest.raises(errors.ObjectNotInPrerequisiteState, match="cleared"):
        foreign.rows("SELECT * FROM {}", table)


def test_an_unknown_type_and_format_are_refused(foreign: Foreign) -> None:
    table = foreign.table("value integer", wrapper="Handmade", result="Made(9999, [b'1234'])")
    with pytest.raises(errors.DatatypeMismatch, match="OID 9999"):
        foreign.rows("SELECT * FROM {}", table)
    table = foreign.table("value integer", wrapper="Handmade", result="Made(23, [b'1'], 2)")
    with pytest.raises(errors.InvalidParameterValue, match="format 2"):
        foreign.rows("SELECT * FROM {}", table)


# --- Scans ---------------------------------------------------------------------------------------


@pytest.fixture
def series(foreign: Foreign) -> sql.Identifier:
    """A foreign table of the numbers to 1000, in results of 30."""
    return foreign.table(
        "i integer, t text",
        query="SELECT i, i::text AS t FROM generate_series(1, 1000) i",
        fetch="30",
    )


def test_results_follow_each_other(foreign: Foreign, series: sql.Identifier) -> None:
    query = "SELECT count(*), sum(i), max(i), count(*) FILTER (WHERE t = i::text) FROM {}"
    assert foreign.rows(query, series) == [(1000, 500500, 1000, 1000)]


def test_limit_ends_the_scan_early(foreign: Foreign, series: sql.Identifier) -> None:
    for _ in range(3):
        assert foreign.rows("SELECT i FROM {} LIMIT 2 OFFSET 31", series) == [(32,), (33,)]


def test_a_cursor_reads_on(foreign: Foreign, series: sql.Identifier) -> None:
    with foreign.session.transaction():
        foreign.session.execute(sql.SQL("DECLARE c CURSOR FOR SELECT i FROM {}").format(series))
        for start in range(0, 1000, 50):
            rows = foreign.session.execute("FETCH 50 FROM c").fetchall()
            assert [row[0] for row in rows] == list(range(start + 1, start + 51))
        assert foreign.session.execute("FETCH 1 FROM c").fetchall() == []
    assert foreign.rows("SELECT i FROM {} LIMIT 1", series) == [(1,)]


def test_rescans_begin_anew(foreign: Foreign) -> None:
    table = foreign.table("i integer", query="SELECT i FROM generate_series(1, 40) i")
    foreign.session.execute("SET enable_hashjoin TO off")
    foreign.session.execute("SET enable_mergejoin TO off")
    foreign.session.execute("SET enable_material TO off")
    for query in (
        "SELECT count(*) FROM generate_series(1, 5) g JOIN {} f ON f.i >= g",
        "SELECT sum((SELECT count(*) FROM (SELECT i FROM {} LIMIT 38 + g * 0) f))"
        " FROM generate_series(1, 5) g",
    ):
        assert foreign.rows(query, table) == [(190,)]


def test_filters_are_checked_again(foreign: Foreign, series: sql.Identifier) -> None:
    assert foreign.rows("SELECT t FROM {} WHERE i % 500 = 7", series) == [("7",), ("507",)]
    assert foreign.rows("SELECT i FROM {} ORDER BY i DESC LIMIT 1", series) == [(1000,)]


def test_explain_analyze_counts_the_rows(foreign: Foreign, series: sql.Identifier) -> None:
    lines = [row[0] for row in foreign.rows("EXPLAIN (ANALYZE) SELECT * FROM {}", series)]
    assert any("Wrapper Rows Fetched: 1000" in line for line in lines)
    lines = [row[0] for row in foreign.rows("EXPLAIN ANALYZE SELECT * FROM {} LIMIT 7", series)]
    assert any("Wrapper Rows Fetched: 7" in line for line in lines)


@pytest.mark.parametrize("format", FORMATS)
def test_analyze_samples_results(foreign: Foreign, format: str) -> None:
    table = foreign.table(
        "i integer, t text",
        query="SELECT i, NULLIF(i % 4, 0)::text AS t FROM generate_series(1, 40000) i",
        fetch="1000",
        format=format,
    )
    foreign.session.execute(sql.SQL("ANALYZE {}").format(table))
    assert foreign.rows(
        "SELECT reltuples FROM pg_class WHERE oid = {}::regclass",
        sql.Literal(table.as_string(foreign.session)),
    ) == [(40000,)]
    stats = foreign.rows(
        "SELECT attname, null_frac, n_distinct FROM pg_stats WHERE tablename = {} ORDER BY 1",
        sql.Literal(table.as_string(foreign.session).strip('"')),
    )
    assert [row[0] for row in stats] == ["i", "t"]
    assert stats[0][1:] == (0, -1)
    assert 0.2 < stats[1][1] < 0.3 and stats[1][2] == 3


def test_results_are_released(foreign: Foreign) -> None:
    table = foreign.table("i integer", wrapper="Released")
    told = foreign.table("alive integer, most integer", wrapper="Alive")
    assert foreign.rows("SELECT count(*) FROM {}", table) == [(100,)]
    assert foreign.rows("SELECT * FROM {}", told) == [(0, 1)]
    assert foreign.rows("SELECT count(*) FROM (SELECT FROM {} LIMIT 15) f", table) == [(15,)]
    assert foreign.rows("SELECT * FROM {}", told) == [(0, 1)]
    with pytest.raises(errors.DivisionByZero):
        foreign.rows("SELECT 1 / (i - 5) FROM {}", table)
    assert foreign.rows("SELECT * FROM {}", told) == [(0, 1)]
    with foreign.session.transaction():
        foreign.session.execute(sql.SQL("DECLARE c CURSOR FOR SELECT i FROM {}").format(table))
        foreign.session.execute("FETCH 5 FROM c")
        assert foreign.rows("SELECT alive FROM {}", told) == [(1,)]
        foreign.session.execute("CLOSE c")
        assert foreign.rows("SELECT alive FROM {}", told) == [(0,)]


def test_an_error_in_the_middle_of_a_result_breaks_nothing(foreign: Foreign) -> None:
    table = foreign.table(
        "i integer", query="SELECT i * 10000000::bigint AS i FROM generate_series(1, 300) i"
    )
    good = foreign.table("i integer", query="SELECT i FROM generate_series(1, 300) i", fetch="50")
    for _ in range(20):
        with pytest.raises(errors.NumericValueOutOfRange) as raised:
            foreign.rows("SELECT * FROM {} a JOIN {} b USING (i)", table, good)
        assert 'column "i"' in str(raised.value.diag.context)
        assert "method execute" in str(raised.value.diag.context)
        assert foreign.rows("SELECT count(*) FROM {}", good) == [(300,)]
    with foreign.session.transaction():
        foreign.session.execute(sql.SQL("DECLARE c CURSOR FOR SELECT i FROM {}").format(good))
        foreign.session.execute("FETCH 10 FROM c")
        with pytest.raises(errors.NumericValueOutOfRange), foreign.session.transaction():
            foreign.rows("SELECT * FROM {}", table)
        assert foreign.session.execute("FETCH 1 FROM c").fetchall() == [(11,)]


@measures_memory
def test_memory_does_not_grow_with_the_rows(foreign: Foreign) -> None:
    table = foreign.table(
        "i integer, t text, n numeric, a text[]",
        query="SELECT i, repeat('x', 600) AS t, i::numeric AS n, ARRAY['a', i::text] AS a"
        " FROM generate_series(1, 1000000) i",
        fetch="2000",
    )
    query = "SELECT count(i), max(t) <> '', sum(n), max(a[1]) FROM {}"
    peak = "SELECT pg_read_file('/proc/self/status')"

    def resident() -> int:
        status = foreign.rows(peak)[0][0]
        return int(status.split("VmHWM:")[1].split()[0])

    foreign.rows("SELECT count(t) FROM (SELECT * FROM {} LIMIT 20000) f", table)
    before = resident()
    assert foreign.rows(query, table)[0][0] == 1000000
    assert resident() - before < 20_000


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "EUC_JP"])
def test_other_encodings_of_the_database(
    connect: Connect, server: Cluster, create_database: Any, encoding: str
) -> None:
    database = create_database(encoding)
    session = connect(database)
    foreign = Foreign(session, server.conninfo(database))
    value = {"LATIN1": b"gr\xfcn", "SQL_ASCII": b"\xff\xfe", "EUC_JP": b"\xa4\xa2"}[encoding]
    hexed = f"convert_from('\\x{value.hex()}', '{encoding}')"
    for format in FORMATS:
        table = foreign.table(
            "t text, v varchar(3), a text[], c char(4)",
            query=f"SELECT {hexed} AS t, left({hexed}, 3) AS v, ARRAY[{hexed}] AS a, {hexed} AS c",
            format=format,
            encoding=encoding,
        )
        for client in ("utf8", encoding) if encoding != "SQL_ASCII" else (encoding,):
            session.execute(f"SET client_encoding TO {client}".encode())
            rows = foreign.rows(
                f"SELECT t = {hexed}, v = left({hexed}, 3), a = ARRAY[{hexed}], c::text = {hexed}"
                " FROM {}",
                table,
            )
            assert rows == [(True, True, True, True)]


def test_an_error_does_not_show_a_secret(foreign: Foreign) -> None:
    options = {"password": "sesame", "result": "Made(25, [b'open sesame'], TEXT)"}
    table = foreign.table("value integer", wrapper="Handmade", **options)
    with pytest.raises(errors.InvalidTextRepresentation) as raised:
        foreign.rows("SELECT * FROM {}", table)
    assert "sesame" not in str(raised.value)
    assert "open" in str(raised.value)


def test_sessions_that_do_not_use_it_import_nothing(
    foreign: Foreign, add_module: Callable[[str], str]
) -> None:
    module = add_module("""
        import sys
        from multicorn import ForeignDataWrapper
        class Modules(ForeignDataWrapper):
            def execute(self, quals, columns):
                yield [name for name in ("psycopg", "ctypes", "multicorn.libpq")
                       if name in sys.modules],
    """)
    foreign.session.execute(
        "CREATE FOREIGN TABLE modules (names text[]) SERVER python"
        f" OPTIONS (wrapper '{module}.Modules')".encode()
    )
    assert foreign.rows("SELECT names FROM modules") == [([],)]
    table = foreign.table("i integer", query="SELECT 1 AS i")
    assert foreign.rows("SELECT * FROM {}", table) == [(1,)]
    assert "multicorn.libpq" in foreign.rows("SELECT names FROM modules")[0][0]


# --- Python alone --------------------------------------------------------------------------------


@pytest.mark.parametrize(("format", "value"), [("text", "x"), ("binary", b"x")])
def test_a_table_without_a_server_reads_results(
    server: Cluster, monkeypatch: pytest.MonkeyPatch, format: str, value: Any
) -> None:
    monkeypatch.syspath_prepend(str(WRAPPERS))
    options = {
        "conninfo": server.conninfo("postgres"),
        "query": "SELECT 'x' AS b, NULL AS a",
        "format": format,
    }
    columns = {"a": "text", "b": "text", "c": "text"}
    for more in ({}, {"fetch": "1"}):
        table = Table("results.Remote", columns, {**options, **more})
        assert table.select() == [{"a": None, "b": value, "c": None}]
        assert table.select(columns=["b"], limit=1) == [{"b": value}]
        table.close()


def test_a_result_and_its_names_must_fit(server: Cluster) -> None:
    conn = pq.PGconn.connect(server.conninfo("postgres").encode())
    result = conn.exec_(b"SELECT 1, 2")
    rows = ResultRows(result, ["a", "b"])
    assert (len(rows), rows.names, rows.result) == (1, ("a", "b"), result)
    assert list(rows) == [{"a": "1", "b": "2"}]
    assert repr(rows) == "<ResultRows(a, b), rows: 1>"
    names = ("a", "b")
    assert ResultRows(result, names).names is names
    with pytest.raises(ValueError, match="names is 1, number of fields 2"):
        ResultRows(result, ["a"])
    with pytest.raises(ValueError, match="same name"):
        ResultRows(result, ["a", "a"])
    with pytest.raises(TypeError, match="not a str"):
        ResultRows(result, "ab")
    with pytest.raises(TypeError, match="not int"):
        ResultRows(result, ["a", 1])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="COMMAND_OK"):
        ResultRows(conn.exec_(b"BEGIN"), [])
    conn.finish()
