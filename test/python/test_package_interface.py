"""The public names of the package, as any Python sees them."""

from __future__ import annotations

import copy
import logging
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import multicorn
from multicorn import (
    ALL,
    ANY,
    SKIPPED,
    UNBOUND,
    ColumnDefinition,
    Error,
    ForeignDataWrapper,
    Qual,
    SortKey,
    TableDefinition,
    TransactionAwareForeignDataWrapper,
    compat,
    utils,
)
from multicorn.constantfdw import ConstantForeignDataWrapper
from multicorn.expressions import Constant, DataType

PACKAGE = Path(multicorn.__file__).parent


def run_python(code: str, *path: Path) -> str:
    """Run code in a fresh interpreter that finds our package; return its output."""
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(map(str, [PACKAGE.parent, *path]))
    command = [sys.executable, "-P", "-c", code]
    result = subprocess.run(command, env=environment, text=True, capture_output=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_public_names() -> None:
    assert set(multicorn.__all__) == {
        "ForeignDataWrapper",
        "TransactionAwareForeignDataWrapper",
        "Qual",
        "SortKey",
        "ColumnDefinition",
        "TableDefinition",
        "ANY",
        "ALL",
        "UNBOUND",
        "SKIPPED",
        "DatabaseError",
        "Error",
        "Result",
        "execute",
        "get_class",
    }
    assert all(getattr(multicorn, name).__doc__ for name in multicorn.__all__)


def test_import_is_light() -> None:
    # -I -S: only what the package itself imports.
    code = (
        f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r}); import multicorn._server;"
        "print(*sys.modules)"
    )
    command = [sys.executable, "-I", "-S", "-c", code]
    loaded = subprocess.run(command, check=True, text=True, capture_output=True).stdout.split()
    heavy = {"typing", "re", "enum", "collections", "logging", "json", "decimal", "traceback"}
    assert "multicorn._server" in loaded
    assert not heavy & set(loaded)


def test_other_package_of_the_same_name_is_found_after_ours(tmp_path: Path) -> None:
    older = tmp_path / "multicorn"
    older.mkdir()
    (older / "__init__.py").write_text("raise RuntimeError('not this one')")
    (older / "constantfdw.py").write_text("raise RuntimeError('not this one')")
    (older / "olderfdw.py").write_text(
        "from . import ForeignDataWrapper\n"
        "from .utils import log_to_postgres, WARNING\n"
        "from .compat import unicode_\n"
        "class OlderFdw(ForeignDataWrapper): pass\n"
    )
    code = (
        "import multicorn, multicorn.constantfdw\n"
        "print(multicorn.get_class('multicorn.olderfdw.OlderFdw').__mro__[1])"
    )
    assert run_python(code, tmp_path) == "<class 'multicorn.ForeignDataWrapper'>\n"


def test_markers() -> None:
    assert str(UNBOUND) == repr(UNBOUND) == "?"
    assert f"{[UNBOUND]}" == "[?]"
    for marker in (ANY, ALL, UNBOUND, SKIPPED):
        assert copy.copy(marker) is copy.deepcopy(marker) is marker
        assert pickle.loads(pickle.dumps(marker)) is marker


def test_qual() -> None:
    qual = Qual("id", "=", 3)
    assert (qual.field_name, qual.operator, qual.value, qual.collation) == ("id", "=", 3, None)
    assert qual.is_list_operator is False
    assert qual.list_any_or_all is None
    assert str(qual) == "id = 3"
    assert repr(qual) == "Qual('id', '=', 3)"
    assert str(Qual("id", "<", UNBOUND)) == "id < ?"
    assert repr(Qual("a", "<", "x", "de")) == "Qual('a', '<', 'x', 'de')"


@pytest.mark.parametrize(("is_any", "marker"), [(True, ANY), (False, ALL)])
def test_qual_with_a_list(is_any: bool, marker: Any) -> None:
    qual = Qual("id", ("=", is_any), [1, 2])
    assert qual.is_list_operator is True
    assert qual.list_any_or_all is marker
    assert str(qual) == f"id = {marker} ([1, 2])"
    assert hash(qual) == hash(Qual("id", ("=", is_any), [1, 2]))


def test_qual_equality() -> None:
    assert Qual("a", "=", [1]) == Qual("a", "=", [1])
    assert Qual("a", "=", 1) != Qual("a", "=", 2)
    assert Qual("a", "=", 1) != Qual("a", "<", 1)
    assert Qual("a", "=", 1) != Qual("b", "=", 1)
    assert Qual("a", "<", "x") != Qual("a", "<", "x", "de")
    assert Qual("a", "=", 1) != "a = 1"
    assert len({Qual("a", "=", [1]), Qual("a", "=", [1])}) == 1


def test_sort_key() -> None:
    key = SortKey("a", 2, True, False, "C")
    assert (key.attname, key.attnum, key.is_reversed) == ("a", 2, True)
    assert (key.nulls_first, key.collate) == (False, "C")
    assert key == SortKey(attname="a", attnum=2, is_reversed=True, nulls_first=False, collate="C")
    assert pickle.loads(pickle.dumps(key)) == copy.copy(key) == key
    assert eval(repr(key)) == key


def test_definitions_do_not_share_defaults() -> None:
    assert ColumnDefinition("a").options is not ColumnDefinition("a").options
    assert TableDefinition("t").columns is not TableDefinition("t").columns
    assert TableDefinition("t").options is not TableDefinition("t").options
    given = {"a": "b"}
    assert TableDefinition("t", options=given).options is not given
    column = ColumnDefinition("a", 1043, 24, "character varying(20)", "character varying", given)
    assert column == copy.copy(column) != ColumnDefinition("a")
    assert (column.column_name, column.type_oid, column.typmod) == ("a", 1043, 24)
    assert eval(repr(TableDefinition("t", None, [column], given))) == TableDefinition(
        "t", columns=[column], options=given
    )


