"""multicorn.execute(): SQL that a wrapper runs in the session's own database."""

from __future__ import annotations

import ast
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import psycopg
import pytest
from psycopg import errors

import multicorn
from harness import Cluster, Standby
from harness.marks import measures_memory, rolls_back_in_commit
from harness.sessions import Connect, Session, in_background, wait_until

numbers = count()

Ask = Callable[..., list[Any]]


def quoted(text: str) -> str:
    """The text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def create(session: Session, code: str, place: str = "execute", wrapper: str = "Asks") -> str:
    """Create a table whose wrapper runs code; returns its name."""
    name = f"asks_{next(numbers)}"
    session.execute(
        f"CREATE FOREIGN TABLE {name} (a text, b text, c text) SERVER python OPTIONS"
        f" (wrapper 'asking.{wrapper}', code {quoted(code)}, place {quoted(place)})"
    )
    return name


@pytest.fixture
def ask(session: Session) -> Ask:
    """Run Python code in a wrapper's method; returns the rows that it has left in `rows`."""

    def run(code: str, place: str = "execute", wrapper: str = "Asks") -> list[Any]:
        name = create(session, code, place, wrapper)
        return [a for (a,) in session.execute(f"SELECT a FROM {name}")]

    return run


@pytest.fixture
def heap(session: Session) -> Iterator[str]:
    """A local table."""
    session.execute("CREATE TABLE heap (n int PRIMARY KEY, word text)")
    session.execute("INSERT INTO heap VALUES (1, 'one'), (2, 'two')")
    yield "heap"
    session.execute("ROLLBACK")
    session.execute("DROP TABLE heap CASCADE")


# --- Results and parameters ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("list(r)", "[(1, 'one'), (2, 'two')]"),
        ("r[1], len(r), bool(r)", "((2, 'two'), 2, True)"),
        ("r.columns", "('n', 'word')"),
        ("r.rowcount", "2"),
        ("r.mappings()", "[{'n': 1, 'word': 'one'}, {'n': 2, 'word': 'two'}]"),
        ("r.scalar()", "1"),
        ("[d[:2] for d in r.description]", "[('n', 23), ('word', 25)]"),
        ("{len(d) for d in r.description}", "{7}"),
    ],
)
def test_result(ask: Ask, heap: str, code: str, expected: str) -> None:
    assert ask(f'r = execute("SELECT * FROM heap ORDER BY n"); rows = [(({code}),)]') == [expected]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("INSERT INTO heap VALUES (3, 'three')", "(1, [], None)"),
        ("UPDATE heap SET word = upper(word)", "(2, [], None)"),
        ("DELETE FROM heap WHERE n > 5", "(0, [], None)"),
        ("INSERT INTO heap VALUES (4) RETURNING n, word", "(1, [(4, None)], ['n', 'word'])"),
        ("SELECT FROM heap", "(2, [(), ()], [])"),
        ("SELECT 1; SELECT 2 AS two", "(1, [(2,)], ['two'])"),
        ("CREATE TABLE other (n int); DROP TABLE other", "(-1, [], None)"),
        ("", "(-1, [], None)"),
    ],
)
def test_statements(ask: Ask, heap: str, sql: str, expected: str) -> None:
    code = (
        f"r = execute({sql!r});"
        "rows = [((r.rowcount, r.rows, r.description and [d[0] for d in r.description]),)]"
    )
    assert ask(code) == [expected]


@pytest.mark.parametrize(
    ("sql", "params", "expected"),
    [
        ("SELECT word FROM heap WHERE n = $1", "[2]", "[('two',)]"),
        ("SELECT $1 || 'x'", "['a']", "[('ax',)]"),
        ("SELECT $1::numeric + 1", "[decimal.Decimal('0.10')]", "[(Decimal('1.10'),)]"),
        ("SELECT $2::int[] || $1::int", "[3, [1, None]]", "[([1, None, 3],)]"),
        ("SELECT $1::date + 1", "[datetime.date(2024, 2, 28)]", "[(datetime.date(2024, 2, 29),)]"),
        ("SELECT $1::jsonb -> 'a'", "[{'a': [1]}]", "[('[1]',)]"),
        ("SELECT $1::bytea", r"[b'\x00\xff']", r"[(b'\x00\xff',)]"),
        ("SELECT $1::text IS NULL", "[None]", "[(True,)]"),
        ("SELECT $1::float8", "(0.1,)", "[(0.1,)]"),
    ],
)
def test_parameters(ask: Ask, heap: str, sql: str, params: str, expected: str) -> None:
    code = f"import datetime, decimal; rows = [(execute({sql!r}, {params}).rows,)]"
    assert ask(code) == [expected]


