"""Wrappers that fail: where the option `where` says, with the exception that `error` names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from multicorn import ColumnDefinition, Error, ForeignDataWrapper, Qual
from multicorn.utils import MulticornException

from_before: list[str] = []


class Speechless(Exception):
    """An exception that has nothing to say about itself."""

    def __str__(self) -> str:
        raise ValueError("no words")

    __repr__ = __str__


class WithState(Exception):
    """An exception that has a SQLSTATE, as those of PostgreSQL drivers have."""

    def __init__(self, state: object) -> None:
        super().__init__("it has a state")
        self.sqlstate = state


class Diagnostics:
    """What a PostgreSQL driver knows about an error."""

    message_detail = "the driver's detail"
    message_hint = "the driver's hint"


class DriverError(Exception):
    """An error of a PostgreSQL driver."""

    pgcode = "23505"
    diag = Diagnostics()


ERRORS: dict[str, Callable[[], BaseException]] = {
    "ValueError": lambda: ValueError("something is wrong"),
    "empty": ValueError,
    "KeyError": lambda: KeyError("name"),
    "MemoryError": MemoryError,
    "ConnectionError": lambda: ConnectionError("the other side has gone"),
    "ConnectionRefusedError": lambda: ConnectionRefusedError(111, "Connection refused"),
    "TimeoutError": lambda: TimeoutError("too late"),
    "NotImplementedError": lambda: NotImplementedError("some day"),
    "OSError": lambda: FileNotFoundError(2, "No such file or directory", "/nowhere"),
    "SystemExit": lambda: SystemExit(3),
    "KeyboardInterrupt": KeyboardInterrupt,
    "GeneratorExit": GeneratorExit,
    "StopIteration": lambda: StopIteration("enough"),
    "BaseException": lambda: BaseException("at the bottom"),
    "group": lambda: ExceptionGroup("two things", [ValueError("one"), TypeError("two")]),
    "Speechless": Speechless,
    "odd text": lambda: ValueError("a\0NUL, a lone \udc80, a \U0001f600, %s %d %n {}"),
    "lines": lambda: ValueError("first line\nsecond line\n"),
    "Error": lambda: Error("the message"),
    "Error in full": lambda: Error(
        "row is locked", sqlstate="55P03", detail="By another session.", hint="Wait for it."
    ),
    "Error of no str": lambda: Error(["a", "list"]),
    "MulticornException": lambda: MulticornException("by its old name"),
    "state 42P01": lambda: WithState("42P01"),
    "state 00000": lambda: WithState("00000"),
    "state 5": lambda: WithState(5),
    "state ?": lambda: WithState("oops!"),
    "driver": lambda: DriverError(
        "duplicate key\nDETAIL:  the driver's detail\nHINT:  the driver's hint"
    ),
}


def fail(name: str) -> None:
    """Raise the exception of this name."""
    raise ERRORS[name]()


class Picky:
    """A value that cannot be converted to text."""

    def __init__(self, error: str) -> None:
        self.error = error

    def __str__(self) -> str:
        fail(self.error)
        return ""


class Broken(ForeignDataWrapper):
    """A table of the numbers 1 to 5 in a column `n`, if it worked; `t` is a text."""

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        self.where = options.get("where", "")
        self.error = options.get("error", "ValueError")
        self.fail_in("constructor")

    def fail_in(self, place: str) -> None:
        """Fail if this is the place for it."""
        if self.where == place:
            fail(self.error)

    def execute(self, quals: list[Qual], columns: list[str]) -> Any:
        """Return the rows."""
        self.fail_in("execute")
        return Iterable(self) if self.where == "iter" else self.rows()

    def rows(self) -> Iterator[Any]:
        """Yield the rows."""
        try:
            for number in range(1, 6):
                if number == 3:
                    self.fail_in("row 3")
                last = number == 5 and self.where == "conversion"
                yield {"n": number, "t": Picky(self.error) if last else "text"}
        finally:
            self.fail_in("finally")
            if self.where == "yield in finally":
                yield {"n": 0}

    def end_scan(self) -> None:
        """End the scan."""
        self.fail_in("end_scan")

    def close(self) -> None:
        """Close the instance."""
        self.fail_in("close")


class Iterable:
    """An iterable that fails when it is asked for its iterator."""

    def __init__(self, broken: Broken) -> None:
        self.broken = broken

    def __iter__(self) -> Iterator[Any]:
        self.broken.fail_in("iter")
        return iter([])


class Calling(ForeignDataWrapper):
    """A wrapper that fails deep in a function, because of another error."""

    def execute(self, quals: list[Qual], columns: list[str]) -> Iterator[Any]:
        """Yield a row, then fail."""
        yield {"n": 1}
        self.translate("two")

    def translate(self, word: str) -> int:
        """Return the number of a word."""
        try:
            return {"one": 1}[word]
        except KeyError as error:
            raise ValueError(f"unknown word {word!r}") from error


class Abstract(ForeignDataWrapper):
    """A wrapper that has forgotten execute."""


class NoExecute:
    """One that does not even inherit it."""

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        pass


class ExecuteIsNoMethod(NoExecute):
    """One whose execute cannot be called."""

    execute = 5


class NoArguments:
    """One whose constructor takes no arguments."""

    def execute(self, quals: list[Qual], columns: list[str]) -> list[Any]:
        """Return no rows."""
        return []


class Telling(ForeignDataWrapper):
    """A wrapper that is careless with its secrets."""

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        self.options = dict(options)

    def execute(self, quals: list[Qual], columns: list[str]) -> Any:
        """Say all that it knows, and fail with it."""
        print(self.options["auth_token"], repr(self.options["password"]))
        raise Error(
            f"cannot connect: {self.options}",
            detail=f"password={self.options['password']}",
            hint=f"try another one than {self.options['password']!r}",
        )


class Endless(ForeignDataWrapper):
    """A wrapper that calls itself."""

    def execute(self, quals: list[Qual], columns: list[str]) -> Any:
        """Call itself."""
        return self.execute(quals, columns)
