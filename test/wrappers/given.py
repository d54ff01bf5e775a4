"""Wrappers that answer with what their constructor was given."""

from __future__ import annotations

from collections.abc import Iterator

from multicorn import ColumnDefinition, ForeignDataWrapper, Qual


class Options(ForeignDataWrapper):
    """A table (name text, value text) of its own options, in the order in which they came."""

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        self.given = dict(options)
        # What a wrapper does to its arguments must not be seen by the next one.
        options.clear()
        for column in columns.values():
            column.options.clear()
        columns.clear()

    def execute(self, quals: list[Qual], columns: list[str]) -> Iterator[tuple[str, str]]:
        """Yield the options."""
        yield from self.given.items()

    class Inner(ForeignDataWrapper):
        """A class within a class: its path has one more dot. It has one row."""

        def execute(self, quals: list[Qual], columns: list[str]) -> list[dict[str, str]]:
            """Return the row."""
            return [{"name": "class", "value": type(self).__qualname__}]


class Lenient(Options):
    """The same, where a user mapping may override more than a password."""

    mapping_options = ("password", "region")


class LenientString(Options):
    """The same, with the names in a str."""

    mapping_options = "password, region"


class Strict(Options):
    """The same, where a user mapping may override nothing."""

    mapping_options = ()


class Columns(ForeignDataWrapper):
    """A table whose column `definition` has a row for each ColumnDefinition; others are NULL."""

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        self.rows = [
            f"{name}: {column.column_name} {column.type_oid} {column.typmod} "
            f"{column.type_name!r} {column.base_type_name!r} {column.options}"
            for name, column in columns.items()
        ]
        for column in columns.values():
            column.options["seen"] = "before"
        columns.clear()

    def execute(self, quals: list[Qual], columns: list[str]) -> Iterator[dict[str, str]]:
        """Yield the descriptions."""
        for row in self.rows:
            yield {"definition": row}


class Home(ForeignDataWrapper):
    """A table of one row: where the package and this module were found, and by which Python."""

    def execute(self, quals: list[Qual], columns: list[str]) -> list[tuple[str, str, str]]:
        """Return the row."""
        import sys

        import multicorn

        return [(str(multicorn.__file__), __file__, ".".join(map(str, sys.version_info[:2])))]


A_NUMBER = 42
"""No class at all."""


def a_function() -> None:
    """Be no class either."""
