"""The nodes of expressions: small immutable classes, one for each kind that SQL has."""

from __future__ import annotations

from multicorn import UNBOUND

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, ClassVar, NoReturn

    from multicorn.expressions._visitor import Visitor

_set = object.__setattr__


class _Immutable:
    """A value made of the fields that `_fields` names: fixed once made, equal by its fields."""

    __slots__ = ()
    _fields: ClassVar[tuple[str, ...]] = ()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} cannot be changed: make a new one")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} cannot be changed: make a new one")

    def _values(self) -> tuple[Any, ...]:
        """Return the fields' values, in the constructor's order."""
        return tuple(getattr(self, name) for name in self._fields)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self is other or self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return type(self), self._values()

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._told())
        return f"{type(self).__name__}({shown})"

    def _told(self) -> Iterator[str]:
        """Yield the fields that are not what the constructor makes of them by itself."""
        defaults = type(self).__init__.__defaults__ or ()
        first = len(self._fields) - len(defaults)
        for position, name in enumerate(self._fields):
            if position < first or getattr(self, name) != defaults[position - first]:
                yield name


class DataType(_Immutable):
    """A data type of PostgreSQL.

    Args:
        oid: its OID in pg_type.
        name: the type as SQL writes it, with its modifier, and with its schema unless that is
            pg_catalog: `integer`, `text`, `character varying(20)`, `public.mood`, `integer[]`.
        typmod: the modifier as pg_attribute.atttypmod keeps it, -1 for none.
        is_builtin: whether it comes with PostgreSQL.
        sql: the name as it is right in SQL whatever the search path: `pg_catalog.text`. The name
            if not given.
    """

    __slots__ = _fields = ("oid", "name", "typmod", "is_builtin", "sql")
    oid: int
    name: str
    typmod: int
    is_builtin: bool
    sql: str

    def __init__(
        self,
        oid: int,
        name: str,
        typmod: int = -1,
        is_builtin: bool = True,
        sql: str | None = None,
    ) -> None:
        _set(self, "oid", oid)
        _set(self, "name", name)
        _set(self, "typmod", typmod)
        _set(self, "is_builtin", is_builtin)
        _set(self, "sql", name if sql is None else sql)

    def _told(self) -> Iterator[str]:
        return (name for name in super()._told() if name != "sql" or self.sql != self.name)

    def __str__(self) -> str:
        return self.name


class Collation(_Immutable):
    """A collation of PostgreSQL.

    Args:
        name: its name in pg_collation; `default` is the database's.
        schema: its schema.
        is_deterministic: whether only identical texts are equal.
        is_builtin: whether it comes with PostgreSQL.
    """

    __slots__ = _fields = ("name", "schema", "is_deterministic", "is_builtin")
    name: str
    schema: str
    is_deterministic: bool
    is_builtin: bool

    def __init__(
        self,
        name: str,
        schema: str = "pg_catalog",
        is_deterministic: bool = True,
        is_builtin: bool = True,
    ) -> None:
        _set(self, "name", name)
        _set(self, "schema", schema)
        _set(self, "is_deterministic", is_deterministic)
        _set(self, "is_builtin", is_builtin)

    @property
    def is_default(self) -> bool:
        """Whether it is the database's default."""
        return self.name == "default" and self.schema == "pg_catalog"

    def __str__(self) -> str:
        return self.name


