"""Shows what the extension does, on throw-away servers: three scripts, a statement at a time.

demo.sql is about wrappers, federation.sql about many deployments of one application, and
downtime.sql goes on when one of them has been stopped. Comments are printed as they are, each
statement before its result. Nothing remains.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from harness import Cluster, ClusterError, Stage
from harness.stage import StageError

FOLDER = Path(__file__).parent


def blocks(sql: str) -> list[str]:
    """Split a script at its empty lines: into comments, and statements that belong together."""
    return re.split(r"\n{2,}", sql.strip())


def without_dashes(comment: str) -> str:
    """Return the text of a comment."""
    return re.sub(r"^-- ?", "", comment, flags=re.MULTILINE)


def echo(text: str) -> str:
    """Return what makes psql print a text and an empty line."""
    quoted = text.replace("\\", "\\\\").replace("'", "''")
    return "".join(f"\\echo '{line}'\n" for line in quoted.splitlines()) + "\\echo\n"


def as_psql_script(sql: str) -> str:
    """Return a script that prints comments, statements and results, for a person to read."""
    script = []
    for block in blocks(sql):
        if block.startswith("--"):
            script.append(echo(without_dashes(block)))
        else:
            indented = "\n".join(f"    {line}" for line in block.splitlines())
            script.append(echo(indented) + block + "\n")
    return "".join(script)


def run(cluster: Cluster, other: Cluster, script: str) -> int:
    """Run a script, show what comes with messages in their place, and return psql's exit status."""
    variables = {
        "ON_ERROR_STOP": "1",
        "APPLICATION": str(FOLDER / "application.sql"),
        "LOCAL_HOST": cluster.host,
        "LOCAL_PORT": str(cluster.port),
        "OTHER_HOST": other.host,
        "OTHER_PORT": str(other.port),
    }
    options = [part for name, value in variables.items() for part in ("-v", f"{name}={value}")]
    done = subprocess.run(
        [cluster.bindir / "psql", "-X", "-q", "-d", cluster.dsn, *options],
        input=as_psql_script((FOLDER / script).read_text()),
        env={**os.environ, "PGCLIENTENCODING": "UTF8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    print(done.stdout, end="", flush=True)
    return done.returncode


def show(stage: Stage) -> int:
    """Run the scripts on servers of their own and return psql's exit status."""
    settings = {"multicorn.python_path": str(stage.sources / "demo")}
    with Cluster(settings=settings) as cluster, Cluster() as other:
        print("Two throw-away PostgreSQL servers are running.\n", flush=True)
        status = run(cluster, other, "demo.sql") or run(cluster, other, "federation.sql")
        other.stop()
        return status or run(cluster, other, "downtime.sql")


def main() -> int:
    """Build the extension and show it."""
    try:
        with Stage() as stage:
            os.environ.update(stage.environment)
            status = show(stage)
    except (StageError, ClusterError, subprocess.CalledProcessError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if status == 0:
        print("The servers and all that belonged to them are gone again.")
    return status


if __name__ == "__main__":
    sys.exit(main())
