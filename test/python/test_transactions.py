"""How wrappers take part in transactions: against a model, and when hooks hang or sessions end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random

import psycopg
import pytest
from psycopg import errors

from harness import Cluster
from harness.sessions import LONGEST_WAIT, Connect, Session, wait_until

TABLES = ("a", "b", "c")

numbers = count(1)


@pytest.fixture(scope="module")
def tables(server: Cluster) -> None:
    """The foreign tables a, b and c, journal and next of test/wrappers/hooks.py."""
    server.run_sql(
        "CREATE SCHEMA hooks; SET search_path = hooks;"
        + "".join(
            f"CREATE FOREIGN TABLE {name} (n int) SERVER python"
            f" OPTIONS (wrapper 'hooks.Hooks', name '{name}');"
            for name in TABLES
        )
        + "CREATE FOREIGN TABLE journal (event text) SERVER python"
        " OPTIONS (wrapper 'hooks.Journal');"
        "CREATE FOREIGN TABLE next (event text, way text) SERVER python"
        " OPTIONS (wrapper 'hooks.Next');"
        "CREATE TABLE heap (n int);"
    )


@pytest.fixture
def hooked(connect: Connect, tables: None) -> Session:
    """A session that finds those tables."""
    session = connect()
    session.execute("SET search_path = hooks")
    return session


def plan(session: Session, events: list[str], way: str = "fail") -> None:
    """Let what the journal calls these events go wrong, each once."""
    listed = "{" + ",".join(f'"{event}"' for event in events) + "}"
    session.execute(f"SELECT FROM next WHERE event = ANY ('{listed}') AND way = '{way}'")


def read_journal(session: Session) -> list[str]:
    """What has been written down since the last time."""
    return [event for (event,) in session.execute("SELECT event FROM journal")]


# --- The model ----------------------------------------------------------------------------------


class Failure(Exception):
    """The statement fails."""


@dataclass
class Participant:
    """An instance that takes part."""

    name: str
    level: int = 1
    released: bool = False
    doomed: bool = False


@dataclass
class Model:
    """What is to be called, as the documentation has it.

    Attributes:
        failures: The events that fail, once each.
        events: What has been called.
        warnings: How many hooks have failed when nothing may.
        participants: Those that take part, in the order of joining.
        savepoints: The names of savepoints, from the outermost.
        in_block: Between BEGIN and the end.
        failed: In a transaction that has failed.
    """

    failures: set[str] = field(default_factory=set)
    events: list[str] = field(default_factory=list)
    warnings: int = 0
    participants: list[Participant] = field(default_factory=list)
    savepoints: list[str] = field(default_factory=list)
    in_block: bool = False
    failed: bool = False

    @property
    def level(self) -> int:
        """The nesting level of the moment."""
        return 1 + len(self.savepoints)

    def call(self, event: str) -> None:
        """Call a hook that may fail."""
        self.events.append(event)
        if event in self.failures:
            self.failures.remove(event)
            raise Failure

    def call_cleanup(self, event: str) -> bool:
        """Call a hook whose failure is a WARNING."""
        try:
            self.call(event)
        except Failure:
            self.warnings += 1
            return False
        return True

    # What happens inside a transaction

    def use(self, name: str) -> None:
        """A table is used."""
        found = next((p for p in self.participants if p.name == name), None)
        if found is None:
            self.call(f"{name}: begin False")
            found = Participant(name)
            self.participants.append(found)
        self.require_not_doomed(found)
        while found.level < self.level:
            self.call(f"{name}: sub_begin {found.level + 1}")
            found.level += 1

    def require_not_doomed(self, participant: Participant) -> None:
        """A doomed instance can do nothing."""
        if participant.doomed:
            raise Failure

    def release(self) -> None:
        """The innermost savepoint is released."""
        level = self.level
        inside = [p for p in self.participants if p.level >= level]
        for participant in inside:
            self.require_not_doomed(participant)
        for participant in inside:
            self.call(f"{participant.name}: sub_commit {level}")
            participant.released = True
        for participant in inside:
            participant.released = False
            participant.level = level - 1
        self.savepoints.pop()

    def roll_back(self) -> None:
        """The innermost savepoint is rolled back; it stays as a name."""
        level = self.level
        for participant in self.participants:
            if participant.level < level:
                continue
            if participant.released or not self.call_cleanup(
                f"{participant.name}: sub_rollback {level}"
            ):
                participant.doomed = True
            participant.released = False
            participant.level = level - 1

    def end(self, hook: str) -> None:
        """The transaction has ended."""
        for participant in self.participants:
            self.call_cleanup(f"{participant.name}: {hook}")
        self.participants = []
        self.savepoints = []

    def roll_back_all(self) -> None:
        """The transaction is rolled back, with all savepoints."""
        while self.savepoints:
            self.roll_back()
            self.savepoints.pop()
        self.end("rollback")

    def commit_all(self) -> None:
        """The transaction commits, or is rolled back because a hook fails."""
        try:
            while self.savepoints:
                self.release()
            for participant in self.participants:
                self.require_not_doomed(participant)
            for participant in self.participants:
                self.call(f"{participant.name}: pre_commit")
        except Failure:
            self.roll_back_all()
            raise
        self.end("commit")

    # Statements; each returns whether it succeeds

    def run(self, work: Callable[[], None]) -> bool:
        """Do what a statement does, in its transaction or in one of its own."""
        if self.failed:
            return False
        try:
            work()
        except Failure:
            self.abort()
            return False
        if self.in_block:
            return True
        try:
            self.commit_all()
        except Failure:
            return False
        return True

    def abort(self) -> None:
        """A statement has failed: what is innermost is rolled back at once."""
        if self.savepoints:
            self.roll_back()
        else:
            self.end("rollback")
        self.failed = self.in_block

    def statement(self, text: str, argument: object) -> bool:
        """Run a statement of a program."""
        method: Callable[..., bool] = getattr(self, f"do_{text}")
        return method(argument)

    def do_use(self, name: str) -> bool:
        """SELECT from a table."""
        return self.run(lambda: self.use(name))

    def do_use_and_fail(self, name: str) -> bool:
        """SELECT from a table, and fail after that."""
        return self.run(lambda: self.work([("use", name), ("raise", None)]))

    def do_fail(self, argument: None) -> bool:
        """A statement that fails by itself."""
        return self.run(lambda: self.work([("raise", None)]))

    def do_block(self, steps: Block) -> bool:
        """A DO block."""
        return self.run(lambda: self.work(steps))

    def work(self, steps: Block) -> None:
        """What PL/pgSQL does."""
        for kind, argument in steps:
            if kind == "use":
                self.use(str(argument))
            elif kind == "raise":
                raise Failure
            else:
                assert isinstance(argument, list)
                self.work_guarded(argument)

    def work_guarded(self, steps: Block) -> None:
        """A block with EXCEPTION."""
        self.savepoints.append("")
        depth = len(self.savepoints)
        try:
            self.work(steps)
            self.release()
        except Failure:
            assert len(self.savepoints) == depth
            self.roll_back()
            self.savepoints.pop()

    def do_begin(self, argument: None) -> bool:
        """BEGIN."""
        self.in_block = True
        return True

    def do_savepoint(self, name: str) -> bool:
        """SAVEPOINT."""
        if not self.failed:
            self.savepoints.append(name)
        return not self.failed

    def do_release(self, name: str) -> bool:
        """RELEASE: what fails in it has lost its savepoint, and fails what is around it."""
        if self.failed:
            return False
        if name not in self.savepoints:
            self.abort()
            return False
        outer = len(self.savepoints) - 1 - self.savepoints[::-1].index(name)
        try:
            while len(self.savepoints) > outer:
                self.release()
        except Failure:
            while len(self.savepoints) > outer:
                self.roll_back()
                self.savepoints.pop()
            self.abort()
            return False
        return True

    def do_rollback_to(self, name: str) -> bool:
        """ROLLBACK TO."""
        if name not in self.savepoints:
            if not self.failed:
                self.abort()
            return False
        self.failed = False
        while True:
            self.roll_back()
            if self.savepoints[-1] == name:
                return True
            self.savepoints.pop()

    def do_commit(self, argument: None) -> bool:
        """COMMIT."""
        failed, self.failed, self.in_block = self.failed, False, False
        if failed:
            self.roll_back_all()
            return True
        try:
            self.commit_all()
        except Failure:
            return False
        return True

    def do_rollback(self, argument: None) -> bool:
        """ROLLBACK."""
        self.failed = self.in_block = False
        self.roll_back_all()
        return True


Block = list[tuple[str, object]]
Program = list[tuple[str, object]]


def random_block(random: Random, depth: int = 0) -> Block:
    """Return what a block of PL/pgSQL does."""
    steps: Block = []
    for _ in range(random.randint(1, 3)):
        kind = random.choices(["use", "try", "raise"], [6, 4 - depth, 1])[0]
        if kind == "use":
            steps.append((kind, random.choice(TABLES)))
        elif kind == "try":
            steps.append((kind, random_block(random, depth + 1)))
        else:
            steps.append((kind, None))
    return steps


def random_program(random: Random) -> Program:
    """Return the statements of a transaction block, or a few without one."""
    kinds = {"use": 8, "use_and_fail": 1, "fail": 1, "block": 3}
    inside = {**kinds, "savepoint": 6, "release": 2, "rollback_to": 4}
    begun = random.random() < 0.9
    offered = inside if begun else kinds
    program: Program = [("begin", None)] if begun else []
    for _ in range(random.randint(1, 14)):
        kind = random.choices(list(offered), list(offered.values()))[0]
        argument: object = None
        if kind.startswith("use"):
            argument = random.choice(TABLES)
        elif kind == "block":
            argument = random_block(random)
        elif kind != "fail":
            argument = random.choice("xyz")
        program.append((kind, argument))
    if begun:
        program.append((random.choice(["commit", "commit", "rollback"]), None))
    return program


def random_failures(random: Random) -> set[str]:
    """Return a few events that are to fail."""
    hooks = ["begin False", "pre_commit", "commit", "rollback"]
    hooks += [
        f"sub_{end} {level}" for end in ("begin", "commit", "rollback") for level in (2, 2, 3)
    ]
    return {f"{random.choice(TABLES)}: {random.choice(hooks)}" for _ in range(random.randint(1, 4))}


def block_text(steps: Block) -> str:
    """Return what a block does in PL/pgSQL."""
    return f"BEGIN {' '.join(step_text(*step) for step in steps)} END;"


def step_text(kind: str, argument: object) -> str:
    """Return a step of a block in PL/pgSQL."""
    if kind == "use":
        return f"PERFORM n FROM {argument};"
    if kind == "raise":
        return "RAISE division_by_zero;"
    assert isinstance(argument, list)
    inner = block_text(argument).removesuffix("END;")
    return f"{inner} EXCEPTION WHEN others THEN NULL; END;"


def statement_text(kind: str, argument: object) -> str:
    """Return a statement in SQL."""
    if kind == "block":
        assert isinstance(argument, list)
        return f"DO $$ {block_text(argument)} $$"
    return {
        "use": f"SELECT n FROM {argument}",
        "use_and_fail": f"SELECT 1 / (n - 1) FROM {argument}",
        "fail": "SELECT 1 / 0",
        "begin": "BEGIN",
        "savepoint": f"SAVEPOINT {argument}",
        "release": f"RELEASE {argument}",
        "rollback_to": f"ROLLBACK TO {argument}",
        "commit": "COMMIT",
        "rollback": "ROLLBACK",
    }[kind]


@pytest.mark.parametrize("failing", [False, True], ids=["orderly", "failing"])
def test_model(hooked: Session, failing: bool) -> None:
    """Random programs call the hooks that the model calls, and end as it says."""
    warnings: list[str | None] = []
    hooked.add_notice_handler(
        lambda notice: (
            warnings.append(notice.message_primary)
            if notice.message_primary == "told to fail"
            else None
        )
    )
    read_journal(hooked)
    for seed in range(3000):
        random = Random(seed)
        program = random_program(random)
        model = Model(failures=random_failures(random) if failing else set())
        warnings.clear()
        if failing:
            plan(hooked, sorted(model.failures))
        told = [f"seed {seed}, failures {sorted(model.failures)}"]
        for kind, argument in program:
            text = statement_text(kind, argument)
            try:
                hooked.execute(text)
                succeeded = True
            except psycopg.Error:
                succeeded = False
            told.append(f"{text}; -- {succeeded}")
            assert succeeded == model.statement(kind, argument), "\n".join(told)
        assert (read_journal(hooked), len(warnings)) == (model.events, model.warnings), "\n".join(
            told
        )


# --- The end of a session -----------------------------------------------------------------------


class Witness:
    """A foreign table whose hooks write into a file, so that it can be read from outside."""

    def __init__(self, server: Cluster, tables: None) -> None:
        self.server = server
        self.name = f"witness_{next(numbers)}"
        self.file = server.scratch / self.name
        server.run_sql(
            f"CREATE FOREIGN TABLE hooks.{self.name} (n int) SERVER python OPTIONS"
            f" (wrapper 'hooks.Hooks', name 'w', file '{self.file}', verbose 'on')"
        )

    @property
    def events(self) -> list[str]:
        """What has been written so far."""
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        return [line.removeprefix("w: ") for line in lines]

    def wait_for(self, event: str) -> None:
        """Wait until it is written."""
        wait_until(lambda: event in self.events)


@pytest.fixture
def witness(server: Cluster, tables: None) -> Witness:
    """A table whose hooks can be seen from outside."""
    return Witness(server, tables)


def is_gone(pid: int) -> bool:
    """Whether a process has ended."""
    return not Path(f"/proc/{pid}").exists()


def terminate(server: Cluster, session: Session) -> None:
    """Have a backend end."""
    server.run_sql(f"SELECT pg_terminate_backend({session.info.backend_pid})")


@pytest.mark.parametrize("end", ["disconnect", "terminate"])
@pytest.mark.parametrize("failed", [False, True], ids=["open", "failed"])
def test_session_ends_in_a_transaction(
    server: Cluster, hooked: Session, witness: Witness, end: str, failed: bool
) -> None:
    """It is rolled back for the instance, from the inside, once; then the instance is closed."""
    hooked.execute("BEGIN")
    hooked.execute(f"SELECT n FROM {witness.name}")
    hooked.execute("SAVEPOINT s")
    hooked.execute(f"SELECT n FROM {witness.name}")
    if failed:
        with pytest.raises(errors.DivisionByZero):
            hooked.execute("SELECT 1 / 0")
    begun = len(witness.events) - failed
    pid = hooked.info.backend_pid
    if end == "terminate":
        terminate(server, hooked)
    hooked.close()
    wait_until(lambda: is_gone(pid))
    assert witness.events[begun:] == ["sub_rollback 2", "rollback", "close"]


def test_session_ends_with_an_open_cursor(hooked: Session, witness: Witness) -> None:
    """Its scan ends first."""
    hooked.execute("BEGIN")
    hooked.execute(f"DECLARE d CURSOR FOR SELECT n FROM {witness.name}")
    hooked.execute("FETCH 1 FROM d")
    pid = hooked.info.backend_pid
    hooked.close()
    wait_until(lambda: is_gone(pid))
    assert witness.events[-3:] == ["end_scan", "rollback", "close"]


def test_session_ends_after_its_transaction(hooked: Session, witness: Witness) -> None:
    """Nothing is left to roll back then."""
    hooked.execute(f"SELECT n FROM {witness.name}")
    pid = hooked.info.backend_pid
    hooked.close()
    wait_until(lambda: is_gone(pid))
    assert witness.events[-3:] == ["pre_commit", "commit", "close"]


def test_hung_rollback_at_the_end_of_a_session(hooked: Session, witness: Witness) -> None:
    """cleanup_timeout ends it there, too."""
    hooked.execute("SET multicorn.cleanup_timeout = '300ms'")
    plan(hooked, ["w: rollback"], "swallow")
    hooked.execute("BEGIN")
    hooked.execute(f"SELECT n FROM {witness.name}")
    pid = hooked.info.backend_pid
    hooked.close()
    wait_until(lambda: is_gone(pid))
    assert witness.events[-2:] == ["rollback", "close"]


# --- Hooks before the decision --------------------------------------------------------------------

BEFORE = ["begin False", "sub_begin 2", "sub_commit 2", "pre_commit"]


@contextmanager
def running(session: Session, witness: Witness, event: str) -> Iterator[list[Exception]]:
    """Run a transaction with a savepoint; in the ``with`` block the hook is at work."""
    raised: list[Exception] = []

    def run() -> None:
        try:
            for statement in transaction(witness, event):
                session.execute(statement)
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    witness.wait_for(event)
    yield raised
    thread.join(LONGEST_WAIT)
    assert not thread.is_alive(), "the transaction has not ended"


def transaction(witness: Witness, event: str) -> list[str]:
    """Return the statements of a transaction in which the event occurs."""
    use = f"SELECT n FROM {witness.name}"
    end = "ROLLBACK" if event == "rollback" else "COMMIT"
    leave = "ROLLBACK TO s" if event.startswith("sub_rollback") else "RELEASE s"
    return [
        "BEGIN",
        "INSERT INTO heap VALUES (1)",
        "SAVEPOINT s",
        f"INSERT INTO heap SELECT n + 1 FROM {witness.name}",
        use,
        leave,
        end,
    ]


@pytest.mark.parametrize("event", BEFORE)
@pytest.mark.parametrize("way", ["loop", "sleep", "swallow", "swallow_once"])
def test_cancel_before_the_decision(
    server: Cluster, hooked: Session, witness: Witness, event: str, way: str
) -> None:
    """A cancel ends the hook, and the transaction with it."""
    hooked.execute("TRUNCATE heap")
    plan(hooked, [f"w: {event}"], way)
    with running(hooked, witness, event) as raised:
        server.run_sql(f"SELECT pg_cancel_backend({hooked.info.backend_pid})")
    assert [type(error) for error in raised] == [errors.QueryCanceled]
    hooked.execute("ROLLBACK")
    assert hooked.execute("SELECT count(*) FROM heap").fetchone() == (0,)
    # One that has come back from begin without an exception takes part.
    ended = "rollback" in witness.events
    assert ended == (event != "begin False" or way == "swallow_once")
    assert witness.events.count("rollback") <= 1 and "commit" not in witness.events


@pytest.mark.parametrize("event", BEFORE[:2])
def test_timeout_before_the_decision(hooked: Session, witness: Witness, event: str) -> None:
    """So does statement_timeout, which PostgreSQL switches off before it begins to commit."""
    plan(hooked, [f"w: {event}"], "sleep")
    hooked.execute("SET statement_timeout = '300ms'")
    with running(hooked, witness, event) as raised:
        pass
    assert [type(error) for error in raised] == [errors.QueryCanceled]
    assert "due to statement timeout" in str(raised[0])
    hooked.execute("ROLLBACK")
    assert hooked.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("event", BEFORE)
def test_terminate_before_the_decision(
    server: Cluster, hooked: Session, witness: Witness, event: str
) -> None:
    """The end of the session rolls back."""
    plan(hooked, [f"w: {event}"], "sleep")
    pid = hooked.info.backend_pid
    with running(hooked, witness, event) as raised:
        terminate(server, hooked)
    assert "due to administrator command" in str(raised[0])
    wait_until(lambda: is_gone(pid))
    # Where begin has not succeeded, there is nothing to roll back.
    assert witness.events[-1] == "close"
    assert witness.events.count("rollback") == (event != "begin False")


def test_what_was_released_when_the_cancel_comes(
    server: Cluster, hooked: Session, witness: Witness
) -> None:
    """A savepoint that was released, but is rolled back by a late cancel, cannot be rolled back."""
    plan(hooked, ["w: sub_commit 3"], "swallow_once")
    use = f"PERFORM n FROM {witness.name};"
    raised: list[Exception] = []

    def run() -> None:
        try:
            hooked.execute(
                f"DO $$ BEGIN BEGIN {use} BEGIN {use} EXCEPTION WHEN query_canceled THEN NULL; END;"
                f" {use} EXCEPTION WHEN division_by_zero THEN NULL; END; END $$"
            )
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    witness.wait_for("sub_commit 3")
    server.run_sql(f"SELECT pg_cancel_backend({hooked.info.backend_pid})")
    thread.join(LONGEST_WAIT)
    assert [type(error) for error in raised] == [errors.InFailedSqlTransaction]
    assert "sub_rollback 3" not in witness.events
    assert witness.events[-2:] == ["sub_rollback 2", "rollback"]


# --- Hooks after the decision ---------------------------------------------------------------------

AFTER = ["commit", "rollback", "sub_rollback 2"]
HANGING = ["loop", "sleep", "swallow"]


def check_outcome(session: Session, witness: Witness, event: str, raised: list[Exception]) -> None:
    """The transaction has ended as decided: the hook's failure does not change it."""
    pid = session.info.backend_pid
    if event == "sub_rollback 2":
        # The instance is doomed, and COMMIT fails.
        assert [type(error) for error in raised] == [errors.InFailedSqlTransaction]
    else:
        assert raised == []
    rows = [n for (n,) in session.execute("SELECT n FROM heap ORDER BY n")]
    assert rows == ([1, 2] if event == "commit" else [])
    assert session.info.backend_pid == pid
    # All goes well with the next transaction.
    session.execute(f"SELECT n FROM {witness.name}")
    assert witness.events[-2:] == ["pre_commit", "commit"]


