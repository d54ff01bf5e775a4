"""Remote servers on 127.0.0.1 that want passwords, TLS or certificates."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import psycopg
import pytest
from psycopg import errors

from harness import Cluster
from harness.certificates import Authority, has_openssl

pytestmark = pytest.mark.skipif(not has_openssl(), reason="openssl is not installed")

numbers = count(1)

HBA = """
local all all trust
hostssl all guarded,owner 127.0.0.1/32 scram-sha-256
hostssl all certified 127.0.0.1/32 cert
hostssl all open 127.0.0.1/32 trust
host all plain 127.0.0.1/32 scram-sha-256
"""


@pytest.fixture(scope="module")
def local() -> Iterator[Cluster]:
    """A server whose operating system user has passwords and services in the usual places."""
    with Cluster() as cluster:
        cluster.run_sql(
            "CREATE EXTENSION multicorn; CREATE ROLE alice LOGIN;"
            "GRANT USAGE ON FOREIGN DATA WRAPPER multicorn_postgres TO alice;"
            "GRANT CREATE ON SCHEMA public TO alice; CREATE ROLE passing LOGIN"
        )
        owner = cluster.folder.stat()
        for name, text in (
            (".pgpass", "*:*:*:*:right\n"),
            (".pg_service.conf", "[archive]\npassword=right\ndbname=postgres\n"),
        ):
            path = cluster.folder / name
            path.write_text(text)
            path.chmod(0o600)
            shutil.chown(path, owner.st_uid, owner.st_gid)
        yield cluster


@pytest.fixture(scope="module")
def authority(local: Cluster) -> Authority:
    """Who signs what the tests trust."""
    return Authority(local, "authority")


@pytest.fixture(scope="module")
def remote(local: Cluster, authority: Authority) -> Iterator[Cluster]:
    """The remote server, whose certificate is for localhost."""
    with Cluster(tcp=True) as cluster:
        (cluster.data / "pg_hba.conf").write_text(HBA)
        for path in authority.sign("localhost", "remote", "DNS:localhost", "IP:127.0.0.1"):
            copy = shutil.copy(path, cluster.folder / f"server{path.suffix}")
            shutil.chown(copy, cluster.folder.stat().st_uid, cluster.folder.stat().st_gid)
        cluster.configure(
            {
                "ssl": "on",
                "ssl_cert_file": str(cluster.folder / "server.crt"),
                "ssl_key_file": str(cluster.folder / "server.key"),
                "ssl_ca_file": str(authority.certificate),
            }
        )
        cluster.reload()
        cluster.run_sql(
            "CREATE ROLE guarded LOGIN PASSWORD 'right'; CREATE ROLE plain LOGIN PASSWORD 'right';"
            "CREATE ROLE certified LOGIN; CREATE ROLE open LOGIN;"
            "CREATE VIEW who AS SELECT session_user::text AS name,"
            " (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()) AS encrypted;"
            "CREATE VIEW slow AS SELECT pg_sleep(1000)::text AS name, true AS encrypted;"
            "GRANT SELECT ON who, slow TO PUBLIC"
        )
        yield cluster


# Asks the remote server as a role, with options of the server and of the mapping.
Ask = Callable[..., Any]


@pytest.fixture
def ask(local: Cluster, remote: Cluster) -> Iterator[Ask]:
    """Ask who one is there, and whether encrypted; or return the detail of the refusal."""
    sessions = []

    def ask(
        user: str,
        mapping: dict[str, str],
        role: str = "postgres",
        view: str = "who",
        timeout: str = "10s",
        **given: str,
    ) -> Any:
        name = f"remote_{next(numbers)}"
        options = {"host": "127.0.0.1", "port": str(remote.port), "dbname": "postgres", **given}
        session = psycopg.connect(local.conninfo(user="postgres"), autocommit=True)
        sessions.append(session)
        session.execute(
            f"CREATE SERVER {name} FOREIGN DATA WRAPPER multicorn_postgres OPTIONS"
            f" ({written(options)});"
            f"CREATE USER MAPPING FOR {role} SERVER {name}"
            f" OPTIONS ({written({'user': user, **mapping})});"
            f"CREATE FOREIGN TABLE {name} (name text, encrypted bool) SERVER {name}"
            f" OPTIONS (schema_name 'public', table_name '{view}');"
            f"GRANT SELECT ON {name} TO PUBLIC; SET ROLE {role};"
            f"SET statement_timeout = '{timeout}'"
        )
        try:
            return session.execute(f"SELECT * FROM {name}").fetchone()
        except errors.SqlclientUnableToEstablishSqlconnection as error:
            return error.diag.message_detail
        except psycopg.Error as error:
            return f"{error.sqlstate} {error.diag.message_primary}"

    yield ask
    for session in sessions:
        session.close()


def written(options: dict[str, str]) -> str:
    """Write options as SQL has them."""
    return ", ".join(f"{name} '{value}'" for name, value in options.items())


RIGHT = {"password": "right"}
REFUSED = "2F003 password is required"


# --- TLS ------------------------------------------------------------------------------------------


def test_password_over_tls(ask: Ask, authority: Authority) -> None:
    """A scram password, with a server that proves who it is."""
    trusted = {"sslmode": "verify-full", "sslrootcert": str(authority.certificate)}
    assert ask("guarded", RIGHT, **trusted) == ("guarded", True)
    assert ask("guarded", RIGHT, "alice", **trusted) == ("guarded", True)
    assert ask("guarded", RIGHT, host="localhost", hostaddr="127.0.0.1", **trusted) == (
        "guarded",
        True,
    )
    assert ask("guarded", RIGHT, channel_binding="require", **trusted) == ("guarded", True)
    assert ask("plain", RIGHT, "alice", sslmode="disable") == ("plain", False)


def test_server_of_another_authority(ask: Ask, local: Cluster) -> None:
    """It is not trusted, and the message says why."""
    other = Authority(local, "other").certificate
    for mode in ("verify-ca", "verify-full"):
        said = ask("guarded", RIGHT, sslmode=mode, sslrootcert=str(other))
        assert "certificate verify failed" in said
    said = ask("guarded", RIGHT, sslmode="verify-full", sslrootcert="/nowhere/root.crt")
    assert 'root certificate file "/nowhere/root.crt" does not exist' in said


def test_server_of_another_name(ask: Ask, authority: Authority) -> None:
    """Nor is one that has another's certificate."""
    place = {"host": "elsewhere.example", "hostaddr": "127.0.0.1"}
    trusted = {"sslrootcert": str(authority.certificate), **place}
    said = ask("guarded", RIGHT, sslmode="verify-full", **trusted)
    assert 'does not match host name "elsewhere.example"' in said
    assert ask("guarded", RIGHT, sslmode="verify-ca", **trusted) == ("guarded", True)


