"""The connections of the session: which there are, listed, and closed on demand."""

from __future__ import annotations

from collections.abc import Mapping

from multicorn.postgresfdw._absence import Skipped, absences
from multicorn.postgresfdw._connection import CheckBefore, Connection, ConnectionSettings
from multicorn.postgresfdw._link import CheckAfter
from multicorn.utils import WARNING, ForeignServer, log_to_postgres

__all__ = ["Connections", "connections"]

# The OIDs of server and user mapping; valid, used_in_xact, closed, remote_backend_pid.
Listed = tuple[int, int, bool, bool, bool, int]


class Connections:
    """The connections of the session, one per user mapping."""

    def __init__(self) -> None:
        self._connections: dict[tuple[int, int, int, bool], Connection] = {}

    def get(
        self,
        server: ForeignServer,
        parameters: Mapping[str, str],
        settings: ConnectionSettings,
        *,
        check_before: CheckBefore | None = None,
        check_after: CheckAfter | None = None,
    ) -> Connection:
        """Return the connection of a user mapping; it connects at its first use.

        Other parameters or settings than those of last time count from the next transaction on.
        A superuser does not share a connection with other users of a mapping of PUBLIC, since
        other checks hold for them.

        Args:
            server: the foreign server and the user.
            parameters: libpq's keywords and their values.
            settings: what the server's options say beside them.
            check_before: called with the parameters before connecting; raises to refuse.
            check_after: called with a new connection, before anything is sent; raises to refuse.

        Returns:
            The connection; call its `release` when it is not needed any more.
        """
        mapping = server.user_mapping_oid
        key = (mapping, 0, 0) if mapping else (0, server.oid, server.user_oid)
        connection = self._connections.get((*key, server.is_superuser))
        if connection is None:
            connection = Connection(server, parameters, settings)
            self._connections[(*key, server.is_superuser)] = connection
        connection.ask(server, parameters, settings, check_before, check_after)
        return connection

    def all(self) -> list[Connection]:
        """Return all connections, open or not."""
        return list(self._connections.values())

    def listed(self) -> list[Listed]:
        """Return what multicorn_postgres_get_connections() shows of each open connection."""
        return [
            (
                connection.server.oid,
                connection.server.user_mapping_oid,
                connection.is_valid,
                connection.is_open_in_transaction,
                connection.is_closed,
                connection.remote_backend_pid,
            )
            for connection in self.all()
            if connection.is_open
        ]

    def skipped(self) -> list[Skipped]:
        """Return the servers that the last statement did without, for multicorn_skipped()."""
        return absences.listed()

    def disconnect(self, server_oid: int) -> bool:
        """Close the connections to a server, and return whether there were any to close.

        One that is in use by the transaction stays, with a WARNING.
        """
        return self._disconnect([one for one in self.all() if one.server.oid == server_oid])

    def disconnect_all(self) -> bool:
        """Close all connections, and return whether there were any to close."""
        return self._disconnect(self.all())

    def _disconnect(self, connections: list[Connection]) -> bool:
        """Close those of some connections that are open and not in use."""
        closed = False
        for connection in connections:
            if connection.is_open_in_transaction:
                log_to_postgres(
                    f'cannot close connection for server "{connection.server.name}" because it is'
                    " still in use",
                    WARNING,
                )
            elif connection.is_open:
                connection.close()
                closed = True
        return closed

    def close_all(self) -> None:
        """Leave all servers, at the end of the session."""
        for connection in self.all():
            connection.close()


connections = Connections()
