"""The options of a remote PostgreSQL, beside postgres_fdw's and in plain Python."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from harness import Cluster
from harness.sessions import Connect, Session
from multicorn import ColumnDefinition, Error
from multicorn.postgresfdw import _options as options
from multicorn.utils import ForeignServer, ForeignTable

PACKAGE = Path(options.__file__).parents[2]

Options = Mapping[str, str]
EMPTY: Options = {}

# The major version of PostgreSQL with which postgres_fdw, or libpq, got an option.
SINCE = {
    "analyze_sampling": 16,
    "parallel_abort": 16,
    "gssdelegation": 17,
    "use_scram_passthrough": 18,
}

# What postgres_fdw does not have.
OURS_ALONE = frozenset(
    ("constant", "key", "generated", "shippable", "on_missing", "on_unreachable", "retry_after")
)

VALUES: dict[options.Reader, tuple[str, ...]] = {
    options.read_boolean: (
        *("true", "false", "on", "off", "TRUE", "Off", "oN", " true", "t", "f", "yes", "no"),
        *("1", "0", "2", "", "maybe", "truely"),
    ),
    options.read_positive_integer: (
        *("1", "100", "2147483647", "2147483648", "-2147483648", "-2147483649", "0", "-1", "+5"),
        *("", " ", " 7", "7 ", "7 kB", "7kB", "0x1F", "0X1f", "0x", "010", "08", "08.5", "010.5"),
        *("1.5", "0.5", "0.4", "1e3", "1E3", "1e", "e3", ".5", ".7", "5.", "1e10", "inf", "nan"),
        *("1_000", "many", "--1", "١", "1,000", "-0", "1e400"),
    ),
    options.read_cost: (
        *("0", "1", "0.2", "100", "-1", "-0", "-0.0", "+1", "1e3", "1e", "1e400", "inf", "-inf"),
        *("Infinity", "nan", "NaN", "", " ", " 1", "1 ", "1 kB", "1ms", "0x10", "0x1.8p1", "1_0"),
        *(".5", "5.", ".", "much", "١"),
    ),
    options.read_extensions: (
        *("", " ", "plpgsql", "PLPGSQL", '"plpgsql"', '"PLPGSQL"', "plpgsql, plpgsql", "none"),
        *("none,", ",none", "one two", '"one two"', '"one', 'one"two', '"one"two', '""', "one;two"),
        *(" one , two ", "one,,two", '"a""b"', "x" * 70, "Ä"),
    ),
    options.read_sampling: ("off", "auto", "random", "system", "bernoulli", "Auto", "", "on"),
    options.read_text: ("anything", ""),
}

OBJECTS = {
    "server": "ALTER SERVER {0}_server OPTIONS (ADD {1} {2})",
    "mapping": "ALTER USER MAPPING FOR CURRENT_USER SERVER {0}_server OPTIONS (ADD {1} {2})",
    "table": "ALTER FOREIGN TABLE {0}_table OPTIONS (ADD {1} {2})",
    "column": "ALTER FOREIGN TABLE {0}_table ALTER a OPTIONS (ADD {1} {2})",
}

# Those of libpq that nobody may set, and names that nobody has.
OTHER_NAMES = (
    *("client_encoding", "fallback_application_name", "replication", "scram_client_key"),
    *("scram_server_key", "sslkeylogfile", "oauth_issuer", "oauth_client_id"),
    *("oauth_client_secret", "oauth_scope", "authtype", "tty", "nothing", "Host", "", "fetchsize"),
    *("import_collate", "import_default", "import_generated", "import_not_null"),
)


@dataclass(frozen=True)
class Verdict:
    """What a server says to a statement: SQLSTATE and message, and the warnings before."""

    sqlstate: str | None
    message: str
    warnings: tuple[str, ...]


class Judge:
    """Sets options behind both foreign data wrappers, and takes them back."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.warnings: list[str] = []
        session.add_notice_handler(lambda notice: self.warnings.append(str(notice.message_primary)))

    def verdict(self, statement: str) -> Verdict:
        """Return what the server says to a statement, which is rolled back."""
        self.warnings.clear()
        state, message = None, ""
        try:
            with self.session.transaction(force_rollback=True):
                self.session.execute(statement.encode())
        except psycopg.Error as error:
            state, message = error.sqlstate, str(error.diag.message_primary)
        return Verdict(state, message, tuple(self.warnings))

    def verdicts(self, statement: str, name: str, value: str) -> tuple[Verdict, Verdict]:
        """Return what ours and postgres_fdw say to an option."""
        quoted = name.replace('"', '""')
        literal = value.replace("'", "''")
        return (
            self.verdict(statement.format("ours", f'"{quoted}"', f"'{literal}'")),
            self.verdict(statement.format("theirs", f'"{quoted}"', f"'{literal}'")),
        )


