"""A plan that one session keeps is made anew when another session changes what it was made for."""

from __future__ import annotations

from itertools import count

import pytest

from harness.sessions import Connect, Session

# What the other session does, and who then answers.
CHANGES = {
    "ALTER SERVER {name} OPTIONS (SET who 'server')": "server",
    "ALTER SERVER {name} OPTIONS (SET promises 'sort')": "nobody",
    "ALTER SERVER {name} OPTIONS (DROP promises)": "nobody",
    "ALTER FOREIGN TABLE {name} OPTIONS (ADD who 'table')": "table",
    "ALTER FOREIGN TABLE {name} ADD k int": "nobody",
    "CREATE USER MAPPING FOR PUBLIC SERVER {name} OPTIONS (region 'here')": "nobody",
    "CREATE USER MAPPING FOR postgres SERVER {name} OPTIONS (region 'here')": "nobody",
    "ALTER TYPE {name}_type RENAME TO {name}_other": "nobody",
    "ALTER TYPE {name}_type ADD VALUE 'new'": "nobody",
    "ANALYZE {name}": "nobody",
}

numbers = count()


def make_table(session: Session) -> str:
    """Create a server, a type and a table of one name, which is returned."""
    name = f"kept_{next(numbers)}"
    for command in (
        "CREATE TYPE {name}_type AS ENUM ('old')",
        "CREATE SERVER {name} FOREIGN DATA WRAPPER multicorn OPTIONS"
        " (wrapper 'catalog.Promising', promises 'sort limit filter', who 'nobody')",
        "CREATE FOREIGN TABLE {name} (n int, who text, t {name}_type) SERVER {name}",
    ):
        session.execute(command.format(name=name).encode())
    return name


@pytest.mark.parametrize("mode", ["force_generic_plan", "force_custom_plan"])
@pytest.mark.parametrize("change", CHANGES)
def test_changes_elsewhere(connect: Connect, change: str, mode: str) -> None:
    with connect() as here, connect() as there:
        name = make_table(here)
        query = f"SELECT who, n FROM {name} WHERE n < $1 ORDER BY n DESC LIMIT 1"
        here.execute(f"SET plan_cache_mode = {mode}".encode())
        here.execute(f"PREPARE kept (int) AS {query}".encode())
        for _ in range(2):
            assert here.execute("EXECUTE kept (3)").fetchall() == [("nobody", 2)]
        there.execute(change.format(name=name).encode())
        for _ in range(2):
            assert here.execute("EXECUTE kept (3)").fetchall() == [(CHANGES[change], 2)]
