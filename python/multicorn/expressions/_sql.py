"""Expressions as SQL of PostgreSQL, for another server or for people.

What the other server makes of a name depends on its search path, so that every name has its schema
here, and constructs that look up an operator by themselves (IS DISTINCT FROM, NULLIF) are written
with others. What it makes of text depends on collations, which it derives from the arguments of a
call: the derivation is done here as well, and COLLATE added where it comes to something else. See
https://www.postgresql.org/docs/current/collation.html and parse_collate.c.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from multicorn.expressions._nodes import (
    And,
    Array,
    ArrayComparison,
    ByOperator,
    Case,
    Cast,
    Coalesce,
    Collate,
    Collation,
    Column,
    Constant,
    DataType,
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
from multicorn.expressions._visitor import Unsupported, Visitor

# How strongly a collation holds, weakest first.
NONE, IMPLICIT, CONFLICT, EXPLICIT = range(4)

DEFAULT = 'pg_catalog."default"'

RECORD = 2249
RECORD_ARRAY = 2287

# The collation that the type itself gives: char(n), varchar, text, name, and their arrays.
TYPE_COLLATIONS = {
    **dict.fromkeys((25, 1009, 1042, 1014, 1043, 1015), DEFAULT),
    **dict.fromkeys((19, 1003), 'pg_catalog."C"'),
}

# Row types among the OIDs that are fixed; other composite types have OIDs from FIRST_UNFIXED_OID.
ROW_TYPES = frozenset((RECORD, 71, 75, 81, 83, 1248, 2842, 2843, 4066, 6101))
FIRST_UNFIXED_OID = 10000

OPERATOR = re.compile(r"[-+*/<>=~!@#%^&|`?]+")
PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]*")


class Fragment(NamedTuple):
    """A part of what SQLWriter writes, closed in itself, as its methods return it.

    Attributes:
        sql: the SQL.
        collation: the collation that PostgreSQL derives for it, as SQL; '' for none, and for one
            that cannot be told.
        strength: how strongly: not at all (0), implicitly (1), in conflict (2), explicitly (3). An
            explicit collation that is '' cannot be told.
    """

    sql: str
    collation: str = ""
    strength: int = NONE


# What has a collation that cannot be told: COLLATE is added wherever it matters.
UNKNOWN = Fragment("", "", EXPLICIT)


class SQLWriter(Visitor[Fragment]):
    """Writes expressions as SQL that means the same on another PostgreSQL server, 15 or later.

    That holds whatever the other server's search path and settings for the reading of SQL are, if
    it has the types, operators, functions and collations that the expression names, and columns of
    the same types and collations. The collation `default` is that of the other database.

    Args:
        parameters: write constants that have a parameter number as `$1::type` and so on, and not
            as their values.
    """

    def __init__(self, parameters: bool = False) -> None:
        self.parameters = parameters

    def write(self, expression: Expression) -> str:
        """Return the SQL, which can be put into a larger expression as it is.

        Raises:
            Unsupported: no SQL can be written that means the same.
            ValueError: a value is not known yet (UNBOUND), or a name is none.
        """
        for node in expression.walk():
            if isinstance(node, Constant) and not self._is_known(node):
                raise ValueError(
                    "a value is not known before the query runs: write filters in execute, "
                    "or with SQLWriter(parameters=True)"
                )
        fragment = self.visit(expression)
        wanted = self._collation(expression.collation)
        if wanted not in ("", fragment.collation):
            fragment = _collate(fragment, wanted)
        return fragment.sql

    # What authors may override

    def column_name(self, column: Column) -> str:
        """Return a column as SQL writes it; an expression has to stand in parentheses."""
        return self._identifier(column.name)

    def parameter_name(self, constant: Constant) -> str:
        """Return how a parameter is written, without its type."""
        return f"${constant.parameter}"

    # Leaves

    def visit_column(self, node: Column) -> Fragment:
        """Write the column by its name."""
        return self._leaf(node, self.column_name(node), self._collation(node.collation))

    def visit_constant(self, node: Constant) -> Fragment:
        """Write a typed literal or a parameter."""
        if node.type.oid in (RECORD, RECORD_ARRAY):
            raise Unsupported("a record without a named type cannot be written as a literal")
        if self.parameters and node.parameter is not None:
            value = self.parameter_name(node)
        elif not node.is_bound:
            value = "?"
        elif node.text is not None:
            value = _literal(node.text)
        elif node.value is None:
            value = "NULL"
        else:
            raise ValueError(f"the constant {node.value!r} has no text form")
        sql = f"{value}::{self._type(node.type)}"
        return self._leaf(node, sql, _type_collation(node.type))

    # Calls

    def visit_operator_call(self, node: OperatorCall) -> Fragment:
        """Write the operator between its arguments, or before its only one."""
        (*left, right), fragment = self._operands(node.arguments, node.input_collation)
        sql = f"({' '.join([*left, self._operator(node), right])})"
        return self._result(node, sql, fragment)

    def visit_function_call(self, node: FunctionCall) -> Fragment:
        """Write the call of the function."""
        arguments, fragment = self._arguments(node.arguments, node.input_collation)
        if node.is_variadic:
            arguments[-1] = f"VARIADIC {arguments[-1]}"
        sql = f"{self._name(node.schema, node.name)}({', '.join(arguments)})"
        return self._result(node, sql, fragment)

    def visit_is_distinct_from(self, node: IsDistinctFrom) -> Fragment:
        """Write the comparison so that its operator can be named."""
        (left, right), _ = self._operands((node.left, node.right), node.input_collation)
        differs = f"({left} {self._operator(node)} {right}) IS NOT TRUE"
        if self._is_never_null(node.left) or self._is_never_null(node.right):
            return Fragment(f"({differs})")
        # Compared with NULL itself, it needs no operator, and takes a composite as one value.
        one_is_not_null = f"({left} IS DISTINCT FROM NULL OR {right} IS DISTINCT FROM NULL)"
        return Fragment(f"({differs} AND {one_is_not_null})")

    def visit_null_if(self, node: NullIf) -> Fragment:
        """Write CASE, in which the operator can be named."""
        (left, right), fragment = self._operands((node.left, node.right), node.input_collation)
        equal = f"({left} {self._operator(node)} {right})"
        sql = f"CASE WHEN {equal} IS NOT TRUE THEN {left} END"
        if fragment.strength != IMPLICIT or fragment.collation != _type_collation(node.type):
            # In CASE, the right side has no say, and the NULL has.
            fragment = UNKNOWN
        return self._result(node, sql, fragment)

    def visit_array_comparison(self, node: ArrayComparison) -> Fragment:
        """Write the comparison with ANY or ALL elements."""
        (left, array), _ = self._arguments((node.left, node.array), node.input_collation)
        quantifier = "ANY" if node.is_any else "ALL"
        return Fragment(f"({left} {self._operator(node)} {quantifier} ({array}))")

    def visit_row_comparison(self, node: RowComparison) -> Fragment:
        """Write the comparison of two rows."""
        pairs = []
        is_first = True
        for pair in zip(node.left, node.right, strict=True):
            collation = self._pair_collation(pair, node.input_collation if is_first else None)
            is_first = is_first and collation is None
            pairs.append(self._arguments(pair, collation)[0])
        left, right = (f"ROW({', '.join(side)})" for side in zip(*pairs, strict=True))
        return Fragment(f"({left} {self._operator(node)} {right})")

    def visit_cast(self, node: Cast) -> Fragment:
        """Write the cast, an implicit one as well."""
        (argument,), fragment = self._arguments((node.argument,), node.input_collation)
        return self._result(node, _cast(argument, self._type(node.type)), fragment)

    def visit_collate(self, node: Collate) -> Fragment:
        """Write COLLATE."""
        return _collate(self.visit(node.argument), self._collation(node.collation))

    # Truth

    def visit_and(self, node: And) -> Fragment:
        """Write AND between the arguments."""
        return Fragment(f"({' AND '.join(self._all(node.arguments))})")

    def visit_or(self, node: Or) -> Fragment:
        """Write OR between the arguments."""
        return Fragment(f"({' OR '.join(self._all(node.arguments))})")

    def visit_not(self, node: Not) -> Fragment:
        """Write NOT before the argument."""
        return Fragment(f"(NOT {self.visit(node.argument).sql})")

    def visit_is_null(self, node: IsNull) -> Fragment:
        """Write IS NULL, or what asks whether a composite as a whole is NULL."""
        argument = self.visit(node.argument).sql
        if node.is_row or _is_scalar(node.argument.type):
            test = "IS NOT NULL" if node.is_negated else "IS NULL"
        else:
            test = "IS DISTINCT FROM NULL" if node.is_negated else "IS NOT DISTINCT FROM NULL"
        return Fragment(f"({argument} {test})")

    def visit_is_boolean(self, node: IsBoolean) -> Fragment:
        """Write IS TRUE and the like."""
        test = "IS NOT" if node.is_negated else "IS"
        value = "UNKNOWN" if node.value is None else str(node.value).upper()
        return Fragment(f"({self.visit(node.argument).sql} {test} {value})")

    # Choices

    def visit_case(self, node: Case) -> Fragment:
        """Write CASE; only its results have a say in its collation."""
        conditions = self._all(condition for condition, _ in node.whens)
        results = [*(result for _, result in node.whens), node.default]
        (*chosen, default), fragment = self._arguments(results, node.collation)
        whens = " ".join(
            f"WHEN {condition} THEN {result}"
            for condition, result in zip(conditions, chosen, strict=True)
        )
        return self._result(node, f"CASE {whens} ELSE {default} END", fragment)

    def visit_coalesce(self, node: Coalesce) -> Fragment:
        """Write COALESCE."""
        arguments, fragment = self._arguments(node.arguments, node.collation)
        return self._result(node, f"COALESCE({', '.join(arguments)})", fragment)

    def visit_min_max(self, node: MinMax) -> Fragment:
        """Write GREATEST or LEAST."""
        arguments, fragment = self._arguments(node.arguments, node.input_collation)
        return self._result(node, f"{node.name}({', '.join(arguments)})", fragment)

    # Arrays and composites

    def visit_array(self, node: Array) -> Fragment:
        """Write ARRAY with its type, which an empty one needs."""
        elements, fragment = self._arguments(node.elements, node.collation)
        sql = f"ARRAY[{', '.join(elements)}]::{self._type(node.type)}"
        return self._result(node, sql, fragment)

    def visit_row(self, node: Row) -> Fragment:
        """Write ROW, with its type if that has a name."""
        sql = f"ROW({', '.join(self._all(node.fields))})"
        return Fragment(sql if node.type.oid == RECORD else f"{sql}::{self._type(node.type)}")

    def visit_subscript(self, node: Subscript) -> Fragment:
        """Write the subscripts; only the container has a say in the collation."""
        (container,), fragment = self._arguments((node.container,), None)
        upper = self._bounds(node.upper)
        if node.lower:
            pairs = zip(self._bounds(node.lower), upper, strict=True)
            subscripts = "".join(f"[{first}:{last}]" for first, last in pairs)
        else:
            subscripts = "".join(f"[{index}]" for index in upper)
        return self._result(node, f"({container}){subscripts}", fragment)

    def visit_field(self, node: Field) -> Fragment:
        """Write the field, whose collation is its own."""
        sql = f"({self.visit(node.argument).sql}).{self._identifier(node.name)}"
        return self._leaf(node, sql, self._collation(node.collation))

    # Names

    def _identifier(self, name: str) -> str:
        """Return a name as an identifier."""
        return _quoted(name)

    def _name(self, schema: str, name: str) -> str:
        """Return the name of a function or a collation with its schema."""
        return f"{_schema(schema)}.{_quoted(name)}"

    def _operator(self, call: ByOperator) -> str:
        """Return the call's operator with its schema."""
        if not OPERATOR.fullmatch(call.name):
            raise ValueError(f"{call.name!r} is no operator")
        return f"OPERATOR({_schema(call.schema)}.{call.name})"

    def _type(self, type: DataType) -> str:
        """Return the name of a type."""
        return type.sql

    def _collation(self, collation: Collation | None) -> str:
        """Return the name of a collation, '' for none."""
        return "" if collation is None else self._name(collation.schema, collation.name)

    # Values

    def _all(self, expressions: Iterable[Expression]) -> list[str]:
        """Return expressions whose collations do not matter, written."""
        return [self.visit(one).sql for one in expressions]

    def _bounds(self, bounds: Iterable[Expression | None]) -> list[str]:
        """Return indexes or bounds of slices, '' where open."""
        return ["" if one is None else f"({self.visit(one).sql})" for one in bounds]

    def _is_known(self, constant: Constant) -> bool:
        """Return whether there is something to write for a constant."""
        return constant.is_bound or (self.parameters and constant.parameter is not None)

    def _is_never_null(self, node: Expression) -> bool:
        """Return whether a side of a comparison is written as a value that is not NULL."""
        is_parameter = isinstance(node, Constant) and self.parameters and node.parameter is not None
        return isinstance(node, Constant) and node.text is not None and not is_parameter

    # Collations

    def _leaf(self, node: Expression, sql: str, collation: str) -> Fragment:
        """Return a fragment with an implicit collation of its own, '' if that cannot be told."""
        if node.collation is None:
            return Fragment(sql)
        return Fragment(sql, collation, IMPLICIT) if collation else UNKNOWN._replace(sql=sql)

    def _operands(
        self, arguments: tuple[Expression, ...], collation: Collation | None
    ) -> tuple[list[str], Fragment]:
        """Write the arguments of an operator that compares rows as values."""
        operands, fragment = self._arguments(arguments, collation)
        if len(operands) > 1 and all(isinstance(one, Row) for one in arguments):
            # Without a cast, the parser would compare the rows column by column.
            operands = [
                _cast(sql, self._type(row.type))
                for sql, row in zip(operands, arguments, strict=True)
            ]
        return operands, fragment

    def _arguments(
        self, arguments: Sequence[Expression], collation: Collation | None
    ) -> tuple[list[str], Fragment]:
        """Write arguments so that a collation is derived from them.

        Returns:
            Their SQL, and a fragment without any that has what is derived.

        Raises:
            Unsupported: nothing among them has a collation, or two explicit ones clash.
        """
        fragments = [self.visit(one) for one in arguments]
        derived = _derived(fragments)
        wanted = self._collation(collation)
        if not wanted:
            explicit = {one.collation for one in fragments if one.strength == EXPLICIT} - {""}
            if len(explicit) > 1:
                raise Unsupported(f"collations clash: {' and '.join(sorted(explicit))}")
        elif derived.collation != wanted:
            for index in _to_collate(arguments, fragments, wanted):
                fragments[index] = _collate(fragments[index], wanted)
            derived = Fragment("", wanted, EXPLICIT)
        return [one.sql for one in fragments], derived

    def _result(self, node: Expression, sql: str, arguments: Fragment) -> Fragment:
        """Return a fragment with the collation that is derived from those of its arguments."""
        own = self._collation(node.collation)
        if not own:
            return Fragment(sql)
        if arguments.strength == NONE:
            return Fragment(sql, own, IMPLICIT)
        is_own = arguments.strength == IMPLICIT and arguments.collation == own
        if isinstance(node, Cast | Array) and not is_own and not _type_collation(node.type):
            # A domain may have a collation of its own, which counts instead.
            arguments = UNKNOWN
        return arguments._replace(sql=sql)

    def _pair_collation(
        self, pair: tuple[Expression, Expression], first: Collation | None
    ) -> Collation | None:
        """Return the collation that two columns of a row comparison are compared by.

        Args:
            pair: the columns.
            first: the comparison's collation, if there was none in the pairs before.
        """
        left, right = (one.collation for one in pair)
        if left is None and right is None:
            return None
        if first is not None:
            return first
        explicit = {one.collation for one in pair if isinstance(one, Collate)}
        found = (explicit or {left, right}) - {None}
        if len(found) > 1:
            found = {one for one in found if one is not None and not one.is_default}
        if len(found) > 1:
            raise Unsupported("the collation of a column in a row comparison cannot be told")
        return found.pop()


