"""Servers that cannot be reached, and queries that do without them: on_unreachable 'skip'.

Whatever the answer lacks, it must be what the servers that are there have: a heap table says so.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

import psycopg
import pytest
from psycopg import errors

from harness import Cluster
from harness.certificates import Authority, has_openssl
from harness.sessions import LONGEST_WAIT, Connect, Session, wait_until
from multicorn.postgresfdw import _wait

numbers = count(1)

Unreachable = errors.SqlclientUnableToEstablishSqlconnection

HBA = """
local all all trust
host all scrammer 127.0.0.1/32 scram-sha-256
host all stranger 127.0.0.1/32 reject
host all all 127.0.0.1/32 trust
"""

PEOPLE = "CREATE TABLE people (id int PRIMARY KEY, name text);"
ROWS = {"north": [(1, "ann"), (2, "bea")], "south": [(1, "cid"), (3, "dan"), (4, "eve")]}

# What stands in the schema of the parent: tables that keep what is read, and functions that read.
LOCAL = """
CREATE TABLE people (id int, name text);
CREATE TABLE kept (id bigint);
CREATE TABLE watched (id bigint);
CREATE TABLE followed (id bigint);
CREATE TABLE deferred (id bigint);
CREATE TABLE filled (id int);
CREATE FUNCTION total() RETURNS bigint LANGUAGE plpgsql SET search_path FROM CURRENT AS
    $$ BEGIN RETURN (SELECT count(*) FROM people); END $$;
CREATE FUNCTION sql_total() RETURNS bigint LANGUAGE sql VOLATILE SET search_path FROM CURRENT AS
    'SELECT count(*) FROM people';
CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS
    $$ BEGIN NEW.id = (SELECT count(*) FROM people); RETURN NEW; END $$;
CREATE FUNCTION copy() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS
    $$ DECLARE n bigint; BEGIN SELECT count(*) INTO n FROM people; RETURN NULL; END $$;
CREATE PROCEDURE read() LANGUAGE plpgsql SET search_path FROM CURRENT AS
    $$ BEGIN PERFORM FROM people; END $$;