@pytest.mark.parametrize("event", AFTER)
@pytest.mark.parametrize("way", HANGING)
@pytest.mark.parametrize("end", ["cleanup_timeout", "cancel"])
def test_hung_after_the_decision(
    server: Cluster, hooked: Session, witness: Witness, event: str, way: str, end: str
) -> None:
    """A hung hook is ended, with a WARNING; the transaction ends as decided."""
    hooked.execute("TRUNCATE heap")
    warnings: list[str | None] = []
    hooked.add_notice_handler(lambda notice: warnings.append(notice.message_primary))
    plan(hooked, [f"w: {event}"], way)
    if end == "cleanup_timeout":
        hooked.execute("SET multicorn.cleanup_timeout = '300ms'")
    with running(hooked, witness, event) as raised:
        if end == "cancel":
            server.run_sql(f"SELECT pg_cancel_backend({hooked.info.backend_pid})")
    reason = "multicorn.cleanup_timeout" if end == "cleanup_timeout" else "a cancel"
    assert [w for w in warnings if w and reason in w] == warnings and len(warnings) == 1
    if event == "sub_rollback 2" and end != "cleanup_timeout":
        # What was cancelled is the statement ROLLBACK TO, which may still hear of it.
        raised[:] = [e for e in raised if not isinstance(e, errors.QueryCanceled)] or [
            errors.InFailedSqlTransaction()
        ]
        hooked.execute("ROLLBACK")
    check_outcome(hooked, witness, event, raised)


