"""The part of the benchmark about federation: one table over many deployments.

The deployments are databases of this very server, with one table each. They are attached to plain
parents and to some that are partitioned by the deployment, so many to each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any, cast

import psycopg

from harness import Cluster
from measuring import MEGABYTE, Result, Table, latency, medians, private_memory

PLAIN, PARTITIONED = "plain parent", "partitioned parent"
PARENTS = {PLAIN: "", PARTITIONED: " PARTITION BY LIST (entity)"}

# What a session with every deployment connected costs is shown per deployment.
ROWS = 1000

APPLICATION = f"""
CREATE TABLE customer (id serial PRIMARY KEY, name varchar(100) NOT NULL, country text);
INSERT INTO customer (name, country) SELECT 'name ' || i, 'nl' FROM generate_series(1, {ROWS}) AS i;
ANALYZE customer;
"""
COLUMNS = "id int NOT NULL, name varchar(100) NOT NULL, country text, entity text NOT NULL"

# Planning reads nothing: what the parent is asked for is the same however many children it has.
PLANNED = "SELECT * FROM {}.customer WHERE id = 7 AND country = 'nl'"


@dataclass(frozen=True)
class Federation:
    """What was measured, by kind of parent, in the order of the counts.

    Attributes:
        counts: How many deployments the parents have.
        planning: How long a query over all children is planned, in microseconds.
        alone: The latency of a query on the child alone, in microseconds.
        pruned: That of the same query on the parent, with the deployment as a constant.
        generic: The same with the deployment as a parameter of a generic plan.
        memory: What a session takes for each deployment that it has connected to, in MB.
    """

    counts: Sequence[int]
    planning: dict[str, list[float]]
    alone: float
    pruned: dict[str, list[float]]
    generic: dict[str, list[float]]
    memory: float

    def bars(self) -> list[Result]:
        """Return the bars."""
        results = []
        for kind in PARENTS:
            most = max(us / n for us, n in zip(self.planning[kind], self.counts, strict=True))
            results.append(
                Result(f"federation: planning, {kind}", 1, most / 1000, "ms a child, at most")
            )
            results += [
                Result(f"federation: one of {n}, {kind}", 1.5, us / self.alone, "x child alone")
                for n, us in zip(self.counts, self.pruned[kind], strict=True)
            ]
        return results

    def tables(self) -> list[Table]:
        """Return the figures."""
        rows = []
        for kind in PARENTS:
            figures = zip(
                self.counts, self.planning[kind], self.pruned[kind], self.generic[kind], strict=True
            )
            rows += [
                [kind, str(n), f"{plan:.0f}", f"{plan / n:.0f}", f"{one:.0f}", f"{any_:.0f}"]
                for n, plan, one, any_ in figures
            ]
        header = ["parent", "children", "planning us", "a child", "one child us", "generic us"]
        rest = [
            ["a row of the child alone", "us", f"{self.alone:.0f}"],
            ["a connected deployment in the session", "MB", f"{self.memory:.2f}"],
        ]
        return [
            Table("Federation", header, rows),
            Table("Federation: beside it", ["what", "unit", "measured"], rest),
        ]


def schema(kind: str, count: int) -> str:
    """Return the schema of a parent."""
    return f"{kind.split()[0]}_{count}"


def deployment(number: int) -> str:
    """Return the name of a deployment, of its database and of its server."""
    return f"deployment_{number}"


def set_up(cluster: Cluster, counts: Sequence[int]) -> None:
    """Make the deployments, and the parents that they are attached to."""
    cluster.run_sql("CREATE DATABASE application")
    cluster.run_sql(APPLICATION, database="application")
    for number in range(1, max(counts) + 1):
        name = deployment(number)
        cluster.run_sql(f"CREATE DATABASE {name} TEMPLATE application")
        cluster.run_sql(
            f"CREATE SERVER {name} FOREIGN DATA WRAPPER multicorn_postgres"
            f" OPTIONS (host '{cluster.host}', port '{cluster.port}', dbname '{name}');"
            f" CREATE USER MAPPING FOR CURRENT_USER SERVER {name} OPTIONS (user 'postgres')"
        )
    for kind, clause in PARENTS.items():
        for count in counts:
            parent = schema(kind, count)
            commands = [
                f"CREATE SCHEMA {parent}",
                f"CREATE TABLE {parent}.customer ({COLUMNS}){clause}",
            ]
            commands += [
                f"SELECT multicorn_attach('{parent}', '{deployment(number)}',"
                f" local_schema => '{parent}_{number}', discriminator => 'entity')"
                for number in range(1, count + 1)
            ]
            cluster.run_sql(";\n".join(commands))


def measure(
    cluster: Cluster,
    connection: psycopg.Connection,
    *,
    counts: Sequence[int],
    plans: int,
    rounds: int,
    seconds: int,
) -> Federation:
    """Measure parents of both kinds.

    Args:
        cluster: The server.
        connection: A session on it.
        counts: How many deployments the parents have.
        plans: How often a query is planned.
        rounds: How often each query takes its turn.
        seconds: How long pgbench runs in each turn.
    """
    set_up(cluster, counts)
    planning = {
        kind: [plan(connection, PLANNED.format(schema(kind, n)), plans) for n in counts]
        for kind in PARENTS
    }
    child = (
        f"\\set id random(1, {ROWS})\nSELECT * FROM {schema(PLAIN, 1)}_1.customer WHERE id = :id"
    )
    pruned = [of_one(kind, n, f"'{deployment(1)}'") for kind in PARENTS for n in counts]
    generic = [of_one(kind, n, "'deployment_' || :first") for kind in PARENTS for n in counts]
    turns = [
        [latency(cluster, query, seconds) for query in (child, *pruned)] for _ in range(rounds)
    ]
    alone, *constants = medians(turns)
    with generic_plans(cluster):
        turns = [[latency(cluster, query, seconds) for query in generic] for _ in range(rounds)]
    parameters = medians(turns)
    by_kind = {kind: index * len(counts) for index, kind in enumerate(PARENTS)}
    return Federation(
        counts,
        planning,
        alone,
        {kind: constants[at : at + len(counts)] for kind, at in by_kind.items()},
        {kind: parameters[at : at + len(counts)] for kind, at in by_kind.items()},
        memory(cluster, counts),
    )


def of_one(kind: str, count: int, name: str) -> str:
    """Return a query, for pgbench, for a row of one deployment by its key."""
    return (
        f"\\set id random(1, {ROWS})\n\\set first 1\n"
        f"SELECT * FROM {schema(kind, count)}.customer WHERE id = :id AND entity = {name}"
    )


@contextmanager
def generic_plans(cluster: Cluster) -> Iterator[None]:
    """Have prepared queries planned once for all parameters."""
    cluster.run_sql("ALTER ROLE CURRENT_USER SET plan_cache_mode = force_generic_plan")
    try:
        yield
    finally:
        cluster.run_sql("ALTER ROLE CURRENT_USER RESET plan_cache_mode")


def plan(connection: psycopg.Connection, query: str, plans: int) -> float:
    """Return the median time that PostgreSQL takes to plan a query, in microseconds, warm."""
    command = f"EXPLAIN (SUMMARY, FORMAT json) {query}".encode()
    times = []
    for _ in range(plans + 1):
        row = connection.execute(command).fetchone()
        (explained,) = cast("list[dict[str, Any]]", row[0] if row else [])
        times.append(1000 * float(explained["Planning Time"]))
    return median(times[1:])


def memory(cluster: Cluster, counts: Sequence[int]) -> float:
    """Return what a session takes for each deployment that it is connected to, in MB."""
    few, many = counts[0], counts[-1]
    with psycopg.connect(cluster.dsn, autocommit=True) as connection:
        sizes = []
        for count in (few, many):
            query = f"SELECT count(*) FROM {schema(PLAIN, count)}.customer"
            connection.execute(query.encode())
            sizes.append(private_memory(connection.info.backend_pid))
    return (sizes[1] - sizes[0]) / MEGABYTE / (many - few)
