"""docs/administration.md shows what the server does: its statements are run and compared."""

from __future__ import annotations

from pathlib import Path

from harness import Cluster
from harness.pages import Reader, read_blocks

PAGE = Path(__file__).resolve().parents[2] / "docs" / "administration.md"


def test_administration() -> None:
    with Cluster() as cluster:
        cluster.createdb("mydb")
        Reader(cluster.scratch, cluster).follow(read_blocks(PAGE))
