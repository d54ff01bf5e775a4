"""Wrappers whose effects are seen outside a query: threads, files, the end of a session."""

import logging
import signal
import threading
from pathlib import Path

from multicorn import ForeignDataWrapper
from multicorn.utils import CRITICAL, log_to_postgres


class Closes(ForeignDataWrapper):
    """Writes the file that the option ``closed`` names when it is closed."""

    def __init__(self, options, columns):
        super().__init__(options, columns)
        self.closed = Path(options["closed"])

    def execute(self, quals, columns):
        yield (1,)

    def close(self):
        self.closed.touch()


class Threads(ForeignDataWrapper):
    """Starts a thread that prints and logs; tells which of PostgreSQL's signals it blocks."""

    def execute(self, quals, columns):
        masks = []

        def run():
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

    def execute(self, quals, columns):
        try:
            log_to_postgres("that was all", CRITICAL, hint="connect again")
        except BaseException:
            pass  # it ends all the same
        yield (1,)


class Many(ForeignDataWrapper):
    """Half a million rows."""

    def execute(self, quals, columns):
        for number in range(500_000):
            yield (number, f"text {number}")


class Fails(ForeignDataWrapper):
    """Fails where the option ``place`` says."""

    def __init__(self, options, columns):
        super().__init__(options, columns)
        self.place = options["place"]
        self.fail_at("__init__")

    def fail_at(self, place):
        if place == self.place:
            raise ValueError(place)

    def execute(self, quals, columns):
        self.fail_at("execute")
        yield (1,)
        self.fail_at("a row")
        if self.place == "a value":
            yield (object(),)

    def end_scan(self):
        self.fail_at("end_scan")


class Speaks(ForeignDataWrapper):
    """Says something that not every encoding has, and fails with it."""

    def execute(self, quals, columns):
        print("for 5 \N{EURO SIGN}")
        raise ValueError("not for 5 \N{EURO SIGN}")
