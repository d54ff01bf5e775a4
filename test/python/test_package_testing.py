"""multicorn.testing: a wrapper is called as the server calls it."""

from __future__ import annotations

import sqlite3
import types
from collections import UserDict, defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from multicorn import (
    SKIPPED,
    ColumnDefinition,
    Error,
    ForeignDataWrapper,
    Qual,
    SortKey,
    TransactionAwareForeignDataWrapper,
)
from multicorn.expressions import Column, Constant, DataType, OperatorCall
from multicorn.testing import Table

FILTER, OTHER_FILTER = (
    OperatorCall(
        name,
        (
            Column("id", 1, type=DataType(23, "integer")),
            Constant(9, type=DataType(23, "integer"), text="9"),
        ),
        type=DataType(16, "boolean"),
    )
    for name in ("<", ">")
)
COLUMNS: dict[str, str | ColumnDefinition] = {"id": "integer", "name": "text"}
ROWS: list[dict[str, Any]] = [
    {"id": 1, "name": "one"},
    {"id": 2, "name": "two"},
    {"id": 3, "name": None},
]


class Recorder:
    """A wrapper that is not one of ours, and remembers how it was called."""

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        self.options, self.columns = options, columns
        self.calls: list[Any] = []
        self.rows: Any = [dict(row) for row in ROWS]

    def execute(self, quals: list[Qual], columns: list[str], **keywords: Any) -> Any:
        self.calls.append(("execute", quals, columns, keywords))
        return self.rows

    def end_scan(self) -> None:
        self.calls.append("end_scan")


def table(wrapper: type = Recorder, **attributes: Any) -> Table:
    """Return a table whose wrapper's class has these attributes."""
    cls = types.new_class(wrapper.__name__, (wrapper,), {}, lambda body: body.update(attributes))
    return Table(cls, COLUMNS, {"a": "b"})


# Columns


def test_definitions_of_columns() -> None:
    definitions = Table(
        Recorder,
        {"a": "int", "b": "VARCHAR ( 20)", "c": "timestamp(3) with time zone", "d": "mytype",
         "e": ColumnDefinition("e", 25)},
    ).columns  # fmt: skip
    found = [
        (one.column_name, one.type_oid, one.type_name, one.base_type_name)
        for one in definitions.values()
    ]
    assert found == [
        ("a", 23, "integer", "integer"),
        ("b", 1043, "character varying( 20)", "character varying"),
        ("c", 1184, "timestamp(3) with time zone", "timestamp with time zone"),
        ("d", 0, "mytype", "mytype"),
        ("e", 25, "", ""),
    ]
    assert list(Table(Recorder, [ColumnDefinition("x")]).columns) == ["x"]


def test_constructor_gets_its_own_dicts() -> None:
    options = {"a": "b"}
    one = Table(Recorder, COLUMNS, options)
    assert one.wrapper.options == options
    assert one.wrapper.options is not options
    assert one.wrapper.columns is not one.columns
    assert list(one.wrapper.columns) == ["id", "name"]


def test_path_of_the_class() -> None:
    rows = Table("multicorn.constantfdw.ConstantForeignDataWrapper", {"test": "text"}).select()
    assert rows == [{"test": f"test {number}"} for number in range(20)]


def test_close() -> None:
    closed = []
    with table(close=lambda self: closed.append(self)) as one:
        pass
    assert closed == [one.wrapper]


# Rows


class Row(UserDict[str, Any]):
    pass


def sqlite_rows() -> Any:
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    return connection.execute("SELECT 1 AS id, 'x' AS other")


@pytest.mark.parametrize(
    ("row", "values"),
    [
        ({"name": "x", "id": 1, "unknown": 2}, [1, "x"]),
        ({"name": "x"}, [None, "x"]),
        ({}, [None, None]),
        (defaultdict(int), [None, None]),
        (Row(id=1), [1, None]),
        ([1, "x"], [1, "x"]),
        ((1, None), [1, None]),
        (range(2), [0, 1]),
    ],
)
def test_shapes_of_rows(row: Any, values: list[Any]) -> None:
    one = table()
    one.wrapper.rows = [row]
    assert one.select() == [dict(zip(COLUMNS, values, strict=True))]


