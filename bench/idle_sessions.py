"""What sessions that do nothing take of memory, before Python runs in them and after."""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg

from harness import Cluster
from measuring import MEGABYTE, Table

# As many are idle at the same time: what they share is then shared by so many.
SESSIONS = 20

# What a session has done before it is idle.
STEPS = {
    "SELECT 1": "SELECT 1",
    "a row of a heap table": "SELECT * FROM one_heap",
    "a row of postgres_fdw": "SELECT * FROM postgres_fdw.narrow LIMIT 1",
    "a function of PL/Python": "DO 'pass' LANGUAGE plpython3u",
    "a row of a foreign table": "SELECT * FROM one_tuple",
    "a row of multicorn_postgres": "SELECT * FROM multicorn_postgres.narrow LIMIT 1",
}

HEAP, WRAPPER = "a row of a heap table", "a row of a foreign table"


@dataclass(frozen=True)
class Memory:
    """The memory of one process of several alike, in MB.

    Attributes:
        rss: What is mapped into it and present, shared or not.
        pss: The same, with what is shared divided by those that share it.
        private: What it has for itself.
    """

    rss: float
    pss: float
    private: float


def memory_of(process: int) -> Memory:
    """Return the memory of a process."""
    text = Path(f"/proc/{process}/smaps_rollup").read_text()

    def total(pattern: str) -> float:
        found = re.findall(rf"^{pattern}: +(\d+) kB", text, re.MULTILINE)
        return 1024 * sum(map(int, found)) / MEGABYTE

    return Memory(total("Rss"), total("Pss"), total(r"Private_\w+"))


def measure(cluster: Cluster) -> dict[str, Memory]:
    """Return the average memory of a session that is idle after each step."""
    return {step: _measure_step(cluster, query) for step, query in STEPS.items()}


def _measure_step(cluster: Cluster, query: str) -> Memory:
    """Return the average memory of sessions that are idle after a query."""
    with ExitStack() as stack:
        sessions = [
            stack.enter_context(psycopg.connect(cluster.dsn, autocommit=True))
            for _ in range(SESSIONS)
        ]
        for session in sessions:
            session.execute(query.encode())
        found = [memory_of(session.info.backend_pid) for session in sessions]
    return Memory(
        sum(memory.rss for memory in found) / SESSIONS,
        sum(memory.pss for memory in found) / SESSIONS,
        sum(memory.private for memory in found) / SESSIONS,
    )


def growth(measured: dict[str, Memory]) -> float:
    """Return how much more private memory a session has for having used a foreign table, in MB."""
    return measured[WRAPPER].private - measured[HEAP].private


def table(measured: dict[str, Memory]) -> Table:
    """Return the table of idle sessions."""
    rows = [
        [step, f"{memory.rss:.1f}", f"{memory.pss:.1f}", f"{memory.private:.1f}"]
        for step, memory in measured.items()
    ]
    return Table(
        f"Memory of an idle session, {SESSIONS} at a time",
        ["after", "RSS MB", "PSS MB", "private MB"],
        rows,
    )