CREATE TRIGGER look BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION look();
CREATE TRIGGER copy AFTER INSERT ON followed FOR EACH ROW EXECUTE FUNCTION copy();
CREATE CONSTRAINT TRIGGER copy AFTER INSERT ON deferred DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION copy();
ALTER TABLE filled ADD total bigint DEFAULT total();
CREATE MATERIALIZED VIEW seen AS SELECT * FROM people WITH NO DATA;
CREATE VIEW shown AS SELECT * FROM people;
PREPARE every AS SELECT * FROM people;
INSERT INTO kept VALUES (1);
"""


@pytest.fixture(scope="module")
def remote() -> Iterator[Cluster]:
    """A remote server with two databases of one application."""
    with Cluster(tcp=True) as cluster:
        (cluster.data / "pg_hba.conf").write_text(HBA)
        cluster.reload()
        cluster.run_sql(
            "CREATE ROLE scrammer LOGIN PASSWORD 'right'; CREATE ROLE stranger LOGIN;"
            "CREATE ROLE full_up LOGIN CONNECTION LIMIT 0"
        )
        for name, rows in ROWS.items():
            cluster.createdb(name)
            values = ", ".join(f"({id}, '{person}')" for id, person in rows)
            cluster.run_sql(f"{PEOPLE} INSERT INTO people VALUES {values}", database=name)
        yield cluster


@pytest.fixture(scope="module")
def stopping() -> Iterator[Cluster]:
    """A remote server that tests stop, with a large table."""
    with Cluster(tcp=True) as cluster:
        cluster.run_sql(
            f"{PEOPLE} INSERT INTO people VALUES (9, 'zoe');"
            "CREATE TABLE big AS SELECT i AS id, repeat('x', 50) AS name"
            " FROM generate_series(1, 100000) AS i"
        )
        yield cluster


@pytest.fixture
def mortal(stopping: Cluster) -> Cluster:
    """The same, running."""
    stopping.stop()
    stopping.start()
    return stopping


@dataclass(frozen=True)
class Warned:
    """A WARNING that a session has got."""

    message: str
    detail: str
    hint: str


class Report:
    """A table over several servers, in a schema of its own.

    Attributes:
        session: a session that finds the tables.
        schema: the schema, and the prefix of the servers' names.
        warnings: those that the session has got.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.schema = f"report_{next(numbers)}"
        self.warnings: list[Warned] = []
        self.execute(f"CREATE SCHEMA {self.schema}; SET search_path = {self.schema}, public")
        self.execute(LOCAL)
        session.add_notice_handler(self._note)

    def _note(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        """Keep a WARNING."""
        if diagnostic.severity_nonlocalized == "WARNING":
            words = (diagnostic.message_primary, diagnostic.message_detail, diagnostic.message_hint)
            self.warnings.append(Warned(*(word or "" for word in words)))

    def attach(
        self, name: str, mapping: str = "user 'postgres'", table: str = "people", **options: object
    ) -> str:
        """Attach a table of a server; returns the server's name."""
        server = f"{self.schema}-{name}"
        written = ", ".join(f"{key} '{value}'" for key, value in options.items())
        self.execute(
            f'CREATE SERVER "{server}" FOREIGN DATA WRAPPER multicorn_postgres OPTIONS ({written});'
            f'CREATE USER MAPPING FOR postgres SERVER "{server}" OPTIONS ({mapping});'
            f"CREATE FOREIGN TABLE {name} (id int OPTIONS (key 'true'), name text)"
            f' INHERITS (people) SERVER "{server}"'
            f" OPTIONS (schema_name 'public', table_name '{table}')"
        )
        return server

    def execute(self, sql: str, **keywords: Any) -> None:
        """Run a statement."""
        self.session.execute(sql, **keywords)

    def rows(self, sql: str, *arguments: Any, **keywords: Any) -> list[Any]:
        """Return the rows of a query."""
        return self.session.execute(sql, *arguments, **keywords).fetchall()

    def people(self) -> list[Any]:
        """Return the names of all."""
        return [name for (name,) in self.rows("SELECT name FROM people ORDER BY name")]

    def warned(self) -> list[str]:
        """Return the messages since the last time."""
        messages = [warning.message for warning in self.warnings]
        self.warnings.clear()
        return messages

    def skipped(self) -> list[str]:
        """Return the names that multicorn_skipped() has."""
        return [name for (name,) in self.rows("SELECT server_name FROM multicorn_skipped()")]


def left_out(*servers: str) -> list[str]:
    """Return the warnings about servers."""
    return [f'server "{server}" cannot be reached: its rows are left out' for server in servers]


def free_port() -> int:
    """Return a port that refuses."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class Door:
    """Somebody who listens on a port, counts who comes, and closes or says nothing."""

    def __init__(self, closes: bool) -> None:
        self.callers = 0
        self._closes = closes
        self._kept: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                self.callers += 1
                if self._closes:
                    # What was sent is read, or the caller would see a reset.
                    caller.recv(1024)
                    caller.close()
                else:
                    self._kept.append(caller)

    def close(self) -> None:
        """Listen no more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(LONGEST_WAIT)
        for caller in self._kept:
            caller.close()


@pytest.fixture
def door() -> Iterator[Door]:
    """A tunnel whose other end is missing."""
    door = Door(closes=True)
    yield door
    door.close()


@pytest.fixture
def report(connect: Connect, remote: Cluster) -> Report:
    """A report of two servers that are there."""
    report = Report(connect())
    for name in ROWS:
        report.attach(name, host=remote.host, port=remote.port, dbname=name)
    return report


@pytest.fixture
def away(report: Report) -> str:
    """A third server, which refuses."""
    return report.attach(
        "away", host="127.0.0.1", port=free_port(), on_unreachable="skip", sslmode="disable"
    )


PRESENT = ["ann", "bea", "cid", "dan", "eve"]


# --- What may do without a server -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT name FROM people ORDER BY 1", [(name,) for name in PRESENT]),
        ("SELECT count(*) FROM people", [(5,)]),
        ("SELECT count(*) FROM away", [(0,)]),
        ("SELECT id FROM people WHERE id > 2 ORDER BY id DESC LIMIT 1", [(4,)]),
        ("SELECT count(*) FROM people a JOIN people b USING (id)", [(7,)]),
        ("SELECT count(*) FROM generate_series(1, 3) n, LATERAL (SELECT FROM people"
         " WHERE id >= n LIMIT 9) AS s", [(10,)]),
        ("SELECT (SELECT count(*) FROM people WHERE id = n) FROM generate_series(1, 2) n",
         [(2,), (1,)]),
        ("WITH w AS MATERIALIZED (SELECT * FROM people) SELECT count(*) FROM w", [(5,)]),
        ("SELECT count(*) FROM (SELECT id FROM people UNION ALL SELECT id FROM away) u", [(5,)]),
        ("SELECT count(*) FROM shown", [(5,)]),
        ("SELECT total(), sql_total()", [(5, 5)]),
        ("EXECUTE every", None),
        ("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT FROM people", None),
        ("DO 'BEGIN PERFORM FROM people; PERFORM total(); END'", None),
        ("CALL read()", None),
    ],
)  # fmt: skip
def test_a_select_does_without(report: Report, away: str, sql: str, rows: list[Any] | None) -> None:
    """It is warned of once, and told afterwards, as often as it is asked."""
    if rows is None:
        report.execute(sql)
    else:
        assert report.rows(sql) == rows
    (warning,) = report.warnings
    assert "refused" in warning.detail.lower()
    assert warning.hint == (
        "It is tried again after 60 s. To have an error instead, set multicorn.on_unreachable to"
        " 'error'."
    )
    assert report.warned() == left_out(away)
    for _ in range(2):
        ((name, message, is_recent),) = report.rows(
            "SELECT server_name, message, since BETWEEN now() - interval '1 hour' AND now()"
            " FROM multicorn_skipped()"
        )
        assert (name, message, is_recent) == (away, warning.detail, True)
    assert report.rows("SELECT count(*) FROM north") == [(2,)]
    assert report.skipped() == []
    assert report.warned() == []


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO kept SELECT id FROM people",
        "INSERT INTO kept VALUES (total())",
        "INSERT INTO kept VALUES (sql_total())",
        "INSERT INTO kept SELECT 1 RETURNING total()",
        "INSERT INTO away VALUES (1)",
        "UPDATE kept SET id = (SELECT count(*) FROM people)",
        "UPDATE kept SET id = 2 FROM people p WHERE p.id = kept.id",
        "UPDATE people SET name = 'x'",
        "DELETE FROM away",
        "DELETE FROM kept WHERE id NOT IN (SELECT id FROM people)",
        "MERGE INTO kept k USING people p ON p.id = k.id WHEN NOT MATCHED THEN DO NOTHING",
        "TRUNCATE away",
        "CREATE TABLE made AS SELECT * FROM people",
        "CREATE TABLE made AS SELECT total()",
        "CREATE TABLE made AS EXECUTE every",
        "SELECT * INTO made FROM people",
        "CREATE MATERIALIZED VIEW made AS SELECT * FROM people",
        "REFRESH MATERIALIZED VIEW seen",
        "COPY (SELECT * FROM people) TO '/dev/null'",
        "COPY (SELECT total()) TO '/dev/null'",
        "COPY filled (id) FROM PROGRAM 'echo 1'",
        "SELECT * FROM people FOR UPDATE",
        "SELECT * FROM away FOR SHARE",
        "SELECT count(*) FROM (SELECT * FROM people FOR UPDATE) AS s",
        "WITH gone AS (DELETE FROM kept RETURNING id) SELECT count(*) FROM people, gone",
        "WITH made AS (INSERT INTO kept VALUES (total())) SELECT 1",
        "INSERT INTO watched VALUES (1)",
        "INSERT INTO followed VALUES (1)",
        "INSERT INTO deferred VALUES (1)",
        "ALTER TABLE kept ADD n bigint DEFAULT total()",
        "EXPLAIN (ANALYZE) INSERT INTO kept SELECT id FROM people",
        "EXPLAIN (ANALYZE) CREATE TABLE made AS SELECT * FROM people",
        "EXPLAIN (ANALYZE) CREATE TABLE made AS EXECUTE every",
        "DO 'BEGIN INSERT INTO kept SELECT id FROM people; END'",
        "DO 'DECLARE n int; BEGIN FOR n IN SELECT id FROM people FOR UPDATE LOOP END LOOP; END'",
        "ANALYZE away",
        'IMPORT FOREIGN SCHEMA public FROM SERVER "{away}" INTO {schema}',
    ],
)  # fmt: skip
def test_what_is_kept_needs_all_rows(report: Report, away: str, sql: str) -> None:
    """It is an error and changes nothing, also where a SELECT has just done without."""
    report.execute("SELECT FROM people")
    report.warned()
    with pytest.raises(Unreachable) as raised:
        report.execute(sql.format(away=away, schema=report.schema))
    assert raised.value.diag.message_primary == f'could not connect to server "{away}"'
    assert report.warned() == []
    assert report.rows("SELECT * FROM kept") == [(1,)]
    assert report.people() == PRESENT
    assert report.warned() == left_out(away)


