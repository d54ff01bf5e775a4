"""Wrappers that take part in transactions and write down how, and tables to read and direct that.

The journal is Python's, so that it outlives every rollback. Neither it nor the table `next` has a
hook: they take no part themselves.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from multicorn import (
    ColumnDefinition,
    Error,
    ForeignDataWrapper,
    Qual,
    TransactionAwareForeignDataWrapper,
)
from multicorn.utils import CRITICAL, ERROR, log_to_postgres

journal: list[str] = []
failures: dict[str, str] = {}
"""What is to go wrong, once: how, by the line of the journal with which it begins."""


def loop() -> None:
    """Never come back, without a call that waits."""
    while True:
        pass


def sleep() -> None:
    """Wait for a long time."""
    time.sleep(3600)


def swallow() -> None:
    """Never come back, whatever is raised that a wrapper may catch."""
    while True:
        try:
            time.sleep(3600)
        except Exception:
            pass


def swallow_once() -> None:
    """Come back as if nothing had happened when the waiting is interrupted."""
    try:
        time.sleep(3600)
    except BaseException:
        pass


def fail() -> None:
    """Raise an exception."""
    raise Error("told to fail")


def log_error() -> None:
    """End the statement with a message."""
    log_to_postgres("logged as an error", ERROR)


def log_critical() -> None:
    """End the session with a message."""
    log_to_postgres("logged as critical", CRITICAL)


def print_line() -> None:
    """Go well, but say something."""
    print("printed")


WAYS: dict[str, Callable[[], None]] = {
    "loop": loop,
    "sleep": sleep,
    "swallow": swallow,
    "swallow_once": swallow_once,
    "fail": fail,
    "log_error": log_error,
    "log_critical": log_critical,
    "print": print_line,
}


class Hooks:
    """A table of one row, 1, that has all the hooks; it inherits from nothing of ours.

    Options:
        name: how the journal calls the table.
        rows: how many rows there are.
        file: a file that is written as the journal is, for what happens when a session ends.
        verbose: if `on`, the journal has the other methods too.
    """

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        self.name = options.get("name", "table")
        self.rows = int(options.get("rows", "1"))
        self.file = Path(options["file"]) if "file" in options else None
        self.verbose = options.get("verbose") == "on"
        self.note_if_verbose("__init__")

    def note(self, event: str) -> None:
        """Write a line into the journal, and do what was planned for it."""
        line = f"{self.name}: {event}"
        journal.append(line)
        if self.file is not None:
            with self.file.open("a") as file:
                file.write(f"{line}\n")
        how = failures.pop(line, None)
        if how is not None:
            WAYS[how]()

    def note_if_verbose(self, event: str) -> None:
        """Write a line if all of them are wanted."""
        if self.verbose:
            self.note(event)

    def get_rel_size(self, quals: list[Qual], columns: list[str]) -> tuple[int, int]:
        """Estimate: the first call of all, in most statements."""
        self.note_if_verbose("get_rel_size")
        return (self.rows, 4)

    def execute(self, quals: list[Qual], columns: list[str]) -> Iterator[tuple[int]]:
        """Deliver the rows."""
        self.note_if_verbose("execute")
        for number in range(1, self.rows + 1):
            yield (number,)

    def end_scan(self) -> None:
        """Write it down."""
        self.note_if_verbose("end_scan")

    def close(self) -> None:
        """Write it down."""
        self.note_if_verbose("close")

    def begin(self, serializable: bool) -> None:
        """Write it down."""
        self.note(f"begin {serializable}")

    def pre_commit(self) -> None:
        """Write it down."""
        self.note("pre_commit")

    def commit(self) -> None:
        """Write it down."""
        self.note("commit")

    def rollback(self) -> None:
        """Write it down."""
        self.note("rollback")

    def sub_begin(self, level: int) -> None:
        """Write it down."""
        self.note(f"sub_begin {level}")

    def sub_commit(self, level: int) -> None:
        """Write it down."""
        self.note(f"sub_commit {level}")

    def sub_rollback(self, level: int) -> None:
        """Write it down."""
        self.note(f"sub_rollback {level}")


class Few(ForeignDataWrapper):
    """A table of one row that knows of transactions only how they end."""

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        self.name = options["name"]

    def execute(self, quals: list[Qual], columns: list[str]) -> list[tuple[int]]:
        """Deliver the row."""
        return [(1,)]

    def commit(self) -> None:
        """Write it down."""
        journal.append(f"{self.name}: commit")

    def rollback(self) -> None:
        """Write it down."""
        journal.append(f"{self.name}: rollback")


class Collects(TransactionAwareForeignDataWrapper):
    """A table whose rows are those of a list, to which pre_commit makes the changes.

    Every change is a row of one column. What a transaction has collected can be seen in it, in
    the table with option `show` `changes`.
    """

    kept: ClassVar[list[Any]] = []
    changes: ClassVar[list[tuple[str, Any]]] = []

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        self.shows_changes = options.get("show") == "changes"

    @property
    def rowid_column(self) -> str:
        """The only column."""
        return "n"

    def _init_transaction_state(self) -> None:
        super()._init_transaction_state()
        Collects.changes = self.current_transaction_state

    def execute(self, quals: list[Qual], columns: list[str]) -> list[tuple[Any]]:
        """Return the rows, without what was not committed."""
        return [(row,) for row in self.kept]

    def pre_commit(self) -> None:
        """Make the changes."""
        for kind, change in self.current_transaction_state:
            journal.append(f"{kind} {change}")
            if kind == "insert":
                self.kept.append(change["n"])
            elif kind == "delete":
                self.kept.remove(change)
            else:
                rowid, values = change
                self.kept[self.kept.index(rowid)] = values["n"]


class Changes(ForeignDataWrapper):
    """What the table of Collects has collected in this transaction; column `change`."""

    def execute(self, quals: list[Qual], columns: list[str]) -> list[tuple[str]]:
        """Return one row for each change."""
        return [(f"{kind} {change}",) for kind, change in Collects.changes]


class Journal(ForeignDataWrapper):
    """What has been written down since the journal was last read; column `event`."""

    def execute(self, quals: list[Qual], columns: list[str]) -> list[tuple[str]]:
        """Return the lines, and begin a new page."""
        events = [(event,) for event in journal]
        journal.clear()
        return events


class Next(ForeignDataWrapper):
    """A table without rows: a query with conditions on `event` and `way` plans a failure."""

    def execute(self, quals: list[Qual], columns: list[str]) -> list[tuple[str]]:
        """Remember that the event is to fail that way."""
        given = {qual.field_name: qual.value for qual in quals}
        failures.clear()
        failures.update(dict.fromkeys(given.get("event", []), given.get("way", "fail")))
        return []
