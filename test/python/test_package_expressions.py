"""Expressions: what they are, and the SQL that SQLWriter makes of them, as a server reads it."""

from __future__ import annotations

import copy
import pickle
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import multicorn
from harness.sessions import Session
from multicorn import UNBOUND, Error, expressions
from multicorn.expressions import (
    And,
    Array,
    ArrayComparison,
    Call,
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
    SQLWriter,
    Subscript,
    Unsupported,
    Visitor,
    bind,
    uncast,
)

BOOLEAN = DataType(16, "boolean")
INTEGER = DataType(23, "integer")
INTEGERS = DataType(1007, "integer[]")
BIGINT = DataType(20, "bigint")
TEXT = DataType(25, "text", qualified_name="pg_catalog.text")
TEXTS = DataType(1009, "text[]", qualified_name="pg_catalog.text[]")
VARCHAR = DataType(1043, "character varying")
NAME = DataType(19, "name", qualified_name="pg_catalog.name")
JSONB = DataType(3802, "jsonb", qualified_name="pg_catalog.jsonb")
RECORD = DataType(2249, "record", qualified_name="pg_catalog.record")
PAIR = DataType(90001, "pair", is_builtin=False, qualified_name="things.pair")
C_TEXT = DataType(90003, "c_text", is_builtin=False, qualified_name="things.c_text")

DEFAULT = Collation("default")
C = Collation("C")
POSIX = Collation("POSIX")
ICU = Collation("und-x-icu")

NUMBER = Column("number", 1, type=INTEGER)
WORD = Column("word", 2, type=TEXT, collation=DEFAULT)
NUMBERS = Column("numbers", 3, type=INTEGERS)
FLAG = Column("flag", 4, type=BOOLEAN)
PAIRED = Column("pair", 5, type=PAIR)

writer = SQLWriter()


def integer(value: int) -> Constant:
    return Constant(value, type=INTEGER, text=str(value))


def text(value: str, collation: Collation = DEFAULT) -> Constant:
    return Constant(value, type=TEXT, collation=collation, text=value)


def integers(*values: int) -> Constant:
    return Constant(list(values), type=INTEGERS, text=f"{{{','.join(map(str, values))}}}")


def parameter(
    number: int, type: DataType = INTEGER, collation: Collation | None = None
) -> Constant:
    return Constant(UNBOUND, type=type, collation=collation, text=None, parameter=number)


def null(type: DataType, collation: Collation | None = None) -> Constant:
    return Constant(None, type=type, collation=collation)


def operator(
    name: str,
    *arguments: Expression,
    type: DataType = BOOLEAN,
    by: Collation | None = None,
    collation: Collation | None = None,
    schema: str = "pg_catalog",
) -> OperatorCall:
    return OperatorCall(
        name, arguments, type=type, collation=collation, schema=schema, input_collation=by
    )


def call(
    name: str,
    *arguments: Expression,
    type: DataType = TEXT,
    by: Collation | None = DEFAULT,
    collation: Collation | None = DEFAULT,
    is_variadic: bool = False,
) -> FunctionCall:
    return FunctionCall(
        name, arguments, type=type, collation=collation, input_collation=by, is_variadic=is_variadic
    )


def cast(
    argument: Expression, type: DataType, collation: Collation | None = None, **keywords: Any
) -> Cast:
    return Cast(argument, type=type, collation=collation, **keywords)


def null_if(left: Expression, right: Expression, by: Collation) -> NullIf:
    return NullIf("=", left, right, type=TEXT, collation=by, input_collation=by)


IS_ONE = operator("=", NUMBER, integer(1))

