"""Answers to the planner that run code of their own while they are looked at."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from harness.sessions import Connect

MODULE = '''
from multicorn import ForeignDataWrapper, SortKey


class Equal:
    """Equal to anything, as often as it likes."""

    def __init__(self, times):
        self.times = times

    def __eq__(self, other):
        self.times -= 1
        if self.times < 0:
            raise ValueError("not any more")
        return True

    __hash__ = None


class Busy:
    """Neither equal nor true: it never comes to an end."""

    def __eq__(self, other):
        while True:
            pass

    def __bool__(self):
        while True:
            pass

    __hash__ = None


class Answers(ForeignDataWrapper):
    def __init__(self, options, columns):
        super().__init__(options, columns)
        self.options = options

    def answer(self, name, otherwise):
        return eval(self.options[name]) if name in self.options else otherwise

    def can_sort(self, sortkeys):
        return self.answer("sort", [])

    def can_filter(self, filters):
        return self.answer("filter", [])

    def can_limit(self, limit, offset):
        return self.answer("limit", False)

    def execute(self, quals, columns, **keywords):
        return [(1,), (2,)]
'''
QUERY = b"SELECT id FROM answers WHERE id > 0 ORDER BY id LIMIT 1"


def run(connect: Connect, add_module: Callable[[str], str], options: str) -> object:
    """Run the query with a wrapper whose options say what it answers; return the first value."""
    wrapper = f"{add_module(MODULE)}.Answers"
    with connect() as session:
        session.execute(b"SET client_min_messages = warning")
        session.execute(b"DROP SERVER IF EXISTS answers CASCADE")
        session.execute(
            f"CREATE SERVER answers FOREIGN DATA WRAPPER multicorn"
            f" OPTIONS (wrapper '{wrapper}', {options})".encode()
        )
        session.execute(b"CREATE FOREIGN TABLE answers (id int) SERVER answers")
        session.execute(b"SET statement_timeout = '1s'")
        row = session.execute(QUERY).fetchone()
        return row[0] if row else None


@pytest.mark.parametrize("method", ["sort", "filter"])
def test_comparing_an_answer_may_raise(
    connect: Connect, add_module: Callable[[str], str], method: str
) -> None:
    with pytest.raises(psycopg.Error, match="ValueError: not any more") as caught:
        run(connect, add_module, f"\"{method}\" '[Equal(0)]'")
    assert f"method can_{method}" in str(caught.value.diag.context)


def test_an_equal_key_is_the_key(connect: Connect, add_module: Callable[[str], str]) -> None:
    assert run(connect, add_module, "sort '[Equal(1)]'") == 1


@pytest.mark.parametrize(
    "options",
    [
        "sort '[Busy()]'",
        "filter '[Busy()]'",
        "sort '[SortKey(\"id\", 1)]', filter '[Equal(9)]', \"limit\" 'Busy()'",
    ],
)
def test_looking_at_an_answer_can_be_interrupted(
    connect: Connect, add_module: Callable[[str], str], options: str
) -> None:
    with pytest.raises(psycopg.errors.QueryCanceled):
        run(connect, add_module, options)
