"""How many random cases tests try, and which.

MULTICORN_CASES multiplies their number, for runs by hand; MULTICORN_SEED chooses others.
"""

from __future__ import annotations

import os
from random import Random
from typing import Any

FACTOR = int(os.environ.get("MULTICORN_CASES", "1"))
SEED = os.environ.get("MULTICORN_SEED", "20240229")


def cases(number: int) -> int:
    """Return how many cases to try where a test run tries so many."""
    return number * FACTOR


def few(values: list[Any], number: int) -> list[Any]:
    """Return the first of values that take long to try; all of them in runs by hand."""
    return values if FACTOR > 1 else values[:number]


def rng(name: str) -> Random:
    """Return the random numbers of a test, the same ones every time."""
    return Random(f"{SEED} {name}")
