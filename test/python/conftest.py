"""A server for the tests, with the extension, the wrappers of test/wrappers, and sessions on it."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from harness import Cluster
from harness.sessions import Connect, Session

WRAPPERS = Path(__file__).resolve().parents[1] / "wrappers"

numbers = count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[Cluster]:
    """A server whose database postgres has the extension and a foreign server `python`.

    Wrappers are found in copies of test/wrappers, and where `add_module` puts them.
    """
    with Cluster() as cluster:
        wrappers = cluster.scratch / "wrappers"
        modules = cluster.scratch / "modules"
        shutil.copytree(WRAPPERS, wrappers)
        modules.mkdir()
        for path in (wrappers, modules, *wrappers.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        cluster.configure({"multicorn.python_path": f"{wrappers}:{modules}"})
        cluster.reload()
        prepare(cluster, "postgres")
        yield cluster


def prepare(server: Cluster, database: str) -> None:
    """Create the extension and the foreign server in a database."""
    server.run_sql(
        "CREATE EXTENSION multicorn; CREATE SERVER python FOREIGN DATA WRAPPER multicorn",
        database=database,
    )


@pytest.fixture(scope="session")
def create_database(server: Cluster) -> Callable[[str], str]:
    """Create a database of an encoding, with the extension, once; returns its name."""
    created: set[str] = set()

    def create(encoding: str) -> str:
        name = f"database_{encoding.lower()}"
        if name not in created:
            server.createdb(name, encoding)
            prepare(server, name)
            created.add(name)
        return name

    return create


@pytest.fixture
def connect(server: Cluster) -> Iterator[Connect]:
    """Open sessions in which every statement is a transaction; the test's end closes them."""
    with ExitStack() as sessions:

        def open_session(database: str = "postgres", **keywords: Any) -> Session:
            conninfo = server.conninfo(database)
            session = psycopg.connect(conninfo, autocommit=True, **keywords)
            return sessions.enter_context(session)

        yield open_session


@pytest.fixture
def session(connect: Connect) -> Session:
    """A session in the database postgres."""
    return connect()


@pytest.fixture(scope="session")
def add_module(server: Cluster) -> Callable[[str], str]:
    """Write a module that sessions opened afterwards can import; returns its name."""

    def add(source: str) -> str:
        name = f"module_{next(numbers)}"
        path = server.scratch / "modules" / f"{name}.py"
        path.write_text(textwrap.dedent(source))
        path.chmod(0o644)
        return name

    return add