class Expression(_Immutable):
    """A part of a condition: the common part of the classes below.

    Attributes:
        type: the DataType of its value.
        collation: the Collation of its value; None for a type that has none.
    """

    __slots__ = ()
    type: DataType
    collation: Collation | None

    @property
    def children(self) -> tuple[Expression, ...]:
        """The expressions this one is directly made of, in the order SQL writes them."""
        return tuple(_expressions(self._values()))

    def walk(self) -> Iterator[Expression]:
        """Yield this expression and all below it, parents before children."""
        yield self
        for child in self.children:
            yield from child.walk()

    @property
    def columns(self) -> frozenset[str]:
        """The names of the columns it needs."""
        return frozenset(node.name for node in self.walk() if isinstance(node, Column))

    @property
    def is_builtin(self) -> bool:
        """Whether everything in it comes with PostgreSQL: types, collations, operators, functions.

        Only then does another PostgreSQL server understand it the same way.
        """
        return all(node._names_only_builtin() for node in self.walk())

    @property
    def is_immutable(self) -> bool:
        """Whether its value depends on nothing but its columns and constants.

        If not, it also depends on settings of the session, such as TimeZone or DateStyle. See
        https://www.postgresql.org/docs/current/xfunc-volatility.html
        """
        return all(getattr(node, "calls_immutable", True) for node in self.walk())

    def _names_only_builtin(self) -> bool:
        """Return whether what this node itself names comes with PostgreSQL."""
        collations = (self.collation, getattr(self, "input_collation", None))
        return (
            self.type.is_builtin
            and getattr(self, "calls_builtin", True)
            and all(collation is None or collation.is_builtin for collation in collations)
        )

    def accept(self, visitor: Visitor[Any]) -> Any:
        """Return what the visitor's method for this class returns: see `Visitor`."""
        return visitor.visit(self)

    def __str__(self) -> str:
        from multicorn.expressions._sql import DisplayWriter

        return DisplayWriter().write(self)


def _expressions(values: Sequence[Any]) -> Iterator[Expression]:
    """Yield the expressions among values, looking into tuples."""
    for value in values:
        if isinstance(value, Expression):
            yield value
        elif type(value) is tuple:
            yield from _expressions(value)


class Column(Expression):
    """A column of the foreign table.

    Args:
        name: its name.
        number: its number in the table, from 1.
    """

    __slots__ = _fields = ("name", "number", "type", "collation")
    name: str
    number: int

    def __init__(
        self, name: str, number: int, type: DataType, collation: Collation | None = None
    ) -> None:
        _set(self, "name", name)
        _set(self, "number", number)
        _set(self, "type", type)
        _set(self, "collation", collation)


class Constant(Expression):
    """A value that is the same for every row: a constant, a parameter, `now()`.

    Args:
        value: the value in Python, as `execute` would get it in a Qual; None is NULL. UNBOUND if
            it is not known yet: while planning and in EXPLAIN, never in `execute`.
        text: the value in PostgreSQL's text form, exact whatever the session's settings are; None
            for NULL and for UNBOUND.
        parameter: its number, from 1, if its value is known only when the query runs; the same
            number in all expressions of a query is the same value. None for a constant.
    """

    __slots__ = _fields = ("value", "type", "collation", "text", "parameter")
    value: Any
    text: str | None
    parameter: int | None

    def __init__(
        self,
        value: Any,
        type: DataType,
        collation: Collation | None = None,
        text: str | None = None,
        parameter: int | None = None,
    ) -> None:
        _set(self, "value", value)
        _set(self, "type", type)
        _set(self, "collation", collation)
        _set(self, "text", text)
        _set(self, "parameter", parameter)

    @property
    def is_bound(self) -> bool:
        """Whether the value is known."""
        return self.value is not UNBOUND

    def __hash__(self) -> int:
        # The value may be a list.
        return hash((Constant, self.type, self.text, self.parameter))


class Call(Expression):
    """What has an operator or a function of its own: the common part of those below.

    Args:
        name: the name of the operator or function, without its schema.
        schema: its schema.
        input_collation: the Collation that it works by; None where none matters.
        calls_builtin: whether the operator or function comes with PostgreSQL.
        calls_immutable: whether its result depends on its arguments alone. If not it is stable:
            it also depends on settings of the session. Volatile ones are never offered.
    """

    __slots__ = ()
    name: str
    schema: str
    input_collation: Collation | None
    calls_builtin: bool
    calls_immutable: bool


