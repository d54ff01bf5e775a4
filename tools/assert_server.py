"""Runs the tests on a PostgreSQL server with assertions, built from the distribution's own source.

    python3 tools/assert_server.py [regress] [pytest]

It is of the major version of the chosen pg_config. Assertions also have the server overwrite memory
that is freed and check what was written behind the end of an allocation. The server is kept for the
next time, under $XDG_CACHE_HOME/multicorn-assert, by the version of its source package. The last
line is "N passed, N failed".
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import Cluster, Stage
from harness.process import run
from harness.stage import SOURCE, Variant
from run_tests import Counts, heading, run_and_count, run_on_stage

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "multicorn-assert"

# What the tests need of a server, and assertions.
CONFIGURE_OPTIONS = (
    *("--enable-cassert", "--enable-debug", "--disable-rpath"),
    *("--with-python", "--with-openssl", "--with-icu", "--with-libxml", "--without-readline"),
    "PYTHON=/usr/bin/python3",
    "CFLAGS=-O1 -fno-omit-frame-pointer",
)

LOGS = SOURCE / ".cache" / "assert"

# "TRAP: FailedAssertion" up to PostgreSQL 15; the warnings are those of memory contexts, and of
# what a transaction has not given back: buffers, snapshots, catalog entries.
FINDING = re.compile(
    r"TRAP: |problem in alloc|detected write past|bogus aset|(reference|resource) leak|leak:"
    r"|was terminated by signal 6"
)


class NotBuilt(Exception):
    """The server cannot be had; the message is the reason."""


def assert_server() -> Path:
    """Return the pg_config of a server with assertions, built now if it is not there.

    Raises:
        NotBuilt: If the source cannot be fetched or built.
    """
    major = chosen_major()
    CACHE.mkdir(parents=True, exist_ok=True)
    with sources_of_packages() as apt:
        versions = offered_versions(apt, major)
        for version in versions:
            if (pg_config := place(version) / "bin/pg_config").exists():
                return pg_config
        source = fetch(apt, major, versions)
    if source is None:
        return newest_kept(major, versions)
    build(source, place(source.name))
    return place(source.name) / "bin/pg_config"


def place(version: str) -> Path:
    """Return where a version is installed.

    Debian's sources install into the system's own folders unless the path says "postgresql".
    """
    return CACHE / f"postgresql-{version}"


def chosen_major() -> str:
    """Return the major version of the PostgreSQL that make builds against."""
    command = [os.environ.get("PG_CONFIG") or "pg_config", "--version"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    match = re.match(r"PostgreSQL (\d+)", answer)
    if not match:
        raise NotBuilt(f"{command[0]} does not say which PostgreSQL it belongs to")
    return match[1]


def newest_kept(major: str, tried: list[str]) -> Path:
    """Return the newest server that was built before, where no source can be fetched."""
    kept = sorted(
        CACHE.glob(f"postgresql-{major}.*/bin/pg_config"), key=lambda path: path.stat().st_mtime
    )
    if not kept:
        raise NotBuilt(
            f"The source package of postgresql-{major} cannot be fetched; "
            f"versions tried: {', '.join(tried) or 'none is offered'}"
        )
    return kept[-1]


# --- The source package -------------------------------------------------------------------------


@contextmanager
def sources_of_packages() -> Iterator[list[str]]:
    """Have apt look for source packages where it looks for binary ones.

    Returns:
        The options for apt's programs. The system's own lists are left alone.
    """
    folder = CACHE / "apt"
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("lists/partial", "cache/archives/partial", "parts"):
        (folder / name).mkdir(parents=True)
    (folder / "sources.list").touch()
    for path in (Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")):
        if path.suffix in (".list", ".sources") and path.exists():
            (folder / "parts" / path.name).write_text(as_source_entries(path.read_text()))
    options = [
        *("-o", f"Dir::Etc::SourceList={folder}/sources.list"),
        *("-o", f"Dir::Etc::SourceParts={folder}/parts"),
        *("-o", f"Dir::State::Lists={folder}/lists"),
        *("-o", f"Dir::Cache={folder}/cache"),
        # The folder may be in a home folder, which apt's own user cannot read.
        *("-o", "APT::Sandbox::User="),
    ]
    try:
        # A place that cannot be reached does not matter as long as another has the source.
        run(["apt-get", *options, "-q", "update"], capture=True)
        yield options
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def as_source_entries(text: str) -> str:
    """Return entries of apt for binary packages as such for source packages."""
    text = re.sub(r"^deb(?=\s)", "deb-src", text, flags=re.MULTILINE)
    return re.sub(r"^(Types:).*$", r"\1 deb-src", text, flags=re.MULTILINE | re.IGNORECASE)


def offered_versions(apt: list[str], major: str) -> list[str]:
    """Return the versions of the source package that are offered, the newest first."""
    command = ["apt-cache", *apt, "--only-source", "showsrc", f"postgresql-{major}"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    versions = set(re.findall(r"^Version: (\S+)$", answer, re.MULTILINE))
    return sorted(versions, key=version_numbers, reverse=True)


def version_numbers(version: str) -> list[int]:
    """Return what versions of one package are sorted by."""
    return [int(number) for number in re.findall(r"\d+", version)]


def fetch(apt: list[str], major: str, versions: list[str]) -> Path | None:
    """Fetch and unpack the newest version that can be had; None if there is none.

    A mirror may list a version whose files it does not hold.

    Returns:
        The unpacked source, a folder that is named as the version.
    """
    for version in versions:
        folder = CACHE / "build"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        command = ["apt-get", *apt, "-q", "source", f"postgresql-{major}={version}"]
        if run(command, cwd=folder, capture=True).returncode == 0:
            unpacked = next(path for path in folder.iterdir() if path.is_dir())
            return unpacked.rename(folder / version)
    return None


# --- The build ----------------------------------------------------------------------------------


def build(source: Path, prefix: Path) -> None:
    """Build a server and install it, whole or not at all.

    Raises:
        NotBuilt: With the end of what was printed.
    """
    print(f"Building PostgreSQL {source.name} with assertions; this takes a while.", flush=True)
    jobs = f"-j{os.cpu_count() or 1}"
    staged = source.parent / "staged"
    run_step(source, ["./configure", f"--prefix={prefix}", *CONFIGURE_OPTIONS])
    run_step(source, ["make", jobs, "-s", "world-bin"])
    # Nothing is written outside of that folder, whatever the source thinks its places are.
    run_step(source, ["make", "-s", "install-world-bin", f"DESTDIR={staged}"])
    strays = files_outside(staged, prefix)
    if strays:
        raise NotBuilt(f"PostgreSQL {source.name} would be installed outside of {prefix}: {strays}")
    (staged / prefix.relative_to("/")).rename(prefix)
    shutil.rmtree(source.parent, ignore_errors=True)


def run_step(source: Path, command: list[str]) -> None:
    """Run a step of the build in the source's folder."""
    done = run(command, cwd=source, env=plain_environment(), capture=True)
    if done.returncode != 0:
        end = "\n".join(done.stdout.splitlines()[-20:])
        raise NotBuilt(f"{' '.join(command[:2])} failed in {source}:\n{end}")


