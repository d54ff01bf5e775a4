"""Deployments through an object-relational mapper: SQLAlchemy 1.4 and 2, with psycopg2."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest

from harness import Cluster

sqlalchemy = pytest.importorskip("sqlalchemy")
pytest.importorskip("psycopg2")
orm = pytest.importorskip("sqlalchemy.orm")

DEPLOYMENTS = ("nl-sales", "uk-prod")
DATABASES = {"nl-sales": "orm_nl", "uk-prod": "orm_uk"}
DAY = datetime.date(2024, 5, 1)

# The remote side numbers rows in both ways, and has a column that nobody takes over.
APPLICATION = """
CREATE TABLE auth_user (
    id serial PRIMARY KEY, password varchar(128) NOT NULL DEFAULT '!',
    username varchar(150) NOT NULL, is_active boolean NOT NULL DEFAULT true
);
CREATE TABLE sales_order (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id integer NOT NULL REFERENCES auth_user DEFERRABLE INITIALLY DEFERRED,
    placed date NOT NULL, total numeric(10, 2) NOT NULL
);
"""
PARENTS = """
CREATE SCHEMA all_connections;
CREATE TABLE all_connections.auth_user (
    entity text NOT NULL, id integer NOT NULL, username varchar(150) NOT NULL,
    is_active boolean NOT NULL
);
CREATE TABLE all_connections.sales_order (
    entity text NOT NULL, id bigint NOT NULL, user_id integer NOT NULL, placed date NOT NULL,
    total numeric(10, 2) NOT NULL
);
"""

# --- Models ---------------------------------------------------------------------------------------

Base: Any = orm.declarative_base()
Column = sqlalchemy.Column


class User(Base):  # type: ignore[misc]
    """A user of a deployment."""

    __tablename__ = "auth_user"
    __table_args__ = {"schema": "all_connections"}

    entity = Column(sqlalchemy.Text, primary_key=True)
    id = Column(sqlalchemy.Integer, sqlalchemy.FetchedValue(), primary_key=True)
    username = Column(sqlalchemy.String(150), nullable=False)
    is_active = Column(sqlalchemy.Boolean, nullable=False, default=True)
    orders = orm.relationship("Order", back_populates="user", order_by="Order.id")


class Order(Base):  # type: ignore[misc]
    """An order, whose user is one of the same deployment."""

    __tablename__ = "sales_order"
    __table_args__ = (
        sqlalchemy.ForeignKeyConstraint(["entity", "user_id"], [User.entity, User.id]),
        {"schema": "all_connections"},
    )

    entity = Column(sqlalchemy.Text, primary_key=True)
    id = Column(sqlalchemy.BigInteger, sqlalchemy.FetchedValue(), primary_key=True)
    user_id = Column(sqlalchemy.Integer, nullable=False)
    placed = Column(sqlalchemy.Date, nullable=False)
    total = Column(sqlalchemy.Numeric(10, 2), nullable=False)
    user = orm.relationship(User, back_populates="orders")


class NlOrder(Base):  # type: ignore[misc]
    """An order of one deployment, by the table of its own."""

    __tablename__ = "sales_order"
    __table_args__ = {"schema": "nl-sales"}

    id = Column(sqlalchemy.BigInteger, sqlalchemy.FetchedValue(), primary_key=True)
    user_id = Column(sqlalchemy.Integer, nullable=False)
    placed = Column(sqlalchemy.Date, nullable=False)
    total = Column(sqlalchemy.Numeric(10, 2), nullable=False)


# --- The report's database, and its deployments ---------------------------------------------------


@pytest.fixture(scope="module")
def report(server: Cluster) -> Iterator[Cluster]:
    """A server with two deployments, which log what they are asked, attached in a database."""
    server.createdb("orm_report")
    server.run_sql("CREATE EXTENSION multicorn;" + PARENTS, database="orm_report")
    for name, database in DATABASES.items():
        server.createdb(database)
        server.run_sql(
            f"{APPLICATION}; ALTER DATABASE {database} SET log_statement = 'all'", database=database
        )
        server.run_sql(
            f'CREATE SERVER "{name}" FOREIGN DATA WRAPPER multicorn_postgres OPTIONS'
            f" (host '{server.host}', port '{server.port}', dbname '{database}');"
            f"CREATE USER MAPPING FOR CURRENT_USER SERVER \"{name}\" OPTIONS (user 'postgres');"
            f"SELECT multicorn_attach('all_connections', '{name}', discriminator => 'entity')",
            database="orm_report",
        )
    yield server


@pytest.fixture
def engine(report: Cluster) -> Iterator[Any]:
    """An engine on the report's database; each deployment has two users with an order each."""
    for name, database in DATABASES.items():
        report.run_sql(
            "TRUNCATE auth_user, sales_order RESTART IDENTITY;"
            f"INSERT INTO auth_user (username) VALUES ('admin'), ('{name[:2]}');"
            "INSERT INTO sales_order (user_id, placed, total)"
            f" VALUES (1, '{DAY}', 10), (2, '{DAY + datetime.timedelta(1)}', 20)",
            database=database,
        )
    engine = sqlalchemy.create_engine(
        f"postgresql+psycopg2://postgres@/orm_report?host={report.host}&port={report.port}",
        future=True,
        poolclass=sqlalchemy.pool.NullPool,
    )
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: Any) -> Iterator[Any]:
    """A session on a connection of its own, which has not contacted any deployment."""
    with orm.Session(engine, future=True) as session:
        yield session


