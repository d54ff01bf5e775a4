"""PL/Python and foreign tables in one session: transforms, errors and cancels go through both."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors

from harness import Cluster
from harness.sessions import Connect, Session, in_background, wait_until

WRAPPERS = '''
    import plpy
    import __main__

    import multicorn
    from multicorn import Error, ForeignDataWrapper

    class Base(ForeignDataWrapper):
        def __init__(self, options, columns):
            super().__init__(options, columns)
            self.options = options

    class Documents(Base):
        def execute(self, quals, columns):
            for n in range(3):
                yield {"pairs": {"n": str(n)}, "document": {"n": n, "list": [n]}}

    class Runs(Base):
        """Runs the SQL of its option."""
        def execute(self, quals, columns):
            return [(str(value),) for (value,) in multicorn.execute(self.options["sql"])]

    class Fails(Base):
        def execute(self, quals, columns):
            raise Error("failed", sqlstate="22023", detail="a detail", hint="a hint")

    class Module(Base):
        """Uses plpy, imported with the module."""
        def execute(self, quals, columns):
            yield (str(plpy.execute("SELECT 5 AS five")[0]["five"]),)

    class Iterator(Base):
        """Goes on with a cursor that PL/Python has opened."""
        def execute(self, quals, columns):
            yield (str(next(__main__.rows)["five"]),)

    class Plan(Base):
        """Uses a plan that PL/Python has prepared."""
        def execute(self, quals, columns):
            yield (str(__main__.plan.execute()[0]["five"]),)

    class Cursor(Base):
        """Uses a plan's cursor."""
        def execute(self, quals, columns):
            yield (str(next(__main__.plan.cursor())["five"]),)
