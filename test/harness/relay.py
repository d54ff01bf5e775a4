"""Stands between psql and the server, and has something done with each statement of a script.

psql runs the script, and so knows its variables, conditions and data; what is done with a statement
is done on the very connection on which psql then runs it.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

from harness.cluster import Cluster
from harness.protocol import Backend, Closed, Message, Query, Stream

# Called with the connection, a query, and the status of the transaction.
Visitor = Callable[[Backend, Query, str], None]


class Relay:
    """Runs scripts with psql and shows each statement to a visitor before it is run.

    Attributes:
        lost: How many connections ended before psql closed them.
    """

    def __init__(self, cluster: Cluster, visit: Visitor, leave: Visitor) -> None:
        """Connect to a cluster's server; nothing is started yet.

        Args:
            cluster: The server.
            visit: Called before a query is run; the data of a COPY is not known yet.
            leave: Called after it, with its data and the status of the transaction then.
        """
        self.cluster = cluster
        self.lost = 0
        self._visit = visit
        self._leave = leave
        self._folder = cluster.folder / "relay"
        self._failure: BaseException | None = None

    def run(self, script: Path, database: str, variables: dict[str, str]) -> str:
        """Run a script to its end, going on after errors.

        Args:
            script: A file for psql.
            database: The database to connect to.
            variables: psql's environment variables, over ours.

        Returns:
            What psql printed.
        """
        self._folder.mkdir(exist_ok=True)
        path = self._folder / ".s.PGSQL.5432"
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        with listener:
            listener.bind(str(path))
            listener.listen()
            thread = threading.Thread(target=self._accept, args=(listener,), daemon=True)
            thread.start()
            command = [str(self.cluster.bindir / "psql"), "-X", "-a", "-q", "-f", str(script)]
            command += ["-h", str(self._folder), "-p", "5432", "-U", "postgres", "-d", database]
            done = subprocess.run(
                command,
                env={**os.environ, **variables},
                cwd=self.cluster.scratch,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                encoding="utf-8",
                errors="replace",
                check=False,
            )
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
        if self._failure is not None:
            raise self._failure
        return done.stdout

    def _accept(self, listener: socket.socket) -> None:
        """Serve connections, each in a thread: psql closes one only after it has the next."""
        threads: list[threading.Thread] = []
        while True:
            try:
                end, _ = listener.accept()
            except OSError:
                break
            thread = threading.Thread(target=self._serve_or_fail, args=(Stream(end),), daemon=True)
            thread.start()
            threads.append(thread)
        for thread in threads:
            thread.join()

    def _serve_or_fail(self, client: Stream) -> None:
        """Serve a connection, and keep what goes wrong for who has started us."""
        try:
            self._serve(client)
        except BaseException as error:
            self._failure = error
            client.close()

    def _serve(self, client: Stream) -> None:
        """Relay a connection until psql closes it, or the server does."""
        end = socket.socket(socket.AF_UNIX)
        end.connect(self.cluster.socket)
        backend = Backend(end)
        try:
            backend.write(client.read_startup())
            status, _ = self._pass_answer(client, backend)
            while True:
                try:
                    message = client.read()
                except Closed:
                    return
                if message.kind == b"X":
                    backend.write(message.encode())
                    return
                status = self._pass_query(client, backend, message, status)
        except Closed:
            self.lost += 1
        finally:
            client.close()
            backend.close()

    def _pass_query(self, client: Stream, backend: Backend, message: Message, status: str) -> str:
        """Pass a query on, and its answer back; returns the status of the transaction then."""
        text = message.body[:-1].decode(errors="replace") if message.kind == b"Q" else ""
        if text:
            self._visit(backend, Query(text), status)
        backend.write(message.encode())
        status, data = self._pass_answer(client, backend)
        if text:
            self._leave(backend, Query(text, data), status)
        return status

    def _pass_answer(self, client: Stream, backend: Backend) -> tuple[str, bytes]:
        """Pass an answer back to its end, and the data of a COPY forth.

        Returns:
            The status of the transaction then, and the messages that brought data.
        """
        data = b""
        while True:
            message = backend.read()
            client.write(message.encode())
            if message.kind == b"Z":
                return message.body.decode(), data
            if message.kind == b"G":
                data += self._pass_data(client, backend)

    def _pass_data(self, client: Stream, backend: Backend) -> bytes:
        """Pass the data of a COPY to the server; returns the messages."""
        messages = []
        while True:
            message = client.read()
            messages.append(message.encode())
            backend.write(messages[-1])
            if message.kind in (b"c", b"f"):
                return b"".join(messages)
