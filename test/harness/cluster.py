"""A throw-away PostgreSQL server, for tests, the demonstration and the benchmark.

It listens on a socket in a folder of its own, runs as an unprivileged user even when root starts
it, and is stopped and removed however the process that made it ends.

    with Cluster(settings={"work_mem": "64MB"}) as cluster:
        print(cluster.run_sql("SELECT version()"))
"""

from __future__ import annotations

import atexit
import json
import locale
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from harness.process import end_like_interrupt

SUPERUSER = "postgres"
SECONDS_TO_START = 60
LONGEST_SOCKET_PATH = 100

# Nothing in a throw-away cluster has to survive a crash of the machine.
DEFAULT_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}


class ClusterError(Exception):
    """A command on the cluster failed; the message is what the command said."""


class Cluster:
    """A PostgreSQL server that exists as long as its ``with`` block.

    Attributes:
        folder: Where everything of the cluster lies; goes with it.
        scratch: A folder inside it that the server and the tests may both write to.
        port: The server's port; it names the socket also when there is no TCP.
    """

    def __init__(
        self,
        bindir: Path | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        tcp: bool = False,
    ) -> None:
        """Describe a cluster; ``with`` or ``create()`` makes it.

        Args:
            bindir: The server's programs. By default those of the stage that the test run was
                started with, else those of the pg_config on the PATH.
            settings: Server settings, over the default ones.
            environment: Environment variables for the server, which gets none of ours, but
                those that the stage of the test run asks for.
            tcp: Whether the server also listens on 127.0.0.1.
        """
        self.bindir = bindir or default_bindir()
        self.port = _free_port() if tcp else 5432
        self._settings = {**DEFAULT_SETTINGS, **_of_stage("SETTINGS"), **(settings or {})}
        self._environment = {**_of_stage("ENVIRONMENT"), **(environment or {})}
        self._tcp = tcp
        self._account = _server_account()
        self.folder = Path()

    def __enter__(self) -> Cluster:
        """Create and start the cluster."""
        self.create()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop and remove the cluster."""
        self.remove()

    # --- Life ---------------------------------------------------------------------------------

    def create(self) -> None:
        """Make the cluster and start it.

        Raises:
            ClusterError: With the server's log if it does not start; nothing is left then.
        """
        end_like_interrupt()
        atexit.register(self.remove)
        try:
            self._make_folders()
            self._initialize()
            self.start()
        except BaseException:
            self.remove()
            raise

    def start(self) -> None:
        """Start the server and wait until it accepts connections."""
        try:
            self._pg_ctl("start", "-l", str(self.log_file), "-t", str(SECONDS_TO_START))
        except ClusterError as error:
            raise ClusterError(f"{error}\n{self.log}") from None

    def stop(self, mode: str = "fast") -> None:
        """Stop the server if it runs, and wait for that.

        Args:
            mode: How, as pg_ctl names it: "smart", "fast" or "immediate".
        """
        if (self.data / "postmaster.pid").exists():
            self._pg_ctl("stop", "-m", mode)

    def restart(self, mode: str = "fast") -> None:
        """Stop the server and start it again."""
        self.stop(mode)
        self.start()

    def reload(self) -> None:
        """Have the server read its configuration again."""
        self._pg_ctl("reload")

    def remove(self) -> None:
        """Stop the server and remove all that the cluster is; a second time does nothing."""
        atexit.unregister(self.remove)
        if self.folder == Path():
            return
        try:
            self.stop("immediate")
        finally:
            self._keep_log()
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = Path()

    def configure(self, settings: Mapping[str, str]) -> None:
        """Change settings in the configuration file; takes effect with reload() or restart()."""
        with (self.data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {_quoted(value)}\n" for name, value in settings.items())

    # --- What it is ---------------------------------------------------------------------------

    @property
    def data(self) -> Path:
        """The server's data folder."""
        return self.folder / "data"

    @property
    def log_file(self) -> Path:
        """Where the server writes its log."""
        return self.folder / "log"

    @property
    def log(self) -> str:
        """The server's log so far."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    @property
    def scratch(self) -> Path:
        """A folder that the server and the tests may both write to."""
        return self.folder / "scratch"

    @property
    def host(self) -> str:
        """The folder of the server's socket."""
        return str(self.folder)

    @property
    def socket(self) -> str:
        """The server's socket."""
        return f"{self.host}/.s.PGSQL.{self.port}"

    @property
    def dsn(self) -> str:
        """How the superuser connects to the database postgres through libpq."""
        return self.conninfo()

    def conninfo(self, database: str = "postgres", user: str = SUPERUSER) -> str:
        """Return how a user connects to a database through libpq, on the socket."""
        return f"host={self.host} port={self.port} dbname={database} user={user}"

    @property
    def version(self) -> int:
        """The server's version as a number, such as 150003."""
        return int(self.run_sql("SHOW server_version_num"))

    # --- Its use ------------------------------------------------------------------------------

    def psql(
        self, sql: str, *options: str, database: str = "postgres", user: str = SUPERUSER
    ) -> subprocess.CompletedProcess[str]:
        """Run SQL in a psql that reads no startup file.

        Args:
            sql: What psql reads from its standard input.
            options: More options for psql.
            database: The database to connect to.
            user: The user to connect as.

        Returns:
            psql's exit status and what it wrote on both streams.
        """
        command = [
            str(self.bindir / "psql"),
            "-X",
            "-q",
            "-d",
            self.conninfo(database, user),
            *options,
        ]
        return subprocess.run(
            command,
            env={**os.environ, "PGCLIENTENCODING": "UTF8"},
            input=sql,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )

    def run_sql(self, sql: str, database: str = "postgres", user: str = SUPERUSER) -> str:
        """Run SQL and return its rows, a line for each, the columns parted by "|".

        Raises:
            ClusterError: With psql's message, at the first statement that fails.
        """
        done = self.psql(sql, "-A", "-t", "-v", "ON_ERROR_STOP=1", database=database, user=user)
        if done.returncode != 0:
            raise ClusterError(done.stderr.strip())
        return done.stdout.rstrip("\n")

    def createdb(self, name: str, encoding: str = "UTF8", collation: str = "C") -> None:
        """Create a database of an encoding, with a locale that suits every encoding."""
        self.run_sql(
            f'CREATE DATABASE "{name}" TEMPLATE template0'
            f" ENCODING {_quoted(encoding)} LOCALE {_quoted(collation)}"
        )

    def dropdb(self, name: str) -> None:
        """Drop a database, ending the sessions in it."""
        self.run_sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    # --- How it is done -----------------------------------------------------------------------

    def _make_folders(self) -> None:
        """Make the cluster's folder, the server's own."""
        parent = os.environ.get("MULTICORN_TMP")
        self.folder = Path(tempfile.mkdtemp(prefix="multicorn-", dir=parent))
        if len(str(self.folder)) > LONGEST_SOCKET_PATH - len("/.s.PGSQL.65535"):
            raise ClusterError(f"{self.folder} is too long for a socket: choose a shorter TMPDIR")
        self.scratch.mkdir()
        self.scratch.chmod(0o777)
        self.folder.chmod(0o755)
        if self._account:
            for folder in (self.folder, self.scratch):
                os.chown(folder, self._account.pw_uid, self._account.pw_gid)

    def _initialize(self) -> None:
        """Run initdb and write the configuration."""
        self._run(
            *("initdb", "-D", str(self.data), "-U", SUPERUSER, "-A", "trust"),
            *("-E", "UTF8", "--locale", _unicode_locale(), "--no-sync", "--no-instructions"),
        )
        self._configure_place()

    def _configure_place(self) -> None:
        """Write into the configuration where the server listens, and the settings."""
        self.configure(
            {
                "listen_addresses": "127.0.0.1" if self._tcp else "",
                "port": str(self.port),
                "unix_socket_directories": str(self.folder),
                **self._settings,
            }
        )

    def _keep_log(self) -> None:
        """Keep the server's log where the stage of the test run collects them, if it does."""
        folder = os.environ.get("MULTICORN_LOGS")
        if folder and self.log_file.exists():
            shutil.copyfile(self.log_file, Path(folder) / f"{self.folder.name}.log")

    def _pg_ctl(self, action: str, *options: str) -> None:
        """Run pg_ctl on this cluster's data folder, and so on no other server."""
        self._run("pg_ctl", action, "-D", str(self.data), "-s", *options)

    def _run(self, program: str, *arguments: str) -> None:
        """Run one of the server's programs as the server's user, in the server's environment."""
        account = self._account
        environment = {
            "PATH": os.defpath,
            "LANG": _unicode_locale(),
            "HOME": str(self.folder),
            **self._environment,
        }
        # The output goes to a file: the server inherits it, and would keep a pipe open.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                [self.bindir / program, *arguments],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
                user=account.pw_uid if account else None,
                group=account.pw_gid if account else None,
                extra_groups=[] if account else None,
            )
            output.seek(0)
            if done.returncode != 0:
                raise ClusterError(f"{program} failed:\n{output.read().strip()}")


