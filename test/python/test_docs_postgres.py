"""docs/postgres.md shows what the server does: its statements are run, each result compared."""

from __future__ import annotations

from pathlib import Path

from harness import Cluster
from harness.pages import Reader, read_blocks

PAGE = Path(__file__).resolve().parents[2] / "docs" / "postgres.md"

# The remote database that the page speaks of.
ARCHIVE = """
CREATE ROLE me LOGIN PASSWORD 'secret';
CREATE SCHEMA sales;
CREATE TABLE sales.customers (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE sales.orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer int NOT NULL,
    placed date NOT NULL DEFAULT '2024-06-01',
    total numeric(10, 2)
);
INSERT INTO sales.customers SELECT n, 'customer ' || n FROM generate_series(1, 10) AS n;
INSERT INTO sales.orders (customer, placed, total)
SELECT n % 10 + 1, date '2024-01-01' + n % 100, n FROM generate_series(1, 1000) AS n;
GRANT USAGE ON SCHEMA sales TO me;
GRANT ALL ON ALL TABLES IN SCHEMA sales TO me;
ANALYZE;
"""

# A server of postgres_fdw, to be moved from.
OLD = """
CREATE EXTENSION postgres_fdw;
CREATE SERVER old FOREIGN DATA WRAPPER postgres_fdw
    OPTIONS (host 'db.example.org', dbname 'archive', fetch_size '1000');
CREATE USER MAPPING FOR CURRENT_USER SERVER old OPTIONS (user 'me', password 'secret');
CREATE SCHEMA old;
IMPORT FOREIGN SCHEMA sales FROM SERVER old INTO old;
CREATE VIEW old.total AS SELECT customer, sum(total) FROM old.orders GROUP BY customer;
"""
HAS_OLD = "SELECT 1 FROM pg_available_extensions WHERE name = 'postgres_fdw'"
MOVED = """
SELECT fdwname FROM pg_foreign_server s JOIN pg_foreign_data_wrapper f ON f.oid = srvfdw
WHERE srvname = 'old'
"""


def test_postgres() -> None:
    with Cluster() as cluster:
        cluster.createdb("archive")
        cluster.run_sql(ARCHIVE, database="archive")
        cluster.createdb("mydb")
        cluster.run_sql("CREATE EXTENSION multicorn", database="mydb")
        has_old = bool(cluster.run_sql(HAS_OLD))
        if has_old:
            cluster.run_sql(OLD.replace("db.example.org", cluster.host), database="mydb")
        Reader(cluster.scratch, cluster, {"db.example.org": cluster.host}).follow(read_blocks(PAGE))
        if has_old:
            assert cluster.run_sql(MOVED, database="mydb_new") == "multicorn_postgres"
            assert cluster.run_sql("SELECT count(*) FROM old.total", database="mydb_new") == "10"
