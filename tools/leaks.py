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
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from harness import Cluster, Stage
from harness.protocol import Answer, Backend, Query
from harness.relay import Relay
from harness.stage import SOURCE, Variant
from run_tests import Counts, heading, run_and_count, run_on_stage, sql_tests

RESULTS = SOURCE / ".cache" / "leaks"

REPETITIONS = 10_000
SECONDS = 60.0

# Caches fill and lists of free memory grow in the first repetitions.
WARM_UP = 10

# So many statements are sent before the first answer is waited for.
CHUNK = 10

# How often a statement has to grow in a row before it counts.
ROUNDS = 5

# What cannot be repeated by itself: it ends or begins a transaction, or cannot be in one; or it
# moves a cursor, which a rollback does not move back. A transaction that was rolled back, or has
# changed nothing, is repeated as a whole. The data of COPY is there only after psql has sent it.
TRANSACTION_CONTROL = re.compile(
    r"(begin|start\s+transaction|commit|end|rollback|abort|savepoint|release|prepare\s+transaction)\b"
)
NOT_IN_TRANSACTION = re.compile(
    r"(vacuum|discard|alter\s+system|(create|drop)\s+database|deallocate|prepare|declare|close|fetch|move)\b"
)
WANTS_DATA = re.compile(r"copy\b.*\bfrom\s+stdin\b", re.DOTALL)
ENDS_IN_ROLLBACK = re.compile(r"(rollback|abort)\b")

# PostgreSQL keeps for the session what the check of a function in PL/pgSQL has compiled, and each
# collation that it has opened.
KEPT_BY_POSTGRES = re.compile(r"create\s+(or\s+replace\s+)?(function|procedure|collation)\b")

# These change nothing by themselves, so that they can be a transaction of their own and have it
# committed, with all that the extension does then.
READS = re.compile(r"(select|values|table|with|explain|show|execute)\b")
ONLY_READS = re.compile(
    rf"{TRANSACTION_CONTROL.pattern}|(select|values|table|show|declare|close|fetch|move)\b"
)

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
GRANT SELECT ON leaks.measure, pg_backend_memory_contexts TO public;
GRANT EXECUTE ON FUNCTION pg_get_backend_memory_contexts() TO public;
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
        self._transaction: list[Query] = []

    def visit(self, backend: Backend, query: Query, status: str) -> None:
        """Repeat a statement before psql runs it."""
        text = plain(query.text)
        if status != "I" or TRANSACTION_CONTROL.match(text):
            self._transaction.append(query)
        if not text or TRANSACTION_CONTROL.match(text) or WANTS_DATA.match(text):
            return
        if status == "E" or NOT_IN_TRANSACTION.match(text):
            self.report.skipped.append(query.text)
            return
        self.repeat(backend, query.text, around(query, status))

    def leave(self, backend: Backend, query: Query, status: str) -> None:
        """Repeat COPY when its data is known, and a transaction that may be begun again."""
        if query.data:
            if self._transaction:
                self._transaction[-1] = query
            if status != "E":
                self.repeat(backend, query.text, around(query, status))
        if status != "I" or not self._transaction:
            return
        transaction, self._transaction = self._transaction, []
        if len(transaction) < 2:
            return
        whole = "\n".join(one.text for one in transaction)
        if leaves_nothing(transaction):
            self.repeat(backend, whole, transaction)
        else:
            self.report.skipped.append(whole)

    def repeat(self, backend: Backend, statement: str, commands: Sequence[str | Query]) -> None:
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

    def _run_many(self, backend: Backend, commands: Sequence[str | Query]) -> int:
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

    def _run(self, backend: Backend, commands: Sequence[str | Query], count: int) -> list[Answer]:
        """Run commands so often, sent together; returns what they were answered."""
        return backend.ask_all([*commands] * count)


def plain(statement: str) -> str:
    """Return a statement without comments before it, in small letters."""
    return re.sub(r"\A(\s+|--[^\n]*\n|/\*.*?\*/)+", "", statement, flags=re.DOTALL).lower()


