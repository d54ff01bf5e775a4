"""What IMPORT FOREIGN SCHEMA asks of a class, checked and taken apart for the C side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from multicorn import ColumnDefinition, Error, TableDefinition

LARGEST_OID = 2**32 - 1
LARGEST_TYPMOD = 2**31 - 1


def import_tables(
    cls: Any,
    schema: str,
    srv_options: dict[str, str],
    options: dict[str, str],
    restriction_type: str | None,
    restricts: list[str],
) -> list[tuple[Any, ...]]:
    """Return the tables that a class offers, as plain tuples.

    Returns:
        `(name, columns, options)` of each table; a column is `(name, type_name, type_oid, typmod,
        default, collation, not_null, generated, options)`; the collation is a tuple of the parts
        of its name; options are pairs of str.

    Raises:
        Error: the class cannot import, or a definition is not what it should be.
    """
    method = getattr(cls, "import_schema", None)
    if method is None:
        raise NotImplementedError(f"{cls.__module__}.{cls.__qualname__} cannot import a schema")
    found = method(schema, srv_options, options, restriction_type, restricts)
    if found is None:
        return []
    if not isinstance(found, Iterable):
        raise Error(
            f"import_schema must return a list of TableDefinitions, not {type(found).__name__}"
        )
    return [_table(definition) for definition in found]


def _table(definition: Any) -> tuple[Any, ...]:
    """Return a table taken apart."""
    if not isinstance(definition, TableDefinition):
        kind = type(definition).__name__
        raise Error(f"import_schema must return TableDefinitions; one of them is {kind}")
    name = _text(definition.table_name, "the name of a table")
    where = f'table "{name}"'
    columns = [_column(column, where) for column in definition.columns or ()]
    return name, columns, _options(definition.options, where)


def _column(definition: Any, where: str) -> tuple[Any, ...]:
    """Return a column taken apart."""
    if not isinstance(definition, ColumnDefinition):
        raise Error(f"{where} must have ColumnDefinitions, not {type(definition).__name__}")
    name = _text(definition.column_name, f"the name of a column of {where}")
    where = f'column "{name}" of {where}'
    type_name = definition.type_name or definition.base_type_name
    if not type_name and not definition.type_oid:
        raise Error(f"{where} has no type", hint="Give its type_name.")
    for attribute, what in (("default", "default"), ("generated", "generation expression")):
        value = getattr(definition, attribute, None)
        if value is not None:
            _text(value, f"the {what} of {where}")
    return (
        name,
        _text(type_name, f"the type of {where}") if type_name else None,
        _integer(definition.type_oid or 0, 0, LARGEST_OID, f"the type_oid of {where}"),
        _integer(definition.typmod or -1, -1, LARGEST_TYPMOD, f"the typmod of {where}"),
        getattr(definition, "default", None),
        _collation(getattr(definition, "collation", None), f"the collation of {where}"),
        bool(getattr(definition, "not_null", False)),
        getattr(definition, "generated", None),
        _options(definition.options, where),
    )


def _collation(value: Any, what: str) -> tuple[str, ...] | None:
    """Return the parts of a collation's name: one, or the schema and it."""
    if value is None:
        return None
    if isinstance(value, tuple) and len(value) == 2:
        return _text(value[0], f"the schema of {what}"), _text(value[1], what)
    return (_text(value, what),)


def _options(options: Mapping[str, Any] | None, where: str) -> list[tuple[str, str]]:
    """Return options as pairs; numbers and the like are written as str() does."""
    if options is None:
        return []
    if not isinstance(options, Mapping):
        raise Error(f"the options of {where} must be a dict, not {type(options).__name__}")
    return [
        (_text(name, f"the name of an option of {where}"), str(value))
        for name, value in options.items()
        if value is not None
    ]


def _integer(value: Any, least: int, most: int, what: str) -> int:
    """Return an integer that is within its range."""
    if not isinstance(value, int):
        raise Error(f"{what} must be an int, not {type(value).__name__}")
    if not least <= value <= most:
        raise Error(f"{what} must be between {least} and {most}, not {value}")
    return value


def _text(value: Any, what: str) -> str:
    """Return a text that is one, and not empty."""
    # Not isinstance(), which believes an object that calls itself a str.
    if not issubclass(type(value), str):
        raise Error(f"{what} must be a str, not {type(value).__name__}")
    text = str.__str__(value)
    if not text:
        raise Error(f"{what} is empty")
    return text
