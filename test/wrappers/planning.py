"""Wrappers that take part in planning: they answer what their options say, and tell what they get.

Every table has the same rows, of the columns that `VALUES` names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from math import inf, isnan, nan
from typing import Any

from multicorn import ALL, UNBOUND, ColumnDefinition, ForeignDataWrapper, Qual, SortKey
from multicorn.expressions import (
    And,
    ArrayComparison,
    Column,
    Constant,
    Expression,
    IsNull,
    Not,
    OperatorCall,
    Or,
    Unsupported,
    Visitor,
)
from multicorn.utils import log_to_postgres

WORDS = ("pear", "Apple", "fig", None, "apple", "Fig", "", "zoe", "Zoe", "\u00e4pfel")

# What a column of this name holds in row n, which counts from 1.
VALUES: dict[str, Callable[[int], Any]] = {
    "id": lambda n: n,
    "a": lambda n: n % 5,
    "b": lambda n: n // 5,
    "x": lambda n: None if n % 7 == 0 else n * 37 % 11,
    "f": lambda n: nan if n % 9 == 0 else n * 7 % 13 / 2,
    "t": lambda n: WORDS[n % 10],
    "v": lambda n: WORDS[n * 3 % 10],
    "c": lambda n: WORDS[n * 7 % 10],
    "d": lambda n: date(2024, 1, 1) + timedelta(days=n * 5 % 17),
}
NAMES = {"Decimal": Decimal, "inf": inf, "nan": nan, "SortKey": SortKey}


class Rows(ForeignDataWrapper):
    """A table that knows of planning only what the base class says.

    Options:
        rows: how many there are; 20 if not given.
        part: only those whose column `a` has this value, as a partition has them.
        name: what it calls itself in messages.
        tell: the methods that tell, in a NOTICE, what they are given.
    """

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        self.names = list(columns)
        self.count = int(options.get("rows", 20))
        self.part = int(options["part"]) if "part" in options else None
        self.prefix = options["name"] + "." if "name" in options else ""
        self.telling = options.get("tell", "").split()

    def tell(self, method: str, given: Iterable[object]) -> None:
        """Tell what a method is given, if it is one of those that tell."""
        if method in self.telling:
            log_to_postgres(f"{self.prefix}{method}({', '.join(map(str, given))})")

    def rows(self, quals: list[Qual]) -> Iterator[dict[str, Any]]:
        """Yield the rows that satisfy the conditions on numbers that this wrapper understands."""
        for n in range(1, self.count + 1):
            row = {name: VALUES[name](n) for name in self.names}
            if self.is_here(row) and all(holds(qual, row[qual.field_name]) for qual in quals):
                yield row

    def is_here(self, row: dict[str, Any]) -> bool:
        """Return whether a row is in this part of the table."""
        return self.part is None or row["a"] == self.part

    def execute(
        self, quals: list[Qual], columns: list[str], **keywords: Any
    ) -> Iterator[dict[str, Any]]:
        """Yield the rows, with the columns that were asked for."""
        self.tell("execute", [conditions(quals), *columns])
        for row in self.rows(quals):
            yield {name: row[name] for name in columns}


class Planned(Rows):
    """A table whose methods answer what its options say; their values are Python's.

    Options:
        size: what get_rel_size returns; `quals` and `columns` are what it gets.
        keys: what get_path_keys returns.
        cost: _startup_cost.
        sort: what can_sort returns; `keys` is what it gets.
        limit: what can_limit returns; `limit` and `offset` are what it gets.
        filter: whether can_filter takes what it can; `off` if not given.
        surplus: how many rows it sends above the limit.
    """

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        self.answers = {name: compile(text, name, "eval") for name, text in python_of(options)}
        if "cost" in self.answers:
            self._startup_cost = self.answer("cost")
        self.filtering = options.get("filter") == "on"
        self.surplus = int(options.get("surplus", 0))

    def answer(self, name: str, **given: object) -> Any:
        """Return the value of an option; None without it."""
        return eval(self.answers[name], NAMES | given) if name in self.answers else None

    def get_rel_size(self, quals: list[Qual], columns: list[str]) -> Any:
        """Tell what is known while planning, and answer."""
        self.tell("get_rel_size", [conditions(quals), *columns])
        return self.answer("size", quals=quals, columns=columns)

    def get_path_keys(self) -> Any:
        """Answer."""
        self.tell("get_path_keys", [])
        return self.answer("keys")

    def can_sort(self, sortkeys: list[SortKey]) -> Any:
        """Tell the wanted order, and answer."""
        self.tell("can_sort", map(written, sortkeys))
        return self.answer("sort", keys=sortkeys)

    def can_limit(self, limit: object, offset: object) -> Any:
        """Tell the limits, and answer."""
        self.tell("can_limit", [limit, offset])
        return self.answer("limit", limit=limit, offset=offset, UNBOUND=UNBOUND)

    def can_filter(self, filters: list[Expression]) -> list[Expression]:
        """Take what `Truth` understands."""
        self.tell("can_filter", filters)
        return [one for one in filters if self.filtering and TRUTH.supports(one)]

    def execute(
        self,
        quals: list[Qual],
        columns: list[str],
        *,
        sortkeys: Sequence[SortKey] = (),
        limit: int | None = None,
        offset: int = 0,
        filters: Sequence[Expression] = (),
        **others: Any,
    ) -> Iterator[dict[str, Any]]:
        """Yield the rows as they were promised."""
        self.tell("execute", [conditions(quals), *columns, *promises(sortkeys, limit, offset)])
        rows = [row for row in self.rows(quals) if all(TRUTH.of(one, row) for one in filters)]
        for key in reversed(sortkeys):
            rows.sort(key=partial(rank, key), reverse=key.is_reversed)
        end = None if limit is None else offset + limit + self.surplus
        for row in rows[offset:end]:
            yield {name: row[name] for name in columns}


class Failing(Planned):
    """A table of which the method that option `where` names raises an exception of its own."""

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        setattr(self, options["where"], self.fail)

    def fail(self, *arguments: object) -> Any:
        """Raise it."""
        raise LookupError("there is no such thing")


class Bare:
    """A class of its own, without any method that it could do without."""

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        pass

    def execute(self, quals: list[Qual], columns: list[str]) -> list[tuple[int]]:
        """Return a row."""
        return [(1,)]


def python_of(options: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the options whose values are Python's."""
    for name in ("size", "keys", "cost", "sort", "limit"):
        if name in options:
            yield name, options[name]


