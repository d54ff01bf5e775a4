"""The packages of this machine as a table: what dpkg knows about them.

dpkg keeps a text file with a paragraph for each package. A column of the foreign table shows the
field of the same name, with "_" for "-"; "name", "summary" and "status" are shown as one would
say them.

    CREATE FOREIGN TABLE package (name text, version text, installed_size bigint, section text)
        SERVER multicorn_srv OPTIONS (wrapper 'installed_packages.InstalledPackages');
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from multicorn import ForeignDataWrapper, Qual

STATUS_FILE = "/var/lib/dpkg/status"


class InstalledPackages(ForeignDataWrapper):
    """Reads dpkg's database; the option ``status_file`` names another one than this machine's."""

    def __init__(self, options: Any, columns: Any) -> None:
        """Remember where to read."""
        super().__init__(options, columns)
        self.path = Path(options.get("status_file", STATUS_FILE))

    def execute(
        self, quals: list[Qual], columns: list[str], *args: Any, **keywords: Any
    ) -> Iterator[dict[str, str | None]]:
        """Send the packages that the conditions on the name leave."""
        names = wanted_names(quals)
        for paragraph in read_paragraphs(self.path):
            # The name comes first, so the others need not be read any further.
            if names is None or paragraph.partition("\n")[0].removeprefix("Package: ") in names:
                fields = read_fields(paragraph)
                yield {column: field_of_column(fields, column) for column in columns}


def wanted_names(quals: list[Qual]) -> set[str] | None:
    """Return the names that "name = ..." and "name IN (...)" allow; None if any will do."""
    allowed: set[str] | None = None
    for qual in quals:
        if qual.field_name != "name":
            continue
        if qual.operator == "=":
            names = {qual.value}
        elif qual.operator == ("=", True):
            names = set(qual.value)
        else:
            continue
        allowed = names if allowed is None else allowed & names
    return allowed


def read_paragraphs(path: Path) -> Iterator[str]:
    """Yield the paragraphs of dpkg's database, one for each package."""
    lines: list[str] = []
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if line == "\n":
                yield "".join(lines)
                lines = []
            else:
                lines.append(line)
    if lines:
        yield "".join(lines)


def read_fields(paragraph: str) -> dict[str, str]:
    """Return the fields of a paragraph by their names in lower case, the first line of each."""
    fields = {}
    for line in paragraph.splitlines():
        name, colon, value = line.partition(":")
        if colon and not line.startswith(" "):
            fields[name.lower()] = value.strip()
    return fields


def field_of_column(fields: dict[str, str], column: str) -> str | None:
    """Return what a column shows of a package; None if dpkg does not tell."""
    if column == "name":
        return fields.get("package")
    if column == "summary":
        return fields.get("description")
    if column == "status":
        # "install ok installed": what is wanted, whether all is well, what is.
        return fields.get("status", "").rpartition(" ")[2]
    return fields.get(column.replace("_", "-"))
