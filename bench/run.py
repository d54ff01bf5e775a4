"""Measures reading through a Python class against the other ways to read the same rows.

    python3 bench/run.py [--quick] [--output FILE]

Everything runs on one throw-away server: the foreign tables, a heap table with the same rows, a
PL/Python function, file_fdw, and postgres_fdw on loopback. The competitors take turns, so that a
busy machine is busy for all of them; medians are compared. Prints tables and writes them as
Markdown. How fast it was never makes the command fail; a wrong answer does.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, cast

import psycopg

import federation
import idle_sessions
import remote_postgres
from bench_wrappers import Lookup
from harness import Cluster, ClusterError, Stage
from harness.stage import StageError
from measuring import (
    FETCHED_AT_ONCE,
    MEGABYTE,
    BenchError,
    Result,
    Table,
    latency,
    medians,
    memory_growth,
    private_memory,
    time_query,
)
from multicorn import Qual

HERE = Path(__file__).resolve().parent
DEFAULT_OUTPUT = HERE.parent / ".cache" / "bench.md"

# Everything stays in memory, and no query gets help that another does not get.
SERVER_SETTINGS = {
    "shared_buffers": "512MB",
    "autovacuum": "off",
    "max_wal_size": "4GB",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "work_mem": "256MB",
    "max_connections": "300",
}

# The planner is asked for a query in which it has to ask a wrapper everything.
PLANNED_QUERY = (
    "SELECT a, e, f FROM {} WHERE a > 10 AND b = 7 AND c < 5.5 AND e LIKE 'some%'"
    " AND g >= '2024-01-01' ORDER BY a LIMIT 10"
)
PLANNED, REMOTE = "wrapper with every hook", "postgres_fdw"

LOOKUP_QUERY = "FROM generate_series(1, {}) AS g (i) JOIN lookup_tuples AS t ON t.id = g.i"

# Writes: the command, and the tables it is run on, the unlogged heap table first.
WRITES = {
    "INSERT ... SELECT": (
        "INSERT INTO {table} SELECT i, 'name ' || i % 1000, i * 0.5"
        " FROM generate_series(1, {inserted}) AS i",
        {"insert": "written_rows", "bulk_insert, 1000 rows": "written_batches"},
    ),
    "COPY FROM": (
        "COPY {table} FROM '{file}' (FORMAT csv)",
        {"insert": "written_rows", "bulk_insert, 1000 rows": "written_batches"},
    ),
    "UPDATE": ("UPDATE {table} SET val = val + 1", {"update": "changed_rows"}),
    "DELETE": ("DELETE FROM {table}", {"delete": "changed_rows"}),
}
WRITTEN_HEAP = "unlogged heap table"

HEAP, TUPLES, DICTS = "heap table", "generator of tuples", "generator of dicts"


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        rows: Rows of the tables with three columns.
        wide_rows: Rows of the tables with ten columns.
        cursor_rows: Rows read through a cursor, while the backend's memory is watched.
        lookups: Inner scans of a nested loop.
        plans: How often a query is planned.
        inserted: Rows that INSERT ... SELECT writes.
        changed: Rows that UPDATE and DELETE change.
        rounds: How often each competitor takes its turn.
        seconds: How long pgbench runs in each turn; its first second does not count.
        deployments: How many deployments are attached to a parent.
    """

    rows: int = 1_000_000
    wide_rows: int = 300_000
    cursor_rows: int = 10_000_000
    lookups: int = 100_000
    plans: int = 500
    inserted: int = 200_000
    changed: int = 100_000
    rounds: int = 5
    seconds: int = 4
    deployments: tuple[int, ...] = (1, 4, 16, 64)


QUICK = Size(
    rows=20_000,
    wide_rows=6_000,
    cursor_rows=200_000,
    lookups=20_000,
    plans=20,
    inserted=10_000,
    changed=5_000,
    rounds=1,
    seconds=2,
    deployments=(1, 4),
)


@dataclass(frozen=True)
class Contest:
    """One query, and what it reads from: SQL of FROM for each competitor, the heap first."""

    title: str
    query: str
    sources: dict[str, str]


