"""A wrapper that runs SQL, wherever and however a test has it."""

import threading
from typing import Any

import multicorn
from multicorn import ForeignDataWrapper

events: list[str] = []
"""What has happened to the tables of Asks with hooks."""


class Asks(ForeignDataWrapper):
    """Runs Python code, of the option ``code``, in the method that the option ``place`` names.

    Its rows are what the code, in which ``execute`` is `multicorn.execute`, leaves in `rows`.
    """

    def __init__(self, options: dict[str, str], columns: Any) -> None:
        super().__init__(options, columns)
        self.code = options.get("code", "")
        self.place = options.get("place", "execute")
        self.names: dict[str, Any] = {
            "self": self,
            "events": events,
            "execute": multicorn.execute,
            "multicorn": multicorn,
            "rows": [("nothing",)],
        }
        self.at("__init__")

    def at(self, place: str) -> None:
        if self.place == place:
            exec(self.code, self.names)

    def get_rel_size(self, quals: Any, columns: Any) -> Any:
        self.at("get_rel_size")
        return (10, 4)

    def execute(self, quals: Any, columns: Any) -> Any:
        self.at("execute")
        for row in self.names["rows"]:
            yield (*map(str, row), None, None)[:3]

    def end_scan(self) -> None:
        self.at("end_scan")

    def insert(self, values: Any) -> None:
        self.names["values"] = values
        self.at("insert")

    def close(self) -> None:
        self.at("close")


class AsksAndGoesOn(Asks):
    """The same with a hundred rows, so that a scan may be ended before them."""

    def execute(self, quals: Any, columns: Any) -> Any:
        try:
            for number in range(100):
                yield (str(number), None, None)
        finally:
            self.at("finally")


class AsksInTransactions(Asks):
    """The same with hooks for transactions, which write down that they were called."""

    def note(self, event: str) -> None:
        events.append(event)
        self.at(event.split()[0])

    def begin(self, serializable: bool) -> None:
        self.note("begin")

    def pre_commit(self) -> None:
        self.note("pre_commit")

    def commit(self) -> None:
        self.note("commit")

    def rollback(self) -> None:
        self.note("rollback")

    def sub_begin(self, level: int) -> None:
        self.note(f"sub_begin {level}")

    def sub_commit(self, level: int) -> None:
        self.note(f"sub_commit {level}")

    def sub_rollback(self, level: int) -> None:
        self.note(f"sub_rollback {level}")


class Events(ForeignDataWrapper):
    """What has happened since the table was last read; column `event`."""

    def execute(self, quals: Any, columns: Any) -> Any:
        happened = [(event,) for event in events]
        events.clear()
        return happened


class AsksInThread(ForeignDataWrapper):
    """Runs SQL on another thread; its row is what that has raised."""

    def execute(self, quals: Any, columns: Any) -> Any:
        raised: list[Any] = []

        def ask() -> None:
            try:
                multicorn.execute("SELECT 1")
            except Exception as error:
                raised.append((f"{type(error).__name__}: {error}",))

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        return raised
