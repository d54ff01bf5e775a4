"""The options of a remote PostgreSQL: their names, places and values, and what follows from them.

Names, places, values and messages are those of postgres_fdw, so that its servers, mappings and
tables can be recreated as they are: https://www.postgresql.org/docs/current/postgres-fdw.html
Which keywords libpq has is written down here. Options can be set, and a database restored, where
neither psycopg nor libpq is installed; a keyword that the installed libpq is too old for is its
error at connecting.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar, cast

from multicorn import Error

if TYPE_CHECKING:
    from multicorn import ColumnDefinition
    from multicorn.utils import ForeignServer, ForeignTable

__all__ = [
    "MAPPING_OPTIONS",
    "ColumnSettings",
    "ConnectionSettings",
    "ImportSettings",
    "TableSettings",
    "check_after_connecting",
    "check_before_connecting",
    "connection_parameters",
    "conninfo",
    "validate",
    "validate_instance",
]

Place = Literal["server", "mapping", "table", "column", "import"]
Reader = Callable[[str, str], object]
T = TypeVar("T")

INVALID_OPTION_NAME = "HV00D"
INVALID_ATTRIBUTE_VALUE = "HV024"
INVALID_PARAMETER_VALUE = "22023"
SYNTAX_ERROR = "42601"
INSUFFICIENT_PRIVILEGE = "42501"
UNDEFINED_OBJECT = "42704"
PROHIBITED_STATEMENT = "2F003"

PLACES: dict[Place, str] = {
    "server": "a server",
    "mapping": "a user mapping",
    "table": "a foreign table",
    "column": "a column of a foreign table",
    "import": "IMPORT FOREIGN SCHEMA",
}

# The name of the function that calls `validate` when options are set.
VALIDATOR = "multicorn_postgres_validator"

# How the remote sees us where application_name is not set.
APPLICATION_NAME = "multicorn"

# A name that differs in more characters is not taken for a misspelling.
MOST_MISSPELT = 4

SAMPLING_METHODS = ("off", "auto", "random", "system", "bernoulli")

UNREACHABLE_ANSWERS = ("error", "skip")
MISSING_ANSWERS = ("error", "null")

INT_MAX = 2**31 - 1
LONGEST_IDENTIFIER = 63


# ---------- values ----------


def _error(
    message: str, sqlstate: str, detail: str | None = None, hint: str | None = None
) -> Error:
    """Return an error that says all there is to say: where it arose in Python helps nobody."""
    return Error(message, sqlstate=sqlstate, detail=detail, hint=hint, context="")


def read_text(name: str, value: str) -> str:
    """Return any text."""
    return value


def read_boolean(name: str, value: str) -> bool:
    """Return what a word for true or false means; the words are those of postgres_fdw."""
    word = value.lower()
    if word in ("true", "on"):
        return True
    if word in ("false", "off"):
        return False
    raise _error(f"{name} requires a Boolean value", SYNTAX_ERROR)


def read_positive_integer(name: str, value: str) -> int:
    """Return an integer above zero, as the server reads a setting without a unit."""
    number = _integer(value.strip(" \t\n\r\v\f"))
    if number is None or not -INT_MAX - 1 <= number <= INT_MAX:
        raise _error(f'invalid value for integer option "{name}": {value}', INVALID_PARAMETER_VALUE)
    if number <= 0:
        raise _error(
            f'"{name}" must be an integer value greater than zero', INVALID_PARAMETER_VALUE
        )
    return number


def _integer(text: str) -> int | None:
    """Return a number as C's strtol() reads it, or a decimal one rounded; None if it is none."""
    match = re.fullmatch("([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)", text)
    if match is not None:
        base = 16 if match[2][:2] in ("0x", "0X") else 8 if match[2][0] == "0" else 10
        return int(match[1] + match[2], base)
    if re.fullmatch(r"[+-]?((0[0-7]*|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
        number = float(text)
        return round(number) if math.isfinite(number) else None
    return None


def read_seconds(name: str, value: str) -> float:
    """Return a number above zero, as the server reads a setting without a unit."""
    number = _real(value.strip(" \t\n\r\v\f"))
    if number is None:
        raise _error(
            f'invalid value for floating point option "{name}": {value}', INVALID_PARAMETER_VALUE
        )
    if number <= 0:
        raise _error(
            f'"{name}" must be a floating point value greater than zero', INVALID_PARAMETER_VALUE
        )
    return number


def read_cost(name: str, value: str) -> float:
    """Return a number that is not negative, as the server reads a setting without a unit."""
    number = _real(value.strip(" \t\n\r\v\f"))
    if number is None:
        raise _error(
            f'invalid value for floating point option "{name}": {value}', INVALID_PARAMETER_VALUE
        )
    if number < 0:
        raise _error(
            f'"{name}" must be a floating point value greater than or equal to zero',
            INVALID_PARAMETER_VALUE,
        )
    return number


def _real(text: str) -> float | None:
    """Return a number as C's strtod() reads it, or None if it is none."""
    if re.fullmatch(r"[+-]?(inf|infinity)", text, re.IGNORECASE):
        return -math.inf if text.startswith("-") else math.inf
    try:
        if re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
            number = float(text)
        elif re.fullmatch(r"[+-]?0[xX][0-9a-fA-F]*\.?[0-9a-fA-F]*([pP][+-]?[0-9]+)?", text):
            number = float.fromhex(text)
        else:
            return None
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def read_extensions(name: str, value: str) -> tuple[str, ...]:
    """Return the names in a list of SQL identifiers that commas separate."""
    rest = value.strip(" \t\n\r\f")
    names: list[str] = []
    while rest or names:
        match = re.match(r'(?:"((?:[^"]|"")*)"|([^",\s][^,\s]*))\s*(,\s*|$)', rest)
        if match is None:
            raise _error(
                f'parameter "{name}" must be a list of extension names', INVALID_PARAMETER_VALUE
            )
        quoted, plain, comma = match.groups()
        names.append(_truncated(_folded(plain) if plain else quoted.replace('""', '"')))
        rest = rest[match.end() :]
        if not comma:
            break
    return tuple(names)


def _folded(identifier: str) -> str:
    """Return an identifier as SQL reads it without quotes."""
    return "".join(char.lower() if char.isascii() else char for char in identifier)


def _truncated(identifier: str) -> str:
    """Return the part of an identifier that counts."""
    octets = identifier.encode("utf-8", "surrogatepass")
    return octets[:LONGEST_IDENTIFIER].decode("utf-8", "ignore")


def read_sampling(name: str, value: str) -> str:
    """Return the name of a way to sample a table."""
    if value not in SAMPLING_METHODS:
        raise _error(f'invalid value for string option "{name}": {value}', INVALID_PARAMETER_VALUE)
    return value


def read_on_unreachable(name: str, value: str) -> str:
    """Return what a query does where the server cannot be reached."""
    return _read_word(name, value, UNREACHABLE_ANSWERS)


def read_on_missing(name: str, value: str) -> str:
    """Return what becomes of a column that the remote table lacks."""
    return _read_word(name, value, MISSING_ANSWERS)


def _read_word(name: str, value: str, words: Sequence[str]) -> str:
    """Return one of some words."""
    if value not in words:
        raise _error(
            f'invalid value for option "{name}": "{value}"',
            INVALID_ATTRIBUTE_VALUE,
            hint="Valid values are " + " and ".join(f'"{word}"' for word in words) + ".",
        )
    return value


def read_generated(name: str, value: str) -> str:
    """Return who gives a column its value; the bridge reads this option itself."""
    if value != "remote":
        raise _error(
            f'invalid value for option "{name}": "{value}"',
            INVALID_ATTRIBUTE_VALUE,
            hint='The only valid value is "remote".',
        )
    return value


# ---------- names and places ----------


@dataclass(frozen=True)
class Option:
    """An option.

    Attributes:
        places: where it may be set.
        read: turns its text into what it means, or raises; what is libpq's, libpq judges itself.
        libpq: the first version of libpq that has the keyword, 15 for older ones; 0 for options
            that are not libpq's.
        privileged: in a user mapping it is set by superusers only; password_required if false.
    """

    places: tuple[Place, ...]
    read: Reader = read_text
    libpq: int = 0
    privileged: bool = False


def _libpq(*keywords: str, version: int = 15) -> dict[str, Option]:
    """Return keywords of libpq that stand on the server."""
    return {keyword: Option(("server",), libpq=version) for keyword in keywords}


# Of libpq's keywords, these are absent, as in postgres_fdw: client_encoding and
# fallback_application_name, which the wrapper sets; replication, scram_client_key,
# scram_server_key and sslkeylogfile, which libpq keeps for programs and debugging; oauth_*, whose
# flow talks to the user on standard error.
OPTIONS: dict[str, Option] = {
    **_libpq("service", "passfile", "channel_binding", "connect_timeout", "dbname"),
    **_libpq("host", "hostaddr", "port", "options", "application_name"),
    **_libpq("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"),
    **_libpq("tcp_user_timeout", "sslmode", "sslcompression", "sslrootcert", "sslcrl", "sslcrldir"),
    **_libpq("sslsni", "requirepeer", "ssl_min_protocol_version", "ssl_max_protocol_version"),
    **_libpq("gssencmode", "krbsrvname", "gsslib", "target_session_attrs"),
    **_libpq("sslcertmode", "require_auth", "load_balance_hosts", version=16),
    **_libpq("sslnegotiation", version=17),
    **_libpq("min_protocol_version", "max_protocol_version", version=18),
    "user": Option(("mapping",), libpq=15),
    "password": Option(("mapping",), libpq=15),
    "sslpassword": Option(("mapping",), libpq=15),
    "sslcert": Option(("server", "mapping"), libpq=15, privileged=True),
    "sslkey": Option(("server", "mapping"), libpq=15, privileged=True),
    "gssdelegation": Option(("server", "mapping"), libpq=17),
    "password_required": Option(("mapping",), read_boolean, privileged=True),
    "use_scram_passthrough": Option(("server", "mapping"), read_boolean),
    "keep_connections": Option(("server",), read_boolean),
    "parallel_commit": Option(("server",), read_boolean),
    "parallel_abort": Option(("server",), read_boolean),
    "on_unreachable": Option(("server",), read_on_unreachable),
    "retry_after": Option(("server",), read_seconds),
    "fdw_startup_cost": Option(("server",), read_cost),
    "fdw_tuple_cost": Option(("server",), read_cost),
    "extensions": Option(("server",), read_extensions),
    "use_remote_estimate": Option(("server", "table"), read_boolean),
    "updatable": Option(("server", "table"), read_boolean),
    "truncatable": Option(("server", "table"), read_boolean),
    "async_capable": Option(("server", "table"), read_boolean),
    "on_missing": Option(("server", "table"), read_on_missing),
    "fetch_size": Option(("server", "table"), read_positive_integer),
    "batch_size": Option(("server", "table"), read_positive_integer),
    "analyze_sampling": Option(("server", "table"), read_sampling),
    "schema_name": Option(("table",)),
    "table_name": Option(("table",)),
    "column_name": Option(("column",)),
    "generated": Option(("column",), read_generated),
    "key": Option(("column",), read_boolean),
    "shippable": Option(("column",), read_boolean),
    "constant": Option(("column",)),
    "import_collate": Option(("import",), read_boolean),
    "import_default": Option(("import",), read_boolean),
    "import_generated": Option(("import",), read_boolean),
    "import_not_null": Option(("import",), read_boolean),
}

# Names that are refused where they might be expected, and why.
REFUSED = {
    "client_encoding": "It is always that of the database.",
    "fallback_application_name": "Set application_name.",
    "wrapper": "The foreign data wrapper has chosen the class.",
}

MAPPING_OPTIONS = tuple(name for name, option in OPTIONS.items() if "mapping" in option.places)
"""What a user mapping may set, also over the server: `mapping_options` of the class."""


def valid_names(place: Place) -> list[str]:
    """Return the options that may be set in a place."""
    return [name for name, option in OPTIONS.items() if place in option.places]


def validate(options: Mapping[str, str], catalog: Place, *, is_superuser: bool = True) -> None:
    """Check the options of one object, in their order.

    Args:
        options: the options as they are set, of any names.
        catalog: what the object is: server, (user) mapping, (foreign) table, column; or import,
            for those of an IMPORT FOREIGN SCHEMA statement.
        is_superuser: whether who sets them is a superuser.

    Raises:
        Error: with postgres_fdw's messages: HV00D (fdw_invalid_option_name) for a name that is
            unknown or belongs elsewhere; 22023 (invalid_parameter_value) or 42601 (syntax_error)
            for a value that cannot be; 42501 (insufficient_privilege) for what only superusers set.
    """
    for name, value in options.items():
        option = OPTIONS.get(name)
        if option is None or catalog not in option.places:
            raise _error(
                f'invalid option "{name}"', INVALID_OPTION_NAME, hint=_hint(name, option, catalog)
            )
        meaning = option.read(name, value)
        if option.privileged and catalog == "mapping" and not is_superuser:
            _refuse_privileged(name, meaning)


def _refuse_privileged(name: str, meaning: object) -> None:
    """Raise the error for an option in a mapping that only superusers set."""
    if name != "password_required":
        what, option = "sslcert and sslkey are", "the sslcert or sslkey options set"
    elif meaning is True:
        # Anyone may: it is the default, and an ALTER does not show what was there before.
        return
    else:
        what, option = "password_required=false is", "the password_required option set to false"
    raise _error(
        f"{what} superuser-only",
        INSUFFICIENT_PRIVILEGE,
        hint=f"User mappings with {option} may only be created or modified by the superuser.",
    )


def _hint(name: str, option: Option | None, catalog: Place) -> str:
    """Return what may have been meant by an option that is not valid where it stands."""
    if option is not None:
        places = " or ".join(PLACES[place] for place in option.places)
        return f'The option "{name}" belongs to {places}.'
    if name in REFUSED:
        return REFUSED[name]
    valid = valid_names(catalog)
    distance, closest = min((_distance(name, candidate), candidate) for candidate in valid)
    if distance <= min(MOST_MISSPELT, len(name) // 2):
        return f'Perhaps you meant the option "{closest}".'
    return f"Valid options in this context are: {', '.join(valid)}"


def _distance(one: str, other: str) -> int:
    """Return how many characters have to be put in, left out or replaced (Levenshtein)."""
    if abs(len(one) - len(other)) > MOST_MISSPELT:
        return MOST_MISSPELT + 1
    row = list(range(len(other) + 1))
    for index, char in enumerate(one, 1):
        left, diagonal = index, row[0]
        row[0] = index
        for column, candidate in enumerate(other, 1):
            left = min(left + 1, row[column] + 1, diagonal + (char != candidate))
            diagonal, row[column] = row[column], left
    return row[-1]


def validate_instance(
    server: ForeignServer,
    table: ForeignTable | None = None,
    columns: Mapping[str, ColumnDefinition] | None = None,
) -> None:
    """Check the options that an instance is made with, each where it was set.

    Behind a foreign data wrapper whose validator is not ours, nobody has looked at them before: a
    table could send the mapping's password to a host of its own, and anyone could write into a
    mapping that no password is needed. There, only a superuser's own mapping may say so.

    Args:
        server: the server, and the user of the instance.
        table: the foreign table; None for IMPORT FOREIGN SCHEMA.
        columns: the table's columns.

    Raises:
        Error: as `validate`.
    """
    validate(server.options, "server")
    validate(
        server.mapping_options,
        "mapping",
        is_superuser=server.is_superuser or server.validator == VALIDATOR,
    )
    if table is not None:
        validate(table.options, "table")
    for column in (columns or {}).values():
        validate(column.options, "column")


# ---------- typed settings ----------


def _read(options: Mapping[str, str], name: str, default: T) -> T:
    """Return what an option means, or the default if it is not set."""
    value = options.get(name)
    return default if value is None else cast(T, OPTIONS[name].read(name, value))


@dataclass(frozen=True)
class ConnectionSettings:
    """How a connection is treated.

    Attributes:
        keep_connections: it stays open for the session's next transactions.
        parallel_commit: several servers commit at the same time.
        parallel_abort: several servers roll back at the same time.
        password_required: False if a superuser has said so in the mapping of one who is none.
        on_unreachable: what a query does where the server cannot be reached, one of
            UNREACHABLE_ANSWERS; makes no other connection.
        retry_after: for how many seconds it then does not try again; likewise.
    """

    keep_connections: bool = True
    parallel_commit: bool = False
    parallel_abort: bool = False
    password_required: bool = True
    on_unreachable: str = field(default="error", compare=False)
    retry_after: float = field(default=60.0, compare=False)

    @classmethod
    def read(cls, options: Mapping[str, str]) -> ConnectionSettings:
        """Return the settings that options (of server, table and mapping) come to."""
        return cls(
            _read(options, "keep_connections", True),
            _read(options, "parallel_commit", False),
            _read(options, "parallel_abort", False),
            _read(options, "password_required", True),
            _read(options, "on_unreachable", "error"),
            _read(options, "retry_after", 60.0),
        )


@dataclass(frozen=True)
class TableSettings:
    """How a foreign table is read and written; the table's options go before the server's.

    Attributes:
        schema_name: the schema of the remote table.
        table_name: the name of the remote table.
        fetch_size: how many rows are asked for at a time; None for few at first, then more.
        batch_size: how many rows are sent at a time.
        updatable: rows may be written.
        truncatable: the table may be truncated.
        use_remote_estimate: the remote is asked what a query costs.
        startup_cost: what it costs to begin, in the planner's units.
        tuple_cost: what a row costs to come over, likewise.
        extensions: those whose functions and operators the remote has as well.
        analyze_sampling: how ANALYZE chooses its rows, one of SAMPLING_METHODS.
        async_capable: several tables may be read at the same time.
        on_missing: what becomes of a column that the remote table lacks, one of MISSING_ANSWERS.
    """

    schema_name: str
    table_name: str
    fetch_size: int | None = None
    batch_size: int = 1
    updatable: bool = True
    truncatable: bool = True
    use_remote_estimate: bool = False
    startup_cost: float = 100.0
    tuple_cost: float = 0.2
    extensions: tuple[str, ...] = ()
    analyze_sampling: str = "auto"
    async_capable: bool = False
    on_missing: str = "error"

    @classmethod
    def read(cls, options: Mapping[str, str], schema: str, name: str) -> TableSettings:
        """Return the settings that options come to.

        Args:
            options: of server, table and mapping.
            schema: the schema of the foreign table.
            name: the name of the foreign table.
        """
        return cls(
            _read(options, "schema_name", schema),
            _read(options, "table_name", name),
            _read(options, "fetch_size", None),
            _read(options, "batch_size", 1),
            _read(options, "updatable", True),
            _read(options, "truncatable", True),
            _read(options, "use_remote_estimate", False),
            _read(options, "fdw_startup_cost", 100.0),
            _read(options, "fdw_tuple_cost", 0.2),
            _read(options, "extensions", ()),
            _read(options, "analyze_sampling", "auto"),
            _read(options, "async_capable", False),
            _read(options, "on_missing", "error"),
        )


@dataclass(frozen=True)
class ColumnSettings:
    """What a column is on the remote side.

    Attributes:
        name: its name there.
        is_key: it belongs to the primary key.
        is_generated: the remote gives it its value.
        is_shippable: conditions on it mean the same on the remote.
    """

    name: str
    is_key: bool = False
    is_generated: bool = False
    is_shippable: bool = True

    @classmethod
    def read(cls, column: ColumnDefinition) -> ColumnSettings:
        """Return the settings that the options of a column come to."""
        return cls(
            _read(column.options, "column_name", column.column_name),
            _read(column.options, "key", False),
            "generated" in column.options,
            _read(column.options, "shippable", True),
        )


@dataclass(frozen=True)
class ImportSettings:
    """What IMPORT FOREIGN SCHEMA takes over.

    Attributes:
        collate: the collations of columns.
        default: the defaults of columns.
        generated: the expressions of generated columns.
        not_null: NOT NULL.
    """

    collate: bool = True
    default: bool = False
    generated: bool = True
    not_null: bool = True

    @classmethod
    def read(cls, options: Mapping[str, str]) -> ImportSettings:
        """Return the settings that the options of the statement come to.

        Raises:
            Error: as `validate`.
        """
        validate(options, "import")
        return cls(
            _read(options, "import_collate", True),
            _read(options, "import_default", False),
            _read(options, "import_generated", True),
            _read(options, "import_not_null", True),
        )


# ---------- what libpq gets ----------


def connection_parameters(
    options: Mapping[str, str], session: Mapping[str, object]
) -> dict[str, str]:
    """Return the keywords for libpq.

    An empty value counts as none, so that libpq takes its default, as it does for postgres_fdw.

    Args:
        options: of server and mapping; others among them do not matter.
        session: what `multicorn._bridge.bridge().session()` says of this session.

    Returns:
        Keyword -> value. It holds secrets.
    """
    parameters = {
        name: value
        for name, value in options.items()
        if value and name in OPTIONS and OPTIONS[name].libpq
    }
    name = expand_application_name(parameters.pop("application_name", ""), session)
    if name:
        parameters["application_name"] = name
    parameters["fallback_application_name"] = APPLICATION_NAME
    parameters["client_encoding"] = str(session["encoding"])
    return parameters


def expand_application_name(name: str, session: Mapping[str, object]) -> str:
    """Return an application_name with its escapes replaced; unknown ones vanish."""
    meanings = {
        "a": session["application_name"],
        "c": session["session_id"],
        "C": session["cluster_name"],
        "d": session["database"],
        "p": session["pid"],
        "u": session["user"],
        "%": "%",
    }
    return re.sub("%(.?)", lambda match: str(meanings.get(match[1], "")), name, flags=re.DOTALL)


def conninfo(parameters: Mapping[str, str]) -> str:
    """Return a connection string for libpq with each value quoted.

    In such a string libpq does not look for another one in dbname.
    """
    return " ".join(f"{name}='{_escaped(value)}'" for name, value in parameters.items())


def _escaped(value: str) -> str:
    """Return a value as it stands within the quotes of a connection string."""
    return value.replace("\\", "\\\\").replace("'", "\\'")


# ---------- who may connect ----------


class UsedPassword(Protocol):
    """What is asked of a connection: `psycopg.pq.PGconn`."""

    @property
    def used_password(self) -> bool:
        """Whether the remote has demanded a password, and got one."""


def check_before_connecting(
    server: ForeignServer, parameters: Mapping[str, str], password_required: bool
) -> None:
    """Refuse to connect for a user who brings no password.

    libpq would look for one elsewhere: in PGPASSWORD, in the files of the options passfile and
    service, and in those of the operating system user who runs the server. None of these are the
    user's. A password that is given goes before all of them.

    Args:
        server: the server, and the user.
        parameters: what libpq will get.
        password_required: `ConnectionSettings.password_required`.

    Raises:
        Error: 42704 (undefined_object) without a user mapping; 2F003
            (prohibited_sql_statement_attempted) without a password.
    """
    if not server.user_mapping_oid:
        raise _error(
            f'user mapping not found for user "{server.user}", server "{server.name}"',
            UNDEFINED_OBJECT,
        )
    if server.is_superuser or not password_required or parameters.get("password"):
        return
    raise _error(
        "password is required",
        PROHIBITED_STATEMENT,
        detail="Non-superusers must provide a password in the user mapping.",
    )


def check_after_connecting(
    pgconn: UsedPassword,
    server: ForeignServer,
    parameters: Mapping[str, str],
    password_required: bool,
) -> None:
    """Refuse a connection for which the user's password was not needed.

    The remote has then let in the operating system user who runs the server, by trust, peer,
    certificate or Kerberos ticket. The caller closes the connection.

    Args:
        pgconn: the connection, established.
        server: as for `check_before_connecting`.
        parameters: likewise.
        password_required: likewise.

    Raises:
        Error: 2F003 (prohibited_sql_statement_attempted).
    """
    if server.is_superuser or not password_required:
        return
    if pgconn.used_password and parameters.get("password"):
        return
    raise _error(
        "password is required",
        PROHIBITED_STATEMENT,
        detail="Non-superuser cannot connect if the server does not request a password.",
        hint="Target server's authentication method must be changed or password_required=false "
        "set in the user mapping attributes.",
    )