_CALL = (
    "type",
    "collation",
    "schema",
    "input_collation",
    "calls_builtin",
    "calls_immutable",
)


class OperatorCall(Call):
    """An operator with one argument, on its right, or two.

    Args:
        name: the operator: `=`, `<=`, `~~` (LIKE), `@>`, `||`, `-`.
        arguments: one or two expressions.
    """

    __slots__ = _fields = ("name", "arguments", *_CALL)
    arguments: tuple[Expression, ...]

    def __init__(
        self,
        name: str,
        arguments: tuple[Expression, ...],
        type: DataType,
        collation: Collation | None = None,
        schema: str = "pg_catalog",
        input_collation: Collation | None = None,
        calls_builtin: bool = True,
        calls_immutable: bool = True,
    ) -> None:
        _set(self, "name", name)
        _set(self, "arguments", arguments)
        _set(self, "type", type)
        _set(self, "collation", collation)
        _set(self, "schema", schema)
        _set(self, "input_collation", input_collation)
        _set(self, "calls_builtin", calls_builtin)
        _set(self, "calls_immutable", calls_immutable)


class FunctionCall(Call):
    """A function.

    Args:
        name: the function.
        arguments: its arguments, those with defaults included.
        is_variadic: the last argument is an array, written after VARIADIC.
    """

    __slots__ = _fields = ("name", "arguments", *_CALL, "is_variadic")
    arguments: tuple[Expression, ...]
    is_variadic: bool

    def __init__(
        self,
        name: str,
        arguments: tuple[Expression, ...],
        type: DataType,
        collation: Collation | None = None,
        schema: str = "pg_catalog",
        input_collation: Collation | None = None,
        calls_builtin: bool = True,
        calls_immutable: bool = True,
        is_variadic: bool = False,
    ) -> None:
        _set(self, "name", name)
        _set(self, "arguments", arguments)
        _set(self, "type", type)
        _set(self, "collation", collation)
        _set(self, "schema", schema)
        _set(self, "input_collation", input_collation)
        _set(self, "calls_builtin", calls_builtin)
        _set(self, "calls_immutable", calls_immutable)
        _set(self, "is_variadic", is_variadic)


class _Comparison(Call):
    """What compares two values by an operator of equality."""

    __slots__ = _fields = ("name", "left", "right", *_CALL)
    left: Expression
    right: Expression

    def __init__(
        self,
        name: str,
        left: Expression,
        right: Expression,
        type: DataType,
        collation: Collation | None = None,
        schema: str = "pg_catalog",
        input_collation: Collation | None = None,
        calls_builtin: bool = True,
        calls_immutable: bool = True,
    ) -> None:
        _set(self, "name", name)
        _set(self, "left", left)
        _set(self, "right", right)
        _set(self, "type", type)
        _set(self, "collation", collation)
        _set(self, "schema", schema)
        _set(self, "input_collation", input_collation)
        _set(self, "calls_builtin", calls_builtin)
        _set(self, "calls_immutable", calls_immutable)


class IsDistinctFrom(_Comparison):
    """`left IS DISTINCT FROM right`; IS NOT DISTINCT FROM is the Not of it.

    Args:
        name: the operator of equality.
        left: an expression.
        right: an expression.
    """

    __slots__ = ()


class NullIf(_Comparison):
    """`NULLIF(left, right)`: NULL if the two are equal, else left.

    Args:
        name: the operator of equality.
        left: an expression.
        right: an expression.
    """

    __slots__ = ()


