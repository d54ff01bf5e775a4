"""The conditions of a query as expressions, which a wrapper enforces if it can.

`can_filter` gets them while PostgreSQL plans, and returns those that `execute` will enforce:

    from multicorn import ForeignDataWrapper
    from multicorn.expressions import SQLWriter

    class Remote(ForeignDataWrapper):
        writer = SQLWriter()

        def can_filter(self, filters):
            return [one for one in filters if self.is_exact(one) and self.writer.supports(one)]

        def is_exact(self, one):
            return one.is_builtin and one.is_immutable

        def execute(self, quals, columns, filters=()):
            condition = " AND ".join(map(self.writer.write, filters)) or "true"
            return self.rows(f"SELECT * FROM remote WHERE {condition}", columns)

An expression is a small immutable object with a `type`, a `collation` and a class of its own:
`Column`, `Constant`, `OperatorCall` and so on. `SQLWriter` writes it for another PostgreSQL
server; a `Visitor` of your own turns it into what another source understands.
"""

from multicorn.expressions._nodes import (
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
    Subscript,
    bind,
    uncast,
)
from multicorn.expressions._sql import Fragment, SQLWriter
from multicorn.expressions._visitor import Unsupported, Visitor

__all__ = [
    "And",
    "Array",
    "ArrayComparison",
    "Call",
    "Case",
    "Cast",
    "Coalesce",
    "Collate",
    "Collation",
    "Column",
    "Constant",
    "DataType",
    "Expression",
    "Field",
    "Fragment",
    "FunctionCall",
    "IsBoolean",
    "IsDistinctFrom",
    "IsNull",
    "MinMax",
    "Not",
    "NullIf",
    "OperatorCall",
    "Or",
    "Row",
    "RowComparison",
    "SQLWriter",
    "Subscript",
    "Unsupported",
    "Visitor",
    "bind",
    "uncast",
]
