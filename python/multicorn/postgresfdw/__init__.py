"""Tables of other PostgreSQL servers, through libpq.

CREATE SERVER other FOREIGN DATA WRAPPER multicorn_postgres
    OPTIONS (host 'db.example', dbname 'shop');
CREATE USER MAPPING FOR CURRENT_USER SERVER other OPTIONS (user 'me', password 'secret');
IMPORT FOREIGN SCHEMA public FROM SERVER other INTO shop;

Options are those of postgres_fdw: see docs/postgres.md. psycopg 3 is needed by whoever reads or
writes, and by nobody who only creates tables: so it is imported with the class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from multicorn import Error

if TYPE_CHECKING:
    from multicorn.postgresfdw._wrapper import PostgresFdw

__all__ = ["PostgresFdw"]


def __getattr__(name: str) -> object:
    """Import the class when it is asked for."""
    if name != "PostgresFdw":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from multicorn.postgresfdw._wrapper import PostgresFdw
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("psycopg"):
            raise
        raise Error(
            "tables of other PostgreSQL servers need psycopg 3",
            hint="Install it for the Python of the server: package python3-psycopg on Debian and"
            " Ubuntu, or pip install psycopg.",
        ) from error
    return PostgresFdw
