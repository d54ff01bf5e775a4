"""What the C side of the extension calls; nothing here is for wrapper authors."""

from __future__ import annotations

import sys

from multicorn import DatabaseError, ForeignDataWrapper
from multicorn._bridge import bridge
from multicorn._describe import describe, summary
from multicorn._loading import isolate_path, load, use_python_path, use_virtualenv
from multicorn._output import flush, install_logging, install_output, install_warnings
from multicorn._place import enter, leave, was_asked
from multicorn._process import protect_process
from multicorn._signals import install_signals
from multicorn._status import collect, measure, status
from multicorn._text import exposed_secrets, redact, remember_secrets

# What a message shows of a value: characters of a scalar, items and depth of a container.
LONGEST_SHOWN = 200
MOST_SHOWN = 100
DEEPEST_SHOWN = 20

# The methods that a wrapper may do without, in the order of `Hook` in wrapper/instance.h.
HOOKS = (
    "analyze",
    "begin",
    "can_filter",
    "can_limit",
    "can_sort",
    "commit",
    "explain",
    "get_path_keys",
    "get_rel_size",
    "pre_commit",
    "rollback",
    "sample",
    "sub_begin",
    "sub_commit",
    "sub_rollback",
    "bulk_insert",
    "delete",
    "end_modify",
    "insert",
    "insert_arrays",
    "insert_copy",
    "truncate",
    "update",
)

# Of PostgreSQL's CmdType.
CMD_UPDATE, CMD_INSERT, CMD_DELETE = 2, 3, 4

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from multicorn.postgresfdw._options import Place

__all__ = [
    "ask_postgres",
    "close",
    "collect",
    "commands",
    "construct",
    "database_error",
    "describe",
    "dump_json",
    "explain",
    "exposed_secrets",
    "flush",
    "hooks",
    "implements",
    "import_schema",
    "load",
    "mapping_options",
    "measure",
    "postgres_connections",
    "redact",
    "remember_secrets",
    "show",
    "start",
    "status",
    "use_python_path",
    "use_virtualenv",
    "validate_postgres",
]


def start() -> None:
    """Prepare the interpreter of a backend: its path, output, warnings and interrupts."""
    isolate_path()
    install_output()
    install_warnings()
    install_logging()
    server = bridge()
    if server is not None:
        install_signals(server)
        protect_process(server)


def database_error(*fields: str | None) -> DatabaseError:
    """Return the exception for an error of SQL; the arguments are its own, as texts."""
    *texts, position = fields
    return DatabaseError(*texts, None if position is None else int(position))  # type: ignore[arg-type, call-arg]


def mapping_options(cls: type) -> frozenset[str]:
    """Return the options that a user mapping may set although server or table set them too.

    Raises:
        TypeError: what the class lists is no list of names.
    """
    listed = getattr(cls, "mapping_options", ForeignDataWrapper.mapping_options)
    if isinstance(listed, str):
        listed = [name.strip() for name in listed.split(",")]
    names = frozenset(listed)
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"mapping_options of {cls.__qualname__} must be a list of str")
    return names


def implements(cls: type, name: str) -> bool:
    """Return whether a class defines a method anywhere but in our base class."""
    method = getattr(cls, name, None)
    default = getattr(ForeignDataWrapper, name, None)
    # Class methods are bound anew each time.
    return method is not None and (
        getattr(method, "__func__", method) is not getattr(default, "__func__", default)
    )


def commands(path: str) -> int:
    """Return the commands that a class has methods for, as PostgreSQL counts them.

    A class that cannot be loaded has none: nothing is raised, since the catalogs ask this of every
    foreign table.
    """
    try:
        cls = load(path)
        can_insert = implements(cls, "insert") or implements(cls, "bulk_insert")
        has_rowid = implements(cls, "rowid_column")
    except Exception:
        return 0
    return (
        can_insert << CMD_INSERT
        | (has_rowid and implements(cls, "update")) << CMD_UPDATE
        | (has_rowid and implements(cls, "delete")) << CMD_DELETE
    )


