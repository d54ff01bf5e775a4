"""Runs every statement of the SQL tests many times and sees that nothing is lost by it.

    python3 tools/leaks.py [--repetitions N] [--seconds S] [test ...]

The extension is built against a debug build of Python, which counts the references to all objects.
Every statement of test/sql is repeated in its place in its script, those that fail as well: a query
by itself; what changes something in a transaction that is rolled back, or in a savepoint if there
is a transaction already; a whole transaction that the script rolls back after it has ended. Before
and after that are measured: the references, Python's blocks of memory, what else malloc has given
out, and what the extension uses of PostgreSQL's memory contexts. A statement leaks if one of them
has grown as if something were lost in one of twenty repetitions, several times in a row.

The last line is "N passed, N failed", over the statements that were repeated; what was found is
kept in .cache/leaks.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import time
from dataclasses import dataclass, field
from typing import NamedTuple

from harness import Cluster, Stage
from harness.protocol import Answer, Backend
from harness.relay import Relay
from harness.stage import SOURCE, Variant
from run_tests import Counts, heading, run_and_count, run_on_stage

RESULTS = SOURCE / ".cache" / "leaks"

REPETITIONS = 10_000
SECONDS = 60.0

# Caches fill and lists of free memory grow in the first repetitions.
WARM_UP = 10

# So many statements are sent before the first answer is waited for.
CHUNK = 10

# How often a statement has to grow in a row before it counts.
ROUNDS = 5

# What cannot be repeated: it ends or begins a transaction, or cannot be in one; it wants data from
# the script; it moves a cursor, which a rollback does not move back. A transaction that was rolled
# back is repeated as a whole.
TRANSACTION_CONTROL = re.compile(
    r"(begin|start\s+transaction|commit|end|rollback|abort|savepoint|release|prepare\s+transaction)\b"
)
NOT_IN_TRANSACTION = re.compile(
    r"(vacuum|discard|alter\s+system|(create|drop)\s+database|deallocate|prepare|declare|close|fetch|move)\b"
)
WANTS_DATA = re.compile(r"copy\b.*\bfrom\s+stdin\b", re.DOTALL)
ENDS_IN_ROLLBACK = re.compile(r"(rollback|abort)\s*;?\s*$")

CREATES_FUNCTION = re.compile(r"create\s+(or\s+replace\s+)?(function|procedure)\b")

# These change nothing by themselves, so that they can be a transaction of their own and have it
# committed, with all that the extension does then.
READS = re.compile(r"(select|values|table|with|explain|show|execute)\b")

# Of PostgreSQL's memory contexts count the one that all others hang from, and those of the
# extension: caches of catalogs, plans and functions grow with what was looked up, and are its own.
MEASURE = """
SELECT m.refs, m.blocks, m.bytes - sum(c.total_bytes),
       sum(c.used_bytes) FILTER (WHERE c.name = 'TopMemoryContext' OR c.name LIKE 'multicorn%')
FROM leaks.measure m, pg_backend_memory_contexts c
WHERE m.phase = '{phase}'
GROUP BY m.refs, m.blocks, m.bytes
"""

# What wrappers keep outlives a rollback: an INSERT from a table into itself would double it each
# time.
RESTORE = "SELECT FROM leaks.measure WHERE phase = 'restore'"

PREPARE = """
CREATE EXTENSION multicorn;
CREATE SCHEMA leaks;
CREATE SERVER leaks_measure FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'footprint.Measure');
CREATE FOREIGN TABLE leaks.measure (phase text, refs bigint, blocks bigint, bytes bigint)
    SERVER leaks_measure;
