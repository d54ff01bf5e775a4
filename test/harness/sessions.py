"""Sessions of tests on a throw-away server, and what they wait for. Needs psycopg."""

from __future__ import annotations

import threading
from collections.abc import Callable
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
