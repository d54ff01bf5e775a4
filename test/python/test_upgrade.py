"""ALTER EXTENSION ... UPDATE leaves what a fresh installation does, and nothing is lost by it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import Cluster

SOURCE = Path(__file__).resolve().parents[2]

# What 0.9.0 consists of. It is not to grow: what is new belongs into a script that updates.
FIRST_VERSION = "0.9.0"
FIRST_OBJECTS = {
    "foreign-data wrapper multicorn",
    "foreign-data wrapper multicorn_postgres",
    "function public.multicorn_handler()",
    "function public.multicorn_postgres_disconnect(pg_catalog.text)",
    "function public.multicorn_postgres_disconnect_all()",
    "function public.multicorn_postgres_get_connections()",
    "function public.multicorn_postgres_validator(pg_catalog.text[],pg_catalog.oid)",
    "function public.multicorn_validator(pg_catalog.text[],pg_catalog.oid)",
}

# Each member with its row of its catalog, comment and initial privileges.
MEMBERS = """
    SELECT json_agg(json_build_object(
        'class', d.classid::regclass, 'oid', d.objid::text, 'name', i.type || ' ' || i.identity,
        'comment', obj_description(d.objid, d.classid::regclass::name),
        'definition', CASE d.classid WHEN 'pg_proc'::regclass THEN pg_get_functiondef(d.objid)
            WHEN 'pg_class'::regclass THEN pg_get_viewdef(d.objid) END,
        'privileges', (SELECT initprivs FROM pg_init_privs p
                       WHERE (p.classoid, p.objoid, p.objsubid) = (d.classid, d.objid, 0))))
    FROM pg_depend d, pg_extension e, pg_identify_object(d.classid, d.objid, d.objsubid) i
    WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
        AND e.extname = 'multicorn'
"""

# What differs between databases with the same objects: numbers that are given out, and trees with
# such numbers, of which the definition is the text.
NUMBERS = ("oid", "reltype", "relfilenode", "prosqlbody")

# Each of those is one way in which a database may have come to an older version.
SETUP = """
    CREATE ROLE upgrader;
    GRANT USAGE ON FOREIGN DATA WRAPPER multicorn TO upgrader;
    CREATE SERVER old FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'given.Options');
    CREATE FOREIGN TABLE old (name text, value text) SERVER old OPTIONS (place 'table');
    CREATE USER MAPPING FOR CURRENT_USER SERVER old OPTIONS (who 'me');
    CREATE SERVER far FOREIGN DATA WRAPPER multicorn_postgres OPTIONS (host '/nowhere');
    CREATE FOREIGN TABLE far (a int) SERVER far OPTIONS (table_name 'x');
    CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (user 'me', password 'mine');
    CREATE VIEW connections AS SELECT * FROM multicorn_postgres_get_connections();
"""

QUERIES = (
    "SELECT * FROM old ORDER BY 1",
    "SELECT count(*) FROM connections",
    "SELECT multicorn_postgres_disconnect_all()",
    "SELECT srvname, srvoptions, fdwname, fdwoptions FROM pg_foreign_server s"
    " JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw ORDER BY 1",
    "SELECT ftrelid::regclass, ftoptions FROM pg_foreign_table ORDER BY 1",
    "SELECT srvname, usename, umoptions FROM pg_user_mappings ORDER BY 1",
    "SELECT has_foreign_data_wrapper_privilege('upgrader', 'multicorn', 'USAGE')",
)


def rows(server: Cluster, database: str, query: str) -> Any:
    """What a query that gives one JSON value gives."""
    return json.loads(server.run_sql(query, database=database) or "null")


def describe(server: Cluster, database: str) -> dict[str, dict[str, Any]]:
    """All that the catalogs say about the extension's objects, by their names.

    OIDs of its own objects are replaced by their names, so that databases can be compared.
    """
    members = rows(server, database, MEMBERS)
    names = {member["oid"]: member["name"] for member in members}
    described: dict[str, dict[str, Any]] = {}
    for member in members:
        row = rows(
            server,
            database,
            f"SELECT to_json(c) FROM {member['class']} c WHERE oid = {member['oid']}",
        )
        columns = rows(
            server,
            database,
            "SELECT json_agg(json_build_array(attname, format_type(atttypid, atttypmod)))"
            f" FROM pg_attribute WHERE attrelid = {member['oid']} AND attnum > 0"
            f" AND '{member['class']}' = 'pg_class'",
        )
        described[member["name"]] = {
            **{key: names.get(str(value), value) for key, value in row.items()},
            **dict.fromkeys(NUMBERS),
            "definition": member["definition"],
            "comment": member["comment"],
            "initial privileges": member["privileges"],
            "columns": columns,
        }
    return described


@pytest.fixture
def database(server: Cluster) -> Iterator[str]:
    """An empty database."""
    server.createdb("upgraded")
    yield "upgraded"
    server.dropdb("upgraded")
    server.run_sql("DROP ROLE IF EXISTS upgrader")


def versions(server: Cluster) -> list[tuple[str, str]]:
    """All pairs of an older version and the newer ones that an update leads to."""
    paths = server.run_sql(
        "SELECT source, target FROM pg_extension_update_paths('multicorn')"
        " WHERE path IS NOT NULL ORDER BY 1, 2"
    )
    return [(source, target) for source, target in (line.split("|") for line in paths.splitlines())]


def test_there_is_something_to_update(server: Cluster) -> None:
    """The control file's version is reached from every older one, and from nowhere else."""
    default = server.run_sql(
        "SELECT default_version FROM pg_available_extensions WHERE name = 'multicorn'"
    )
    known = server.run_sql(
        "SELECT version FROM pg_available_extension_versions WHERE name = 'multicorn'"
    ).splitlines()
    assert FIRST_VERSION in known and default in known
    assert {source for source, target in versions(server) if target == default} == {
        *known,
    } - {default}