class DisplayWriter(SQLWriter):
    """Writes expressions for people: shorter, and whatever there is in them."""

    def write(self, expression: Expression) -> str:
        """Return what looks like SQL; values that are not known are `?`."""
        return self.visit(expression).sql

    def visit_constant(self, node: Constant) -> Fragment:
        """Write any value."""
        if not node.is_bound:
            return Fragment("?")
        if node.text is None:
            return Fragment("NULL" if node.value is None else repr(node.value))
        text = node.text.replace("'", "''")
        return Fragment(f"'{text}'::{self._type(node.type)}")

    def visit_is_distinct_from(self, node: IsDistinctFrom) -> Fragment:
        """Write IS DISTINCT FROM."""
        left, right = self._all((node.left, node.right))
        return Fragment(f"({left} IS DISTINCT FROM {right})")

    def visit_null_if(self, node: NullIf) -> Fragment:
        """Write NULLIF."""
        return Fragment(f"NULLIF({', '.join(self._all((node.left, node.right)))})")

    def visit_cast(self, node: Cast) -> Fragment:
        """Write the cast if the query does."""
        return self.visit(node.argument) if node.is_implicit else super().visit_cast(node)

    def visit_is_null(self, node: IsNull) -> Fragment:
        """Write IS NULL or IS NOT NULL."""
        test = "IS NOT NULL" if node.is_negated else "IS NULL"
        return Fragment(f"({self.visit(node.argument).sql} {test})")

    def _arguments(
        self, arguments: Sequence[Expression], collation: Collation | None
    ) -> tuple[list[str], Fragment]:
        """Write arguments as they are."""
        return self._all(arguments), Fragment("")

    def _pair_collation(
        self, pair: tuple[Expression, Expression], first: Collation | None
    ) -> Collation | None:
        """Ask for no collation."""
        return None

    def _identifier(self, name: str) -> str:
        """Quote a name where it has to be."""
        return _short(name)

    def _name(self, schema: str, name: str) -> str:
        """Leave out the schema of what comes with PostgreSQL."""
        return _short(name) if schema == "pg_catalog" else f"{_short(schema)}.{_short(name)}"

    def _operator(self, call: ByOperator) -> str:
        """Leave out the schema of what comes with PostgreSQL."""
        if call.schema == "pg_catalog":
            return call.name
        return f"OPERATOR({_short(call.schema)}.{call.name})"

    def _type(self, type: DataType) -> str:
        """Return the name as people write it."""
        return type.name


