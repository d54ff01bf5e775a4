"""What the build needs to know of the chosen Python and the chosen PostgreSQL.

The Makefile runs this file with the Python that the extension will embed; it needs nothing but
the standard library. The answer is a list of make assignments separated by ";;", because make
reads a command's output as one line. When the extension cannot be built against the two, the
answer is BUILD_ERROR alone: one sentence that says what to install or to choose.

    python3 tools/build_config.py --make pg_config
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig

OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 14)
OLDEST_POSTGRES, NEWEST_POSTGRES = 15, 18


class CannotBuild(Exception):
    """One sentence that says why the extension cannot be built, and what to do."""


def variable(name: str) -> str:
    """Return a build variable of this Python, or an empty string."""
    return str(sysconfig.get_config_var(name) or "")


def python_name() -> str:
    """Return how to speak of this Python in a sentence."""
    return f"Python {sys.version.split()[0]} ({sys.executable})"


def check_python() -> None:
    """Refuse an interpreter that the extension does not know."""
    oldest, newest = (".".join(map(str, v)) for v in (OLDEST_PYTHON, NEWEST_PYTHON))
    if sys.implementation.name != "cpython":
        raise CannotBuild(f"{python_name()} is not CPython: choose one with PYTHON=")
    if not OLDEST_PYTHON <= sys.version_info[:2] <= NEWEST_PYTHON:
        raise CannotBuild(
            f"{python_name()} is not supported: choose CPython {oldest} to {newest} with PYTHON="
        )
    if variable("Py_GIL_DISABLED") == "1":
        raise CannotBuild(
            f"{python_name()} is a free-threaded build, which is not supported: "
            "choose a regular one with PYTHON="
        )


def python_headers() -> list[str]:
    """Return the folders of Python.h and pyconfig.h."""
    paths = sysconfig.get_paths()
    folders = list(dict.fromkeys([paths["include"], paths["platinclude"]]))
    if not any(os.path.exists(os.path.join(folder, "Python.h")) for folder in folders):
        raise CannotBuild(
            f"Python.h of {python_name()} is missing from {folders[0]}: install its headers "
            "(Debian, Ubuntu: apt-get install python3-dev) or choose another with PYTHON="
        )
    return folders


def python_library() -> str:
    """Return the path of this Python's shared library."""
    if variable("Py_ENABLE_SHARED") != "1":
        raise CannotBuild(
            f"{python_name()} was built without a shared library: choose another with PYTHON= "
            "(Debian, Ubuntu: apt-get install python3-dev, and PYTHON=/usr/bin/python3), "
            "or build it with --enable-shared"
        )
    name = variable("LDLIBRARY")
    libdir = variable("LIBDIR")
    folders = [libdir, os.path.join(libdir, variable("MULTIARCH")), sys.base_prefix + "/lib"]
    for folder in folders:
        path = os.path.join(folder, name)
        if os.path.exists(path):
            return path
    raise CannotBuild(
        f"{name} of {python_name()} is missing from {libdir}: install it "
        "(Debian, Ubuntu: apt-get install python3-dev) or choose another with PYTHON="
    )


def found_by_linker(folder: str) -> bool:
    """Tell whether the dynamic linker looks into a folder by itself."""
    system = ["/lib", "/usr/lib", "/lib64", "/usr/lib64"]
    multiarch = variable("MULTIARCH")
    if multiarch:
        system += [f"/lib/{multiarch}", f"/usr/lib/{multiarch}"]
    return os.path.realpath(folder) in map(os.path.realpath, system)


def link_flags(library: str) -> list[str]:
    """Return how to link against a shared library, by its path: no namesake can take its place."""
    folder = os.path.dirname(library)
    rpath = [] if found_by_linker(folder) else [f"-Wl,-rpath,{folder}"]
    return [library, *rpath]


def ask_pg_config(pg_config: str, option: str) -> str:
    """Return what pg_config says of its installation."""
    try:
        answer = subprocess.run([pg_config, option], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        raise CannotBuild(
            f"PG_CONFIG={pg_config} does not run: install PostgreSQL's server headers "
            "(Debian, Ubuntu: apt-get install postgresql-server-dev-all), "
            "or choose a pg_config with PG_CONFIG="
        ) from None
    return answer.stdout.strip()


def postgres_version(pg_config: str) -> str:
    """Return the server's version, such as 15.3 or 18beta1."""
    answer = ask_pg_config(pg_config, "--version")
    match = re.match(r"PostgreSQL ((\d+)\S*)", answer)
    if not match or not OLDEST_POSTGRES <= int(match[2]) <= NEWEST_POSTGRES:
        raise CannotBuild(
            f"{answer.splitlines()[0] if answer else pg_config} is not supported: choose the "
            "pg_config of PostgreSQL "
            f"{OLDEST_POSTGRES} to {NEWEST_POSTGRES} with PG_CONFIG="
        )
    return match[1]


def postgres_headers(pg_config: str, major: str) -> str:
    """Return the folder of the server's headers."""
    folder = ask_pg_config(pg_config, "--includedir-server")
    pgxs = ask_pg_config(pg_config, "--pgxs")
    for path in (os.path.join(folder, "postgres.h"), pgxs):
        if not os.path.exists(path):
            raise CannotBuild(
                f"{path} is missing, so {pg_config} comes without the server's headers: install "
                f"them (Debian, Ubuntu: apt-get install postgresql-server-dev-{major}), "
                "or choose another with PG_CONFIG="
            )
    return folder


def configuration(pg_config: str) -> dict[str, str]:
    """Return the make variables that describe the chosen Python and PostgreSQL."""
    check_python()
    library = python_library()
    python_flags = [f"-isystem{folder}" for folder in python_headers()]
    if variable("Py_DEBUG") == "1":
        # Debian's headers of a debug build are links to those of the usual one. gcc follows them,
        # and would find the usual pyconfig.h beside them, which does not say so.
        python_flags.append("-DPy_DEBUG=1")
    version = postgres_version(pg_config)
    headers = postgres_headers(pg_config, re.split(r"\D", version)[0])
    return {
        "PYTHON_EXECUTABLE": sys.executable,
        "PYTHON_CPPFLAGS": shlex.join(python_flags),
        "PYTHON_LIBS": shlex.join(link_flags(library)),
        "POSTGRES_CPPFLAGS": shlex.join([f"-isystem{headers}"]),
        "BUILD_SUMMARY": f"PostgreSQL {version} ({shutil.which(pg_config) or pg_config}) "
        f"and {python_name()} with {library}",
    }


def for_make(value: str) -> str:
    """Return a value as make has to read it."""
    return value.replace("$", "$$").replace("#", "\\#")


def main() -> None:
    """Print the configuration for make."""
    try:
        variables = configuration(sys.argv[2])
    except CannotBuild as reason:
        variables = {"BUILD_ERROR": str(reason)}
    print(";;".join(f"{name} := {for_make(value)}" for name, value in variables.items()))


if __name__ == "__main__":
    main()
