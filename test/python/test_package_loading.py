"""Finding a wrapper's class, and the settings that say where to look."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import multicorn
from multicorn import Error, _loading
from multicorn._server import describe, load, use_python_path, use_virtualenv

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
SITE_PACKAGES = Path("lib", f"python{VERSION}", "site-packages")


@pytest.fixture(autouse=True)
def _unchanged(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    path, modules, ours = list(sys.path), set(sys.modules), list(multicorn.__path__)
    monkeypatch.setattr(_loading, "_virtualenv", None)
    monkeypatch.setattr(_loading, "_virtualenv_entries", [])
    monkeypatch.setattr(_loading, "_python_path_entries", [])
    yield
    sys.path[:] = path
    multicorn.__path__[:] = ours
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that modules are imported from."""
    one = tmp_path / "modules"
    one.mkdir()
    sys.path.insert(0, str(one))
    return one


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def load_error(path: str) -> Error:
    with pytest.raises(Error) as caught:
        load(path)
    return caught.value


# load


def test_load(folder: Path) -> None:
    write(folder / "one.py", "class Fdw:\n    class Inner: pass\n")
    write(folder / "pack" / "__init__.py", "from pack.two import Fdw\n")
    write(folder / "pack" / "two.py", "class Fdw: pass\n")
    assert load("one.Fdw").__qualname__ == "Fdw"
    assert load("one.Fdw.Inner").__qualname__ == "Fdw.Inner"
    assert load("pack.Fdw") is load("pack.two.Fdw")


@pytest.mark.parametrize("path", ["", "Fdw", ".Fdw", "a..b", "a.b.", "a b.C", "a.b-c.D", "a/b.C"])
def test_path_that_is_none(path: str) -> None:
    error = load_error(path)
    assert error.message == f'"{path}" is not the path of a class'
    assert error.sqlstate == "42602"
    assert error.hint == "Write it as in: package.module.Class"


def test_module_that_is_not_there(folder: Path) -> None:
    error = load_error("nosuch.module.Fdw")
    assert error.message == 'could not import wrapper class "nosuch.module.Fdw"'
    assert error.sqlstate == "58P01"
    assert error.detail is not None
    lines = error.detail.splitlines()
    assert lines[0] == "ModuleNotFoundError: No module named 'nosuch'"
    assert lines[1] == "Module: nosuch.module"
    assert lines[2].startswith(f"Python: {VERSION}.")
    assert lines[3] == f"Executable: {sys.executable}, prefix: {sys.prefix}"
    assert lines[4] == "Virtual environment: none"
    assert lines[5:] == ["Searched:", *(f"  {entry}" for entry in sys.path)]
    assert error.hint is not None
    assert error.hint.startswith('Install "nosuch" with pip for this Python, or set multicorn.')


def test_module_that_is_not_in_its_package(folder: Path) -> None:
    write(folder / "pack" / "__init__.py")
    write(folder / "single.py")
    for path, text in [
        ("pack.nosuch.Fdw", "No module named 'pack.nosuch'"),
        ("single.nosuch.Fdw", "No module named 'single.nosuch'; 'single' is not a package"),
    ]:
        error = load_error(path)
        assert error.detail is not None
        assert error.detail.splitlines()[0] == f"ModuleNotFoundError: {text}"


def test_dependency_that_is_not_there(folder: Path) -> None:
    write(folder / "needy.py", "import nosuch_dependency\n")
    error = load_error("needy.Fdw")
    assert error.sqlstate == "58P01"
    assert error.detail is not None
    assert error.detail.startswith("ModuleNotFoundError: No module named 'nosuch_dependency'\n")
    assert error.hint is not None
    assert 'Install "nosuch_dependency"' in error.hint


def test_module_whose_code_raises(folder: Path) -> None:
    file = write(folder / "broken.py", "x = 1\nraise ValueError('at import')\n")
    error = load_error("broken.Fdw")
    assert error.message == 'could not import wrapper class "broken.Fdw"'
    assert error.sqlstate == "HV000"
    assert error.hint is None
    assert error.detail is not None
    assert error.detail.startswith("ValueError: at import\nModule: broken\n")
    assert isinstance(error.__cause__, ValueError)
    traceback = describe(error)[5]
    assert f'File "{file}", line 2' in traceback
    assert "importlib" not in traceback
    assert "multicorn/_loading.py" not in traceback.partition("direct cause")[0]


