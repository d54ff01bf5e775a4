"""What a session has of Python, for `multicorn_status()` and `multicorn_instances()`."""

from __future__ import annotations

import gc
import sys
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, ModuleType

from multicorn import _loading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Shared by all: none of them is an instance's, and through them everything can be reached.
SHARED = (type, ModuleType, FunctionType, BuiltinFunctionType, CodeType, FrameType)


def status(own: bool) -> tuple[Any, ...]:
    """Describe the interpreter.

    Args:
        own: whether the extension has started it, and not another one.

    Returns:
        Version, executable, prefix, virtual environment, folder of the package `multicorn`, and
        who has started it, each a str or None; then how many blocks of memory Python has
        allocated (`sys.getallocatedblocks`).
    """
    started_by = "PL/Python" if "plpy" in sys.modules else "another extension"
    return (
        " ".join(sys.version.split()),
        sys.executable or None,
        sys.prefix,
        _loading.current_virtualenv(),
        sys.modules["multicorn"].__path__[0],
        "multicorn" if own else started_by,
        sys.getallocatedblocks(),
    )


def measure(instance: object) -> int:
    """Return the memory of an instance and of all that it alone leads to, in bytes.

    Each object counts as `sys.getsizeof` says. Classes, modules, functions and frames are left
    out, and what only leads through them; so is what libraries in C do not tell Python of. What
    two instances share is counted for both.
    """
    total = 0
    seen = {id(instance)}
    waiting = [instance]
    while waiting:
        item = waiting.pop()
        total += _size(item)
        for referent in gc.get_referents(item):
            if id(referent) not in seen and not issubclass(type(referent), SHARED):
                seen.add(id(referent))
                waiting.append(referent)
    return total


def _size(item: object) -> int:
    """Return the size of one object, also if its own account of it fails."""
    try:
        return sys.getsizeof(item)
    except Exception:
        return object.__sizeof__(item)


def collect() -> None:
    """Free what instances that were dropped have left in cycles."""
    gc.collect()