def test_without_tls(ask: Ask) -> None:
    """Who may not come without it does not."""
    assert "no encryption" in ask("guarded", RIGHT, sslmode="disable")
    said = ask("plain", RIGHT, sslmode="disable", channel_binding="require")
    assert "channel binding" in said


def test_certificate(ask: Ask, authority: Authority) -> None:
    """A client's certificate stands for a password where a superuser says so."""
    certificate, key = (str(path) for path in authority.sign("certified", "client"))
    own = {"sslcert": certificate, "sslkey": key}
    trusted = {"sslmode": "verify-full", "sslrootcert": str(authority.certificate)}
    assert ask("certified", own, **trusted) == ("certified", True)
    assert ask("certified", {**own, "password": "any"}, "alice", **trusted) == REFUSED
    lifted = {**own, "password_required": "false"}
    assert ask("certified", lifted, "alice", **trusted) == ("certified", True)
    assert "certificate" in ask("certified", {}, **trusted)


def test_cancel_over_tls(ask: Ask, remote: Cluster, authority: Authority) -> None:
    """A cancel finds its way there as well."""
    trusted = {"sslmode": "verify-full", "sslrootcert": str(authority.certificate)}
    start = time.monotonic()
    said = ask("guarded", RIGHT, view="slow", timeout="300ms", **trusted)
    assert said == "57014 canceling statement due to statement timeout"
    assert time.monotonic() - start < 5
    active = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%slow%' AND state = 'active'"
    assert remote.run_sql(f"{active} AND pid <> pg_backend_pid()") == "0"


# --- Passwords ------------------------------------------------------------------------------------


def test_wrong_password(ask: Ask, local: Cluster) -> None:
    """It is an error that does not show it, and the server's own password is not tried."""
    for role in ("postgres", "alice"):
        said = ask("plain", {"password": "top secret"}, role)
        assert 'password authentication failed for user "plain"' in said
        assert "secret" not in said
    assert "top secret" not in local.log


def test_password_file(ask: Ask) -> None:
    """Superusers have the passwords of the operating system user; others do not."""
    assert ask("plain", {}, sslmode="disable") == ("plain", False)
    assert ask("plain", {}, "alice", sslmode="disable") == REFUSED
    assert ask("plain", {"password_required": "false"}, "alice", sslmode="disable") == (
        "plain",
        False,
    )


def test_service_file(ask: Ask, remote: Cluster) -> None:
    """So it is with services; a service may also say where the server is."""
    given = {"service": "archive", "passfile": "/nowhere", "sslmode": "disable"}
    assert ask("plain", {}, **given) == ("plain", False)
    assert ask("plain", {}, "alice", **given) == REFUSED
    assert ask("plain", RIGHT, "alice", **given) == ("plain", False)
    assert "definition of service" in ask("plain", RIGHT, service="unknown")


def test_password_that_is_not_asked_for(ask: Ask) -> None:
    """Who is let in without a password has not proved anything."""
    assert ask("open", {}) == ("open", True)
    assert ask("open", RIGHT, "alice") == REFUSED
