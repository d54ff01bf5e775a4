"""Where Python modules come from: the import of a wrapper, the settings that add folders."""

from __future__ import annotations

import os
import site
import sys

import multicorn
from multicorn import Error
from multicorn._bridge import bridge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType
    from typing import Any

# What each setting has added to sys.path.
_virtualenv: str | None = None
_virtualenv_entries: list[str] = []
_python_path_entries: list[str] = []


def isolate_path() -> None:
    """Take out of sys.path what hangs on the current folder or on the user who runs the server.

    PL/Python, which may have started the interpreter, adds the packages in that user's home, and
    whatever PYTHONPATH names: of that, only folders that are named in full stay.
    """
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    unwanted = {_normal(site.getusersitepackages()), *_user_entries(), _normal(os.getcwd())}
    # What was relative is in sys.path as what it meant at the start.
    unwanted |= {_normal(entry) for entry in named if not os.path.isabs(entry)}
    sys.path[:] = [
        entry for entry in sys.path if os.path.isabs(entry) and _normal(entry) not in unwanted
    ]
    site.ENABLE_USER_SITE = False


def _user_entries() -> set[str]:
    """Return what the *.pth files among the user's own packages add to sys.path."""
    folder = site.getusersitepackages()
    found = set()
    try:
        names = [name for name in os.listdir(folder) if name.endswith(".pth")]
        for name in names:
            with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
                found |= {_normal(os.path.join(folder, line.strip())) for line in file}
    except OSError:
        pass
    return found - {_normal(entry) for entry in site.getsitepackages()}


def _normal(path: str) -> str:
    """Return a path in the form in which paths are compared."""
    return os.path.normcase(os.path.abspath(path))


def load(path: str) -> type:
    """Import a wrapper's class.

    Args:
        path: `package.module.Class`, also `package.module.Outer.Inner`.

    Returns:
        The class.

    Raises:
        Error: 42602 (invalid_name) if the path is none; 58P01 (undefined_file) if there is no
            such module, or none that it needs; the exception's own SQLSTATE, else HV000, if the
            module's code raises; 42704 (undefined_object) if the module has no such name; 42809
            (wrong_object_type) if it is not a class.
    """
    parts = path.split(".")
    if len(parts) < 2 or not all(part.isidentifier() for part in parts):
        raise Error(
            f'"{path}" is not the path of a class',
            sqlstate="42602",
            hint="Write it as in: package.module.Class",
        )
    try:
        module, names = _import_retrying(parts)
    except Exception as error:
        raise _import_error(path, parts, error) from error
    found: Any = module
    for name in names:
        try:
            found = getattr(found, name)
        except AttributeError:
            raise _missing_class(module, found, name) from None
    if not isinstance(found, type):
        kind = type(found).__name__
        article = "an" if kind[:1].lower() in "aeiou" else "a"
        raise Error(f'"{path}" is {article} {kind}, not a class', sqlstate="42809")
    return found


def _import_retrying(parts: list[str]) -> tuple[ModuleType, list[str]]:
    """Import the module, also if it was installed after this process last looked."""
    try:
        return _import(parts)
    except ModuleNotFoundError:
        _forget_folders()
    return _import(parts)