# For each class: an expression, how SQLWriter writes it, and how str() does.
EXAMPLES: list[tuple[Expression, str, str]] = [
    (WORD, '"word"', "word"),
    (integer(-1), "'-1'::integer", "'-1'::integer"),
    (IS_ONE, "(\"number\" OPERATOR(pg_catalog.=) '1'::integer)", "(number = '1'::integer)"),
    (
        operator("-", NUMBER, type=INTEGER),
        '(OPERATOR(pg_catalog.-) "number")',
        "(- number)",
    ),
    (call("lower", WORD), 'pg_catalog."lower"("word")', "lower(word)"),
    (
        IsDistinctFrom("=", NUMBER, integer(1), type=BOOLEAN),
        "((\"number\" OPERATOR(pg_catalog.=) '1'::integer) IS NOT TRUE)",
        "(number IS DISTINCT FROM '1'::integer)",
    ),
    (
        IsDistinctFrom("=", NUMBER, NUMBER, type=BOOLEAN),
        '(("number" OPERATOR(pg_catalog.=) "number") IS NOT TRUE'
        ' AND ("number" IS DISTINCT FROM NULL OR "number" IS DISTINCT FROM NULL))',
        "(number IS DISTINCT FROM number)",
    ),
    (
        NullIf("=", NUMBER, integer(1), type=INTEGER),
        'CASE WHEN ("number" OPERATOR(pg_catalog.=) \'1\'::integer) IS NOT TRUE THEN "number" END',
        "NULLIF(number, '1'::integer)",
    ),
    (
        ArrayComparison("=", NUMBER, integers(1, 2), True, type=BOOLEAN),
        "(\"number\" OPERATOR(pg_catalog.=) ANY ('{1,2}'::integer[]))",
        "(number = ANY ('{1,2}'::integer[]))",
    ),
    (
        ArrayComparison("<>", NUMBER, NUMBERS, False, type=BOOLEAN),
        '("number" OPERATOR(pg_catalog.<>) ALL ("numbers"))',
        "(number <> ALL (numbers))",
    ),
    (
        RowComparison(
            "<",
            (NUMBER, WORD),
            (integer(1), text("x")),
            type=BOOLEAN,
            collation=None,
            schema="pg_catalog",
            input_collation=C,
        ),
        '(ROW("number", "word") OPERATOR(pg_catalog.<)'
        " ROW('1'::integer, ('x'::pg_catalog.text COLLATE pg_catalog.\"C\")))",
        "(ROW(number, word) < ROW('1'::integer, 'x'::text))",
    ),
    (cast(NUMBER, BIGINT), '("number")::bigint', "(number)::bigint"),
    (cast(NUMBER, BIGINT, is_implicit=True), '("number")::bigint', "number"),
    (
        Collate(WORD, type=TEXT, collation=C),
        '("word" COLLATE pg_catalog."C")',
        '(word COLLATE "C")',
    ),
    (
        And((FLAG, IS_ONE), type=BOOLEAN),
        '("flag" AND ("number" OPERATOR(pg_catalog.=) \'1\'::integer))',
        "(flag AND (number = '1'::integer))",
    ),
    (
        Or((FLAG, FLAG, FLAG), type=BOOLEAN),
        '("flag" OR "flag" OR "flag")',
        "(flag OR flag OR flag)",
    ),
    (Not(FLAG, type=BOOLEAN), '(NOT "flag")', "(NOT flag)"),
    (IsNull(NUMBER, False, False, type=BOOLEAN), '("number" IS NULL)', "(number IS NULL)"),
    (IsNull(PAIRED, True, True, type=BOOLEAN), '("pair" IS NOT NULL)', "(pair IS NOT NULL)"),
    (
        IsNull(PAIRED, False, False, type=BOOLEAN),
        '("pair" IS NOT DISTINCT FROM NULL)',
        "(pair IS NULL)",
    ),
    (
        IsNull(PAIRED, True, False, type=BOOLEAN),
        '("pair" IS DISTINCT FROM NULL)',
        "(pair IS NOT NULL)",
    ),
    (IsBoolean(FLAG, True, False, type=BOOLEAN), '("flag" IS TRUE)', "(flag IS TRUE)"),
    (IsBoolean(FLAG, None, True, type=BOOLEAN), '("flag" IS NOT UNKNOWN)', "(flag IS NOT UNKNOWN)"),
    (
        Case(((FLAG, integer(1)), (IS_ONE, integer(2))), null(INTEGER), type=INTEGER),
        "CASE WHEN \"flag\" THEN '1'::integer"
        " WHEN (\"number\" OPERATOR(pg_catalog.=) '1'::integer) THEN '2'::integer"
        " ELSE NULL::integer END",
        "CASE WHEN flag THEN '1'::integer WHEN (number = '1'::integer) THEN '2'::integer"
        " ELSE NULL END",
    ),
    (
        Coalesce((NUMBER, integer(1)), type=INTEGER),
        "COALESCE(\"number\", '1'::integer)",
        "COALESCE(number, '1'::integer)",
    ),
    (
        MinMax("GREATEST", (NUMBER, integer(1)), type=INTEGER),
        "GREATEST(\"number\", '1'::integer)",
        "GREATEST(number, '1'::integer)",
    ),
    (
        Array((NUMBER,), False, type=INTEGERS),
        'ARRAY["number"]::integer[]',
        "ARRAY[number]::integer[]",
    ),
    (Array((), False, type=INTEGERS), "ARRAY[]::integer[]", "ARRAY[]::integer[]"),
    (Row((NUMBER, FLAG), type=RECORD), 'ROW("number", "flag")', "ROW(number, flag)"),
    (
        Row((NUMBER, FLAG), type=PAIR),
        'ROW("number", "flag")::things.pair',
        "ROW(number, flag)::pair",
    ),
    (
        Subscript(NUMBERS, (integer(1),), (), type=INTEGER),
        "(\"numbers\")[('1'::integer)]",
        "(numbers)[('1'::integer)]",
    ),
    (
        Subscript(NUMBERS, (None,), (NUMBER,), type=INTEGERS),
        '("numbers")[("number"):]',
        "(numbers)[(number):]",
    ),
    (Field(PAIRED, "a b", type=INTEGER), '("pair")."a b"', '(pair)."a b"'),
]
NODES = [node for node, _, _ in EXAMPLES]

EVERY_CLASS = [
    *(Column, Constant, OperatorCall, FunctionCall, IsDistinctFrom, NullIf, ArrayComparison),
    *(RowComparison, Cast, Collate, And, Or, Not, IsNull, IsBoolean, Case, Coalesce, MinMax),
    *(Array, Row, Subscript, Field),
]


# --- The classes ----------------------------------------------------------------------------------


def test_public_names() -> None:
    assert all(getattr(expressions, name).__doc__ for name in expressions.__all__)
    assert expressions.__all__ == sorted(expressions.__all__)
    assert {type(node) for node in NODES} == set(EVERY_CLASS)


def test_the_package_itself_does_not_import_expressions() -> None:
    folder = Path(multicorn.__file__).parents[1]
    code = (
        f"import sys; sys.path.insert(0, {str(folder)!r}); import multicorn, multicorn._server;"
        "print([name for name in sys.modules if 'expressions' in name])"
    )
    command = [sys.executable, "-P", "-c", code]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "[]\n"


@pytest.mark.parametrize("node", [*NODES, INTEGER, C], ids=str)
def test_an_expression_is_fixed(node: Expression) -> None:
    with pytest.raises(AttributeError, match="cannot be changed"):
        node.type = TEXT  # type: ignore[misc]
    with pytest.raises(AttributeError, match="cannot be changed"):
        del node.type
    with pytest.raises(AttributeError):
        node.other = 1


@pytest.mark.parametrize("node", NODES, ids=str)
def test_an_expression_equals_its_copies(node: Expression) -> None:
    copies = [copy.copy(node), copy.deepcopy(node), pickle.loads(pickle.dumps(node))]
    copies.append(eval(repr(node), vars(expressions)))
    for one in copies:
        assert one == node
        assert hash(one) == hash(node)
        assert repr(one) == repr(node)


def test_different_expressions_are_not_equal() -> None:
    assert len(set(NODES)) == len(NODES)
    assert And((FLAG, FLAG), type=BOOLEAN) != Or((FLAG, FLAG), type=BOOLEAN)
    assert integer(1) != Constant(1, type=BIGINT, text="1")
    assert integer(1) != 1
    assert Constant(Decimal("1.0"), type=INTEGER, text="1.0") != integer(1)
    assert parameter(1) != parameter(2)
    assert TEXT != C


