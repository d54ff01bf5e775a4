"""What the administrator sees of Python, and where a session takes its modules from."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from harness import Cluster
from harness.cluster import default_bindir
from harness.marks import measures_memory
from harness.sessions import Connect, Session, in_background, wait_until

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
CONSTANT = "wrapper 'multicorn.constantfdw.ConstantForeignDataWrapper'"


def create_table(server: Cluster, name: str, columns: str, options: str) -> None:
    """Create a foreign table anew."""
    server.run_sql(
        f"DROP FOREIGN TABLE IF EXISTS {name};"
        f"CREATE FOREIGN TABLE {name} ({columns}) SERVER python OPTIONS ({options})"
    )


# --- The wait event -----------------------------------------------------------------------------

WAITING = """
    import pathlib, time
    from multicorn.utils import INFO, log_to_postgres

    class Waits:
        def __init__(self, options, columns): self.begun = pathlib.Path(options["begun"])

        def execute(self, quals, columns):
            for number in (1, 2):
                yield (number,)
            log_to_postgres("PostgreSQL has had its turn", INFO)
            self.begun.touch()
            while True:
                time.sleep(0.01)
"""


@contextmanager
def running(session: Session, query: str) -> Iterator[None]:
    """Run a query in a thread of the test; behind the ``with`` block it was cancelled."""
    with in_background(session, query) as raised:
        try:
            yield
        finally:
            session.cancel()
    assert isinstance(raised[0], psycopg.errors.QueryCanceled)


def wait_event(server: Cluster, session: Session) -> str:
    """What pg_stat_activity shows for a session."""
    return server.run_sql(
        "SELECT coalesce(wait_event_type, 'none'), coalesce(wait_event, 'none')"
        f" FROM pg_stat_activity WHERE pid = {session.info.backend_pid}"
    )


def python_event(server: Cluster) -> str:
    """How it shows Python."""
    return "Extension|MulticornPython" if server.version >= 170000 else "Extension|Extension"


def test_python_is_a_wait_event(
    server: Cluster, connect: Connect, add_module: Callable[[str], str]
) -> None:
    """While Python code runs, also after it has called PostgreSQL, and no longer."""
    begun = server.scratch / "wait_event_begun"
    create_table(
        server, "waits", "a int", f"wrapper '{add_module(WAITING)}.Waits', begun '{begun}'"
    )
    session = connect()
    with running(session, "SELECT count(*) FROM waits"):
        wait_until(begun.exists)
        assert wait_event(server, session) == python_event(server)
    assert wait_event(server, session) == "Client|ClientRead"


def test_postgresql_is_none(
    server: Cluster, connect: Connect, add_module: Callable[[str], str]
) -> None:
    """Between two rows PostgreSQL's own work shows as it always does."""
    begun = server.scratch / "wait_event_of_none"
    create_table(
        server, "waits", "a int", f"wrapper '{add_module(WAITING)}.Waits', begun '{begun}'"
    )
    server.run_sql(
        "CREATE OR REPLACE FUNCTION works(a int) RETURNS int LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_advisory_lock(a); WHILE a = 1 LOOP END LOOP; RETURN a; END $$"
    )
    session = connect()
    with running(session, "SELECT pg_sleep(3600) FROM waits"):
        wait_until(lambda: wait_event(server, session) == "Timeout|PgSleep")
    # Once all is loaded, nothing in the loop waits, so that nothing else ends the wait event.
    session.execute("SELECT works(a + 1) FROM waits LIMIT 1")
    working = (
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 1"
        f" AND pid = {session.info.backend_pid}"
    )
    with running(session, "SELECT works(a) FROM waits"):
        wait_until(lambda: server.run_sql(working) == "1")
        assert wait_event(server, session) == "none|none"
        assert not begun.exists()


LOCAL = """
    import multicorn, pathlib, time

    class Asks:
        def __init__(self, options, columns): self.begun = pathlib.Path(options["begun"])

        def execute(self, quals, columns):
            yield (1,)
            multicorn.execute("SELECT pg_sleep(3600) WHERE pg_try_advisory_lock_shared(77)")
            self.begun.touch()
            while True:
                time.sleep(0.01)
"""