def files_outside(staged: Path, prefix: Path) -> list[str]:
    """Return the first files that were staged for somewhere else than below a prefix."""
    inside = staged / prefix.relative_to("/")
    files = (path for path in staged.rglob("*") if not path.is_dir())
    return [str(path) for path in files if not path.is_relative_to(inside)][:5]


def plain_environment() -> dict[str, str]:
    """Return the environment without what the make that we run under has put there."""
    ours = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PG_CONFIG", "PYTHON", "PYTHONPATH", "COPT")
    return {name: value for name, value in os.environ.items() if name not in ours}


# --- The tests ----------------------------------------------------------------------------------


def check_assertions(stage: Stage) -> Counts:
    """See that the server has assertions at all."""
    with Cluster() as cluster:
        if cluster.run_sql("SHOW debug_assertions") == "on":
            return Counts(passed=1)
    print("This server has no assertions.")
    return Counts(failed=1)


def check_logs(stage: Stage) -> Counts:
    """See that no assertion has failed, nor memory been written to that was not allocated.

    Such a warning is all that PostgreSQL has to say of the latter.
    """
    shutil.rmtree(LOGS, ignore_errors=True)
    shutil.copytree(stage.logs, LOGS)
    found = [
        f"{path.name}: {line}"
        for path in sorted(LOGS.iterdir())
        for line in path.read_text(errors="replace").splitlines()
        if FINDING.search(line)
    ]
    print("\n".join(found[:20]), flush=True)
    return Counts(failed=len(found)) if found else Counts(passed=1)


def run_all(kinds: list[str]) -> Counts:
    """Build the server if need be, then run the tests that were asked for on it."""
    heading("A server with assertions")
    try:
        pg_config = str(assert_server())
    except NotBuilt as reason:
        print(reason)
        return Counts(failed=1)
    os.environ["PG_CONFIG"] = pg_config
    stage = Stage(pg_config, Variant("assert"))
    return run_on_stage(kinds, stage, (check_assertions, check_logs))


if __name__ == "__main__":
    sys.exit(run_and_count(lambda: run_all(sys.argv[1:] or ["regress", "pytest"])))
