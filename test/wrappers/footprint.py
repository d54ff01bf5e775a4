"""What Python holds in this session, for tools/leaks.py."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from multicorn import ForeignDataWrapper, Qual

HERE = Path(__file__).parent

# How deep the containers in a module of a wrapper are looked into.
DEPTH = 4


class Mallinfo(ctypes.Structure):
    """What mallinfo2() returns."""

    _fields_ = [(name, ctypes.c_size_t) for name in "abcdefghij"]


mallinfo = ctypes.CDLL(None).mallinfo2
mallinfo.restype = Mallinfo


def allocated() -> int:
    """Return how many bytes malloc has given out."""
    info = mallinfo()
    # hblkhd and uordblks of malloc.h
    return int(info.e + info.h)


# --- What wrappers keep by themselves -------------------------------------------------------------

lengths: dict[int, tuple[Any, int]] = {}
"""Containers of the wrappers and how long they were, by their id."""


def owners() -> Iterator[Any]:
    """Yield the modules of the test wrappers, their classes and the instances of those."""
    modules = [
        module
        for module in list(sys.modules.values())
        if Path(getattr(module, "__file__", None) or "/").parent == HERE
        and module.__name__ != __name__
    ]
    names = {module.__name__ for module in modules}
    yield from modules
    for thing in gc.get_objects():
        kind = thing if isinstance(thing, type) else type(thing)
        if getattr(kind, "__module__", None) in names:
            yield thing


def containers(value: Any, depth: int = DEPTH) -> Iterator[Any]:
    """Yield the containers in a value, itself included."""
    if depth == 0 or type(value) not in (list, dict, set, deque, tuple):
        return
    if not isinstance(value, tuple):
        yield value
    for item in list(value.values() if isinstance(value, dict) else value):
        yield from containers(item, depth - 1)


def kept() -> Iterator[Any]:
    """Yield the containers that wrappers keep."""
    for owner in owners():
        for value in list(getattr(owner, "__dict__", {}).values()):
            yield from containers(value)


def remember_lengths() -> None:
    """Note how long the containers of the wrappers are."""
    lengths.clear()
    for container in kept():
        lengths[id(container)] = (container, len(container))


def shorten() -> None:
    """Take what was put into the wrappers' containers since then out of them.

    What a wrapper writes down, or is given to keep, is not lost by the extension.
    """
    for container, length in list(lengths.values()):
        if len(container) <= length:
            continue
        if isinstance(container, list):
            del container[length:]
        elif isinstance(container, dict):
            for key in list(container)[length:]:
                del container[key]
        elif isinstance(container, deque):
            while len(container) > length:
                container.pop()
        else:
            while len(container) > length:
                container.pop()


class Measure(ForeignDataWrapper):
    """One row: `refs`, the references to all objects, `blocks`, Python's blocks, `bytes` of malloc.

    A condition `phase = 'begin'` has the lengths of the wrappers' containers remembered; else the
    containers are shortened to that first, and with `phase = 'shorten'` that is all. `refs` is NULL
    unless Python is a debug build.
    """

    def execute(self, quals: list[Qual], columns: list[str]) -> list[tuple[Any, ...]]:
        """Measure."""
        phases = [qual.value for qual in quals if qual.field_name == "phase"]
        if "shorten" in phases:
            shorten()
            return []
        begins = "begin" in phases
        if begins:
            remember_lengths()
        else:
            shorten()
        gc.collect()
        count = getattr(sys, "gettotalrefcount", lambda: None)
        return [("begin" if begins else "end", count(), sys.getallocatedblocks(), allocated())]
