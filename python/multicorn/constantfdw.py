"""A table of 20 rows that name their columns and are numbered: the smallest complete wrapper.

CREATE FOREIGN TABLE constanttable (test character varying, test2 character varying)
    SERVER multicorn_srv OPTIONS (wrapper 'multicorn.constantfdw.ConstantForeignDataWrapper');

SELECT * FROM constanttable;

  test   |  test2
---------+----------
 test 0  | test2 0
 test 1  | test2 1
 ...
 test 19 | test2 19
(20 rows)
"""

from __future__ import annotations

from multicorn import ColumnDefinition, ForeignDataWrapper, Qual

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ConstantForeignDataWrapper"]


class ConstantForeignDataWrapper(ForeignDataWrapper):
    """Answers with 20 rows whose values are `<column> <number of the row>`.

    Args:
        options: not used.
        columns: any columns, of type text or character varying.
    """

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        self.columns = columns

    def execute(self, quals: list[Qual], columns: list[str]) -> Iterator[dict[str, str]]:
        """Yield the rows; PostgreSQL applies the conditions itself."""
        for index in range(20):
            yield {column: f"{column} {index}" for column in self.columns}