def contests(size: Size) -> list[Contest]:
    """Return the queries.

    postgres_fdw gets a subquery with OFFSET 0, or it would have the remote side aggregate and
    fetch one row.
    """
    aggregate = "SELECT count(*), sum(id), max(name), sum(val) FROM"
    return [
        Contest(
            f"{size.rows:,} rows (int, text, float8), count(*), sum(id), max(name), sum(val)",
            aggregate,
            {
                HEAP: "narrow_heap",
                TUPLES: "narrow_tuples",
                DICTS: "narrow_dicts",
                "PL/Python function": f"narrow_plpython({size.rows})",
                "file_fdw": "narrow_file",
                "postgres_fdw": "(SELECT * FROM narrow_remote OFFSET 0) AS t",
            },
        ),
        Contest(
            f"{size.rows:,} rows, the same with a new text in every row",
            aggregate,
            {HEAP: "texts_heap", TUPLES: "texts_tuples"},
        ),
        Contest(
            f"{size.wide_rows:,} rows of ten columns, max() of each",
            "SELECT max(a), max(b), max(c), bool_or(d), max(e), max(f), max(g), max(h),"
            " max(length(i)), max(j) FROM",
            {
                HEAP: "wide_heap",
                TUPLES: "wide_tuples",
                "PL/Python function": f"wide_plpython({size.wide_rows})",
                "file_fdw": "wide_file",
                "postgres_fdw": "(SELECT * FROM wide_remote OFFSET 0) AS t",
            },
        ),
        Contest(
            f"{size.rows:,} rows, count(*)",
            "SELECT count(*) FROM",
            {HEAP: "narrow_heap", TUPLES: "narrow_tuples", DICTS: "narrow_dicts"},
        ),
    ]


# --- Measuring ----------------------------------------------------------------------------------


def measure_contest(connection: psycopg.Connection, contest: Contest, rounds: int) -> list[float]:
    """Return the median time of each competitor, in milliseconds, in their order.

    Raises:
        BenchError: If they do not all give the same answer.
    """
    queries = [f"{contest.query} {source}" for source in contest.sources.values()]
    answers = {time_query(connection, query)[1] for query in queries}
    if len(answers) != 1:
        raise BenchError(f"Different answers to {contest.query}: {answers}")
    turns = [[time_query(connection, query)[0] for query in queries] for _ in range(rounds)]
    return medians(turns)


def measure_latency(cluster: Cluster, size: Size) -> dict[str, float]:
    """Return the median latency of three prepared queries, in microseconds."""
    queries = {
        "SELECT 1": "SELECT 1",
        "one row of a heap table": "SELECT * FROM one_heap",
        "one row of a generator of tuples": "SELECT * FROM one_tuple",
    }
    turns = [
        [latency(cluster, query, size.seconds) for query in queries.values()]
        for _ in range(size.rounds)
    ]
    return dict(zip(queries, medians(turns), strict=True))


def measure_planning(connection: psycopg.Connection, size: Size) -> dict[str, float]:
    """Return the median time that PostgreSQL takes to plan a query, in microseconds.

    The competitors take turns within one session, in which all that is cached has been cached.
    """
    queries = {
        PLANNED: PLANNED_QUERY.format("wide_planned"),
        REMOTE: PLANNED_QUERY.format("wide_remote"),
    }
    turns = [
        [planning_time(connection, query) for query in queries.values()]
        for _ in range(size.plans + 1)
    ]
    return dict(zip(queries, medians(turns[1:]), strict=True))


def planning_time(connection: psycopg.Connection, query: str) -> float:
    """Return how long PostgreSQL says that it has planned a query, in microseconds."""
    (explained,) = explain(connection, query)
    return 1000 * float(explained["Planning Time"])


def explain(connection: psycopg.Connection, query: str) -> list[dict[str, Any]]:
    """Return what EXPLAIN says of a query."""
    command = f"EXPLAIN (SUMMARY, FORMAT json) {query}"
    row = connection.execute(command.encode()).fetchone()
    return cast("list[dict[str, Any]]", row[0] if row else [])


