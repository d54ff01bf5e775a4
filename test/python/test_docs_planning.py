"""docs/planning.md shows what the server does: its statements are run, each result compared."""

from __future__ import annotations

from pathlib import Path

from harness import Cluster
from harness.pages import Reader, read_blocks

PAGE = Path(__file__).resolve().parents[2] / "docs" / "planning.md"


def test_planning() -> None:
    with Cluster() as cluster:
        cluster.createdb("mydb")
        reader = Reader(cluster.scratch, cluster, {"/srv/wrappers": cluster.scratch / "wrappers"})
        reader.follow(read_blocks(PAGE))