def hooks(instance: Any) -> tuple[Any, ...]:
    """Return the optional methods of a wrapper, in the order of HOOKS.

    None stands for one that the wrapper does not have, or has from our base class: a default
    need not be called.
    """
    return tuple(_hook(instance, name) for name in HOOKS)


def _hook(instance: Any, name: str) -> Any:
    """Return a method of an instance, or None if it is not defined, or only in our base class."""
    method = getattr(instance, name, None)
    default = getattr(ForeignDataWrapper, name)
    return None if getattr(method, "__func__", None) is default else method


def explain(
    method: Callable[..., Any], quals: list[Any], columns: list[str], **keywords: Any
) -> list[str]:
    """Return the lines that a wrapper adds to EXPLAIN; an exception becomes one."""
    try:
        answer = method(quals, columns, **keywords)
        items = [answer] if isinstance(answer, str) else answer or ()
        text = "\n".join(str(item) for item in items)
    except Exception as error:
        text = " ".join(summary(error).splitlines())
    # PostgreSQL's texts end at a NUL.
    return redact(text).replace("\0", "\\x00").splitlines()


def construct(place: tuple[Any, ...], cls: Any, *arguments: Any) -> tuple[Any, bool]:
    """Make an instance of a class that may ask for its place meanwhile.

    Returns:
        The instance, and whether it has asked.
    """
    outer = enter(*place)
    try:
        return cls(*arguments), was_asked()
    finally:
        leave(outer)


def import_schema(place: tuple[Any, ...], cls: Any, *arguments: Any) -> list[tuple[Any, ...]]:
    """Return what the import_schema of a class does: see `multicorn._importing`."""
    from multicorn._importing import import_tables

    outer = enter(*place)
    try:
        return import_tables(cls, *arguments)
    finally:
        leave(outer)


def validate_postgres(options: dict[str, str], catalog: Place, is_superuser: bool) -> None:
    """Check options for a remote PostgreSQL: see `multicorn.postgresfdw._options`."""
    from multicorn.postgresfdw._options import validate

    validate(options, catalog, is_superuser=is_superuser)


def ask_postgres(
    place: tuple[Any, ...], cls: type, function: str, *arguments: Any
) -> list[tuple[str | None, ...]]:
    """Call a function about a remote PostgreSQL: see `multicorn.postgresfdw._federation`."""
    from multicorn.postgresfdw import _federation

    outer = enter(*place)
    try:
        _federation.require_postgres(cls)
        return getattr(_federation, function)(*arguments)  # type: ignore[no-any-return]
    finally:
        leave(outer)


def postgres_connections(method: str, *arguments: int) -> Any:
    """Call a method of the connections to remote PostgreSQL servers.

    Returns:
        What the method does; None if there never was a connection.
    """
    module = sys.modules.get("multicorn.postgresfdw._connections")
    return None if module is None else getattr(module.connections, method)(*arguments)


def dump_json(value: object) -> str:
    """Return a value as JSON: see `multicorn._json`, which is imported when it is needed."""
    from multicorn._json import dump

    return dump(value)


def close(instance: Any) -> None:
    """Have a wrapper's instance release what it holds."""
    method = getattr(instance, "close", None)
    if callable(method):
        method()


def show(value: object) -> str:
    """Return repr() of a value, of bounded length, depth and number of items."""
    from reprlib import Repr

    class Shower(Repr):
        def repr_instance(self, x: object, level: int) -> str:
            try:
                text = repr(x)
            except Exception:
                text = f"<{type(x).__name__}>"
            return text if len(text) <= self.maxother else f"{text[: self.maxother]}..."

    shower = Shower()
    shower.maxlevel = DEEPEST_SHOWN
    shower.maxstring = shower.maxlong = shower.maxother = LONGEST_SHOWN
    shower.maxlist = shower.maxtuple = shower.maxdict = MOST_SHOWN
    shower.maxset = shower.maxfrozenset = shower.maxdeque = shower.maxarray = MOST_SHOWN
    return shower.repr(value)
