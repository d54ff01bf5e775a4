"""The IDs of transactions outside a server, where `multicorn.testing` runs them."""

from __future__ import annotations

from itertools import count

from multicorn import Error

__all__ = ["begin", "current", "end", "status"]

_numbers = count(1)
_running: list[str] = []
_outcomes: dict[str, str] = {}


def begin() -> str:
    """Start a transaction, and return its ID."""
    transaction_id = f"0:{next(_numbers)}"
    _running.append(transaction_id)
    _outcomes[transaction_id] = "in progress"
    return transaction_id


def end(transaction_id: str, committed: bool) -> None:
    """Note how a transaction has ended."""
    _running.remove(transaction_id)
    _outcomes[transaction_id] = "committed" if committed else "aborted"


def current() -> str:
    """Return the ID of the transaction that was begun last."""
    if not _running:
        raise Error("there is no transaction outside a server", sqlstate="25P01")
    return _running[-1]


def status(transaction_id: str) -> str | None:
    """Return 'in progress', 'committed' or 'aborted'; None for an ID that is not known."""
    return _outcomes.get(transaction_id)