@pytest.mark.parametrize("event", AFTER)
@pytest.mark.parametrize("way", HANGING)
def test_terminate_after_the_decision(
    server: Cluster, hooked: Session, connect: Connect, witness: Witness, event: str, way: str
) -> None:
    """The session ends, but what was committed is; no other session hears of it."""
    hooked.execute("TRUNCATE heap")
    plan(hooked, [f"w: {event}"], way)
    bystander = connect()
    pid = hooked.info.backend_pid
    with running(hooked, witness, event) as raised:
        terminate(server, hooked)
    wait_until(lambda: is_gone(pid))
    # Between statements, the message may get lost with the connection.
    assert all(isinstance(error, psycopg.OperationalError) for error in raised)
    rows = bystander.execute("SELECT count(*) FROM hooks.heap").fetchone()
    assert rows == (2 if event == "commit" else 0,)
    ends = [e for e in witness.events if e in ("commit", "rollback")]
    assert ends == ["commit" if event == "commit" else "rollback"]
    assert witness.events[-1] == "close"


def test_every_hook_has_its_time(hooked: Session) -> None:
    """The time is that of one hook: the next instance gets its own, and its hook."""
    hooked.execute("SET multicorn.cleanup_timeout = '200ms'")
    warnings: list[str | None] = []
    hooked.add_notice_handler(lambda notice: warnings.append(notice.message_primary))
    read_journal(hooked)
    plan(hooked, ["a: commit", "b: commit"], "swallow")
    hooked.execute("SELECT FROM a, b, c")
    assert warnings == ["interrupted by multicorn.cleanup_timeout"] * 2
    assert read_journal(hooked)[-3:] == ["a: commit", "b: commit", "c: commit"]