def test_rows_of_sqlite() -> None:
    one = table()
    one.wrapper.rows = sqlite_rows()
    assert one.select() == [{"id": 1, "name": None}]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("ab", "row must be a mapping or a sequence, not str"),
        (b"ab", "row must be a mapping or a sequence, not bytes"),
        (1, "row must be a mapping or a sequence, not int"),
        ({1, 2}, "row must be a mapping or a sequence, not set"),
        (iter([1, 2]), "row must be a mapping or a sequence, not list_iterator"),
        ([1, 2, 3], "row has 3 items, table has 2 columns"),
        ([1], "row has 1 item, table has 2 columns"),
    ],
)
def test_wrong_rows(row: Any, message: str) -> None:
    one = table()
    one.wrapper.rows = [ROWS[0], row]
    with pytest.raises(Error) as caught:
        one.select()
    assert caught.value.message == message
    assert one.wrapper.calls[1:] == ["end_scan"]


@pytest.mark.parametrize("rows", [None, [], iter(()), [None, ROWS[0]]])
def test_no_rows(rows: Any) -> None:
    one = table()
    one.wrapper.rows = rows
    assert one.select() == []
    assert one.wrapper.calls[1:] == ["end_scan"]


def test_what_is_not_iterable() -> None:
    one = table()
    one.wrapper.rows = 3
    with pytest.raises(Error, match="execute must return an iterable of rows, not int"):
        one.select()


# How execute is called


def test_keywords_only_when_they_carry_something() -> None:
    one = table()
    one.select(limit=1, offset=0, sortkeys=["id"], filters=[FILTER])
    assert one.wrapper.calls[0] == ("execute", [], ["id", "name"], {})


def test_columns_are_in_table_order_and_only_those_needed() -> None:
    one = table()
    assert one.select(["name"]) == [{"name": row["name"]} for row in ROWS]
    one.select([], quals=[("name", "=", "x")], sortkeys=["id"])
    assert [call[2] for call in one.wrapper.calls if call != "end_scan"] == [
        ["name"],
        ["id", "name"],
    ]
    for wrong in ({"columns": ["no"]}, {"quals": [("no", "=", 1)]}, {"sortkeys": ["no"]}):
        with pytest.raises(Error, match='column "no" does not exist'):
            one.select(**wrong)


def test_promises_are_passed() -> None:
    one = table(
        can_sort=lambda self, keys: keys,
        can_limit=lambda self, limit, offset: True,
        can_filter=lambda self, filters: filters,
    )
    one.wrapper.rows = ROWS[:2]
    assert one.select(sortkeys=["id"], limit=2, offset=0, filters=[FILTER]) == ROWS[:2]
    keywords = {"sortkeys": [SortKey("id", 1)], "limit": 2, "offset": 0, "filters": [FILTER]}
    assert one.wrapper.calls[0][3] == keywords


def test_limit_is_not_passed_beyond_what_is_checked_here() -> None:
    one = table(can_limit=lambda self, limit, offset: True)
    assert one.select(quals=[("id", ">", 1)], limit=1) == [ROWS[1]]
    assert one.select(sortkeys=[SortKey("id", 0, True, True)], limit=1) == [ROWS[2]]
    assert one.select(filters=[FILTER], limit=1) == [ROWS[0]]
    assert [call[3] for call in one.wrapper.calls if call != "end_scan"] == [{}, {}, {}]


def test_prefix_of_the_sort_keys() -> None:
    one = table(can_sort=lambda self, keys: keys[:1])
    one.select(sortkeys=["id", "name"])
    assert one.wrapper.calls[0][3] == {"sortkeys": [SortKey("id", 1)]}


def test_broken_promises_are_found() -> None:
    one = table(can_sort=lambda self, keys: keys, can_limit=lambda self, limit, offset: True)
    one.wrapper.rows = ROWS[::-1]
    with pytest.raises(AssertionError, match="can_sort promised"):
        one.select(sortkeys=["id"])
    with pytest.raises(AssertionError, match="can_limit promised 2 rows, execute sent 3"):
        one.select(limit=2)
    with pytest.raises(AssertionError, match="do not lead"):
        table(can_sort=lambda self, keys: keys[::-1]).select(sortkeys=["id", "name"])
    with pytest.raises(AssertionError, match="not all of"):
        table(can_filter=lambda self, filters: [OTHER_FILTER]).select(filters=[FILTER])


