"""Runs a throw-away server for tests on other versions, until standard input ends.

    python3 -m harness.serve

Prints how the superuser connects to it through libpq, which MULTICORN_OTHER_SERVER tells tests.
"""

from __future__ import annotations

import sys

from harness.cluster import SUPERUSER, Cluster


def main() -> None:
    """Run the server."""
    with Cluster(tcp=True) as cluster:
        print(f"host=127.0.0.1 port={cluster.port} dbname=postgres user={SUPERUSER}", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