GRANT USAGE ON SCHEMA leaks TO public;
GRANT SELECT ON leaks.measure TO public;
"""


class Measurement(NamedTuple):
    """What a session holds, in objects and bytes."""

    references: int
    blocks: int
    malloc: int
    contexts: int

    def growth(self, before: Measurement) -> Measurement:
        """Return by how much this is more than it was before."""
        return Measurement(*(now - then for now, then in zip(self, before, strict=True)))

    def excess(self, limits: Measurement) -> set[str]:
        """Return what of this difference is more than some limits."""
        return {name for name in self._fields if getattr(self, name) > getattr(limits, name)}


def flat(repetitions: int) -> Measurement:
    """Return what so many repetitions may have added, without a loss in even one of twenty.

    A lost object is a reference and a block, the smallest lost allocation 16 bytes of a memory
    context or 32 of malloc. The rest is what comes and goes with what is kept for later.
    """
    count = repetitions // 20
    return Measurement(50 + count, 100 + count, 16_384 + 2 * repetitions, 8_192 + repetitions)


def measure(backend: Backend, phase: str) -> Measurement | None:
    """Measure a session; None if it cannot tell, in a transaction that has failed, for example."""
    answer = backend.ask(MEASURE.format(phase=phase))
    if not answer.rows:
        return None
    return Measurement(*(int(value or 0) for value in answer.rows[0]))


# --- One statement --------------------------------------------------------------------------------


@dataclass
class Report:
    """What came of the statements of a script."""

    name: str
    repeated: int = 0
    failing: int = 0
    repetitions: int = 0
    cut_short: int = 0
    skipped: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """Say it in a line."""
        return (
            f"{self.name}: {self.repeated} repeated, {self.failing} of them fail,"
            f" {len(self.skipped)} not repeated; {self.repetitions} repetitions,"
            f" {self.cut_short} statements fewer than asked for; {len(self.leaks)} leaks"
        )


class Repeater:
    """Repeats statements and measures what that leaves behind."""

    def __init__(self, report: Report, repetitions: int, seconds: float) -> None:
        """Prepare for a script.

        Args:
            report: What comes of it.
            repetitions: How often each statement is to be run.
            seconds: After so many of them the repetitions of a statement end early.
        """
        self.report = report
        self.repetitions = repetitions
        self.seconds = seconds
        self._transaction: list[str] = []

    def visit(self, backend: Backend, statement: str, status: str) -> None:
        """Repeat a statement before psql runs it."""
        text = plain(statement)
        if status != "I" or TRANSACTION_CONTROL.match(text):
            self._transaction.append(statement)
        if not text or TRANSACTION_CONTROL.match(text):
            return
        if status == "E" or NOT_IN_TRANSACTION.match(text) or WANTS_DATA.match(text):
            self.report.skipped.append(statement)
            return
        self._repeat(backend, statement, around(text, statement, status))

    def leave(self, backend: Backend, statement: str, status: str) -> None:
        """Repeat a transaction when the script has rolled it back."""
        if status != "I" or not self._transaction:
            return
        transaction, self._transaction = self._transaction, []
        whole = " ".join(map(plain, transaction))
        if len(transaction) < 2:
            return
        if not ENDS_IN_ROLLBACK.search(whole) or any(
            WANTS_DATA.match(plain(s)) for s in transaction
        ):
            self.report.skipped.append("\n".join(transaction))
            return
        self._repeat(backend, "\n".join(transaction), transaction)

    def _repeat(self, backend: Backend, statement: str, commands: list[str]) -> None:
        """Repeat commands until they have shown that they lose nothing, or that they do."""
        measure(backend, "begin")
        answers = self._run(backend, commands, WARM_UP)
        before = measure(backend, "begin")
        if before is None:
            self.report.skipped.append(statement)
            return
        self.report.repeated += 1
        self.report.failing += any(answer.errors for answer in answers)
        done = []
        excess = set(Measurement._fields) - owed_to_postgres(statement)
        for _ in range(ROUNDS):
            count = self._run_many(backend, commands)
            after = measure(backend, "end")
            if after is None:
                self.report.leaks.append(f"{statement}\n    can no longer be measured")
                return
            growth = after.growth(before)
            excess &= growth.excess(flat(count))
            if not excess:
                return
            done.append(f"    {count} repetitions: {growth}")
            before = after
        self.report.leaks.append("\n".join((statement, *done)))

    def _run_many(self, backend: Backend, commands: list[str]) -> int:
        """Run commands as often as is wanted and there is time for; returns how often."""
        until = time.monotonic() + self.seconds
        count = 0
        while count < self.repetitions and (count < CHUNK or time.monotonic() < until):
            chunk = min(CHUNK, self.repetitions - count)
            self._run(backend, commands, chunk)
            count += chunk
        self.report.repetitions += count
        self.report.cut_short += count < self.repetitions
        return count

    def _run(self, backend: Backend, commands: list[str], count: int) -> list[Answer]:
        """Run commands so often, sent together; returns what they were answered."""
        return backend.ask_all(commands * count)


def plain(statement: str) -> str:
    """Return a statement without comments before it, in small letters."""
    return re.sub(r"\A(\s+|--[^\n]*\n|/\*.*?\*/)+", "", statement, flags=re.DOTALL).lower()


def owed_to_postgres(statement: str) -> set[str]:
    """Return what may grow with a statement without our doing.

    The check of a new function in PL/pgSQL leaves it in the memory of the session.
    """
    return {"contexts", "malloc"} if CREATES_FUNCTION.search(plain(statement)) else set()


def around(text: str, statement: str, status: str) -> list[str]:
    """Return the commands that run a statement and leave everything as it was."""
    if status == "T":
        return ["SAVEPOINT leaks", statement, "ROLLBACK TO leaks", RESTORE, "RELEASE leaks"]
    if READS.match(text):
        return [statement]
    return ["BEGIN", statement, "ROLLBACK", RESTORE]


# --- The scripts ----------------------------------------------------------------------------------


def run_script(stage: Stage, cluster: Cluster, name: str, options: argparse.Namespace) -> Report:
    """Run a script in a database of its own, with each of its statements repeated."""
    report = Report(name)
    repeater = Repeater(report, options.repetitions, options.seconds)
    relay = Relay(cluster, repeater.visit, repeater.leave)
    database = database_of(name)
    cluster.createdb(database)
    cluster.run_sql(PREPARE, database=database)
    script = stage.sources / "test/sql" / f"{name}.sql"
    variables = {"PG_ABS_SRCDIR": str(stage.sources / "test"), "PGCLIENTENCODING": "UTF8"}
    printed = relay.run(script, database, variables)
    if relay.lost:
        # It may be that the server recovers from a crash.
        cluster.restart("immediate")
    cluster.dropdb(database)
    (RESULTS / f"{name}.out").write_text(printed)
    if relay.lost:
        report.leaks.append(f"{relay.lost} sessions ended; see {RESULTS}/{name}.out")
    (RESULTS / f"{name}.skipped").write_text("\n\n".join(report.skipped))
    (RESULTS / f"{name}.leaks").write_text("\n\n".join(report.leaks))
    return report


def database_of(name: str) -> str:
    """Return the name of a script's database; a script may be called as one that is there."""
    return f"script_{name}"