def test_promised_order_with_nulls_and_text() -> None:
    one = table(can_sort=lambda self, keys: keys)
    one.wrapper.rows = [{"name": "b"}, {"name": "A"}, {"name": None}]
    one.select(sortkeys=["name"])  # which collation that is, only the database knows
    with pytest.raises(AssertionError):
        one.select(sortkeys=[SortKey("name", collate="C")])
    with pytest.raises(AssertionError):
        one.select(sortkeys=[SortKey("name", nulls_first=True)])


# What the server does itself


@pytest.mark.parametrize(
    ("key", "ids"),
    [
        (SortKey("value"), [2, 3, 1, 4]),
        (SortKey("value", is_reversed=True), [1, 2, 3, 4]),
        (SortKey("value", nulls_first=True), [4, 2, 3, 1]),
        (SortKey("value", is_reversed=True, nulls_first=True), [4, 1, 2, 3]),
    ],
)
def test_sorting(key: SortKey, ids: list[int]) -> None:
    one = Table(Recorder, {"id": "integer", "value": "integer"})
    one.wrapper.rows = [[1, 8], [2, 5], [3, 5], [4, None]]
    assert [row["id"] for row in one.select(sortkeys=[key, "id"])] == ids


@pytest.mark.parametrize(
    ("qual", "ids"),
    [
        (("id", "=", 2), [2]),
        (("id", "<>", 2), [1, 3]),
        (("id", ">=", 2), [2, 3]),
        (("id", "<", 2), [1]),
        (("id", "=", "2"), [2]),
        (("id", "=", None), []),
        (("name", "=", None), [3]),
        (("name", "<>", None), [1, 2]),
        (("name", "<", None), []),
        (("name", "<>", "one"), [2]),
        (("name", "~~", "_n%"), [1]),
        (("name", "!~~", "o%"), [2]),
        (("name", "~~*", "O_E"), [1]),
        (("name", "~~", r"\%"), []),
        (("name", "~~", "o.e"), []),
        (("id", ("=", True), [1, None, 3]), [1, 3]),
        (("id", ("<>", False), [1, 3]), [2]),
        (("id", ("<>", False), [1, None]), []),
        (("name", "@@", "undecided"), [1, 2, 3]),
        (("name", "<", 5), [1, 2]),
    ],
)
def test_quals_are_checked_again(qual: tuple[Any, ...], ids: list[int]) -> None:
    one = table()
    assert [row["id"] for row in one.select(quals=[qual])] == ids
    assert len(one.select(quals=[Qual(*qual)], recheck=False)) == 3


def test_early_end_closes_the_generator() -> None:
    events: list[Any] = []

    def execute(self: Any, quals: Any, columns: Any) -> Iterator[Any]:
        try:
            for number in range(10):
                events.append(number)
                yield [number, ""]
        finally:
            events.append("closed")

    one = table(execute=execute, end_scan=lambda self: events.append("end_scan"))
    assert [row["id"] for row in one.select(limit=2, offset=1)] == [1, 2]
    assert events == [0, 1, 2, "closed", "end_scan"]
    events.clear()
    assert one.select(limit=0) == []
    assert events == []


def test_end_scan_after_an_error() -> None:
    def execute(self: Any, quals: Any, columns: Any) -> Iterator[Any]:
        yield ROWS[0]
        raise ValueError("at row 2")

    def at_once(self: Any, quals: Any, columns: Any) -> Any:
        raise ValueError("at once")

    for method in (execute, at_once):
        one = table(execute=method)
        with pytest.raises(ValueError, match="at "):
            one.select()
        assert one.wrapper.calls == ["end_scan"]


def test_scan_passes_what_it_is_given() -> None:
    one = table()
    rows = one.scan([("id", "=", 9)], ["id"], sortkeys=["id"], limit=7, filters=(FILTER,))
    assert one.wrapper.calls == []
    assert next(rows) == {"id": 1}
    rows.close()
    assert one.wrapper.calls == [
        (
            "execute",
            [Qual("id", "=", 9)],
            ["id"],
            {"sortkeys": [SortKey("id", 1)], "limit": 7, "filters": [FILTER]},
        ),
        "end_scan",
    ]


