"""A wrapper whose threads do what they like, for as long as they like."""

from __future__ import annotations

import logging
import threading
import warnings
from typing import Any

from multicorn import ForeignDataWrapper

stopped = threading.Event()
started: list[threading.Thread] = []
done = [0]


def run(number: int) -> None:
    """Log, print, warn and allocate until the session stops it, or the process ends."""
    kept: list[Any] = []
    while not stopped.is_set():
        logging.getLogger("restless").warning("logged by thread %d", number)
        print("printed by a thread", end="\n" if number % 2 else "")
        warnings.warn(f"warned by thread {number}", stacklevel=1)
        kept.append([bytearray(1000) for _ in range(100)])
        del kept[:-10]
        done[0] += 1


class Threads(ForeignDataWrapper):
    """A table (did) of how much the threads have done; the first scan starts them."""

    def execute(self, quals: Any, columns: Any) -> Any:
        """Yield a row when the threads have done something since the last scan."""
        while len(started) < 8:
            thread = threading.Thread(
                target=run, args=(len(started),), daemon=bool(len(started) % 2)
            )
            thread.start()
            started.append(thread)
        before = done[0]
        while done[0] < before + 20:
            stopped.wait(0.001)
        yield (done[0],)


class Stop(ForeignDataWrapper):
    """A table (left) of the threads that are left after all have been stopped."""

    def execute(self, quals: Any, columns: Any) -> Any:
        """Stop them."""
        stopped.set()
        for thread in started:
            thread.join()
        yield (threading.active_count() - 1,)