def test_after_a_write_that_has_failed(report: Report, away: str) -> None:
    """Neither a block that catches the error nor a savepoint leaves anything behind."""
    report.execute(
        "DO $$ BEGIN INSERT INTO kept SELECT id FROM people;"
        " EXCEPTION WHEN sqlclient_unable_to_establish_sqlconnection THEN PERFORM FROM people;"
        " END $$"
    )
    assert report.warned() == left_out(away)
    with report.session.transaction():
        report.execute("INSERT INTO north VALUES (7, 'new')")
        report.execute("SAVEPOINT s")
        with pytest.raises(Unreachable):
            report.execute("INSERT INTO away VALUES (7, 'new')")
        report.execute("ROLLBACK TO s")
        assert report.people() == [*PRESENT, "new"]
        assert report.skipped() == [away]
        report.execute("DELETE FROM north WHERE id = 7")
    assert report.warned() == left_out(away)


def test_cursors(report: Report, away: str) -> None:
    """A cursor is one statement, however its rows are fetched."""
    other = report.attach("away2", host="/nowhere", on_unreachable="skip")
    with report.session.transaction():
        report.execute("DECLARE c CURSOR FOR SELECT name FROM people")
        assert report.skipped() == []
        found = []
        while rows := report.rows("FETCH 1 FROM c"):
            found += rows
        assert sorted(found) == [(name,) for name in PRESENT]
        assert report.warned() == left_out(away, other)
        assert report.skipped() == [away, other]
        report.execute("DECLARE h CURSOR WITH HOLD FOR SELECT name FROM people ORDER BY 1")
    assert report.warned() == left_out(away, other)
    assert report.rows("FETCH ALL FROM h") == [(name,) for name in PRESENT]
    report.execute("BEGIN")
    report.execute("DECLARE locking CURSOR FOR SELECT * FROM away FOR UPDATE")
    with pytest.raises(Unreachable):
        report.execute("FETCH FROM locking")
    report.execute("ROLLBACK")
    with report.session.transaction(), report.session.cursor("named") as cursor:
        cursor.itersize = 2
        assert sorted(cursor.execute("SELECT name FROM people")) == [(name,) for name in PRESENT]
    assert report.warned() == left_out(away, other)


