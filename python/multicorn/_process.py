"""The process is PostgreSQL's: what a wrapper must not do to it.

Functions of other modules that would do harm refuse to work while a method of a wrapper is on the
stack. For everyone else, PL/Python among them, they stay what they are.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from multicorn._bridge import Bridge

FOLDER = (
    "would take PostgreSQL out of its data folder; use absolute paths, or run a program with "
    "subprocess and cwd="
)
TIMER = "would take PostgreSQL's timer, by which it ends queries"
PLPY = (
    "cannot be used by a wrapper: PL/Python does not know that it is called; "
    "there is multicorn.execute() for SQL"
)

# What PL/Python's objects do with the database, for those that a wrapper may come by.
PLPY_METHODS = {
    "PLyPlan": ("cursor", "execute"),
    "PLyCursor": ("__next__", "close", "fetch"),
    "PLySubtransaction": ("__enter__", "__exit__", "enter", "exit"),
}

# The public module `signal` would import enum; it has names of its own for these.
_signal = __import__("_signal")


def protect_process(server: Bridge) -> None:
    """Have functions refuse to work for a wrapper that would harm the backend."""
    for name in ("chdir", "fchdir"):
        _refuse(server, name, FOLDER, os)
    _replace_system(server)
    for name in ("alarm", "setitimer"):
        _refuse(server, name, TIMER, _signal, sys.modules.get("signal"))
    # PL/Python would take the wrapper for the function that reads the foreign table.
    for name in ("execute", "prepare", "cursor", "subtransaction", "commit", "rollback"):
        _refuse(server, name, PLPY, sys.modules.get("plpy"))
    for cls in object.__subclasses__() if "plpy" in sys.modules else ():
        for name in PLPY_METHODS.get(cls.__name__, ()):
            method = getattr(cls, name, None)
            if method is not None and not hasattr(method, "__wrapped__"):
                server.replace_method(cls, name, _refusing(server, name, PLPY, method))


def _replace_system(server: Bridge) -> None:
    """Replace os.system(), during which libc would have the process ignore SIGINT, and cancels."""
    system = os.system
    if hasattr(system, "__wrapped__"):
        return

    def run(command: Any) -> int:
        if server.is_main_thread() and not server.active():
            return system(command)
        import subprocess

        sys.audit("os.system", command)
        status = subprocess.call(os.fsencode(command), shell=True)
        # As waitpid() has it: a program's own status, or the signal that ended it.
        return status << 8 if status >= 0 else -status

    run.__wrapped__ = system  # type: ignore[attr-defined]
    os.system = run


def _refuse(server: Bridge, name: str, reason: str, *modules: Any) -> None:
    """Replace a function, in the modules that have it."""
    for module in modules:
        function = getattr(module, name, None)
        if function is not None and not hasattr(function, "__wrapped__"):
            setattr(module, name, _refusing(server, name, reason, function))


def _refusing(
    server: Bridge, name: str, reason: str, function: Callable[..., Any]
) -> Callable[..., Any]:
    """Return a function that does the same only while no wrapper is at work."""

    def refuse(*args: Any, **kwargs: Any) -> Any:
        if server.active():
            raise PermissionError(f"{name}() {reason}")
        return function(*args, **kwargs)

    refuse.__wrapped__ = function  # type: ignore[attr-defined]
    return refuse
