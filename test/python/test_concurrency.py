"""Many at once: sessions that use what others alter, threads, parallel plans."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import psycopg
import pytest

from harness import Cluster
from harness.cases import cases, rng
from harness.sessions import Connect, Session, wait_until

SESSIONS = 50
ROUNDS = 15

# --- Sessions ------------------------------------------------------------------------------------

WRAPPER = """
from multicorn import ForeignDataWrapper


class Pairs(ForeignDataWrapper):
    # The rows (k, v) for the numbers below the option `count`: v is k times `factor`.

    rowid_column = "k"

    def __init__(self, options, columns):
        super().__init__(options, columns)
        self.count, self.factor = int(options["count"]), int(options["factor"])
        if "v" not in columns:
            self.factor = None

    def get_rel_size(self, quals, columns):
        return self.count, 8

    def can_limit(self, limit, offset):
        return True

    def execute(self, quals, columns, limit=None, offset=0, **keywords):
        end = self.count if limit is None else min(offset + limit, self.count)
        for k in range(offset, end):
            row = {"k": k, "factor": self.factor}
            if self.factor is not None:
                row["v"] = k * self.factor
            yield row

    def insert(self, values):
        return values

    def update(self, rowid, new_values):
        return new_values

    def analyze(self):
        return self.count
"""

# What may happen to one who uses what another has dropped or changed meanwhile.
EXPECTED = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedObject,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.DuplicateTable,
    psycopg.errors.DuplicateColumn,
    psycopg.errors.UniqueViolation,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.LockNotAvailable,
    psycopg.errors.ObjectNotInPrerequisiteState,
)

# PostgreSQL's own words where two change the same row of a catalog, or one of them drops it.
EXPECTED_INTERNAL = (
    "tuple concurrently updated",
    "tuple concurrently deleted",
    "cache lookup failed",
    "could not open relation",
    "cached plan must not change result type",
)


def read(session: Session, random: Random, table: str) -> None:
    """Scan a table; every row must be right, and all of one scan of the same options."""
    limit = random.choice(["", "LIMIT 7", "LIMIT 5 OFFSET 3"])
    rows = session.execute(f"SELECT k, v, factor FROM {table} {limit}").fetchall()
    assert len({factor for _, _, factor in rows}) == 1
    assert all(v is None or v == k * factor for k, v, factor in rows)


def read_twice(session: Session, random: Random, table: str) -> None:
    """Read in a cursor, and something else meanwhile: a scan in flight keeps what it began with."""
    with session.transaction():
        cursor = session.cursor("c")
        cursor.execute(f"SELECT k, v, factor FROM {table}")
        rows = cursor.fetchmany(5)
        session.execute(f"SELECT count(*) FROM pairs_{random.randrange(4)}")
        rows += cursor.fetchall()
    assert len({factor for _, _, factor in rows}) == 1


def write(session: Session, random: Random, table: str) -> None:
    """Insert and update."""
    session.execute(f"INSERT INTO {table} (k) SELECT generate_series(1, 20)")
    session.execute(f"UPDATE {table} SET factor = 1 WHERE k < 5")


def statement(text: str) -> Callable[[Session, Random, str], None]:
    """Return what runs a statement on a table."""

    def act(session: Session, random: Random, table: str) -> None:
        session.execute(
            text.format(table=table, number=random.randint(1, 99), count=random.randint(10, 40))
        )

    return act


CREATE = (
    "CREATE FOREIGN TABLE {table} (k integer, v bigint, factor integer) SERVER pairs"
    " OPTIONS (count '{count}')"
)

ACTIONS: list[Callable[[Session, Random, str], None]] = [
    *[read] * 6,
    *[read_twice] * 3,
    *[write] * 2,
    statement("ALTER FOREIGN TABLE {table} OPTIONS (SET count '{count}')"),
    statement("ALTER SERVER pairs OPTIONS (SET factor '{number}')"),
    statement("ANALYZE {table}"),
    statement("ALTER FOREIGN TABLE {table} ADD COLUMN IF NOT EXISTS added integer"),
    statement("ALTER FOREIGN TABLE {table} DROP COLUMN IF EXISTS added"),
    statement(f"BEGIN; DROP FOREIGN TABLE {{table}}; {CREATE}; COMMIT"),
    statement(f"BEGIN; DROP FOREIGN TABLE {{table}}; {CREATE}; ROLLBACK"),
    statement("EXPLAIN (VERBOSE) SELECT * FROM {table} WHERE k > 3"),
    statement("CREATE USER MAPPING IF NOT EXISTS FOR CURRENT_USER SERVER pairs"),
    statement("DROP USER MAPPING IF EXISTS FOR CURRENT_USER SERVER pairs"),
    statement("DISCARD ALL"),
]


@pytest.fixture(scope="module")
def crowded(add_module: Callable[[str], str]) -> Iterator[Cluster]:
    """A server with room for many sessions, and tables for them."""
    with Cluster(settings={"max_connections": "120", "deadlock_timeout": "100ms"}) as cluster:
        folder = cluster.scratch / "modules"
        folder.mkdir()
        (folder / "pairs.py").write_text(WRAPPER)
        cluster.configure({"multicorn.python_path": str(folder)})
        cluster.reload()
        cluster.run_sql(
            "CREATE EXTENSION multicorn;"
            "CREATE SERVER pairs FOREIGN DATA WRAPPER multicorn"
            " OPTIONS (wrapper 'pairs.Pairs', factor '2');"
            + "".join(f"{CREATE.format(table=f'pairs_{n}', count=20)};" for n in range(4))
        )
        yield cluster


class Crowd:
    """Sessions that do random things at the same time.

    Attributes:
        failures: What must not have happened.
        done: How many actions have succeeded.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.failures: list[BaseException] = []
        self.done = 0
        self.refused = 0

    def run(self, sessions: int, rounds: int) -> None:
        """Run them all, and wait for their ends."""
        ready = threading.Barrier(sessions)
        threads = [
            threading.Thread(target=self._run_one, args=(number, rounds, ready))
            for number in range(sessions)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _run_one(self, number: int, rounds: int, ready: threading.Barrier) -> None:
        random = rng(f"session {number}")
        try:
            with psycopg.connect(self.cluster.dsn, autocommit=True) as session:
                session.execute("SET statement_timeout = '120s'")
                ready.wait()
                for _ in range(rounds):
                    self._act(session, random)
        except BaseException as error:
            self.failures.append(error)
            ready.abort()

    def _act(self, session: Session, random: Random) -> None:
        table = f"pairs_{random.randrange(4)}"
        try:
            random.choice(ACTIONS)(session, random, table)
            self.done += 1
        except psycopg.Error as error:
            is_expected = isinstance(error, EXPECTED) or any(
                words in str(error) for words in EXPECTED_INTERNAL
            )
            if not is_expected:
                raise
            self.refused += 1
            if session.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                session.execute("ROLLBACK")


def test_many_sessions_use_and_alter_the_same_tables(crowded: Cluster) -> None:
    crowd = Crowd(crowded)
    crowd.run(SESSIONS, cases(ROUNDS))
    assert crowd.failures == []
    assert crowd.done > SESSIONS * ROUNDS // 2
    for sign in ("PANIC", "terminated by signal"):
        assert sign not in crowded.log
    with psycopg.connect(crowded.dsn, autocommit=True) as session:
        for number in range(4):
            session.execute(f"ALTER FOREIGN TABLE pairs_{number} OPTIONS (SET count '9')")
        session.execute("ALTER SERVER pairs OPTIONS (SET factor '3')")
        rows = session.execute("SELECT k, v, factor FROM pairs_0").fetchall()
    assert rows == [(k, 3 * k, 3) for k in range(9)]


# --- Threads -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def _restless(server: Cluster) -> None:
    """The tables of test/wrappers/restless.py."""
    server.run_sql(
        "CREATE FOREIGN TABLE restless (did bigint) SERVER python"
        " OPTIONS (wrapper 'restless.Threads');"
        "CREATE FOREIGN TABLE stop (threads_left bigint) SERVER python"
        " OPTIONS (wrapper 'restless.Stop')"
    )


@pytest.mark.usefixtures("_restless")
def test_threads_outlive_statements(connect: Connect) -> None:
    """What they say comes with whatever statement is next; queries in between are right."""
    with connect() as session:
        said: list[str] = []
        session.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
        did = [session.execute("SELECT did FROM restless").fetchall()[0][0] for _ in range(10)]
        assert did == sorted(did)
        query = "SELECT sum(i), count(DISTINCT i) FROM generate_series(1, 100000) AS i"
        assert session.execute(query).fetchall() == [(5000050000, 100000)]
        with pytest.raises(psycopg.errors.DivisionByZero):
            session.execute("SELECT 1 / (did - did) FROM restless")
        with session.transaction(force_rollback=True):
            session.execute("CREATE TABLE local AS SELECT * FROM restless")
            assert len(session.execute("SELECT FROM local").fetchall()) == 1
        assert session.execute("SELECT threads_left FROM stop").fetchall() == [(0,)]
        assert any("logged by thread" in line for line in said)
        assert any("printed by a thread" in line for line in said)
        session.execute("SELECT 1")
        said.clear()
        assert session.execute("SELECT threads_left FROM stop").fetchall() == [(0,)]


@pytest.mark.usefixtures("_restless")
@pytest.mark.parametrize("end", ["close", "terminate", "error"])
def test_threads_do_not_outlive_the_session(
    server: Cluster, connect: Connect, session: Session, end: str
) -> None:
    """At its end they are in the middle of something; the process ends all the same."""
    began = len(server.log)
    with connect() as restless:
        process = restless.info.backend_pid
        restless.execute("SELECT did FROM restless")
        if end == "close":
            restless.close()
        elif end == "terminate":
            session.execute("SELECT pg_terminate_backend(%s)", (process,))
        else:
            with pytest.raises(psycopg.Error):
                restless.execute("SELECT did, 1 / (did - did) FROM restless")
            restless.close()
        query = "SELECT FROM pg_stat_activity WHERE pid = %s"
        wait_until(lambda: not session.execute(query, (process,)).fetchall())
    for sign in ("PANIC", "terminated by signal"):
        assert sign not in server.log[began:]


# --- Parallel plans ------------------------------------------------------------------------------

PARALLEL_TABLES = """
CREATE TABLE heap AS SELECT i AS k, i * 2 AS v FROM generate_series(0, 19999) AS i;
CREATE FOREIGN TABLE far (k integer, v bigint, factor integer) SERVER pairs
    OPTIONS (count '5000');
CREATE TABLE parts (k integer, v bigint, factor integer) PARTITION BY RANGE (k);
CREATE FOREIGN TABLE parts_far PARTITION OF parts FOR VALUES FROM (0) TO (5000)
    SERVER pairs OPTIONS (count '5000');
CREATE TABLE parts_near PARTITION OF parts FOR VALUES FROM (5000) TO (30000);
INSERT INTO parts_near SELECT i, i * 2, 2 FROM generate_series(5000, 29999) AS i;
CREATE FUNCTION counted() RETURNS bigint LANGUAGE sql PARALLEL SAFE
    AS 'SELECT sum(v) FROM far';
ANALYZE;
"""

# Queries, and whether a plan of them must have workers.
PARALLEL_QUERIES = [
    ("SELECT sum(k), count(*) FROM heap", True),
    ("SELECT sum(heap.v), sum(far.v) FROM heap JOIN far USING (k)", True),
    ("SELECT far.k, count(*) FROM far JOIN heap ON heap.v = far.k GROUP BY 1 ORDER BY 1", True),
    ("SELECT k, v FROM far WHERE k IN (SELECT v FROM heap WHERE k % 7 = 0) ORDER BY 1", True),
    ("SELECT count(*), sum(v) FROM parts", False),
    ("SELECT k % 10, sum(v) FROM parts GROUP BY 1 ORDER BY 1", False),
    ("SELECT parts.k, heap.v FROM parts JOIN heap USING (k) ORDER BY 1 DESC LIMIT 50", False),
    ("SELECT k FROM (SELECT k FROM far UNION ALL SELECT k FROM heap) AS u ORDER BY 1", False),
    ("SELECT k, (SELECT max(v) FROM far WHERE far.k < 10) FROM heap ORDER BY k LIMIT 5", False),
    ("SELECT count(*), max(counted()) FROM heap WHERE k < 100", True),
    ("SELECT heap.k, far.k FROM heap LEFT JOIN far ON far.k = heap.k + 1 ORDER BY 1 LIMIT 9", True),
]

FORCED = {
    "parallel_setup_cost": "0",
    "parallel_tuple_cost": "0",
    "min_parallel_table_scan_size": "0",
    "min_parallel_index_scan_size": "0",
    "max_parallel_workers_per_gather": "4",
    "enable_partitionwise_join": "on",
    "enable_partitionwise_aggregate": "on",
}


@pytest.fixture(scope="module")
def parallel(crowded: Cluster) -> Cluster:
    """The server with tables for parallel queries."""
    crowded.run_sql("ALTER SERVER pairs OPTIONS (SET factor '2')")
    crowded.run_sql(PARALLEL_TABLES)
    return crowded


def force(session: Session) -> None:
    """Have the session plan in parallel whatever can be.

    The library is loaded first, so that workers have its settings: `counted` should not have been
    declared as it is.
    """
    session.execute("LOAD 'multicorn'")
    for setting, value in FORCED.items():
        session.execute(f"SET {setting} = {value}")
    is_new = session.info.server_version >= 160000
    session.execute(f"SET {'debug_parallel_query' if is_new else 'force_parallel_mode'} = on")


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the nodes of a plan."""
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


@pytest.mark.parametrize(("query", "has_workers"), PARALLEL_QUERIES)
def test_a_parallel_plan_has_the_same_answer(
    parallel: Cluster, query: str, has_workers: bool
) -> None:
    with psycopg.connect(parallel.dsn, autocommit=True) as session:
        session.execute("SET max_parallel_workers_per_gather = 0")
        expected = session.execute(query).fetchall()
        force(session)
        (plan,) = session.execute(f"EXPLAIN (FORMAT JSON) {query}").fetchall()[0][0]
        kinds = {node["Node Type"] for node in nodes(plan["Plan"])}
        # Workers are PostgreSQL's to use where a foreign table is beside; never to scan one.
        if has_workers:
            assert kinds & {"Gather", "Gather Merge"}, kinds
        for node in nodes(plan["Plan"]):
            if node["Node Type"].startswith("Gather"):
                assert all(n["Node Type"] != "Foreign Scan" for n in nodes(node))
        for _ in range(3):
            assert session.execute(query).fetchall() == expected


def test_many_sessions_run_parallel_plans(parallel: Cluster) -> None:
    """At the same time, in sessions that go on."""
    with psycopg.connect(parallel.dsn, autocommit=True) as session:
        answers = [session.execute(query).fetchall() for query, _ in PARALLEL_QUERIES]
    failures: list[BaseException] = []

    def run(number: int) -> None:
        random = rng(f"parallel {number}")
        try:
            with psycopg.connect(parallel.dsn, autocommit=True) as session:
                force(session)
                for _ in range(cases(8)):
                    chosen = random.randrange(len(answers))
                    query = PARALLEL_QUERIES[chosen][0]
                    assert session.execute(query).fetchall() == answers[chosen]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    for sign in ("PANIC", "terminated by signal"):
        assert sign not in parallel.log