def test_local_sql_is_none(
    server: Cluster, connect: Connect, add_module: Callable[[str], str]
) -> None:
    """SQL that Python code runs shows what it waits for, and what follows it is as before."""
    begun = server.scratch / "wait_event_of_sql"
    create_table(server, "asks", "a int", f"wrapper '{add_module(LOCAL)}.Asks', begun '{begun}'")
    session, holder = connect(), connect()
    with running(session, "SELECT count(*) FROM asks"):
        wait_until(lambda: wait_event(server, session) == "Timeout|PgSleep")
    session.execute("SELECT pg_advisory_unlock_all()")
    # Now the SQL has nothing to wait for.
    holder.execute("SELECT pg_advisory_lock(77)")
    with running(session, "SELECT count(*) FROM asks"):
        wait_until(begun.exists)
        assert wait_event(server, session) == python_event(server)
    with running(session, "DO $$ BEGIN LOOP END LOOP; END $$"):
        wait_until(lambda: wait_event(server, session) == "none|none")


# --- Memory -------------------------------------------------------------------------------------


@measures_memory
def test_memory_is_seen(
    server: Cluster, connect: Connect, add_module: Callable[[str], str]
) -> None:
    """What an instance holds counts for it, for Python and for the process, until it is dropped."""
    module = add_module(
        """
        class Holds:
            def __init__(self, options, columns):
                self.held = {"all": [b"%05d" % i * 200 for i in range(int(options["many"]))]}
                self.held["myself"] = self
            def execute(self, quals, columns): return [(1,)]
        """
    )
    many = 40_000
    create_table(server, "little", "a int", f"wrapper '{module}.Holds', many '1'")
    create_table(server, "much", "a int", f"wrapper '{module}.Holds', many '{many}'")
    session = connect()

    def status() -> tuple[int, int]:
        row = session.execute(
            "SELECT python_blocks, process_memory FROM multicorn_status()"
        ).fetchone()
        assert row is not None
        return row[0], row[1]

    session.execute("SELECT a FROM little")
    blocks, memory = status()
    session.execute("SELECT a FROM much")
    held = many * sys.getsizeof(bytes(1000))
    sizes = dict(
        session.execute("SELECT foreign_table::text, memory FROM multicorn_instances()").fetchall()
    )
    assert held < sizes["much"] < held + 20 * many
    assert sizes["little"] < 5_000
    assert status()[0] - blocks >= many
    assert status()[1] - memory > held
    # The instance is part of a cycle, and freed all the same.
    assert session.execute("SELECT multicorn_reset()").fetchone() == (2,)
    assert abs(status()[0] - blocks) < many // 10


def test_an_odd_instance_is_measured(
    server: Cluster, connect: Connect, add_module: Callable[[str], str]
) -> None:
    """Objects that lie about their class or fail to tell their size break nothing."""
    module = add_module(
        """
        class Odd:
            @property
            def __class__(self): raise ValueError("no class")
            def __sizeof__(self): raise ValueError("no size")
            def __eq__(self, other): raise ValueError("equal to nothing")
            __hash__ = None

        class Holds:
            def __init__(self, options, columns): self.odd = [Odd(), iter([Odd()]), {1: Odd()}]
            def execute(self, quals, columns): return [(1,)]
        """
    )
    create_table(server, "odd", "a int", f"wrapper '{module}.Holds'")
    session = connect()
    session.execute("SELECT a FROM odd")
    query = "SELECT memory BETWEEN 200 AND 20000 FROM multicorn_instances()"
    assert session.execute(query).fetchall() == [(True,)]


# --- Where modules come from --------------------------------------------------------------------


@pytest.fixture(scope="module")
def bindir_without_plpython() -> Iterator[Path]:
    """The programs of an installation that lacks PL/Python."""
    bindir = default_bindir()
    root = Path(os.environ["MULTICORN_TMP"]).parent
    with tempfile.TemporaryDirectory(dir=os.environ["MULTICORN_TMP"]) as folder:
        copy = Path(folder)
        copy.chmod(0o755)
        top = bindir.relative_to(root).parts[0]
        ignore = shutil.ignore_patterns("*plpython3*")
        shutil.copytree(root / top, copy / top, symlinks=True, ignore=ignore)
        yield copy / bindir.relative_to(root)


HOSTILE = "raise SystemError('hostile code in ' + __file__)\n"