def _import(parts: list[str]) -> tuple[ModuleType, list[str]]:
    """Import the longest part of a path that is a module; return it and the names left over."""
    missing: ModuleNotFoundError | None = None
    for length in range(len(parts) - 1, 0, -1):
        name = ".".join(parts[:length])
        try:
            __import__(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise  # a module that this one needs
            missing = missing or error
            continue
        module, names = sys.modules[name], parts[length:]
        if missing is not None and not hasattr(module, names[0]):
            break
        return module, names
    assert missing is not None
    raise missing


def _import_error(path: str, parts: list[str], error: Exception) -> Error:
    """Return the error for a module that cannot be imported."""
    from multicorn._describe import sqlstate, summary

    hint = None
    state = sqlstate(error)
    if isinstance(error, ModuleNotFoundError):
        state = "58P01"
        package = (error.name or parts[0]).partition(".")[0]
        hint = (
            f'Install "{package}" with pip for this Python, or set multicorn.virtualenv or '
            "multicorn.python_path to where it is."
        )
    lines = [
        summary(error),
        f"Module: {'.'.join(parts[:-1])}",
        *_describe_interpreter(),
    ]
    return Error(
        f'could not import wrapper class "{path}"',
        sqlstate=state,
        detail="\n".join(lines),
        hint=hint,
    )


def _describe_interpreter() -> list[str]:
    """Return lines that tell which Python this is, and where it looks for modules."""
    return [
        f"Python: {' '.join(sys.version.split())}",
        f"Executable: {sys.executable or 'none'}, prefix: {sys.prefix}",
        f"Virtual environment: {_virtualenv or 'none'}",
        "Searched:",
        *(f"  {entry}" for entry in sys.path),
    ]


def _missing_class(module: ModuleType, holder: Any, name: str) -> Error:
    """Return the error for a name that a module, or a class in it, does not have."""
    from difflib import get_close_matches

    where = f'module "{module.__name__}"'
    if holder is not module:
        where = f'"{getattr(holder, "__qualname__", holder)}" of {where}'
    file = getattr(module, "__file__", None)
    classes = [key for key, value in vars(holder).items() if isinstance(value, type)]
    similar = get_close_matches(name, classes, n=1)
    return Error(
        f'{where} has no class "{name}"',
        sqlstate="42704",
        detail=f"The module was loaded from {file}." if file else None,
        hint=f'Perhaps you meant "{similar[0]}".' if similar else None,
    )


def current_virtualenv() -> str | None:
    """Return the virtual environment that is used, if there is one."""
    return _virtualenv


def use_virtualenv(path: str) -> None:
    """Let modules of a virtual environment be found before those of the base interpreter.

    `sys.prefix` stays what it is. An empty path does nothing.

    Args:
        path: the environment's folder.

    Raises:
        Error: it is not a virtual environment, or one of another Python; 22023
            (invalid_parameter_value).
    """
    global _virtualenv
    if path == _virtualenv:
        return
    if path:
        folder = _site_packages(path)
        _remove_entries(_virtualenv_entries)
        _virtualenv_entries[:] = _add_site_folders([folder], _start_of_base_packages)
    else:
        _remove_entries(_virtualenv_entries)
        _virtualenv_entries.clear()
    _virtualenv = path or None
    _forget_folders()


def _site_packages(path: str) -> str:
    """Return the folder of an environment's modules."""
    _check_folder(path, "multicorn.virtualenv")
    configuration = os.path.join(path, "pyvenv.cfg")
    try:
        with open(configuration, encoding="utf-8", errors="replace") as file:
            pairs = [line.partition("=") for line in file]
    except FileNotFoundError:
        raise _setting_error(
            f'"{path}" is not a virtual environment: it has no pyvenv.cfg',
            f"Create one with: python{_version()} -m venv DIRECTORY",
        ) from None
    except OSError as error:
        raise _setting_error(f'could not read "{configuration}": {error.strerror}') from error
    settings = {name.strip().lower(): value.strip() for name, _, value in pairs}
    declared = settings.get("version_info") or settings.get("version")
    made_for = [".".join(declared.split(".")[:2])] if declared else _library_versions(path)
    folder = os.path.join(path, "lib", f"python{_version()}", "site-packages")
    if declared and made_for == [_version()] and not os.path.isdir(folder):
        made_for = _library_versions(path)
    if _version() not in made_for:
        other = f"Python {' and '.join(made_for)}" if made_for else "an unknown Python"
        raise _setting_error(
            f'virtual environment "{path}" was made for {other}, '
            f"but this server runs Python {_version()}",
            f"Create one with: python{_version()} -m venv DIRECTORY",
        )
    _check_folder(folder, "multicorn.virtualenv")
    return folder


def _library_versions(path: str) -> list[str]:
    """Return the versions of Python for which an environment has a folder of modules."""
    try:
        names = os.listdir(os.path.join(path, "lib"))
    except OSError:
        return []
    return sorted(
        name.removeprefix("python")
        for name in names
        if name.startswith("python")
        and os.path.isdir(os.path.join(path, "lib", name, "site-packages"))
    )


def _version() -> str:
    """Return the version of this Python, as in 3.11."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def use_python_path(value: str) -> None:
    """Let modules in these folders be found before all others but our own package.

    Called again, it first removes what it added. Files `*.pth` in the folders are honoured, as
    https://docs.python.org/3/library/site.html describes.

    Args:
        value: folders, separated as in PATH; may be empty.

    Raises:
        Error: one of them is relative or not there; then nothing has changed. 22023
            (invalid_parameter_value).
    """
    folders = [folder for folder in value.split(os.pathsep) if folder]
    for folder in folders:
        _check_folder(folder, "multicorn.python_path")
    _remove_entries(_python_path_entries)
    _python_path_entries[:] = _add_site_folders(folders, _after_our_place)
    _forget_folders()


def _check_folder(folder: str, setting: str) -> None:
    """Raise an error if a folder that a setting names cannot be used."""
    if not os.path.isabs(folder):
        raise _setting_error(f'directory "{folder}" in {setting} is not an absolute path')
    try:
        os.listdir(folder)
    except FileNotFoundError:
        raise _setting_error(f'directory "{folder}" in {setting} does not exist') from None
    except OSError as error:
        raise _setting_error(
            f'could not read directory "{folder}" in {setting}: {error.strerror}',
            "It must be readable by the operating system user that runs the server."
            if isinstance(error, PermissionError)
            else None,
        ) from error


def _setting_error(message: str, hint: str | None = None) -> Error:
    """Return an error about the value of a setting."""
    return Error(message, sqlstate="22023", hint=hint)


def _add_site_folders(folders: Iterable[str], position: Any) -> list[str]:
    """Add folders, and what their *.pth files name, to sys.path; return the new entries."""
    before = list(sys.path)
    for folder in folders:
        # Nothing counts as known: a folder that is on the path already is added before it.
        site.addsitedir(folder, set())
    if sys.path[: len(before)] == before:
        added = sys.path[len(before) :]
    else:  # a line in a *.pth file has rearranged it
        added = [entry for entry in sys.path if entry not in before]
    rest = _without(sys.path, added)
    index = position(rest)
    sys.path[:] = [*rest[:index], *added, *rest[index:]]
    return added


def _start_of_base_packages(path: list[str]) -> int:
    """Return where the packages that were added to the base interpreter begin in sys.path."""
    for index, entry in enumerate(path):
        if os.path.basename(entry) in ("site-packages", "dist-packages") and entry != _our_place():
            return index
    return len(path)


def _after_our_place(path: list[str]) -> int:
    """Return where in sys.path the entry of our own package ends."""
    place = _our_place()
    return path.index(place) + 1 if place in path else 0


def _our_place() -> str | None:
    """Return the entry of sys.path that the server has for our own package."""
    server = bridge()
    return None if server is None else server.python_path_place


def _remove_entries(entries: list[str]) -> None:
    """Remove entries from sys.path, each once."""
    for entry in entries:
        if entry in sys.path:
            sys.path.remove(entry)


def _without(path: list[str], entries: list[str]) -> list[str]:
    """Return a path without entries at its end, each left out once."""
    rest = path[::-1]
    for entry in entries:
        rest.remove(entry)
    return rest[::-1]


def _forget_folders() -> None:
    """Have Python look again at what is in the folders of sys.path."""
    from importlib import invalidate_caches

    invalidate_caches()
    multicorn._extend_path()
