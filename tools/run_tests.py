"""Runs the tests and says how many passed.

    python3 tools/run_tests.py [lint] [regress] [pytest]

The SQL tests and the Python tests run on a private copy of the PostgreSQL installation, each on a
throw-away server. The last line is "N passed, N failed", over everything that was asked for.
TESTS names the SQL tests to run, PYTEST_ARGS is handed to pytest.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import lint
from harness import Cluster, ClusterError, Stage
from harness.process import run
from harness.stage import StageError

SOURCE = Path(__file__).resolve().parents[1]
REGRESS_RESULTS = SOURCE / ".cache" / "regress"

# "test name ... ok" up to PostgreSQL 15, "ok 1 - name" since 16
REGRESS_OK = re.compile(r"^(test .* \.\.\. ok\b|ok \d+ )", re.MULTILINE)


@dataclass(frozen=True)
class Counts:
    """How many tests of some kind passed, failed and were skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Add up two kinds."""
        return Counts(
            self.passed + other.passed,
            self.failed + other.failed,
            self.skipped + other.skipped,
        )

    def __str__(self) -> str:
        """Say it the way test runners do."""
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


Check = Callable[[Stage], Counts]
Checks = tuple[Check | None, Check | None]


def heading(text: str) -> None:
    """Print what comes next."""
    print(f"\n== {text}", flush=True)


def run_lint() -> Counts:
    """Check the sources."""
    heading("Format, lint and types")
    try:
        return Counts(*lint.run_checks())
    except lint.LintError as reason:
        print(reason)
        return Counts(failed=1)


# --- SQL ----------------------------------------------------------------------------------------


def sql_tests() -> list[str]:
    """Return the names of all SQL tests."""
    return sorted(path.stem for path in (SOURCE / "test/sql").glob("*.sql"))


def regress_tests() -> list[str]:
    """Return the SQL tests to run: those that TESTS names, or all of them."""
    return os.environ.get("TESTS", "").split() or sql_tests()


def run_regress(stage: Stage) -> Counts:
    """Run the SQL tests on a server of their own."""
    heading("SQL tests")
    tests = regress_tests()
    if not tests:
        print("There is no test in test/sql.")
        return Counts(failed=1)
    with Cluster() as cluster:
        done = run(regress_command(stage, cluster, tests), capture=True)
    print(done.stdout, flush=True)
    keep_regress_results(stage)
    passed = len(REGRESS_OK.findall(done.stdout))
    failed = len(tests) - passed
    return Counts(passed, failed or (1 if done.returncode else 0))


def regress_command(stage: Stage, cluster: Cluster, tests: list[str]) -> list[str]:
    """Return how to run pg_regress on a cluster of the stage."""
    return [
        str(stage.pg_regress),
        f"--inputdir={stage.sources / 'test'}",
        f"--outputdir={regress_output(stage)}",
        f"--bindir={stage.bindir}",
        "--dbname=contrib_regression",
        *("--encoding=UTF8", "--no-locale"),
        *(f"--host={cluster.host}", f"--port={cluster.port}", "--user=postgres"),
        *tests,
    ]


def regress_output(stage: Stage) -> Path:
    """Return the folder for the results; the server may have to write there."""
    folder = stage.root / "regress"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o777)
    return folder


def keep_regress_results(stage: Stage) -> None:
    """Keep the results in .cache/regress, and print where they differ from what was expected."""
    shutil.rmtree(REGRESS_RESULTS, ignore_errors=True)
    shutil.copytree(regress_output(stage), REGRESS_RESULTS)
    diffs = REGRESS_RESULTS / "regression.diffs"
    if diffs.exists():
        print(diffs.read_text(errors="replace"), flush=True)


# --- Python -------------------------------------------------------------------------------------


def run_pytest(stage: Stage) -> Counts:
    """Run the Python tests; each makes the servers that it needs."""
    heading("Python tests")
    with tempfile.TemporaryDirectory(prefix="multicorn-report-") as folder:
        report = Path(folder) / "report.xml"
        arguments = shlex.split(os.environ.get("PYTEST_ARGS", ""))
        # Without -P, "import multicorn" would find the extension's own library in this folder.
        command = [sys.executable, "-P", "-m", "pytest", f"--junitxml={report}"]
        command += [*distribution(), *arguments]
        status = run(command, cwd=SOURCE, env=stage.environment).returncode
        counts = read_report(report)
    if status != 0 and counts.failed == 0:
        counts += Counts(failed=1)
    return counts


def distribution() -> list[str]:
    """Return pytest's arguments for as many processes as there are processors.

    The tests of a file share a server, and so a process. What PYTEST_ARGS says comes later and
    wins: -n0 for a debugger.
    """
    if importlib.util.find_spec("xdist") is None:
        return []
    return [f"-n{os.cpu_count() or 1}", "--dist=loadfile"]


def read_report(report: Path) -> Counts:
    """Read pytest's counts from its report; none if it did not get so far."""
    if not report.exists():
        return Counts()
    suites = list(ElementTree.parse(report).getroot().iter("testsuite"))

    def total(name: str) -> int:
        return sum(int(suite.get(name, 0)) for suite in suites)

    failed = total("failures") + total("errors")
    skipped = total("skipped")
    return Counts(max(total("tests") - failed - skipped, 0), failed, skipped)


# --- All ----------------------------------------------------------------------------------------


def run_on_stage(kinds: list[str], stage: Stage, checks: Checks = (None, None)) -> Counts:
    """Build and stage the extension, then run the SQL and the Python tests.

    Args:
        kinds: Which of them.
        stage: Where; it is made and removed.
        checks: What is to be checked of the stage before and after them.
    """
    heading("Build")
    before, after = checks
    runs = {"regress": run_regress, "pytest": run_pytest}
    steps = [before, *(run for kind, run in runs.items() if kind in kinds), after]
    counts = Counts()
    with stage, stage.in_environment():
        for step in steps:
            counts += step(stage) if step else Counts()
    return counts


def run_and_count(tests: Callable[[], Counts]) -> int:
    """Run tests, print the line that counts them, and return the exit status.

    Args:
        tests: Runs them. When it raises something that says why they cannot run, that is a failure.
    """
    try:
        counts = tests()
    except (StageError, ClusterError, subprocess.CalledProcessError, OSError) as error:
        print(error)
        counts = Counts(failed=1)
    except KeyboardInterrupt:
        print("Interrupted.")
        return 130
    print(f"\n{counts}", flush=True)
    return 1 if counts.failed else 0


def run_kinds(kinds: list[str]) -> Counts:
    """Run what was asked for."""
    counts = run_lint() if "lint" in kinds else Counts()
    if kinds != ["lint"]:
        counts += run_on_stage(kinds, Stage())
    return counts


if __name__ == "__main__":
    sys.exit(run_and_count(lambda: run_kinds(sys.argv[1:] or ["lint", "regress", "pytest"])))