@dataclass(frozen=True)
class Lookups:
    """A nested loop whose inner side is a foreign scan: microseconds of each, and memory in MB."""

    all: float
    python: float
    growth: float


def measure_lookups(cluster: Cluster, connection: psycopg.Connection, size: Size) -> Lookups:
    """Measure a nested loop, what Python alone needs for it, and how a backend's memory grows."""
    query = LOOKUP_QUERY.format(size.lookups)
    with_sum = f"SELECT count(*), sum(t.val) {query}"
    connection.execute("SET enable_memoize = off")
    (explained,) = explain(connection, with_sum)
    (join,) = explained["Plan"]["Plans"]
    if join["Node Type"] != "Nested Loop" or join["Plans"][1]["Node Type"] != "Foreign Scan":
        raise BenchError(f"This is no nested loop with a foreign scan inside: {explained}")
    expected = str((size.lookups, size.lookups * (size.lookups + 1) * 0.25))
    turns = []
    for _ in range(size.rounds):
        elapsed, answer = time_query(connection, with_sum)
        if answer != expected:
            raise BenchError(f"The nested loop gave {answer} instead of {expected}")
        turns.append([elapsed, time_plain_lookups(size.lookups)])
    everything, plain = (1000 * time / size.lookups for time in medians(turns))
    growth = memory_growth(
        cluster, f"SELECT t.* {query}", size.lookups, size.lookups // 10, "SET enable_memoize = off"
    )
    return Lookups(everything, plain, growth)


def time_plain_lookups(count: int) -> float:
    """Return how long this Python takes for the same calls of the wrapper, in milliseconds.

    The arguments are there already: to make them is not the wrapper's part.
    """
    execute = Lookup({}, {}).execute
    arguments = [([Qual("id", "=", i)], ["id", "val"]) for i in range(1, count + 1)]
    start = perf_counter()
    for quals, columns in arguments:
        for _ in execute(quals, columns):
            pass
    return (perf_counter() - start) * 1000


def measure_writes(
    cluster: Cluster, connection: psycopg.Connection, size: Size
) -> dict[str, dict[str, float]]:
    """Return the median time of each write on each of its tables, in milliseconds."""
    return {title: measure_write(cluster, connection, title, size) for title in WRITES}


def measure_write(
    cluster: Cluster, connection: psycopg.Connection, title: str, size: Size
) -> dict[str, float]:
    """Return the median time of a write on each of its tables, the heap first, in milliseconds."""
    template, tables = WRITES[title]
    competitors = {WRITTEN_HEAP: "written_heap", **tables}
    before = "TRUNCATE written_heap"
    if title in ("UPDATE", "DELETE"):
        filled = f"SELECT i, 'some text', i FROM generate_series(1, {size.changed}) AS i"
        before = f"TRUNCATE written_heap; INSERT INTO written_heap {filled}; VACUUM written_heap"
    turns = []
    for _ in range(size.rounds + 1):
        turn = []
        for table in competitors.values():
            if table == "written_heap":
                for command in before.split(";"):
                    connection.execute(command.encode())
            command = template.format(
                table=table, inserted=size.inserted, file=cluster.scratch / "narrow.csv"
            )
            start = perf_counter()
            connection.execute(command.encode())
            turn.append((perf_counter() - start) * 1000)
        turns.append(turn)
    return dict(zip(competitors, medians(turns[1:]), strict=True))


def writing_growth(cluster: Cluster, size: Size) -> float:
    """Return by how much a backend's own memory grows while many more rows are written, in MB."""
    command = WRITES["INSERT ... SELECT"][0]
    with psycopg.connect(cluster.dsn, autocommit=True) as connection:
        pid = connection.info.backend_pid
        for table in ("written_rows", "written_batches"):
            connection.execute(command.format(table=table, inserted=size.inserted).encode())
        before = private_memory(pid)
        for table in ("written_rows", "written_batches"):
            connection.execute(command.format(table=table, inserted=size.inserted).encode())
        return (private_memory(pid) - before) / MEGABYTE