class ArrayComparison(Call):
    """`left operator ANY (array)`, which is what IN becomes, or `operator ALL (array)`.

    Args:
        name: the operator.
        left: what is compared.
        array: with whose elements.
        is_any: ANY; else ALL.
    """

    __slots__ = _fields = ("name", "left", "array", "is_any", *_CALL)
    left: Expression
    array: Expression
    is_any: bool

    def __init__(
        self,
        name: str,
        left: Expression,
        array: Expression,
        is_any: bool,
        type: DataType,
        collation: Collation | None = None,
        schema: str = "pg_catalog",
        input_collation: Collation | None = None,
        calls_builtin: bool = True,
        calls_immutable: bool = True,
    ) -> None:
        _set(self, "name", name)
        _set(self, "left", left)
        _set(self, "array", array)
        _set(self, "is_any", is_any)
        _set(self, "type", type)
        _set(self, "collation", collation)
        _set(self, "schema", schema)
        _set(self, "input_collation", input_collation)
        _set(self, "calls_builtin", calls_builtin)
        _set(self, "calls_immutable", calls_immutable)


class RowComparison(Call):
    """`ROW(left, ...) operator ROW(right, ...)` for `<`, `<=`, `>` and `>=`.

    Equality of rows comes as And, or Or, of the comparisons of their columns.

    Args:
        name: the operator.
        left: as many expressions
        right: as there are here.
        input_collation: that of the first columns which have one.
    """

    __slots__ = _fields = ("name", "left", "right", *_CALL)
    left: tuple[Expression, ...]
    right: tuple[Expression, ...]

    def __init__(
        self,
        name: str,
        left: tuple[Expression, ...],
        right: tuple[Expression, ...],
        type: DataType,
        collation: Collation | None = None,
        schema: str = "pg_catalog",
        input_collation: Collation | None = None,
        calls_builtin: bool = True,
        calls_immutable: bool = True,
    ) -> None:
        _set(self, "name", name)
        _set(self, "left", left)
        _set(self, "right", right)
        _set(self, "type", type)
        _set(self, "collation", collation)
        _set(self, "schema", schema)
        _set(self, "input_collation", input_collation)
        _set(self, "calls_builtin", calls_builtin)
        _set(self, "calls_immutable", calls_immutable)


class Cast(Call):
    """`argument::type`.

    Args:
        argument: what is cast.
        name: the function that does it; '' if a change of type is all there is to it, or if it
            goes through the types' text forms.
        is_implicit: PostgreSQL has put it in.
        is_relabel: the value stays what it is, byte for byte: varchar to text.
    """

    __slots__ = _fields = ("argument", *_CALL, "name", "is_implicit", "is_relabel")
    argument: Expression
    is_implicit: bool
    is_relabel: bool

    def __init__(
        self,
        argument: Expression,
        type: DataType,
        collation: Collation | None = None,
        schema: str = "pg_catalog",
        input_collation: Collation | None = None,
        calls_builtin: bool = True,
        calls_immutable: bool = True,
        name: str = "",
        is_implicit: bool = False,
        is_relabel: bool = False,
    ) -> None:
        _set(self, "argument", argument)
        _set(self, "type", type)
        _set(self, "collation", collation)
        _set(self, "schema", schema)
        _set(self, "input_collation", input_collation)
        _set(self, "calls_builtin", calls_builtin)
        _set(self, "calls_immutable", calls_immutable)
        _set(self, "name", name)
        _set(self, "is_implicit", is_implicit)
        _set(self, "is_relabel", is_relabel)


class Collate(Expression):
    """`argument COLLATE collation`.

    Args:
        argument: a text.
    """

    __slots__ = _fields = ("argument", "type", "collation")
    argument: Expression

    def __init__(
        self, argument: Expression, type: DataType, collation: Collation | None = None
    ) -> None:
        _set(self, "argument", argument)
        _set(self, "type", type)
        _set(self, "collation", collation)


class _Arguments(Expression):
    """What is made of nothing but arguments."""

    __slots__ = _fields = ("arguments", "type", "collation")
    arguments: tuple[Expression, ...]

    def __init__(
        self,
        arguments: tuple[Expression, ...],
        type: DataType,
        collation: Collation | None = None,
    ) -> None:
        _set(self, "arguments", arguments)
        _set(self, "type", type)
        _set(self, "collation", collation)


class And(_Arguments):
    """`argument AND argument ...`; the arguments are two or more, none of them an And."""

    __slots__ = ()