@pytest.mark.parametrize(
    ("call", "sqlstate", "message"),
    [
        ("'SELECT $1::int', ['x']", "22P02", "invalid input syntax for type integer"),
        ("'SELECT $1::int', [2**40]", "22003", "cannot hold Python int 1099511627776"),
        ("'SELECT $1::int', [1, 2]", "42601", "wrong number of parameters"),
        ("'SELECT $1::int'", "42P02", r"there is no parameter \$1"),
        ("'SELECT $1 IS NULL', [1]", "42P18", r"could not determine data type of parameter \$1"),
        ("'SELECT 1; SELECT $1::int', [1]", "42601", "to a single statement only"),
        ("'SELEC'", "42601", 'syntax error at or near "SELEC"'),
        ("'SELECT 1/0'", "22012", "division by zero"),
        ("'COMMIT'", "2D000", "cannot begin or end transactions"),
        ("'SAVEPOINT s'", "2D000", "cannot begin or end transactions"),
        ("'COPY heap TO STDOUT'", "0A000", "cannot COPY from or to the client"),
        ("""'SELECT date \\'infinity\\''""", "HV004", "has no exact equivalent in Python"),
    ],
)
def test_errors(
    session: Session, ask: Ask, heap: str, call: str, sqlstate: str, message: str
) -> None:
    """Caught, an error leaves nothing; not caught, it is the query's."""
    code = (
        f"try:\n    execute({call})\n"
        "except multicorn.DatabaseError as error:\n    rows = [(error.sqlstate, error.message)]\n"
        "execute('SELECT count(*) FROM heap')"
    )
    assert ask(code) == [sqlstate]
    with pytest.raises(psycopg.Error, match=message) as raised:
        ask(f"execute({call})")
    assert raised.value.sqlstate == sqlstate
    assert "method execute" in (raised.value.diag.context or "")
    assert session.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("1", "sql must be a str, not int"),
        ("'SELECT 1', 'abc'", "params must be a sequence of values, not str"),
        ("'SELECT 1', {'a': 1}", "params must be a sequence of values, not dict"),
        ("'SELECT 1', 1", "params must be a sequence of values, not int"),
    ],
)
def test_wrong_arguments(ask: Ask, call: str, message: str) -> None:
    assert ask(f"try:\n    execute({call})\nexcept TypeError as error:\n    rows = [(error,)]") == [
        message
    ]


def test_none_is_no_parameters(ask: Ask) -> None:
    assert ask("rows = execute('SELECT 1; SELECT 2', None).rows") == ["2"]


def test_what_an_error_says(ask: Ask, heap: str) -> None:
    code = (
        "try:\n    execute('INSERT INTO heap VALUES (1)')\n"
        "except multicorn.DatabaseError as e:\n"
        "    rows = [((e.sqlstate, e.table_name, e.constraint_name, e.detail, e.position),)]"
    )
    assert ask(code) == ["('23505', 'heap', 'heap_pkey', 'Key (n)=(1) already exists.', None)"]
    code = (
        "try:\n    execute('SELECT nothing')\n"
        "except multicorn.DatabaseError as e:\n    rows = [((e.position, e.context),)]"
    )
    assert ask(code) == ["(8, None)"]


def test_only_what_failed_is_rolled_back(session: Session, ask: Ask, heap: str) -> None:
    code = (
        "execute('INSERT INTO heap VALUES (3)')\n"
        "try:\n    execute('INSERT INTO heap VALUES (4); SELECT 1/0')\n"
        "except multicorn.Error:\n    pass\n"
        "rows = execute('SELECT n FROM heap ORDER BY n')"
    )
    assert ask(code) == ["1", "2", "3"]
    assert session.execute("SELECT count(*) FROM heap").fetchone() == (3,)


# --- Where --------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["__init__", "get_rel_size", "execute"])
def test_places(ask: Ask, place: str) -> None:
    assert ask("rows = execute('SELECT 5')", place) == ["5"]


