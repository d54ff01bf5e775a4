"""Connections for the user of a server: for the instance of a table, or for one question."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from multicorn._bridge import bridge
from multicorn.postgresfdw._connection import Connection
from multicorn.postgresfdw._connections import connections
from multicorn.postgresfdw._options import (
    ConnectionSettings,
    check_after_connecting,
    check_before_connecting,
    connection_parameters,
    validate_instance,
)
from multicorn.postgresfdw._transactions import own_transaction
from multicorn.utils import ForeignServer, current_foreign_server

__all__ = ["connect_later", "visit"]


def connect_later(server: ForeignServer, options: Mapping[str, str]) -> Connection:
    """Return the connection for a user, which is not made yet; it is to be released.

    Args:
        server: the server, and the user.
        options: those of server and mapping; others among them do not matter.
    """
    backend = bridge()
    session = backend.session() if backend is not None else {}
    parameters = connection_parameters(options, session)
    settings = ConnectionSettings.read(options)
    required = settings.password_required
    return connections.get(
        server,
        parameters,
        settings,
        check_before=lambda given: check_before_connecting(server, given, required),
        check_after=lambda pgconn: check_after_connecting(pgconn, server, parameters, required),
    )


@contextmanager
def visit(options: Mapping[str, str]) -> Iterator[tuple[ForeignServer, Connection]]:
    """Ask the current server something where no instance takes part in the transaction.

    Args:
        options: those of server and mapping.

    Raises:
        Error: an option is unknown or wrong.
    """
    server = current_foreign_server()
    validate_instance(server)
    connection = connect_later(server, options)
    try:
        with own_transaction(connection):
            yield server, connection
    finally:
        connection.release()