class Or(_Arguments):
    """`argument OR argument ...`; the arguments are two or more, none of them an Or."""

    __slots__ = ()


class Not(Expression):
    """`NOT argument`."""

    __slots__ = _fields = ("argument", "type", "collation")
    argument: Expression

    def __init__(
        self, argument: Expression, type: DataType, collation: Collation | None = None
    ) -> None:
        _set(self, "argument", argument)
        _set(self, "type", type)
        _set(self, "collation", collation)


class IsNull(Expression):
    """`argument IS NULL`, or IS NOT NULL.

    Args:
        argument: any expression.
        is_negated: IS NOT NULL.
        is_row: a composite is looked into, as SQL does: IS NULL asks whether all its fields are
            NULL, IS NOT NULL whether none is. If False, a composite is taken as one value.
    """

    __slots__ = _fields = ("argument", "is_negated", "is_row", "type", "collation")
    argument: Expression
    is_negated: bool
    is_row: bool

    def __init__(
        self,
        argument: Expression,
        is_negated: bool,
        is_row: bool,
        type: DataType,
        collation: Collation | None = None,
    ) -> None:
        _set(self, "argument", argument)
        _set(self, "is_negated", is_negated)
        _set(self, "is_row", is_row)
        _set(self, "type", type)
        _set(self, "collation", collation)


class IsBoolean(Expression):
    """`argument IS TRUE`, IS FALSE, IS UNKNOWN, or one of these with NOT.

    Args:
        argument: a boolean.
        value: True, False, or None for UNKNOWN.
        is_negated: IS NOT.
    """

    __slots__ = _fields = ("argument", "value", "is_negated", "type", "collation")
    argument: Expression
    value: bool | None
    is_negated: bool

    def __init__(
        self,
        argument: Expression,
        value: bool | None,
        is_negated: bool,
        type: DataType,
        collation: Collation | None = None,
    ) -> None:
        _set(self, "argument", argument)
        _set(self, "value", value)
        _set(self, "is_negated", is_negated)
        _set(self, "type", type)
        _set(self, "collation", collation)


class Case(Expression):
    """`CASE WHEN condition THEN result ... ELSE default END`.

    `CASE argument WHEN value ...` comes in this form, with comparisons as conditions.

    Args:
        whens: pairs of condition and result.
        default: what ELSE gives; a NULL Constant if there is none.
    """

    __slots__ = _fields = ("whens", "default", "type", "collation")
    whens: tuple[tuple[Expression, Expression], ...]
    default: Expression

    def __init__(
        self,
        whens: tuple[tuple[Expression, Expression], ...],
        default: Expression,
        type: DataType,
        collation: Collation | None = None,
    ) -> None:
        _set(self, "whens", whens)
        _set(self, "default", default)
        _set(self, "type", type)
        _set(self, "collation", collation)


class Coalesce(_Arguments):
    """`COALESCE(argument, ...)`: the first argument that is not NULL."""

    __slots__ = ()


class MinMax(Expression):
    """`GREATEST(argument, ...)` or `LEAST(argument, ...)`, by the type's default ordering.

    Args:
        name: `GREATEST` or `LEAST`.
        arguments: expressions of one type.
        input_collation: the Collation that texts are compared by.
    """

    __slots__ = _fields = ("name", "arguments", "type", "collation", "input_collation")
    name: str
    arguments: tuple[Expression, ...]
    input_collation: Collation | None

    def __init__(
        self,
        name: str,
        arguments: tuple[Expression, ...],
        type: DataType,
        collation: Collation | None = None,
        input_collation: Collation | None = None,
    ) -> None:
        _set(self, "name", name)
        _set(self, "arguments", arguments)
        _set(self, "type", type)
        _set(self, "collation", collation)
        _set(self, "input_collation", input_collation)