def test_an_unknown_value_stays_the_marker() -> None:
    constant = pickle.loads(pickle.dumps(parameter(1)))
    assert constant.value is UNBOUND
    assert not constant.is_bound
    assert constant != null(INTEGER)
    assert null(INTEGER).is_bound


def test_children_and_walk() -> None:
    condition = operator("<", NUMBER, integer(2))
    case = Case(((condition, WORD),), text("x"), type=TEXT, collation=DEFAULT)
    assert case.children == (condition, WORD, text("x"))
    assert list(case.walk()) == [case, condition, NUMBER, integer(2), WORD, text("x")]
    assert case.columns == {"number", "word"}
    assert Subscript(NUMBERS, (None,), (NUMBER,), type=INTEGERS).children == (NUMBERS, NUMBER)
    assert integers(1, 2).children == ()


def test_is_builtin() -> None:
    assert all(node.is_builtin for node in NODES if PAIRED not in node.walk() and node.type != PAIR)
    assert not PAIRED.is_builtin
    assert not Not(IsNull(PAIRED, False, True, type=BOOLEAN), type=BOOLEAN).is_builtin
    assert not operator("=", WORD, WORD, by=Collation("own", "public", is_builtin=False)).is_builtin
    assert not FunctionCall("f", (), type=INTEGER, schema="public", calls_builtin=False).is_builtin


def test_is_immutable() -> None:
    assert all(node.is_immutable for node in NODES)
    stable = FunctionCall("to_char", (NUMBER,), type=TEXT, collation=DEFAULT, calls_immutable=False)
    assert not stable.is_immutable
    assert not operator("=", stable, text("1"), by=DEFAULT).is_immutable


def test_bind() -> None:
    case = Case(((IS_ONE, parameter(2)),), parameter(1), type=INTEGER)
    condition = operator("=", case, parameter(2))
    bound = bind(condition, [(10, "10"), (20, "20")])
    assert isinstance(bound, OperatorCall)
    assert bound.arguments[1] == Constant(20, type=INTEGER, text="20", parameter=2)
    assert writer.write(bound) == writer.write(
        operator("=", Case(((IS_ONE, integer(20)),), integer(10), type=INTEGER), integer(20))
    )
    assert condition.arguments[1] == parameter(2)
    assert bind(IS_ONE, []) is IS_ONE
    with pytest.raises(IndexError):
        bind(condition, [(10, "10")])


def test_uncast() -> None:
    varchar = Column("word", 1, type=VARCHAR, collation=DEFAULT)
    relabelled = cast(varchar, TEXT, DEFAULT, is_implicit=True, is_relabel=True)
    assert uncast(relabelled) is varchar
    assert uncast(cast(relabelled, TEXT, DEFAULT, is_implicit=True, is_relabel=True)) is varchar
    explicit = cast(varchar, TEXT, DEFAULT, is_relabel=True)
    assert uncast(explicit) is explicit
    converted = cast(NUMBER, BIGINT, is_implicit=True)
    assert uncast(converted) is converted
    assert uncast(varchar) is varchar


@pytest.mark.parametrize(("node", "shown"), [(n, s) for n, _, s in EXAMPLES], ids=str)
def test_str_is_for_people(node: Expression, shown: str) -> None:
    assert str(node) == shown


def test_str_takes_whatever_there_is() -> None:
    assert str(operator("=", NUMBER, parameter(1))) == "(number = ?)"
    assert str(operator("=", Column('a"B', 1, type=INTEGER), NUMBER)) == '("a""B" = number)'
    assert str(operator("===", WORD, WORD, schema="My", by=C)) == '(word OPERATOR("My".===) word)'
    assert str(Constant({"a": 1}, type=RECORD, text="(1)")) == "'(1)'::record"
    assert str(Constant(1.5, type=INTEGER)) == "1.5"


PAGE = Path(__file__).resolve().parents[2] / "docs" / "expressions.md"


@pytest.mark.parametrize(
    "example", re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
)
def test_examples_of_the_documentation(example: str) -> None:
    exec(example, {})


def test_the_documentation_names_every_class() -> None:
    table = "".join(line for line in PAGE.read_text().splitlines() if line.startswith("| `"))
    assert {cls.__name__ for cls in EVERY_CLASS} <= set(re.findall(r"`(\w+)`", table))


# --- Visitors -------------------------------------------------------------------------------------


class Namer(Visitor[str]):
    """Answers with the class that a method is for."""


def method_name(cls: type) -> str:
    return "visit_" + re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()


for _class in EVERY_CLASS:
    setattr(Namer, method_name(_class), lambda self, node, name=_class.__name__: name)


@pytest.mark.parametrize("node", NODES, ids=str)
def test_each_class_has_its_method(node: Expression) -> None:
    assert Namer().visit(node) == type(node).__name__
    assert node.accept(Namer()) == type(node).__name__


@pytest.mark.parametrize("node", NODES, ids=str)
def test_what_a_visitor_does_not_define_is_unsupported(node: Expression) -> None:
    class Nothing(Visitor[str]):
        pass

    with pytest.raises(Unsupported, match=f"^Nothing does not support {type(node).__name__}$"):
        Nothing().visit(node)
    assert not Nothing().supports(node)


def test_unsupported_is_an_error_of_a_query() -> None:
    error = Unsupported("no", hint="Ask less.")
    assert isinstance(error, Error)
    assert (error.message, error.sqlstate, error.hint) == ("no", "0A000", "Ask less.")


def test_supports_looks_at_all_of_an_expression() -> None:
    class Equality(Visitor[str]):
        def visit_operator_call(self, node: OperatorCall) -> str:
            return node.name.join(map(self.visit, node.arguments))

        def visit_column(self, node: Column) -> str:
            return node.name

        def visit_constant(self, node: Constant) -> str:
            return str(node.value)

    assert Equality().visit(IS_ONE) == "number=1"
    assert Equality().supports(IS_ONE)
    assert not Equality().supports(operator("=", IS_ONE, FLAG, Not(FLAG, type=BOOLEAN)))


