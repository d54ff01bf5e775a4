"""What Python holds in this session, for tools/leaks.py."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections import deque
from collections.abc import Iterator
from operator import is_
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

contents: dict[int, tuple[Any, Any]] = {}
"""Containers of the wrappers and a copy of what was in them, by their id."""


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


def remember() -> None:
    """Note what is in the containers of the wrappers."""
    contents.clear()
    for container in kept():
        contents[id(container)] = (container, container.copy())


def restore() -> None:
    """Have the wrappers' containers hold what they held then.

    What a wrapper writes down, or is given to keep, is not lost by the extension.
    """
    for container, copy in list(contents.values()):
        if is_unchanged(container, copy):
            continue
        container.clear()
        if isinstance(container, (list, deque)):
            container.extend(copy)
        else:
            container.update(copy)


def is_unchanged(container: Any, copy: Any) -> bool:
    """Tell whether a container holds the same objects as a copy that was made of it."""
    if len(container) != len(copy):
        return False
    if isinstance(container, set):
        return {id(item) for item in container} == {id(item) for item in copy}
    if isinstance(container, dict) and not all(map(is_, container.values(), copy.values())):
        return False
    return all(map(is_, container, copy))


class Measure(ForeignDataWrapper):
    """One row: `refs`, the references to all objects, `blocks`, Python's blocks, `bytes` of malloc.

    A condition `phase = 'begin'` has what is in the wrappers' containers remembered; else it is put
    there again first, and with `phase = 'restore'` that is all. `refs` is NULL unless Python is a
    debug build.
    """

    def execute(self, quals: list[Qual], columns: list[str]) -> list[tuple[Any, ...]]:
        """Measure."""
        phases = [qual.value for qual in quals if qual.field_name == "phase"]
        if "restore" in phases:
            restore()
            return []
        begins = "begin" in phases
        if begins:
            remember()
        else:
            restore()
        gc.collect()
        count = getattr(sys, "gettotalrefcount", lambda: None)
        return [("begin" if begins else "end", count(), sys.getallocatedblocks(), allocated())]
