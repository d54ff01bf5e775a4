"""Wrappers that offer tables to IMPORT FOREIGN SCHEMA, well-formed ones and others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from multicorn import ColumnDefinition, Error, ForeignDataWrapper, Qual, TableDefinition
from multicorn.utils import log_to_postgres


def library() -> list[TableDefinition]:
    """Return two tables."""
    books = [
        ColumnDefinition("isbn", type_name="text", not_null=True, collation="C"),
        ColumnDefinition("title", type_name="character varying(20)", default="'no title'"),
        ColumnDefinition("pages", base_type_name="integer", options={"unit": "sheets"}),
        ColumnDefinition("printed", type_oid=1184, default="now()"),
        ColumnDefinition("price", type_oid=1700, typmod=655366),
    ]
    return [
        TableDefinition("books", columns=books, options={"shelf": "upper"}),
        TableDefinition("authors", schema="elsewhere", columns=[ColumnDefinition("name", 25)]),
    ]


class Library(ForeignDataWrapper):
    """Offers the same tables whatever is asked for, and tells what that was. They have one row."""

    @classmethod
    def import_schema(
        cls,
        schema: str,
        srv_options: Any,
        options: Any,
        restriction_type: str | None,
        restricts: Any,
    ) -> Any:
        """Tell it, and offer them."""
        log_to_postgres(f"{schema!r} {srv_options} {options} {restriction_type} {restricts}")
        for given in (srv_options, options):
            given.clear()
        restricts.clear()
        return library()

    def execute(self, quals: list[Qual], columns: list[str]) -> list[dict[str, str]]:
        """Return a row."""
        return [{name: "1" for name in columns}]


class Single(ForeignDataWrapper):
    """Offers one table of one column, both made of the statement's options.

    Their values may be written with Python's escapes, since no text of SQL holds a NUL.
    """

    @classmethod
    def import_schema(
        cls,
        schema: str,
        srv_options: Any,
        options: Any,
        restriction_type: str | None,
        restricts: Any,
    ) -> Any:
        """Offer it."""
        given = {name: value.encode().decode("unicode_escape") for name, value in options.items()}
        column = ColumnDefinition(
            given.get("column", "c"),
            type_oid=int(given.get("type_oid", "0")),
            typmod=int(given.get("typmod", "0")),
            type_name=given.get("type", "" if "type_oid" in given else "integer"),
            not_null="not_null" in given,
            default=given.get("default"),
            collation=given.get("collation"),
            generated=given.get("generated"),
        )
        if "collation_schema" in given:
            column.collation = (given["collation_schema"], given["collation"])
        if "option" in given:
            column.options[given["option"]] = given.get("value", "column's")
        definition = TableDefinition(given.get("table", "single"), columns=[column])
        if "option" in given:
            definition.options[given["option"]] = given.get("value", "table's")
        return [definition]

    def execute(self, quals: list[Qual], columns: list[str]) -> list[Any]:
        """Return nothing."""
        return []


class Strange:
    """Does what the remote schema's name says; it inherits from nothing."""

    @classmethod
    def import_schema(cls, schema: str, *arguments: Any) -> Any:
        """Do it."""
        answer: Callable[[], Any] = getattr(cls, schema)
        return answer()

    def __init__(self, options: Any, columns: Any) -> None:
        pass

    def execute(self, quals: list[Qual], columns: list[str]) -> list[Any]:
        """Return nothing."""
        return []

    @staticmethod
    def nothing() -> None:
        """Return None."""

    @staticmethod
    def generator() -> Iterator[TableDefinition]:
        """Return a generator."""
        yield from library()

    @staticmethod
    def generator_fails() -> Iterator[TableDefinition]:
        """Fail after the first table."""
        yield library()[0]
        raise ConnectionError("the catalog is closed")

    @staticmethod
    def nested() -> tuple[TableDefinition, ...]:
        """Offer a table without columns, in a tuple."""
        return (TableDefinition("bare"),)

    @staticmethod
    def twice() -> list[TableDefinition]:
        """Offer a table twice."""
        return library() + library()

    @staticmethod
    def twice_column() -> list[TableDefinition]:
        """Offer a table with one column twice."""
        return [TableDefinition("doubled", columns=library()[1].columns * 2)]

    @staticmethod
    def raises() -> NoReturn:
        """Fail."""
        raise ValueError("nothing is for loan")

    @staticmethod
    def raises_error() -> NoReturn:
        """Fail with everything that an error can have."""
        raise Error("closed", sqlstate="08001", detail="It is Sunday.", hint="Come back.")

    @staticmethod
    def number() -> int:
        """Return no tables."""
        return 5

    @staticmethod
    def text() -> str:
        """Return a str."""
        return "books"

    @staticmethod
    def one() -> TableDefinition:
        """Return a table outside of a list."""
        return library()[0]

    @staticmethod
    def names() -> list[Any]:
        """Return names."""
        return ["books"]

    @staticmethod
    def columns() -> list[Any]:
        """Return columns."""
        return library()[0].columns

    @staticmethod
    def named_columns() -> list[Any]:
        """Return a table with the names of columns."""
        columns: Any = ["isbn", "title"]
        return [TableDefinition("books", columns=columns)]

    @staticmethod
    def no_type() -> list[TableDefinition]:
        """Leave a type out."""
        return [TableDefinition("books", columns=[ColumnDefinition("isbn")])]

    @staticmethod
    def nameless() -> list[Any]:
        """Leave a name out."""
        name: Any = None
        return [TableDefinition(name)]

    @staticmethod
    def numbered() -> list[Any]:
        """Number a column."""
        name: Any = 5
        return [TableDefinition("books", columns=[ColumnDefinition(name, type_name="int")])]

    @staticmethod
    def odd_type() -> list[Any]:
        """Give a type that is no str."""
        name: Any = int
        return [TableDefinition("books", columns=[ColumnDefinition("isbn", type_name=name)])]

    @staticmethod
    def odd_oid() -> list[Any]:
        """Give an OID that is no number."""
        oid: Any = "text"
        return [TableDefinition("books", columns=[ColumnDefinition("isbn", oid)])]

    @staticmethod
    def odd_default() -> list[Any]:
        """Give a default that is no str."""
        default: Any = 5
        column = ColumnDefinition("isbn", type_name="int", default=default)
        return [TableDefinition("books", columns=[column])]

    @staticmethod
    def odd_options() -> list[Any]:
        """Give options that are no str, which are written as str() does; None is none."""
        options: Any = {"number": 5, "float": 1.5, "flag": True, "none": None, "list": [1, "a"]}
        return [TableDefinition("books", options=options)]

    @staticmethod
    def odd_option_names() -> list[Any]:
        """Give an option a number for a name."""
        options: Any = {5: "number"}
        return [TableDefinition("books", options=options)]

    @staticmethod
    def no_options() -> list[Any]:
        """Replace the options by what is no dict."""
        definition: Any = TableDefinition("books")
        definition.options = ["shelf", "upper"]
        return [definition]

    @staticmethod
    def cleared() -> list[Any]:
        """Replace everything that may be missing by None."""
        definition: Any = TableDefinition("books")
        definition.columns = definition.options = None
        return [definition]

    @staticmethod
    def own_class() -> list[TableDefinition]:
        """Give each table a class of its own."""
        options = {"wrapper": "given.Options"}
        columns = [ColumnDefinition("name", 25), ColumnDefinition("value", 25)]
        return [TableDefinition("books", columns=columns, options=options)]

    @staticmethod
    def wide() -> list[TableDefinition]:
        """Offer more columns than a table can have."""
        columns = [ColumnDefinition(f"c{i}", 25) for i in range(1601)]
        return [TableDefinition("wide", columns=columns)]


class Unable:
    """A class that inherits from nothing and offers nothing."""

    def __init__(self, options: Any, columns: Any) -> None:
        pass

    def execute(self, quals: list[Qual], columns: list[str]) -> list[Any]:
        """Return nothing."""
        return []


class Inherited(ForeignDataWrapper):
    """One that inherits from ours, which offers nothing either."""


class NoClassMethod(Unable):
    """One whose author has forgotten that there is no instance yet."""

    def import_schema(
        self, schema: Any, srv_options: Any, options: Any, restriction_type: Any, restricts: Any
    ) -> list[TableDefinition]:
        """Never get here."""
        return library()