def test_generic_visit_answers_for_the_rest() -> None:
    class Columns(Visitor[set[str]]):
        def generic_visit(self, node: Expression) -> set[str]:
            return {name for child in node.children for name in self.visit(child)}

        def visit_column(self, node: Column) -> set[str]:
            return {node.name}

    for node in NODES:
        assert Columns().visit(node) == node.columns


def test_visit_wants_an_expression_of_a_known_class() -> None:
    class Special(OperatorCall):
        pass

    class Other(Expression):
        pass

    assert Namer().visit(Special("=", (NUMBER, NUMBER), type=BOOLEAN)) == "OperatorCall"
    with pytest.raises(Unsupported, match="Namer does not support Other"):
        Namer().visit(Other(type=BOOLEAN))
    with pytest.raises(TypeError, match="an expression is needed, not str"):
        Namer().visit("a = 1")  # type: ignore[arg-type]


def test_what_is_too_deep_is_not_supported() -> None:
    deep: Expression = FLAG
    for _ in range(20_000):
        deep = Not(deep, type=BOOLEAN)
    assert not writer.supports(deep)


# --- SQL, without a server ------------------------------------------------------------------------


@pytest.mark.parametrize(("node", "sql"), [(n, s) for n, s, _ in EXAMPLES], ids=str)
def test_written(node: Expression, sql: str) -> None:
    assert writer.write(node) == sql
    assert writer.supports(node)


@pytest.mark.parametrize(
    ("value", "sql"),
    [
        ("", "''"),
        ("it's", "'it''s'"),
        ("a\\b", r"E'a\\b'"),
        ("'\\'", r"E'''\\'''"),
        ("\n%s ? $1 :x ä 😀", "'\n%s ? $1 :x ä 😀'"),
    ],
)
def test_literals(value: str, sql: str) -> None:
    assert writer.write(text(value)) == f"{sql}::pg_catalog.text"


def test_null_keeps_its_type() -> None:
    assert writer.write(null(TEXT, DEFAULT)) == "NULL::pg_catalog.text"


def test_a_literal_comes_from_the_text_form() -> None:
    assert writer.write(Constant(0.1, type=INTEGER, text="text")) == "'text'::integer"
    with pytest.raises(ValueError, match=r"the constant 0\.1 has no text form"):
        writer.write(Constant(0.1, type=INTEGER))


def test_names() -> None:
    assert writer.write(Column('a"\\B ü', 1, type=INTEGER)) == '"a""\\B ü"'
    own = operator("=", WORD, WORD, schema='my "s"', by=DEFAULT)
    assert writer.write(own) == '("word" OPERATOR("my ""s""".=) "word")'
    function = FunctionCall("Do", (), type=INTEGER, schema="S")
    assert writer.write(function) == '"S"."Do"()'
    assert writer.write(call("concat", integers(1), by=None, is_variadic=True)) == (
        "pg_catalog.\"concat\"(VARIADIC '{1}'::integer[])"
    )


@pytest.mark.parametrize(
    "node",
    [
        Column("a\0b", 1, type=INTEGER),
        Column("", 1, type=INTEGER),
        text("a\0b"),
        operator("= 1 OR 1 =", NUMBER, NUMBER),
        operator("", NUMBER, NUMBER),
    ],
    ids=str,
)
def test_what_is_no_name_and_no_text(node: Expression) -> None:
    with pytest.raises(ValueError):
        writer.write(node)


def test_records_have_no_literal() -> None:
    record = Constant({"a": 1}, type=RECORD, text="(1)")
    assert not writer.supports(record)
    with pytest.raises(Unsupported, match="record"):
        writer.write(record)


def test_values_that_are_not_known() -> None:
    condition = operator("=", NUMBER, parameter(1))
    assert writer.supports(condition)
    with pytest.raises(ValueError, match="not known before the query runs"):
        writer.write(condition)
    bound = bind(condition, [(5, "5")])
    assert writer.write(bound) == "(\"number\" OPERATOR(pg_catalog.=) '5'::integer)"


def test_parameters() -> None:
    pair = And(
        (
            operator("<", NUMBER, parameter(2)),
            operator(">", NUMBER, parameter(2)),
            operator("=", NUMBER, integer(7)),
            IsDistinctFrom("=", NUMBER, parameter(1), type=BOOLEAN),
        ),
        type=BOOLEAN,
    )
    written = SQLWriter(parameters=True).write(pair)
    assert written == (
        '(("number" OPERATOR(pg_catalog.<) $2::integer)'
        ' AND ("number" OPERATOR(pg_catalog.>) $2::integer)'
        " AND (\"number\" OPERATOR(pg_catalog.=) '7'::integer)"
        ' AND (("number" OPERATOR(pg_catalog.=) $1::integer) IS NOT TRUE'
        ' AND ("number" IS DISTINCT FROM NULL OR $1::integer IS DISTINCT FROM NULL)))'
    )
    # A value that comes later may be another, or NULL.
    assert SQLWriter(parameters=True).write(bind(pair, [(1, "1"), (2, "2")])) == written
    with pytest.raises(ValueError):
        SQLWriter(parameters=True).write(Constant(UNBOUND, type=INTEGER))


def test_authors_say_how_columns_and_parameters_are_written() -> None:
    class Writer(SQLWriter):
        def column_name(self, column: Column) -> str:
            return "t." + super().column_name(column)

        def parameter_name(self, constant: Constant) -> str:
            return f"%(p{constant.parameter})s"

    written = Writer(parameters=True).write(operator("=", NUMBER, parameter(1)))
    assert written == '(t."number" OPERATOR(pg_catalog.=) %(p1)s::integer)'


# --- Collations, without a server -----------------------------------------------------------------

C_WORD = Column("c_word", 2, type=TEXT, collation=C)
POSIX_WORD = Column("posix_word", 2, type=TEXT, collation=POSIX)
LOWER_C_WORD = call("lower", C_WORD, by=C, collation=C)
C_TEXTS = Constant(["x"], type=TEXTS, collation=C, text="{x}")
LENGTH = call(
    "length", Collate(WORD, type=TEXT, collation=POSIX), type=INTEGER, by=POSIX, collation=None
)


