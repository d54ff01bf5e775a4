"""The nodes of expressions: small immutable classes, one for each kind that SQL has."""

from __future__ import annotations

from multicorn import UNBOUND
from multicorn.expressions._record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, ClassVar

    from multicorn.expressions._visitor import Visitor


class DataType(Record):
    """A data type of PostgreSQL.

    Args:
        oid: its OID in pg_type.
        name: the type as SQL writes it, with its modifier, and with its schema unless that is
            pg_catalog: `integer`, `text`, `character varying(20)`, `public.mood`, `integer[]`.
        typmod: the modifier as pg_attribute.atttypmod keeps it, -1 for none.
        is_builtin: whether it comes with PostgreSQL.
        qualified_name: the same with its schema, `pg_catalog.text`; '' if it is that anyway.
        extension: the extension that it comes with; '' for none.
    """

    oid: int
    name: str
    typmod: int = -1
    is_builtin: bool = True
    qualified_name: str = ""
    extension: str = ""

    @property
    def sql(self) -> str:
        """The type as it is right in SQL whatever the search path."""
        return self.qualified_name or self.name

    def __str__(self) -> str:
        return self.name


class Collation(Record):
    """A collation of PostgreSQL.

    Args:
        name: its name in pg_collation; `default` is the database's.
        schema: its schema.
        is_deterministic: whether only identical texts are equal.
        is_builtin: whether it comes with PostgreSQL.
    """

    name: str
    schema: str = "pg_catalog"
    is_deterministic: bool = True
    is_builtin: bool = True

    @property
    def is_default(self) -> bool:
        """Whether it is the database's default."""
        return self.name == "default" and self.schema == "pg_catalog"

    def __str__(self) -> str:
        return self.name


class Expression(Record, kw_only=True):
    """A part of a condition: the common part of the classes below.

    Attributes:
        type: the DataType of its value.
        collation: the Collation of its value; None for a type that has none.
    """

    __slots__ = ("_is_builtin", "_is_immutable")

    if TYPE_CHECKING:
        _is_builtin: ClassVar[bool]
        _is_immutable: ClassVar[bool]

    type: DataType
    collation: Collation | None = None

    @property
    def children(self) -> tuple[Expression, ...]:
        """The expressions this one is directly made of, in the order SQL writes them."""
        return tuple(_expressions(self._values()))

    def walk(self) -> Iterator[Expression]:
        """Yield this expression and all below it, parents before children."""
        waiting: list[Expression] = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))

    @property
    def columns(self) -> frozenset[str]:
        """The names of the columns it needs."""
        return frozenset(node.name for node in self.walk() if isinstance(node, Column))

    @property
    def is_builtin(self) -> bool:
        """Whether everything in it comes with PostgreSQL: types, collations, operators, functions.

        Only then does another PostgreSQL server understand it the same way.
        """
        try:
            return self._is_builtin
        except AttributeError:
            return self._find_out("_is_builtin", Expression._names_only_builtin)

    @property
    def is_immutable(self) -> bool:
        """Whether its value depends on nothing but its columns and constants.

        If not, it also depends on settings of the session, such as TimeZone or DateStyle. See
        https://www.postgresql.org/docs/current/xfunc-volatility.html
        """
        try:
            return self._is_immutable
        except AttributeError:
            return self._find_out("_is_immutable", Expression._calls_only_immutable)

    def _find_out(self, name: str, holds: Callable[[Expression], bool]) -> bool:
        """Return whether something holds for all of the expression, and remember it."""
        found = all(holds(node) for node in self.walk())
        object.__setattr__(self, name, found)
        return found

    def _like(self, fields: Sequence[Any]) -> Expression:
        """Return what differs in values of constants only, so that what was found out holds."""
        made: Expression = self._with_values(fields)
        for name in ("_is_builtin", "_is_immutable"):
            if hasattr(self, name):
                object.__setattr__(made, name, getattr(self, name))
        return made

    def _calls_only_immutable(self) -> bool:
        """Return whether what this node itself calls depends on its arguments alone."""
        return getattr(self, "calls_immutable", True)

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

    name: str
    number: int


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

    value: Any
    text: str | None = None
    parameter: int | None = None

    @property
    def is_bound(self) -> bool:
        """Whether the value is known."""
        return self.value is not UNBOUND

    def __hash__(self) -> int:
        # The value may be a list.
        return hash((Constant, self.type, self.text, self.parameter))