def _derived(fragments: Iterable[Fragment]) -> Fragment:
    """Return what PostgreSQL derives from the arguments of a call, in a fragment without SQL."""
    collation, strength = "", NONE
    for one in fragments:
        if one.strength > strength:
            collation, strength = one.collation, one.strength
        elif one.strength == strength and one.collation != collation:
            if strength == EXPLICIT:
                collation = ""
            elif collation == DEFAULT:
                collation = one.collation
            elif one.collation != DEFAULT:
                collation, strength = "", CONFLICT
    return Fragment("", collation, strength)


def _to_collate(
    arguments: Sequence[Expression], fragments: Sequence[Fragment], wanted: str
) -> list[int]:
    """Return which arguments need COLLATE so that the wanted collation is derived from them all."""
    explicit = [
        index
        for index, one in enumerate(fragments)
        if one.strength == EXPLICIT and one.collation != wanted
    ]
    if explicit:
        return explicit
    collatable = [index for index, one in enumerate(fragments) if one.strength != NONE]
    if not collatable:
        raise Unsupported(f"there is nothing that the collation {wanted} could stand at")
    # A column is left as it is if possible: it may have an index.
    constants = [index for index in collatable if isinstance(arguments[index], Constant)]
    return [*constants, *collatable][:1]


def _collate(fragment: Fragment, collation: str) -> Fragment:
    """Return the fragment with an explicit collation."""
    return Fragment(f"({fragment.sql} COLLATE {collation})", collation, EXPLICIT)