def test_end_scan_and_insert(session: Session, heap: str) -> None:
    name = create(session, "execute('INSERT INTO heap VALUES (7)')", "end_scan")
    session.execute(f"SELECT FROM {name}")
    name = create(session, "execute('INSERT INTO heap VALUES ($1)', [values['a']])", "insert")
    session.execute(f"INSERT INTO {name} VALUES (8)")
    assert session.execute("SELECT array_agg(n ORDER BY n) FROM heap").fetchone() == ([1, 2, 7, 8],)


def test_pre_commit(session: Session, heap: str) -> None:
    """What it does is part of the transaction; constraints are checked, deferred ones at once."""
    session.execute("CREATE TABLE child (n int REFERENCES heap DEFERRABLE INITIALLY DEFERRED)")
    name = create(
        session, "execute('INSERT INTO child VALUES (2)')", "pre_commit", "AsksInTransactions"
    )
    session.execute(f"SELECT FROM {name}")
    assert session.execute("SELECT n FROM child").fetchall() == [(2,)]
    name = create(
        session, "execute('INSERT INTO child VALUES (9)')", "pre_commit", "AsksInTransactions"
    )
    with pytest.raises(errors.ForeignKeyViolation):
        session.execute(f"SELECT FROM {name}")
    assert session.execute("SELECT n FROM child").fetchall() == [(2,)]
    session.execute("DROP TABLE child")


def test_a_table_is_not_used_after_its_pre_commit(session: Session) -> None:
    first = create(session, "", "nowhere", "AsksInTransactions")
    second = create(session, f"execute('SELECT FROM {first}')", "pre_commit", "AsksInTransactions")
    session.execute(f"SELECT FROM {second}, {first}")
    with pytest.raises(errors.ObjectNotInPrerequisiteState, match="until the end of the trans"):
        session.execute(f"SELECT FROM {first}, {second} ORDER BY {first}.a")
        session.execute(f"BEGIN; SELECT FROM {first}; SELECT FROM {second}; COMMIT")


@pytest.mark.parametrize("place", ["commit", "rollback", "sub_commit", "sub_rollback", "close"])
def test_refused(session: Session, place: str) -> None:
    """Where nothing may fail any more, or no savepoint can begin."""
    told: list[str | None] = []
    session.add_notice_handler(lambda notice: told.append(notice.message_primary))
    code = "try:\n    execute('SELECT 1')\nexcept RuntimeError as error:\n    print(error)"
    name = create(session, code, place, "AsksInTransactions")
    leave = "ROLLBACK TO s" if place == "sub_rollback" else "RELEASE s"
    end = "ROLLBACK" if place == "rollback" else "COMMIT"
    for statement in ("BEGIN", "SAVEPOINT s", f"SELECT FROM {name}", leave, end):
        session.execute(statement)
    if place == "close":
        session.execute(f"DROP FOREIGN TABLE {name}")
        session.execute(f"SELECT FROM {create(session, '')}")
    assert len(told) == 1 and "multicorn.execute() cannot be used in" in str(told[0])
    assert session.execute("SELECT 1").fetchone() == (1,)


def test_other_threads(session: Session) -> None:
    session.execute(
        "CREATE FOREIGN TABLE threaded (a text) SERVER python"
        " OPTIONS (wrapper 'asking.AsksInThread')"
    )
    assert session.execute("SELECT a FROM threaded").fetchall() == [
        ("RuntimeError: PostgreSQL can only be called from the main thread",)
    ]
    session.execute("DROP FOREIGN TABLE threaded")


def test_outside_a_server() -> None:
    with pytest.raises(RuntimeError, match="needs a server"):
        multicorn.execute("SELECT 1")


# --- Transactions -------------------------------------------------------------------------------


def test_read_only_transactions(session: Session, ask: Ask, heap: str) -> None:
    name = create(session, "execute('INSERT INTO heap VALUES (3)')")
    session.execute("BEGIN READ ONLY")
    with pytest.raises(errors.ReadOnlySqlTransaction):
        session.execute(f"SELECT FROM {name}")


def test_on_a_standby(server: Cluster, session: Session, heap: str) -> None:
    """It can read there."""
    reads = create(session, "rows = execute('SELECT count(*) FROM heap WHERE n > $1', [0])")
    writes = create(session, "execute('INSERT INTO heap VALUES (3)')")
    with (
        Standby(server) as standby,
        psycopg.connect(standby.dsn, autocommit=True) as copy,
    ):
        assert copy.execute(f"SELECT a FROM {reads}").fetchone() == ("2",)
        with pytest.raises(errors.ReadOnlySqlTransaction):
            copy.execute(f"SELECT a FROM {writes}")
        assert copy.execute(f"SELECT a FROM {reads}").fetchone() == ("2",)


