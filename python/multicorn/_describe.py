"""An exception as PostgreSQL reports it."""

from __future__ import annotations

import os

from multicorn import Error, _is_sqlstate
from multicorn._text import clean, safe_str

TYPE_CHECKING = False
if TYPE_CHECKING:
    from traceback import TracebackException
    from typing import Any

    Description = tuple[str, str, str | None, str | None, str | None, str]

DEFAULT_SQLSTATE = "HV000"

# https://www.postgresql.org/docs/current/errcodes-appendix.html
SQLSTATES: tuple[tuple[type[BaseException], str], ...] = (
    (MemoryError, "53200"),
    (ConnectionError, "08006"),
    (TimeoutError, "08006"),
    (NotImplementedError, "0A000"),
)


def describe(exc: BaseException) -> Description:
    """Describe an exception; never raises.

    Returns:
        SQLSTATE, message, detail or None, hint or None, context or None, and the traceback without
        the last newline, which is empty if there is a context. All are free of secrets.
    """
    try:
        detail, hint = _detail_and_hint(exc)
        context = _attribute(exc, "context") if isinstance(exc, Error) else None
        return (
            sqlstate(exc),
            clean(_message(exc, detail, hint)),
            None if detail is None else clean(detail),
            None if hint is None else clean(hint),
            None if context is None else clean(safe_str(context)),
            clean(_traceback(exc)) if context is None else "",
        )
    except BaseException as failure:
        # Out of memory, or interrupted in the middle of this.
        return DEFAULT_SQLSTATE, _undescribed(exc, failure), None, None, None, ""


def _undescribed(exc: BaseException, failure: BaseException) -> str:
    """Return the message of an exception that describing it has failed for."""
    name = _class_name(type(exc))
    try:
        return clean(f"{name} (which could not be described: {_class_name(type(failure))})")
    except BaseException:
        # Better no name than one with a secret in it.
        return "an exception that could not be described"


def _class_name(cls: type) -> str:
    """Return the name of a class, whatever its metaclass says."""
    return type.__dict__["__name__"].__get__(cls)  # type: ignore[no-any-return]


def sqlstate(exc: BaseException) -> str:
    """Return the SQLSTATE that an exception has or that fits its class."""
    own = _own_sqlstate(exc)
    if own is not None:
        return own
    return next((state for cls, state in SQLSTATES if isinstance(exc, cls)), DEFAULT_SQLSTATE)


def _own_sqlstate(exc: BaseException) -> str | None:
    """Return the SQLSTATE that an exception carries, as those of PostgreSQL drivers do."""
    for name in ("sqlstate", "pgcode"):
        state = _attribute(exc, name)
        if _is_sqlstate(state):
            return str(state)
    return None


def _attribute(value: object, name: str) -> Any:
    """Return an attribute, or None if there is none or it cannot be had."""
    try:
        return getattr(value, name, None)
    except Exception:
        return None


def _detail_and_hint(exc: BaseException) -> tuple[str | None, str | None]:
    """Return the detail and the hint that an exception with a SQLSTATE carries."""
    if not isinstance(exc, Error) and _own_sqlstate(exc) is None:
        return None, None
    diagnostics = _attribute(exc, "diag")
    found = []
    for name in ("detail", "hint"):
        text = _attribute(diagnostics, f"message_{name}")
        if text is None:
            text = _attribute(exc, name)
        if text is not None and not isinstance(text, str):
            text = safe_str(text) if isinstance(exc, Error) else None
        found.append(text or None)
    return found[0], found[1]


def _message(exc: BaseException, detail: str | None, hint: str | None) -> str:
    """Return the primary message."""
    if isinstance(exc, Error):
        message = _attribute(exc, "message")
        return safe_str(exc if message is None else message) or type_name(exc)
    text = safe_str(exc)
    # Drivers repeat the detail and the hint in the text.
    if detail is not None:
        text = text.partition("\nDETAIL:")[0]
    if hint is not None:
        text = text.partition("\nHINT:")[0]
    return f"{type_name(exc)}: {text}" if text else type_name(exc)


def type_name(exc: BaseException) -> str:
    """Return the name of an exception's class, with its module unless it is built in."""
    cls = type(exc)
    name = safe_str(_attribute(cls, "__qualname__") or _class_name(cls))
    module = _attribute(cls, "__module__")
    return name if module in (None, "builtins") else f"{safe_str(module)}.{name}"


def summary(exc: BaseException) -> str:
    """Return an exception's type and text."""
    text = safe_str(exc)
    return f"{type_name(exc)}: {text}" if text else type_name(exc)


def _traceback(exc: BaseException) -> str:
    """Return what Python would print, without the frames that led from the server to it.

    Nothing is left of an exception that was raised on our side of the bridge.
    """
    from traceback import TracebackException

    try:
        report = TracebackException(type(exc), exc, exc.__traceback__, compact=True)
        if not _trim(report):
            return ""
        return "".join(report.format()).rstrip("\n")
    except Exception:
        return summary(exc)


def _trim(report: TracebackException) -> bool:
    """Remove our own outermost frames, here and in what caused this; return if any are left."""
    left = False
    reports: list[TracebackException | None] = [report]
    while reports:
        one = reports.pop()
        if one is None:
            continue
        while one.stack and _is_ours(one.stack[0].filename):
            del one.stack[0]
        left = left or bool(one.stack)
        reports += [one.__cause__, one.__context__]
    return left


def _is_ours(filename: str) -> bool:
    """Return whether a file is one of this package's private modules."""
    folder, name = os.path.split(filename)
    return folder == os.path.dirname(__file__) and name.startswith("_")