@pytest.mark.parametrize(
    ("node", "sql"),
    [
        # What is derived anyway is not written.
        (operator("<", WORD, text("x"), by=DEFAULT), "(word < x)"),
        (operator("<", C_WORD, text("x"), by=C), "(c_word < x)"),
        (operator("<", WORD, C_WORD, by=C), "(word < c_word)"),
        (
            operator("<", Collate(WORD, type=TEXT, collation=C), POSIX_WORD, by=C),
            "((word COLLATE C) < posix_word)",
        ),
        (operator("<", LOWER_C_WORD, WORD, by=C), "(lower(c_word) < word)"),
        # COLLATE has been lost on the way, in a constant or in a cast.
        (operator("<", WORD, text("x", C), by=C), "(word < (x COLLATE C))"),
        (operator("<", WORD, cast(WORD, TEXT, C), by=C), "((word COLLATE C) < (word)::TEXT)"),
        (operator("<", C_WORD, text("x"), by=DEFAULT), "(c_word < (x COLLATE default))"),
        # Two explicit ones would clash.
        (
            operator(
                "<",
                Collate(WORD, type=TEXT, collation=C),
                Collate(WORD, type=TEXT, collation=POSIX),
                by=C,
            ),
            "((word COLLATE C) < ((word COLLATE POSIX) COLLATE C))",
        ),
        # Two implicit ones conflict: the operator decides what that means.
        (operator("=", C_WORD, POSIX_WORD, by=None), "(c_word = posix_word)"),
        (operator("=", C_WORD, POSIX_WORD, by=POSIX), "((c_word COLLATE POSIX) = posix_word)"),
        # A condition and a length have no say.
        (
            operator(
                "<",
                Case(
                    ((operator("=", POSIX_WORD, WORD, by=POSIX), WORD),),
                    C_WORD,
                    type=TEXT,
                    collation=C,
                ),
                cast(LENGTH, TEXT, DEFAULT),
                by=C,
            ),
            "(CASE WHEN (posix_word = word) THEN word ELSE c_word END"
            " < (length((word COLLATE POSIX)))::TEXT)",
        ),
        # The text of a name is compared as names are.
        (
            operator("<", cast(Column("id", 1, type=NAME, collation=C), TEXT, C), text("x"), by=C),
            "((id)::TEXT < x)",
        ),
        (
            operator(
                "<",
                Constant("a", type=NAME, collation=C, text="a"),
                Constant("b", type=NAME, collation=C, text="b"),
                by=C,
            ),
            "(a < b)",
        ),
        # A type that is not PostgreSQL's own may be a domain with a collation.
        (
            operator("<", Constant("a", type=C_TEXT, collation=C, text="a"), WORD, by=C),
            "((a COLLATE C) < word)",
        ),
        (
            operator("<", null_if(WORD, text("x"), DEFAULT), WORD, by=DEFAULT),
            "(CASE WHEN (word = x) IS NOT TRUE THEN word END < word)",
        ),
        (
            operator("<", null_if(WORD, C_WORD, C), WORD, by=C),
            "((CASE WHEN (word = c_word) IS NOT TRUE THEN word END COLLATE C) < word)",
        ),
        (
            ArrayComparison("=", WORD, C_TEXTS, True, type=BOOLEAN, input_collation=C),
            "(word = ANY (({x} COLLATE C)))",
        ),
        (
            MinMax("LEAST", (WORD, text("x")), type=TEXT, collation=C, input_collation=C),
            "LEAST(word, (x COLLATE C))",
        ),
        # The value of the whole has its collation too.
        (text("x", C), "(x COLLATE C)"),
        (Coalesce((WORD, text("x")), type=TEXT, collation=C), "COALESCE(word, (x COLLATE C))"),
    ],
    ids=str,
)
def test_collations(node: Expression, sql: str) -> None:
    assert shortened(writer.write(node)) == sql


def shortened(sql: str) -> str:
    """Leave out schemas, quotes and the types of literals."""
    sql = re.sub(r"OPERATOR\(pg_catalog\.(\S+)\)", r"\1", sql)
    sql = re.sub(r"'(\S+?)'::[\w.\[\]]+", r"\1", sql)
    return sql.replace("::pg_catalog.text", "::TEXT").replace("pg_catalog.", "").replace('"', "")


def test_rows_are_compared_column_by_column() -> None:
    rows = RowComparison(
        "<",
        (NUMBER, C_WORD, WORD),
        (integer(1), text("x"), text("y")),
        type=BOOLEAN,
        schema="pg_catalog",
        input_collation=C,
    )
    assert shortened(writer.write(rows)) == "(ROW(number, c_word, word) < ROW(1, x, y))"
    unclear = RowComparison(
        "<",
        (WORD, C_WORD),
        (WORD, POSIX_WORD),
        type=BOOLEAN,
        collation=None,
        schema="pg_catalog",
        input_collation=DEFAULT,
    )
    with pytest.raises(Unsupported, match="row comparison"):
        writer.write(unclear)


def test_collations_that_cannot_be_written() -> None:
    with pytest.raises(Unsupported, match="nothing"):
        writer.write(operator("=", NUMBER, NUMBER, by=C))
    clash = operator(
        "=", Collate(WORD, type=TEXT, collation=C), Collate(WORD, type=TEXT, collation=POSIX)
    )
    with pytest.raises(Unsupported, match=r'pg_catalog\."C" and pg_catalog\."POSIX"'):
        writer.write(clash)


# --- SQL, on a server -----------------------------------------------------------------------------


@pytest.fixture
def things(session: Session) -> Iterator[Session]:
    """A session with types, and a table whose columns have several collations."""
    session.execute(
        """
        CREATE SCHEMA things;
        CREATE TYPE things.pair AS (a integer, "b ""c" text);
        CREATE DOMAIN things.c_text AS text COLLATE "C";
        CREATE DOMAIN things.any_text AS text;
        CREATE TABLE things.words (
            word text, c_word text COLLATE "C", posix_word text COLLATE "POSIX",
            varied varchar COLLATE "C", id name, own things.c_text,
            any_text things.any_text COLLATE "POSIX"
        );
        """
    )
    yield session
    session.execute("DROP SCHEMA things CASCADE")


