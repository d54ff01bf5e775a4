"""A Python value as JSON text, exactly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from enum import Enum
from math import isfinite

from multicorn import Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def dump(value: object, allow_nan: bool = False) -> str:
    """Return a value as JSON text.

    Dicts and other mappings become objects; lists, tuples and sets arrays; a Decimal a number
    with all its digits; dates and times ISO text; an Enum its value; bytes, which must be UTF-8,
    and anything else, text.

    Args:
        value: any value.
        allow_nan: write NaN and the infinities as many programs do, though JSON has none.

    Raises:
        Error: a number is NaN or infinite, or the value holds itself; JSON has neither.
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=allow_nan)
    except (TypeError, ValueError):
        pass  # it holds something that the module json does not know, or cannot write
    return "".join(_encode(value, (), allow_nan))


def _encode(value: object, outer: tuple[int, ...], allow_nan: bool) -> Iterator[str]:
    """Yield the pieces of a value's JSON text; `outer` are the ids of what it is in."""
    if id(value) in outer:
        raise Error("value has no JSON form: it holds itself", sqlstate="22023")
    if isinstance(value, Enum) and not isinstance(value, str | int | float):
        value = value.value
    if isinstance(value, Mapping):
        separator = "{"
        for key, item in value.items():
            yield f"{separator}{json.dumps(_key(key), ensure_ascii=False)}: "
            yield from _encode(item, (*outer, id(value)), allow_nan)
            separator = ", "
        yield "{}" if separator == "{" else "}"
    elif isinstance(value, list | tuple | set | frozenset):
        separator = "["
        for item in value:
            yield separator
            yield from _encode(item, (*outer, id(value)), allow_nan)
            separator = ", "
        yield "[]" if separator == "[" else "]"
    elif isinstance(value, Decimal | float) and not isfinite(value):
        if not allow_nan:
            raise Error(f"value has no JSON form: it holds {value}", sqlstate="22023")
        yield json.dumps(float(value))
    elif isinstance(value, Decimal):
        yield str(value)
    elif value is None or isinstance(value, str | int | float):
        yield json.dumps(value, ensure_ascii=False)
    else:
        yield json.dumps(_text(value), ensure_ascii=False)


def _key(key: object) -> str:
    """Return the name that a key has in an object."""
    if isinstance(key, Enum) and not isinstance(key, str | int | float):
        key = key.value
    if isinstance(key, str):
        return key
    if key is None or isinstance(key, int | float):
        return json.dumps(key)
    return _text(key)


def _text(value: object) -> str:
    """Return the text that stands for a value JSON has no form for."""
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8")
    return str(value)
