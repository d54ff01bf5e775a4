"""Wrappers that are offered the conditions of a query as expressions, and tell which."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any

from planning import Truth

from multicorn import ColumnDefinition, ForeignDataWrapper, Qual
from multicorn.expressions import Case, Constant, Expression, OperatorCall
from multicorn.utils import log_to_postgres


class Meaning(Truth):
    """What a filter comes to in a row; it knows CASE and division as well."""

    def visit_operator_call(self, node: OperatorCall) -> Callable[[dict[str, Any]], Any]:
        if node.name != "/":
            return super().visit_operator_call(node)
        left, right = (argument.accept(self) for argument in node.arguments)
        return lambda row: left(row) // right(row)

    def visit_case(self, node: Case) -> Callable[[dict[str, Any]], Any]:
        whens = [(when.accept(self), then.accept(self)) for when, then in node.whens]
        default = node.default.accept(self)

        def value(row: dict[str, Any]) -> Any:
            chosen = (then for when, then in whens if when(row) is True)
            return next(chosen, default)(row)

        return value


TRUTH = Meaning()


def described(one: Expression) -> str:
    """Write an expression, and what keeps another server from understanding it."""
    remarks = [] if one.is_builtin else ["not built in"]
    remarks += [] if one.is_immutable else ["not immutable"]
    return str(one) + "".join(f" -- {remark}" for remark in remarks)


class Offered(ForeignDataWrapper):
    """A table without rows that tells which conditions it is offered, and takes none."""

    def can_filter(self, filters: list[Expression]) -> list[Expression]:
        """Tell them. The order of conditions is the planner's choice, so they are sorted."""
        for line in sorted(map(described, filters)):
            log_to_postgres(line)
        return []

    def execute(self, quals: list[Qual], columns: list[str]) -> list[Any]:
        return []


class Enforcing(ForeignDataWrapper):
    """A table of ten rows that enforces the conditions on some columns.

    Options:
        take: The columns; a condition on others is not taken.
        limit: `on` if it limits, too.
        found_by: A column by which rows are found.
        answer: What can_filter returns instead, as Python; `filters` is what it is given, and
            `taken` what it would return.
        tell: `off` not to tell what execute is called with.
    """

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        self.take = set(options.get("take", "").split())
        self.limits = options.get("limit") == "on"
        self.found_by = options.get("found_by")
        self.answer = options.get("answer")
        self.tells = options.get("tell") != "off"

    def get_path_keys(self) -> list[tuple[str, int]]:
        return [(self.found_by, 1)] if self.found_by else []

    def can_filter(self, filters: list[Expression]) -> Any:
        taken = [one for one in filters if one.columns <= self.take and TRUTH.supports(one)]
        if self.answer is None:
            return taken
        names = {"filters": filters, "taken": taken, "copy": copy, "pickle": pickle}
        return eval(self.answer, names)

    def can_limit(self, limit: Any, offset: Any) -> bool:
        return self.limits

    def execute(
        self,
        quals: list[Qual],
        columns: list[str],
        limit: int | None = None,
        offset: int = 0,
        filters: Sequence[Expression] = (),
    ) -> Iterator[dict[str, Any]]:
        """Tell what is asked for, and yield the rows."""
        if self.tells:
            log_to_postgres(
                f"filters {asked(filters)}; quals {asked(quals)}; {told(limit, offset)}"
            )
        known = [one for one in filters if TRUTH.supports(one)]
        rows = [row for row in ROWS if all(TRUTH.of(one, row) for one in known)]
        end = None if limit is None else offset + limit
        for row in rows[offset:end]:
            yield {name: row[name] for name in columns}


def asked(conditions: Sequence[Any]) -> str:
    """Write conditions. Their order is the planner's choice, so they are sorted."""
    return ", ".join(sorted(map(written, conditions))) or "none"


def written(condition: Any) -> str:
    """Write a condition. Which side of a join's `=` is left is the planner's choice as well."""
    if isinstance(condition, OperatorCall) and condition.name == "=":
        left, right = sorted(condition.arguments, key=lambda one: isinstance(one, Constant))
        return f"({left} = {right})"
    return str(condition)


def told(limit: int | None, offset: int) -> str:
    """Write limit and offset."""
    return f"limit {limit} offset {offset}" if limit is not None or offset else "no limit"


ROWS = [
    {
        "i": i,
        "a": None if i == 4 else i % 3,
        "t": None if i == 7 else "abcde"[i % 5],
        "d": date(2024, 1, 1) + timedelta(days=i),
    }
    for i in range(1, 11)
]


class Values(Enforcing):
    """The same, which tells the values of the constants in its filters instead."""

    def execute(
        self,
        quals: list[Qual],
        columns: list[str],
        limit: int | None = None,
        offset: int = 0,
        filters: Sequence[Expression] = (),
    ) -> Iterator[dict[str, Any]]:
        """Tell them: the value in Python, the text, the type, and the parameter's number."""
        for one in filters:
            for node in one.walk():
                if isinstance(node, Constant):
                    number = "" if node.parameter is None else f" ${node.parameter}"
                    log_to_postgres(f"{node.value!r} {node.text!r} {node.type}{number}")
        return iter(())