@pytest.fixture
def hostile(things: Session) -> Iterator[Session]:
    """A session in whose search path everything means something else."""
    things.execute(
        """
        CREATE SCHEMA evil;
        CREATE FUNCTION evil.no(integer, integer) RETURNS boolean LANGUAGE sql AS 'SELECT false';
        CREATE FUNCTION evil.no(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT false';
        CREATE OPERATOR evil.= (FUNCTION = evil.no, LEFTARG = integer, RIGHTARG = integer);
        CREATE OPERATOR evil.= (FUNCTION = evil.no, LEFTARG = text, RIGHTARG = text);
        CREATE OPERATOR evil.< (FUNCTION = evil.no, LEFTARG = integer, RIGHTARG = integer);
        CREATE OPERATOR evil.< (FUNCTION = evil.no, LEFTARG = text, RIGHTARG = text);
        CREATE FUNCTION evil.lower(text) RETURNS text LANGUAGE sql AS $$ SELECT 'evil'::text $$;
        CREATE DOMAIN evil.text AS integer;
        CREATE DOMAIN evil.jsonb AS integer;
        SET search_path = evil, pg_catalog;
        SET transform_null_equals = on;
        SET standard_conforming_strings = off;
        SET backslash_quote = off;
        SET DateStyle = 'SQL, DMY';
        SET IntervalStyle = 'sql_standard';
        """
    )
    assert run(things, "1 = 1") is False
    assert run(things, "1 IS DISTINCT FROM 1") is True
    yield things
    things.execute("DROP SCHEMA evil CASCADE")


def run(session: Session, sql: str) -> Any:
    """Return the value of an expression in SQL."""
    row = session.execute(f"SELECT {sql}".encode()).fetchone()
    assert row is not None
    return row[0]


def evaluate(session: Session, node: Expression) -> Any:
    """Return the value of what is written for an expression."""
    return run(session, writer.write(node))


A_PAIR = Constant({}, type=PAIR, text='(1,"x\\\\y")')
ONE_BELOW_TWO = operator("<", integer(1), integer(2))
A_AND_B = Array((text("a"), text("b")), False, type=TEXTS, collation=DEFAULT)
NULLS = Constant({}, type=PAIR, text="(,)")