@pytest.fixture(scope="module")
def database(server: Cluster) -> str:
    """A database in which both foreign data wrappers have the same objects."""
    server.createdb("both_wrappers")
    server.run_sql(
        "CREATE EXTENSION multicorn; CREATE EXTENSION postgres_fdw; CREATE ROLE both_user;"
        + "".join(
            f"CREATE SERVER {name}_server FOREIGN DATA WRAPPER {wrapper};"
            f"GRANT USAGE ON FOREIGN SERVER {name}_server TO both_user;"
            f"CREATE USER MAPPING FOR postgres SERVER {name}_server;"
            f"CREATE USER MAPPING FOR both_user SERVER {name}_server;"
            f"CREATE FOREIGN TABLE {name}_table (a int) SERVER {name}_server;"
            for name, wrapper in (("ours", "multicorn_postgres"), ("theirs", "postgres_fdw"))
        ),
        database="both_wrappers",
    )
    return "both_wrappers"


@pytest.fixture
def judge(connect: Connect, database: str) -> Judge:
    return Judge(connect(database))


def known_to(server: Cluster, name: str) -> bool:
    """Return whether the server's postgres_fdw and libpq are new enough for an option."""
    option = options.OPTIONS.get(name)
    since = SINCE.get(name, option.libpq if option is not None else 0)
    return since <= server.version // 10000


@pytest.mark.parametrize("place", OBJECTS)
def test_names_are_accepted_where_postgres_fdw_accepts_them(
    server: Cluster, judge: Judge, place: str
) -> None:
    for name in (*options.OPTIONS, *OTHER_NAMES):
        if name in OURS_ALONE or not known_to(server, name):
            continue
        option = options.OPTIONS.get(name)
        value = VALUES[option.read][0] if option is not None else "true"
        ours, theirs = judge.verdicts(OBJECTS[place], name, value)
        assert ours == theirs, name


def test_values_are_accepted_that_postgres_fdw_accepts(server: Cluster, judge: Judge) -> None:
    for name, option in options.OPTIONS.items():
        place = next((place for place in option.places if place in ("server", "mapping")), None)
        if place is None or name in OURS_ALONE or not known_to(server, name):
            continue
        for value in VALUES[option.read]:
            ours, theirs = judge.verdicts(OBJECTS[place], name, value)
            assert ours == theirs, (name, value)


def test_a_user_may_set_what_postgres_fdw_lets_it_set(server: Cluster, judge: Judge) -> None:
    judge.session.execute("SET ROLE both_user")
    for name in options.MAPPING_OPTIONS:
        if not known_to(server, name):
            continue
        for value in ("true", "false"):
            ours, theirs = judge.verdicts(OBJECTS["mapping"], name, value)
            assert ours == theirs, (name, value)
    for place in ("server", "table", "column"):
        ours, theirs = judge.verdicts(OBJECTS[place], "wrong", "value")
        assert ours.sqlstate == theirs.sqlstate == "42501"


def test_every_keyword_of_libpq_is_known() -> None:
    """What this libpq has is accepted, or absent for a reason."""
    from psycopg import pq

    absent = {name for name in OTHER_NAMES if name}
    for keyword in pq.Conninfo.get_defaults():
        name = keyword.keyword.decode()
        if name not in absent:
            assert options.OPTIONS[name].libpq, name
            secret = b"*" in keyword.dispchar or name == "user"
            assert ("server" in options.OPTIONS[name].places) is not secret, name