class Contacts:
    """What deployments have been asked, by the log of their server."""

    def __init__(self) -> None:
        self.statements: dict[str, list[str]] = {}

    def read(self, log: str) -> None:
        """Take what a piece of the log tells."""
        for name, database in DATABASES.items():
            lines = re.findall(rf"@{database} LOG:  (?:statement|execute [^:]*): (.*)", log)
            self.statements[name] = [line for line in lines if '"public".' in line]

    @property
    def names(self) -> set[str]:
        """Those that were asked for rows."""
        return {name for name, asked in self.statements.items() if asked}


@contextmanager
def contacts(server: Cluster) -> Iterator[Contacts]:
    """Tell, when the block has ended, what was asked in it."""
    found = Contacts()
    before = len(server.log)
    yield found
    found.read(server.log[before:])


def connections(server: Cluster) -> set[str]:
    """Return the deployments that are connected to, by what they say themselves."""
    databases = server.run_sql(
        "SELECT DISTINCT datname FROM pg_stat_activity WHERE application_name = 'multicorn'"
    ).split()
    return {name for name, database in DATABASES.items() if database in databases}


# --- Reading --------------------------------------------------------------------------------------


def test_query(session: Any) -> None:
    query = sqlalchemy.select(User).order_by(User.username, User.entity)
    users = session.execute(query).scalars().all()
    assert [(user.entity, user.id, user.username) for user in users] == [
        ("nl-sales", 1, "admin"),
        ("uk-prod", 1, "admin"),
        ("nl-sales", 2, "nl"),
        ("uk-prod", 2, "uk"),
    ]


def test_identity_map(session: Any) -> None:
    """Equal ids of different deployments are different objects, equal keys are the same."""
    users = [session.get(User, (name, 1)) for name in DEPLOYMENTS]
    assert users[0] is not users[1]
    again = session.execute(sqlalchemy.select(User).where(User.id == 1)).scalars().all()
    assert {id(user) for user in again} == {id(user) for user in users}


def test_filters_are_sent(report: Cluster, session: Any) -> None:
    """All but the one on the discriminator, which chooses whom to ask."""
    query = sqlalchemy.select(User).where(
        User.entity == "uk-prod", User.username.like("a%"), User.is_active
    )
    with contacts(report) as asked:
        assert [user.id for user in session.execute(query).scalars()] == [1]
    assert asked.names == {"uk-prod"}
    (statement,) = asked.statements["uk-prod"]
    assert '"is_active"' in statement.partition("WHERE")[2], statement
    assert "'a%'" in statement, statement
    assert "entity" not in statement
    assert connections(report) == {"uk-prod"}


def test_plans_show_what_is_sent(session: Any) -> None:
    """No condition is left to this side."""
    query = sqlalchemy.select(Order).where(
        Order.entity.in_(["nl-sales"]), Order.user_id >= 1, Order.total.between(1, 15)
    )
    compiled = query.compile(session.get_bind(), compile_kwargs={"literal_binds": True})
    plan = [line for (line,) in session.execute(sqlalchemy.text(f"EXPLAIN (VERBOSE) {compiled}"))]
    (remote,) = [line for line in plan if "Remote SQL" in line]
    assert remote.count("OPERATOR(pg_catalog.>=)") == 2
    scan = next(number for number, line in enumerate(plan) if "Foreign Scan" in line)
    assert not any(line.strip().startswith("Filter:") for line in plan[scan:])