def test_explain() -> None:
    def explain(self: Any, quals: Any, columns: Any, **keywords: Any) -> Iterator[str]:
        yield f"{quals} {columns} {keywords}"

    assert table().explain() == []
    assert table(explain=explain).explain([("id", "=", 1)], ["id"], verbose=True, limit=None) == [
        "[Qual('id', '=', 1)] ['id'] {'verbose': True}"
    ]

    def broken(self: Any, quals: Any, columns: Any) -> Iterator[str]:
        raise ValueError("no")

    assert table(explain=broken).explain() == ["ValueError: no"]


# Writing


class Writer(ForeignDataWrapper):
    """Writes into a dict, and remembers how it was called."""

    rowid_column = "id"

    def __init__(self, options: Any, columns: Any) -> None:
        self.calls: list[Any] = []
        self.rows = {1: {"id": 1, "name": "one"}}

    def execute(self, quals: list[Qual], columns: list[str]) -> Iterator[dict[str, Any]]:
        self.calls.append(("execute", quals))
        yield from list(self.rows.values())

    def insert(self, values: dict[str, Any]) -> Any:
        self.calls.append(("insert", dict(values)))
        self.rows[values.get("id", 0)] = values
        values["name"] = "changed by the wrapper"

    def update(self, rowid: Any, new_values: dict[str, Any]) -> Any:
        self.calls.append(("update", rowid, new_values))
        return {"name": str(new_values["name"]).upper(), "unknown": 1}

    def delete(self, rowid: Any) -> Any:
        self.calls.append(("delete", rowid))
        return SKIPPED if rowid not in self.rows else None

    def truncate(self, cascade: bool, restart_identity: bool) -> None:
        self.calls.append(("truncate", cascade, restart_identity))

    def end_modify(self) -> None:
        self.calls.append("end_modify")


def test_insert() -> None:
    one = table(Writer)
    assert one.insert({"id": 5}) == {"id": 5, "name": None}
    assert one.wrapper.calls == [("insert", {"id": 5, "name": None}), "end_modify"]
    with pytest.raises(Error, match='column "no" does not exist'):
        one.insert({"no": 1})


def test_what_insert_returns() -> None:
    one = table(Writer, insert=lambda self, values: {"id": 7})
    assert one.insert({"name": "x"}) == {"id": 7, "name": "x"}
    assert table(Writer, insert=lambda self, values: SKIPPED).insert({}) is SKIPPED
    with pytest.raises(Error, match="insert must return a mapping, None or SKIPPED, not list"):
        table(Writer, insert=lambda self, values: [1]).insert({})


def test_unassigned_columns() -> None:
    one = table(Writer, omit_unassigned=True)
    assert one.insert({"name": "x"}) == {"id": None, "name": "x"}
    assert one.wrapper.calls[0] == ("insert", {"name": "x"})
    columns = [ColumnDefinition("id", options={"generated": "remote"}), ColumnDefinition("name")]
    other = Table(Writer, columns)
    other.insert({"id": None, "name": None})
    assert other.wrapper.calls[0] == ("insert", {"name": None})


def test_update() -> None:
    one = table(Writer)
    assert one.update(1, {"id": 2, "name": "two"}) == {"id": 2, "name": "TWO"}
    assert one.wrapper.calls == [("update", 1, {"id": 2, "name": "two"}), "end_modify"]


def test_update_of_some_columns_reads_the_others() -> None:
    one = table(Writer)
    assert one.update(1, {"id": 2}) == {"id": 2, "name": "ONE"}
    assert one.wrapper.calls == [
        ("execute", [Qual("id", "=", 1)]),
        ("update", 1, {"id": 2, "name": "one"}),
        "end_modify",
    ]
    with pytest.raises(Error, match='there is no row with "id" = 9'):
        one.update(9, {"id": 2})


def test_delete_and_truncate() -> None:
    one = table(Writer)
    assert one.delete(1) is None
    assert one.delete(9) is SKIPPED
    one.truncate(cascade=True)
    assert one.wrapper.calls == [
        ("delete", 1),
        "end_modify",
        ("delete", 9),
        "end_modify",
        ("truncate", True, False),
    ]


@pytest.mark.parametrize("rowid_column", ["id", property(lambda self: "id"), lambda self: "id"])
def test_forms_of_rowid_column(rowid_column: Any) -> None:
    one = table(Writer, rowid_column=rowid_column)
    assert one.rowid_column == "id"
    assert one.delete(1) is None


