"""README.md and the tutorial do what they say: each command is run, each result compared."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import Cluster
from harness.pages import Block, Reader, blocks_of, read_blocks

SOURCE = Path(__file__).resolve().parents[2]
README = SOURCE / "README.md"
TUTORIAL = SOURCE / "docs" / "tutorial.md"
PAGES = [README, SOURCE / "CHANGELOG.md", SOURCE / "bench/README.md", *SOURCE.glob("docs/*.md")]

# What is needed to build; the tests themselves must not be there to be run by themselves.
BUILT_FROM = (
    *("Makefile", "README.md", "LICENSE", "MANIFEST.in", "multicorn.control", "META.json"),
    *("setup.py", "pyproject.toml", "sql", "src", "python", "tools", "demo", "bench"),
    "test/harness",
)


# --- README.md ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the sources, as somebody has just unpacked them."""
    folder = tmp_path_factory.mktemp("sources")
    for name in BUILT_FROM:
        target = folder / name
        target.parent.mkdir(exist_ok=True)
        if (SOURCE / name).is_dir():
            ignore = shutil.ignore_patterns("__pycache__", "*.o", "*.egg-info")
            shutil.copytree(SOURCE / name, target, ignore=ignore)
        else:
            shutil.copy(SOURCE / name, target)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


# What each block of commands must print, or the file it must leave.
OUTCOMES = {
    "make demo": 'server "uk-prod" cannot be reached: its rows are left out',
    "make test": "run_tests.py",
    "sudo apt-get install make": "multicorn.so",
    "make PG_CONFIG=": "multicorn.so",
    "python3 -m venv": "Successfully installed multicorn",
    "make bench": "generator of tuples",
}


@pytest.mark.parametrize("block", blocks_of(README, "bash"), ids=str)
def test_commands_of_readme(block: Block, sources: Path, tmp_path: Path) -> None:
    pg_config = os.environ.get("PG_CONFIG") or shutil.which("pg_config") or "pg_config"
    patterns = {
        r"PG_CONFIG=\S+": f"PG_CONFIG={pg_config}",
        r"make install": f"make install DESTDIR={tmp_path}",
        r"make test$": "make --dry-run test",
        r"make bench$": "make bench BENCH_ARGS='--quick --output bench.md'",
    }
    (outcome,) = [what for start, what in OUTCOMES.items() if block.text.startswith(start)]
    output = Reader(sources, patterns=patterns).run(block)
    if outcome.endswith(".so"):
        assert list(tmp_path.rglob(outcome))
        assert list(tmp_path.rglob("multicorn-python/multicorn/__init__.py"))
    else:
        assert outcome in output


# The database that the page finds on another server.
ARCHIVE = """
CREATE ROLE me LOGIN PASSWORD 'secret';
CREATE TABLE orders (id bigserial PRIMARY KEY, customer text NOT NULL, amount numeric(8, 2));
INSERT INTO orders (customer, amount) VALUES ('ada', 12.50), ('bob', 99), ('ada', 7.25);
GRANT ALL ON orders, orders_id_seq TO me;
"""


def test_examples_of_readme() -> None:
    blocks = [block for block in read_blocks(README) if block.language != "bash"]
    languages = ["python", "json", "sql", "sql", "text", "sql", "sql", "text"]
    assert [block.language for block in blocks] == languages
    with Cluster() as cluster:
        cluster.createdb("mydb")
        cluster.createdb("archive")
        cluster.run_sql(ARCHIVE, database="archive")
        places = {"/srv/wrappers": cluster.scratch / "wrappers", "db.example.org": cluster.host}
        Reader(cluster.scratch, cluster, places).follow(blocks)


def test_settings_of_readme() -> None:
    with Cluster() as cluster:
        settings = cluster.run_sql(
            "LOAD 'multicorn'; SELECT name, setting FROM pg_settings WHERE name ~ '^multicorn'"
        )
    documented = re.findall(
        r"^\| `(multicorn\.\w+)` \| (?:empty|`(\w+)`) \|", README.read_text(), re.M
    )
    assert sorted("|".join(pair) for pair in documented) == settings.splitlines()


# --- The other pages ------------------------------------------------------------------------------


def test_tutorial() -> None:
    with Cluster() as cluster:
        reader = Reader(cluster.scratch, cluster, {"/srv/venv": cluster.scratch / "venv"})
        reader.follow(read_blocks(TUTORIAL))


@pytest.mark.parametrize("block", blocks_of(SOURCE / "docs/testing.md", "python"), ids=str)
def test_examples_of_testing(block: Block) -> None:
    environment = {**os.environ, "PYTHONPATH": str(SOURCE / "python")}
    subprocess.run([sys.executable, "-P", "-c", block.text], env=environment, check=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        linked = page.parent / name if name else page
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(linked), target


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