def test_join(report: Cluster, session: Any) -> None:
    """A condition on one side of it, with the relationship, chooses the deployment of both."""
    query = (
        sqlalchemy.select(User.username, sqlalchemy.func.sum(Order.total))
        .join(User.orders)
        .where(User.entity == "nl-sales", Order.placed > DAY)
        .group_by(User.username)
    )
    with contacts(report) as asked:
        assert [tuple(row) for row in session.execute(query)] == [("nl", Decimal(20))]
    assert asked.names == {"nl-sales"}
    assert any('"placed" OPERATOR(pg_catalog.>)' in one for one in asked.statements["nl-sales"])


def test_join_of_all(session: Any) -> None:
    """Rows of one deployment meet those of the same one only."""
    query = sqlalchemy.select(Order.entity, User.entity).join(Order.user)
    assert sorted(tuple(row) for row in session.execute(query)) == [
        (name, name) for name in DEPLOYMENTS for _ in range(2)
    ]


def test_lazy_loading(report: Cluster, session: Any) -> None:
    """A relationship is loaded from the deployment of the object."""
    user = session.get(User, ("uk-prod", 2))
    with contacts(report) as asked:
        assert [(order.entity, order.id) for order in user.orders] == [("uk-prod", 2)]
        assert user.orders[0].user is user
    assert asked.names == {"uk-prod"}
    (statement,) = asked.statements["uk-prod"]
    assert re.search(r"WHERE \('2'::\w+ OPERATOR\(pg_catalog.=\) \"user_id\"\)", statement), (
        statement
    )


@pytest.mark.parametrize("load", [orm.joinedload, orm.selectinload, orm.subqueryload])
def test_eager_loading(session: Any, load: Any) -> None:
    query = sqlalchemy.select(User).options(load(User.orders)).order_by(User.entity, User.id)
    users = session.execute(query).unique().scalars().all()
    session.expunge_all()  # nothing can be loaded any more
    assert [[(order.entity, order.id) for order in user.orders] for user in users] == [
        [(name, number)] for name in DEPLOYMENTS for number in (1, 2)
    ]


def test_keys_of_several_deployments(report: Cluster, session: Any) -> None:
    """Each deployment is asked for its own."""
    key = sqlalchemy.tuple_(User.entity, User.id)
    query = sqlalchemy.select(User.username).where(key.in_([("nl-sales", 2), ("uk-prod", 1)]))
    with contacts(report) as asked:
        assert sorted(session.execute(query).scalars()) == ["admin", "nl"]
    for name, wanted in (("nl-sales", "2"), ("uk-prod", "1")):
        (statement,) = asked.statements[name]
        assert re.search(rf"\"id\" OPERATOR\(pg_catalog.=\) '?{wanted}\b", statement), statement


# --- Writing --------------------------------------------------------------------------------------


def test_insert_by_the_deployments_class(report: Cluster, session: Any) -> None:
    """The ids come from the remote sequence, those of several objects at once too."""
    orders = [NlOrder(user_id=1, placed=DAY, total=total) for total in (5, 6)]
    session.add_all(orders)
    session.commit()
    assert [(order.id, order.total) for order in orders] == [(3, 5), (4, 6)]
    assert report.run_sql("SELECT max(id) FROM sales_order", database="orm_nl") == "4"
    assert report.run_sql("SELECT max(id) FROM sales_order", database="orm_uk") == "2"


def test_insert_by_the_parents_class(report: Cluster, session: Any) -> None:
    """With the schema of a deployment in the place of the parents', for one transaction."""
    options = {"schema_translate_map": {"all_connections": "uk-prod"}}
    session.connection(execution_options=options)
    user = User(entity="uk-prod", username="new")
    user.orders.append(Order(placed=DAY, total=1))
    session.add(user)
    session.commit()
    assert (user.id, user.orders[0].id, user.orders[0].entity) == (3, 3, "uk-prod")
    assert report.run_sql("SELECT user_id FROM sales_order WHERE id = 3", database="orm_uk") == "3"


def test_insert_into_the_parent_is_refused(session: Any) -> None:
    session.add(User(entity="nl-sales", username="new"))
    with pytest.raises(sqlalchemy.exc.DBAPIError, match="cannot insert into table") as caught:
        session.flush()
    assert caught.value.orig.pgcode == "55000"


