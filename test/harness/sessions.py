"""Sessions of tests on a throw-away server, and what they wait for. Needs psycopg."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

Session = psycopg.Connection[Any]

# Opens a session; the database and keywords for psycopg.connect() may be given.
Connect = Callable[..., Session]

# Seconds after which something that must happen counts as not happening.
LONGEST_WAIT = 60


def wait_until(condition: Callable[[], object]) -> None:
    """Return when the condition is true; fail if that takes very long."""
    ticks = threading.Event()
    for _ in range(LONGEST_WAIT * 100):
        if condition():
            return
        ticks.wait(0.01)
    raise AssertionError("it did not happen")


@contextmanager
def in_background(session: Session, query: str) -> Iterator[list[Exception]]:
    """Run a query in a thread of the test, which has to end soon after the ``with`` block.

    The block gets a list, which what the query raises comes into.
    """
    raised: list[Exception] = []

    def run() -> None:
        try:
            session.execute(query.encode())
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield raised
    finally:
        thread.join(LONGEST_WAIT)
        assert not thread.is_alive(), f"still running: {query}"
