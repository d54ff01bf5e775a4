"""EXPLAIN in what SQL alone cannot look at: YAML, and options that older versions lack."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from harness import Cluster
from harness.sessions import Session

numbers = count()


def make_table(session: Session, says: str) -> str:
    """Create a table whose explain() says something, and return its name."""
    name = f"explained_{next(numbers)}"
    command = f"CREATE FOREIGN TABLE {name} (n int, who text) SERVER python OPTIONS"
    command += f" (wrapper 'catalog.Explained', promises 'sort limit filter', says '{says}')"
    session.execute(command.encode())
    return name


def explain(session: Session, options: str, query: str) -> list[Any]:
    """Return what EXPLAIN shows, an item for each row."""
    return [row[0] for row in session.execute(f"EXPLAIN ({options}) {query}".encode())]


def test_yaml(session: Session) -> None:
    """What is said comes out of YAML as it was."""
    yaml = pytest.importorskip("yaml")
    table = make_table(session, "letters")
    query = f"SELECT n FROM {table} WHERE n < 3 ORDER BY n DESC LIMIT 2"
    (text,) = explain(session, "FORMAT yaml, VERBOSE", query)
    ((plan),) = (entry["Plan"] for entry in yaml.safe_load(text))
    assert plan["Wrapper"] == [
        "Zoë \U0001f34e",
        '<a href="x">&amp;</a> ]]>',
        "back\\slash: - # ' %s",
    ]
    assert plan["Wrapper Columns"] == ["n"]
    assert plan["Wrapper Quals"] == ["n < 3"]
    assert plan["Wrapper Sort Key"] == ["n DESC"]
    assert plan["Wrapper Limit"] == 2
    assert plan["Wrapper Filter"] == f"({table}.n < 3)"


def test_json_of_analyze(session: Session) -> None:
    """Counters are numbers."""
    table = make_table(session, "nothing")
    ((explained,),) = explain(session, "ANALYZE, FORMAT json", f"SELECT n FROM {table} LIMIT 2")
    plan = explained["Plan"]
    assert plan["Wrapper Rows Fetched"] == 2
    assert plan["Wrapper Rescans"] == 0
    assert 0 < plan["Wrapper Time in Python"] < plan["Actual Total Time"]
    assert 0 <= plan["Wrapper Time Converting"] < plan["Actual Total Time"]


def test_generic_plan(server: Cluster, session: Session) -> None:
    """A query with parameters can be explained without values."""
    if server.version < 160000:
        pytest.skip("EXPLAIN (GENERIC_PLAN) came with PostgreSQL 16")
    table = make_table(session, "arguments")
    query = f"SELECT n FROM {table} WHERE n < $1 AND who LIKE $2 LIMIT $3"
    lines = explain(session, "GENERIC_PLAN, COSTS OFF", query)
    assert lines == [
        "Limit",
        f"  ->  Foreign Scan on {table}",
        "        Filter: (who ~~ $2)",
        "        Wrapper Filter: (n < $1)",
        "        Wrapper: quals: n < ?, who ~~ ?",
        "        Wrapper: columns: n, who",
        "        Wrapper: filters: (n < ?)",
    ]