def owed_to_postgres(statement: str) -> set[str]:
    """Return what may grow with a statement without our doing."""
    return {"contexts", "malloc"} if KEPT_BY_POSTGRES.search(plain(statement)) else set()


def leaves_nothing(transaction: Sequence[Query]) -> bool:
    """Tell whether a transaction can be repeated: it was rolled back, or only reads."""
    texts = [plain(query.text) for query in transaction]
    return bool(ENDS_IN_ROLLBACK.match(texts[-1])) or all(
        ONLY_READS.match(text) for text in texts if text
    )


def around(query: Query, status: str) -> list[str | Query]:
    """Return the commands that run a query and leave everything as it was."""
    if status == "T":
        return ["SAVEPOINT leaks", query, "ROLLBACK TO leaks", RESTORE, "RELEASE leaks"]
    if READS.match(plain(query.text)):
        return [query]
    return ["BEGIN", query, "ROLLBACK", RESTORE]


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


# What no script can have repeated: transactions that commit. What they write is taken back behind.
COMMITS = "commits"

COMMITS_PREPARE = """
CREATE SERVER hooked FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'hooks.Hooks');
CREATE FOREIGN TABLE a (n int) SERVER hooked OPTIONS (name 'a');
CREATE FOREIGN TABLE b (n int) SERVER hooked OPTIONS (name 'b');
CREATE FOREIGN TABLE journal (event text) SERVER hooked OPTIONS (wrapper 'hooks.Journal');
CREATE FOREIGN TABLE ledger (n int) SERVER hooked OPTIONS (wrapper 'ledger.Ledger');
CREATE FOREIGN TABLE filtered (n int, name text) SERVER hooked
    OPTIONS (wrapper 'filtering.Enforcing', take 'n', tell 'off');
CREATE TABLE local (n int);
CREATE TABLE late (n int PRIMARY KEY, next int REFERENCES late DEFERRABLE INITIALLY DEFERRED);
"""

TRANSACTION = """
BEGIN
INSERT INTO local VALUES (1)
INSERT INTO ledger VALUES (1)
SELECT n FROM a
SAVEPOINT first
SELECT n FROM b
RELEASE first
SAVEPOINT second
INSERT INTO local VALUES (2)
INSERT INTO ledger VALUES (2)
SELECT n FROM a
ROLLBACK TO second
COMMIT
"""

CLEAN_UP = ["TRUNCATE local", RESTORE]


def run_commits(cluster: Cluster, options: argparse.Namespace) -> Report:
    """Repeat transactions that commit, and one that is refused at its end."""
    report = Report(COMMITS)
    repeater = Repeater(report, options.repetitions, options.seconds)
    cluster.createdb(COMMITS)
    cluster.run_sql(PREPARE + COMMITS_PREPARE, database=COMMITS)
    backend = Backend.connect(cluster.socket, COMMITS, "postgres")
    lines = TRANSACTION.strip().splitlines()
    for transaction in (lines, [*lines[:-1], "INSERT INTO late VALUES (1, 2)", "COMMIT"]):
        repeater.repeat(backend, "\n".join(transaction), [*transaction, *CLEAN_UP])
    for statement in ("INSERT INTO ledger VALUES (1)", "SELECT n FROM a"):
        repeater.repeat(backend, statement, [statement, *CLEAN_UP])
    backend.close()
    return report


def run_scripts(stage: Stage, options: argparse.Namespace) -> Counts:
    """Run the scripts that were asked for, or all."""
    heading(f"Statements, {options.repetitions} times each")
    shutil.rmtree(RESULTS, ignore_errors=True)
    RESULTS.mkdir(parents=True)
    names = options.tests or [COMMITS, *sql_tests()]
    settings = {
        "multicorn.python_path": str(stage.sources / "test/wrappers"),
        "max_connections": "20",
    }
    counts = Counts()
    with Cluster(settings=settings) as cluster:
        for name in names:
            if name == COMMITS:
                report = run_commits(cluster, options)
            else:
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
