"""The part of the benchmark about other PostgreSQL servers: multicorn_postgres beside postgres_fdw.

Both wrappers have the same foreign tables, each in a schema that is called as the wrapper, with the
same options. The other server is this very one, over TCP.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import psycopg

from harness import Cluster
from measuring import (
    FETCHED_AT_ONCE,
    BenchError,
    Result,
    Table,
    latency,
    medians,
    memory_growth,
    time_query,
)

PEER, OURS = "postgres_fdw", "multicorn_postgres"
WRAPPERS = (PEER, OURS)

SETUP = Path(__file__).resolve().parent / "remote_postgres.sql"

# A server that takes the call and never answers, beside one that is there.
SILENT = """
CREATE TABLE branches (id int);
CREATE SERVER silent FOREIGN DATA WRAPPER multicorn_postgres
    OPTIONS (host '127.0.0.1', port '{port}', connect_timeout '1', on_unreachable 'skip');
CREATE USER MAPPING FOR CURRENT_USER SERVER silent OPTIONS (user 'postgres');
CREATE FOREIGN TABLE branch_silent () INHERITS (branches) SERVER silent;
ALTER TABLE multicorn_postgres.narrow_by_default INHERIT branches
"""
BRANCHES = "SELECT count(*), max(id) FROM branches WHERE id < 10"

SUMS = "SELECT count(*), sum(id), max(name), sum(val) FROM"


@dataclass(frozen=True)
class Race:
    """What both wrappers do.

    Attributes:
        title: What that is.
        target: How much of the peer's time it may take.
        command: SQL with the wrapper's schema as `{}`.
        writes: Whether it fills written_heap, whose rows are the answer then.
    """

    title: str
    target: float
    command: str
    writes: bool = False


@dataclass(frozen=True)
class Remote:
    """What was measured, in the order of the races and of the wrappers.

    Attributes:
        races: The races.
        times: Their times in milliseconds.
        points: The latency of a point query, in microseconds.
        growth: By how much memory has grown over a cursor, in MB.
        down: The time of a query over a server that does not answer, the first one in the session
            and a later one, in milliseconds.
    """

    races: list[Race]
    times: list[list[float]]
    points: list[float]
    growth: list[float]
    down: tuple[float, float]

    def bars(self) -> list[Result]:
        """Return the bars."""
        unit = f"x {PEER}"
        results = [
            Result(race.title, race.target, ours / peer, unit)
            for race, (peer, ours) in zip(self.races, self.times, strict=True)
        ]
        peer, ours = self.points
        results.append(Result("remote: point query, prepared", 1.5, ours / peer, unit))
        results.append(Result("remote: growth of memory over a cursor", 20, self.growth[1], "MB"))
        first, later = self.down
        results.append(Result("remote: a server down, after the first", 0.2, later / first, "x it"))
        return results

    def tables(self) -> list[Table]:
        """Return the figures."""
        titles = [race.title for race in self.races]
        rows = [
            _row(title, "ms", numbers) for title, numbers in zip(titles, self.times, strict=True)
        ]
        rows.append(_row("remote: point query, prepared", "us", self.points))
        rows.append(_row("remote: growth of memory over a cursor", "MB", self.growth))
        return [
            Table("Another PostgreSQL server", ["what", "unit", PEER, OURS, f"x {PEER}"], rows),
            Table(
                "A server that is down, left out (connect_timeout 1 s)",
                ["query", "ms"],
                [
                    [which, f"{time:.1f}"]
                    for which, time in zip(("the first", "a later one"), self.down, strict=True)
                ],
            ),
        ]


def _row(title: str, unit: str, numbers: Sequence[float]) -> list[str]:
    """Return a row of the table."""
    peer, ours = numbers
    ratio = f"{ours / peer:.2f}" if peer > 0 else "-"
    return [title, unit, f"{peer:.1f}", f"{ours:.1f}", ratio]


def races(cluster: Cluster, inserted: int) -> list[Race]:
    """Return the races.

    A subquery with OFFSET 0 keeps postgres_fdw from having the other server aggregate.
    """
    scan = f"{SUMS} (SELECT * FROM {{}}.{{}} OFFSET 0) AS t"
    return [
        Race("remote: scan, fetch_size 10000", 0.8, scan.format("{}", "narrow")),
        Race("remote: scan, at the defaults", 0.4, scan.format("{}", "narrow_by_default")),
        Race(
            "remote: INSERT ... SELECT, batch_size 1000",
            0.9,
            "INSERT INTO {}.written SELECT i, 'name ' || i % 1000, i * 0.5"
            f" FROM generate_series(1, {inserted}) AS i",
            writes=True,
        ),
        Race(
            "remote: COPY FROM, batch_size 1000",
            0.5,
            f"COPY {{}}.written FROM '{cluster.scratch / 'written.csv'}' (FORMAT csv)",
            writes=True,
        ),
    ]


def set_up(cluster: Cluster, rows: int) -> None:
    """Make the foreign tables of both wrappers; rows are those of the largest one."""
    for wrapper in WRAPPERS:
        variables = {"wrapper": wrapper, "port": cluster.port, "rows": rows}
        options = [f"--set={name}={value}" for name, value in variables.items()]
        done = cluster.psql(SETUP.read_text(), "--set=ON_ERROR_STOP=1", *options)
        if done.returncode != 0:
            raise BenchError(f"remote_postgres.sql failed:\n{done.stderr}")


def measure(
    cluster: Cluster,
    connection: psycopg.Connection,
    *,
    inserted: int,
    largest: int,
    rounds: int,
    seconds: int,
) -> Remote:
    """Measure both wrappers, in turns.

    Args:
        cluster: The server.
        connection: A session on it.
        inserted: Rows that are written.
        largest: Rows that are read through a cursor.
        rounds: How often each wrapper takes its turn.
        seconds: How long pgbench runs in each turn.
    """
    set_up(cluster, largest)
    those = races(cluster, inserted)
    times = [measure_race(connection, race, rounds) for race in those]
    point = "\\set id random(0, 9999)\nSELECT * FROM {}.narrow_by_default WHERE id = :id"
    points = [
        [latency(cluster, point.format(wrapper), seconds) for wrapper in WRAPPERS]
        for _ in range(rounds)
    ]
    growth = [
        memory_growth(cluster, f"SELECT * FROM {wrapper}.large", largest, FETCHED_AT_ONCE)
        for wrapper in WRAPPERS
    ]
    return Remote(those, times, medians(points), growth, measure_down(connection, rounds))


def measure_down(connection: psycopg.Connection, rounds: int) -> tuple[float, float]:
    """Return the times of a query over a server that does not answer: the first, and a later one.

    Raises:
        BenchError: The other server's rows are missing as well.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for statement in SILENT.format(port=listener.getsockname()[1]).split(";"):
            connection.execute(statement.encode())
        first, answer = time_query(connection, BRANCHES)
        later = [time_query(connection, BRANCHES) for _ in range(rounds)]
    if any(other != answer for _, other in later) or "9" not in answer:
        raise BenchError(f"Wrong answers from the server that is there: {answer}")
    return first, median(time for time, _ in later)


def measure_race(connection: psycopg.Connection, race: Race, rounds: int) -> list[float]:
    """Return the median time of each wrapper, in milliseconds.

    The first turn, in which they connect, does not count.

    Raises:
        BenchError: They do not give the same answer.
    """
    turns = [[take_turn(connection, race, wrapper) for wrapper in WRAPPERS]]
    turns += [[take_turn(connection, race, wrapper) for wrapper in WRAPPERS] for _ in range(rounds)]
    answers = {answer for turn in turns for _, answer in turn}
    if len(answers) != 1:
        raise BenchError(f"Different answers to {race.title}: {answers}")
    return medians([time for time, _ in turn] for turn in turns[1:])


def take_turn(connection: psycopg.Connection, race: Race, wrapper: str) -> tuple[float, str]:
    """Run a wrapper's command; returns its time in milliseconds, and the answer as text."""
    command = race.command.format(wrapper)
    if not race.writes:
        return time_query(connection, command)
    connection.execute("TRUNCATE written_heap")
    start = perf_counter()
    connection.execute(command.encode())
    elapsed = (perf_counter() - start) * 1000
    return elapsed, time_query(connection, f"{SUMS} written_heap")[1]
