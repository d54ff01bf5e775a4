"""Who may run code, and what hostile objects and settings cannot bring about."""

from __future__ import annotations

import json
from collections.abc import Iterator

import psycopg
import pytest

from harness import Cluster
from harness.sessions import Connect, Session

EVIL_PATH = "/tmp"


@pytest.fixture
def plain(server: Cluster) -> Iterator[str]:
    """A role with no rights but to log in."""
    server.run_sql("DROP ROLE IF EXISTS plain; CREATE ROLE plain LOGIN")
    server.run_sql(
        "DROP FOREIGN TABLE IF EXISTS given; CREATE FOREIGN TABLE given (name text, value text)"
        " SERVER python OPTIONS (wrapper 'given.Options', place 'table');"
        "GRANT SELECT ON given TO plain"
    )
    yield "plain"
    server.run_sql("DROP OWNED BY plain; DROP ROLE plain")


# --- Settings before the library is there -------------------------------------------------------

SETTINGS = {
    "multicorn.python_path": EVIL_PATH,
    "multicorn.virtualenv": EVIL_PATH,
    "multicorn.allowed_wrappers": "*",
    "multicorn.show_traceback": "off",
}


def notices_of(session: Session) -> list[str | None]:
    """A list that gets the messages of a session's notices and warnings."""
    notices: list[str | None] = []
    session.add_notice_handler(lambda notice: notices.append(notice.message_primary))
    return notices


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_that_nobody_knows_yet(
    server: Cluster, connect: Connect, plain: str, setting: str
) -> None:
    """Given before the library is loaded it is a mere name; then it counts for nothing."""
    value = SETTINGS[setting]
    in_force = server.run_sql(f"LOAD 'multicorn'; SHOW {setting}")
    # What a client asks for while it connects takes the place of the configuration file, and when
    # it is refused then only the default is left.
    default = server.run_sql(
        f"LOAD 'multicorn'; SELECT boot_val FROM pg_settings WHERE name = '{setting}'"
    )
    by_command = connect(user=plain)
    by_command.execute(f"SET {setting} = '{value}'")
    by_client = connect(user=plain, options=f"-c {setting}={value}")
    for session, left in ((by_command, in_force), (by_client, default)):
        assert session.execute(f"SHOW {setting}").fetchone() == (value,)
        notices = notices_of(session)
        session.execute("SELECT multicorn_reset()")
        assert f'permission denied to set parameter "{setting}"' in notices
        assert session.execute(f"SHOW {setting}").fetchone() == (left,)
    # What is kept for later sessions is asked for when it is set.
    session = connect(user=plain)
    for owner in (f"ROLE {plain}", "DATABASE postgres", f"ROLE {plain} IN DATABASE postgres"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute(f"ALTER {owner} SET {setting} = '{value}'")


def test_a_setting_that_was_granted(server: Cluster, connect: Connect, plain: str) -> None:
    """Then the role may set it in each of these ways, and take it back."""
    server.run_sql(
        f"LOAD 'multicorn'; GRANT SET ON PARAMETER multicorn.allowed_wrappers TO {plain}"
    )
    show = "SHOW multicorn.allowed_wrappers"
    by_command = connect(user=plain)
    by_command.execute("SET multicorn.allowed_wrappers = 'a.*'")
    by_client = connect(user=plain, options="-c multicorn.allowed_wrappers=a.*")
    by_command.execute(f"ALTER ROLE {plain} SET multicorn.allowed_wrappers = 'a.*'")
    by_role = connect(user=plain)
    for session in (by_command, by_client, by_role):
        assert session.execute("SELECT value FROM given").fetchone() == ("table",)
        assert session.execute(show).fetchone() == ("a.*",)
    # For the other settings it means nothing.
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        by_command.execute("SET multicorn.python_path = '/tmp'")


def test_settings_for_roles_and_databases(server: Cluster, connect: Connect, plain: str) -> None:
    """A superuser sets them for others, who cannot change them."""
    server.run_sql(
        f"LOAD 'multicorn'; ALTER ROLE {plain} SET multicorn.allowed_wrappers = 'for.role';"
        "ALTER DATABASE postgres SET multicorn.show_traceback = off"
    )
    try:
        session = connect(user=plain)
        session.execute("SELECT value FROM given")
        assert session.execute("SHOW multicorn.allowed_wrappers").fetchone() == ("for.role",)
        assert session.execute("SHOW multicorn.show_traceback").fetchone() == ("off",)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute("SET multicorn.allowed_wrappers = '*'")
    finally:
        server.run_sql("ALTER DATABASE postgres RESET multicorn.show_traceback")


# --- Hostile objects ----------------------------------------------------------------------------

# In the schema of the installation and before everything on the search path. Who owns the schema
# has overloaded what the scripts call, and taken the names of the types that they mention.
HOSTILE = """
    CREATE ROLE mallory;
    CREATE SCHEMA hostile AUTHORIZATION mallory;
    SET ROLE mallory;
    CREATE DOMAIN hostile.fdw_handler AS int;
    CREATE DOMAIN hostile.text AS int;
    CREATE DOMAIN hostile.oid AS int;
    CREATE DOMAIN hostile.regclass AS int;
    CREATE DOMAIN hostile.record AS int;
    CREATE FUNCTION hostile.multicorn_handler(int) RETURNS int LANGUAGE sql AS 'SELECT 666';
    CREATE FUNCTION hostile.multicorn_validator(hostile.text[], hostile.oid) RETURNS void
        LANGUAGE sql AS '';
    CREATE FUNCTION hostile.multicorn_validator(pg_catalog.text[], bigint) RETURNS void
        LANGUAGE sql AS '';
    CREATE FUNCTION hostile.multicorn_postgres_validator(pg_catalog.text[], VARIADIC int[])
        RETURNS void LANGUAGE sql AS '';
    CREATE FUNCTION hostile.always(pg_catalog.text, pg_catalog.text) RETURNS bool
        LANGUAGE sql AS 'SELECT true';
    CREATE OPERATOR hostile.= (LEFTARG = pg_catalog.text, RIGHTARG = pg_catalog.text,
        FUNCTION = hostile.always);
    RESET ROLE;
    SET search_path = hostile, pg_catalog;
"""

MEMBERS = """
    SELECT json_object_agg(i.identity, json_build_object(
        'owner', pg_get_userbyid(
            coalesce(p.proowner, w.fdwowner, c.relowner, t.typowner)),
        'library', p.probin,
        'types', (SELECT array_agg(DISTINCT n.nspname) FROM
            unnest(p.prorettype || p.proargtypes::oid[] || coalesce(p.proallargtypes, '{}')) t,
            pg_type y, pg_namespace n WHERE y.oid = t AND n.oid = y.typnamespace),
        'handler', w.fdwhandler::regprocedure, 'validator', w.fdwvalidator::regprocedure))
    FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'multicorn'
        LEFT JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
        LEFT JOIN pg_foreign_data_wrapper w
            ON d.classid = 'pg_foreign_data_wrapper'::regclass AND w.oid = d.objid
        LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
        LEFT JOIN pg_type t ON d.classid = 'pg_type'::regclass AND t.oid = d.objid,
        pg_identify_object(d.classid, d.objid, 0) i
    WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
"""


@pytest.fixture
def hostile(server: Cluster) -> Iterator[str]:
    """A database with hostile objects in it."""
    server.createdb("hostile")
    server.run_sql(HOSTILE, database="hostile")
    yield "hostile"
    server.dropdb("hostile")
    server.run_sql("DROP ROLE mallory")


@pytest.mark.parametrize("version", ["the newest", "0.9.0"])
def test_installing_among_hostile_objects(server: Cluster, hostile: str, version: str) -> None:
    """The extension is made of its own functions and PostgreSQL's types, whatever else is there."""
    path = "SET search_path = hostile, pg_catalog;"
    install = "CREATE EXTENSION multicorn SCHEMA hostile"
    if version == "the newest":
        server.run_sql(f"{path} {install}", database=hostile)
    else:
        server.run_sql(f"{path} {install} VERSION '{version}'", database=hostile)
        server.run_sql(f"{path} ALTER EXTENSION multicorn UPDATE", database=hostile)
    members = json.loads(server.run_sql(MEMBERS, database=hostile))
    functions = [row for row in members.values() if row["library"] is not None]
    wrappers = [row for row in members.values() if row["handler"] is not None]
    assert len(functions) >= 9 and len(wrappers) == 2
    assert {row["owner"] for row in members.values()} == {"postgres"}
    assert {row["library"] for row in functions} == {"$libdir/multicorn"}
    assert all(row["types"] in (["pg_catalog"], None) for row in members.values())
    assert {row["handler"] for row in wrappers} == {"hostile.multicorn_handler()"}
    assert {row["validator"] for row in wrappers} == {
        "hostile.multicorn_validator(text[],oid)",
        "hostile.multicorn_postgres_validator(text[],oid)",
    }
    # It works there, with that search path.
    used = server.run_sql(
        f"{path} CREATE SERVER s FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'given.Options');"
        "CREATE FOREIGN TABLE t (name pg_catalog.text, value pg_catalog.text) SERVER s"
        " OPTIONS (place 'table'); SELECT value FROM t; SELECT running FROM multicorn_status();",
        database=hostile,
    )
    assert used == "table\nt"
    # To drop it leaves what is not its own.
    left = server.run_sql(
        f"{path} DROP EXTENSION multicorn CASCADE;"
        "SELECT pg_catalog.count(*) FROM pg_proc WHERE proname LIKE 'multicorn%'",
        database=hostile,
    )
    assert left == "4"


@pytest.mark.parametrize("version", ["1.0.0", "0.9.0"])
def test_a_function_that_is_in_the_way(server: Cluster, hostile: str, version: str) -> None:
    """One of the very name and arguments is an error: nothing of another's is replaced or taken."""
    wanted = server.run_sql(
        "CREATE EXTENSION multicorn SCHEMA public;"
        "SELECT p.oid::regprocedure FROM pg_proc p WHERE probin = '$libdir/multicorn';",
        database=hostile,
    ).splitlines()
    server.run_sql("DROP EXTENSION multicorn", database=hostile)
    for function in wanted:
        server.run_sql(
            f"SET ROLE mallory; CREATE FUNCTION hostile.{function} RETURNS int LANGUAGE sql"
            " AS 'SELECT 666'",
            database=hostile,
        )
        update = "ALTER EXTENSION multicorn UPDATE" if version == "0.9.0" else ""
        done = server.psql(
            "\\set ON_ERROR_STOP\n"
            f"CREATE EXTENSION multicorn SCHEMA hostile VERSION '{version}'; {update};",
            database=hostile,
        )
        assert f'function "{function.partition("(")[0]}" already exists' in done.stderr
        result = server.run_sql(
            "DROP EXTENSION IF EXISTS multicorn;"
            f"SELECT prosrc FROM pg_proc WHERE oid = 'hostile.{function}'::regprocedure;"
            f"DROP FUNCTION hostile.{function}",
            database=hostile,
        )
        assert result == "SELECT 666"


def test_operators_of_the_callers_schema(server: Cluster, connect: Connect, plain: str) -> None:
    """What the session finds under the name of an operator or type changes nothing of ours."""
    with connect() as session:
        session.execute("DROP SCHEMA IF EXISTS evil CASCADE; CREATE SCHEMA evil")
        for name, sign in (("eq", "="), ("lt", "<"), ("like", "~~")):
            for kind in ("text", "int", "oid", "name"):
                session.execute(
                    f"CREATE FUNCTION evil.{name}({kind}, {kind}) RETURNS bool LANGUAGE plpgsql"
                    " AS 'BEGIN RAISE ''evil''; END';"
                    f"CREATE OPERATOR evil.{sign} (LEFTARG = {kind}, RIGHTARG = {kind},"
                    f" FUNCTION = evil.{name})"
                )
        session.execute(
            "CREATE DOMAIN evil.text AS int; CREATE DOMAIN evil.int4 AS pg_catalog.text"
        )
        try:
            session.execute("SET search_path = evil, public, pg_catalog")
            # The instance, its options and its columns, the view of them, reset and status.
            assert session.execute("SELECT value FROM given").fetchone() == ("table",)
            assert session.execute("ANALYZE given").statusmessage == "ANALYZE"
            assert session.execute("SELECT count(*) FROM multicorn_instances()").fetchone() == (1,)
            assert session.execute("SELECT multicorn_reset()").fetchone() == (1,)
            # An operator of the caller's is the caller's, and not taken for the built-in one.
            with pytest.raises(psycopg.errors.RaiseException, match="evil"):
                session.execute("SELECT value FROM given WHERE name = 'place'::pg_catalog.text")
            session.execute("RESET search_path")
        finally:
            session.execute("DROP SCHEMA evil CASCADE")