def test_snapshots(session: Session, connect: Connect, heap: str) -> None:
    """Its own changes are seen; those of others as the isolation level has it."""
    name = create(session, "rows = execute('SELECT count(*) FROM heap')")
    query = f"SELECT a FROM {name}"
    other = connect()
    for level, seen in (("READ COMMITTED", "3"), ("REPEATABLE READ", "3")):
        session.execute(f"BEGIN ISOLATION LEVEL {level}")
        session.execute("SELECT FROM heap")
        if level == "READ COMMITTED":
            other.execute("INSERT INTO heap VALUES (10)")
        else:
            other.execute("INSERT INTO heap VALUES (11)")
        assert session.execute(query).fetchone() == (seen,)
        session.execute("COMMIT")


def test_hooks(session: Session, heap: str) -> None:
    """A table that the SQL uses takes part in its subtransaction; the one that runs it does not."""
    session.execute(
        "CREATE FOREIGN TABLE events (event text) SERVER python OPTIONS (wrapper 'asking.Events')"
    )
    inner = create(session, "", "nowhere", "AsksInTransactions")
    for sql, end in ((f"SELECT FROM {inner}", "sub_commit 2"),
                     (f"SELECT 1 / (length(a) - 7) FROM {inner}", "sub_rollback 2")):  # fmt: skip
        code = f"events.append('-')\ntry:\n    execute({sql!r})\nexcept multicorn.Error:\n    pass"
        outer = create(session, code, "execute", "AsksInTransactions")
        session.execute("SELECT FROM events")
        session.execute(f"SELECT FROM {outer}")
        happened = [event for (event,) in session.execute("SELECT event FROM events")]
        assert happened == [
            *("begin", "-", "begin", "sub_begin 2", end),
            *("pre_commit", "pre_commit", "commit", "commit"),
        ]
    session.execute("DROP FOREIGN TABLE events")


def test_an_exception_deep_down_is_described_in_full(session: Session, ask: Ask) -> None:
    """However few frames the code that reads the other table has left."""
    inner = create(session, "def again(): again()\nagain()")
    code = (
        "import sys\n"
        "def descend(left):\n"
        f"    return descend(left - 1) if left else execute('SELECT a FROM {inner}')\n"
        "depth, frame = 0, sys._getframe()\n"
        "while frame: depth, frame = depth + 1, frame.f_back\n"
        "for left in range(12, 72, 4):\n"
        "    try:\n"
        "        descend(sys.getrecursionlimit() - depth - left)\n"
        "    except multicorn.DatabaseError as error:\n"
        "        rows.append((error.message, 'in again' in error.context))\n"
        "    except RecursionError: pass\n"
        "rows = [(found,) for found in rows]"
    )
    found = [ast.literal_eval(row) for row in ask("rows = []\n" + code)]
    assert len(found) > 5
    for message, has_frames in found:
        assert message.startswith("RecursionError: maximum recursion depth exceeded")
        assert has_frames


def test_recursion(session: Session, ask: Ask) -> None:
    """A table may read others and itself; without end it is an error, and no more."""
    name = create(session, "")
    session.execute(f"ALTER FOREIGN TABLE {name} OPTIONS (SET code {quoted(recursion(name, 5))})")
    assert session.execute(f"SELECT a FROM {name}").fetchall() == [("5",)]
    session.execute(
        f"ALTER FOREIGN TABLE {name} OPTIONS (SET code {quoted(recursion(name, 10**6))})"
    )
    with pytest.raises(psycopg.Error, match=r"stack depth limit|RecursionError"):
        session.execute(f"SELECT a FROM {name}")
    assert ask("rows = execute('SELECT 5')") == ["5"]


def recursion(name: str, depth: int) -> str:
    """Code that reads its own table so many times, one inside another."""
    return (
        "depth = globals().get('depth', 0) + 1\n"
        f"rows = execute('SELECT a FROM {name}').rows if depth < {depth} else [(depth,)]"
    )


