"""Signals are PostgreSQL's: it cancels, times and ends queries with them.

They belong to the thread that runs PostgreSQL. A thread inherits the signal mask of the one that
starts it, so the functions that start threads are wrapped: PostgreSQL's signals are blocked for
the moment of the start, and stay blocked in the new thread. And neither their handlers nor whether
the main thread hears of them is a wrapper's to change, or no query could be ended any more.
"""

from __future__ import annotations

import _thread
import faulthandler
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from multicorn._bridge import Bridge

# The public module `signal` would import enum; it calls this one.
_signal: Any = __import__("_signal")

_POSTGRESQL_SIGNALS = {
    getattr(_signal, name): name
    for name in (
        "SIGALRM",
        "SIGCHLD",
        "SIGHUP",
        "SIGINT",
        "SIGPIPE",
        "SIGQUIT",
        "SIGTERM",
        "SIGURG",
        "SIGUSR1",
        "SIGUSR2",
    )
}

# It blocks signals for the moment in which it starts a process, as we do with threads.
_BLOCKS_BRIEFLY = "multiprocessing.resource_tracker"

# Python 3.13 has added the last.
_STARTERS = ("start_new_thread", "start_new", "start_joinable_thread")


def install_signals(server: Bridge) -> None:
    """Let C code interrupt Python, and keep PostgreSQL's signals as they are."""
    if hasattr(_signal.signal, "__wrapped__"):
        return
    _signal.signal(_signal.SIGINT, server.on_interrupt)
    _signal.signal = _keeping_handlers(_signal.signal, server)
    block = _signal.pthread_sigmask
    _signal.pthread_sigmask = _keeping_mask(block, server)
    faulthandler.register = _keeping_register(faulthandler.register, server)
    threading = sys.modules.get("threading")
    for name in _STARTERS:
        start = getattr(_thread, name, None)
        if start is None:
            continue
        wrapped = _with_signals_blocked(start, block)
        setattr(_thread, name, wrapped)
        # threading holds on to it under a name of its own.
        if hasattr(threading, f"_{name}"):
            setattr(threading, f"_{name}", wrapped)


def _with_signals_blocked(
    start: Callable[..., Any], block: Callable[..., Any]
) -> Callable[..., Any]:
    """Return a function that does the same with PostgreSQL's signals blocked."""

    def start_thread(*args: Any, **kwargs: Any) -> Any:
        mask = block(_signal.SIG_BLOCK, _POSTGRESQL_SIGNALS)
        try:
            return start(*args, **kwargs)
        finally:
            block(_signal.SIG_SETMASK, mask)

    start_thread.__wrapped__ = start  # type: ignore[attr-defined]
    return start_thread


def _require_free(server: Bridge, signalnum: int, advice: str = "") -> None:
    """Raise ValueError if a wrapper wants a handler for one of PostgreSQL's signals."""
    if signalnum in _POSTGRESQL_SIGNALS and server.active():
        name = _POSTGRESQL_SIGNALS[signalnum]
        raise ValueError(f"the handler of {name} is PostgreSQL's{advice}")


def _keeping_handlers(signal: Callable[..., Any], server: Bridge) -> Callable[..., Any]:
    """Return a signal.signal() that a wrapper cannot use on PostgreSQL's signals."""

    def set_handler(signalnum: int, handler: Any, /) -> Any:
        _require_free(server, signalnum)
        return signal(signalnum, handler)

    set_handler.__wrapped__ = signal  # type: ignore[attr-defined]
    return set_handler


def _keeping_register(register: Callable[..., None], server: Bridge) -> Callable[..., None]:
    """Return a faulthandler.register() that leaves PostgreSQL's handlers in their places."""

    def set_handler(
        signum: int, file: Any = None, all_threads: bool = True, chain: bool = False
    ) -> None:
        if not chain:
            _require_free(server, signum, "; chain=True calls it as well")
        register(signum, file, all_threads, chain)

    set_handler.__wrapped__ = register  # type: ignore[attr-defined]
    return set_handler


def _keeping_mask(block: Callable[..., Any], server: Bridge) -> Callable[..., Any]:
    """Return a pthread_sigmask() that leaves PostgreSQL's signals alone in its thread."""

    def set_mask(how: int, mask: Iterable[int], /) -> Any:
        mask = set(mask)
        if server.active() and server.is_main_thread():
            before = block(_signal.SIG_BLOCK, ())
            after = {
                _signal.SIG_BLOCK: before | mask,
                _signal.SIG_UNBLOCK: before - mask,
            }.get(how, mask)
            changed = sorted(_POSTGRESQL_SIGNALS.keys() & (before ^ after))
            if changed and not _is_brief():
                name = _POSTGRESQL_SIGNALS[changed[0]]
                raise ValueError(f"{name} is PostgreSQL's, to block or not in its thread")
        return block(how, mask)

    set_mask.__wrapped__ = block  # type: ignore[attr-defined]
    return set_mask


def _is_brief() -> bool:
    """Return whether the module that calls signal.pthread_sigmask() unblocks signals by itself."""
    frame = sys._getframe(2)
    while frame.f_globals.get("__name__") == "signal" and frame.f_back is not None:
        frame = frame.f_back
    return frame.f_globals.get("__name__") == _BLOCKS_BRIEFLY
