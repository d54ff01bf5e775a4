"""Where a wrapper is at work: its foreign table, the server of that, and the user."""

from __future__ import annotations

from multicorn import Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = ["ForeignServer", "ForeignTable", "enter", "leave", "server", "table", "was_asked"]


class ForeignServer:
    """A foreign server, as a user sees it.

    Attributes:
        name: its name.
        oid: its OID in pg_foreign_server.
        user: the name of the effective user.
        user_oid: the OID of that user.
        user_mapping_oid: the OID of the mapping that holds for the user, which may be that of
            PUBLIC; 0 if there is none.
        is_superuser: whether the user is a superuser.
        options: the options of the server alone.
        mapping_options: the options of the user mapping alone.
        validator: the name of the validator that looks at options when they are set, that of the
            foreign data wrapper; None if it has none.
    """

    __slots__ = (
        "is_superuser",
        "mapping_options",
        "name",
        "oid",
        "options",
        "user",
        "user_mapping_oid",
        "user_oid",
        "validator",
    )

    def __init__(
        self,
        name: str,
        oid: int,
        user: str,
        user_oid: int,
        user_mapping_oid: int,
        is_superuser: bool,
        options: Mapping[str, str],
        mapping_options: Mapping[str, str],
        validator: str | None,
    ) -> None:
        self.name = name
        self.oid = oid
        self.user = user
        self.user_oid = user_oid
        self.user_mapping_oid = user_mapping_oid
        self.is_superuser = is_superuser
        self.options = dict(options)
        self.mapping_options = dict(mapping_options)
        self.validator = validator

    def __repr__(self) -> str:
        return f"<ForeignServer {self.name!r} as {self.user!r}>"


class ForeignTable:
    """A foreign table.

    Attributes:
        schema: the name of its schema.
        name: its name.
        oid: its OID in pg_class.
        server: its server.
        options: the options of the table alone.
    """

    __slots__ = ("name", "oid", "options", "schema", "server")

    def __init__(
        self, schema: str, name: str, oid: int, server: ForeignServer, options: Mapping[str, str]
    ) -> None:
        self.schema = schema
        self.name = name
        self.oid = oid
        self.server = server
        self.options = dict(options)

    def __repr__(self) -> str:
        return f"<ForeignTable {self.schema}.{self.name}>"


class _Place:
    """Where an instance is being made, or a schema imported."""

    __slots__ = ("asked", "server", "table")

    def __init__(self, table: ForeignTable | None, server: ForeignServer) -> None:
        self.table = table
        self.server = server
        self.asked = False


_place: _Place | None = None


def enter(
    schema: str | None, name: str | None, oid: int, options: Mapping[str, str], *of_server: Any
) -> _Place | None:
    """Begin to work for a table, or for a server alone; return what is to be left again."""
    global _place
    outer = _place
    server = ForeignServer(*of_server)
    table = None
    if schema is not None and name is not None:
        table = ForeignTable(schema, name, oid, server, options)
    _place = _Place(table, server)
    return outer


def leave(outer: _Place | None) -> None:
    """Go back to what there was before."""
    global _place
    _place = outer


def was_asked() -> bool:
    """Return whether the wrapper wanted to know its place."""
    return _place is not None and _place.asked


def table() -> ForeignTable:
    """Return the table that an instance is being made for."""
    if _place is None or _place.table is None:
        raise Error("the foreign table is known in __init__ only", sqlstate="55000")
    _place.asked = True
    return _place.table


def server() -> ForeignServer:
    """Return the server that an instance is being made for, or a schema imported from."""
    if _place is None:
        raise Error(
            "the foreign server is known in __init__ and import_schema only", sqlstate="55000"
        )
    _place.asked = True
    return _place.server
