"""ANALYZE: which share of a remote table's rows is read, and how it is chosen."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multicorn.postgresfdw._import import Catalog

__all__ = ["Sample", "plan_sample"]

# ANALYZE wants so many rows with default_statistics_target as it is at first.
DEFAULT_ROWS = 30_000

# How much more is asked for: chance sends fewer rows than expected half of the time.
MARGIN = 1.1

# A larger share is not worth a sample.
LARGEST_FRACTION = 0.95

# What kind of relation it is, whether it was analysed there, and whether there are foreign tables
# below it, whose rows TABLESAMPLE lets pass unsampled.
TABLE_QUERY = """
WITH RECURSIVE below (oid) AS (
    SELECT $1::pg_catalog.regclass::pg_catalog.oid
    UNION
    SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN below ON i.inhparent = below.oid
)
SELECT c.relkind, c.reltuples > 0,
       EXISTS (SELECT FROM below JOIN pg_catalog.pg_class b USING (oid) WHERE b.relkind = 'f')
FROM pg_catalog.pg_class c WHERE c.oid = $1::pg_catalog.regclass
"""

# Relations that have TABLESAMPLE: tables, materialized views, partitioned tables.
SAMPLED_KINDS = ("r", "m", "p")


@dataclass(frozen=True)
class Sample:
    """How a table is read for ANALYZE.

    Attributes:
        total: how many rows it has, as the remote planner thinks.
        method: 'bernoulli' or 'system' for TABLESAMPLE, 'random' for a condition on each row; None
            to read all rows.
        fraction: the share of the rows that is read.
    """

    total: float
    method: str | None = None
    fraction: float = 1.0


def plan_sample(
    connection: Catalog, table_sql: str, method: str, rows: int = DEFAULT_ROWS
) -> Sample:
    """Choose how to read a table for ANALYZE.

    A table is read whole if it is small, or has no statistics on the other side, as is the case
    with every view: how many rows a fraction of it has is then anybody's guess.

    Args:
        connection: the connection.
        table_sql: the remote table, quoted and with its schema.
        method: the option analyze_sampling.
        rows: how many rows are wanted.

    Raises:
        Error: what the remote says, for instance that there is no such table.
    """
    total = _planned_rows(connection, table_sql)
    if method == "off":
        return Sample(total)
    kind, is_analyzed, has_foreign = connection.query(TABLE_QUERY, [table_sql])[0]
    fraction = MARGIN * rows / max(total, 1)
    if is_analyzed != "t" or fraction > LARGEST_FRACTION:
        return Sample(total)
    if kind not in SAMPLED_KINDS or has_foreign == "t":
        method = "random"
    return Sample(total, "bernoulli" if method == "auto" else method, fraction)


def _planned_rows(connection: Catalog, table_sql: str) -> float:
    """Return how many rows the remote planner expects.

    It takes the statistics for what they are, the table's present size into account, and knows
    partitions, children and views.
    """
    lines = connection.query(f"EXPLAIN (FORMAT JSON) SELECT FROM {table_sql}")
    plan = json.loads("\n".join(line or "" for (line,) in lines))
    return float(plan[0]["Plan"]["Plan Rows"])
