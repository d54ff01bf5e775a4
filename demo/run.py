"""Shows what the extension does, on a throw-away server: the statements of demo.sql, one by one.

Comments are printed as they are, each statement before its result. Nothing remains.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from harness import Cluster, ClusterError, Stage
from harness.stage import StageError

SCRIPT = Path(__file__).with_name("demo.sql")


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


def show(stage: Stage) -> int:
    """Run the script on a server of its own and return psql's exit status."""
    settings = {"multicorn.python_path": str(stage.sources / "demo")}
    with Cluster(settings=settings) as cluster:
        print("A throw-away PostgreSQL server is running.\n", flush=True)
        done = cluster.psql(as_psql_script(SCRIPT.read_text()), "-v", "ON_ERROR_STOP=1")
    print(done.stdout, end="")
    print(done.stderr, end="", file=sys.stderr)
    return done.returncode


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
        print("The server and all that belonged to it are gone again.")
    return status


if __name__ == "__main__":
    sys.exit(main())
