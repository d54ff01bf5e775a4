"""Marks for tests that not every way of building the extension allows."""

from __future__ import annotations

import os

import pytest

# AddressSanitizer keeps freed memory for a while, and surrounds what is allocated.
measures_memory = pytest.mark.skipif(
    os.environ.get("MULTICORN_VARIANT") == "sanitize",
    reason="AddressSanitizer changes how much memory is used",
)
