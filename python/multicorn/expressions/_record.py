"""The base of values that are made of fields: fixed once made, equal by their fields."""

from __future__ import annotations

from typing import Any, ClassVar, Final, NoReturn, dataclass_transform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_set = object.__setattr__
_REQUIRED: Final = object()


@dataclass_transform(frozen_default=True, eq_default=True)
class _RecordType(type):
    """Makes the annotations of a class its fields.

    What dataclasses do, in a fraction of the time: a session waits for these classes when its
    first query with a filter is planned.
    """

    _fields: tuple[str, ...]
    _positional: tuple[str, ...]
    _defaults: dict[str, Any]

    def __new__(
        mcs,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        kw_only: bool = False,
    ) -> _RecordType:
        """Return the class; with kw_only its own fields are given by their names alone.

        What the class itself names in __slots__ is no field.
        """
        own = tuple(
            field
            for field, annotation in namespace.get("__annotations__", {}).items()
            if not annotation.startswith("ClassVar")
        )
        defaults = {field: namespace.pop(field) for field in own if field in namespace}
        kept = tuple(namespace.pop("__slots__", ()))
        cls = super().__new__(mcs, name, bases, {**namespace, "__slots__": own + kept})
        base: Any = bases[0] if bases else None
        cls._fields = getattr(base, "_fields", ()) + own
        cls._positional = getattr(base, "_positional", ()) + (() if kw_only else own)
        cls._defaults = {**getattr(base, "_defaults", {}), **defaults}
        return cls


class Record(metaclass=_RecordType):
    """A value whose fields are the annotations of its class, those of its bases first."""

    _fields: ClassVar[tuple[str, ...]]
    _positional: ClassVar[tuple[str, ...]]
    _defaults: ClassVar[dict[str, Any]]

    if not TYPE_CHECKING:  # type checkers know the fields of each class

        def __init__(self, *positional: Any, **fields: Any) -> None:
            """Set the fields."""
            cls = type(self)
            if len(positional) > len(cls._positional):
                raise TypeError(
                    f"{cls.__name__} takes {len(cls._positional)} positional arguments, "
                    f"not {len(positional)}"
                )
            for name, value in zip(cls._positional, positional, strict=False):
                if name in fields:
                    raise TypeError(f"{cls.__name__} got two values for {name}")
                fields[name] = value
            for name in cls._fields:
                value = fields.pop(name) if name in fields else cls._defaults.get(name, _REQUIRED)
                if value is _REQUIRED:
                    raise TypeError(f"{cls.__name__} needs {name}")
                _set(self, name, value)
            if fields:
                raise TypeError(f"{cls.__name__} has no field {next(iter(fields))}")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} cannot be changed: make a new one")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} cannot be changed: make a new one")

    def _values(self) -> tuple[Any, ...]:
        """Return the values of all fields."""
        return tuple([getattr(self, name) for name in self._fields])

    def _with_values(self, values: Sequence[Any]) -> Any:
        """Return another one of the same class, with these values."""
        return _make(type(self), values)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self is other or self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __reduce__(self) -> tuple[Any, ...]:
        return _make, (type(self), self._values())

    def __repr__(self) -> str:
        """Return the call that makes an equal one."""
        shown = ", ".join(self._shown())
        return f"{type(self).__name__}({shown})"

    def _shown(self) -> Iterator[str]:
        """Yield the arguments of that call: positional ones, then named ones."""
        for name in self._positional:
            if self._differs(name):
                yield f"{name}={getattr(self, name)!r}"
        for name in self._fields:
            if name not in self._positional and self._differs(name):
                yield f"{name}={getattr(self, name)!r}"

    def _differs(self, name: str) -> bool:
        """Return whether a field is not what the constructor makes of it by itself."""
        return name not in self._defaults or bool(getattr(self, name) != self._defaults[name])


def _make(cls: type, values: Sequence[Any]) -> Any:
    """Return a record with these values for all of its fields."""
    record: Any = object.__new__(cls)
    for name, value in zip(record._fields, values, strict=True):
        _set(record, name, value)
    return record
