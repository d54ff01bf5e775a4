"""Wrappers whose effects are seen outside a query: threads, files, the end of a session."""

import logging
import signal
import threading
from pathlib import Path
from typing import Any

from multicorn import ForeignDataWrapper
from multicorn.utils import (
    CRITICAL,
    current_transaction_id,
    log_to_postgres,
    transaction_status,
)


class Closes(ForeignDataWrapper):
    """Writes the file that the option ``closed`` names when it is closed."""

    def __init__(self, options: dict[str, str], columns: Any) -> None:
        super().__init__(options, columns)
        self.closed = Path(options["closed"])

    def execute(self, quals: Any, columns: Any) -> Any:
        yield (1,)

    def close(self) -> None:
        self.closed.touch()


class Threads(ForeignDataWrapper):
    """Starts a thread that prints and logs; tells which of PostgreSQL's signals it blocks."""

    def execute(self, quals: Any, columns: Any) -> Any:
        masks: list[Any] = []

        def run() -> None:
            masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, []))
            print("printed by a thread")
            logging.getLogger("session").warning("logged by a thread")
            log_to_postgres("sent by a thread")

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        own = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        for name in ("SIGINT", "SIGTERM", "SIGALRM", "SIGUSR1"):
            blocked = getattr(signal, name)
            yield (name, blocked in masks[0], blocked in own)


class Ends(ForeignDataWrapper):
    """Ends the session."""

    def execute(self, quals: Any, columns: Any) -> Any:
        try:
            log_to_postgres("that was all", CRITICAL, hint="connect again")
        except BaseException:
            pass  # it ends all the same
        yield (1,)


class Many(ForeignDataWrapper):
    """Half a million rows."""

    def execute(self, quals: Any, columns: Any) -> Any:
        for number in range(500_000):
            yield (number, f"text {number}")


class Fails(ForeignDataWrapper):
    """Fails where the option ``place`` says."""

    def __init__(self, options: dict[str, str], columns: Any) -> None:
        super().__init__(options, columns)
        self.place = options["place"]
        self.fail_at("__init__")

    def fail_at(self, place: str) -> None:
        if place == self.place:
            raise ValueError(place)

    def execute(self, quals: Any, columns: Any) -> Any:
        self.fail_at("execute")
        yield (1,)
        self.fail_at("a row")
        if self.place == "a value":
            yield (object(),)

    def end_scan(self) -> None:
        self.fail_at("end_scan")


class Speaks(ForeignDataWrapper):
    """Says something that not every encoding has, and fails with it."""

    def execute(self, quals: Any, columns: Any) -> Any:
        print("for 5 \N{EURO SIGN}")
        raise ValueError("not for 5 \N{EURO SIGN}")


class Handles(ForeignDataWrapper):
    """Wants handlers of its own."""

    def execute(self, quals: Any, columns: Any) -> Any:
        for name in ("SIGINT", "SIGTERM", "SIGALRM", "SIGUSR1", "SIGWINCH"):
            try:
                signal.signal(getattr(signal, name), lambda number, frame: None)
            except ValueError as error:
                yield (name, str(error))
            else:
                yield (name, None)


class TransactionIds(ForeignDataWrapper):
    """The ID of the transaction, or that which is asked for, and what has become of it."""

    def execute(self, quals: Any, columns: Any) -> Any:
        own = quals[0].value if quals else current_transaction_id()
        yield (own, transaction_status(own))