def test_error() -> None:
    error = Error("no such row", sqlstate="P0002", detail="d", hint="h")
    assert str(error) == error.message == "no such row"
    assert (error.sqlstate, error.detail, error.hint) == ("P0002", "d", "h")
    assert Error("x").sqlstate == "HV000"
    loaded = pickle.loads(pickle.dumps(error))
    assert vars(loaded) == vars(error)
    assert utils.MulticornException is Error


@pytest.mark.parametrize("state", ["", "HV00", "HV0000", "hv000", "00000", "HV00é", "HV٠00", 42601])
def test_error_refuses_what_is_no_sqlstate(state: Any) -> None:
    with pytest.raises(ValueError, match="sqlstate must be"):
        Error("x", sqlstate=state)


def test_defaults_of_the_base_class() -> None:
    wrapper = ForeignDataWrapper({}, {})
    assert wrapper.get_rel_size([], []) is None
    assert wrapper.get_path_keys() == []
    assert wrapper.can_sort([SortKey("a")]) == []
    assert wrapper.can_limit(1, None) is False
    assert wrapper.can_filter([Constant(True, type=DataType(16, "boolean"))]) == []
    assert wrapper.explain([], [], verbose=True) == []
    assert wrapper.analyze() is None
    assert wrapper.sample([], 1) is None
    assert wrapper.rowid_column is None
    assert wrapper._startup_cost == 20
    assert wrapper.modify_batch_size == 1
    wrapper.begin(False)
    wrapper.sub_begin(2)
    wrapper.sub_commit(2)
    wrapper.sub_rollback(2)
    for name in ("end_scan", "end_modify", "pre_commit", "commit", "rollback", "close"):
        assert getattr(wrapper, name)() is None


def test_methods_without_a_default_name_the_class() -> None:
    class Lazy(ForeignDataWrapper):
        pass

    wrapper = Lazy({}, {})
    calls: list[tuple[str, tuple[Any, ...]]] = [
        ("execute", ([], [])),
        ("insert", ({},)),
        ("bulk_insert", ([],)),
        ("insert_copy", (b"", 0, ())),
        ("insert_arrays", ([], 0, ())),
        ("update", (1, {})),
        ("delete", (1,)),
        ("truncate", (False, False)),
        ("import_schema", ("s", {}, {}, None, [])),
    ]
    for name, arguments in calls:
        with pytest.raises(NotImplementedError, match="Lazy"):
            getattr(wrapper, name)(*arguments)


def test_transaction_aware_wrapper_collects_changes() -> None:
    wrapper = TransactionAwareForeignDataWrapper({}, {})
    wrapper.begin(False)
    wrapper.insert({"a": 1})
    wrapper.sub_begin(2)
    wrapper.update(1, {"a": 2})
    wrapper.sub_begin(3)
    wrapper.delete(2)
    wrapper.sub_rollback(3)
    wrapper.sub_begin(3)
    wrapper.delete(3)
    wrapper.sub_commit(3)
    assert wrapper.current_transaction_state == [
        ("insert", {"a": 1}),
        ("update", (1, {"a": 2})),
        ("delete", 3),
    ]
    wrapper.sub_rollback(2)
    assert wrapper.current_transaction_state == [("insert", {"a": 1})]
    wrapper.sub_rollback(2)  # that savepoint is gone
    assert wrapper.current_transaction_state == [("insert", {"a": 1})]
    wrapper.commit()
    assert wrapper.current_transaction_state == []
    wrapper.begin(False)
    wrapper.insert({"a": 1})
    wrapper.rollback()
    assert wrapper.current_transaction_state == []


def test_get_class() -> None:
    path = "multicorn.constantfdw.ConstantForeignDataWrapper"
    assert multicorn.get_class(path) is ConstantForeignDataWrapper


def test_constant_wrapper() -> None:
    columns = {name: ColumnDefinition(name) for name in ("test", "test2")}
    rows = list(ConstantForeignDataWrapper({}, columns).execute([], ["test", "test2"]))
    assert len(rows) == 20
    assert rows[0] == {"test": "test 0", "test2": "test2 0"}
    assert rows[19] == {"test": "test 19", "test2": "test2 19"}


def test_compat() -> None:
    assert (compat.unicode_, compat.basestring_, compat.bytes_) == (str, str, bytes)


def test_levels_are_those_of_logging() -> None:
    for name in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
        assert getattr(utils, name) == getattr(logging, name)


def test_messages_outside_a_server_go_to_logging(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    utils.log_to_postgres({"any": "object"}, hint="h", detail="d")
    utils.log_to_postgres("100 %s", utils.DEBUG)
    assert [(record.name, record.levelno, record.getMessage()) for record in caplog.records] == [
        ("multicorn", logging.INFO, "{'any': 'object'}\nDETAIL: d\nHINT: h"),
        ("multicorn", logging.DEBUG, "100 %s"),
    ]
    with pytest.raises(Error) as caught:
        utils.log_to_postgres("bad", utils.ERROR, "h", "d")
    assert (caught.value.message, caught.value.hint, caught.value.detail) == ("bad", "h", "d")
    with pytest.raises(SystemExit):
        utils.log_to_postgres("the end", utils.CRITICAL)
    with pytest.raises(TypeError):
        utils.log_to_postgres("x", "INFO")  # type: ignore[arg-type]
    utils.check_interrupts()
