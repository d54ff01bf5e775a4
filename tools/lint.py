"""The checks of the sources: form, lint and types.

    python3 tools/lint.py          check everything
    python3 tools/lint.py --fix    put in order what can be

The checkers are pinned and live in .cache/lint, so that every machine judges alike.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1]
TOOLS = SOURCE / ".cache" / "lint"
REQUIREMENTS = SOURCE / "tools" / "lint-requirements.txt"


class LintError(Exception):
    """The checkers could not be installed."""


@dataclass(frozen=True)
class Check:
    """One check: its name and what runs it, returning whether all is well."""

    name: str
    passes: Callable[[], bool]


def checks() -> list[Check]:
    """Return all checks, in the order of their speed."""
    return [
        Check("versions agree", versions_agree),
        Check("clang-format", lambda: tool("clang-format", "--dry-run", "-Werror", *c_files())),
        Check("ruff check", lambda: tool("ruff", "check", "--quiet", *python_files())),
        Check("ruff format", lambda: tool("ruff", "format", "--check", "--quiet", *python_files())),
        Check("mypy --strict", mypy),
        Check("clang-tidy", clang_tidy),
    ]


def run_checks() -> tuple[int, int]:
    """Run every check and print how it went.

    Returns:
        How many passed and how many failed.
    """
    install_tools()
    results = []
    for check in checks():
        passed = check.passes()
        print(f"{check.name:<30} {'ok' if passed else 'FAILED'}", flush=True)
        results.append(passed)
    return results.count(True), results.count(False)


def fix() -> None:
    """Put the sources into the form that the checks ask for."""
    install_tools()
    tool("clang-format", "-i", *c_files())
    tool("ruff", "check", "--fix", *python_files())
    tool("ruff", "format", *python_files())


# --- The tools ----------------------------------------------------------------------------------


def install_tools() -> None:
    """Install the pinned checkers, unless they are there."""
    stamp = TOOLS / "requirements"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print("Installing the pinned checkers into .cache/lint.", flush=True)
    pip = [str(TOOLS / "bin/python"), "-m", "pip", "install", "-qq"]
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(TOOLS)],
        [*pip, "--disable-pip-version-check", "-r", str(REQUIREMENTS)],
    ):
        if subprocess.run(command, check=False).returncode != 0:
            raise LintError("The checkers could not be installed; LINT=0 tests without them.")
    stamp.write_text(wanted)


def tool(name: str, *arguments: str | Path) -> bool:
    """Run one of the tools on the sources and tell whether it was content."""
    environment = {**os.environ, "RUFF_CACHE_DIR": str(SOURCE / ".cache/ruff")}
    command = [TOOLS / "bin" / name, *arguments]
    return subprocess.run(command, cwd=SOURCE, env=environment, check=False).returncode == 0


def c_files() -> list[Path]:
    """Return the C sources and headers."""
    return sorted(p.relative_to(SOURCE) for p in (SOURCE / "src").rglob("*.[ch]"))


def python_files() -> list[Path]:
    """Return the Python sources, tests and tools among them."""
    found = [SOURCE / "setup.py"]
    for folder in ("python", "test", "bench", "demo", "tools", "docs"):
        found += (SOURCE / folder).rglob("*.py")
    return sorted(p.relative_to(SOURCE) for p in found if not p.is_relative_to(SOURCE / ".cache"))


# --- The checks that are more than one command --------------------------------------------------


def mypy() -> bool:
    """Check the types; setup.py is left out, for setuptools comes without them."""
    files = [path for path in python_files() if path.name != "setup.py"]
    return tool("mypy", "--strict", "--no-error-summary", "--cache-dir", ".cache/mypy", *files)


def clang_tidy() -> bool:
    """Look for likely mistakes in the C sources, compiled as make does it."""
    flags = compiler_flags()
    sources = [path for path in c_files() if path.suffix == ".c"]
    return bool(flags) and tool("clang-tidy", "--quiet", *sources, "--", *flags)


def compiler_flags() -> list[str]:
    """Return the include folders and macros that make compiles with; none if it cannot."""
    command = ["make", "--no-print-directory", "-s", "-C", str(SOURCE), "show-cppflags"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(done.stderr, end="")
        return []
    return done.stdout.splitlines()[1:]


def versions_agree() -> bool:
    """Check that every file that has to name the version names the one of the control file."""
    control = (SOURCE / "multicorn.control").read_text()
    match = re.search(r"^default_version = '(.*)'", control, re.MULTILINE)
    version = match[1] if match else ""
    meta = json.loads((SOURCE / "META.json").read_text())
    provided = meta["provides"]["multicorn"]
    # CREATE EXTENSION may get there by an older version and what updates it.
    script = provided["file"]
    wrong = [
        what
        for what, right in (
            ("META.json: version", meta["version"] == version),
            ("META.json: provides.multicorn.version", provided["version"] == version),
            ("META.json: provides.multicorn.file", script.endswith(f"--{version}.sql")),
            (script, (SOURCE / script).exists()),
        )
        if not right
    ]
    for what in wrong:
        print(f"{what} does not match default_version {version!r} of multicorn.control")
    return not wrong


def main() -> int:
    """Check, or fix."""
    try:
        if sys.argv[1:] == ["--fix"]:
            fix()
            return 0
        return 1 if run_checks()[1] else 0
    except LintError as reason:
        print(reason, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
