"""The file of JSON lines, in a server that is killed at the n-th thing it does to its folder."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from multicorn import ColumnDefinition, ForeignDataWrapper
from multicorn.jsonlinesfdw import JsonLinesFdw

# What Python tells audit hooks before it changes a folder or opens a file.
EVENTS = ("open", "os.rename", "os.remove")


class Killer:
    """Kills this process before the n-th event that concerns a file of JSON lines."""

    def __init__(self) -> None:
        self.left: int | None = None
        sys.addaudithook(self.notice)

    def notice(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Hear of an event."""
        if self.left is None or event not in EVENTS or ".jsonl" not in str(arguments[0]):
            return
        self.left -= 1
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)


killer = Killer()


class Lines(JsonLinesFdw):
    """The file; `kill_at` says before which event the process dies, from the first write on."""

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        self.kill_at = options.pop("kill_at", "")
        super().__init__(options, columns)

    def insert(self, values: dict[str, Any], *args: Any, **keywords: Any) -> None:
        """Begin to count."""
        if self.kill_at:
            killer.left = int(self.kill_at)
        super().insert(values)


class Refuser(ForeignDataWrapper):
    """A table without rows that refuses to commit."""

    def execute(self, quals: list[Any], columns: list[str]) -> list[Any]:
        """Return no row."""
        return []

    def pre_commit(self) -> None:
        """Fail."""
        raise ValueError("refused")