class Call(Expression, kw_only=True):
    """What has an operator or a function of its own: the common part of those below.

    Args:
        schema: its schema.
        input_collation: the Collation that it works by; None where none matters.
        calls_builtin: whether the operator or function comes with PostgreSQL.
        calls_immutable: whether its result depends on its arguments alone. If not it is stable:
            it also depends on settings of the session. Volatile ones are never offered.
        extension: the extension that it comes with; '' for none.
    """

    schema: str = "pg_catalog"
    input_collation: Collation | None = None
    calls_builtin: bool = True
    calls_immutable: bool = True
    extension: str = ""


class ByOperator(Call):
    """What an operator decides: the common part of four of the classes below.

    Args:
        name: the operator: `=`, `<=`, `~~` (LIKE), `@>`, `||`, `-`.
    """

    name: str


class OperatorCall(ByOperator):
    """An operator with one argument, on its right, or two.

    Args:
        arguments: one or two expressions.
    """

    arguments: tuple[Expression, ...]


class FunctionCall(Call):
    """A function.

    Args:
        name: the function.
        arguments: its arguments, those with defaults included.
        is_variadic: the last argument is an array, written after VARIADIC.
    """

    name: str
    arguments: tuple[Expression, ...]
    is_variadic: bool = False


class _Comparison(ByOperator):
    """What compares two values by an operator of equality."""

    left: Expression
    right: Expression


class IsDistinctFrom(_Comparison):
    """`left IS DISTINCT FROM right`; IS NOT DISTINCT FROM is the Not of it.

    Args:
        left: an expression.
        right: an expression.
    """


class NullIf(_Comparison):
    """`NULLIF(left, right)`: NULL if the two are equal, else left.

    Args:
        left: an expression.
        right: an expression.
    """


class ArrayComparison(ByOperator):
    """`left operator ANY (array)`, which is what IN becomes, or `operator ALL (array)`.

    Args:
        left: what is compared.
        array: with whose elements.
        is_any: ANY; else ALL.
    """

    left: Expression
    array: Expression
    is_any: bool


class RowComparison(ByOperator):
    """`ROW(left, ...) operator ROW(right, ...)` for `<`, `<=`, `>` and `>=`.

    Equality of rows comes as And, or Or, of the comparisons of their columns.

    Args:
        left: as many expressions
        right: as there are here.
        input_collation: that of the first columns which have one.
    """

    left: tuple[Expression, ...]
    right: tuple[Expression, ...]


class Cast(Call):
    """`argument::type`.

    Args:
        argument: what is cast.
        name: the function that does it; '' if a change of type is all there is to it, or if it
            goes through the types' text forms.
        is_implicit: PostgreSQL has put it in.
        is_relabel: the value stays what it is, and so does what operators make of it: varchar to
            text, a domain to its base type.
    """

    argument: Expression
    name: str = ""
    is_implicit: bool = False
    is_relabel: bool = False


class Collate(Expression):
    """`argument COLLATE collation`.

    Args:
        argument: a text.
    """

    argument: Expression


class _Arguments(Expression):
    """What is made of nothing but arguments."""

    arguments: tuple[Expression, ...]


class And(_Arguments):
    """`argument AND argument ...`; the arguments are two or more, none of them an And."""


class Or(_Arguments):
    """`argument OR argument ...`; the arguments are two or more, none of them an Or."""


class Not(Expression):
    """`NOT argument`."""

    argument: Expression