# ---------- in plain Python ----------


def error_of(call: Any, *arguments: Any, **keywords: Any) -> Error:
    with pytest.raises(Error) as caught:
        call(*arguments, **keywords)
    return caught.value


def test_validation_needs_no_psycopg() -> None:
    """A database is restored before psycopg is installed."""
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from multicorn._server import validate_postgres\n"
        "validate_postgres({'host': 'x', 'fetch_size': '5'}, 'server', True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={"PYTHONPATH": str(PACKAGE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("name", "place", "hint"),
    [
        ("hots", "server", 'Perhaps you meant the option "host".'),
        ("tablename", "table", 'Perhaps you meant the option "table_name".'),
        ("host", "table", 'The option "host" belongs to a server.'),
        ("sslkey", "table", 'The option "sslkey" belongs to a server or a user mapping.'),
        (
            "import_default",
            "server",
            'The option "import_default" belongs to IMPORT FOREIGN SCHEMA.',
        ),
        (
            "x",
            "column",
            "Valid options in this context are: column_name, generated, key, shippable, constant",
        ),
    ],
)
def test_a_wrong_name_has_a_hint(name: str, place: options.Place, hint: str) -> None:
    error = error_of(options.validate, {name: "value"}, place)
    assert (error.sqlstate, error.message) == ("HV00D", f'invalid option "{name}"')
    assert error.hint == hint


def test_options_mean_what_they_say() -> None:
    given = {
        "fetch_size": "0x10",
        "batch_size": "1e3",
        "updatable": "off",
        "truncatable": "False",
        "use_remote_estimate": "ON",
        "fdw_startup_cost": "1.5",
        "fdw_tuple_cost": "0",
        "extensions": 'PostGIS, "Mixed""Case"',
        "analyze_sampling": "system",
        "async_capable": "true",
        "on_missing": "null",
        "table_name": "Remote",
        "host": "ignored",
    }
    settings = options.TableSettings.read(given, "local", "name")
    assert settings == options.TableSettings(
        *("local", "Remote", 16, 1000, False, False, True, 1.5, 0.0),
        *(("postgis", 'Mixed"Case'), "system", True, "null"),
    )
    assert options.TableSettings.read({}, "s", "t") == options.TableSettings("s", "t")
    assert options.ConnectionSettings.read({}) == options.ConnectionSettings()
    assert options.ConnectionSettings.read(
        {"keep_connections": "off", "parallel_commit": "on", "password_required": "false"}
    ) == options.ConnectionSettings(False, True, False, False)
    skipping = options.ConnectionSettings.read({"on_unreachable": "skip", "retry_after": "1.5"})
    assert (skipping.on_unreachable, skipping.retry_after) == ("skip", 1.5)
    # What does not concern the connection makes no other one.
    assert skipping == options.ConnectionSettings()
    assert options.ImportSettings.read({}) == options.ImportSettings()
    assert options.ImportSettings.read(
        {"import_collate": "off", "import_default": "on"}
    ) == options.ImportSettings(False, True, True, True)
    assert error_of(options.ImportSettings.read, {"import_all": "on"}).sqlstate == "HV00D"
    column = ColumnDefinition("a", options={"column_name": "A", "key": "true"})
    assert options.ColumnSettings.read(column) == options.ColumnSettings("A", True, False)
    assert options.ColumnSettings.read(ColumnDefinition("a")).name == "a"


SESSION = {
    "application_name": "psql",
    "session_id": "65a.1f",
    "cluster_name": "main",
    "database": "db",
    "pid": 42,
    "user": "me",
    "encoding": "LATIN1",
}


def test_libpq_gets_its_keywords_alone() -> None:
    given = {"host": "h", "port": "", "user": "u", "password": "p'\\w", "fetch_size": "5"}
    parameters = options.connection_parameters(given, SESSION)
    assert parameters == {
        "host": "h",
        "user": "u",
        "password": "p'\\w",
        "fallback_application_name": "multicorn",
        "client_encoding": "LATIN1",
    }
    assert options.conninfo(parameters).startswith("host='h' user='u' password='p\\'\\\\w' ")


