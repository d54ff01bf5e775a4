"""Signals belong to the thread that runs PostgreSQL.

A thread inherits the signal mask of the one that starts it. So the functions that start threads
are wrapped: the signals that PostgreSQL uses are blocked for the moment of the start, and stay
blocked in the new thread.
"""

from __future__ import annotations

import _thread
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# The public module `signal` would import enum.
_signal = __import__("_signal")

_POSTGRESQL_SIGNALS = frozenset(
    getattr(_signal, f"SIG{name}")
    for name in ("ALRM", "CHLD", "HUP", "INT", "PIPE", "QUIT", "TERM", "URG", "USR1", "USR2")
)

# Python 3.13 has added the last.
_STARTERS = ("start_new_thread", "start_new", "start_joinable_thread")


def block_signals_in_threads() -> None:
    """Wrap what starts threads; threading holds on to it under names of its own."""
    threading = sys.modules.get("threading")
    for name in _STARTERS:
        start = getattr(_thread, name, None)
        if start is None or hasattr(start, "__wrapped__"):
            continue
        wrapped = _with_signals_blocked(start)
        setattr(_thread, name, wrapped)
        if hasattr(threading, f"_{name}"):
            setattr(threading, f"_{name}", wrapped)


def _with_signals_blocked(start: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that does the same with PostgreSQL's signals blocked."""

    def start_thread(*args: Any, **kwargs: Any) -> Any:
        mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _POSTGRESQL_SIGNALS)
        try:
            return start(*args, **kwargs)
        finally:
            _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)

    start_thread.__wrapped__ = start  # type: ignore[attr-defined]
    return start_thread


def handle_interrupts(handler: Callable[..., Any]) -> None:
    """Have Python call the handler for SIGINT, by which C code interrupts it."""
    _signal.signal(_signal.SIGINT, handler)