@pytest.fixture(scope="module", params=["with PL/Python", "without PL/Python"])
def tempting(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A server in whose data folder, home and environment others have put modules of theirs."""
    bindir = None
    if request.param == "without PL/Python":
        bindir = request.getfixturevalue("bindir_without_plpython")
    environment = {"PYTHONPATH": ":.:relative", "PYTHONSTARTUP": "startup.py"}
    with Cluster(bindir, environment=environment) as cluster:
        home = cluster.folder / ".local" / "lib" / f"python{HERE}" / "site-packages"
        added = cluster.scratch / "added_by_pth"
        for folder in (home, added, cluster.data / "relative"):
            folder.mkdir(parents=True)
        for folder in (cluster.data, cluster.data / "relative", home, added):
            # One that our package imports late, one that a wrapper would, and what site runs.
            for name in ("graphlib", "hostile", "usercustomize", "startup"):
                (folder / f"{name}.py").write_text(HOSTILE)
        touched = cluster.scratch / "touched"
        (home / "hostile.pth").write_text(
            f"import pathlib; pathlib.Path({str(touched)!r}).touch()\n"
        )
        (home / "more.pth").write_text(f"# a comment\n{added}\n")
        good = cluster.scratch / "good"
        good.mkdir()
        (good / "reads.py").write_text(
            "import sys\n"
            "class Path:\n"
            "    def __init__(self, options, columns): pass\n"
            "    def execute(self, quals, columns): return [(entry,) for entry in sys.path]\n"
            "class Imports(Path):\n"
            "    def execute(self, quals, columns):\n"
            "        import graphlib\n"
            "        yield graphlib.__file__,\n"
            "        import hostile\n"
        )
        for path in (*cluster.folder.glob(".local/**/*"), *good.rglob("*"), good, added):
            path.chmod(0o755 if path.is_dir() else 0o644)
        cluster.run_sql(
            f"LOAD 'multicorn'; ALTER SYSTEM SET multicorn.python_path = '{good}';"
            "CREATE EXTENSION multicorn; CREATE SERVER python FOREIGN DATA WRAPPER multicorn;"
        )
        if bindir is None:
            cluster.run_sql("CREATE EXTENSION plpython3u")
        cluster.reload()
        create_table(cluster, "path", "entry text", "wrapper 'reads.Path'")
        create_table(cluster, "imports", "file text", "wrapper 'reads.Imports'")
        yield cluster


def test_no_module_comes_from_the_servers_user(tempting: Cluster) -> None:
    """Neither from the current folder nor from the home of the user who runs the server."""
    entries = tempting.run_sql("SELECT entry FROM path").splitlines()
    assert entries[0].endswith("/multicorn-python")
    assert entries[1] == str(tempting.scratch / "good")
    assert all(os.path.isabs(entry) for entry in entries)
    for folder in (tempting.data, tempting.folder / ".local", tempting.scratch / "added_by_pth"):
        assert not [entry for entry in entries if entry.startswith(str(folder))]
    assert not (tempting.scratch / "touched").exists()
    done = tempting.psql("SELECT file FROM imports")
    assert "No module named 'hostile'" in done.stderr
    assert "hostile code" not in done.stderr + tempting.log


def test_where_plpython_has_started_it(tempting: Cluster) -> None:
    """PL/Python's own start runs what the home holds; afterwards the path is the same."""
    if tempting.run_sql("SELECT count(*) FROM pg_extension WHERE extname = 'plpython3u'") == "0":
        return  # there is nothing else that could start it
    usercustomize = tempting.folder / ".local" / "lib" / f"python{HERE}" / "site-packages"
    assert (usercustomize / "usercustomize.py").exists()
    done = tempting.psql(
        "DO 'import sys; plpy.notice(len([e for e in sys.path if chr(46) + chr(108) in e]))'"
        " LANGUAGE plpython3u;"
        "SELECT 'entry', entry FROM path;",
        *("-A", "-t"),
    )
    entries = [line.partition("|")[2] for line in done.stdout.splitlines()]
    # The test would show nothing if PL/Python did not look there.
    assert "NOTICE:  1" in done.stderr
    assert entries and all(os.path.isabs(entry) for entry in entries)
    for folder in (tempting.data, tempting.folder / ".local", tempting.scratch / "added_by_pth"):
        assert not [entry for entry in entries if entry.startswith(str(folder))]


def test_without_plpython_it_is_our_own(bindir_without_plpython: Path) -> None:
    """multicorn_status() tells who has started the interpreter."""
    for bindir, who in ((None, "PL/Python"), (bindir_without_plpython, "multicorn")):
        with Cluster(bindir) as cluster:
            cluster.run_sql(
                "CREATE EXTENSION multicorn; CREATE SERVER python FOREIGN DATA WRAPPER multicorn;"
            )
            create_table(cluster, "constant", "a text", CONSTANT)
            told = cluster.run_sql(
                "SELECT count(*) FROM constant; SELECT started_by FROM multicorn_status()"
            )
            assert told == f"20\n{who}"


def test_the_environment_of_a_session_stays(server: Cluster, connect: Connect) -> None:
    """A virtual environment cannot be changed once Python runs, by whichever command."""
    create_table(server, "constant", "a text", CONSTANT)
    session = connect()
    session.execute("SELECT count(*) FROM constant")
    for change in (
        "SET multicorn.virtualenv = '/elsewhere'",
        "SET LOCAL multicorn.virtualenv = '/elsewhere'",
        "SELECT set_config('multicorn.virtualenv', '/elsewhere', false)",
        "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql SET multicorn.virtualenv = '/x'"
        " AS 'SELECT 1'; SELECT pg_temp.f()",
    ):
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="virtualenv") as raised:
            session.execute(change)
        assert "Python already runs in this session" in (raised.value.diag.message_detail or "")
    # What changes it from outside leaves the running session as it is.
    server.run_sql("LOAD 'multicorn'; ALTER SYSTEM SET multicorn.virtualenv = '/elsewhere'")
    server.reload()
    try:
        with connect() as other:
            other.execute("LOAD 'multicorn'")
            show = "SHOW multicorn.virtualenv"
            wait_until(lambda: other.execute(show).fetchone() == ("/elsewhere",))
        query = "SELECT virtualenv FROM multicorn_status()"
        assert session.execute(query).fetchone() == (None,)
        assert session.execute("SHOW multicorn.virtualenv").fetchone() == ("",)
        assert session.execute("SELECT count(*) FROM constant").fetchone() == (20,)
    finally:
        server.run_sql("LOAD 'multicorn'; ALTER SYSTEM RESET multicorn.virtualenv")
        server.reload()


