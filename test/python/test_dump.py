"""What pg_dump writes comes back, also where the modules of wrappers are not there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from harness import Cluster

# Databases to be dumped and restored. `{modules}` is a folder with modules of wrappers; it is
# the python_path of the database, and may be gone when the database is restored.
SETUPS = {
    "wrappers": """
        CREATE SERVER classy FOREIGN DATA WRAPPER multicorn
            OPTIONS (wrapper 'housed.Options', "Mixed Case" 'ä ''quoted'' "text"', empty '');
        CREATE FOREIGN TABLE options (name text OPTIONS (a 'b', value_form 'text') NOT NULL,
            value varchar(10) DEFAULT 'x' CHECK (value <> ''),
            twice text GENERATED ALWAYS AS (value || value) STORED) SERVER classy
            OPTIONS (place 'table');
        CREATE SERVER plain VERSION '1' FOREIGN DATA WRAPPER multicorn;
        CREATE FOREIGN TABLE "of Table" (name text, value text) SERVER plain
            OPTIONS (wrapper 'housed.Options');
        CREATE FOREIGN TABLE none (a int) SERVER plain;
        CREATE FOREIGN DATA WRAPPER own HANDLER multicorn_handler VALIDATOR multicorn_validator
            OPTIONS (wrapper 'housed.Options');
        CREATE SERVER fixed FOREIGN DATA WRAPPER own;
        CREATE FOREIGN TABLE fixed (name text, value text) SERVER fixed;
        COMMENT ON FOREIGN TABLE options IS 'a table';
        COMMENT ON COLUMN options.name IS 'a column';
        COMMENT ON SERVER classy IS 'a server';
        ALTER FOREIGN TABLE options ALTER name SET STATISTICS 7;
    """,
    "mappings": """
        CREATE SERVER mapped FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'housed.Options');
        CREATE FOREIGN TABLE mapped (name text, value text) SERVER mapped;
        CREATE USER MAPPING FOR CURRENT_USER SERVER mapped OPTIONS (who 'me', password 'it''s');
        CREATE USER MAPPING FOR keeper SERVER mapped OPTIONS (password 'keepers');
        CREATE USER MAPPING FOR PUBLIC SERVER mapped OPTIONS (who 'anyone');
    """,
    "rights": """
        CREATE SERVER granted FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'housed.Options');
        CREATE FOREIGN TABLE granted (name text, value text) SERVER granted;
        GRANT USAGE ON FOREIGN DATA WRAPPER multicorn TO keeper WITH GRANT OPTION;
        GRANT USAGE ON FOREIGN SERVER granted TO PUBLIC;
        GRANT SELECT (name), INSERT ON granted TO keeper;
        GRANT EXECUTE ON FUNCTION multicorn_reset() TO keeper;
        REVOKE EXECUTE ON FUNCTION multicorn_status() FROM PUBLIC;
        ALTER SERVER granted OWNER TO keeper;
        CREATE FOREIGN TABLE kept (name text, value text) SERVER granted;
        ALTER FOREIGN TABLE kept OWNER TO keeper;
    """,
    "partitions": """
        CREATE SERVER parts FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'housed.Options');
        CREATE TABLE parted (name text, value text) PARTITION BY LIST (name);
        CREATE TABLE parted_here PARTITION OF parted FOR VALUES IN ('here');
        CREATE FOREIGN TABLE parted_there PARTITION OF parted FOR VALUES IN ('there')
            SERVER parts OPTIONS (place 'partition');
        CREATE FOREIGN TABLE parted_rest (value text, name text) SERVER parts;
        ALTER TABLE parted ATTACH PARTITION parted_rest DEFAULT;
        CREATE TABLE parent (name text, value text, CHECK (name <> ''));
        CREATE FOREIGN TABLE child (more int) INHERITS (parent) SERVER parts;
        CREATE FOREIGN TABLE foreign_parent (a int) SERVER parts;
        CREATE TABLE local_child (b int) INHERITS (foreign_parent);
        INSERT INTO parted VALUES ('here', 'kept');
    """,
    "what stands on tables": """
        CREATE SERVER below FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'housed.Options');
        CREATE FOREIGN TABLE below (name text, value text) SERVER below;
        CREATE VIEW above AS SELECT name, count(*) FROM below WHERE value LIKE 'a%' GROUP BY name;
        CREATE MATERIALIZED VIEW stored AS SELECT * FROM below WITH NO DATA;
        CREATE FUNCTION changed() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
        CREATE TRIGGER changes BEFORE INSERT ON below FOR EACH ROW EXECUTE FUNCTION changed();
        CREATE FUNCTION reads() RETURNS SETOF below LANGUAGE sql AS 'SELECT * FROM below';
        CREATE VIEW connections AS SELECT * FROM multicorn_postgres_get_connections();
        CREATE VIEW status AS SELECT * FROM multicorn_status(), multicorn_instances();
    """,
    "a remote PostgreSQL": """
        CREATE SERVER far FOREIGN DATA WRAPPER multicorn_postgres
            OPTIONS (host '/nowhere', dbname 'x', fetch_size '7', extensions 'plpgsql');
        CREATE USER MAPPING FOR keeper SERVER far OPTIONS (user 'me', password 'mine');
        CREATE USER MAPPING FOR CURRENT_USER SERVER far OPTIONS (password_required 'false');
        CREATE FOREIGN TABLE far (id int OPTIONS (key 'true', column_name 'ID'), t text)
            SERVER far OPTIONS (schema_name 'S', table_name 'T', updatable 'false');
    """,
    "deployments as one table": """
        CREATE SCHEMA there;
        CREATE TABLE there.person (id serial PRIMARY KEY, name text);
        INSERT INTO there.person (name) VALUES ('ada'), ('bob');
        DO $$ BEGIN
            EXECUTE format('CREATE SERVER "nl-sales" FOREIGN DATA WRAPPER multicorn_postgres
                            OPTIONS (host %L, port %L, dbname %L, on_unreachable ''skip'')',
                           split_part(current_setting('unix_socket_directories'), ',', 1),
                           current_setting('port'), current_database());
        END $$;
        CREATE USER MAPPING FOR CURRENT_USER SERVER "nl-sales" OPTIONS (user 'postgres');
        CREATE SCHEMA plain;
        CREATE TABLE plain.person (id int NOT NULL DEFAULT 7, name text, entity text);
        SELECT multicorn_attach('plain', 'nl-sales', 'there', discriminator => 'entity');
        CREATE SCHEMA parted;
        CREATE TABLE parted.person (entity text, id int, name text) PARTITION BY LIST (entity);
        SELECT multicorn_attach('parted', 'nl-sales', 'there', local_schema => 'parts',
            discriminator_value => 'it''s');
        CREATE SCHEMA here;
        CREATE TABLE here.person (id int NOT NULL, name text);
        SELECT multicorn_attach_local('plain', 'here', discriminator => 'entity');
        INSERT INTO here.person VALUES (1, 'eve');
        CREATE VIEW people AS SELECT *, multicorn_server(tableoid) FROM plain.person;
        CREATE VIEW attached AS SELECT * FROM multicorn_attached;
    """,
    "modules that never were there": """
        CREATE SERVER lost FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'no.such.Module');
        CREATE FOREIGN TABLE lost (a int) SERVER lost;
        CREATE FOREIGN TABLE lost_too (a int) SERVER lost OPTIONS (wrapper 'nor.this.One');
    """,
    "secrets that every role can read": """
        CREATE SERVER exposed FOREIGN DATA WRAPPER multicorn
            OPTIONS (wrapper 'housed.Options', password 'everyones');
        CREATE FOREIGN TABLE exposed (name text, value text) SERVER exposed
            OPTIONS (api_token 'x', url 'https://me:secret@example.org');
    """,
}

HOUSED = """
class Options:
    def __init__(self, options, columns): self.options = dict(options)
    def execute(self, quals, columns):
        return [{"name": name, "value": value} for name, value in self.options.items()]