@pytest.mark.parametrize(
    "value", ["plain", "it's", "back\\slash", "a b", "dbname=other host=evil", "ä"]
)
def test_a_connection_string_says_what_it_was_made_of(value: str) -> None:
    from psycopg.conninfo import conninfo_to_dict

    parameters = {"dbname": value, "password": value}
    assert conninfo_to_dict(options.conninfo(parameters)) == parameters


@pytest.mark.parametrize(
    ("name", "expanded"),
    [
        ("plain", "plain"),
        ("%a|%c|%C|%d|%p|%u|%%", "psql|65a.1f|main|db|42|me|%"),
        ("%%a %z%", "%a "),
    ],
)
def test_escapes_of_application_name(name: str, expanded: str) -> None:
    parameters = options.connection_parameters({"application_name": name}, SESSION)
    assert parameters["application_name"] == expanded


def test_an_application_name_that_comes_to_nothing_is_left_out() -> None:
    assert "application_name" not in options.connection_parameters(
        {"application_name": "%z"}, SESSION
    )


def foreign_server(
    *,
    user_mapping_oid: int = 1,
    is_superuser: bool = False,
    options: Options = EMPTY,
    mapping_options: Options = EMPTY,
    validator: str | None = "multicorn_validator",
) -> ForeignServer:
    return ForeignServer(
        *("remote", 1, "me", 2, user_mapping_oid, is_superuser),
        *(options, mapping_options, validator),
    )


@dataclass(frozen=True)
class Connection:
    used_password: bool


def test_who_brings_no_password_does_not_connect() -> None:
    check = options.check_before_connecting
    for parameters in ({}, {"password": ""}, {"passfile": "/home/postgres/.pgpass"}):
        error = error_of(check, foreign_server(), parameters, True)
        assert (error.sqlstate, error.message) == ("2F003", "password is required")
    check(foreign_server(), {"password": "p"}, True)
    check(foreign_server(), {}, False)
    check(foreign_server(is_superuser=True), {}, True)
    error = error_of(check, foreign_server(user_mapping_oid=0, is_superuser=True), {}, True)
    assert error.sqlstate == "42704"


def test_a_connection_that_needed_no_password_is_refused() -> None:
    check = options.check_after_connecting
    given = {"password": "p"}
    for connection, parameters in ((Connection(False), given), (Connection(True), {})):
        error = error_of(check, connection, foreign_server(), parameters, True)
        assert (error.sqlstate, error.message) == ("2F003", "password is required")
    check(Connection(True), foreign_server(), given, True)
    check(Connection(False), foreign_server(), given, False)
    check(Connection(False), foreign_server(is_superuser=True), {}, True)


def test_behind_another_validator_each_option_is_checked_where_it_was_set() -> None:
    def check(
        server: Options = EMPTY,
        table: Options = EMPTY,
        mapping: Options = EMPTY,
        column: Options = EMPTY,
        **keywords: Any,
    ) -> str | None:
        place = foreign_server(options=server, mapping_options=mapping, **keywords)
        columns = {"a": ColumnDefinition("a", options=dict(column))}
        try:
            options.validate_instance(place, ForeignTable("s", "t", 1, place, table), columns)
        except Error as error:
            return error.sqlstate
        return None

    assert check(server={"host": "h"}, table={"table_name": "t"}, mapping={"user": "u"}) is None
    assert check(table={"host": "evil"}) == "HV00D"
    assert check(server={"password": "p"}) == "HV00D"
    assert check(mapping={"host": "evil"}) == "HV00D"
    assert check(column={"value_form": "text"}) == "HV00D"
    assert check(mapping={"sslcert": "file"}) == "42501"
    mapping = {"password_required": "false"}
    assert check(mapping=mapping) == "42501"
    assert check(mapping=mapping, validator=None) == "42501"
    assert check(mapping=mapping, validator=options.VALIDATOR) is None
    assert check(mapping=mapping, is_superuser=True) is None