# --- Preloading ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {"shared_preload_libraries": "multicorn"},
        {"session_preload_libraries": "multicorn"},
        {"local_preload_libraries": "$libdir/multicorn"},
        {"shared_preload_libraries": "multicorn,plpython3"},
        {"shared_preload_libraries": "plpython3,multicorn"},
    ],
    ids=["shared", "session", "local", "before PL/Python", "after PL/Python"],
)
def test_preloaded(settings: dict[str, str]) -> None:
    """The library may be there before the first session; Python starts in sessions alone."""
    if "local_preload_libraries" in settings:
        settings = {"session_preload_libraries": settings["local_preload_libraries"]}
    with Cluster(settings={**settings, "multicorn.cleanup_timeout": "7s"}) as cluster:
        cluster.run_sql(
            "CREATE EXTENSION multicorn; CREATE SERVER python FOREIGN DATA WRAPPER multicorn;"
            "CREATE TABLE numbers AS SELECT generate_series(1, 10000) AS n; ANALYZE numbers;"
        )
        create_table(cluster, "constant", "a text", CONSTANT)
        # A setting of postgresql.conf holds before anything was used; Python has not started.
        assert cluster.run_sql("SHOW multicorn.cleanup_timeout") == "7s"
        assert cluster.run_sql("SELECT running FROM multicorn_status()") == "f"
        assert cluster.run_sql("SELECT count(*) FROM constant") == "20"
        # Parallel workers load the library, too, and leave Python alone.
        parallel = (
            "SET debug_parallel_query = on;"
            if cluster.version >= 160000
            else "SET force_parallel_mode = on;"
        )
        parallel += "SET parallel_setup_cost = 0; SET min_parallel_table_scan_size = 0;"
        plan = cluster.run_sql(
            f"{parallel} EXPLAIN SELECT count(*) FROM numbers WHERE n % 7 < (SELECT count(*)"
            " FROM constant)"
        )
        assert "Gather" in plan
        assert (
            cluster.run_sql(
                f"{parallel} SELECT count(*) FROM numbers"
                " WHERE n % 7 < (SELECT count(*) FROM constant)"
            )
            == "10000"
        )
        cluster.run_sql("DISCARD ALL; CREATE ROLE plain LOGIN")
        if "shared_preload_libraries" in settings:
            # The settings are known from the start, and refused while a client connects.
            with pytest.raises(
                psycopg.OperationalError, match="permission denied to set parameter"
            ):
                psycopg.connect(
                    cluster.conninfo(user="plain"), options="-c multicorn.allowed_wrappers=*"
                )
        cluster.restart()
        assert cluster.run_sql("SELECT count(*) FROM constant") == "20"
        assert "PANIC" not in cluster.log and "terminated by signal" not in cluster.log
