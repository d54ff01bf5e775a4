"""Installs the Python package that wrapper authors import; pyproject.toml says the rest.

The extension itself is built and installed by make, and brings the same package with it.
"""

import re
from pathlib import Path

from setuptools import setup


def version() -> str:
    """Return the extension's version, which is the package's too."""
    control = Path(__file__).with_name("multicorn.control").read_text()
    match = re.search(r"^default_version *= *'(.*)'", control, re.MULTILINE)
    if match is None:
        raise ValueError("multicorn.control does not give a default_version")
    return match[1]


setup(version=version())