class Standby(Cluster):
    """A hot standby of a cluster that runs; it replays at once, whoever is in the way."""

    def __init__(self, primary: Cluster, *, settings: Mapping[str, str] | None = None) -> None:
        """Describe a standby.

        Args:
            primary: What it is a copy of; must exist as long as the standby.
            settings: Server settings, over those of the primary.
        """
        settings = {"max_standby_streaming_delay": "0", **(settings or {})}
        super().__init__(primary.bindir, settings=settings)
        self._primary = primary

    def _initialize(self) -> None:
        """Copy the primary, and write what differs into the configuration."""
        self._run(
            *("pg_basebackup", "-D", str(self.data), "-d", self._primary.dsn),
            *("-R", "-X", "stream", "-c", "fast", "--no-sync"),
        )
        self._configure_place()


def default_bindir() -> Path:
    """Return the programs of the stage that runs the tests, else those of the PATH's pg_config."""
    staged = os.environ.get("MULTICORN_BINDIR")
    if staged:
        return Path(staged)
    command = [os.environ.get("PG_CONFIG", "pg_config"), "--bindir"]
    return Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())


def _of_stage(what: str) -> dict[str, str]:
    """Return the settings or the environment that the stage of the tests asks for its servers."""
    values: dict[str, str] = json.loads(os.environ.get(f"MULTICORN_SERVER_{what}") or "{}")
    return values


def _server_account() -> pwd.struct_passwd | None:
    """Return whom the server runs as when root starts it; None when that is us."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _unicode_locale() -> str:
    """Return a locale that knows Unicode, and sorts the same everywhere, if there is one."""
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        return locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    except locale.Error:
        return "C"
    finally:
        locale.setlocale(locale.LC_CTYPE, before)


def _free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _quoted(value: str) -> str:
    """Return a value as a literal of the configuration file and of SQL."""
    return "'" + value.replace("'", "''") + "'"
