"""Hostile objects in every place where something comes from a wrapper.

Whatever it is, the statement has an answer or a clear error, its transaction ends accordingly, and
the session goes on. The objects are those of test/wrappers/hostile.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from harness import Cluster
from harness.cases import cases, rng
from harness.sessions import Connect, Session

# By their names: a type for each converter, and for each way into one.
TYPES = {
    "bo": "boolean",
    "s": "smallint",
    "b": "bigint",
    "o": "oid",
    "f": "real",
    "d": "double precision",
    "n": "numeric",
    "n2": "numeric(10, 2)",
    "t": "text",
    "v": "varchar(5)",
    "c": "char(5)",
    "nm": "name",
    "ch": '"char"',
    "by": "bytea",
    "u": "uuid",
    "da": "date",
    "ti": "time",
    "tz": "timetz",
    "ts": "timestamp(3)",
    "tstz": "timestamptz",
    "iv": "interval",
    "j": "json",
    "jb": "jsonb",
    "ia": "integer[]",
    "ta": "text[]",
    "fa": "float8[]",
    "ja": "jsonb[]",
    "da1": "date[]",
    "p": "pair",
    "pa": "pair[]",
    "h": "hstore",
    "dom": "positive",
    "doma": "positive[]",
    "en": "color",
    "r": "int4range",
    "ip": "inet",
    "bi": "bit(3)",
    "mo": "money",
    "pt": "point",
    "x": "xml",
}

JOIN = "SELECT hostile.i FROM hostile JOIN generate_series(1, 3) AS g ON hostile.i = g"
SCAN = "SELECT i FROM hostile"
INSERT = "INSERT INTO hostile (i) VALUES (1)"
BATCH = "INSERT INTO batches (i) SELECT generate_series(1, 25)"
SAVEPOINTS = f"SAVEPOINT a; {SCAN}; RELEASE a; SAVEPOINT b; {SCAN}; ROLLBACK TO b"
IMPORT = (
    "SAVEPOINT a; IMPORT FOREIGN SCHEMA s FROM SERVER python INTO public"
    " OPTIONS (wrapper 'hostile.Hostile'); ROLLBACK TO a"
)

# The places, and a statement that asks for what is there.
PLACES = {
    "rows": "SELECT i, t FROM hostile",
    "row": "SELECT i, t FROM hostile",
    "a second row": "SELECT i, t FROM hostile",
    "item of a list": "SELECT x FROM hostile",
    "end_scan": SCAN,
    "get_rel_size": SCAN,
    "rows of get_rel_size": JOIN,
    "width of get_rel_size": SCAN,
    "get_path_keys": JOIN,
    "key": JOIN,
    "columns of a key": JOIN,
    "column of a key": JOIN,
    "rows of a key": JOIN,
    "_startup_cost": JOIN,
    "_tuple_cost": JOIN,
    "can_sort": f"{SCAN} ORDER BY i",
    "sort key": f"{SCAN} ORDER BY i, b",
    "can_limit": f"{SCAN} LIMIT 1",
    "can_filter": f"{SCAN} WHERE i > 0",
    "filter": f"{SCAN} WHERE i > 0 AND b IS NULL",
    "explain": "EXPLAIN (VERBOSE) SELECT * FROM hostile",
    "line of explain": "EXPLAIN (VERBOSE, FORMAT JSON) SELECT * FROM hostile",
    "analyze": f"ANALYZE hostile; {JOIN}",
    "sample": f"ANALYZE hostile; {JOIN}",
    "insert": f"{INSERT} RETURNING t",
    "value of insert": f"{INSERT} RETURNING *",
    "update": "UPDATE hostile SET b = 2 RETURNING t",
    "value of update": "UPDATE hostile SET b = 2 RETURNING *",
    "delete": "DELETE FROM hostile RETURNING t",
    "truncate": "TRUNCATE hostile",
    "end_modify": INSERT,
    "rowid_column": "DELETE FROM hostile",
    "omit_unassigned": INSERT,
    "omit_generated": INSERT,
    "takes_returning": f"{INSERT} RETURNING i",
    "on_conflict_nothing": f"{INSERT} ON CONFLICT DO NOTHING",
    "write_form": INSERT,
    "modify_batch_size": BATCH,
    "bulk_insert": BATCH,
    "row of bulk_insert": BATCH,
    "insert_arrays": "INSERT INTO arrays (i) SELECT generate_series(1, 25)",
    "begin": SCAN,
    "pre_commit": SCAN,
    "commit": SCAN,
    "rollback": SCAN,
    "sub_begin": SAVEPOINTS,
    "sub_commit": SAVEPOINTS,
    "sub_rollback": SAVEPOINTS,
    "tables": IMPORT,
    "table definition": IMPORT,
    "name of a table": IMPORT,
    "columns of a table": IMPORT,
    "column definition": IMPORT,
    "name of a column": IMPORT,
    "type of a column": IMPORT,
    "type OID of a column": IMPORT,
    "modifier of a column": IMPORT,
    "options of a column": IMPORT,
    "default of a column": IMPORT,
    "collation of a column": IMPORT,
    "not_null of a column": IMPORT,
    "generated of a column": IMPORT,
    "options of a table": IMPORT,
    "name of an option": IMPORT,
    "option": IMPORT,
}

# What is raised there is a WARNING, since all is decided, or a line of EXPLAIN.
NOT_FATAL = ("commit", "rollback", "sub_rollback", "explain", "line of explain")

# An attribute that is not there, and an analyze() that declines, are as good as others.
NO_ERRORS = {
    ("analyze", "raises NotImplementedError"),
    ("rowid_column", "raises AttributeError"),
    *(
        (name, "raises AttributeError")
        for name in (
            "_startup_cost",
            "_tuple_cost",
            "omit_unassigned",
            "omit_generated",
            "takes_returning",
            "write_form",
            "modify_batch_size",
        )
    ),
}

# PostgreSQL 15's hstore reports what it cannot read as an internal error.
BAD_HSTORE = ("Unexpected end of string", "Syntax error near")


@pytest.fixture(scope="module")
def hostile(server: Cluster) -> Iterator[Session]:
    """A session with the tables, and a table `witness` of the transactions that have committed."""
    columns = ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
    server.createdb("hostile")
    # A statement that is prepared would not be planned again.
    conninfo = server.conninfo("hostile")
    with psycopg.connect(conninfo, autocommit=True, prepare_threshold=None) as session:
        session.execute(
            "CREATE EXTENSION multicorn; CREATE EXTENSION hstore;"
            "CREATE SERVER python FOREIGN DATA WRAPPER multicorn;"
            "CREATE TYPE pair AS (a integer, b text); CREATE TYPE color AS ENUM ('red');"
            "CREATE DOMAIN positive AS integer CHECK (VALUE > 0);"
            "CREATE TABLE witness (number integer);"
            "CREATE FOREIGN TABLE choice (place text, object text)"
            " SERVER python OPTIONS (wrapper 'hostile.Choice');"
            "CREATE FOREIGN TABLE objects (name text)"
            " SERVER python OPTIONS (wrapper 'hostile.Objects')"
        )
        for name in ("Hostile", "Batches", "Only_Batches", "Arrays"):
            session.execute(
                f"CREATE FOREIGN TABLE {name} (i integer, {columns}) SERVER python"
                f" OPTIONS (wrapper 'hostile.{name.replace('_', '')}')"
            )
        session.execute("SET statement_timeout = '30s'")
        yield session
    server.dropdb("hostile")


@pytest.fixture(scope="module")
def names(hostile: Session) -> list[str]:
    """The names of all objects."""
    return [row[0] for row in hostile.execute("SELECT name FROM objects")]


def choose(session: Session, place: str, name: str) -> None:
    """Put an object, or what is raised, into a place."""
    query = "SELECT FROM choice WHERE place = %s AND object = %s"
    assert len(session.execute(query, (place, name)).fetchall()) == 1


def picked(place: str, names: list[str], number: int) -> list[str]:
    """Return exceptions, all objects without a dot, and as many of the others."""
    exceptions = [f"raises {name.split()[-1]}" for name in names if "object.keys raises" in name]
    plain = [name for name in names if "." not in name]
    assert len(exceptions) > 10 and len(plain) > 50
    return [*exceptions, *plain, *rng(place).choices(names, k=cases(number))]


def run(session: Session, statement: str, number: int) -> psycopg.Error | None:
    """Run a statement in a transaction; return its error, which must be a clear one.

    The transaction must commit if there is none, and else have no effect.
    """
    error = None
    try:
        with session.transaction():
            session.execute("INSERT INTO witness VALUES (%s)", (number,))
            session.execute(statement)
    except psycopg.Error as raised:
        error = raised
        assert error.diag.message_primary
        assert not isinstance(error, psycopg.errors.QueryCanceled)
        # An internal error is one that nobody has thought of.
        assert error.sqlstate != "XX000" or str(error).startswith(BAD_HSTORE)
    committed = session.execute("DELETE FROM witness RETURNING number").fetchall()
    assert committed == ([] if error else [(number,)])
    return error


@pytest.mark.parametrize("place", PLACES)
def test_a_hostile_object_is_an_error_at_most(
    hostile: Session, names: list[str], place: str
) -> None:
    errors = 0
    process = hostile.info.backend_pid
    for number, name in enumerate(picked(place, names, 60)):
        choose(hostile, place, name)
        try:
            error = run(hostile, PLACES[place], number)
        except AssertionError as failure:
            raise AssertionError(f"{place}: {name}") from failure
        if name.startswith("raises") and (place, name) not in NO_ERRORS:
            assert error is not None or place in NOT_FATAL, name
        errors += error is not None
    choose(hostile, "", "None")
    assert run(hostile, f"{SCAN}; {INSERT}", 0) is None
    assert hostile.info.backend_pid == process
    assert errors > 0 or place in NOT_FATAL


@pytest.mark.parametrize("column", TYPES)
def test_a_hostile_value_is_an_error_that_names_the_column(
    hostile: Session, names: list[str], column: str
) -> None:
    found = set()
    for number, name in enumerate(picked(column, names, 100)):
        choose(hostile, "value", name)
        try:
            error = run(hostile, f"SELECT {column} FROM hostile", number)
        except AssertionError as failure:
            raise AssertionError(f"{column}: {name}") from failure
        found.add(error is None)
        # What Python code raises says itself where that was.
        if error is not None and error.sqlstate[:2] in ("22", "23", "54"):  # type: ignore[index]
            assert f'column "{column}"' in f"{error}", name
    assert found == {True, False}


@pytest.mark.parametrize("change", ["fewer rows", "more rows"])
@pytest.mark.parametrize("rows", [1, 25])
def test_the_list_of_a_batch_is_the_wrappers_to_change(
    hostile: Session, change: str, rows: int
) -> None:
    """What comes back is compared with what was sent, not with what is left of it."""
    choose(hostile, change, "None")
    for returning in ("", " RETURNING i"):
        with pytest.raises(psycopg.Error, match=r"bulk_insert\(\) returned \d+ rows for"):
            hostile.execute(
                f"INSERT INTO only_batches (i) SELECT generate_series(1, {rows}){returning}"
            )


# Objects whose code never comes to an end, and a column that has it run.
ENDLESS = [
    ("object.__str__", "t"),
    ("object.__del__", "t"),
    ("list.__iter__", "ia"),
    ("tuple.__iter__", "p"),
    ("dict.__getitem__", "p"),
    ("object.keys", "h"),
    ("Decimal.__le__", "b"),
    ("UUID.bytes", "u"),
    ("date.isoformat", "t"),
    ("datetime.utcoffset", "tstz"),
    ("key", "p"),
    ("metaclass", "p"),
]


@pytest.mark.parametrize(("what", "column"), ENDLESS)
def test_the_code_of_a_value_can_be_interrupted(hostile: Session, what: str, column: str) -> None:
    choose(hostile, "value", f"endless {what}")
    with hostile.transaction(force_rollback=True):
        hostile.execute("SET LOCAL statement_timeout = 100")
        with pytest.raises(psycopg.errors.QueryCanceled), hostile.transaction():
            hostile.execute(f"SELECT {column} FROM hostile")
    choose(hostile, "", "None")
    assert run(hostile, SCAN, 1) is None


def test_what_calls_itself_a_str_is_none(hostile: Session) -> None:
    """What C code takes for a str is one, whatever it says of itself."""
    choose(hostile, "name of a table", "int.__class__ returns str")
    with pytest.raises(psycopg.Error, match="must be a str, not int"):
        hostile.execute(IMPORT.split("; ")[1])
    choose(hostile, "value", "date of no text")
    assert hostile.execute("SELECT t FROM hostile").fetchall() == [("29 February",)]


def test_a_name_of_a_class_is_shown_in_part(hostile: Session) -> None:
    choose(hostile, "insert", "long name")
    with pytest.raises(psycopg.Error) as raised:
        hostile.execute(INSERT)
    assert len(raised.value.diag.message_primary or "") < 300


def test_a_name_of_a_class_is_shown_in_the_encoding_of_the_database(
    connect: Connect, create_database: Callable[[str], str]
) -> None:
    """What that lacks is shown as an escape."""
    with connect(create_database("LATIN1")) as session, session.transaction(force_rollback=True):
        session.execute(
            "CREATE FOREIGN TABLE choice (place text, object text)"
            " SERVER python OPTIONS (wrapper 'hostile.Choice');"
            "CREATE FOREIGN TABLE hostile (i integer, t text)"
            " SERVER python OPTIONS (wrapper 'hostile.Hostile')"
        )
        choose(session, "insert", "name beyond ASCII")
        with pytest.raises(psycopg.Error, match=r"not Gr\\xf6\\xdfe\\u20ac"):
            session.execute(INSERT)