# --- Conditions ---------------------------------------------------------------------------------

SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def conditions(quals: list[Qual]) -> str:
    """Write conditions. Their order is the planner's choice, so they are sorted."""
    return " and ".join(sorted(map(str, quals))) or "all"


def compare(sign: str, left: Any, right: Any) -> bool | None:
    """Compare two values; None, which is SQL's NULL, if one is None."""
    return None if left is None or right is None else SIGNS[sign](left, right)


def holds(qual: Qual, value: Any) -> bool:
    """Return whether a value satisfies a condition, or PostgreSQL is to see to it."""
    if isinstance(value, float) or qual.collation is not None:
        return True
    if isinstance(qual.operator, tuple):
        name, quantifier = qual.operator[0], all if qual.list_any_or_all is ALL else any
        return name not in SIGNS or quantifier(compare(name, value, item) for item in qual.value)
    if qual.value is None:
        return (value is None) == (qual.operator == "=")
    return qual.operator not in SIGNS or compare(qual.operator, value, qual.value) is True


class Truth(Visitor[Callable[[dict[str, Any]], Any]]):
    """What a filter comes to in a row: True, False, or None for NULL.

    It knows comparisons of columns of the types integer, text and date with constants, their
    combinations and IS NULL.
    """

    def of(self, expression: Expression, row: dict[str, Any]) -> bool:
        """Return whether a filter is true of a row."""
        return expression.accept(self)(row) is True

    def supports(self, expression: Expression) -> bool:
        """Return whether a filter is one of those it knows."""
        try:
            expression.accept(self)
        except Unsupported:
            return False
        return True

    def visit_column(self, node: Column) -> Callable[[dict[str, Any]], Any]:
        if node.type.name not in ("integer", "text", "date"):
            raise Unsupported(node)
        return lambda row: row[node.name]

    def visit_constant(self, node: Constant) -> Callable[[dict[str, Any]], Any]:
        return lambda row: node.value

    def visit_operator_call(self, node: OperatorCall) -> Callable[[dict[str, Any]], Any]:
        if node.name not in SIGNS or len(node.arguments) != 2 or not node.is_builtin:
            raise Unsupported(node)
        left, right = (argument.accept(self) for argument in node.arguments)
        return lambda row: compare(node.name, left(row), right(row))

    def visit_array_comparison(self, node: ArrayComparison) -> Callable[[dict[str, Any]], Any]:
        if node.name != "=" or not node.is_any or not node.is_builtin:
            raise Unsupported(node)
        left, array = node.left.accept(self), node.array.accept(self)
        return lambda row: left(row) in (array(row) or ())

    def visit_is_null(self, node: IsNull) -> Callable[[dict[str, Any]], Any]:
        argument = node.argument.accept(self)
        return lambda row: (argument(row) is None) is not node.is_negated

    def visit_and(self, node: And) -> Callable[[dict[str, Any]], Any]:
        parts = [argument.accept(self) for argument in node.arguments]
        return lambda row: all(part(row) is True for part in parts)

    def visit_or(self, node: Or) -> Callable[[dict[str, Any]], Any]:
        parts = [argument.accept(self) for argument in node.arguments]
        return lambda row: any(part(row) is True for part in parts)

    def visit_not(self, node: Not) -> Callable[[dict[str, Any]], Any]:
        raise Unsupported(node)


TRUTH = Truth()


# --- Order --------------------------------------------------------------------------------------


def written(key: SortKey) -> str:
    """Write a sort key so that everything it holds can be seen."""
    collation = "" if key.collate is None else f" COLLATE {key.collate}"
    order = "DESC" if key.is_reversed else "ASC"
    nulls = "FIRST" if key.nulls_first else "LAST"
    return f"{key.attname}/{key.attnum}{collation} {order} NULLS {nulls}"


def rank(key: SortKey, row: dict[str, Any]) -> tuple[bool, bool, Any]:
    """Return what orders a row as PostgreSQL does: NULLs at their end, NaN above all numbers."""
    value = row[key.attname]
    if value is None:
        return (key.nulls_first == key.is_reversed, False, 0)
    is_nan = isinstance(value, float) and isnan(value)
    return (key.nulls_first != key.is_reversed, is_nan, 0 if is_nan else value)


def promises(sortkeys: Sequence[SortKey], limit: int | None, offset: int) -> Iterator[str]:
    """Write the keywords that execute got."""
    if sortkeys:
        yield f"sortkeys={[written(key) for key in sortkeys]}"
    if limit is not None:
        yield f"limit={limit}"
    if offset:
        yield f"offset={offset}"