def test_the_first_version_does_not_grow(server: Cluster, database: str) -> None:
    """An object added to its script would be missing after an update."""
    server.run_sql(f"CREATE EXTENSION multicorn VERSION '{FIRST_VERSION}'", database=database)
    assert set(describe(server, database)) == FIRST_OBJECTS


def test_an_update_leaves_what_an_installation_does(server: Cluster, database: str) -> None:
    """Object by object, for every way from one version to another."""
    for source, target in versions(server):
        server.run_sql(f"CREATE EXTENSION multicorn VERSION '{target}'", database=database)
        fresh = describe(server, database)
        server.run_sql(
            "DROP EXTENSION multicorn;"
            f"CREATE EXTENSION multicorn VERSION '{source}';"
            f"ALTER EXTENSION multicorn UPDATE TO '{target}'",
            database=database,
        )
        updated = describe(server, database)
        assert updated.keys() == fresh.keys()
        for name, row in fresh.items():
            assert updated[name] == row, name
        server.run_sql("DROP EXTENSION multicorn", database=database)


def test_an_update_keeps_what_was_made(server: Cluster, database: str) -> None:
    """Servers, tables, mappings, grants and views, for those who look before and after it."""
    for source in {source for source, _ in versions(server)}:
        server.run_sql(f"CREATE EXTENSION multicorn VERSION '{source}'", database=database)
        server.run_sql(SETUP, database=database)
        before = [server.run_sql(query, database=database) for query in QUERIES]
        # The library is the new one before the update, too.
        assert "place|table" in before[0] and "who|me" in before[0]
        server.run_sql("ALTER EXTENSION multicorn UPDATE", database=database)
        assert [server.run_sql(query, database=database) for query in QUERIES] == before
        server.run_sql(
            "DROP EXTENSION multicorn CASCADE; DROP OWNED BY upgrader; DROP ROLE upgrader",
            database=database,
        )


def test_every_function_of_the_library_is_installed(server: Cluster, database: str) -> None:
    """None is forgotten in the scripts. Those that the library lacks fail to be created."""
    source = (SOURCE / "src" / "multicorn.c").read_text()
    exported = set(re.findall(r"^PG_FUNCTION_INFO_V1\((\w+)\);", source, re.MULTILINE))
    server.run_sql("CREATE EXTENSION multicorn", database=database)
    declared = server.run_sql(
        "SELECT DISTINCT prosrc FROM pg_proc WHERE probin = '$libdir/multicorn'", database=database
    )
    assert exported and set(declared.splitlines()) == exported


def test_the_scripts_are_not_for_psql(server: Cluster, database: str) -> None:
    """Run by hand they say what to do instead, and do nothing."""
    for script in sorted((SOURCE / "sql").glob("*.sql")):
        done = server.psql(script.read_text(), database=database)
        assert done.stdout.startswith("Use ") and "EXTENSION multicorn" in done.stdout
    assert server.run_sql("SELECT count(*) FROM pg_foreign_data_wrapper", database=database) == "0"