def test_parallel_queries(session: Session, heap: str) -> None:
    """Beside parallel workers SQL can read; what it raises can be caught from PostgreSQL 17 on."""
    session.execute("CREATE TABLE large AS SELECT generate_series(1, 1000) AS n; ANALYZE large")
    session.execute("SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;"
                    " SET min_parallel_table_scan_size = 0; SET enable_nestloop = off")  # fmt: skip
    name = create(session, "rows = execute('SELECT n FROM heap ORDER BY n')")
    query = f"SELECT count(*) FROM {name} JOIN large ON n = a::int"
    plan = "\n".join(line for (line,) in session.execute(f"EXPLAIN {query}"))
    assert "Gather" in plan
    assert session.execute(query).fetchone() == (2,)
    name = create(session, "execute('SELECT 1/0')")
    with pytest.raises(errors.DivisionByZero):
        session.execute(f"SELECT count(*) FROM {name} JOIN large ON n = a::int")
    assert session.execute(query).fetchone() == (2,)
    session.execute("DROP TABLE large")


# --- Security -----------------------------------------------------------------------------------


def test_the_user(session: Session, connect: Connect, heap: str) -> None:
    """SQL runs as the effective user: under a view that is its owner, safe from the reader."""
    session.execute("DROP ROLE IF EXISTS asking_reader; CREATE ROLE asking_reader LOGIN")
    code = (
        "try:\n    execute('SELECT FROM public.heap')\n    allowed = True\n"
        "except multicorn.DatabaseError as error:\n    allowed = error.sqlstate\n"
        "rows = [(execute('SELECT current_user::text').scalar(), allowed,"
        " execute('SHOW search_path').scalar())]"
    )
    name = create(session, code)
    session.execute(f"CREATE VIEW seen AS SELECT * FROM {name}")
    session.execute(f"GRANT SELECT ON {name}, seen TO asking_reader")
    reader = connect()
    reader.execute("SET ROLE asking_reader")
    reader.execute("SET search_path = pg_temp, public")
    assert reader.execute(f"SELECT * FROM public.{name}").fetchone() == (
        *("asking_reader", "42501", "pg_temp, public"),
    )
    assert reader.execute("SELECT * FROM public.seen").fetchone() == (
        *("postgres", "True", "pg_catalog, pg_temp"),
    )
    assert reader.execute("SELECT current_user::text, current_setting('search_path')").fetchone() \
        == ("asking_reader", "pg_temp, public")  # fmt: skip
    reader.close()
    session.execute("DROP VIEW seen")
    session.execute(f"DROP FOREIGN TABLE {name}; DROP ROLE asking_reader")


# --- Interrupts ---------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["pg_cancel_backend", "pg_terminate_backend"])
def test_interrupts(server: Cluster, connect: Connect, end: str) -> None:
    """A cancel is not to be caught; a termination ends the session."""
    session = connect()
    code = (
        "try:\n    execute('SELECT pg_sleep(3600)')\n"
        "except BaseException:\n    pass\n"
        "rows = [('swallowed',)]"
    )
    name = create(session, code)
    pid = session.info.backend_pid
    sleeping = f"SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = {pid}"
    with in_background(session, f"SELECT a FROM {name}") as raised:
        wait_until(lambda: server.run_sql(sleeping) == "t")
        server.run_sql(f"SELECT {end}({pid})")
    assert len(raised) == 1
    if end == "pg_cancel_backend":
        assert isinstance(raised[0], errors.QueryCanceled)
        assert session.execute("SELECT 1").fetchone() == (1,)
        name = create(session, "rows = execute('SELECT 5')")
        assert session.execute(f"SELECT a FROM {name}").fetchone() == ("5",)
    else:
        assert "due to administrator command" in str(raised[0])


@pytest.mark.parametrize("sql", ["SELECT pg_sleep(0.2)", "SELECT 1/0", "SELECT 1"])
@pytest.mark.parametrize("end", ["pg_cancel_backend", "pg_terminate_backend", "statement_timeout"])
@pytest.mark.parametrize("catches", ["Exception", "BaseException", "BaseException and keeps it"])
def test_a_loop_that_catches_is_interrupted(
    server: Cluster, connect: Connect, sql: str, end: str, catches: str
) -> None:
    """Whether the interrupt comes to the SQL or to Python.

    Only a loop that catches the interrupt itself goes on until cleanup_timeout.
    """
    caught, _, keeps = catches.partition(" ")
    session = connect()
    session.execute(f"SET multicorn.cleanup_timeout = '{'1h' if caught == 'Exception' else '1s'}'")
    code = (
        "kept = None\n"
        "while True:\n"
        f"    try:\n        execute({sql!r})\n"
        f"    except {caught} as error:\n"
        f"        kept = {'kept or error' if keeps else 'None'}\n"
    )
    name = create(session, code)
    pid = session.info.backend_pid
    running = f"SELECT state = 'active' FROM pg_stat_activity WHERE pid = {pid}"
    if end == "statement_timeout":
        session.execute("SET statement_timeout = '300ms'")
    with in_background(session, f"SELECT a FROM {name}") as raised:
        if end != "statement_timeout":
            wait_until(lambda: server.run_sql(running) == "t")
            time.sleep(0.3)
            server.run_sql(f"SELECT {end}({pid})")
    assert len(raised) == 1
    if end == "pg_terminate_backend":
        assert "due to administrator command" in str(raised[0])
        return
    assert isinstance(raised[0], errors.QueryCanceled)
    session.execute("RESET statement_timeout")
    again = create(session, "rows = execute('SELECT 5')")
    assert session.execute(f"SELECT a FROM {again}").fetchone() == ("5",)


