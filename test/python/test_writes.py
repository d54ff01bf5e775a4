"""Writing, compared with an ordinary table, and what only some versions of PostgreSQL have."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import sql

from harness.sessions import Connect, Session

SILENT = "insert bulk_insert update delete truncate end_modify execute"
COLUMNS = "id int, name text, n numeric(10,2), at timestamptz, tags text[]"
CONDITIONS = (
    "id % 3 = 0",
    "n > 5",
    "name LIKE '%1%'",
    "id = 4",
    "at IS NULL",
    "tags @> ARRAY['a']",
)
CHANGES = (
    "n = n + 1.5",
    "name = name || 'x', n = NULL",
    "id = id + 100",
    "tags = tags || 'b'::text",
)


@pytest.fixture
def session(connect: Connect) -> Iterator[Session]:
    """A session whose changes of the catalogs are taken back."""
    session = connect()
    with session.transaction(force_rollback=True):
        yield session


def create_tables(session: Session, wrapper: str, store: str) -> None:
    """Create the tables `remote` and `heap`, which have the same columns and no rows."""
    session.execute(f"CREATE TABLE heap ({COLUMNS})")
    session.execute(
        sql.SQL(
            "CREATE FOREIGN TABLE remote ({}) SERVER python"
            " OPTIONS (wrapper {}, store {}, silent {})"
        ).format(sql.SQL(COLUMNS), wrapper, store, SILENT)
    )


def statement(draw: random.Random) -> str:
    """Return a statement that writes; `{table}` stands for the table."""
    kind = draw.choice(("INSERT", "INSERT", "UPDATE", "DELETE", "JOIN"))
    condition = draw.choice(CONDITIONS)
    returning = draw.choice(("", " RETURNING *", " RETURNING id, n * 2, name"))
    first = draw.randrange(1, 1000)
    if kind == "INSERT":
        return (
            "INSERT INTO {table} SELECT i, 'n' || nullif(i % 7, 0), i / 7.0,"
            " timestamptz '2024-01-01 00:00Z' + nullif(i % 5, 0) * interval '1 h', ARRAY['a', 'c']"
            f" FROM generate_series({first}, {first + draw.randrange(12)}) AS i{returning}"
        )
    if kind == "UPDATE":
        return f"UPDATE {{table}} SET {draw.choice(CHANGES)} WHERE {condition}{returning}"
    if kind == "JOIN":
        return (
            "UPDATE {table} AS t SET n = v.i FROM generate_series(1, 400, 3) AS v (i)"
            " WHERE v.i = t.id RETURNING t.*, v.i"
        )
    return f"DELETE FROM {{table}} WHERE {condition}{returning}"


@pytest.mark.parametrize("wrapper", ["writing.Store", "writing.Attribute", "writing.Batches"])
@pytest.mark.parametrize("seed", range(3))
def test_it_writes_as_to_an_ordinary_table(session: Session, wrapper: str, seed: int) -> None:
    """The same rows are counted, returned and there."""
    draw = random.Random(seed)
    create_tables(session, wrapper, f"{wrapper} {seed}")

    def outcome(text: str, table: str) -> tuple[int, list[Any]]:
        cursor = session.execute(text.format(table=table))
        return cursor.rowcount, sorted(cursor.fetchall(), key=repr) if cursor.description else []

    for _ in range(60):
        text = statement(draw)
        assert outcome(text, "remote") == outcome(text, "heap"), text
        # A wrapper cannot tell rows apart that have the same rowid.
        twice = "SELECT id FROM heap GROUP BY id HAVING count(*) > 1"
        session.execute(f"DELETE FROM remote WHERE id IN ({twice})")
        session.execute(f"DELETE FROM heap WHERE id IN ({twice})")
        everything = "SELECT * FROM {table}"
        assert outcome(everything, "remote") == outcome(everything, "heap"), text


def test_returning_of_old_and_new_rows(session: Session) -> None:
    """Since PostgreSQL 18, RETURNING has both."""
    if session.info.server_version < 180000:
        pytest.skip("PostgreSQL 18 brought it")
    create_tables(session, "writing.Store", "old and new")
    columns = "RETURNING old.id, old.n, new.id, new.n"
    session.execute("""ALTER FOREIGN TABLE remote
        OPTIONS (returns '{"n": 100 + row["id"]} if isinstance(row, dict) else None')""")

    def returned(text: str) -> list[Any]:
        return session.execute(f"{text} {columns}").fetchall()

    assert returned("INSERT INTO remote (id, n) VALUES (1, 5)") == [(None, None, 1, 101)]
    assert returned("UPDATE remote SET id = id + 1") == [(1, 5, 2, 102)]
    assert returned("DELETE FROM remote") == [(2, 5, None, None)]


def test_virtual_generated_columns(session: Session) -> None:
    """PostgreSQL 18 computes them when they are read: a wrapper neither gets nor gives them."""
    if session.info.server_version < 180000:
        pytest.skip("PostgreSQL 18 brought them")
    session.execute(
        "CREATE FOREIGN TABLE remote (id int, n int, twice int GENERATED ALWAYS AS (n * 2) VIRTUAL)"
        " SERVER python OPTIONS (wrapper 'writing.Store', store 'virtual')"
    )
    sent: list[str] = []
    session.add_notice_handler(lambda notice: sent.append(str(notice.message_primary)))
    inserted = session.execute("INSERT INTO remote (id, n) VALUES (1, 5) RETURNING *").fetchall()
    changed = session.execute("UPDATE remote SET n = 7 RETURNING id, n, twice").fetchall()
    assert inserted == [(1, 5, 10)]
    assert changed == [(1, 7, 14)]
    assert session.execute("SELECT id FROM remote WHERE twice = 14").fetchall() == [(1,)]
    assert any("insert" in line for line in sent)
    assert not any("twice" in line for line in sent)