def test_prepared_statements(report: Report, away: str) -> None:
    """Those of the protocol, in generic plans too, and those that become prepared remotely."""
    for number in range(8):
        sql = "SELECT count(*) FROM people WHERE id >= %s"
        assert report.rows(sql, [number % 2], prepare=True) == [(5,)]
        assert report.warned() == left_out(away)
        assert report.skipped() == [away]


def test_statements_sent_together(report: Report, away: str) -> None:
    """What the client sends as one is one."""
    report.execute("SELECT FROM people; SELECT FROM away")
    assert report.warned() == left_out(away)
    assert report.skipped() == [away]


def test_the_setting_goes_over_the_option(report: Report, away: str) -> None:
    """In both directions, and not for what it does not know."""
    report.execute("SET multicorn.on_unreachable = 'error'")
    with pytest.raises(Unreachable):
        report.people()
    report.execute("RESET multicorn.on_unreachable")
    assert report.people() == PRESENT
    report.execute(f"ALTER SERVER \"{away}\" OPTIONS (SET on_unreachable 'error')")
    with pytest.raises(Unreachable):
        report.people()
    report.execute("SET multicorn.on_unreachable = 'skip'")
    assert report.people() == PRESENT
    report.execute("SET multicorn.on_unreachable = 'server'")
    with pytest.raises(Unreachable):
        report.people()
    with pytest.raises(errors.InvalidParameterValue):
        report.execute("SET multicorn.on_unreachable = 'ignore'")


def test_a_session_without_python(connect: Connect) -> None:
    """Nothing was left out, and Python is not started to say so."""
    session = connect()
    assert session.execute("SELECT * FROM multicorn_skipped()").fetchall() == []
    # Once Python runs, that is refused.
    session.execute("SET multicorn.virtualenv = '/srv/another'")
    assert session.execute("SHOW multicorn.on_unreachable").fetchall() == [("server",)]


# --- When it is tried again -----------------------------------------------------------------------