'''

FUNCTIONS = """
CREATE FUNCTION pairs_text(pairs hstore) RETURNS text TRANSFORM FOR TYPE hstore
    LANGUAGE plpython3u AS $$ return repr(pairs) $$;
CREATE FUNCTION document_text(document jsonb) RETURNS text TRANSFORM FOR TYPE jsonb
    LANGUAGE plpython3u AS $$ return repr(document) $$;
CREATE FUNCTION fails() RETURNS text LANGUAGE plpython3u
    AS $$ plpy.error("of PL/Python", sqlstate="CD456", detail="its detail") $$;
CREATE FUNCTION reads(name text) RETURNS text LANGUAGE plpython3u
    AS $$ return plpy.execute("SELECT a FROM " + name)[0]["a"] $$;
CREATE FUNCTION catches(name text) RETURNS text LANGUAGE plpython3u AS $$
try:
    plpy.execute("SELECT a FROM " + name)
except plpy.SPIError as error:
    return error.sqlstate
$$;
CREATE FUNCTION prepares() RETURNS int LANGUAGE plpython3u AS $$
import __main__
__main__.plan = plpy.prepare("SELECT 5 AS five")
__main__.rows = plpy.cursor("SELECT 5 AS five FROM generate_series(1, 9)")
return next(__main__.rows)["five"] + __main__.plan.execute()[0]["five"]
$$;
CREATE FUNCTION five() RETURNS int LANGUAGE plpython3u
    AS $$ return plpy.execute("SELECT 5 AS five")[0]["five"] $$;
CREATE FUNCTION sleeps() RETURNS text LANGUAGE plpython3u
    AS $$ plpy.execute("SELECT pg_sleep(3600)") $$;
"""


@pytest.fixture(scope="module")
def database(server: Cluster, add_module: Callable[[str], str]) -> str:
    """A database with PL/Python and its transforms, and foreign tables."""
    module = add_module(WRAPPERS)
    server.run_sql('DROP DATABASE IF EXISTS "both" WITH (FORCE)')
    server.createdb("both")
    tables = {
        "fails": ("Fails", ""),
        "through": ("Runs", ", sql 'SELECT catches(''fails'')'"),
        "all_the_way": ("Runs", ", sql 'SELECT reads(''fails'')'"),
        "of_plpython": ("Runs", ", sql 'SELECT fails()'"),
        "of_five": ("Runs", ", sql 'SELECT five()'"),
        "asleep": ("Runs", ", sql 'SELECT sleeps()'"),
        "module": ("Module", ""),
        "plan": ("Plan", ""),
        "cursor": ("Cursor", ""),
        "iterator": ("Iterator", ""),
    }
    server.run_sql(
        "CREATE EXTENSION plpython3u; CREATE EXTENSION hstore; CREATE EXTENSION hstore_plpython3u;"
        "CREATE EXTENSION jsonb_plpython3u; CREATE EXTENSION multicorn;"
        "CREATE SERVER python FOREIGN DATA WRAPPER multicorn;"
        "CREATE FOREIGN TABLE documents (pairs hstore, document jsonb) SERVER python"
        f" OPTIONS (wrapper '{module}.Documents');"
        + ";".join(
            f"CREATE FOREIGN TABLE {name} (a text) SERVER python"
            f" OPTIONS (wrapper '{module}.{wrapper}'{options})"
            for name, (wrapper, options) in tables.items()
        )
        + ";"
        + FUNCTIONS,
        database="both",
    )
    return "both"


@pytest.fixture(params=["PL/Python first", "a foreign table first"])
def session(request: Any, connect: Connect, database: str) -> Session:
    """A session in which one of the two has started Python."""
    session = connect(database)
    session.execute(
        "SELECT five()" if request.param == "PL/Python first" else "SELECT FROM documents"
    )
    return session


def test_transforms(session: Session) -> None:
    """Values of a foreign table go through PL/Python's transforms."""
    assert session.execute("SELECT pairs_text(pairs), document_text(document) FROM documents"
                           " WHERE pairs_text(pairs) LIKE '%2%'").fetchall() == [
        ("{'n': '2'}", "{'n': Decimal('2'), 'list': [Decimal('2')]}")
    ]  # fmt: skip


def test_errors(session: Session) -> None:
    """The SQLSTATE survives both, in either order and more than once."""
    assert session.execute("SELECT catches('fails')").fetchone() == ("22023",)
    assert session.execute("SELECT a FROM through").fetchone() == ("22023",)
    for query, state, detail in (
        ("SELECT reads('fails')", "22023", "a detail"),
        ("SELECT a FROM all_the_way", "22023", "a detail"),
        ("SELECT a FROM of_plpython", "CD456", "its detail"),
        ("SELECT reads('of_plpython')", "CD456", "its detail"),
    ):
        with pytest.raises(psycopg.Error) as raised:
            session.execute(query)
        assert raised.value.sqlstate == state, query
        assert raised.value.diag.message_detail == detail, query
        assert session.execute("SELECT five(), a FROM of_five").fetchone() == (5, "5")


@pytest.mark.parametrize("query", ["SELECT a FROM asleep", "SELECT reads('asleep')"])
def test_cancels(server: Cluster, session: Session, query: str) -> None:
    """A cancel goes through both."""
    pid = session.info.backend_pid
    sleeping = f"SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = {pid}"
    with in_background(session, query) as raised:
        wait_until(lambda: server.run_sql(sleeping) == "t")
        server.run_sql(f"SELECT pg_cancel_backend({pid})")
    assert [type(error) for error in raised] == [errors.QueryCanceled]
    assert session.execute("SELECT five(), a FROM of_five").fetchone() == (5, "5")


@pytest.mark.parametrize("table", ["module", "plan", "cursor", "iterator"])
def test_plpy_is_not_for_wrappers(session: Session, table: str) -> None:
    """However a wrapper has come by it."""
    with (
        pytest.raises(psycopg.Error, match=r"\(\) cannot be used by a wrapper"),
        session.transaction(),
    ):
        # PL/Python itself can use them as ever.
        assert session.execute("SELECT prepares()").fetchone() == (10,)
        session.execute(f"SELECT a FROM {table}")
    assert session.execute("SELECT five(), a FROM of_five").fetchone() == (5, "5")


def test_without_plpython(
    server: Cluster, connect: Connect, add_module: Callable[[str], str]
) -> None:
    """Python starts by itself where PL/Python is not installed, and all is the same."""
    module = add_module(WRAPPERS.replace("import plpy", "", 1))
    server.run_sql(
        "CREATE FOREIGN TABLE alone (a text) SERVER python"
        f" OPTIONS (wrapper '{module}.Runs', sql 'SELECT 5')"
    )
    folder = server.run_sql("SELECT setting FROM pg_config WHERE name = 'PKGLIBDIR'")
    if not Path(folder).is_relative_to(Path(os.environ.get("MULTICORN_BINDIR", "/")).parents[1]):
        pytest.skip("the server's files are not a copy")
    library = Path(folder) / "plpython3.so"
    hidden = library.with_name("hidden.so")
    library.rename(hidden)
    try:
        with connect() as session:
            assert session.execute("SELECT a FROM alone").fetchone() == ("5",)
            maps = Path(f"/proc/{session.info.backend_pid}/maps").read_text()
            assert "libpython" in maps and "plpython" not in maps
    finally:
        hidden.rename(library)
        server.run_sql("DROP FOREIGN TABLE alone")