@pytest.mark.parametrize(
    ("node", "value"),
    [
        (operator("=", integer(1), integer(1)), True),
        (operator("=", integer(1), null(INTEGER)), None),
        (operator("=", text("a"), text("a"), by=DEFAULT), True),
        (operator("-", operator("-", integer(-3), type=INTEGER), integer(-4), type=INTEGER), 7),
        (operator("~", integer(5), type=INTEGER), -6),
        (operator("@", integer(-5), type=INTEGER), 5),
        (operator("!~~", text("a\\b"), text("a\\\\_"), by=DEFAULT), False),
        (operator("||", text("a"), text("'\\"), type=TEXT, by=DEFAULT, collation=DEFAULT), "a'\\"),
        (operator("->", Constant("", type=JSONB, text='{"a": 1}'), text("a"), type=JSONB), 1),
        (operator("?", Constant("", type=JSONB, text='{"a": 1}'), text("a")), True),
        (
            operator(
                "?|",
                Constant("", type=JSONB, text='{"a": 1}'),
                Constant("", type=TEXTS, collation=DEFAULT, text="{b}"),
            ),
            False,
        ),
        (call("lower", text("ABC")), "abc"),
        (call("position", text("abc"), text("c"), type=INTEGER), 3),
        (call("overlay", text("abc"), text("X"), integer(2)), "aXc"),
        (call("like_escape", text("a#%"), text("#")), "a\\%"),
        (
            call(
                "extract",
                text("year"),
                Constant("", type=DataType(1082, "date"), text="2024-02-03"),
                type=DataType(1700, "numeric"),
            ),
            2024,
        ),
        (call("concat", A_AND_B, is_variadic=True), "ab"),
        (IsDistinctFrom("=", integer(1), integer(1), type=BOOLEAN), False),
        (IsDistinctFrom("=", integer(1), integer(2), type=BOOLEAN), True),
        (IsDistinctFrom("=", integer(1), null(INTEGER), type=BOOLEAN), True),
        (IsDistinctFrom("=", null(INTEGER), integer(1), type=BOOLEAN), True),
        (IsDistinctFrom("=", null(INTEGER), null(INTEGER), type=BOOLEAN), False),
        (IsDistinctFrom("=", NULLS, NULLS, type=BOOLEAN), False),
        (IsDistinctFrom("=", NULLS, null(PAIR), type=BOOLEAN), True),
        (NullIf("=", integer(1), integer(1), type=INTEGER), None),
        (NullIf("=", integer(1), integer(2), type=INTEGER), 1),
        (NullIf("=", integer(1), null(INTEGER), type=INTEGER), 1),
        (ArrayComparison("=", integer(1), integers(3, 1), True, type=BOOLEAN), True),
        (ArrayComparison("=", integer(1), integers(3, 1), False, type=BOOLEAN), False),
        (ArrayComparison("=", integer(1), integers(), False, type=BOOLEAN), True),
        (ArrayComparison("=", integer(1), null(INTEGERS), True, type=BOOLEAN), None),
        (
            RowComparison("<", (integer(1), integer(2)), (integer(1), integer(3)), type=BOOLEAN),
            True,
        ),
        (
            RowComparison(">=", (integer(1), integer(2)), (integer(1), integer(3)), type=BOOLEAN),
            False,
        ),
        (
            operator("=", Row((null(INTEGER),), type=RECORD), Row((null(INTEGER),), type=RECORD)),
            True,
        ),
        (cast(text("5"), INTEGER), 5),
        (cast(text("abc"), DataType(1043, "", 6, True, "varchar(2)"), DEFAULT), "ab"),
        (Case(((ONE_BELOW_TWO, text("a")),), text("b"), type=TEXT, collation=DEFAULT), "a"),
        (
            Case(((null(BOOLEAN), text("a")),), null(TEXT, DEFAULT), type=TEXT, collation=DEFAULT),
            None,
        ),
        (Coalesce((null(INTEGER), integer(4)), type=INTEGER), 4),
        (MinMax("GREATEST", (integer(3), null(INTEGER), integer(4)), type=INTEGER), 4),
        (
            MinMax(
                "LEAST",
                (text("b"), text("a")),
                type=TEXT,
                collation=DEFAULT,
                input_collation=DEFAULT,
            ),
            "a",
        ),
        (Array((), False, type=INTEGERS), []),
        (Array((integer(1), null(INTEGER)), False, type=INTEGERS), [1, None]),
        (
            Array((Array((integer(1),), False, type=INTEGERS), integers(2)), True, type=INTEGERS),
            [[1], [2]],
        ),
        (cast(Row((integer(1), text("x\\y")), type=PAIR), TEXT, DEFAULT), '(1,"x\\\\y")'),
        (Field(A_PAIR, 'b "c', type=TEXT, collation=DEFAULT), "x\\y"),
        (Field(Row((integer(1), text("x")), type=PAIR), "a", type=INTEGER), 1),
        (Field(Row((integer(1), text("x")), type=RECORD), "f2", type=TEXT, collation=DEFAULT), "x"),
        (Subscript(integers(7, 8, 9), (integer(2),), (), type=INTEGER), 8),
        (
            Subscript(
                Array((integers(1, 2),), True, type=INTEGERS),
                (integer(1), integer(2)),
                (),
                type=INTEGER,
            ),
            2,
        ),
        (Subscript(integers(7, 8, 9), (integer(2),), (None,), type=INTEGERS), [7, 8]),
        (Subscript(integers(7, 8, 9), (None,), (integer(2),), type=INTEGERS), [8, 9]),
        (Subscript(integers(7, 8, 9), (None,), (None,), type=INTEGERS), [7, 8, 9]),
        (
            Subscript(
                Constant("", type=JSONB, text='{"a": [5]}'), (text("a"), text("0")), (), type=JSONB
            ),
            5,
        ),
        (IsNull(NULLS, False, True, type=BOOLEAN), True),
        (IsNull(NULLS, False, False, type=BOOLEAN), False),
        (IsNull(A_PAIR, True, True, type=BOOLEAN), True),
        (IsNull(NULLS, True, True, type=BOOLEAN), False),
        (IsNull(NULLS, True, False, type=BOOLEAN), True),
        (IsNull(null(PAIR), True, False, type=BOOLEAN), False),
        (IsBoolean(null(BOOLEAN), None, False, type=BOOLEAN), True),
        (IsBoolean(null(BOOLEAN), True, True, type=BOOLEAN), True),
        (IsBoolean(null(BOOLEAN), False, False, type=BOOLEAN), False),
        (
            Not(
                Or((null(BOOLEAN), Constant(True, type=BOOLEAN, text="t")), type=BOOLEAN),
                type=BOOLEAN,
            ),
            False,
        ),
        (And((null(BOOLEAN), Constant(True, type=BOOLEAN, text="t")), type=BOOLEAN), None),
    ],
    ids=str,
)
def test_values_on_a_hostile_server(hostile: Session, node: Expression, value: Any) -> None:
    assert evaluate(hostile, node) == value
    hostile.execute("SET standard_conforming_strings = on")
    assert evaluate(hostile, node) == value


@pytest.mark.parametrize(
    ("type", "value"),
    [
        ("smallint", "-32768"),
        ("double precision", "1e-300"),
        ("double precision", "-Infinity"),
        ("numeric", "NaN"),
        ("numeric(10,2)", "-0.10"),
        ('"char"', "\\200"),
        ('"char"', ""),
        ("pg_catalog.bpchar", "ab  "),
        ("character(4)", "ab  "),
        ("character varying(3)", "a'\\"),
        ("pg_catalog.name", "a b"),
        ("pg_catalog.bytea", "\\x00ff"),
        ('"bit"', "10101"),
        ("bit(3)", "101"),
        ("bit varying(5)", "101"),
        ("pg_catalog.date", "0044-03-15 BC"),
        ("timestamp without time zone", "2024-02-03 04:05:06.000007"),
        ("timestamp(0) without time zone", "2024-02-03 04:05:06"),
        ("timestamp with time zone", "2024-02-03 04:05:06+00"),
        ("time with time zone", "04:05:06-03:30"),
        ("interval", "-1 years -2 mons +3 days -04:05:06.7"),
        ("interval", "-1 days"),
        ("interval second(2)", "00:00:01.25"),
        ("interval day to second(3)", "3 days 00:00:01.125"),
        ("pg_catalog.uuid", "00000000-0000-0000-0000-000000000001"),
        ("pg_catalog.jsonb", '{"a\\"b": [1, null]}'),
        ("pg_catalog.int4range", "[1,5)"),
        ("pg_catalog.text[]", '{"a,\\"\\\\b",NULL,"NULL"}'),
        ("integer[]", "[0:1]={1,2}"),
        ("pg_catalog.point", "(1,2)"),
        ("pg_catalog.inet", "10.0.0.1/8"),
        ("pg_catalog.tsvector", "'it''s':1 'x'"),
    ],
)
def test_literals_on_a_server(hostile: Session, type: str, value: str) -> None:
    constant = Constant(value, type=DataType(0, type), text=value)
    for setting in ("off", "on"):
        hostile.execute(f"SET standard_conforming_strings = {setting}".encode())
        hostile.execute(
            f"CREATE TEMPORARY TABLE kept AS SELECT {writer.write(constant)} AS it".encode()
        )
        hostile.execute("SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres'")
        assert run(hostile, "pg_catalog.format('%s', it) FROM kept") == value
        hostile.execute("DROP TABLE kept; SET DateStyle = 'SQL, DMY'")
        hostile.execute("SET IntervalStyle = 'sql_standard'")