"""


def run(
    server: Cluster, program: str, *arguments: str, sql: str = "", user: str = "postgres"
) -> str:
    """Run one of PostgreSQL's programs, which must succeed, and return what it writes."""
    done = subprocess.run(
        [
            server.bindir / program,
            "-h",
            server.host,
            "-p",
            str(server.port),
            "-U",
            user,
            *arguments,
        ],
        input=sql,
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PGCLIENTENCODING": "UTF8"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def dump(server: Cluster, *options: str, user: str = "postgres") -> str:
    """Dump the database, with what differs from dump to dump left out."""
    text = run(server, "pg_dump", *options, "-d", "dumped", user=user)
    return re.sub(r"^\\(un)?restrict .*$", "", text, flags=re.MULTILINE)


@pytest.fixture(params=SETUPS)
def dumped(request: pytest.FixtureRequest, server: Cluster) -> Iterator[str]:
    """The name of a setup, in a database `dumped`."""
    modules = server.scratch / "dumped"
    modules.mkdir(exist_ok=True)
    (modules / "housed.py").write_text(HOUSED)
    server.run_sql("DROP ROLE IF EXISTS keeper; CREATE ROLE keeper LOGIN")
    server.createdb("dumped")
    server.run_sql(
        f"CREATE EXTENSION multicorn;ALTER DATABASE dumped SET multicorn.python_path = '{modules}'",
        database="dumped",
    )
    server.run_sql(SETUPS[request.param], database="dumped")
    yield request.param
    server.dropdb("dumped")
    server.run_sql("DROP ROLE keeper")
    shutil.rmtree(modules, ignore_errors=True)


def readable(server: Cluster) -> dict[str, str]:
    """What each foreign table of the database says: its rows, or the error.

    pg_dump sorts the options of user mappings, so the order of rows does not count.
    """
    tables = server.run_sql(
        "SELECT oid::regclass FROM pg_class WHERE relkind = 'f' ORDER BY 1", database="dumped"
    ).splitlines()
    said = {}
    for table in tables:
        done = server.psql(f"SELECT * FROM {table}", "-A", "-t", database="dumped")
        said[table] = "\n".join(sorted(done.stdout.splitlines()))
        said[table] += done.stderr.partition("\nDETAIL")[0]
    return said


@pytest.mark.parametrize("modules", ["there", "missing"])
def test_dump_and_restore(server: Cluster, dumped: str, modules: str) -> None:
    """A restored database is dumped as the first one was, and its tables say the same."""
    folder = server.scratch / "dumped"
    before = readable(server)
    text = dump(server, "--create")
    server.dropdb("dumped")
    if modules == "missing":
        folder.rename(server.scratch / "moved")
    run(server, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", "postgres", sql=text)
    assert dump(server, "--create") == text
    if modules == "missing":
        # What cannot be used yet says why; nothing but the folder has to be put back.
        assert all(
            f'directory "{folder}" in multicorn.python_path does not exist' in said
            for said in readable(server).values()
        )
        (server.scratch / "moved").rename(folder)
    assert readable(server) == before


@pytest.mark.parametrize(
    "dumped", ["wrappers", "rights", "partitions", "deployments as one table"], indirect=True
)
def test_restore_in_parallel(server: Cluster, dumped: str) -> None:
    """The same by pg_restore, which makes objects in an order and in sessions of its own."""
    text = dump(server)
    archive = str(server.scratch / "dumped.archive")
    run(server, "pg_dump", "-Fc", "-f", archive, "-d", "dumped")
    server.dropdb("dumped")
    server.createdb("dumped")
    run(server, "pg_restore", "--exit-on-error", "-j", "2", "-d", "dumped", archive)
    assert dump(server) == text


# --- Those who are not superusers ---------------------------------------------------------------


@pytest.fixture
def owned(server: Cluster) -> Iterator[str]:
    """A database `dumped` of a plain role, which has a server, tables and mappings in it."""
    server.run_sql("DROP ROLE IF EXISTS keeper; CREATE ROLE keeper LOGIN")
    prepare_owned(server)
    server.run_sql(
        "LOAD 'multicorn'; ALTER DATABASE dumped SET multicorn.allowed_wrappers = 'given.*'",
        database="dumped",
    )
    server.run_sql(
        "CREATE SCHEMA kept;"
        "CREATE SERVER kept FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'given.Options');"
        "CREATE FOREIGN TABLE kept.kept (name text, value text) SERVER kept"
        " OPTIONS (place 'table');"
        "CREATE USER MAPPING FOR keeper SERVER kept OPTIONS (who 'keeper');"
        "CREATE USER MAPPING FOR postgres SERVER kept",
        database="dumped",
        user="keeper",
    )
    server.run_sql(
        "ALTER USER MAPPING FOR postgres SERVER kept OPTIONS (who 'superuser')", database="dumped"
    )
    yield "dumped"
    server.dropdb("dumped")
    server.run_sql("DROP ROLE keeper")


def prepare_owned(server: Cluster) -> None:
    """Make a database as an administrator makes it for others."""
    server.createdb("dumped")
    server.run_sql(
        "ALTER DATABASE dumped OWNER TO keeper; CREATE EXTENSION multicorn;"
        "GRANT USAGE ON FOREIGN DATA WRAPPER multicorn TO keeper",
        database="dumped",
    )


def errors_of(server: Cluster, text: str) -> list[str]:
    """Restore a dump as the plain role; the errors."""
    done = server.psql(text, database="dumped", user="keeper")
    return re.findall(r"ERROR:  (.*)", done.stderr)


def test_a_dump_of_an_owner(server: Cluster, owned: str) -> None:
    """It lacks the options of others' mappings, which its maker cannot see."""
    text = dump(server, "--schema=kept", user="keeper")
    assert "CREATE FOREIGN TABLE kept.kept" in text and "place 'table'" in text
    whole = dump(server, user="keeper")
    assert "who 'keeper'" in whole
    assert "CREATE USER MAPPING FOR postgres SERVER kept;" in whole and "superuser" not in whole
    assert "who 'superuser'" in dump(server)


@pytest.mark.parametrize("allowed", [True, False])
def test_a_restore_by_an_owner(server: Cluster, owned: str, allowed: bool) -> None:
    """The extension has to be there, and the role to be one that may name the classes."""
    text = dump(server, user="keeper")
    server.dropdb("dumped")
    prepare_owned(server)
    if allowed:
        server.run_sql(
            "LOAD 'multicorn'; ALTER DATABASE dumped SET multicorn.allowed_wrappers = 'given.*'",
            database="dumped",
        )
    errors = errors_of(server, text)
    # The comment of the extension is a superuser's.
    assert errors[0] == "must be owner of extension multicorn"
    if allowed:
        assert len(errors) == 1
        read = server.run_sql(
            "SELECT name FROM kept.kept ORDER BY 1", database="dumped", user="keeper"
        )
        assert read == "place\nwho"
    else:
        assert errors[1] == 'permission denied to use wrapper class "given.Options"'
        assert set(errors[2:]) == {
            'server "kept" does not exist',
            'relation "kept.kept" does not exist',
        }


def test_without_the_extension_an_owner_restores_nothing(server: Cluster, owned: str) -> None:
    """Only a superuser creates it."""
    text = dump(server, user="keeper")
    server.dropdb("dumped")
    server.createdb("dumped")
    server.run_sql("ALTER DATABASE dumped OWNER TO keeper")
    assert 'permission denied to create extension "multicorn"' in errors_of(server, text)


# --- Rows ---------------------------------------------------------------------------------------


def test_rows_of_foreign_tables(server: Cluster) -> None:
    """They are dumped if one asks for it, and come back where the wrapper writes."""
    server.createdb("dumped")
    try:
        file = server.scratch / "dumped.jsonl"
        server.run_sql(
            "CREATE EXTENSION multicorn; CREATE SERVER files FOREIGN DATA WRAPPER multicorn"
            " OPTIONS (wrapper 'multicorn.jsonlinesfdw.JsonLinesFdw');"
            f"CREATE FOREIGN TABLE lines (a int, b text) SERVER files OPTIONS (filename '{file}');"
            "INSERT INTO lines SELECT n, 'tab \t ' || n FROM generate_series(1, 100) n",
            database="dumped",
        )
        rows = server.run_sql("SELECT * FROM lines ORDER BY a", database="dumped")
        assert "COPY" not in dump(server)
        text = dump(server, "--include-foreign-data=files")
        server.dropdb("dumped")
        file.unlink()
        server.createdb("dumped")
        run(server, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", "dumped", sql=text)
        assert server.run_sql("SELECT * FROM lines ORDER BY a", database="dumped") == rows
    finally:
        server.dropdb("dumped")