def test_another_deployment_in_an_insert_is_refused(session: Any) -> None:
    options = {"schema_translate_map": {"all_connections": "uk-prod"}}
    session.connection(execution_options=options)
    session.add(User(entity="nl-sales", username="new"))
    with pytest.raises(sqlalchemy.exc.IntegrityError, match='another value than "uk-prod"'):
        session.flush()


def test_update(report: Cluster, session: Any) -> None:
    """Objects are changed where they are, and nowhere else."""
    session.get(User, ("nl-sales", 1)).username = "root"
    with contacts(report) as asked:
        session.commit()
    assert asked.names == {"nl-sales"}
    names = "SELECT string_agg(username, ' ' ORDER BY id) FROM auth_user"
    assert report.run_sql(names, database="orm_nl") == "root nl"
    assert report.run_sql(names, database="orm_uk") == "admin uk"


def test_delete(report: Cluster, session: Any) -> None:
    session.delete(session.get(Order, ("uk-prod", 1)))
    session.commit()
    ids = "SELECT string_agg(id::text, ' ' ORDER BY id) FROM sales_order"
    assert report.run_sql(ids, database="orm_uk") == "2"
    assert report.run_sql(ids, database="orm_nl") == "1 2"


def test_update_of_many(session: Any) -> None:
    """A statement for all of one deployment."""
    statement = (
        sqlalchemy.update(Order)
        .where(Order.entity == "nl-sales")
        .values(total=Order.total + 1)
        .execution_options(synchronize_session=False)
    )
    assert session.execute(statement).rowcount == 2
    query = sqlalchemy.select(Order.entity, Order.total).order_by(Order.entity, Order.id)
    totals = [int(row.total) for row in session.execute(query)]
    assert totals == [11, 21, 10, 20]


def test_rollback(report: Cluster, session: Any) -> None:
    """What was flushed is undone in every deployment, a savepoint alone as well."""
    session.get(User, ("nl-sales", 1)).username = "kept"
    session.flush()
    with session.begin_nested() as savepoint:
        session.get(User, ("uk-prod", 1)).username = "undone"
        session.flush()
        savepoint.rollback()
    session.commit()
    session.get(User, ("uk-prod", 1)).username = "undone"
    session.flush()
    session.rollback()
    names = "SELECT min(username) FROM auth_user WHERE id = 1"
    assert report.run_sql(names, database="orm_nl") == "kept"
    assert report.run_sql(names, database="orm_uk") == "admin"


# --- Tests of an application ----------------------------------------------------------------------

SET_UP = """
SELECT multicorn_detach('all_connections', name)
FROM unnest(ARRAY['nl-sales', 'uk-prod']) AS deployment (name);
CREATE SCHEMA trial;
CREATE TABLE trial.auth_user (LIKE all_connections.auth_user);
ALTER TABLE trial.auth_user ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY;
SELECT multicorn_attach_local('all_connections', 'trial', discriminator => 'entity');
"""
ATTACHED = "SELECT count(*) FROM multicorn_attached WHERE server_name IS NOT NULL"


def test_local_tables_instead_of_deployments(report: Cluster, engine: Any) -> None:
    """The models find a test's own rows, nobody is connected to, and nothing of it stays."""
    with engine.connect() as connection:
        transaction = connection.begin()
        connection.execute(sqlalchemy.text(SET_UP))
        options = {"schema_translate_map": {"all_connections": "trial"}}
        with orm.Session(connection, future=True) as session:
            rows = [{"entity": "trial", "username": name} for name in ("eve", "bob")]
            session.execute(sqlalchemy.insert(User), rows, execution_options=options)
            query = sqlalchemy.select(User).order_by(User.username)
            users = session.execute(query).scalars().all()
            assert [(user.entity, user.id, user.username) for user in users] == [
                ("trial", 2, "bob"),
                ("trial", 1, "eve"),
            ]
            users[0].username = "alice"
            session.flush()
            assert session.get(User, ("trial", 2)).username == "alice"
            session.execute(sqlalchemy.text("SELECT 1"))
            assert connections(report) == set()
            transaction.rollback()
        assert connection.execute(sqlalchemy.text(ATTACHED)).scalar() == 4
        names = connection.execute(sqlalchemy.select(User.username)).scalars()
        assert sorted(names) == ["admin", "admin", "nl", "uk"]
        schema = connection.execute(sqlalchemy.text("SELECT to_regnamespace('trial')")).scalar()
        assert schema is None
