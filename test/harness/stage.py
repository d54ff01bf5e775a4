"""A private copy of the PostgreSQL installation with the extension in it.

Tests must not change the system's PostgreSQL. PostgreSQL finds its files relative to its programs,
so a copy under another root, with the same layout below it, is an installation of its own. It
lies in a temporary folder that an unprivileged server can read, wherever the sources are.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from harness.process import end_like_interrupt, run

SOURCE = Path(__file__).resolve().parents[2]

# What the server reads of the source tree while it runs tests and demonstrations.
READ_BY_THE_SERVER = ("test", "demo", "bench", "docs")


class StageError(Exception):
    """The extension could not be built or installed; the output has been shown."""


@dataclass(frozen=True)
class Variant:
    """How a stage differs from the usual one.

    Attributes:
        name: Names the folder that the extension is built in, so that no other build is touched.
        variables: More assignments for make.
        environment: Environment variables for the servers of the stage; ``{stage}`` in a value
            stands for the stage's folder.
        settings: Settings of its servers.
        left_out: Patterns of files of the installation that the stage does not have.
    """

    name: str
    variables: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    @property
    def build_folder(self) -> Path:
        """Where the extension is built."""
        return SOURCE / ".cache" / "build" / self.name


class Stage:
    """A PostgreSQL installation with the extension, as long as its ``with`` block.

    Attributes:
        root: The root of the copy; goes with it.
        bindir: Its programs.
        sources: A copy of those folders of the source tree that the server may have to read.
        reports: A folder that every server of the stage may write to.
        logs: A folder that gets the log of every server of a variant when it is removed.
    """

    def __init__(self, pg_config: str | None = None, variant: Variant | None = None) -> None:
        """Describe a stage for a PostgreSQL; by default PG_CONFIG's, or the PATH's pg_config."""
        self.pg_config = pg_config or os.environ.get("PG_CONFIG") or "pg_config"
        self.variant = variant
        self.root = Path()

    def __enter__(self) -> Stage:
        """Build the extension and make the stage."""
        end_like_interrupt()
        self._make("all")
        self.root = Path(tempfile.mkdtemp(prefix="multicorn-stage-"))
        try:
            self._fill()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove the stage, and any cluster that a crashed test left in it."""
        self._remove()

    @property
    def bindir(self) -> Path:
        """The programs of the staged PostgreSQL."""
        return self._staged("--bindir")

    @property
    def pkglibdir(self) -> Path:
        """The folder of its libraries."""
        return self._staged("--pkglibdir")

    @property
    def sources(self) -> Path:
        """The copy of the source tree's folders."""
        return self.root / "sources"

    @property
    def reports(self) -> Path:
        """The folder for reports."""
        return self.root / "reports"

    @property
    def logs(self) -> Path:
        """The folder for logs."""
        return self.root / "logs"

    @property
    def pg_regress(self) -> Path:
        """PostgreSQL's runner of SQL tests; it comes with the server headers."""
        return self._installed("--pgxs").parents[1] / "test/regress/pg_regress"

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which clusters are made on this stage, and go with it."""
        return {
            **os.environ,
            "MULTICORN_BINDIR": str(self.bindir),
            "MULTICORN_TMP": str(self.root / "tmp"),
            "MULTICORN_SOURCES": str(self.sources),
            **self._variant_environment(),
        }

    @contextmanager
    def in_environment(self) -> Iterator[None]:
        """Make clusters on this stage, as long as the ``with`` block."""
        before = dict(os.environ)
        os.environ.update(self.environment)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    def _variant_environment(self) -> dict[str, str]:
        """Return what clusters and tests have to know of the variant."""
        if self.variant is None:
            return {}
        variables = {
            name: value.replace("{stage}", str(self.root))
            for name, value in self.variant.environment.items()
        }
        return {
            "MULTICORN_VARIANT": self.variant.name,
            "MULTICORN_LOGS": str(self.logs),
            "MULTICORN_SERVER_ENVIRONMENT": json.dumps(variables),
            "MULTICORN_SERVER_SETTINGS": json.dumps(dict(self.variant.settings)),
        }

    def _fill(self) -> None:
        """Copy the installation and the sources, and install the extension."""
        self.root.chmod(0o755)
        for folder in ("tmp", "sources", "reports", "logs"):
            (self.root / folder).mkdir()
        self.reports.chmod(0o777)
        self._copy_installation()
        self._copy_sources()
        self._make("install", f"DESTDIR={self.root}")

    def _make(self, goal: str, *variables: str) -> None:
        """Build a goal of the Makefile as the variant asks for."""
        variables = (*variables, f"PG_CONFIG={self.pg_config}")
        if self.variant is None:
            make(goal, *variables)
            return
        folder = self.variant.build_folder
        folder.mkdir(parents=True, exist_ok=True)
        # A server that was built in its own source folder does not say where to look for ours.
        variables = (*variables, *self.variant.variables, f"VPATH={SOURCE}")
        make(goal, *variables, folder=folder)

    def _copy_installation(self) -> None:
        """Copy the programs, which find the rest from where they are, and the rest.

        The rest is linked, which is quicker, unless it lies where a server that runs as another
        user cannot read it.
        """
        left_out = self.variant.left_out if self.variant else ()
        ignore = shutil.ignore_patterns("pgxs", "bitcode", "multicorn*", *left_out)
        rest = os.symlink if others_can_read(self._installed("--sharedir")) else shutil.copy2
        for option, copy in (
            ("--bindir", shutil.copy2),
            ("--pkglibdir", rest),
            ("--sharedir", rest),
        ):
            shutil.copytree(
                self._installed(option),
                self._staged(option),
                ignore=ignore,
                copy_function=copy,
                dirs_exist_ok=True,
            )

    def _copy_sources(self) -> None:
        """Copy what the server reads, readable for it."""
        ignore = shutil.ignore_patterns("__pycache__")
        for name in READ_BY_THE_SERVER:
            if (SOURCE / name).is_dir():
                shutil.copytree(SOURCE / name, self.sources / name, ignore=ignore)
        for path in self.sources.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)

    def _remove(self) -> None:
        """Stop what still runs in the stage, then remove it."""
        for pid_file in self.root.glob("tmp/*/data/postmaster.pid"):
            self._stop_leftover(pid_file.parent)
        shutil.rmtree(self.root, ignore_errors=True)

    def _stop_leftover(self, data: Path) -> None:
        """Stop a server that its own process could not stop any more."""
        subprocess.run(
            [self.bindir / "pg_ctl", "stop", "-D", data, "-m", "immediate", "-s"],
            user=data.stat().st_uid if os.geteuid() == 0 else None,
            cwd="/",
            check=False,
        )

    def _installed(self, option: str) -> Path:
        """Return where pg_config says that something of the system's PostgreSQL is."""
        command = [self.pg_config, option]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
        return Path(answer.stdout.strip())

    def _staged(self, option: str) -> Path:
        """Return where the same is on the stage."""
        return self.root / self._installed(option).relative_to("/")


def others_can_read(folder: Path) -> bool:
    """Tell whether every user can read what is in a folder."""
    return all(path.stat().st_mode & 0o005 == 0o005 for path in (folder, *folder.parents))


def make(goal: str, *variables: str, folder: Path = SOURCE) -> None:
    """Build a goal of the Makefile in a folder, quietly, with warnings as errors.

    PG_CONFIG= and PYTHON= of the make that we may run under are in the environment.

    Raises:
        StageError: If that fails; what make said has been shown then.
    """
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS")}
    jobs = f"-j{os.cpu_count() or 1}"
    command = [
        *("make", "--no-print-directory", "-C", str(folder)),
        *(() if folder == SOURCE else ("-f", str(SOURCE / "Makefile"))),
        *(jobs, goal, "WERROR=1"),
        *variables,
    ]
    done = run(command, env=environment, capture=True)
    if done.returncode != 0:
        print(done.stdout, flush=True)
        raise StageError(f"make {goal} failed")
    if goal == "all":
        print(done.stdout.partition("\n")[0], flush=True)
