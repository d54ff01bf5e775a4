"""A file that is replaced as a whole, in step with the local transaction.

The new version is written beside the file, then a journal that names it and the transaction. After
that the transaction commits or does not: whoever finds the journal asks PostgreSQL. Beside
`notes.jsonl` there may be

- `notes.jsonl.lock`: empty; who writes holds a lock on it;
- `notes.jsonl.<transaction>.new`: a version;
- `notes.jsonl.journal`: `{"transaction": ..., "version": ...}`.

What is on the disk decides. An interrupt may end any method at any point: then the next transaction
drops what this object remembers, and the next writer finishes what the files say.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import re
from contextlib import suppress
from pathlib import Path
from weakref import WeakValueDictionary

from multicorn import Error
from multicorn.utils import transaction_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

__all__ = ["DurableFile", "Identity", "identity"]

# What tells one version of a file from another; None for no file.
Identity = tuple[int, int, int, int] | None

# Who in this process has locked a file last; who still does is for the object itself to say.
_holders: WeakValueDictionary[Path, DurableFile] = WeakValueDictionary()


def identity(file: BinaryIO) -> Identity:
    """Return which version of its file an open file is."""
    if isinstance(file, io.BytesIO):
        return None
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size


class DurableFile:
    """A file, and the version of it that is being made.

    Args:
        filename: the absolute path of the file, which need not be there.

    Attributes:
        path: where it really is.
        is_locked: whether this transaction may replace it.
        locked_version: what was there when it was locked.

    Raises:
        Error: files of that name belong to others.
    """

    def __init__(self, filename: str) -> None:
        self.path = Path(os.path.realpath(filename))
        self._journal = self._beside("journal")
        if self.path.suffix in (".journal", ".lock", ".new"):
            raise Error(
                f'"{self.path}" may be what belongs to another file',
                sqlstate="HV00D",
                hint='Its name must not end in ".journal", ".lock" or ".new".',
            )
        own = rf"{re.escape(self.path.name)}\.([0-9]+-[0-9]+|journal)\.new"
        self._is_version = re.compile(own).fullmatch
        self.is_locked = False
        self.locked_version: Identity = None
        # Closing it unlocks the file.
        self._lock: BinaryIO | None = None
        self._prepared: Path | None = None

    def _beside(self, suffix: str) -> Path:
        """Return the path of a file that belongs to this one."""
        return self.path.with_name(f"{self.path.name}.{suffix}")

    # Reading

    def open(self) -> BinaryIO:
        """Open the version that the last committed transaction has left.

        What is read does not change any more, even if another version takes its place.

        Returns:
            The open file; an empty one if there is none.

        Raises:
            Error: nobody knows whether the transaction in the journal has committed, this one
                writes to the file through another object, or there is not even a folder.
        """
        self._require_alone()
        version = self._pending_version()
        for path in (version, self.path):
            # It was not made yet, or has been renamed since.
            with suppress(FileNotFoundError):
                if path is not None:
                    return path.open("rb")
        self._require_folder()
        return io.BytesIO()

    def _require_alone(self) -> None:
        """Raise an error if this transaction writes to the file through another object."""
        holder = _holders.get(self.path)
        if holder is None or holder is self or holder._lock is None:
            return
        raise Error(
            f'"{self.path}" is being written by this transaction already',
            sqlstate="55006",
            detail="It was through another foreign table, as another role, or before the foreign"
            " table was altered.",
            hint="End the transaction first.",
        )

    def _require_folder(self) -> None:
        """Raise an error if there is no folder that the file could be in."""
        if not self.path.parent.is_dir():
            raise Error(f'the folder of "{self.path}" does not exist', sqlstate="58P01")

    def _pending_version(self) -> Path | None:
        """Return the version that is the file's content, but does not have its name yet."""
        journal = self._read_journal()
        if journal is None:
            return None
        transaction, version = journal
        # Once renamed, it does not matter what the journal says.
        committed = version.exists() and self._status(transaction) == "committed"
        return version if committed else None

    def _read_journal(self) -> tuple[str, Path] | None:
        """Return the transaction and the version that the journal names, if there is one."""
        try:
            journal = json.loads(self._journal.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return journal["transaction"], self.path.with_name(journal["version"])

    def _status(self, transaction: str) -> str:
        """Return what has become of a transaction."""
        try:
            status = transaction_status(transaction)
        except (TypeError, ValueError):
            status = None
        if status is None:
            raise Error(
                f'cannot tell whether the last change of "{self.path}" was committed',
                sqlstate="55000",
                detail=f'"{self._journal}" names the transaction {transaction}, which this database'
                " cluster does not know.",
                hint="If it was, rename the version that the journal names over the file; then"
                " remove the journal.",
            )
        return status

    # Writing

    def lock(self) -> None:
        """Wait until no other transaction writes to the file, and finish what one has left.

        Raises:
            Error: as for `open`.
        """
        self._require_alone()
        self._require_folder()
        _holders[self.path] = self
        path = self._beside("lock")
        self._lock = open(path, "ab", buffering=0, opener=_open_private)  # noqa: SIM115
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            self._recover()
            with self.open() as file:
                self.locked_version = identity(file)
            self.is_locked = True
        except BaseException:
            self.unlock()
            raise

    def unlock(self) -> None:
        """Let others write, and forget what was prepared."""
        self._prepared = None
        self.is_locked = False
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.close()

    def _recover(self) -> None:
        """Finish or undo what a transaction has left that could not end itself."""
        version = self._pending_version()
        if version is not None:
            os.replace(version, self.path)
        self._remove_journal()
        for path in self.path.parent.iterdir():
            if self._is_version(path.name):
                path.unlink()

    def _remove_journal(self) -> None:
        """Remove the journal, once what it led to is on the disk."""
        if self._journal.exists():
            self._sync_folder()
            self._journal.unlink()

    def prepare(self, lines: Iterable[bytes], transaction: str) -> None:
        """Write the next version, and the journal: it is the file's content if all goes well.

        Args:
            lines: the content.
            transaction: the ID of the local transaction.
        """
        name = transaction.replace(":", "-")
        self._prepared = self._beside(f"{name}.new")
        self._write(self._prepared, lines)
        text = json.dumps({"transaction": transaction, "version": self._prepared.name})
        draft = self._beside("journal.new")
        self._write(draft, [text.encode()])
        os.replace(draft, self._journal)
        self._sync_folder()

    def _write(self, path: Path, lines: Iterable[bytes]) -> None:
        """Write a file to the disk, with the permissions of this one."""
        with open(path, "xb", opener=_open_private) as file:
            # Without one, the first version is for the server alone.
            with suppress(FileNotFoundError):
                os.fchmod(file.fileno(), self.path.stat().st_mode)
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())

    def commit(self) -> None:
        """Have the version that was prepared take the file's place, and unlock the file."""
        try:
            if self._prepared is not None:
                os.replace(self._prepared, self.path)
                self._remove_journal()
        finally:
            self.unlock()

    def rollback(self) -> None:
        """Remove the version that was prepared, and unlock the file."""
        try:
            if self._prepared is not None:
                self._remove_journal()
                self._prepared.unlink(missing_ok=True)
        finally:
            self.unlock()

    def _sync_folder(self) -> None:
        """Have the names in the folder written to the disk."""
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _open_private(path: str, flags: int) -> int:
    """Open a file that only its owner may read."""
    return os.open(path, flags, 0o600)