def test_module_whose_code_does_not_compile(folder: Path) -> None:
    write(folder / "wrong.py", "def\n")
    error = load_error("wrong.Fdw")
    assert error.detail is not None
    assert error.detail.startswith("SyntaxError: invalid syntax (wrong.py, line 1)")


def test_error_of_the_module_keeps_its_sqlstate(folder: Path) -> None:
    write(folder / "offline.py", "raise ConnectionError('no')\n")
    assert load_error("offline.Fdw").sqlstate == "08006"


def test_class_that_is_not_there(folder: Path) -> None:
    file = write(folder / "one.py", "class ConstantFdw:\n    class Inner: pass\n")
    error = load_error("one.ConstantFwd")
    assert error.message == 'module "one" has no class "ConstantFwd"'
    assert error.sqlstate == "42704"
    assert error.detail == f"The module was loaded from {file}."
    assert error.hint == 'Perhaps you meant "ConstantFdw".'
    assert load_error("one.Other").hint is None
    assert (
        load_error("one.ConstantFdw.No").message
        == '"ConstantFdw" of module "one" has no class "No"'
    )


@pytest.mark.parametrize(
    ("path", "kind"),
    [("os.getcwd", "a builtin_function_or_method"), ("os.sep", "a str"), ("os.path", "a module"),
     ("sys.maxsize", "an int"), ("posixpath.join", "a function")],
)  # fmt: skip
def test_what_is_no_class(path: str, kind: str) -> None:
    error = load_error(path)
    assert error.message == f'"{path}" is {kind}, not a class'
    assert error.sqlstate == "42809"


def test_module_that_is_installed_later_is_found(folder: Path) -> None:
    write(folder / "first.py", "class Fdw: pass\n")
    load("first.Fdw")  # the folder's contents are now known
    times = folder.stat().st_atime_ns, folder.stat().st_mtime_ns
    write(folder / "second.py", "class Fdw: pass\n")
    os.utime(folder, ns=times)  # as when both happen within one tick of the clock
    assert load("second.Fdw").__module__ == "second"


def test_interrupts_pass(folder: Path) -> None:
    write(folder / "stopped.py", "raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        load("stopped.Fdw")


# use_virtualenv


def make_environment(path: Path, version: str = VERSION, configuration: str | None = None) -> Path:
    if configuration is None:
        configuration = f"home = /usr/bin\nversion = {version}.1\n"
    write(path / "pyvenv.cfg", configuration)
    (path / "lib" / f"python{version}" / "site-packages").mkdir(parents=True)
    return path


def test_use_virtualenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = make_environment(tmp_path / "venv")
    packages = environment / SITE_PACKAGES
    other = tmp_path / "other"
    other.mkdir()
    write(packages / "other.pth", f"{other}\n")
    write(packages / "venvmodule.py", "class Fdw: pass\n")
    write(packages / "multicorn" / "olderfdw.py", "class Fdw: pass\n")
    base = ["/place", "/usr/lib/python3", "/usr/local/lib/dist-packages", "/usr/dist-packages"]
    monkeypatch.setattr(sys, "path", [*sys.path, *base])
    before = list(sys.path)
    expected = next(
        i for i, entry in enumerate(before) if entry.endswith(("site-packages", "dist-packages"))
    )
    prefix = sys.prefix
    use_virtualenv(str(environment))
    added = [str(packages), str(other)]
    assert sys.path == [*before[:expected], *added, *before[expected:]]
    assert sys.prefix == prefix
    assert load("venvmodule.Fdw").__module__ == "venvmodule"
    assert load("multicorn.olderfdw.Fdw").__module__ == "multicorn.olderfdw"
    assert f"Virtual environment: {environment}" in str(load_error("nosuch.Fdw").detail)
    use_virtualenv(str(environment))
    assert sys.path == [*before[:expected], *added, *before[expected:]]
    use_virtualenv("")
    assert sys.path == before


@pytest.mark.parametrize(
    "configuration",
    [f"version_info = {VERSION}.2.final.0\nversion = 20.0.1\n", "home = /usr/bin\n",
     f"VERSION={VERSION}.1\n"],
)  # fmt: skip
def test_forms_of_pyvenv_cfg(tmp_path: Path, configuration: str) -> None:
    environment = make_environment(tmp_path / "venv", configuration=configuration)
    use_virtualenv(str(environment))
    assert str(environment / SITE_PACKAGES) in sys.path


@pytest.mark.parametrize("configuration", [None, "", f"version = {VERSION}.1\n"])
def test_environment_of_another_python(tmp_path: Path, configuration: str | None) -> None:
    before = list(sys.path)
    environment = make_environment(tmp_path / "venv", "3.9", configuration)
    with pytest.raises(Error) as caught:
        use_virtualenv(str(environment))
    assert caught.value.message == (
        f'virtual environment "{environment}" was made for Python 3.9, '
        f"but this server runs Python {VERSION}"
    )
    assert caught.value.sqlstate == "22023"
    assert sys.path == before


def test_what_is_no_environment(tmp_path: Path) -> None:
    with pytest.raises(Error, match=r'directory ".*nosuch" in multicorn.virtualenv does not exist'):
        use_virtualenv(str(tmp_path / "nosuch"))
    with pytest.raises(Error, match=r"is not a virtual environment: it has no pyvenv\.cfg"):
        use_virtualenv(str(tmp_path))
    with pytest.raises(Error, match="is not an absolute path"):
        use_virtualenv("venv")
    file = write(tmp_path / "file")
    with pytest.raises(Error, match=r"could not read directory .*: Not a directory"):
        use_virtualenv(str(file))


def test_configuration_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "pyvenv.cfg").mkdir()
    with pytest.raises(Error, match=r'could not read ".*pyvenv.cfg": Is a directory'):
        use_virtualenv(str(tmp_path))