def test_tried_once(report: Report, door: Door) -> None:
    """Within retry_after only what needs all rows tries; new parameters are tried at once."""
    server = report.attach("tunnel", host="127.0.0.1", port=door.port, on_unreachable="skip",
                           sslmode="disable", gssencmode="disable")  # fmt: skip
    for _ in range(3):
        assert report.people() == PRESENT
        assert report.rows("SELECT count(*) FROM people a, people b") == [(25,)]
        assert report.warned() == left_out(server, server)
    assert door.callers == 1
    with pytest.raises(Unreachable):
        report.execute("INSERT INTO kept SELECT id FROM people")
    assert door.callers == 2
    assert report.people() == PRESENT
    assert door.callers == 2
    report.execute(f"ALTER SERVER \"{server}\" OPTIONS (ADD keepalives_idle '60')")
    assert report.people() == report.people() == PRESENT
    assert door.callers == 3
    report.execute(f"ALTER SERVER \"{server}\" OPTIONS (ADD retry_after '0.000001')")
    assert report.rows("SELECT count(*) FROM people a, people b") == [(25,)]
    assert door.callers == 4
    assert report.people() == PRESENT
    assert door.callers == 5


def test_one_attempt_in_a_query(report: Report, door: Door) -> None:
    """What a query has done without it does without to its end, or its parts would not agree."""
    report.attach("tunnel", host="127.0.0.1", port=door.port, on_unreachable="skip",
                  retry_after="1e-9", sslmode="disable", gssencmode="disable")  # fmt: skip
    sql = "SELECT (SELECT count(*) FROM people WHERE id >= n) FROM generate_series(1, 4) n"
    assert report.rows(sql) == [(5,), (3,), (2,), (1,)]
    assert door.callers == 1


def test_planning(report: Report, door: Door) -> None:
    """The planner asks, takes statistics of this side if there is no answer, and tells nobody."""
    server = report.attach("tunnel", host="127.0.0.1", port=door.port, on_unreachable="skip",
                           use_remote_estimate="true", sslmode="disable",
                           gssencmode="disable")  # fmt: skip
    report.execute("EXPLAIN SELECT * FROM people")
    assert door.callers == 1
    assert report.warned() == []
    assert report.people() == PRESENT
    assert door.callers == 1
    assert report.warned() == left_out(server)
    with pytest.raises(Unreachable):
        report.execute("DELETE FROM tunnel")
    assert door.callers == 2
    report.execute("SET multicorn.on_unreachable = 'error'")
    with pytest.raises(Unreachable):
        report.execute("EXPLAIN SELECT * FROM people")


def test_success_forgets(report: Report, mortal: Cluster) -> None:
    """A write has found the server again: so queries do."""
    server = report.attach("mortal", host=mortal.host, port=mortal.port, on_unreachable="skip")
    mortal.stop()
    assert report.people() == PRESENT
    mortal.start()
    assert report.people() == PRESENT
    assert report.warned() == left_out(server, server)
    report.execute("INSERT INTO mortal VALUES (10, 'zog')")
    assert report.people() == [*PRESENT, "zoe", "zog"]
    assert report.warned() == []
    report.execute("DELETE FROM mortal WHERE id = 10")


# --- How a server can be missing ------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["fast", "immediate"])
@pytest.mark.parametrize("by", ["socket", "port"])
def test_stopped_and_started(report: Report, mortal: Cluster, mode: str, by: str) -> None:
    """A connection that was good before does not matter."""
    server = report.attach(
        "mortal",
        host=mortal.host if by == "socket" else "127.0.0.1",
        port=mortal.port,
        on_unreachable="skip",
        retry_after="1e-9",
    )
    for _ in range(2):
        assert report.people() == [*PRESENT, "zoe"]
        assert report.warned() == []
        mortal.stop(mode)
        assert report.people() == PRESENT
        assert report.warned() == left_out(server)
        mortal.start()


def test_starting_up(report: Report, remote: Cluster) -> None:
    """A server that says so is as good as none."""
    with Cluster(settings={"hot_standby": "off"}) as cluster:
        cluster.stop()
        (cluster.data / "standby.signal").touch()
        cluster.start()
        server = report.attach("waiting", host=cluster.host, on_unreachable="skip")
        assert report.people() == PRESENT
        (warning,) = report.warnings
        assert warning.message == left_out(server)[0]
        assert "the database system is" in warning.detail
        assert "57P03" not in warning.detail
        assert "LOCATION" not in warning.detail


def test_full(report: Report, remote: Cluster) -> None:
    """So is one that has no connection left."""
    server = report.attach("crowded", "user 'full_up'", host=remote.host, port=remote.port,
                           dbname="north", on_unreachable="skip")  # fmt: skip
    assert report.people() == PRESENT
    assert report.warned() == left_out(server)