def test_what_cannot_be_written() -> None:
    actions: dict[str, Callable[[Table], Any]] = {
        "insert": lambda one: one.insert({}),
        "update": lambda one: one.update(1, {}),
        "delete": lambda one: one.delete(1),
        "truncate": lambda one: one.truncate(),
    }
    for name, action in actions.items():
        for wrapper in (ForeignDataWrapper, Recorder):
            with pytest.raises(Error, match=f"{wrapper.__name__} does not implement {name}") as e:
                action(table(wrapper))
            assert e.value.sqlstate == "0A000"
    with pytest.raises(Error, match="has no rowid_column"):
        table(Writer, rowid_column=None).delete(1)
    with pytest.raises(Error, match='rowid column "no" does not exist'):
        table(Writer, rowid_column="no").delete(1)
    with pytest.raises(Error, match='rowid column "id" is NULL'):
        table(Writer).delete(None)


def test_on_conflict_nothing() -> None:
    with pytest.raises(Error, match="does not support ON CONFLICT DO NOTHING"):
        table(Writer).insert({}, on_conflict_nothing=True)

    def insert(self: Any, values: Any, on_conflict_nothing: bool = False) -> Any:
        return SKIPPED if on_conflict_nothing else None

    one = table(Writer, on_conflict_nothing=True, insert=insert)
    assert one.insert({"id": 1}) == {"id": 1, "name": None}
    assert one.insert({"id": 1}, on_conflict_nothing=True) is SKIPPED


def test_insert_many() -> None:
    batches = []

    def bulk_insert(self: Any, rows: list[dict[str, Any]]) -> Any:
        batches.append([row["id"] for row in rows])
        return [SKIPPED if row["id"] == 2 else {"name": "x"} for row in rows]

    one = table(Writer, modify_batch_size=2, bulk_insert=bulk_insert)
    rows = [{"id": number} for number in (1, 2, 3)]
    assert one.insert_many(rows) == [{"id": 1, "name": "x"}, SKIPPED, {"id": 3, "name": "x"}]
    assert batches == [[1, 2], [3]]
    assert one.wrapper.calls == ["end_modify"]
    one = table(Writer, modify_batch_size=2, bulk_insert=lambda self, rows: None)
    assert one.insert_many(rows[:1]) == [{"id": 1, "name": None}]
    one = table(Writer, modify_batch_size=2, bulk_insert=lambda self, rows: [])
    with pytest.raises(Error, match="bulk_insert returned 0 rows for 2 rows"):
        one.insert_many(rows)
    one = table(Writer)
    assert len(one.insert_many(rows)) == 3
    assert len(one.wrapper.calls) == 4


# Transactions


class Hooked(Writer):
    """Remembers the hooks among its calls; those in `failing` raise."""

    failing: Any = ()

    def __getattribute__(self, name: str) -> Any:
        if name not in ("begin", "pre_commit", "commit", "rollback") and name[:4] != "sub_":
            return super().__getattribute__(name)

        def hook(*args: Any) -> None:
            self.calls.append(" ".join(map(str, (name, *args))))
            if name in self.failing:
                raise ValueError(name)

        return hook

    @property
    def names(self) -> list[str]:
        return [call if isinstance(call, str) else call[0] for call in self.calls]


def test_statement_is_a_transaction() -> None:
    one = table(Hooked)
    one.insert({"id": 1})
    assert one.wrapper.names == ["begin False", "insert", "end_modify", "pre_commit", "commit"]
    one.wrapper.calls.clear()
    assert next(one.scan()) is not None
    assert one.wrapper.names == ["begin False", "execute", "pre_commit", "commit"]


def test_transaction() -> None:
    one = table(Hooked)
    with one.transaction(serializable=True) as same:
        assert same is one
        assert one.wrapper.names == []
        one.insert({"id": 1})
        one.select()
    assert one.wrapper.names == [
        "begin True", "insert", "end_modify", "execute", "pre_commit", "commit",
    ]  # fmt: skip
    one.wrapper.calls.clear()
    with one.transaction():
        pass
    assert one.wrapper.names == []


def test_rollback() -> None:
    one = table(Hooked)
    with pytest.raises(KeyError), one.transaction():
        one.select()
        raise KeyError
    assert one.wrapper.names == ["begin False", "execute", "rollback"]
    with pytest.raises(KeyError), one.transaction():
        raise KeyError
    assert one.wrapper.names == ["begin False", "execute", "rollback"]


