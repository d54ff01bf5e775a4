"""Following a page of the documentation: its commands are run, what it shows is compared.

A fenced block with a path behind its language is a file to write; `bash` and `sql` are run, and a
`text` block below one of them is what it prints. A line "..." there stands for any lines.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness import Cluster

NO_PIP = {
    "ensurepip is not available": "python3-venv is not installed",
    "No matching distribution found for setuptools": "no package index can be reached",
}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    path: str
    text: str

    def __str__(self) -> str:
        return self.text.splitlines()[0]


def read_blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page."""
    found = re.findall(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", page.read_text(), re.M | re.S)
    return [Block(*groups) for groups in found]


def blocks_of(page: Path, language: str) -> list[Block]:
    """Return the fenced blocks of a language."""
    return [block for block in read_blocks(page) if block.language == language]


class Reader:
    """Somebody who does what a page says, without sudo and in places that go away again."""

    def __init__(
        self,
        folder: Path,
        cluster: Cluster | None = None,
        places: Mapping[str, object] | None = None,
        patterns: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.cluster = cluster
        self.places = dict(places or {})
        self.patterns = {
            r"sudo (-u postgres )?": "",
            r"apt-get install": simulated_installation(),
            **(patterns or {}),
        }

    def follow(self, blocks: Sequence[Block]) -> None:
        """Do what the blocks say, in their order, and compare what they show."""
        shown = [*blocks[1:], Block("", "", "")]
        for block, result in zip(blocks, shown, strict=True):
            if block.path:
                self.write(block)
            elif block.language != "text":
                output = self.run(block, fails="ERROR: " in result.text)
                if result.language == "text":
                    check_shown(self.local(result.text), output)

    def write(self, block: Block) -> None:
        """Write the file that a block is."""
        path = self.folder / self.local(block.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)

    def run(self, block: Block, fails: bool = False) -> str:
        """Run a block and return its output; it must succeed, unless an error is shown."""
        if block.language == "bash":
            script = self.local(block.text)
            for pattern, replacement in self.patterns.items():
                script = re.sub(pattern, replacement, script)
            done = self.execute(["bash", "-euo", "pipefail", "-c", script])
        else:
            assert block.language == "sql", f"nobody knows how to run {block.language}: {block}"
            stop = [] if fails else ["-v", "ON_ERROR_STOP=1"]
            done = self.execute(["psql", "-X", "-q", "-d", "mydb", *stop], self.local(block.text))
        skip_without_pip(done.stdout)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def execute(self, command: Sequence[str], text: str = "") -> subprocess.CompletedProcess[str]:
        """Run a program in the reader's folder, with its messages in its output."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(),
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def environment(self) -> dict[str, str]:
        """Return our environment without what belongs to the tests, and with the server."""
        mine = ("MULTICORN_", "PYTHONPATH", "MAKE", "MFLAGS", "PG", "WERROR")
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(mine) or name == "PG_CONFIG"
        }
        # The stages that make builds are built so: nothing is compiled twice.
        environment["WERROR"] = "1"
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        if self.cluster is not None:
            environment["PATH"] = f"{self.cluster.bindir}:{environment['PATH']}"
            environment["PGHOST"] = self.cluster.host
            environment["PGPORT"] = str(self.cluster.port)
            environment["PGUSER"] = "postgres"
        return environment

    def local(self, text: str) -> str:
        """Return a text with the places of the page replaced by ours."""
        for place, ours in self.places.items():
            text = text.replace(place, str(ours))
        return text


def simulated_installation() -> str:
    """Return what to run instead of apt-get install: nothing where packages are not known."""
    known = shutil.which("apt-cache") and subprocess.run(
        ["apt-cache", "show", "postgresql-server-dev-all", "python3-venv"],
        capture_output=True,
        check=False,
    )
    return "apt-get --simulate install" if known and known.returncode == 0 else "true"


def skip_without_pip(output: str) -> None:
    """Skip a test that cannot install with pip here."""
    for message, reason in NO_PIP.items():
        if message in output:
            pytest.skip(reason)


def check_shown(shown: str, output: str) -> None:
    """Compare what a page shows with what came."""
    expected = "".join(
        r"(?:.*\n)*?" if line.strip() == "..." else re.escape(line) + r"\n"
        for line in without_blanks_at_ends(shown)
    )
    came = "".join(line + "\n" for line in without_blanks_at_ends(output))
    assert re.fullmatch(expected, came), f"shown:\n{shown}\ncame:\n{came}"


def without_blanks_at_ends(text: str) -> list[str]:
    """Return the lines of a text as an editor would save them."""
    return [line.rstrip() for line in text.strip("\n").splitlines()]