def test_nested_loops_share_their_time(session: Session) -> None:
    """Of many loops that catch everything, one within the other, none has a time of its own."""
    code = (
        "while True:\n"
        "    try:\n        execute('SELECT a FROM {}')\n"
        "    except BaseException:\n        pass"
    )
    name = create(session, "")
    session.execute(f"ALTER FOREIGN TABLE {name} OPTIONS (SET code {quoted(code.format(name))})")
    session.execute("SET multicorn.cleanup_timeout = '3s'; SET statement_timeout = '300ms'")
    with in_background(session, f"SELECT a FROM {name}") as raised:
        pass
    assert isinstance(raised[0], errors.QueryCanceled)
    session.execute("RESET statement_timeout")
    assert session.execute("SELECT 1").fetchone() == (1,)


# --- Cursors ------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["end_scan", "finally"])
@pytest.mark.parametrize(
    "end", ["CLOSE cc", "CLOSE ALL", pytest.param("COMMIT", marks=rolls_back_in_commit)]
)
@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("FETCH 1 FROM cc", 'portal "cc" cannot be run'),
        ("MOVE 1 IN cc", 'portal "cc" cannot be run'),
        ("CLOSE cc", 'cannot drop active portal "cc"'),
        (
            "DO $$ DECLARE c refcursor := 'cc'; r record; BEGIN FETCH c INTO r; END $$",
            'portal "cc"',
        ),
        ("CLOSE ALL", None),
        ("CLOSE other", None),
    ],
)
def test_a_cursor_that_is_being_closed(
    session: Session, place: str, end: str, sql: str, said: str | None
) -> None:
    """It is in use: what its own end does to it is an error, and takes nothing else along."""
    name = create(session, f"execute({sql!r})", place, "AsksAndGoesOn")
    session.execute("CREATE TEMP TABLE kept (n int)")
    session.execute("BEGIN")
    session.execute("INSERT INTO kept VALUES (1)")
    session.execute(f"DECLARE cc CURSOR FOR SELECT a FROM {name}")
    session.execute(f"DECLARE other CURSOR FOR SELECT a FROM {name}")
    session.execute("FETCH 1 FROM cc")
    if said is None:
        session.execute(end)
        session.execute("COMMIT")
        assert session.execute("SELECT n FROM kept").fetchall() == [(1,)]
    else:
        with pytest.raises(psycopg.Error, match=said):
            session.execute(end)
        session.execute("ROLLBACK")
        assert session.execute("SELECT n FROM kept").fetchall() == []


# --- Memory -------------------------------------------------------------------------------------


@measures_memory
@pytest.mark.parametrize(
    "call",
    [
        "execute('SELECT * FROM heap WHERE n >= $1', [1])",
        "execute('SELECT 1/0')",
        "execute('SELECT $1::int', ['x'])",
    ],
)
def test_memory(session: Session, heap: str, call: str) -> None:
    """10,000 calls within one statement leave nothing."""
    code = (
        "import re\n"
        "def repeat(times):\n"
        "    for _ in range(times):\n"
        f"        try:\n            {call}\n"
        "        except multicorn.Error:\n            pass\n"
        "    return int(re.search(r'RssAnon:\\s+(\\d+)', open('/proc/self/status').read())[1])\n"
        "before = repeat(2000)\n"
        "rows = [(repeat(10000) - before,)]"
    )
    name = create(session, code)
    grown = session.execute(f"SELECT a::int FROM {name}").fetchone()
    assert grown is not None and grown[0] < 500
