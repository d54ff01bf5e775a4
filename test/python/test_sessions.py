"""What a wrapper does to its session, and what it does not: start, end, memory, threads."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psycopg
import pytest

from harness import Cluster
from harness.marks import measures_memory
from harness.sessions import Connect, Session, wait_until

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


def create_table(server: Cluster, name: str, columns: str, options: str) -> None:
    """Create a foreign table anew."""
    server.run_sql(
        f"DROP FOREIGN TABLE IF EXISTS {name};"
        f"CREATE FOREIGN TABLE {name} ({columns}) SERVER python OPTIONS ({options})"
    )


def mapped_files(pid: int) -> str:
    """What a process has mapped into its memory."""
    return Path(f"/proc/{pid}/maps").read_text()


def has_ended(pid: int) -> bool:
    """Whether there is no such process any more."""
    return not Path(f"/proc/{pid}").exists()


def private_memory(pid: int) -> int:
    """The memory that a process has for itself, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"RssAnon:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


# --- The start ----------------------------------------------------------------------------------


def test_python_starts_with_the_first_foreign_table(server: Cluster, connect: Connect) -> None:
    """A session that touches none does not load Python."""
    wrapper = "wrapper 'multicorn.constantfdw.ConstantForeignDataWrapper'"
    create_table(server, "constant", "a text", wrapper)
    with connect() as session:
        session.execute("SELECT count(*) FROM pg_class")
        assert "libpython" not in mapped_files(session.info.backend_pid)
        assert session.execute("SELECT count(*) FROM constant").fetchone() == (20,)
        assert "libpython" in mapped_files(session.info.backend_pid)


def test_an_idle_session_keeps_little_memory(server: Cluster, connect: Connect) -> None:
    """What the interpreter and the package take; the benchmark shows more of it."""
    wrapper = "wrapper 'multicorn.constantfdw.ConstantForeignDataWrapper'"
    create_table(server, "constant", "a text", wrapper)
    with connect() as session:
        session.execute("SELECT count(*) FROM pg_class")
        before = private_memory(session.info.backend_pid)
        session.execute("SELECT count(*) FROM constant")
        growth = private_memory(session.info.backend_pid) - before
        assert 1_000_000 < growth < 16_000_000


def test_the_path_is_clean(
    server: Cluster, connect: Connect, add_module: Callable[[str], str]
) -> None:
    """Neither the current folder nor the server user's own packages are searched."""
    module = add_module(
        """
        import sys

        class Paths:
            def __init__(self, options, columns): pass
            def execute(self, quals, columns): return [(entry,) for entry in sys.path]
        """
    )
    create_table(server, "paths", "entry text", f"wrapper '{module}.Paths'")
    entries = [entry for (entry,) in connect().execute("SELECT entry FROM paths")]
    assert "" not in entries and "." not in entries
    assert entries[0].endswith("/multicorn-python")
    assert entries[1] == str(server.scratch / "wrappers")


# --- Virtual environments -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def environment(server: Cluster) -> Path:
    """A virtual environment with a wrapper in it, installed as pip does."""
    folder = server.scratch / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    packages = folder / "lib" / f"python{HERE}" / "site-packages"
    (packages / "housed.py").write_text(
        "class Housed:\n"
        "    def __init__(self, options, columns): pass\n"
        "    def execute(self, quals, columns): return [(__file__,)]\n"
    )
    return folder


def test_wrapper_in_a_virtual_environment(
    server: Cluster, connect: Connect, environment: Path
) -> None:
    """multicorn.virtualenv names the environment in which wrappers are looked for."""
    create_table(server, "housed", "a text", "wrapper 'housed.Housed'")
    with connect() as session:
        session.execute(f"SET multicorn.virtualenv = '{environment}'")
        assert session.execute("SELECT a LIKE %s FROM housed", [f"{environment}/%"]).fetchone() == (
            True,
        )
        with pytest.raises(psycopg.Error, match="virtualenv"):
            session.execute("SET multicorn.virtualenv = ''")
    with connect() as session, pytest.raises(psycopg.Error) as raised:
        session.execute("SELECT a FROM housed")
    assert raised.value.sqlstate == "58P01"
    assert "No module named 'housed'" in str(raised.value)