# --- Reporting ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """What was measured: the contests in milliseconds, memory in MB, the rest in microseconds."""

    times: list[list[float]]
    latencies: dict[str, float]
    planning: dict[str, float]
    lookups: Lookups
    growth: float
    writes: dict[str, dict[str, float]]
    writing_growth: float
    idle: dict[str, idle_sessions.Memory]
    remote: remote_postgres.Remote
    federation: federation.Federation


def bars(measured: Measured) -> Table:
    """Return the table of what was to be reached."""
    narrow, _, wide, count = measured.times
    nothing, _, one = measured.latencies.values()
    lookups = measured.lookups
    heap, rows, batches = measured.writes["INSERT ... SELECT"].values()
    results = [
        Result("generator of tuples", 2.0, narrow[1] / narrow[0], "x heap"),
        Result("generator of dicts", 2.6, narrow[2] / narrow[0], "x heap"),
        Result("ten columns", 3.5, wide[1] / wide[0], "x heap"),
        Result("count(*) on the tuples", 0.5, count[1] / narrow[1], "x tuples"),
        Result("one row, prepared", 1.3, one / nothing, "x SELECT 1"),
        Result(
            "planning", 1.5, measured.planning[PLANNED] / measured.planning[REMOTE], f"x {REMOTE}"
        ),
        Result("inner scan of a nested loop", 6, lookups.all - lookups.python, "us beyond Python"),
        Result("growth of memory over a cursor", 5, measured.growth, "MB"),
        Result("growth of memory over a nested loop", 1, lookups.growth, "MB"),
        Result("INSERT ... SELECT by insert", 1.5, rows / heap, "x unlogged heap"),
        Result("INSERT ... SELECT by bulk_insert", 0.9, batches / heap, "x unlogged heap"),
        Result("growth of memory over writes", 1, measured.writing_growth, "MB"),
        Result(
            "private memory of an idle session", 10, idle_sessions.growth(measured.idle), "MB more"
        ),
        *measured.remote.bars(),
        *measured.federation.bars(),
    ]
    return Table(
        "Bars",
        ["what", "at most", "measured", "unit", "met"],
        [
            [r.what, f"{r.target:g}", f"{r.measured:.2f}", r.unit, "yes" if r.met else "NO"]
            for r in results
        ],
    )


def times_table(contest: Contest, times: Sequence[float]) -> Table:
    """Return the table of one query."""
    rows = [
        [name, f"{time:.1f}", f"{time / times[0]:.2f}"]
        for name, time in zip(contest.sources, times, strict=True)
    ]
    return Table(contest.title, ["competitor", "ms", "x heap"], rows)


def latency_table(latencies: dict[str, float]) -> Table:
    """Return the table of prepared queries."""
    nothing = next(iter(latencies.values()))
    rows = [
        [name, f"{us:.1f}", f"{us - nothing:.1f}", f"{us / nothing:.2f}"]
        for name, us in latencies.items()
    ]
    return Table("One row, prepared, pgbench", ["query", "us", "us more", "x SELECT 1"], rows)


def planning_table(planning: dict[str, float]) -> Table:
    """Return the table of the planned query."""
    rows = [[name, f"{us:.1f}", f"{us / planning[REMOTE]:.2f}"] for name, us in planning.items()]
    return Table(
        "Planning a query with five conditions, ORDER BY and LIMIT",
        ["competitor", "us", f"x {REMOTE}"],
        rows,
    )


def lookups_table(lookups: Lookups, size: Size) -> Table:
    """Return the table of the nested loop."""
    parts = {
        "in all": lookups.all,
        "the same calls in plain Python": lookups.python,
        "the rest": lookups.all - lookups.python,
    }
    return Table(
        f"Nested loop of {size.lookups:,} foreign scans",
        ["each", "us"],
        [[name, f"{us:.2f}"] for name, us in parts.items()],
    )


def writes_table(title: str, times: dict[str, float]) -> Table:
    """Return the table of one write."""
    heap = next(iter(times.values()))
    rows = [[name, f"{time:.1f}", f"{time / heap:.2f}"] for name, time in times.items()]
    return Table(title, ["table", "ms", "x heap"], rows)


