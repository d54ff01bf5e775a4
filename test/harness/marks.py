"""Marks for tests that not every way of building the extension allows."""

from __future__ import annotations

import os

import pytest

# AddressSanitizer keeps freed memory for a while, and surrounds what is allocated.
measures_memory = pytest.mark.skipif(
    os.environ.get("MULTICORN_VARIANT") == "sanitize",
    reason="AddressSanitizer changes how much memory is used",
)

# A PostgreSQL with assertions ends itself where a savepoint is rolled back while a transaction
# commits; a deferred trigger with an EXCEPTION block is enough. Without assertions it is right.
rolls_back_in_commit = pytest.mark.skipif(
    os.environ.get("MULTICORN_VARIANT") == "assert",
    reason="an assertion of PostgreSQL's forbids what it allows",
)