def test_pre_commit_that_fails() -> None:
    one = table(Hooked, failing=["pre_commit"])
    with pytest.raises(ValueError, match="pre_commit"):
        one.select()
    assert one.wrapper.names == ["begin False", "execute", "pre_commit", "rollback"]


def test_commit_and_rollback_that_fail_are_warnings() -> None:
    one = table(Hooked, failing=["commit", "rollback"])
    with pytest.warns(RuntimeWarning, match="commit raised ValueError: commit"):
        one.select()
    with (
        pytest.warns(RuntimeWarning, match="rollback raised ValueError: rollback"),
        pytest.raises(KeyError),
        one.transaction(),
    ):
        one.select()
        raise KeyError


def test_savepoints() -> None:
    one = table(Hooked)
    with one.transaction():
        with one.savepoint() as level:
            assert level == 2
            with one.savepoint() as inner:
                assert inner == 3
                one.select()
            with one.savepoint():
                pass
        with pytest.raises(KeyError), one.savepoint():
            one.select()
            raise KeyError
        one.select()
    assert one.wrapper.names == [
        "begin False", "sub_begin 2", "sub_begin 3", "execute", "sub_commit 3", "sub_commit 2",
        "sub_begin 2", "execute", "sub_rollback 2", "execute", "pre_commit", "commit",
    ]  # fmt: skip


def test_error_that_was_caught_still_ends_the_transaction() -> None:
    one = table(Hooked)
    with one.transaction():
        with pytest.raises(Error):
            one.insert({"no": 1})
        with pytest.raises(Error, match="current transaction is aborted"):
            one.select()
        with pytest.raises(Error, match="current transaction is aborted"), one.savepoint():
            pass
    assert one.wrapper.names == ["begin False", "rollback"]


def test_error_in_a_savepoint_can_be_rolled_back() -> None:
    one = table(Hooked)
    with one.transaction():
        with pytest.raises(Error, match='"no"'), one.savepoint():
            one.insert({"no": 1})
        one.select()
    assert one.wrapper.names == [
        "begin False", "sub_begin 2", "sub_rollback 2", "execute", "pre_commit", "commit",
    ]  # fmt: skip


def test_savepoint_that_cannot_be_rolled_back_dooms_the_transaction() -> None:
    one = table(Hooked, failing=["sub_rollback"])
    with pytest.raises(Error, match="sub_rollback failed"), one.transaction():
        with pytest.warns(RuntimeWarning), pytest.raises(KeyError), one.savepoint():
            one.select()
            raise KeyError
        with pytest.raises(Error, match="sub_rollback failed"), one.savepoint():
            one.select()
    assert one.wrapper.names[-1] == "rollback"
    assert "pre_commit" not in one.wrapper.names


def test_sub_commit_that_fails() -> None:
    one = table(Hooked, failing=["sub_commit"])
    with one.transaction():
        with pytest.raises(ValueError, match="sub_commit"), one.savepoint():
            one.select()
        one.select()
    assert one.wrapper.names[3:5] == ["sub_commit 2", "sub_rollback 2"]


def test_misuse_of_transactions() -> None:
    one = table(Hooked)
    with (
        pytest.raises(Error, match="already a transaction"),
        one.transaction(),
        one.transaction(),
    ):
        pass
    with pytest.raises(Error, match="transaction blocks"), one.savepoint():
        pass


def test_transaction_aware_wrapper() -> None:
    written: list[Any] = []

    def pre_commit(self: Any) -> None:
        written.extend(self.current_transaction_state)

    one = table(TransactionAwareForeignDataWrapper, rowid_column="id", pre_commit=pre_commit)
    with one.transaction():
        one.insert({"id": 1})
        with pytest.raises(KeyError), one.savepoint():
            one.delete(1)
            raise KeyError
        one.update(1, {"id": 2, "name": "x"})
    assert written == [
        ("insert", {"id": 1, "name": None}),
        ("update", (1, {"id": 2, "name": "x"})),
    ]
    with pytest.raises(KeyError), one.transaction():
        one.insert({"id": 3})
        raise KeyError
    one.insert({"id": 4})
    assert written[2:] == [("insert", {"id": 4, "name": None})]