def run_scripts(stage: Stage, options: argparse.Namespace) -> Counts:
    """Run the scripts that were asked for, or all."""
    heading(f"Statements, {options.repetitions} times each")
    shutil.rmtree(RESULTS, ignore_errors=True)
    RESULTS.mkdir(parents=True)
    names = options.tests or sorted(path.stem for path in (SOURCE / "test/sql").glob("*.sql"))
    settings = {
        "multicorn.python_path": str(stage.sources / "test/wrappers"),
        "max_connections": "20",
    }
    counts = Counts()
    with Cluster(settings=settings) as cluster:
        for name in names:
            report = run_script(stage, cluster, name, options)
            print(report, *report.leaks, sep="\n\n    ", flush=True)
            leaks = len(report.leaks)
            counts += Counts(max(report.repeated - leaks, 0), leaks)
    return counts


# --- All ------------------------------------------------------------------------------------------


def debug_python() -> str:
    """Return the debug build of the Python that the tests run with."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}-dbg"
    return shutil.which(name) or name


def variant() -> Variant:
    """Return how the extension is built and staged.

    PL/Python would bring the usual Python into the session, beside the debug build.
    """
    return Variant(
        "leaks",
        variables=(f"PYTHON={debug_python()}", "LTO=0"),
        left_out=("plpython3*", "*_plpython3*"),
    )


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for each statement")
    parser.add_argument("tests", nargs="*", help="scripts of test/sql, without .sql")
    return parser.parse_args(arguments)


def run_all(options: argparse.Namespace) -> Counts:
    """Build and stage the extension, then repeat the statements."""
    os.environ["PYTHON"] = debug_python()
    stage = Stage(variant=variant())
    return run_on_stage([], stage, (lambda stage: run_scripts(stage, options), None))


if __name__ == "__main__":
    parsed = parse_arguments(sys.argv[1:])
    sys.exit(run_and_count(lambda: run_all(parsed)))
