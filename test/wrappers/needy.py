"""A module that needs another one, which is not installed."""

from __future__ import annotations

import package_that_nobody_has  # type: ignore[import-not-found] # noqa: F401