class Array(Expression):
    """`ARRAY[element, ...]`.

    Args:
        elements: expressions, possibly none.
        is_nested: the elements are arrays, which become its rows.
    """

    __slots__ = _fields = ("elements", "is_nested", "type", "collation")
    elements: tuple[Expression, ...]
    is_nested: bool

    def __init__(
        self,
        elements: tuple[Expression, ...],
        is_nested: bool,
        type: DataType,
        collation: Collation | None = None,
    ) -> None:
        _set(self, "elements", elements)
        _set(self, "is_nested", is_nested)
        _set(self, "type", type)
        _set(self, "collation", collation)


class Row(Expression):
    """`ROW(field, ...)`; its type is `record` or a composite type.

    Args:
        fields: expressions, possibly none.
    """

    __slots__ = _fields = ("fields", "type", "collation")
    fields: tuple[Expression, ...]

    def __init__(
        self,
        fields: tuple[Expression, ...],
        type: DataType,
        collation: Collation | None = None,
    ) -> None:
        _set(self, "fields", fields)
        _set(self, "type", type)
        _set(self, "collation", collation)


class Subscript(Expression):
    """`container[index]...`, or a slice `container[lower:upper]...`, of an array or a jsonb.

    Args:
        container: what is subscripted.
        upper: the index in each dimension, or the slice's upper bound; None if left open.
        lower: the slice's lower bounds, as many as `upper`, None if left open; () if this is no
            slice.
    """

    __slots__ = _fields = ("container", "upper", "lower", "type", "collation")
    container: Expression
    upper: tuple[Expression | None, ...]
    lower: tuple[Expression | None, ...]

    def __init__(
        self,
        container: Expression,
        upper: tuple[Expression | None, ...],
        lower: tuple[Expression | None, ...],
        type: DataType,
        collation: Collation | None = None,
    ) -> None:
        _set(self, "container", container)
        _set(self, "upper", upper)
        _set(self, "lower", lower)
        _set(self, "type", type)
        _set(self, "collation", collation)


class Field(Expression):
    """`(argument).name`: a field of a composite.

    Args:
        argument: the composite.
        name: the field.
    """

    __slots__ = _fields = ("argument", "name", "type", "collation")
    argument: Expression
    name: str

    def __init__(
        self,
        argument: Expression,
        name: str,
        type: DataType,
        collation: Collation | None = None,
    ) -> None:
        _set(self, "argument", argument)
        _set(self, "name", name)
        _set(self, "type", type)
        _set(self, "collation", collation)


def bind(expression: Expression, values: Sequence[tuple[Any, str | None]]) -> Expression:
    """Return the expression with the values of its parameters filled in.

    Args:
        expression: any expression.
        values: for each parameter, in the order of their numbers, its value in Python and in
            PostgreSQL's text form.

    Returns:
        A new expression; the same one if it has no parameters.

    Raises:
        IndexError: the expression has a parameter beyond the values.
    """
    if isinstance(expression, Constant):
        if expression.parameter is None:
            return expression
        value, text = values[expression.parameter - 1]
        return Constant(value, expression.type, expression.collation, text, expression.parameter)
    fields = expression._values()
    bound = _bind_all(fields, values)
    return expression if bound is fields else type(expression)(*bound)


def _bind_all(fields: tuple[Any, ...], values: Sequence[tuple[Any, str | None]]) -> tuple[Any, ...]:
    """Return fields with their parameters filled in; the same tuple if there are none."""
    bound = tuple(
        bind(field, values)
        if isinstance(field, Expression)
        else _bind_all(field, values)
        if type(field) is tuple
        else field
        for field in fields
    )
    if all(new is old for new, old in zip(bound, fields, strict=True)):
        return fields
    return bound


def uncast(expression: Expression) -> Expression:
    """Return what is below casts that PostgreSQL has put in and that leave the value as it is.

    A varchar column compared with a text is such a case: `varchar_column::text = 'x'`.
    """
    while isinstance(expression, Cast) and expression.is_implicit and expression.is_relabel:
        expression = expression.argument
    return expression