@pytest.mark.parametrize("sslmode", ["disable", "prefer"])
def test_stands_still(report: Report, mortal: Cluster, sslmode: str) -> None:
    """The machine takes the call, and nobody answers: connect_timeout ends that."""
    server = report.attach("mortal", host="127.0.0.1", port=mortal.port, on_unreachable="skip",
                           connect_timeout="1", sslmode=sslmode)  # fmt: skip
    postmaster = int((mortal.data / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGSTOP)
    try:
        assert report.people() == PRESENT
        assert report.warned() == left_out(server)
        assert "timeout expired" in report.rows("SELECT message FROM multicorn_skipped()")[0][0]
    finally:
        os.kill(postmaster, signal.SIGCONT)


def test_a_default_timeout(report: Report) -> None:
    """Where a server may be left out, connect_timeout is 10 s unless it is set."""
    door = Door(closes=False)
    try:
        report.attach("silent", host="127.0.0.1", port=door.port)
        report.execute("SET statement_timeout = '2s'")
        with pytest.raises(errors.QueryCanceled):
            report.people()
        report.execute("SET statement_timeout = '1min'; SET multicorn.on_unreachable = 'skip'")
        assert report.people() == PRESENT
    finally:
        door.close()


@pytest.mark.parametrize("sslmode", ["disable", "prefer", "require"])
def test_a_tunnel_without_an_end(report: Report, door: Door, sslmode: str) -> None:
    """Somebody listens, and hangs up."""
    server = report.attach("tunnel", host="127.0.0.1", port=door.port, on_unreachable="skip",
                           sslmode=sslmode)  # fmt: skip
    assert report.people() == PRESENT
    assert report.warned() == left_out(server)


@pytest.mark.parametrize(
    "options",
    [
        {"host": "no-such-host.invalid"},
        {"host": "/nowhere"},
        {"host": "127.0.0.1"},
        {"host": "127.0.0.1,/nowhere,no-such-host.invalid"},
        {"host": "127.0.0.1,127.0.0.2", "port": "{refused},{door}"},
        {"host": "127.0.0.1,127.0.0.1", "port": "{door},{refused}"},
    ],
)
def test_nobody_there(report: Report, door: Door, options: dict[str, str]) -> None:
    """A name that nothing has, a socket that is not there, a port that refuses; or all of them."""
    given = {"port": "{refused}", "sslmode": "disable", **options}
    given["port"] = given["port"].format(refused=free_port(), door=door.port)
    server = report.attach("nobody", on_unreachable="skip", **given)
    assert report.people() == PRESENT
    assert report.warned() == left_out(server)


def test_another_host_answers(report: Report, remote: Cluster) -> None:
    """Where one of several is there, nothing is missing."""
    report.attach("third", host=f"127.0.0.1,{remote.host}", port=f"{free_port()},{remote.port}",
                  dbname="south", on_unreachable="skip")  # fmt: skip
    assert report.rows("SELECT count(*) FROM people") == [(8,)]
    assert report.warned() == []


TCP: dict[str, object] = {"host": "127.0.0.1", "port": "{port}"}


@pytest.mark.parametrize(
    ("mapping", "options", "message"),
    [
        ("user 'scrammer', password 'wrong'", TCP, "password authentication failed"),
        ("user 'scrammer'", TCP, "no password supplied"),
        ("user 'stranger'", TCP, "pg_hba.conf rejects"),
        ("user 'nobody at all'", {}, 'role "nobody at all" does not exist'),
        ("user 'postgres'", {"dbname": "nothing"}, 'database "nothing" does not exist'),
        ("user 'postgres'", {**TCP, "sslmode": "require"}, "server does not support SSL"),
        ("user 'postgres'", {"requirepeer": "nobody"}, "requirepeer specifies"),
        ("user 'postgres'", {**TCP, "channel_binding": "require"}, "channel binding required"),
        ("user 'postgres'", {**TCP, "gssencmode": "require"}, "GSSAPI"),
        ("user 'postgres'", {"sslmode": "never"}, "invalid sslmode value"),
        ("user 'postgres'", {"port": "99999"}, "invalid port number"),
        ("user 'postgres'", {"port": "1,2,3"}, "could not match 3 port numbers to 1 hosts"),
        ("user 'postgres'", {"service": "nothing"}, "service"),
        ("user 'postgres'", {"options": "-c nothing=1"}, "unrecognized configuration parameter"),
        ("user 'postgres'", {"target_session_attrs": "standby"}, "not in hot standby mode"),
        (
            "user 'scrammer', password 'wrong'",
            {"host": "127.0.0.1,127.0.0.1", "port": "{refused},{port}"},
            "password authentication failed",
        ),
        (
            "user 'postgres'",
            {"host": "{host},127.0.0.1", "port": "{port},{refused}", "dbname": "nothing"},
            'database "nothing" does not exist',
        ),
    ],
)
def test_a_refusal_is_an_error(
    report: Report, remote: Cluster, mapping: str, options: dict[str, str], message: str
) -> None:
    """What does not pass by itself is an error, and libpq's message what it always is."""
    given = {"host": "{host}", "port": "{port}", "dbname": "north", **options}
    given = {
        key: value.format(host=remote.host, port=remote.port, refused=free_port())
        for key, value in given.items()
    }
    report.attach("refusing", mapping, on_unreachable="skip", **given)
    with pytest.raises(Unreachable) as raised:
        report.people()
    detail = raised.value.diag.message_detail or ""
    assert message in detail
    user = mapping.split("'")[1]
    with pytest.raises(psycopg.OperationalError) as expected:
        connect_directly(
            {**given, "user": user, **password_of(mapping), "fallback_application_name": "test"}
        )
    assert detail == str(expected.value).strip()
    assert report.warned() == []


def connect_directly(parameters: dict[str, str]) -> None:
    """Connect without the extension, for libpq's own words."""
    conninfo = psycopg.conninfo.make_conninfo(**parameters)
    pgconn = psycopg.pq.PGconn.connect(conninfo.encode())
    message = pgconn.error_message.decode()
    pgconn.finish()
    raise psycopg.OperationalError(message)


def password_of(mapping: str) -> dict[str, str]:
    """Return the password in a mapping, if there is one."""
    return {"password": "wrong"} if "password" in mapping else {}


def test_no_password_in_the_mapping(report: Report, remote: Cluster) -> None:
    """The refusals that are ours are errors as well."""
    server = report.attach("refusing", host="127.0.0.1", port=free_port(), on_unreachable="skip")
    report.execute(f'DROP USER MAPPING FOR postgres SERVER "{server}"')
    with pytest.raises(errors.UndefinedObject):
        report.people()
    role = f"role_{next(numbers)}"
    report.execute(
        f'CREATE ROLE {role}; CREATE USER MAPPING FOR {role} SERVER "{server}";'
        f"GRANT USAGE ON SCHEMA {report.schema} TO {role};"
        f"GRANT SELECT ON refusing TO {role}; SET ROLE {role}"
    )
    with pytest.raises(psycopg.Error, match="password is required"):
        report.rows("SELECT * FROM refusing")


@pytest.mark.skipif(not has_openssl(), reason="openssl is not installed")
def test_a_wrong_certificate(report: Report, server: Cluster, mortal: Cluster) -> None:
    """A server that is not who it should be is not one that is missing."""
    good, evil = Authority(mortal, "good"), Authority(server, "evil")
    certificate, key = good.sign("localhost", "localhost", "IP:127.0.0.1")
    mortal.configure({"ssl": "on", "ssl_cert_file": str(certificate), "ssl_key_file": str(key)})
    mortal.reload()
    wait_until(lambda: mortal.run_sql("SHOW ssl") == "on")
    name = report.attach("mortal", host="127.0.0.1", port=mortal.port, on_unreachable="skip",
                         sslmode="verify-full", sslrootcert=evil.certificate)  # fmt: skip
    with pytest.raises(Unreachable) as raised:
        report.people()
    assert "certificate verify failed" in (raised.value.diag.message_detail or "")
    report.execute(f"ALTER SERVER \"{name}\" OPTIONS (SET sslrootcert '/no/file')")
    with pytest.raises(Unreachable) as raised:
        report.people()
    assert "/no/file" in (raised.value.diag.message_detail or "")
    report.execute(f"ALTER SERVER \"{name}\" OPTIONS (SET sslrootcert '{good.certificate}')")
    assert report.people() == [*PRESENT, "zoe"]
    mortal.configure({"ssl": "off"})
    mortal.reload()


# --- What was there is not left out ---------------------------------------------------------------


def test_lost_in_a_transaction(report: Report, mortal: Cluster) -> None:
    """A server that a transaction has seen is an error when it goes; the next one does without."""
    server = report.attach("mortal", host=mortal.host, port=mortal.port, on_unreachable="skip")
    report.execute("BEGIN")
    assert report.people() == [*PRESENT, "zoe"]
    mortal.stop("immediate")
    with pytest.raises(errors.ConnectionFailure):
        report.people()
    report.execute("ROLLBACK")
    assert report.warned() == []
    assert report.people() == PRESENT
    assert report.warned() == left_out(server)


def test_lost_in_a_savepoint(report: Report, mortal: Cluster) -> None:
    """If only a savepoint has seen it, the transaction does without it after ROLLBACK TO."""
    server = report.attach("mortal", host=mortal.host, port=mortal.port, on_unreachable="skip")
    report.execute("BEGIN; SAVEPOINT s")
    assert report.people() == [*PRESENT, "zoe"]
    mortal.stop("immediate")
    with pytest.raises(errors.ConnectionFailure):
        report.people()
    report.execute("ROLLBACK TO s")
    assert report.people() == PRESENT
    report.execute("COMMIT")
    assert report.warned() == left_out(server)


def test_lost_in_a_scan(report: Report, mortal: Cluster) -> None:
    """Rows that have begun to come are all, or an error."""
    report.attach("mortal", host=mortal.host, port=mortal.port, on_unreachable="skip", table="big")
    report.execute("BEGIN; DECLARE c CURSOR FOR SELECT id FROM mortal")
    assert report.rows("FETCH 10 FROM c") == [(id,) for id in range(1, 11)]
    mortal.stop("immediate")
    with pytest.raises(errors.ConnectionFailure):
        report.execute("FETCH ALL FROM c")
    report.execute("ROLLBACK")
    assert not any("left out" in message for message in report.warned())
    assert report.skipped() == []


class Relay:
    """Passes on what goes to a server, until it hangs up on the next word and refuses calls."""

    def __init__(self, port: int) -> None:
        self.hangs_up = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._to = port
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        caller, _ = self._listener.accept()
        callee = socket.create_connection(("127.0.0.1", self._to))
        threading.Thread(target=self._pass, args=(callee, caller), daemon=True).start()
        while data := caller.recv(65536):
            if self.hangs_up:
                break
            callee.sendall(data)
        self._listener.close()
        caller.shutdown(socket.SHUT_RDWR)
        callee.close()

    @staticmethod
    def _pass(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)


def test_lost_at_the_first_word(report: Report, mortal: Cluster) -> None:
    """A connection that seemed good, and was not: nothing had begun on it."""
    relay = Relay(mortal.port)
    server = report.attach("mortal", host="127.0.0.1", port=relay.port, on_unreachable="skip",
                           sslmode="disable", gssencmode="disable")  # fmt: skip
    assert report.people() == [*PRESENT, "zoe"]
    relay.hangs_up = True
    assert report.people() == PRESENT
    assert report.warned() == left_out(server)


@contextmanager
def black_out(cluster: Cluster) -> Iterator[None]:
    """Stop a server for a while."""
    cluster.stop()
    try:
        yield
    finally:
        cluster.start()


def test_explicit_transaction(report: Report, mortal: Cluster) -> None:
    """A transaction that did without goes on, commits elsewhere, and sees the server later."""
    server = report.attach("mortal", host=mortal.host, port=mortal.port, on_unreachable="skip",
                           retry_after="1e-9")  # fmt: skip
    with report.session.transaction():
        with black_out(mortal):
            assert report.people() == PRESENT
            report.execute("UPDATE north SET name = 'ada' WHERE id = 1")
        assert "zoe" in report.people()
    assert report.warned() == left_out(server)
    assert "ada" in report.people()
    report.execute("UPDATE north SET name = 'ann' WHERE id = 1")


def test_codes() -> None:
    """The code of a refusal is found, and taken out again, whatever language was spoken."""
    message = (
        'Verbindung zum Server auf Socket "/tmp/.s.PGSQL.5432" fehlgeschlagen: '
        "FATAL:  3D000: Datenbank »x: 12345: y« existiert nicht\n"
        "ORT:  InitPostgres, postinit.c:941\n"
        'connection to server at "127.0.0.1", port 5433 failed: '
        "FATAL:  57P03: the database system is starting up\n"
        "DETAIL:  Consistent recovery state has not been yet reached.\n"
        "LOCATION:  ProcessStartupPacket, backend_startup.c:801\n"
        "EMPLACEMENT : auth_failed, auth.c:335"
    )
    assert _wait._CODE.findall(message) == ["3D000", "57P03"]
    assert _wait._without_codes(message) == (
        'Verbindung zum Server auf Socket "/tmp/.s.PGSQL.5432" fehlgeschlagen: '
        "FATAL:  Datenbank »x: 12345: y« existiert nicht\n"
        'connection to server at "127.0.0.1", port 5433 failed: '
        "FATAL:  the database system is starting up\n"
        "DETAIL:  Consistent recovery state has not been yet reached."
    )
