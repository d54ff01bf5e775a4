"""Secrets stay out of messages, and messages have a form that can be sent."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Iterator

import pytest

from multicorn import _text
from multicorn._server import redact, remember_secrets
from multicorn._text import LONGEST, clean, exposed_secrets, is_secret_name, safe_str


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    _text._forms.clear()
    yield
    _text._forms.clear()


SECRET_NAMES = """
    password passwd pwd pass passphrase passcode secret token key apikey credential credentials
    PASSWORD Password db_password sslpassword password2 authtoken auth_token accessToken
    bearer-token api_key apiKey APIKey API_KEY aws_secret_access_key AWSSecretKey access_key_id
    private_key encryptionkey client.secret smtp_pass tokens secret_column sslkey
    primary_key_password
"""

ORDINARY_NAMES = """
    user username login host keyspace primary_key primaryKey primarykey key_column rowid_key
    foreign_keys partition_key sort_key keyboard tokenizer secretary compass bypass passenger
    path url columns
"""


@pytest.mark.parametrize("name", SECRET_NAMES.split())
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


def test_secrets_that_every_role_can_read() -> None:
    """Those by their names, unless they answer yes or no, and those within other values."""
    exposed = {
        "password": "x",
        "apiKey": "abc",
        "url": "https://me:pw@host/",
        "dsn": "host=h password='p w'",
    }
    harmless = {
        "key": "true",
        "password_required": "No",
        "token": "",
        "secret": "********",
        "keys": "a, b",
        "primary_key": "a",
        "host": "example.org",
        "place": "https://me@host/",
        "where": "a = b",
    }
    assert exposed_secrets({**harmless, **exposed}) == list(exposed)


@pytest.mark.parametrize("name", ORDINARY_NAMES.split())
def test_names_of_what_is_no_secret(name: str) -> None:
    assert not is_secret_name(name)


def test_value_is_hidden_wherever_it_stands() -> None:
    remember_secrets({"password": "hunter2hunter2", "user": "somebody", "api_key": "abcdefgh"})
    assert redact("xhunter2hunter2x abcdefgh, somebody") == "x********x ********, somebody"
    assert redact("nothing here") == "nothing here"


def test_short_value_is_hidden_where_it_stands_alone() -> None:
    remember_secrets({"password": "cat"})
    assert redact("cat concatenate cat_ cat's 'cat' bobcat cat") == (
        "******** concatenate cat_ ********'s '********' bobcat ********"
    )


@pytest.mark.parametrize("value", ["", "false", "True", "on", "***"])
def test_values_that_are_not_worth_hiding(value: str) -> None:
    remember_secrets({"password_required": value})
    assert redact(f"{value} is {value}") == f"{value} is {value}"


def test_overlapping_secrets_leave_nothing() -> None:
    remember_secrets({"a_key": "abcdefghXX", "b_key": "XXijklmnop", "c_key": "abcdefgh"})
    assert redact("-abcdefghXXijklmnop-abcdefgh-") == "-********-********-"


HARD = 'it\'s "x" \\ \n\té\U0001f600 %/+&'


@pytest.mark.parametrize(
    "text",
    [
        HARD,
        repr(HARD),
        ascii(HARD),
        repr(repr(HARD)),
        repr(HARD.encode()),
        repr({"password": HARD}),
        repr('it\'s "quoted": ' + HARD),
        json.dumps(HARD),
        json.dumps(HARD, ensure_ascii=False),
        urllib.parse.quote(HARD),
        urllib.parse.quote(HARD, safe=""),
        urllib.parse.quote_plus(HARD),
        "'" + HARD.replace("'", "''") + "'",
        "'" + HARD.replace("\\", "\\\\").replace("'", "\\'") + "'",
    ],
)
def test_value_is_hidden_in_every_form(text: str) -> None:
    remember_secrets({"password": HARD})
    hidden = redact(f"<{text}>")
    assert "********" in hidden
    assert len(hidden) < len('<it\\\\\'s "quoted": "">') + len("********")
    assert "%" not in hidden


@pytest.mark.parametrize(
    ("value", "secret"),
    [
        ("postgresql://me:s3cretpass@host:5432/db", "s3cretpass"),
        ("postgresql+psycopg://me:s3cret%40pass@host/db", "s3cret@pass"),
        ("https://host/path?user=me&api_key=s3cretpass&x=1", "s3cretpass"),
        ("host=h password=s3cretpass user=me", "s3cretpass"),
        ("host=h password = 's3cret pass' user=me", "s3cret pass"),
        (r"host=h password='s3cret\'pass' user=me", "s3cret'pass"),
        ("Server=h;PWD={s3cret;pass};UID=me", "s3cret;pass"),
    ],
)
def test_passwords_within_other_options(value: str, secret: str) -> None:
    remember_secrets({"dsn": value})
    assert redact(f"login with {secret} failed") == "login with ******** failed"
    assert secret not in redact(value)
    assert "host" not in value or "host" in redact(value)


def test_surroundings_of_a_url_are_shown() -> None:
    remember_secrets({"url": "https://host:8080/path?email=a@b", "other": "a=b"})
    assert redact("https://host:8080/path?email=a@b") == "https://host:8080/path?email=a@b"


def test_clean() -> None:
    remember_secrets({"password": "hunter2hunter2"})
    assert clean("a\0b") == "a\\x00b"
    assert clean("a\udcffb\ud800é") == "a\\udcffb\\ud800é"
    long = clean("x" * LONGEST + "hunter2hunter2" + "y" * LONGEST)
    assert len(long) < LONGEST + 100
    assert long.startswith("xxx")
    assert long.endswith("yyy")
    assert "characters left out" in long
    # A secret is not half shown where the text is cut.
    for shift in range(1, 14):
        edge = LONGEST * 3 // 4 - shift
        assert "hunter" not in clean("x" * edge + "hunter2hunter2" + "y" * LONGEST)


def test_safe_str() -> None:
    class Bad:
        def __str__(self) -> str:
            raise RuntimeError("no")

    class Text(str):
        __slots__ = ()

    assert safe_str(Bad()) == "<Bad without text: str() raised RuntimeError>"
    assert type(safe_str(Text("x"))) is str