@pytest.mark.parametrize("name", ['a"b', "a\\b", "ä ö", "select", "A", "a.b", "$1", "?", "%s", "'"])
def test_column_names_on_a_server(hostile: Session, name: str) -> None:
    column = Column(name, 1, type=INTEGER)
    written = writer.write(operator("=", column, integer(3)))
    quoted = '"' + name.replace('"', '""') + '"'
    query = f"SELECT {written} FROM (VALUES (3), (4)) AS t({quoted})"
    assert hostile.execute(query.encode()).fetchall() == [(True,), (False,)]


def test_parameters_on_a_server(hostile: Session) -> None:
    nodes = (
        operator("<", parameter(1), parameter(2, INTEGER)),
        operator("=", parameter(3, TEXT, C), call("lower", parameter(3, TEXT, C), by=C), by=C),
    )
    written = SQLWriter(parameters=True).write(And(nodes, type=BOOLEAN))
    hostile.execute(f"PREPARE question AS SELECT {written}".encode())
    assert hostile.execute(b"EXECUTE question('1', '2', 'x')").fetchone() == (True,)
    assert hostile.execute(b"EXECUTE question('1', '2', 'X')").fetchone() == (False,)


# --- Collations, on a server ----------------------------------------------------------------------


def test_text_is_compared_as_the_collation_says(session: Session) -> None:
    if not run(session, "EXISTS (SELECT FROM pg_collation WHERE collname = 'und-x-icu')"):
        pytest.skip("this server is built without ICU")
    for collation, is_below in ((C, False), (ICU, True)):
        written = writer.write(operator("<", text("a"), text("B"), by=collation))
        assert run(session, written) is is_below
    named = call("pg_collation_for", text("a", ICU), by=ICU)
    assert evaluate(session, named) == '"und-x-icu"'
    values = RowComparison(
        "<",
        (integer(1), text("a")),
        (integer(1), text("B")),
        type=BOOLEAN,
        collation=None,
        schema="pg_catalog",
        input_collation=ICU,
    )
    assert evaluate(session, values) is True


ANY_TEXT = DataType(90004, "any_text", is_builtin=False, qualified_name="things.any_text")
COLLATIONS = [DEFAULT, C, POSIX]
LEAVES: list[Expression] = [
    WORD,
    C_WORD,
    POSIX_WORD,
    Column("any_text", 7, type=ANY_TEXT, collation=POSIX),
    Column("own", 6, type=C_TEXT, collation=C),
    cast(
        Column("varied", 4, type=VARCHAR, collation=C), TEXT, C, is_implicit=True, is_relabel=True
    ),
    cast(Column("id", 5, type=NAME, collation=C), TEXT, C, name="text", input_collation=C),
    cast(integer(5), TEXT, DEFAULT),
    *(text("x", collation) for collation in COLLATIONS),
    *(Constant("x", type=C_TEXT, collation=collation, text="x") for collation in COLLATIONS),
    *(Constant("x", type=ANY_TEXT, collation=collation, text="x") for collation in COLLATIONS),
]


def random_text(choose: random.Random, depth: int) -> Expression:
    """Return an expression of text in which every call works by a collation of its own choice."""
    if depth == 0:
        return choose.choice(LEAVES)
    kind = choose.randrange(9)
    by = choose.choice(COLLATIONS)
    one, other = (random_text(choose, choose.randrange(depth)) for _ in "ab")
    match kind:
        case 0:
            return Collate(one, type=one.type, collation=by)
        case 1:
            return Coalesce((as_text(one), as_text(other)), type=TEXT, collation=by)
        case 2:
            condition = operator("<", as_text(one), as_text(other), by=by)
            return Case(((condition, as_text(other)),), as_text(one), type=TEXT, collation=by)
        case 3:
            return MinMax(
                "LEAST", (as_text(one), as_text(other)), type=TEXT, collation=by, input_collation=by
            )
        case 4:
            return choose.choice([cast(one, C_TEXT, C), cast(one, ANY_TEXT, one.collation)])
        case 5:
            array = Array((as_text(one), as_text(other)), False, type=TEXTS, collation=by)
            return Subscript(array, (integer(1),), (), type=TEXT, collation=by)
        case 6:
            return null_if(as_text(one), as_text(other), by)
        case 7:
            return call("lower", as_text(one), by=by, collation=by)
    return operator("||", as_text(one), as_text(other), type=TEXT, by=by, collation=by)


def as_text(node: Expression) -> Expression:
    """Return a text as a text, and not as one of its domains."""
    return node if node.type == TEXT else cast(node, TEXT, node.collation, is_implicit=True)


def wanted_collations(node: Expression) -> list[str]:
    """Return by what the calls work, parents before children."""
    found: list[str] = []
    if isinstance(node, Call | MinMax) and node.input_collation is not None:
        found.append(node.input_collation.name)
    for child in node.children:
        found += wanted_collations(child)
    if isinstance(node, NullIf):
        found += wanted_collations(node.left)  # which is written twice
    return found


@pytest.mark.parametrize("seed", range(60))
def test_the_server_derives_the_collations(things: Session, seed: int) -> None:
    choose = random.Random(seed)
    node = as_text(random_text(choose, choose.randint(1, 4)))
    if not writer.supports(node):
        pytest.skip("there is nothing that a collation could stand at")
    by = choose.choice(COLLATIONS)
    comparison = operator("<", node, WORD, by=by)
    # The server's tree of a view says which collation each call works by.
    query = f"SELECT {writer.write(comparison)} FROM things.words"
    things.execute(f"CREATE VIEW things.written AS {query}".encode())
    tree = run(things, "ev_action FROM pg_rewrite WHERE ev_class = 'things.written'::regclass")
    names = dict(things.execute("SELECT oid::int, collname FROM pg_collation").fetchall())
    oids = [int(oid) for oid in re.findall(r":inputcollid (\d+)", tree)]
    assert [names[oid] for oid in oids if oid] == wanted_collations(comparison)
