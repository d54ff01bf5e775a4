"""Wrappers that have something to say."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from multicorn import ColumnDefinition, ForeignDataWrapper, Qual
from multicorn.utils import CRITICAL, DEBUG, ERROR, INFO, WARNING, MulticornException
from multicorn.utils import log_to_postgres as say

logger = logging.getLogger("sayings")


class Odd:
    """An object that is no text, and not even has one."""

    def __str__(self) -> str:
        raise ValueError("no words")


def levels() -> None:
    """Say something at each level that raises nothing."""
    say("a debug message", DEBUG)
    say("an info message", INFO)
    say("info is the default")
    say("a warning", WARNING)


def hints() -> None:
    """Say more."""
    say("a message", WARNING, hint="a hint", detail="a detail")
    say("a message", hint="only a hint")
    say("a message", detail="only a detail")


def in_between() -> None:
    """Use levels that have no name."""
    say("level 1", 1)
    say("level 25", 25)
    say("level 39", logging.WARNING + 9)


def objects() -> None:
    """Say things that are no str."""
    say(42)
    say(None)
    say({"a": [1]})
    say(b"bytes")
    say(ValueError("an exception"))
    say("percent %s %d %n, braces {}, a\0NUL, a lone \udc80, a \U0001f600")
    say("")
    say("two\nlines")
    say(Odd())
    say("objects", hint=5, detail=Odd())  # type: ignore[arg-type]


def error() -> None:
    """Raise an error."""
    say("an error", ERROR, hint="the hint", detail="the detail")


def caught_error() -> None:
    """Raise an error, and catch it."""
    try:
        say("an error that is caught", ERROR)
    except MulticornException as caught:
        say(f"caught: {caught}")


def no_level() -> None:
    """Use a level that is none."""
    say("what?", "loud")  # type: ignore[arg-type]


def records() -> None:
    """Use the module logging."""
    logger.debug("not seen: the root logger stays at WARNING")
    logger.info("not seen either")
    logger.warning("a warning, with %s", "arguments")
    logger.error("an error record is a WARNING")
    logger.critical("so is a critical one")
    logger.log(35, "between the levels")
    logging.getLogger("sayings.below").warning("of a logger below")
    logging.warning("of the root logger")
    logger.warning("percent %d %n without arguments")


def bad_records() -> None:
    """Use it wrongly: logging is not to raise, whatever it is given."""
    logging.raiseExceptions = False
    logger.warning("%d", "no number")
    logger.warning(Odd())
    logging.raiseExceptions = True
    say("done")


def chosen_level() -> None:
    """Let more records through."""
    logger.setLevel(logging.DEBUG)
    logger.info("now an info record is seen")
    logger.debug("and a debug record")
    logger.setLevel(logging.NOTSET)
    say(f"root logger: {logging.getLevelName(logging.getLogger().level)}")


def cautions() -> None:
    """Use the module warnings."""
    warnings.simplefilter("always")
    warnings.warn("something is odd", UserWarning, stacklevel=1)
    warnings.warn("something is old", DeprecationWarning, stacklevel=1)


def cautions_as_errors() -> None:
    """Have warnings raise."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.warn("something is very odd", UserWarning, stacklevel=1)


def prints() -> None:
    """Use print."""
    print("a line")
    print("two", "words", sep="-")
    print("first line\nsecond line")
    print("no ", end="")
    print("newline ", end="")
    print("yet")
    print()
    print("carriage return\r")
    print(42, None)
    sys.stdout.write("written\n")
    print("flushed", end="", flush=True)
    print(" and then")
    print("never ended", end="")


def nothing() -> None:
    """Say nothing."""


WHAT: dict[str, Callable[[], None]] = {
    function.__name__: function
    for function in (
        levels,
        hints,
        in_between,
        objects,
        error,
        caught_error,
        no_level,
        records,
        bad_records,
        chosen_level,
        cautions,
        cautions_as_errors,
        prints,
        nothing,
    )
}


class Saying(ForeignDataWrapper):
    """A table of one row, (n int); option `what` is what execute says."""

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        super().__init__(options, columns)
        self.say = WHAT[options["what"]]

    def execute(self, quals: list[Qual], columns: list[str]) -> list[Any]:
        """Say it, and return the row."""
        self.say()
        return [(1,)]


class Everywhere:
    """A table of two rows that says which of its methods is called, by print without newline."""

    def __init__(self, options: dict[str, str], columns: dict[str, ColumnDefinition]) -> None:
        print("constructor", end="")

    def execute(self, quals: list[Qual], columns: list[str]) -> Iterator[dict[str, int]]:
        """Yield the rows."""
        for number in (1, 2):
            print(f"row {number}", end="")
            yield {"n": number}
        print("end", end="")

    def end_scan(self) -> None:
        """End the scan."""
        print("end_scan", end="")

    def close(self) -> None:
        """Close the instance."""
        print("close", end="")


LEVELS = (DEBUG, INFO, WARNING, ERROR, CRITICAL)


class Levels(ForeignDataWrapper):
    """A table of one row with the values of the levels."""

    def execute(self, quals: list[Qual], columns: list[str]) -> list[tuple[str]]:
        """Return the row."""
        same = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)
        return [(f"{LEVELS} {same == LEVELS}",)]
