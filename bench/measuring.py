"""How the benchmark measures: times, latencies, memory; bars, and tables of text."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import psycopg

from harness import Cluster

FETCHED_AT_ONCE = 10_000
MEGABYTE = 1024 * 1024


class BenchError(Exception):
    """Two competitors gave different answers, or a program could not be run."""


def time_query(connection: psycopg.Connection, query: str) -> tuple[float, str]:
    """Run a query and return its time in milliseconds, and the row it gives as text."""
    start = perf_counter()
    cursor = connection.execute(query.encode())
    elapsed = (perf_counter() - start) * 1000
    return elapsed, str(cursor.fetchone())


def medians(turns: Iterable[Sequence[float]]) -> list[float]:
    """Return the median of each competitor over all turns."""
    return [median(times) for times in zip(*turns, strict=True)]


def latency(cluster: Cluster, query: str, seconds: int) -> float:
    """Return the latency of a query in pgbench, in microseconds.

    The first second, in which a session starts and Python with it, does not count.
    """
    script = cluster.scratch / "pgbench.sql"
    script.write_text(f"{query};\n")
    command = [
        *(str(cluster.bindir / "pgbench"), "-h", cluster.host, "-p", str(cluster.port)),
        *("-U", "postgres", "-n", "-M", "prepared", "-P", "1", "-T", str(seconds)),
        *("-f", str(script), "postgres"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    rates = re.findall(r"^progress: \S+ s, (\S+) tps", done.stderr, re.MULTILINE)
    if done.returncode != 0 or len(rates) < 2:
        raise BenchError(f"pgbench failed:\n{done.stderr}")
    return 1_000_000 / median(map(float, rates[1:]))


def memory_growth(
    cluster: Cluster, query: str, rows: int, fetched_at_once: int, *settings: str
) -> float:
    """Return by how much a backend's own memory grows while a cursor is read, in MB.

    What it has after the first fetch, when Python runs, is compared with the most it ever has.
    """
    with psycopg.connect(cluster.dsn) as connection:
        pid = connection.info.backend_pid
        for command in (*settings, f"DECLARE c NO SCROLL CURSOR FOR {query}"):
            connection.execute(command.encode())
        seen = 0
        sizes = []
        fetch = f"FETCH {fetched_at_once} FROM c".encode()
        while fetched := connection.execute(fetch).rowcount:
            seen += fetched
            sizes.append(private_memory(pid))
    if seen != rows:
        raise BenchError(f"The cursor gave {seen} rows instead of {rows}")
    return (max(sizes) - sizes[0]) / MEGABYTE


def private_memory(pid: int) -> int:
    """Return how many bytes of memory belong to a process alone."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return 1024 * sum(map(int, re.findall(r"^Private_\w+: +(\d+) kB", text, re.MULTILINE)))


# --- Reporting ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Result:
    """One bar: what was to be reached and what was."""

    what: str
    target: float
    measured: float
    unit: str

    @property
    def met(self) -> bool:
        """Whether the bar was reached."""
        return self.measured <= self.target


@dataclass(frozen=True)
class Table:
    """A table of text."""

    title: str
    header: list[str]
    rows: list[list[str]]

    def markdown(self) -> str:
        """Return the table as Markdown, with columns that also line up in a terminal."""
        lines = [self.header, *self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
        text = [self._line(self.header, widths), self._line(rule, widths)]
        text += [self._line(row, widths) for row in self.rows]
        return f"## {self.title}\n\n" + "\n".join(text) + "\n"

    @staticmethod
    def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
        """Return one line: the first cell to the left, numbers to the right."""
        padded = [cells[0].ljust(widths[0])]
        padded += [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        return "| " + " | ".join(padded) + " |"
