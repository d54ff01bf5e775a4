"""The process is PostgreSQL's: what a wrapper must not change in it.

PostgreSQL opens its files by paths relative to its data folder.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from multicorn._bridge import Bridge


def keep_folder(server: Bridge) -> None:
    """Have os.chdir() and os.fchdir() refuse to work for a wrapper."""
    for name in ("chdir", "fchdir"):
        change = getattr(os, name)
        if not hasattr(change, "__wrapped__"):
            setattr(os, name, _refusing(name, change, server))


def _refusing(name: str, change: Callable[..., Any], server: Bridge) -> Callable[..., Any]:
    """Return a function that does the same only while no wrapper is at work."""

    def refuse(*args: Any, **kwargs: Any) -> Any:
        if server.active():
            raise PermissionError(
                f"os.{name}() would take PostgreSQL out of its data folder; "
                "use absolute paths, or run a program with subprocess and cwd="
            )
        return change(*args, **kwargs)

    refuse.__wrapped__ = change  # type: ignore[attr-defined]
    return refuse
