"""Text in databases of the encodings UTF8, LATIN1 and SQL_ASCII, both ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql

from harness.sessions import Connect, Session

ENCODINGS = ["UTF8", "LATIN1", "SQL_ASCII"]

Given = Callable[[str, str], bytes | None]
Asked = Callable[[str, bytes], str]


@pytest.fixture(params=ENCODINGS)
def encoding(request: pytest.FixtureRequest) -> str:
    """The encoding of the database."""
    return str(request.param)


@pytest.fixture
def session(
    connect: Connect, create_database: Callable[[str], str], encoding: str
) -> Iterator[Session]:
    """A session that exchanges the very bytes of the database."""
    session = connect(create_database(encoding))
    session.execute("SET client_encoding = SQL_ASCII")
    with session.transaction(force_rollback=True):
        yield session


@pytest.fixture
def given(session: Session) -> Given:
    """Return the bytes that a column of a type has after it was given a Python expression."""

    def give(type_name: str, expression: str) -> bytes | None:
        with session.transaction(force_rollback=True):
            session.execute(
                sql.SQL(
                    "CREATE FOREIGN TABLE given (value {} OPTIONS (python {})) SERVER python"
                    " OPTIONS (wrapper 'values.Given')"
                ).format(sql.SQL(type_name), expression)
            )
            cursor = session.execute(
                "SELECT convert_to(value::text, getdatabaseencoding()) FROM given"
            )
            row = cursor.fetchone()
        assert row is not None
        value: bytes | None = row[0]
        return value

    return give


@pytest.fixture
def asked(session: Session, encoding: str) -> Asked:
    """Return what a wrapper is told about a query that looks for bytes, given as a parameter."""

    def ask(type_name: str, octets: bytes) -> str:
        with session.transaction(force_rollback=True):
            session.execute(
                sql.SQL(
                    "CREATE FOREIGN TABLE asked (value {}, python text) SERVER python"
                    " OPTIONS (wrapper 'values.Asked')"
                ).format(sql.SQL(type_name))
            )
            cursor = session.execute(
                sql.SQL(
                    "SELECT convert_to(python, getdatabaseencoding()) FROM asked"
                    " WHERE value = convert_from(%b, getdatabaseencoding())::{}"
                ).format(sql.SQL(type_name)),
                (octets,),
            )
            row = cursor.fetchone()
        assert row is not None, "the value came back as another"
        told: bytes = row[0]
        return told.decode("latin1" if encoding == "LATIN1" else "utf-8")

    return ask


def encode(text: str, encoding: str) -> bytes:
    """Return a text as a database of an encoding holds it."""
    return text.encode("latin1" if encoding == "LATIN1" else "utf-8")


@pytest.mark.parametrize("type_name", ["text", "varchar(5)", "char(5)", "name", "json", "text[]"])
def test_a_str_is_stored_in_the_encoding(given: Given, encoding: str, type_name: str) -> None:
    expression = {"json": "'\"caf\\xe9\"'", "text[]": "['caf\\xe9']"}.get(type_name, "'caf\\xe9'")
    stored = given(type_name, expression)
    assert stored is not None
    assert encode("caf\xe9", encoding) in stored


def test_a_json_document_is_dumped_in_the_encoding(given: Given, encoding: str) -> None:
    stored = given("jsonb", "{'caf\\xe9': ['\\xe9']}")
    assert stored == encode('{"caf\xe9": ["\xe9"]}', encoding)


def test_a_str_in_bytea_is_encoded(given: Given, encoding: str) -> None:
    assert given("bytea", "'caf\\xe9'") == b"\\x" + encode("caf\xe9", encoding).hex().encode()


def test_bytes_are_in_the_encoding(given: Given, encoding: str) -> None:
    octets = encode("caf\xe9", encoding)
    assert given("text", repr(octets)) == octets


def test_a_length_is_in_characters_but_in_sql_ascii_in_bytes(given: Given, encoding: str) -> None:
    for expression in ("'\\xe9' * 3", repr(encode("\xe9" * 3, encoding))):
        if encoding == "SQL_ASCII":
            with pytest.raises(errors.StringDataRightTruncation):
                given("varchar(3)", expression)
        else:
            assert given("varchar(3)", expression) == encode("\xe9" * 3, encoding)


def test_bytes_of_another_encoding(given: Given, encoding: str) -> None:
    """Only UTF8 can tell; in SQL_ASCII and LATIN1 every byte but NUL is a character."""
    if encoding == "UTF8":
        with pytest.raises(errors.CharacterNotInRepertoire) as caught:
            given("text", "b'caf\\xe9'")
        assert_names(caught.value, "bytes", "b'caf\\xe9'")
    else:
        assert given("text", "b'caf\\xe9'") == b"caf\xe9"


@pytest.mark.parametrize("expression", ["'a\\0b'", "b'a\\0b'"])
def test_no_encoding_holds_nul(given: Given, expression: str) -> None:
    with pytest.raises((errors.CharacterNotInRepertoire, errors.UntranslatableCharacter)) as caught:
        given("text", expression)
    assert_names(caught.value, "bytes" if expression.startswith("b") else "str", "a\\x00b")


@pytest.mark.parametrize("type_name", ["text", "varchar(9)", "name", "json", "text[]", "integer"])
def test_a_character_that_the_encoding_lacks(given: Given, encoding: str, type_name: str) -> None:
    expression = {"json": "'\"\\u20ac\"'", "text[]": "['\\u20ac']"}.get(type_name, "'\\u20ac'")
    if encoding == "LATIN1":
        with pytest.raises(errors.UntranslatableCharacter):
            given(type_name, expression)
    elif type_name == "integer":
        with pytest.raises(errors.InvalidTextRepresentation):
            given(type_name, expression)
    else:
        stored = given(type_name, expression)
        assert stored is not None
        assert "\u20ac".encode() in stored


@pytest.mark.parametrize("encoding", ["LATIN1"])
def test_the_error_about_a_character_names_column_type_and_value(given: Given) -> None:
    with pytest.raises(errors.UntranslatableCharacter) as caught:
        given("text", "'5 \\u20ac'")
    assert_names(caught.value, "str", "5 \\u20ac")


@pytest.mark.parametrize("text", ["\udcff", "caf\udce9", "\udce9 und \xe9"])
def test_a_surrogate_is_a_byte_in_sql_ascii_and_an_error_elsewhere(
    given: Given, encoding: str, text: str
) -> None:
    if encoding == "SQL_ASCII":
        assert given("text", ascii(text)) == text.encode("utf-8", "surrogateescape")
        assert (
            given("bytea", ascii(text))
            == b"\\x" + text.encode("utf-8", "surrogateescape").hex().encode()
        )
    else:
        with pytest.raises(errors.UntranslatableCharacter) as caught:
            given("text", ascii(text))
        assert_names(caught.value, "str", "\\udc")


@pytest.mark.parametrize("text", ["\ud800", "\udfff", "a\udbff"])
def test_a_surrogate_that_is_no_byte_is_an_error(given: Given, text: str) -> None:
    with pytest.raises(errors.UntranslatableCharacter) as caught:
        given("text", ascii(text))
    assert_names(caught.value, "str", ascii(text)[-5:-1])


@pytest.mark.parametrize("type_name", ["text", "varchar", "char(2)", "name"])
def test_python_gets_a_str(asked: Asked, encoding: str, type_name: str) -> None:
    octets = encode("\xe9", encoding)
    assert asked(type_name, octets) == "= '\xe9'"


@pytest.mark.parametrize("encoding", ["SQL_ASCII"])
def test_python_gets_bytes_that_are_not_utf8(session: Session) -> None:
    """As surrogateescape; they come back as the same bytes."""
    session.execute(
        "CREATE FOREIGN TABLE asked (value text, python text) SERVER python"
        " OPTIONS (wrapper 'values.Asked')"
    )
    cursor = session.execute(
        "SELECT python, convert_to(value, 'SQL_ASCII') FROM asked"
        " WHERE value = convert_from('\\x636166e9', 'SQL_ASCII')"
    )
    row = cursor.fetchone()
    assert row is not None
    assert decoded(row[0]) == "= 'caf\\udce9'"
    assert row[1] == b"caf\xe9"


def test_a_column_name_that_is_not_ascii(session: Session, encoding: str) -> None:
    octets = encode('"caf\xe9"', encoding)
    session.execute(
        b"CREATE FOREIGN TABLE named (" + octets + b" integer) SERVER python"
        b" OPTIONS (wrapper 'values.Given', rows '[{\"caf\\xe9\": 1}]')"
    )
    cursor = session.execute(b"SELECT " + octets + b" FROM named")
    assert cursor.fetchone() == (1,)


def decoded(value: Any) -> str:
    """Return text that psycopg may have left as bytes, as it does for SQL_ASCII."""
    return value.decode() if isinstance(value, bytes) else str(value)


def assert_names(error: psycopg.Error, python_type: str, value: str) -> None:
    """Check that an error says which value of which column it is about."""
    told = f"{error.diag.message_primary} {error.diag.message_detail} {error.diag.context}"
    assert 'column "value"' in told
    assert python_type in told
    assert value in told
