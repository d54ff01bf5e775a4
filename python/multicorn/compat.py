"""Names by which wrappers that also ran on Python 2 call the types of text and bytes."""

from __future__ import annotations

__all__ = ["basestring_", "bytes_", "unicode_"]

unicode_ = str
basestring_ = str
bytes_ = bytes