def describe(cluster: Cluster, size: Size) -> str:
    """Return what was measured, and on what."""
    postgres = cluster.run_sql("SHOW server_version")
    return (
        "# Benchmark\n\n"
        f"PostgreSQL {postgres}, Python {platform.python_version()}, {platform.machine()} with "
        f"{os.cpu_count()} processors. Medians of {size.rounds}; jit off, no parallel "
        f"query. The cursor reads {size.cursor_rows:,} rows.\n"
    )


# --- Running ------------------------------------------------------------------------------------


def set_up(cluster: Cluster, size: Size) -> None:
    """Make the tables of all competitors."""
    variables = {
        "rows": size.rows,
        "wide_rows": size.wide_rows,
        "cursor_rows": size.cursor_rows,
        "changed": size.changed,
        "inserted": size.inserted,
        "folder": cluster.scratch,
        "host": cluster.host,
        "port": cluster.port,
    }
    options = ["-v", "ON_ERROR_STOP=1"]
    for name, value in variables.items():
        options += ["-v", f"{name}={value}"]
    done = cluster.psql((HERE / "setup.sql").read_text(), *options)
    if done.returncode != 0:
        raise BenchError(f"setup.sql failed:\n{done.stderr}")


def measure(cluster: Cluster, size: Size) -> str:
    """Measure everything and return the report."""
    set_up(cluster, size)
    queries = contests(size)
    times = []
    with psycopg.connect(cluster.dsn, autocommit=True) as connection:
        for contest in queries:
            print(f"Measuring {contest.title}", flush=True)
            times.append(measure_contest(connection, contest, size.rounds))
        print("Measuring planning and a nested loop", flush=True)
        planning = measure_planning(connection, size)
        lookups = measure_lookups(cluster, connection, size)
        print("Measuring writes", flush=True)
        writes = measure_writes(cluster, connection, size)
        print("Measuring another PostgreSQL server", flush=True)
        others = remote_postgres.measure(
            cluster,
            connection,
            inserted=size.inserted,
            largest=size.cursor_rows,
            rounds=size.rounds,
            seconds=size.seconds,
        )
        print("Measuring federation", flush=True)
        deployments = federation.measure(
            cluster,
            connection,
            counts=size.deployments,
            plans=size.plans // 10,
            rounds=size.rounds,
            seconds=size.seconds,
        )
    print("Measuring prepared queries and memory\n", flush=True)
    latencies = measure_latency(cluster, size)
    growth = memory_growth(
        cluster, "SELECT * FROM cursor_tuples", size.cursor_rows, FETCHED_AT_ONCE
    )
    measured = Measured(
        times,
        latencies,
        planning,
        lookups,
        growth,
        writes,
        writing_growth(cluster, size),
        idle_sessions.measure(cluster),
        others,
        deployments,
    )
    tables = [bars(measured)]
    tables += [times_table(*pair) for pair in zip(queries, times, strict=True)]
    tables += [latency_table(latencies), planning_table(planning), lookups_table(lookups, size)]
    tables += [writes_table(*pair) for pair in writes.items()]
    tables.append(idle_sessions.table(measured.idle))
    tables += others.tables()
    tables += deployments.tables()
    return "\n".join([describe(cluster, size), *(table.markdown() for table in tables)])


def run(size: Size, output: Path) -> None:
    """Measure on a server of its own, print the report and write it."""
    with Stage() as stage:
        os.environ.update(stage.environment)
        path = {"multicorn.python_path": str(stage.sources / "bench")}
        with Cluster(settings={**SERVER_SETTINGS, **path}, tcp=True) as cluster:
            report = measure(cluster, size)
    print(report)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(report)
    print(f"Written to {output}.")


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description="Measure reading through a Python class.")
    parser.add_argument("--quick", action="store_true", help="few rows: to see that it works")
    parser.add_argument("--output", type=Path, default=DEFAULT_OUTPUT, help="the Markdown file")
    arguments = parser.parse_args()
    try:
        run(QUICK if arguments.quick else Size(), arguments.output)
    except (BenchError, StageError, ClusterError, psycopg.Error, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