@pytest.mark.parametrize("event", AFTER)
def test_warning_that_the_client_cannot_be_told(
    server: Cluster, hooked: Session, event: str
) -> None:
    """A name in its context that the client's encoding lacks must not end the server."""
    name = f"\N{EURO SIGN} {next(numbers)}"
    hooked.execute(
        f'CREATE FOREIGN TABLE "{name}" (n int) SERVER python OPTIONS'
        " (wrapper 'hooks.Hooks', name 'euro');"
        f'CREATE OR REPLACE VIEW euros AS SELECT n FROM "{name}";'
        "TRUNCATE heap"
    )
    read_journal(hooked)
    plan(hooked, [f"euro: {event}"])
    hooked.execute("SET client_encoding = 'LATIN1'")
    hooked.execute("BEGIN")
    hooked.execute("INSERT INTO heap SELECT n FROM euros")
    hooked.execute("SAVEPOINT s")
    hooked.execute("SELECT n FROM euros")
    hooked.execute("ROLLBACK TO s")
    if event == "sub_rollback 2":
        # The error about the doomed instance names it, too.
        with pytest.raises(errors.UntranslatableCharacter):
            hooked.execute("COMMIT")
    else:
        hooked.execute(event)
    assert hooked.execute("SELECT count(*) FROM heap").fetchone() == (int(event == "commit"),)
    assert [line for line in read_journal(hooked) if line.endswith(f" {event}")] == [
        f"euro: {event}"
    ]
    assert f'foreign table "{name}", method {event.split()[0]}' in server.log


# --- Other ----------------------------------------------------------------------------------------


def test_prepared_transactions() -> None:
    """They are refused where the server has them, too; the session goes on."""
    with Cluster(settings={"max_prepared_transactions": "2"}) as server:
        server.run_sql(
            "CREATE EXTENSION multicorn; CREATE SERVER python FOREIGN DATA WRAPPER multicorn;"
            "CREATE FOREIGN TABLE constant (a text) SERVER python"
            " OPTIONS (wrapper 'multicorn.constantfdw.ConstantForeignDataWrapper')"
        )
        with psycopg.connect(server.conninfo("postgres"), autocommit=True) as session:
            session.execute("BEGIN")
            session.execute("SELECT a FROM constant")
            with pytest.raises(errors.FeatureNotSupported, match="cannot PREPARE"):
                session.execute("PREPARE TRANSACTION 'p'")
            session.execute("BEGIN")
            session.execute("CREATE TABLE heap (n int)")
            session.execute("PREPARE TRANSACTION 'p'")
            session.execute("COMMIT PREPARED 'p'")
            assert session.execute("SELECT count(*) FROM heap, constant").fetchone() == (0,)
