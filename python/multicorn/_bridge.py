"""The built-in module `_multicorn`, which exists only in a server's backend."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Protocol, cast

    class Bridge(Protocol):
        """What the C side offers. The constants are PostgreSQL's message levels."""

        DEBUG1: int
        LOG: int
        NOTICE: int
        WARNING: int
        FATAL: int
        Interrupt: type[BaseException]
        python_path_place: str

        def log(self, elevel: int, message: str, detail: str | None, hint: str | None) -> None:
            """Send a message; FATAL, and a failure to send, raise a BaseException."""

        def execute(
            self, sql: str, parameters: tuple[Any, ...]
        ) -> tuple[
            tuple[tuple[str, ...], tuple[int, ...]] | None, list[tuple[Any, ...]] | None, int
        ]:
            """Run SQL; return names and type OIDs of its columns, its rows, and their number."""

        def check_interrupts(self) -> None:
            """Raise Interrupt if the query is to end."""

        def on_interrupt(self, signum: int, frame: FrameType | None) -> None:
            """Handle SIGINT."""

        def active(self) -> bool:
            """Return whether a method of a wrapper is on the stack."""

        def output_pending(self) -> None:
            """Have flush() called at the next boundary; callable from any thread."""

        def is_main_thread(self) -> bool:
            """Return whether this is the backend's own thread; callable from any."""

        def transaction_id(self) -> tuple[int, int]:
            """Return the cluster's system identifier and the transaction's ID."""

        def session(self) -> dict[str, str]:
            """Return what the session is.

            Its application_name, cluster_name, user, database, pid, session_id as in
            log_line_prefix, and the encoding of the database.
            """

        def in_transaction(self) -> bool:
            """Return whether a transaction runs that was not decided and has not failed."""

        def nest_level(self) -> int:
            """Return 1 in a transaction, 2 in its first savepoint, and so on."""

        def transaction_number(self) -> int:
            """Return a number that the transaction shares with no other one of the session."""

        def isolation_level(self) -> str:
            """Return the isolation level of the transaction, as SQL writes it, in lower case."""

        def reading(self) -> tuple[bool, int, int]:
            """Return which query `execute` is called for.

            Whether its answer may lack rows, if a server cannot be reached; a number that it shares
            with no other query of the session; and one that stands for what the client has sent.
            """

        def on_unreachable(self) -> str:
            """Return the setting multicorn.on_unreachable."""

        def type_exists(self, name: str) -> bool:
            """Return whether there is a type of that name, as SQL writes it, schema included."""

        def collation_exists(self, schema: str, name: str) -> bool:
            """Return whether a schema has a collation that suits the encoding of the database."""

        def transaction_status(self, system: int, number: int) -> str | None:
            """Return what pg_xact_status() says about a transaction."""

        def replace_method(self, cls: type, name: str, method: Any) -> None:
            """Set an attribute of a type, also of one of a C library."""

        def use_libpq(self, library: str, result_rows: type) -> None:
            """Read results by the libpq in a library that is loaded; ImportError if it has none."""


def bridge() -> Bridge | None:
    """Return the built-in module, or None outside a server."""
    module = sys.modules.get("_multicorn")
    if TYPE_CHECKING:
        return cast("Bridge | None", module)
    return module
