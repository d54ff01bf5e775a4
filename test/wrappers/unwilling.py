"""A module whose import fails for a reason of its own."""

from __future__ import annotations

raise RuntimeError("this module does not want to be imported")