class IsNull(Expression):
    """`argument IS NULL`, or IS NOT NULL.

    Args:
        argument: any expression.
        is_negated: IS NOT NULL.
        is_row: a composite is looked into, as SQL does: IS NULL asks whether all its fields are
            NULL, IS NOT NULL whether none is. If False, a composite is taken as one value.
    """

    argument: Expression
    is_negated: bool
    is_row: bool


class IsBoolean(Expression):
    """`argument IS TRUE`, IS FALSE, IS UNKNOWN, or one of these with NOT.

    Args:
        argument: a boolean.
        value: True, False, or None for UNKNOWN.
        is_negated: IS NOT.
    """

    argument: Expression
    value: bool | None
    is_negated: bool


class Case(Expression):
    """`CASE WHEN condition THEN result ... ELSE default END`.

    `CASE argument WHEN value ...` comes in this form, with comparisons as conditions.

    Args:
        whens: pairs of condition and result.
        default: what ELSE gives; a NULL Constant if there is none.
    """

    whens: tuple[tuple[Expression, Expression], ...]
    default: Expression


class Coalesce(_Arguments):
    """`COALESCE(argument, ...)`: the first argument that is not NULL."""


class MinMax(Expression):
    """`GREATEST(argument, ...)` or `LEAST(argument, ...)`, by the type's default ordering.

    Args:
        name: `GREATEST` or `LEAST`.
        arguments: expressions of one type.
        input_collation: the Collation that texts are compared by.
    """

    name: str
    arguments: tuple[Expression, ...]
    input_collation: Collation | None = None


class Array(Expression):
    """`ARRAY[element, ...]`.

    Args:
        elements: expressions, possibly none.
        is_nested: the elements are arrays, which become its rows.
    """

    elements: tuple[Expression, ...]
    is_nested: bool


class Row(Expression):
    """`ROW(field, ...)`; its type is `record` or a composite type.

    Args:
        fields: expressions, possibly none.
    """

    fields: tuple[Expression, ...]


class Subscript(Expression):
    """`container[index]...`, or a slice `container[lower:upper]...`, of an array or a jsonb.

    Args:
        container: what is subscripted.
        upper: the index in each dimension, or the slice's upper bound; None if left open.
        lower: the slice's lower bounds, as many as `upper`, None if left open; () if this is no
            slice.
    """

    container: Expression
    upper: tuple[Expression | None, ...]
    lower: tuple[Expression | None, ...]


class Field(Expression):
    """`(argument).name`: a field of a composite.

    Args:
        argument: the composite.
        name: the field.
    """

    argument: Expression
    name: str


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
    if isinstance(expression, Column):
        return expression
    if isinstance(expression, Constant):
        if expression.parameter is None:
            return expression
        value, text = values[expression.parameter - 1]
        bound: Expression = expression._with_values(
            (expression.type, expression.collation, value, text, expression.parameter)
        )
        return bound
    fields = expression._values()
    filled = _bind_all(fields, values)
    return expression if filled is fields else expression._like(filled)


def _bind_all(fields: tuple[Any, ...], values: Sequence[tuple[Any, str | None]]) -> tuple[Any, ...]:
    """Return fields with their parameters filled in; the same tuple if there are none."""
    filled = None
    for position, field in enumerate(fields):
        if isinstance(field, Expression):
            new: Any = bind(field, values)
        elif type(field) is tuple:
            new = _bind_all(field, values)
        else:
            continue
        if new is not field:
            if filled is None:
                filled = list(fields)
            filled[position] = new
    return fields if filled is None else tuple(filled)


def uncast(expression: Expression) -> Expression:
    """Return what is below casts that PostgreSQL has put in and that leave the value as it is.

    A varchar column compared with a text is such a case: `varchar_column::text = 'x'`.
    """
    while isinstance(expression, Cast) and expression.is_implicit and expression.is_relabel:
        expression = expression.argument
    return expression