def _cast(sql: str, type: str) -> str:
    """Return a cast; what starts with a parenthesis needs no other."""
    return f"{sql}::{type}" if sql.startswith("(") else f"({sql})::{type}"


def _type_collation(type: DataType) -> str:
    """Return the collation that a type itself gives; '' if that is not known here."""
    return TYPE_COLLATIONS.get(type.oid, "")


def _is_scalar(type: DataType) -> bool:
    """Return whether it is certain that a type is not composite."""
    return type.is_builtin and type.oid < FIRST_UNFIXED_OID and type.oid not in ROW_TYPES


def quote_identifier(name: str) -> str:
    """Return a name in quotes, whatever it is."""
    return '"' + name.replace('"', '""') + '"'


def _quoted(name: str) -> str:
    """Return a name as a quoted identifier."""
    if not name or "\0" in name:
        raise ValueError(f"{name!r} is no name in PostgreSQL")
    return quote_identifier(name)


def _short(name: str) -> str:
    """Return a name, quoted unless it is plain."""
    return name if PLAIN_NAME.fullmatch(name) else quote_identifier(name)


def _schema(name: str) -> str:
    """Return the name of a schema."""
    return name if name == "pg_catalog" else _quoted(name)


def _literal(text: str) -> str:
    """Return a string constant, the same with and without standard_conforming_strings."""
    if "\0" in text:
        raise ValueError("a text in PostgreSQL cannot contain NUL")
    quoted = "'" + text.replace("'", "''") + "'"
    return "E" + quoted.replace("\\", "\\\\") if "\\" in text else quoted