# use_python_path


def test_use_python_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        sys.modules,
        "_multicorn",
        SimpleNamespace(python_path_place="/ours"),
    )
    monkeypatch.setattr(sys, "path", ["/ours", *sys.path])
    one, two, linked = (tmp_path / name for name in ("one", "two", "linked"))
    for path in (one, two, linked):
        path.mkdir()
    write(two / "link.pth", f"{linked}\n")
    write(one / "pathmodule.py", "class Fdw: pass\n")
    before = list(sys.path)
    use_python_path(os.pathsep.join([str(one), "", str(two)]))
    assert sys.path == ["/ours", str(one), str(two), str(linked), *before[1:]]
    assert load("pathmodule.Fdw").__module__ == "pathmodule"
    use_python_path(str(two))
    assert sys.path == ["/ours", str(two), str(linked), *before[1:]]
    use_python_path("")
    assert sys.path == before


def test_folder_that_is_on_the_path_already(tmp_path: Path) -> None:
    sys.path.append(str(tmp_path))
    before = list(sys.path)
    use_python_path(str(tmp_path))
    assert sys.path == [str(tmp_path), *before]
    use_python_path("")
    assert sys.path == before


def test_wrong_python_path_changes_nothing(tmp_path: Path) -> None:
    use_python_path(str(tmp_path))
    before = list(sys.path)
    with pytest.raises(Error) as caught:
        use_python_path(f"{tmp_path / 'sub'}{os.pathsep}{tmp_path}")
    assert caught.value.message == (
        f'directory "{tmp_path / "sub"}" in multicorn.python_path does not exist'
    )
    assert caught.value.sqlstate == "22023"
    with pytest.raises(Error, match=r'directory "lib" in .* is not an absolute'):
        use_python_path(f"{tmp_path}{os.pathsep}lib")
    assert sys.path == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
def test_folder_that_cannot_be_read(tmp_path: Path) -> None:
    tmp_path.chmod(0)
    with pytest.raises(Error, match="Permission denied") as caught:
        use_python_path(str(tmp_path))
    assert caught.value.hint is not None


def test_folder_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> list[str]:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(Error, match=r"could not read directory .*: Permission denied") as caught:
        use_python_path(str(tmp_path))
    assert caught.value.hint is not None
    assert "user that runs the server" in caught.value.hint


def test_pth_file_that_rearranges_the_path(tmp_path: Path) -> None:
    write(tmp_path / "x.pth", "import sys; sys.path.insert(0, '/inserted')\n")
    before = list(sys.path)
    use_python_path(str(tmp_path))
    assert set(sys.path) == {*before, str(tmp_path), "/inserted"}
    use_python_path("")
    assert sys.path == before
