"""Wrappers that write: their rows are kept in memory, and they tell what they are given to write.

Nothing is taken back at a ROLLBACK.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from multicorn import SKIPPED, ColumnDefinition, ForeignDataWrapper, Qual
from multicorn.utils import log_to_postgres

stores: dict[str, list[dict[str, Any]]] = {}


class Store(ForeignDataWrapper):
    """A table that can be written.

    Options:
        store: its name; tables with the same one have the same rows.
        rowid: its rowid_column, `id` if not given, None if empty.
        returns: what insert, update and delete return, an expression over `row`; the row is not
            stored if that is SKIPPED.
        silent: the methods that do not tell of their calls; end_modify and execute if not given.
    """

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        self.options = options
        self.silent = options.get("silent", "end_modify execute").split()
        self.names = list(columns)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of the store."""
        return stores.setdefault(self.options.get("store", "store"), [])

    @property
    def rowid_column(self) -> str | None:
        """The option `rowid`."""
        return self.options.get("rowid", "id") or None

    def column(self) -> str:
        """Return the name of the column that identifies rows."""
        return self.options.get("rowid", "id")

    def tell(self, method: str, *details: object) -> None:
        """Tell of a call."""
        if method not in self.silent:
            log_to_postgres(" ".join([method, *map(str, details)]))

    def returned(self, row: Any) -> Any:
        """Return what a write method is to return."""
        return eval(self.options.get("returns", "None"), {"SKIPPED": SKIPPED, "row": row})

    def execute(self, quals: list[Qual], columns: list[str]) -> Iterator[dict[str, Any]]:
        """Yield the rows as they were when the scan began."""
        self.tell("execute", columns)
        yield from [dict(row) for row in self.rows]

    def insert(self, values: dict[str, Any], *args: Any, **keywords: Any) -> Any:
        """Store a row."""
        self.tell("insert", values, *sorted(keywords))
        returned = self.returned(values)
        if returned is not SKIPPED:
            self.rows.append(values)
        return returned

    def update(self, rowid: Any, new_values: dict[str, Any]) -> Any:
        """Change the row."""
        self.tell("update", repr(rowid), new_values)
        returned = self.returned(new_values)
        if returned is not SKIPPED:
            for row in self.rows:
                if row[self.column()] == rowid:
                    row.update(new_values)
                    break
        return returned

    def delete(self, rowid: Any) -> Any:
        """Delete the row."""
        self.tell("delete", repr(rowid))
        returned = self.returned(rowid)
        if returned is not SKIPPED:
            self.rows[:] = [row for row in self.rows if row[self.column()] != rowid]
        return returned

    def truncate(self, cascade: bool, restart_identity: bool) -> None:
        """Delete all rows."""
        self.tell("truncate", f"cascade={cascade}", f"restart_identity={restart_identity}")
        self.rows.clear()

    def end_modify(self) -> None:
        """Tell it."""
        self.tell("end_modify")


class Attribute(Store):
    """The rowid_column is an attribute of the class."""

    rowid_column = "id"


class Method(Store):
    """The rowid_column is a method."""

    def rowid_column(self) -> str:  # type: ignore[override]
        """Return it."""
        return "id"


class Batches(Store):
    """A table that is written in batches.

    Options:
        size: modify_batch_size, an expression.
        items: what bulk_insert returns, an expression over `rows`; None if not given.
    """

    @property
    def modify_batch_size(self) -> Any:  # type: ignore[override]
        """The option `size`."""
        return eval(self.options.get("size", "2"), {"inf": float("inf"), "nan": float("nan")})

    def bulk_insert(self, rows: list[dict[str, Any]], *args: Any, **keywords: Any) -> Any:
        """Store rows."""
        self.tell("bulk_insert", len(rows), *sorted(keywords))
        scope = {"SKIPPED": SKIPPED, "rows": rows}
        items = eval(self.options.get("items", "None"), scope)
        skipped = [item is SKIPPED for item in items] if isinstance(items, list) else []
        self.rows.extend(r for i, r in enumerate(rows) if not any(skipped[i : i + 1]))
        return items


class Conflicts(Batches):
    """A table whose rowid_column is unique: a row that is there already is skipped if wanted."""

    on_conflict_nothing = True

    def put(self, values: dict[str, Any], nothing: bool) -> Any:
        """Store a row, or say that it is there."""
        identity = values[self.column()]
        if any(row[self.column()] == identity for row in self.rows):
            if nothing:
                return SKIPPED
            raise ValueError(f"there is a row {identity!r} already")
        self.rows.append(values)
        return None

    def insert(self, values: dict[str, Any], on_conflict_nothing: bool = False) -> Any:
        """Store a row."""
        self.tell("insert", values, f"on_conflict_nothing={on_conflict_nothing}")
        return self.put(values, on_conflict_nothing)

    def bulk_insert(self, rows: list[dict[str, Any]], on_conflict_nothing: bool = False) -> Any:
        """Store rows."""
        self.tell("bulk_insert", len(rows), f"on_conflict_nothing={on_conflict_nothing}")
        return [self.put(values, on_conflict_nothing) for values in rows]


