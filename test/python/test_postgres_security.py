"""Who may connect to a remote PostgreSQL, whatever passwords libpq finds by itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import pq

from harness import Cluster
from multicorn import Error
from multicorn.postgresfdw import _options as options
from multicorn.utils import ForeignServer

SESSION = {
    **dict.fromkeys(("application_name", "session_id", "cluster_name", "database", "user"), "x"),
    **{"pid": "1", "encoding": "UTF8"},
}

USER = ForeignServer("remote", 1, "me", 2, 3, False, {}, {}, options.VALIDATOR)
SUPERUSER = ForeignServer("remote", 1, "me", 2, 3, True, {}, {}, options.VALIDATOR)


@pytest.fixture(scope="module")
def remote() -> Iterator[Cluster]:
    """A server that wants a password from `guarded`, and lets `open` in without."""
    with Cluster(tcp=True) as cluster:
        hba = cluster.data / "pg_hba.conf"
        hba.write_text(
            "local all postgres trust\n"
            "host all guarded 127.0.0.1/32 scram-sha-256\n"
            "host all open 127.0.0.1/32 trust\n"
        )
        cluster.reload()
        cluster.run_sql("CREATE ROLE guarded LOGIN PASSWORD 'right'; CREATE ROLE open LOGIN")
        yield cluster


@pytest.fixture
def tempting(remote: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The server's operating system user has the password of `guarded` in every place it can."""
    passfile = tmp_path / "passfile"
    passfile.write_text("*:*:*:*:right\n")
    passfile.chmod(0o600)
    services = tmp_path / "services"
    services.write_text("[service]\npassword=right\n")
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PGPASSWORD", "right")
    monkeypatch.setenv("PGPASSFILE", str(passfile))
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    return passfile


def connect(remote: Cluster, server: ForeignServer, required: bool = True, **given: str) -> str:
    """Connect as the wrapper does; return the remote's user, or what was refused and when."""
    parameters = options.connection_parameters(
        {"host": "127.0.0.1", "port": str(remote.port), "dbname": "postgres", **given}, SESSION
    )
    try:
        options.check_before_connecting(server, parameters, required)
    except Error as error:
        return f"before: {error.sqlstate} {error.message}"
    connection = pq.PGconn.connect(options.conninfo(parameters).encode())
    try:
        if connection.status != pq.ConnStatus.OK:
            return f"libpq: {connection.error_message.decode().strip()}"
        options.check_after_connecting(connection, server, parameters, required)
        return connection.user.decode()
    except Error as error:
        return f"after: {error.sqlstate} {error.message}"
    finally:
        connection.finish()


BEFORE = "before: 2F003 password is required"
AFTER = "after: 2F003 password is required"


def test_a_password_of_the_users_own_is_needed(remote: Cluster, tempting: Path) -> None:
    assert connect(remote, USER, user="guarded", password="right") == "guarded"
    assert connect(remote, USER, user="guarded") == BEFORE
    assert connect(remote, USER, user="guarded", password="") == BEFORE
    assert connect(remote, USER, user="guarded", service="service") == BEFORE
    assert connect(remote, USER, user="guarded", passfile=str(tempting)) == BEFORE


def test_a_wrong_password_is_not_replaced_by_the_servers(remote: Cluster, tempting: Path) -> None:
    for service, passfile in (("", ""), ("service", ""), ("", str(tempting))):
        wrong = {"password": "wrong", "service": service, "passfile": passfile}
        said = connect(remote, USER, True, user="guarded", **wrong)
        assert said.startswith("libpq:") and "password authentication failed" in said


def test_the_password_must_have_been_used(remote: Cluster, tempting: Path) -> None:
    assert connect(remote, USER, user="open", password="any") == AFTER
    assert connect(remote, USER, user="open", password="any", service="service") == AFTER


def test_a_superuser_and_who_a_superuser_lets_may_use_the_servers(
    remote: Cluster, tempting: Path
) -> None:
    for server, required in ((SUPERUSER, True), (USER, False)):
        assert connect(remote, server, required, user="guarded") == "guarded"
        assert connect(remote, server, required, user="open") == "open"


def test_dbname_is_the_name_of_a_database(remote: Cluster, tempting: Path) -> None:
    """It could else name another host, in place of that of the server."""
    for dbname in ("host=/nowhere", "postgresql://nowhere/", "x' host='/nowhere"):
        said = connect(remote, USER, user="guarded", password="right", dbname=dbname)
        assert f'database "{dbname}" does not exist' in said
