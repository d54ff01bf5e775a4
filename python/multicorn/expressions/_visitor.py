"""The visitor: what gives a meaning to expressions, with one method for each of their classes."""

from __future__ import annotations

from typing import Generic, TypeVar

from multicorn import Error
from multicorn.expressions._nodes import (
    And,
    Array,
    ArrayComparison,
    Case,
    Cast,
    Coalesce,
    Collate,
    Column,
    Constant,
    Expression,
    Field,
    FunctionCall,
    IsBoolean,
    IsDistinctFrom,
    IsNull,
    MinMax,
    Not,
    NullIf,
    OperatorCall,
    Or,
    Row,
    RowComparison,
    Subscript,
)

T = TypeVar("T")

_METHODS: dict[type, str] = {
    Column: "visit_column",
    Constant: "visit_constant",
    OperatorCall: "visit_operator_call",
    FunctionCall: "visit_function_call",
    IsDistinctFrom: "visit_is_distinct_from",
    NullIf: "visit_null_if",
    ArrayComparison: "visit_array_comparison",
    RowComparison: "visit_row_comparison",
    Cast: "visit_cast",
    Collate: "visit_collate",
    And: "visit_and",
    Or: "visit_or",
    Not: "visit_not",
    IsNull: "visit_is_null",
    IsBoolean: "visit_is_boolean",
    Case: "visit_case",
    Coalesce: "visit_coalesce",
    MinMax: "visit_min_max",
    Array: "visit_array",
    Row: "visit_row",
    Subscript: "visit_subscript",
    Field: "visit_field",
}


class Unsupported(Error):
    """A visitor has no answer for an expression; as an error of a query, SQLSTATE 0A000.

    Args:
        message: what is not supported.
        detail: shown as DETAIL.
        hint: shown as HINT.
    """

    def __init__(
        self, message: object = "", detail: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, "0A000", detail, hint)


class Visitor(Generic[T]):
    """Turns expressions into something of the type T.

    A subclass defines the methods for the classes that it knows. Each is called with an expression
    of that class, and visits the expressions in it itself. All others are `Unsupported`.
    """

    def visit(self, node: Expression) -> T:
        """Return what the method for the expression's class returns.

        Raises:
            Unsupported: there is none.
            TypeError: this is no expression.
        """
        for cls in type(node).__mro__:
            if cls in _METHODS:
                result: T = getattr(self, _METHODS[cls])(node)
                return result
        if not isinstance(node, Expression):
            raise TypeError(f"an expression is needed, not {type(node).__name__}")
        return self.generic_visit(node)

    def generic_visit(self, node: Expression) -> T:
        """Answer for every class that has no method of its own: raise Unsupported."""
        raise Unsupported(f"{type(self).__name__} does not support {type(node).__name__}")

    def supports(self, expression: Expression) -> bool:
        """Return whether the expression can be visited, all of it.

        That is False if visiting it raises Unsupported, or if it is too deep for Python.
        """
        try:
            self.visit(expression)
        except (Unsupported, RecursionError):
            return False
        return True

    def visit_column(self, node: Column) -> T:
        """Answer for a column."""
        return self.generic_visit(node)

    def visit_constant(self, node: Constant) -> T:
        """Answer for a constant or a parameter."""
        return self.generic_visit(node)

    def visit_operator_call(self, node: OperatorCall) -> T:
        """Answer for an operator."""
        return self.generic_visit(node)

    def visit_function_call(self, node: FunctionCall) -> T:
        """Answer for a function."""
        return self.generic_visit(node)

    def visit_is_distinct_from(self, node: IsDistinctFrom) -> T:
        """Answer for IS DISTINCT FROM."""
        return self.generic_visit(node)

    def visit_null_if(self, node: NullIf) -> T:
        """Answer for NULLIF."""
        return self.generic_visit(node)

    def visit_array_comparison(self, node: ArrayComparison) -> T:
        """Answer for ANY or ALL of an array."""
        return self.generic_visit(node)

    def visit_row_comparison(self, node: RowComparison) -> T:
        """Answer for a comparison of rows."""
        return self.generic_visit(node)

    def visit_cast(self, node: Cast) -> T:
        """Answer for a cast."""
        return self.generic_visit(node)

    def visit_collate(self, node: Collate) -> T:
        """Answer for COLLATE."""
        return self.generic_visit(node)

    def visit_and(self, node: And) -> T:
        """Answer for AND."""
        return self.generic_visit(node)

    def visit_or(self, node: Or) -> T:
        """Answer for OR."""
        return self.generic_visit(node)

    def visit_not(self, node: Not) -> T:
        """Answer for NOT."""
        return self.generic_visit(node)

    def visit_is_null(self, node: IsNull) -> T:
        """Answer for IS NULL or IS NOT NULL."""
        return self.generic_visit(node)

    def visit_is_boolean(self, node: IsBoolean) -> T:
        """Answer for IS TRUE and the like."""
        return self.generic_visit(node)

    def visit_case(self, node: Case) -> T:
        """Answer for CASE."""
        return self.generic_visit(node)

    def visit_coalesce(self, node: Coalesce) -> T:
        """Answer for COALESCE."""
        return self.generic_visit(node)

    def visit_min_max(self, node: MinMax) -> T:
        """Answer for GREATEST or LEAST."""
        return self.generic_visit(node)

    def visit_array(self, node: Array) -> T:
        """Answer for ARRAY[...]."""
        return self.generic_visit(node)

    def visit_row(self, node: Row) -> T:
        """Answer for ROW(...)."""
        return self.generic_visit(node)

    def visit_subscript(self, node: Subscript) -> T:
        """Answer for a subscript or a slice."""
        return self.generic_visit(node)

    def visit_field(self, node: Field) -> T:
        """Answer for a field of a composite."""
        return self.generic_visit(node)