class Numbered(Store):
    """A table that numbers its rows itself, and has a default for the column `state`."""

    def insert(self, values: dict[str, Any]) -> dict[str, Any]:
        """Store a row, with a number and the default where they were not given."""
        self.tell("insert", values)
        number = max([row["id"] or 0 for row in self.rows], default=0) + 1
        row = {"id": number, "state": "new"} | values
        self.rows.append(row)
        return row


class Unassigned(Numbered):
    """It is given only the columns that a statement assigns."""

    omit_unassigned = True


class BulkOnly(ForeignDataWrapper):
    """A table that can only be written in batches."""

    modify_batch_size = 3

    def execute(self, quals: list[Qual], columns: list[str]) -> list[Any]:
        """Return no rows."""
        return []

    def bulk_insert(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Tell it."""
        log_to_postgres(f"bulk_insert {rows}")
        return [{"t": "written"}] * len(rows)


class Reader(ForeignDataWrapper):
    """A table that can only be read. Making an instance tells so."""

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        log_to_postgres("an instance is made")

    def execute(self, quals: list[Qual], columns: list[str]) -> list[Any]:
        """Return one row."""
        return [{"id": 1}]


class Inserter(Reader):
    """A table that rows can be added to."""

    def insert(self, values: dict[str, Any]) -> None:
        """Do nothing."""


class Changer(Inserter):
    """A table whose rows can be changed, but not deleted."""

    rowid_column: str | None = "id"

    def update(self, rowid: Any, new_values: dict[str, Any]) -> None:
        """Do nothing."""


class Nameless(Changer):
    """A table that could change rows, were there a way to name them."""

    rowid_column = None

    def delete(self, rowid: Any) -> None:
        """Do nothing."""


class Remote(Store):
    """What a wrapper of a PostgreSQL server wants: text, no computed values, rows known by ctid.

    Options:
        flags: the flags that it sets, of those below; all if not given.
    """

    FLAGS: ClassVar[dict[str, Any]] = {
        "write_form": "text",
        "omit_generated": True,
        "takes_returning": True,
    }

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        for name in options.get("flags", " ".join(self.FLAGS)).split():
            setattr(self, name, self.FLAGS[name])

    @property
    def rowid_column(self) -> str:
        """The place of a row."""
        return "ctid"

    def execute(self, quals: list[Qual], columns: list[str]) -> Iterator[dict[str, Any]]:
        """Yield the rows with their places, if that is asked for."""
        self.tell("execute", columns)
        for number, row in enumerate(list(self.rows), 1):
            place = {"ctid": f"(0,{number})"} if "ctid" in columns else {}
            yield row | place

    def update(self, rowid: Any, new_values: dict[str, Any], **keywords: Any) -> Any:
        """Change the row at a place."""
        self.tell("update", repr(rowid), new_values, *sorted(keywords))
        self.rows[place(rowid)].update(new_values)
        return self.returned(new_values)

    def delete(self, rowid: Any, **keywords: Any) -> Any:
        """Empty the row at a place."""
        self.tell("delete", repr(rowid), *sorted(keywords))
        self.rows[place(rowid)].clear()


def place(ctid: str) -> int:
    """Return the index of a row."""
    return int(ctid.strip("()").split(",")[1]) - 1


class Sequences(ForeignDataWrapper):
    """Rows that are sequences, and so cannot say where they are."""

    rowid_column = "ctid"

    def execute(self, quals: list[Qual], columns: list[str]) -> list[tuple[int]]:
        """Return one row."""
        return [(1,)]

    def delete(self, rowid: Any) -> None:
        """Do nothing."""


class Keeper(ForeignDataWrapper):
    """Keeps or changes what it is given to write, as `how` says. Its rows are those kept."""

    modify_batch_size = 2
    kept: ClassVar[list[Any]] = []

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        self.how = options.get("how", "row")

    def execute(self, quals: list[Qual], columns: list[str]) -> Iterator[dict[str, Any]]:
        """Yield what was kept."""
        for one in self.kept:
            yield {"said": repr(one)}
        self.kept.clear()

    def insert(self, values: dict[str, Any]) -> None:
        """Keep a row."""
        self.keep(values)

    def bulk_insert(self, rows: list[dict[str, Any]]) -> None:
        """Keep a batch."""
        if self.how == "batch":
            self.kept.append(rows)
        elif self.how == "order":
            rows.reverse()
        for values in rows:
            self.keep(values)

    def keep(self, values: dict[str, Any]) -> None:
        """Keep a row, or say what it was and change it."""
        if self.how == "row":
            self.kept.append(values)
        elif self.how == "view":
            self.kept.append(values.items())
        elif self.how != "batch":
            self.kept.append(str(values))
        if self.how == "more":
            values["more"] = 1
        elif self.how == "less":
            del values["a"]
        elif self.how == "other":
            values["a"] = values.pop("b")
        elif self.how == "empty":
            values.clear()
        elif self.how == "object":
            values["b"] = Noisy()


class Noisy:
    """An object that says when it goes."""

    def __del__(self) -> None:
        log_to_postgres("gone")
