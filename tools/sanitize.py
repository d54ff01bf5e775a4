"""Runs the tests with the extension under AddressSanitizer and UndefinedBehaviorSanitizer.

    python3 tools/sanitize.py [regress] [pytest]

Only the extension is built with them; their runtime is loaded into the server when it starts. Every
report aborts its process, which fails the test, and is counted at the end, so that one in a process
that no test looks at is found as well. Before the tests, a library with one mistake of each kind
shows that they would be. The last line is "N passed, N failed"; what was reported is kept in
.cache/sanitize.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from harness import Cluster, Stage
from harness.stage import SOURCE, Variant
from run_tests import Counts, heading, run_and_count, run_on_stage

REPORTS = SOURCE / ".cache" / "sanitize"

FLAGS = "-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -O1"

# A backend that is aborted takes the whole server down, so that no test can overlook it. Memory
# that is still held when a process ends is none of our business here: PostgreSQL frees little then.
# Room for 1 GB in one piece is asked for in tests, which expect an error.
ASAN_OPTIONS = ":".join(
    (
        *("halt_on_error=1", "abort_on_error=1", "disable_coredump=1", "detect_leaks=0"),
        *(
            "allocator_may_return_null=1",
            "quarantine_size_mb=64",
            "log_path={stage}/reports/report",
        ),
    )
)
# So many lines of the server's log are shown from a report on.
LINES_OF_REPORT = 25

# One mistake of each kind, in a library that is built like the extension.
MISTAKES = """
#include "postgres.h"
#include "fmgr.h"

PG_MODULE_MAGIC;
PG_FUNCTION_INFO_V1(use_after_free);
PG_FUNCTION_INFO_V1(shift_too_far);

Datum use_after_free(PG_FUNCTION_ARGS)
{
    volatile int *place = malloc(sizeof(int));

    free((void *) place);
    PG_RETURN_INT32(*place);
}

Datum shift_too_far(PG_FUNCTION_ARGS)
{
    PG_RETURN_INT32(1 << PG_GETARG_INT32(0));
}
"""
MISTAKES_CALLS = {
    "use_after_free()": "AddressSanitizer: heap-use-after-free",
    "shift_too_far(40)": "runtime error: shift exponent 40 is too large",
}


# AddressSanitizer starts at the first malloc. In a server that is one of bindtextdomain(), from a
# library's constructor, and with a lock of gettext's held, which the start takes once more and
# leaves broken: the server would hang. So a library that comes before all others calls malloc.
START_EARLY = """
#include <stdlib.h>

__attribute__((constructor)) static void start(void)
{
    void *volatile place = malloc(1);

    free(place);
}
"""


def build_start_early(stage: Stage) -> None:
    """Build that library where the servers of the stage look for it."""
    source = stage.root / "start_early.c"
    source.write_text(START_EARLY)
    command = ["gcc", "-O1", "-shared", "-fPIC", "-Wl,-z,initfirst"]
    subprocess.run([*command, "-o", stage.root / "start_early.so", source], check=True)


def runtime_libraries() -> list[str]:
    """Return the sanitizers' shared libraries."""
    names = ("libasan.so", "libubsan.so")
    return [str(Path(_ask_compiler(f"-print-file-name={name}")).resolve()) for name in names]


def _ask_compiler(option: str) -> str:
    """Return what gcc answers; it is the compiler of the variant."""
    answer = subprocess.run(["gcc", option], capture_output=True, text=True, check=True)
    return answer.stdout.strip()


def variant() -> Variant:
    """Return how the extension is built and its servers are started."""
    return Variant(
        "sanitize",
        variables=("CC=gcc", "LTO=0", f"COPT={FLAGS}"),
        environment={
            "LD_PRELOAD": ":".join((*runtime_libraries(), "{stage}/start_early.so")),
            "ASAN_OPTIONS": ASAN_OPTIONS,
            "UBSAN_OPTIONS": "halt_on_error=1:abort_on_error=1:print_stacktrace=1",
            # With an allocator of its own, Python would hide what is done with a freed object.
            "PYTHONMALLOC": "malloc",
        },
        # What is checked needs more of the stack.
        settings={"max_stack_depth": "7MB"},
    )


def reports(stage: Stage) -> list[str]:
    """Return what has been reported on the stage.

    Beside AddressSanitizer, UndefinedBehaviorSanitizer knows no file but the server's log.
    """
    texts = [path.read_text(errors="replace") for path in sorted(stage.reports.iterdir())]
    for path in sorted(stage.logs.iterdir()):
        lines = path.read_text(errors="replace").splitlines()
        for i, line in enumerate(lines):
            if ": runtime error: " in line:
                texts.append("\n".join(lines[i : i + LINES_OF_REPORT]))
    return texts


# --- The check of the check -----------------------------------------------------------------------


def check_mistakes(stage: Stage) -> Counts:
    """Make each mistake, and see that it is reported and ends the server's work."""
    heading("Mistakes that have to be reported")
    build_start_early(stage)
    build_mistakes(stage)
    counts = Counts()
    for call, expected in MISTAKES_CALLS.items():
        found = make_mistake(stage, call, expected)
        counts += Counts(passed=1) if found else Counts(failed=1)
        print(f"{call}: {'reported' if found else 'NOT REPORTED'}", flush=True)
    return counts


def build_mistakes(stage: Stage) -> None:
    """Build the library and put it among those of the server."""
    folder = stage.root / "mistakes"
    folder.mkdir()
    (folder / "mistakes.c").write_text(MISTAKES)
    headers = subprocess.run(
        [stage.pg_config, "--includedir-server"], capture_output=True, text=True, check=True
    ).stdout.strip()
    command = ["gcc", *FLAGS.split(), "-g", "-fPIC", "-shared", f"-I{headers}"]
    command += ["-o", str(stage.pkglibdir / "mistakes.so"), str(folder / "mistakes.c")]
    subprocess.run(command, check=True)


def make_mistake(stage: Stage, call: str, expected: str) -> bool:
    """Call a function of the library; tell whether that was reported and ended the session.

    What was reported is removed.
    """
    name, _, arguments = call.partition("(")
    types = "int" if arguments != ")" else ""
    sql = (
        f"CREATE FUNCTION {name}({types}) RETURNS int"
        f" AS 'mistakes', '{name}' LANGUAGE c STRICT; SELECT {call}; SELECT 'went on'"
    )
    with Cluster() as cluster:
        went_on = "went on" in cluster.psql(sql, "-A", "-t").stdout
    texts = reports(stage)
    for path in (*stage.reports.iterdir(), *stage.logs.iterdir()):
        path.unlink()
    return not went_on and any(expected in text for text in texts)


# --- All ------------------------------------------------------------------------------------------


def keep_reports(stage: Stage) -> Counts:
    """Keep and show what was reported; each report is a failure."""
    shutil.rmtree(REPORTS, ignore_errors=True)
    REPORTS.mkdir(parents=True)
    found = reports(stage)
    for i, text in enumerate(found):
        (REPORTS / f"report-{i + 1}").write_text(text)
    print("\n\n".join(found[:5]), flush=True)
    return Counts(failed=len(found)) if found else Counts(passed=1)


def run_all(kinds: list[str]) -> Counts:
    """Build and stage the extension, then run the tests that were asked for."""
    return run_on_stage(kinds, Stage(variant=variant()), (check_mistakes, keep_reports))


if __name__ == "__main__":
    sys.exit(run_and_count(lambda: run_all(sys.argv[1:] or ["regress", "pytest"])))
