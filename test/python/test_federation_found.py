"""What the first users of multicorn_attach and its kin have stumbled over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from psycopg import sql

from harness import Cluster
from harness.sessions import Connect, Session

REMOTE = "found"
TABLES = ("one", "two", "three", "four")


@pytest.fixture(scope="module")
def remote(server: Cluster) -> Iterator[Cluster]:
    """A server with a deployment of four tables, which logs what it is asked, and their parents."""
    server.createdb(REMOTE)
    columns = "(id serial PRIMARY KEY, name text NOT NULL)"
    server.run_sql(
        "".join(f"CREATE TABLE {name} {columns};" for name in TABLES)
        + f"ALTER DATABASE {REMOTE} SET log_statement = 'all'",
        database=REMOTE,
    )
    server.run_sql(
        "CREATE SCHEMA found; CREATE SERVER found_server FOREIGN DATA WRAPPER multicorn_postgres"
        f" OPTIONS (host '{server.host}', port '{server.port}', dbname '{REMOTE}');"
        "CREATE USER MAPPING FOR CURRENT_USER SERVER found_server OPTIONS (user 'postgres');"
        + "".join(
            f"CREATE TABLE found.{name}"
            " (entity text NOT NULL, id int NOT NULL, name text NOT NULL);"
            for name in TABLES
        )
    )
    yield server
    server.run_sql("DROP SERVER found_server CASCADE; DROP SCHEMA found CASCADE")


@pytest.fixture
def session(remote: Cluster, connect: Connect) -> Iterator[Session]:
    """A session in a transaction that is rolled back."""
    session = connect()
    with session.transaction(force_rollback=True):
        yield session


def asked(server: Cluster, call: Callable[[], Any]) -> int:
    """Return how many statements the remote database is sent by a call."""
    mark = f"@{REMOTE} LOG:  "
    before = server.log.count(mark)
    call()
    return server.log.count(mark) - before


def attach(session: Session, tables: list[str]) -> None:
    """Attach some tables."""
    session.execute(
        "SELECT multicorn_attach('found', 'found_server', tables => %s, discriminator => 'entity')",
        [tables],
    )


def test_many_tables_are_compared_at_once(remote: Cluster, session: Session) -> None:
    """The remote is asked as often for three tables as for one, by each of the functions."""
    session.execute("SELECT multicorn_connect('found_server')")  # the connection is there
    assert asked(remote, lambda: attach(session, ["one"])) > 0
    calls = (
        "SELECT * FROM multicorn_refresh('found')",
        "SELECT * FROM multicorn_check('found_server')",
    )
    single = [asked(remote, partial(session.execute, call)) for call in calls]
    session.execute("SELECT multicorn_detach('found', 'found_server', drop => true)")
    one = asked(remote, lambda: attach(session, ["one"]))
    assert asked(remote, lambda: attach(session, ["two", "three", "four"])) == one
    assert single == [asked(remote, partial(session.execute, call)) for call in calls]


def test_check_names_each_problem_once(remote: Cluster, session: Session) -> None:
    """Tables without one are fine, however many others there are."""
    attach(session, list(TABLES))
    remote.run_sql("ALTER TABLE two DROP COLUMN name", database=REMOTE)
    session.execute("ALTER TABLE found.three ALTER COLUMN name DROP NOT NULL")
    try:
        rows = session.execute("SELECT * FROM multicorn_check('found_server')").fetchall()
    finally:
        remote.run_sql("ALTER TABLE two ADD COLUMN name text NOT NULL", database=REMOTE)
    assert rows[0][:2] == ("connection", "ok")
    assert rows[1][:2] == ("collation", "ok")
    assert {tuple(row) for row in rows[2:]} == {
        ("table found_server.four", "ok", None),
        ("table found_server.one", "ok", None),
        ("table found_server.three", "warning", "nullability name expected NULL found NOT NULL"),
        ("table found_server.two", "error", "missing column name expected text"),
    }


def test_detach_says_nothing_of_schemas_that_it_has_dropped(session: Session) -> None:
    """Not once for each of their tables, either."""
    attach(session, list(TABLES))
    notices: list[str] = []
    session.add_notice_handler(lambda notice: notices.append(str(notice.message_primary)))
    session.execute("SELECT multicorn_detach('found', 'found_server', drop => true)")
    assert notices == []
    assert session.execute("SELECT to_regnamespace('found_server')").fetchone() == (None,)


@pytest.mark.parametrize("comment", [None, "who it is\nfrom"])
def test_local_tables_like_the_parent(session: Session, comment: str | None) -> None:
    """Their discriminator takes its value by itself, as a foreign table's does, until detached."""
    described = """
        SELECT c.column_default, col_description('trial.one'::regclass, c.ordinal_position)
        FROM information_schema.columns c
        WHERE (c.table_schema, c.table_name, c.column_name) = ('trial', 'one', 'entity')"""
    session.execute("CREATE SCHEMA trial")
    session.execute("CREATE TABLE trial.one (LIKE found.one)")
    session.execute(
        sql.SQL("COMMENT ON COLUMN trial.one.entity IS {}").format(sql.Literal(comment))
    )
    session.execute("SELECT multicorn_attach_local('found', 'trial', discriminator => 'entity')")
    session.execute("INSERT INTO trial.one (id, name) VALUES (1, 'n')")
    assert session.execute("SELECT * FROM found.one").fetchall() == [("trial", 1, "n")]
    session.execute("SELECT multicorn_detach_local('found', 'trial')")
    assert session.execute(described).fetchone() == (None, comment)


def test_local_tables_keep_their_own_default(session: Session) -> None:
    """It is neither replaced nor taken away."""
    session.execute("CREATE SCHEMA trial")
    session.execute("CREATE TABLE trial.one (LIKE found.one)")
    session.execute("ALTER TABLE trial.one ALTER COLUMN entity SET DEFAULT lower('TRIAL')")
    session.execute("SELECT multicorn_attach_local('found', 'trial', discriminator => 'entity')")
    session.execute("SELECT multicorn_detach_local('found', 'trial')")
    session.execute("INSERT INTO trial.one (id, name) VALUES (1, 'n')")
    assert session.execute("SELECT * FROM trial.one").fetchall() == [("trial", 1, "n")]


def test_keys_of_several_deployments_as_parameters(session: Session) -> None:
    """Each deployment is asked for its keys, and not for all of its rows, in a generic plan too."""
    attach(session, ["one"])
    session.execute("INSERT INTO found_server.one (name) VALUES ('a'), ('b'), ('c')")
    (last,) = session.execute("SELECT max(id) FROM found.one").fetchone() or (0,)
    session.execute("SET LOCAL plan_cache_mode = force_generic_plan")
    session.execute(
        "PREPARE by_keys AS SELECT name FROM found.one WHERE (entity, id) IN (($1, $2), ($3, $4))"
    )
    arguments = f"('found_server', {last}, 'other', {last - 1})"
    plan = session.execute(f"EXPLAIN (VERBOSE) EXECUTE by_keys {arguments}".encode()).fetchall()
    (remote,) = [line for (line,) in plan if "Remote SQL" in line]
    assert remote.count('("id" OPERATOR(pg_catalog.=) $') == 2, remote
    rows = session.execute(f"EXECUTE by_keys {arguments}".encode()).fetchall()
    assert rows == [("c",)]
    rows = session.execute(b"EXECUTE by_keys (NULL, 1, 'found_server', %d)" % (last - 2)).fetchall()
    assert rows == [("a",)]
