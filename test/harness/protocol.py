"""PostgreSQL's protocol, as far as a program between psql and the server has to know it."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple


class Message(NamedTuple):
    """A message: its type, a single byte, and its body."""

    kind: bytes
    body: bytes

    def encode(self) -> bytes:
        """Return it as it is sent."""
        return self.kind + struct.pack("!I", len(self.body) + 4) + self.body


class Closed(Exception):
    """The other side has closed the connection."""


@dataclass
class Answer:
    """What a query has been answered.

    Attributes:
        status: That of the transaction then: "I" without one, "T" in one, "E" in a failed one.
        errors: The errors, each as SQLSTATE and message.
        rows: The rows, as texts.
        tags: What was done, as "COMMIT" or "SELECT 1".
    """

    status: str = "I"
    errors: list[tuple[str, str]] = field(default_factory=list)
    rows: list[tuple[str | None, ...]] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)


class Stream:
    """One end of a connection."""

    def __init__(self, end: socket.socket) -> None:
        """Read and write messages on a socket."""
        self.socket = end
        self._reader = end.makefile("rb")

    def read(self) -> Message:
        """Read a message.

        Raises:
            Closed: If there is none any more.
        """
        head = self._exactly(5)
        (length,) = struct.unpack("!I", head[1:])
        return Message(head[:1], self._exactly(length - 4))

    def read_startup(self) -> bytes:
        """Read the first message of a connection, whole; it has no type."""
        head = self._exactly(4)
        (length,) = struct.unpack("!I", head)
        return head + self._exactly(length - 4)

    def write(self, data: bytes) -> None:
        """Send what was encoded.

        Raises:
            Closed: If nobody reads it any more.
        """
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise Closed from error

    def close(self) -> None:
        """Close it."""
        self._reader.close()
        self.socket.close()

    def _exactly(self, count: int) -> bytes:
        """Read so many bytes."""
        try:
            data = self._reader.read(count)
        except OSError as error:
            raise Closed from error
        if len(data) < count:
            raise Closed
        return data


@dataclass(frozen=True)
class Query:
    """SQL to be run, as psql sends it.

    Attributes:
        text: The statement.
        data: The messages behind that of a COPY, with its data, as they were sent.
    """

    text: str
    data: bytes = b""

    def encode(self) -> bytes:
        """Return the messages. Data that is not wanted after an error is ignored by the server."""
        return Message(b"Q", self.text.encode() + b"\0").encode() + self.data


class Backend(Stream):
    """The connection to the server."""

    @classmethod
    def connect(cls, path: str, database: str, user: str) -> Backend:
        """Connect to the socket of a server that asks for no password."""
        end = socket.socket(socket.AF_UNIX)
        end.connect(path)
        backend = cls(end)
        parameters = b"".join(
            part.encode() + b"\0" for part in ("user", user, "database", database, "")
        )
        backend.write(struct.pack("!II", len(parameters) + 8, 3 << 16) + parameters)
        backend._answer()
        return backend

    def ask(self, sql: str) -> Answer:
        """Run SQL and return what is answered."""
        return self.ask_all([sql])[0]

    def ask_all(self, statements: Sequence[str | Query]) -> list[Answer]:
        """Run statements, sent without waiting for one another, each as a query of its own."""
        queries = [Query(one) if isinstance(one, str) else one for one in statements]
        data = b"".join(query.encode() for query in queries)
        sender = threading.Thread(target=self._send_quietly, args=(data,), daemon=True)
        sender.start()
        answers = [self._answer(bool(query.data)) for query in queries]
        sender.join()
        return answers

    def _send_quietly(self, data: bytes) -> None:
        """Send; that nobody reads it is found out by who waits for the answer."""
        with suppress(Closed):
            self.write(data)

    def _answer(self, has_data: bool = False) -> Answer:
        """Read up to the end of an answer; a COPY without data is told that there is none."""
        answer = Answer()
        while True:
            kind, body = self.read()
            if kind == b"Z":
                answer.status = body.decode()
                return answer
            if kind == b"E":
                answer.errors.append(error_fields(body))
            elif kind == b"D":
                answer.rows.append(row_values(body))
            elif kind == b"C":
                answer.tags.append(body[:-1].decode())
            elif kind == b"G" and not has_data:
                self.write(Message(b"f", b"no data\0").encode())


def error_fields(body: bytes) -> tuple[str, str]:
    """Return the SQLSTATE and the message of an error."""
    fields = {part[:1]: part[1:].decode(errors="replace") for part in body.split(b"\0") if part}
    return fields.get(b"C", ""), fields.get(b"M", "")


def row_values(body: bytes) -> tuple[str | None, ...]:
    """Return the values of a row that was sent as text."""
    (count,) = struct.unpack("!H", body[:2])
    values: list[str | None] = []
    place = 2
    for _ in range(count):
        (length,) = struct.unpack("!i", body[place : place + 4])
        place += 4
        if length < 0:
            values.append(None)
            continue
        values.append(body[place : place + length].decode(errors="replace"))
        place += length
    return tuple(values)
