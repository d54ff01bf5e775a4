"""docs/federation.md, followed from an empty database to a tested report."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness import Cluster
from harness.pages import Block, Reader, read_blocks

PAGE = Path(__file__).resolve().parents[2] / "docs" / "federation.md"

# The application as its deployments have it: Django's users, and orders.
APPLICATION = """
CREATE TABLE auth_user (
    id serial PRIMARY KEY,
    password varchar(128) NOT NULL,
    last_login timestamptz,
    is_superuser boolean NOT NULL,
    username varchar(150) NOT NULL UNIQUE,
    first_name varchar(30) NOT NULL,
    last_name varchar(30) NOT NULL,
    email varchar(254) NOT NULL,
    is_staff boolean NOT NULL,
    is_active boolean NOT NULL,
    date_joined timestamptz NOT NULL
);
CREATE TABLE sales_order (
    id bigserial PRIMARY KEY,
    user_id integer NOT NULL REFERENCES auth_user DEFERRABLE INITIALLY DEFERRED,
    placed date NOT NULL,
    total numeric(10, 2) NOT NULL
);
INSERT INTO auth_user (password, is_superuser, username, first_name, last_name, email, is_staff,
    is_active, date_joined)
VALUES ('hash', true, 'admin', 'Ad', 'Min', 'admin@example.org', true, true, '2024-01-01'),
    ('hash', false, :'name', :'first', :'last', 'user@example.org', false, true, '2024-01-02');
INSERT INTO sales_order (user_id, placed, total)
VALUES (1, '2024-05-01', 10), (2, '2024-05-02', 20);
"""
PEOPLE = {"nl": ("piet", "Piet", "Pietersen"), "uk": ("jan", "Jan", "Janssen")}

# Everybody but the superuser needs a password.
RULES = "local all postgres trust\nlocal all reporting trust\nlocal all all scram-sha-256\n"


class Follower(Reader):
    """A reader who is the role `reporting`, and who can stop the server of a deployment."""

    def __init__(self, folder: Path, cluster: Cluster, deployments: dict[str, Cluster]) -> None:
        places = {f"{name}.example.org": one.host for name, one in deployments.items()}
        patterns = {
            r"sudo -u postgres (\w+)": r"\1 -U postgres",
            r"^python3 ": f"{sys.executable} ",
        }
        super().__init__(folder, cluster, places, patterns)
        self.patterns.pop(r"sudo (-u postgres )?")
        self.deployments = deployments

    def run(self, block: Block, fails: bool = False) -> str:
        """Run a block; what is done on the host of a deployment is done to its server."""
        for name, deployment in self.deployments.items():
            if block.text.startswith(f"ssh {name}.example.org"):
                deployment.stop() if " stop " in block.text else deployment.start()
                return ""
        return super().run(block, fails)

    def environment(self) -> dict[str, str]:
        """Return the environment of `reporting`, who keeps modules in the folder."""
        return {**super().environment(), "PGUSER": "reporting", "PYTHONPATH": str(self.folder)}


def make_deployment(cluster: Cluster, name: str) -> None:
    """Make the application's database, with somebody's name in it."""
    cluster.createdb("production")
    variables = zip(("name", "first", "last"), PEOPLE[name], strict=True)
    options = [part for variable, value in variables for part in ("-v", f"{variable}={value}")]
    done = cluster.psql(APPLICATION, "-v", "ON_ERROR_STOP=1", *options, database="production")
    assert done.returncode == 0, done.stderr
    (cluster.data / "pg_hba.conf").write_text(RULES)
    cluster.reload()


@pytest.fixture(scope="module")
def follower(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Follower]:
    """Somebody before an empty database, and two deployments of an application."""
    with ExitStack() as clusters:
        cluster, nl, uk = (clusters.enter_context(Cluster()) for _ in range(3))
        for name, one in (("nl", nl), ("uk", uk)):
            make_deployment(one, name)
        cluster.createdb("mydb")
        cluster.run_sql("CREATE ROLE reporting LOGIN")
        yield Follower(tmp_path_factory.mktemp("reporting"), cluster, {"nl": nl, "uk": uk})


def pages_blocks() -> list[Block]:
    """Return the blocks of the page; those of Python without a path are parts of something."""
    return [block for block in read_blocks(PAGE) if block.language != "python" or block.path]


def test_guide(follower: Follower) -> None:
    """Every command does what the page says, in its order."""
    follower.follow(pages_blocks())


DJANGO = """
import datetime
import django
from django.conf import settings

DATABASE = {"ENGINE": "django.db.backends.postgresql", "NAME": "mydb", "USER": "reporting"}
settings.configure(DATABASES={"default": DATABASE}, USE_TZ=True)
django.setup()

from reporting.django_models import NlOrder, Order, User

print(list(User.objects.order_by("username", "entity").values_list("entity", "id", "username")))
orders = Order.objects.select_related("user").filter(entity="nl-sales", user__username="admin")
print([(order.entity, order.pk, order.user.username) for order in orders])
users = User.objects.prefetch_related("orders").order_by("entity", "id")
print([[order.pk for order in user.orders.all()] for user in users])
new = NlOrder.objects.create(user_id=1, placed=datetime.date(2024, 1, 1), total=3)
order = Order.objects.get(pk=("nl-sales", new.pk))
order.total = 4
order.save()
new.refresh_from_db()
print(new.total, order.delete()[0])
"""
SHOWN = """
[('nl-sales', 1, 'admin'), ('uk-prod', 1, 'admin'), ('uk-prod', 2, 'jan'), ('nl-sales', 2, 'piet')]
[('nl-sales', ('nl-sales', 1), 'admin')]
[[('nl-sales', 1)], [('nl-sales', 2)], [('uk-prod', 1)], [('uk-prod', 2)]]
4.00 1
"""


def test_django(follower: Follower) -> None:
    """The models of the page read and write, where there is a Django that knows such keys."""
    django = pytest.importorskip("django")
    if django.VERSION < (5, 2):
        pytest.skip("this Django has no composite primary keys")
    follower.folder.joinpath("example_django.py").write_text(DJANGO)
    done = subprocess.run(
        [sys.executable, "example_django.py"],
        cwd=follower.folder,
        env=follower.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == SHOWN.strip()
