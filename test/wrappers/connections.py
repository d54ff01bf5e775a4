"""A connection of multicorn.postgresfdw, driven by queries.

`SELECT answer FROM table WHERE command = '...'` evaluates a Python expression, in which the
connection and the functions below are known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from psycopg import pq

from multicorn import ColumnDefinition, ForeignDataWrapper, Qual
from multicorn.postgresfdw import _connection, _link, _transactions
from multicorn.postgresfdw._connection import Connection
from multicorn.postgresfdw._connections import connections
from multicorn.utils import current_foreign_server

KEYWORDS = (
    *("host", "hostaddr", "port", "dbname", "user", "password", "passfile", "connect_timeout"),
    *("options", "application_name", "client_encoding"),
)


@dataclass(frozen=True)
class Settings:
    """What the options say beside libpq's keywords."""

    keep_connections: bool = True
    parallel_commit: bool = False
    on_unreachable: str = "error"
    retry_after: float = 60.0


class Reader:
    """An owner that fetches, and keeps the results when it is asked to yield."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.kept: list[Any] = []
        self.yields = 0

    def send(self, sql: str, *arguments: Any, **keywords: Any) -> None:
        self.connection.send(self, sql, *arguments, **keywords)

    def yield_connection(self) -> None:
        self.yields += 1
        self.kept += self.connection.results(self)

    def values(self) -> list[str | None]:
        """Return the first column of the results."""
        results, self.kept = self.kept, []
        if not results:
            results = self.connection.results(self)
        return [
            None if (value := result.get_value(row, 0)) is None else value.decode()
            for result in results
            for row in range(result.ntuples)
        ]


class Copier:
    """An owner that copies, and ends its COPY when it is asked to yield."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.rows = -1

    def yield_connection(self) -> None:
        self.rows = self.connection.copy_end(self)


# What a session keeps from one query to the next.
kept: dict[str, Any] = {}


class Driven(ForeignDataWrapper):
    """A table whose columns are `command` and `answer`."""

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        self.connection = connections.get(
            current_foreign_server(),
            {name: value for name, value in options.items() if name in KEYWORDS},
            Settings(
                options.get("keep_connections") != "off", options.get("parallel_commit") == "on"
            ),
            check_before=self.check_before,
            check_after=self.check_after,
        )
        self.refuse = options.get("refuse")

    def check_before(self, parameters: Any) -> None:
        if self.refuse == "before":
            raise ValueError("refused before")

    def check_after(self, pgconn: pq.abc.PGconn) -> None:
        if self.refuse == "after":
            raise ValueError("refused after")

    def execute(self, quals: list[Qual], columns: list[str]) -> Iterator[dict[str, Any]]:
        """Evaluate the commands."""
        for qual in quals:
            if qual.field_name == "command":
                yield {"command": qual.value, "answer": self.evaluate(qual.value)}

    def evaluate(self, command: str) -> str:
        names = {
            "connection": self.connection,
            "connections": connections,
            "module": _connection,
            "link": _link,
            "transactions": _transactions,
            "value": self.value,
            "swallow": self.swallow,
            "in_own_transaction": self.in_own_transaction,
            "keep": kept.__setitem__,
            "kept": kept,
            "Reader": Reader,
            "Copier": Copier,
        }
        return str(eval(command, names))

    def value(self, sql: str, *arguments: Any) -> str | None:
        """Return the first value that a query finds."""
        rows = self.connection.query(sql, *arguments)
        return rows[0][0] if rows else None

    def swallow(self, sql: str) -> str:
        """Return what goes wrong."""
        try:
            self.connection.execute(sql)
        except Exception as error:
            return str(error)
        return "nothing"

    def in_own_transaction(self, *commands: str) -> str | None:
        """Run commands as IMPORT FOREIGN SCHEMA would."""
        with _transactions.own_transaction(self.connection):
            for command in commands:
                answer = self.value(command) if command.startswith("SELECT") else None
                if answer is None:
                    self.connection.execute(command)
        return answer

    def pre_commit(self) -> None:
        _transactions.pre_commit()

    def commit(self) -> None:
        _transactions.commit()

    def rollback(self) -> None:
        _transactions.rollback()

    def sub_commit(self, level: int) -> None:
        _transactions.sub_commit(level)

    def sub_rollback(self, level: int) -> None:
        _transactions.sub_rollback(level)

    def close(self) -> None:
        self.connection.release()