def test_virtual_environment_of_another_python(server: Cluster, connect: Connect) -> None:
    """An error names both versions; once the setting is right, the session can go on."""
    folder = server.scratch / "older"
    (folder / "lib" / "python3.9" / "site-packages").mkdir(parents=True)
    (folder / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.9.2\n")
    wrapper = "wrapper 'multicorn.constantfdw.ConstantForeignDataWrapper'"
    create_table(server, "constant", "a text", wrapper)
    with connect() as session:
        session.execute(f"SET multicorn.virtualenv = '{folder}'")
        with pytest.raises(psycopg.Error) as raised:
            session.execute("SELECT a FROM constant")
        assert f"was made for Python 3.9, but this server runs Python {HERE}" in str(raised.value)
        session.execute("SET multicorn.virtualenv = ''")
        assert session.execute("SELECT count(*) FROM constant").fetchone() == (20,)


# --- PL/Python ----------------------------------------------------------------------------------


@pytest.fixture
def plpython(server: Cluster) -> str:
    """A database with PL/Python and a foreign table in it."""
    server.run_sql('DROP DATABASE IF EXISTS "beside" WITH (FORCE)')
    server.createdb("beside")
    server.run_sql(
        "CREATE EXTENSION plpython3u; CREATE EXTENSION multicorn;"
        "CREATE SERVER python FOREIGN DATA WRAPPER multicorn;"
        "CREATE FOREIGN TABLE speaking (a int) SERVER python"
        "   OPTIONS (wrapper 'session.Speaks');"
        "CREATE FOREIGN TABLE constant (a text) SERVER python"
        "   OPTIONS (wrapper 'multicorn.constantfdw.ConstantForeignDataWrapper');"
        "CREATE FUNCTION shout(word text) RETURNS text LANGUAGE plpython3u AS $$\n"
        "print('PL/Python says', word)\nreturn word.upper() $$;",
        database="beside",
    )
    return "beside"


FOREIGN = "SELECT max(a) FROM constant"
PLPYTHON = "SELECT shout('a')"
BOTH = "SELECT max(shout(a)) FROM constant WHERE shout(a) LIKE 'A%1'"
THROUGH = """DO $$ plpy.execute("SELECT a FROM constant") $$ LANGUAGE plpython3u"""


@pytest.mark.parametrize(
    "queries",
    [
        [FOREIGN, PLPYTHON, FOREIGN],
        [PLPYTHON, FOREIGN, PLPYTHON],
        [BOTH, FOREIGN, PLPYTHON],
        [PLPYTHON, THROUGH, BOTH],
        [THROUGH, BOTH],
    ],
)
def test_plpython_before_and_after(
    server: Cluster, connect: Connect, plpython: str, queries: list[str]
) -> None:
    """Foreign tables and PL/Python share a session, whichever comes first."""
    answers = {FOREIGN: "a 9", PLPYTHON: "A", BOTH: "A 11"}
    with connect(plpython) as session:
        notices: list[str | None] = []
        session.add_notice_handler(lambda notice: notices.append(notice.message_primary))
        for query in queries:
            cursor = session.execute(query)
            if query in answers:
                assert cursor.fetchone() == (answers[query],)
        # PL/Python's print is its own.
        assert notices == []


def test_errors_pass_through_both(server: Cluster, connect: Connect, plpython: str) -> None:
    """PL/Python can catch what a wrapper raises, and the session goes on."""
    with connect(plpython) as session:
        notices: list[str | None] = []
        session.add_notice_handler(lambda notice: notices.append(notice.message_primary))
        session.execute(
            "DO $$\n"
            "try:\n"
            '    plpy.execute("SELECT a FROM speaking")\n'
            "except plpy.SPIError as error:\n"
            "    plpy.notice(error.sqlstate)\n"
            "$$ LANGUAGE plpython3u"
        )
        assert notices == ["for 5 \N{EURO SIGN}", "HV000"]
        assert session.execute(BOTH).fetchone() == ("A 11",)


def test_plpy_is_not_for_wrappers(
    server: Cluster, connect: Connect, plpython: str, add_module: Callable[[str], str]
) -> None:
    """PL/Python would take a wrapper for the function that reads the foreign table."""
    module = add_module(
        """
        class Asks:
            def __init__(self, options, columns): pass
            def execute(self, quals, columns):
                import plpy
                yield (plpy.execute("SELECT 5 AS five")[0]["five"],)
        """
    )
    server.run_sql(
        "CREATE FOREIGN TABLE asking (a int) SERVER python"
        f" OPTIONS (wrapper '{module}.Asks');"
        "CREATE FUNCTION ask() RETURNS int LANGUAGE plpython3u"
        """ AS $$ return plpy.execute("SELECT a FROM asking")[0]["a"] $$;"""
        "CREATE FUNCTION five() RETURNS int LANGUAGE plpython3u"
        """ AS $$ return plpy.execute("SELECT 5 AS five")[0]["five"] $$;""",
        database=plpython,
    )
    session = connect(plpython)
    for query in ("SELECT a FROM asking", "SELECT ask()"):
        with pytest.raises(psycopg.Error, match=r"execute\(\) cannot be used by a wrapper"):
            session.execute(query)
        assert session.execute("SELECT five(), max(shout(a)) FROM constant").fetchone() == (
            5,
            "A 9",
        )


def test_postgresqls_timer_stays(
    server: Cluster, connect: Connect, add_module: Callable[[str], str]
) -> None:
    """A wrapper cannot stop statement_timeout."""
    module = add_module(
        """
        import signal, time

        class Waits:
            def __init__(self, options, columns): pass
            def execute(self, quals, columns):
                for call in (lambda: signal.alarm(0),
                             lambda: signal.setitimer(signal.ITIMER_REAL, 0)):
                    try:
                        call()
                    except PermissionError:
                        pass
                time.sleep(3600)
        """
    )
    create_table(server, "waiting", "a int", f"wrapper '{module}.Waits'")
    session = connect()
    session.execute("SET statement_timeout = '300ms'")
    with pytest.raises(psycopg.errors.QueryCanceled):
        session.execute("SELECT a FROM waiting")


# --- The end ------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["disconnect", "terminate"])
def test_instances_are_closed_at_the_end(server: Cluster, connect: Connect, end: str) -> None:
    """However the session ends, close() is called."""
    closed = server.scratch / f"closed_by_{end}"
    create_table(server, "closing", "a int", f"wrapper 'session.Closes', closed '{closed}'")
    session = connect()
    session.execute("SELECT a FROM closing")
    assert not closed.exists()
    if end == "terminate":
        server.run_sql(f"SELECT pg_terminate_backend({session.info.backend_pid})")
    else:
        session.close()
    wait_until(closed.exists)


@pytest.mark.parametrize("place", ["close", "end_scan", "rollback"])
def test_what_is_said_at_the_end_waits_for_nobody(
    server: Cluster, connect: Connect, add_module: Callable[[str], str], place: str
) -> None:
    """A client that does not read keeps no session that is terminated; the log has every word."""
    module = add_module(
        """
        import logging

        class Talks:
            def __init__(self, options, columns): self.place = options["place"]
            def execute(self, quals, columns):
                for i in range(1000):
                    yield (i,)
            def at(self, place):
                if place == self.place:
                    for i in range(1000):
                        logging.warning("at the end %d %s", i, "x" * 3000)
                    logging.warning("the last word in %s", place)
            def begin(self, serializable): pass
            def pre_commit(self): pass
            def commit(self): pass
            def rollback(self): self.at("rollback")
            def end_scan(self): self.at("end_scan")
            def close(self): self.at("close")
        """
    )
    create_table(server, "talking", "a int", f"wrapper '{module}.Talks', place '{place}'")
    session = connect()
    with session.transaction(force_rollback=True):
        session.execute("DECLARE c CURSOR FOR SELECT a FROM talking")
        assert session.execute("FETCH c").fetchone() == (0,)
        pid = session.info.backend_pid
        server.run_sql(f"SELECT pg_terminate_backend({pid})")
        wait_until(partial(has_ended, pid))
        session.close()
    assert f"the last word in {place}" in server.log


@pytest.mark.parametrize(
    "work", ["ssl.create_default_context()", "hashlib.pbkdf2_hmac('sha256', b'a', b'b', 1000)"]
)
def test_a_session_ends_while_threads_are_in_c_code(
    server: Cluster, connect: Connect, add_module: Callable[[str], str], work: str
) -> None:
    """What libraries free when a process ends is not taken away from them."""
    module = add_module(
        f"""
        import hashlib, ssl, threading

        def work():
            while True:
                {work}

        class Works:
            def __init__(self, options, columns):
                for daemon in (True, False) * 2:
                    threading.Thread(target=work, daemon=daemon).start()
            def execute(self, quals, columns): return [(1,)]
        """
    )
    create_table(server, "working", "a int", f"wrapper '{module}.Works'")
    began = len(server.log)
    for i in range(20):
        session = connect()
        assert session.execute("SELECT a FROM working").fetchall() == [(1,)]
        pid = session.info.backend_pid
        if i % 2:
            server.run_sql(f"SELECT pg_terminate_backend({pid})")
        session.close()
        wait_until(partial(has_ended, pid))
    assert "terminated by signal" not in server.log[began:]


def test_critical_ends_the_session(server: Cluster, connect: Connect) -> None:
    """log_to_postgres(..., CRITICAL) does, also if Python swallows what it raises."""
    create_table(server, "ending", "a int", "wrapper 'session.Ends'")
    with connect() as bystander:
        session = connect()
        with pytest.raises(psycopg.OperationalError, match="that was all"):
            session.execute("SELECT a FROM ending")
        assert session.closed
        assert bystander.execute("SELECT 1").fetchone() == (1,)


# --- Messages, threads, memory ------------------------------------------------------------------


def test_threads(server: Cluster, connect: Connect) -> None:
    """Messages of threads arrive; PostgreSQL's signals stay with the main thread."""
    create_table(
        server, "threads", "signal text, blocked bool, own bool", "wrapper 'session.Threads'"
    )
    with connect() as session:
        notices: list[tuple[str | None, str | None]] = []
        session.add_notice_handler(
            lambda notice: notices.append((notice.severity, notice.message_primary))
        )
        rows = session.execute("SELECT * FROM threads").fetchall()
    assert rows == [(name, True, False) for name in ("SIGINT", "SIGTERM", "SIGALRM", "SIGUSR1")]
    assert sorted(notices) == [
        ("NOTICE", "printed by a thread"),
        ("NOTICE", "sent by a thread"),
        ("WARNING", "logged by a thread"),
    ]


@pytest.mark.parametrize("encoding", ["LATIN1", "UTF8"])
def test_messages_in_the_clients_encoding(server: Cluster, connect: Connect, encoding: str) -> None:
    """What the client's encoding lacks is escaped; a print never raises."""
    create_table(server, "speaking", "a int", "wrapper 'session.Speaks'")
    euro = "\N{EURO SIGN}" if encoding == "UTF8" else "\\u20ac"
    with connect() as session:
        notices: list[str | None] = []
        session.add_notice_handler(lambda notice: notices.append(notice.message_primary))
        session.execute(f"SET client_encoding = '{encoding}'")
        with pytest.raises(psycopg.Error) as raised:
            session.execute("SELECT a FROM speaking")
    assert notices == [f"for 5 {euro}"]
    assert raised.value.diag.message_primary == f"ValueError: not for 5 {euro}"


def test_errors_in_values_show_no_secrets(
    server: Cluster, connect: Connect, add_module: Callable[[str], str]
) -> None:
    """PostgreSQL's own errors quote values; those of secret options are masked in them too."""
    module = add_module(
        """
        class Tells:
            def __init__(self, options, columns): self.options = options
            def execute(self, quals, columns): return [[self.options["password"]]]
        """
    )
    options = f"wrapper '{module}.Tells', password 'hunter2'"
    session = connect()
    for name, kind in (("telling", "int"), ("told", "varchar(3)"), ("tell", "int[]")):
        create_table(server, name, f"a {kind}", options)
        with pytest.raises(psycopg.Error) as raised:
            session.execute(f"SELECT a FROM {name}")
        assert "hunter2" not in str(raised.value)
        assert 'column "a"' in (raised.value.diag.context or "")
    assert "********" in str(raised.value)
    assert "hunter2" not in server.log.replace(options, "")


@measures_memory
def test_a_cursor_needs_no_memory_per_row(server: Cluster, connect: Connect) -> None:
    """Rows are let go of as they are fetched."""
    create_table(server, "many", "a int, b text", "wrapper 'session.Many'")
    with connect() as session, session.transaction():
        session.execute("DECLARE many CURSOR FOR SELECT * FROM many")
        session.execute("FETCH 10000 FROM many")
        before = private_memory(session.info.backend_pid)
        while session.execute("FETCH 10000 FROM many").fetchone() is not None:
            pass
        assert private_memory(session.info.backend_pid) - before < 5_000_000


@measures_memory
@pytest.mark.parametrize(
    "place", ["nowhere", "__init__", "execute", "a row", "a value", "end_scan"]
)
def test_statements_leave_no_memory_behind(server: Cluster, connect: Connect, place: str) -> None:
    """Neither those that succeed nor those that fail, wherever they do."""
    create_table(server, "failing", "a int", f"wrapper 'session.Fails', place '{place}'")
    repeat = (
        "DO $$ BEGIN FOR i IN 1..2000 LOOP"
        " BEGIN PERFORM a FROM failing; EXCEPTION WHEN OTHERS THEN END;"
        " END LOOP; END $$"
    )
    with connect() as session:
        session.execute("SET client_min_messages = error")
        for _ in range(2):  # until caches have grown
            session.execute(repeat)
        before = private_memory(session.info.backend_pid)
        session.execute(repeat)
        assert private_memory(session.info.backend_pid) - before < 500_000


def test_postgresqls_handlers_stay(server: Cluster, connect: Connect) -> None:
    """A wrapper cannot put handlers before those by which queries are ended; others it can."""
    create_table(server, "handling", "signal text, error text", "wrapper 'session.Handles'")
    rows = connect().execute("SELECT * FROM handling").fetchall()
    assert [(name, error is None) for name, error in rows] == [
        ("SIGINT", False),
        ("SIGTERM", False),
        ("SIGALRM", False),
        ("SIGUSR1", False),
        ("SIGWINCH", True),
    ]
    assert rows[0][1] == "the handler of SIGINT is PostgreSQL's"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGUSR1"])
def test_faulthandler_takes_no_handler_away(
    server: Cluster, connect: Connect, add_module: Callable[[str], str], name: str
) -> None:
    """It may call PostgreSQL's as well, and have other signals."""
    module = add_module(
        f"""
        import faulthandler, signal

        class Registers:
            def __init__(self, options, columns): pass
            def execute(self, quals, columns):
                file = open("/dev/null", "w")
                try:
                    faulthandler.register(signal.{name}, file)
                except ValueError as error:
                    yield (str(error),)
                faulthandler.register(signal.{name}, file, chain=True)
                faulthandler.register(signal.SIGWINCH, file)
        """
    )
    create_table(server, "registering", "a text", f"wrapper '{module}.Registers'")
    session = connect()
    assert session.execute("SELECT a FROM registering").fetchall() == [
        (f"the handler of {name} is PostgreSQL's; chain=True calls it as well",)
    ]
    with pytest.raises(psycopg.errors.QueryCanceled):
        session.execute("SET statement_timeout = '100ms'; SELECT pg_sleep(60)")
    server.run_sql(f"SELECT pg_terminate_backend({session.info.backend_pid})")
    pid = session.info.backend_pid
    wait_until(partial(has_ended, pid))


def test_postgresqls_signals_are_not_blocked(
    server: Cluster, connect: Connect, add_module: Callable[[str], str]
) -> None:
    """Neither does a wrapper hide them; on a thread of its own it may do what it likes."""
    module = add_module(
        """
        import signal
        import threading

        TAKEN = [signal.SIGINT, signal.SIGTERM, signal.SIGALRM]

        def tried(how, signals):
            try:
                mask = signal.pthread_sigmask(how, signals)
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            except ValueError as error:
                return str(error)
            return "done"

        class Blocks:
            def __init__(self, options, columns): pass
            def execute(self, quals, columns):
                yield (tried(signal.SIG_BLOCK, TAKEN),)
                yield (tried(signal.SIG_SETMASK, iter(TAKEN)),)
                yield (tried(signal.SIG_BLOCK, [signal.SIGWINCH]),)
                yield (tried(signal.SIG_UNBLOCK, TAKEN),)
                answers = []
                thread = threading.Thread(
                    target=lambda: answers.append(tried(signal.SIG_BLOCK, TAKEN))
                )
                thread.start()
                thread.join()
                yield (answers[0],)
                yield (", ".join(map(str, signal.pthread_sigmask(signal.SIG_BLOCK, TAKEN))),)
        """
    )
    create_table(server, "blocking", "answer text", f"wrapper '{module}.Blocks'")
    session = connect()
    refused = "SIGINT is PostgreSQL's, to block or not in its thread"
    rows = session.execute("SELECT * FROM blocking LIMIT 5").fetchall()
    assert rows == [(refused,), (refused,), ("done",), ("done",), ("done",)]
    with pytest.raises(psycopg.Error, match=refused):
        session.execute("SELECT * FROM blocking")
    assert blocked_signals(session).isdisjoint({signal.SIGINT, signal.SIGTERM, signal.SIGALRM})


def blocked_signals(session: Session) -> set[int]:
    """The signals that the main thread of a session's process blocks."""
    status = Path(f"/proc/{session.info.backend_pid}/status").read_text()
    mask = int(re.findall(r"SigBlk:\s*(\w+)", status)[0], 16)
    return {number for number in range(1, 65) if mask >> (number - 1) & 1}


def test_signals_that_c_code_has_blocked(
    server: Cluster, connect: Connect, add_module: Callable[[str], str]
) -> None:
    """They are heard again from the next statement on that reads no foreign table."""
    module = add_module(
        """
        import ctypes
        import signal

        class Blocks:
            def __init__(self, options, columns): pass
            def execute(self, quals, columns):
                mask = ctypes.create_string_buffer(128)
                library = ctypes.CDLL(None)
                library.sigemptyset(mask)
                library.sigaddset(mask, signal.SIGINT)
                library.pthread_sigmask(signal.SIG_BLOCK, mask, None)
                yield (1,)
        """
    )
    create_table(server, "blocking_in_c", "a int", f"wrapper '{module}.Blocks'")
    session = connect()
    session.execute("SELECT * FROM blocking_in_c")
    assert signal.SIGINT in blocked_signals(session)
    session.execute("SELECT 1")
    assert signal.SIGINT not in blocked_signals(session)


def test_the_data_folder_stays(
    server: Cluster, connect: Connect, add_module: Callable[[str], str]
) -> None:
    """A wrapper cannot change the folder by which PostgreSQL finds its files."""
    module = add_module(
        """
        import os, subprocess

        class Wanders:
            def __init__(self, options, columns): pass
            def execute(self, quals, columns):
                yield (os.getcwd(),)
                yield (subprocess.run("pwd", cwd="/", stdout=-1).stdout.strip(),)
                os.chdir("/")
        """
    )
    create_table(server, "wandering", "folder text", f"wrapper '{module}.Wanders'")
    session = connect()
    with session.transaction():
        rows = session.execute("SELECT folder FROM wandering LIMIT 2").fetchall()
    assert rows == [(str(server.data),), ("/",)]
    with pytest.raises(psycopg.Error, match="out of its data folder"):
        session.execute("SELECT folder FROM wandering")
    assert session.execute("SELECT count(*) > 0 FROM pg_class").fetchone() == (True,)
