"""What the C side calls, with a stand-in for the module that it provides."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple
from uuid import UUID

import pytest

import multicorn
from multicorn import Error, ForeignDataWrapper, _output, _server, _text, utils
from multicorn._logging import PostgresHandler
from multicorn._output import Output

Message = tuple[int, str, str | None, str | None]

DEBUG1, LOG, NOTICE, WARNING, FATAL = 14, 15, 18, 19, 22


class Interrupt(BaseException):
    pass


class FakeBridge(ModuleType):
    """The built-in module, as far as Python can be it."""

    DEBUG1, LOG, NOTICE, WARNING, FATAL = DEBUG1, LOG, NOTICE, WARNING, FATAL
    Interrupt = Interrupt
    python_path_place = "/nowhere"

    def __init__(self) -> None:
        super().__init__("_multicorn")
        self.messages: list[Message] = []
        self.is_active = True
        self.pending = 0
        self.failure: BaseException | None = None
        self.checked = 0

    def log(self, elevel: int, message: str, detail: str | None, hint: str | None) -> None:
        assert self.is_main_thread()
        if self.failure is not None:
            raise self.failure
        if elevel == FATAL:
            raise Interrupt
        self.messages.append((elevel, message, detail, hint))

    def check_interrupts(self) -> None:
        assert self.is_main_thread()
        self.checked += 1

    def on_interrupt(self, signum: int, frame: object) -> None:
        raise Interrupt

    def active(self) -> bool:
        assert self.is_main_thread()
        return self.is_active

    def output_pending(self) -> None:
        self.pending += 1

    def is_main_thread(self) -> bool:
        return threading.current_thread() is threading.main_thread()

    @property
    def texts(self) -> list[str]:
        return [message[1] for message in self.messages]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBridge]:
    bridge = FakeBridge()
    monkeypatch.setitem(sys.modules, "_multicorn", bridge)
    monkeypatch.setattr(_output, "_queue", [])
    monkeypatch.setattr(_output, "_lost", 0)
    monkeypatch.setattr(_output, "_stdout", None)
    monkeypatch.setattr(_text, "_forms", {})
    yield bridge


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def output(
    server: FakeBridge, stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Output]:
    proxy = Output(stream)
    monkeypatch.setattr(_output, "_stdout", proxy)
    yield proxy


def in_thread(function: Any, *args: Any) -> None:
    thread = threading.Thread(target=function, args=args)
    thread.start()
    thread.join()


# print


def test_complete_lines_become_notices(server: FakeBridge, output: Output) -> None:
    assert output.write("one\ntwo\r\n\nthr") == 13
    assert server.messages == [
        (NOTICE, "one", None, None),
        (NOTICE, "two", None, None),
        (NOTICE, "", None, None),
    ]
    assert server.pending == 1
    print("ee", file=output)
    assert server.texts[3:] == ["three"]


def test_unfinished_line_is_sent_at_the_boundary(server: FakeBridge, output: Output) -> None:
    print("unfinished", end="", file=output)
    assert server.messages == []
    server.is_active = False
    _server.flush()
    _server.flush()
    assert server.texts == ["unfinished"]


def test_unfinished_line_is_sent_when_flushed(server: FakeBridge, output: Output) -> None:
    print("now", end="", flush=True, file=output)
    assert server.texts == ["now"]


def test_output_is_pythons_when_no_wrapper_runs(
    server: FakeBridge, output: Output, stream: io.StringIO
) -> None:
    server.is_active = False
    print("for Python", file=output)
    assert stream.getvalue() == "for Python\n"
    assert server.messages == []


def test_lines_of_threads_wait_for_the_boundary(server: FakeBridge, output: Output) -> None:
    output.write("main ")
    in_thread(output.write, "from a thread\nand its unfinished line")
    assert server.messages == []
    assert server.pending == 2
    _server.flush()
    assert server.texts == ["from a thread", "and its unfinished line", "main "]


def test_unfinished_line_of_a_running_thread_is_kept(server: FakeBridge, output: Output) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work() -> None:
        output.write("one ")
        begun.set()
        go_on.wait()
        output.write("line\n")

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait()
    _server.flush()
    go_on.set()
    thread.join()
    _server.flush()
    assert server.texts == ["one line"]


def test_queue_is_bounded(server: FakeBridge, output: Output) -> None:
    in_thread(output.write, "x\n" * (_output.LONGEST_QUEUE + 5))
    _server.flush()
    assert len(server.messages) == _output.LONGEST_QUEUE + 1
    assert server.texts[-1] == "5 messages of other threads were lost"


def test_threads_that_go_on_do_not_hold_the_boundary_up(
    server: FakeBridge, output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they say while messages are sent waits for the next boundary."""
    sent: list[str] = []

    def log(elevel: int, message: str, detail: str | None, hint: str | None) -> None:
        sent.append(message)
        assert len(sent) < 10
        in_thread(output.write, f"after {message}\n")

    monkeypatch.setattr(server, "log", log)
    in_thread(output.write, "one\ntwo\n")
    _server.flush()
    assert sent == ["one", "two"]
    _server.flush()
    assert sent == ["one", "two", "after one", "after two"]


def test_print_never_raises_but_interrupts(server: FakeBridge, output: Output) -> None:
    server.failure = RuntimeError()
    output.write("x\n")
    server.failure = Interrupt()
    with pytest.raises(Interrupt):
        output.write("x\n")


def test_output_is_a_text_stream(server: FakeBridge, tmp_path: Path) -> None:
    with (tmp_path / "stdout").open("w", encoding="latin-1", errors="replace") as file:
        proxy = Output(file)
        assert isinstance(proxy, io.TextIOBase)
        assert (proxy.encoding, proxy.errors) == ("latin-1", "replace")
        assert proxy.fileno() == file.fileno()
        assert (proxy.name, proxy.buffer) == (file.name, file.buffer)
        assert proxy.writable()
        assert not proxy.readable()
        assert not proxy.isatty()
        proxy.writelines(["a\n", "b\n"])
        assert server.texts == ["a", "b"]
        with pytest.raises(TypeError, match="must be str, not bytes"):
            proxy.write(b"x")  # type: ignore[arg-type]
        proxy.close()
        assert not proxy.closed
        assert not file.closed
        with pytest.raises(AttributeError):
            _ = proxy.no_such_attribute


def test_output_without_a_stream(server: FakeBridge) -> None:
    proxy = Output(None)
    server.is_active = False
    proxy.write("dropped\n")
    proxy.flush()
    assert (proxy.encoding, proxy.isatty()) == ("utf-8", False)
    with pytest.raises(io.UnsupportedOperation):
        proxy.fileno()


# logging


@pytest.fixture
def logger(server: FakeBridge) -> Iterator[logging.Logger]:
    one = logging.Logger("test")
    one.addHandler(PostgresHandler())
    yield one


def test_levels_of_records(server: FakeBridge, logger: logging.Logger) -> None:
    for level in (5, logging.DEBUG, logging.INFO, 25, logging.WARNING, logging.ERROR, 50, 60):
        logger.log(level, "%d %s", level, "x")
    assert server.messages == [
        (DEBUG1, "5 x", None, None),
        (DEBUG1, "10 x", None, None),
        (NOTICE, "20 x", None, None),
        (NOTICE, "25 x", None, None),
        (WARNING, "30 x", None, None),
        (WARNING, "40 x", None, None),
        (WARNING, "50 x", None, None),
        (WARNING, "60 x", None, None),
    ]


def test_exception_of_a_record_is_detail(server: FakeBridge, logger: logging.Logger) -> None:
    try:
        raise ValueError("inner")
    except ValueError:
        logger.exception("outer")
    ((level, message, detail, _),) = server.messages
    assert (level, message) == (WARNING, "outer")
    assert detail is not None
    assert detail.startswith("Traceback")
    assert detail.endswith("ValueError: inner")


def test_logging_never_raises(
    server: FakeBridge, logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    logger.warning("%d", "not a number")
    assert "not a number" in capsys.readouterr().err
    server.failure = RuntimeError()
    logger.warning("x")
    server.failure = Interrupt()
    with pytest.raises(Interrupt):
        logger.warning("x")


def test_records_of_threads_are_queued(server: FakeBridge, logger: logging.Logger) -> None:
    in_thread(logger.warning, "from a thread")
    assert server.messages == []
    _server.flush()
    assert server.texts == ["from a thread"]


# warnings


def test_warnings(server: FakeBridge, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", lambda *args: shown.append(args))
        _output.install_warnings()
        ours = warnings.showwarning
        _output.install_warnings()
        assert warnings.showwarning is ours
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        server.is_active = False
        warnings.warn("for Python", UserWarning, stacklevel=1)
    ((level, message, detail, _),) = server.messages
    assert (level, message) == (WARNING, "DeprecationWarning: old")
    assert detail is not None
    assert detail.startswith(f"{__file__}, line ")
    assert len(shown) == 1


# log_to_postgres


def test_log_to_postgres(server: FakeBridge) -> None:
    utils.log_to_postgres("a", utils.DEBUG)
    utils.log_to_postgres("b")
    utils.log_to_postgres(3, utils.WARNING, "h", "d")
    assert server.messages == [
        (DEBUG1, "a", None, None),
        (NOTICE, "b", None, None),
        (WARNING, "3", "d", "h"),
    ]
    with pytest.raises(Error, match="c"):
        utils.log_to_postgres("c", utils.ERROR)
    with pytest.raises(Interrupt):
        utils.log_to_postgres("d", utils.CRITICAL)


def test_log_to_postgres_from_a_thread(server: FakeBridge) -> None:
    in_thread(utils.log_to_postgres, "a")
    in_thread(utils.log_to_postgres, "b", utils.CRITICAL)
    in_thread(utils.check_interrupts)
    assert server.checked == 0
    with pytest.raises(Interrupt):
        _server.flush()
    assert server.texts == ["a"]
    utils.check_interrupts()
    assert server.checked == 1


def test_messages_are_cleaned(server: FakeBridge, output: Output, logger: logging.Logger) -> None:
    _server.remember_secrets({"password": "hunter2hunter2"})
    print("hunter2hunter2\0\udcff", file=output)
    logger.error("hunter2hunter2")
    utils.log_to_postgres("hunter2hunter2", hint="hunter2hunter2", detail="hunter2hunter2")
    assert server.messages == [
        (NOTICE, "********\\x00\\udcff", None, None),
        (WARNING, "********", None, None),
        (NOTICE, "********", "********", "********"),
    ]


# start, in an interpreter of its own

STAND_IN = """
import sys, types, threading
server = types.ModuleType("_multicorn")
server.DEBUG1, server.LOG, server.NOTICE, server.WARNING, server.FATAL = 14, 15, 18, 19, 22
server.on = False
server.messages = []
server.interrupts = []
server.active = lambda: server.on
server.is_main_thread = lambda: threading.current_thread() is threading.main_thread()
server.log = lambda *message: server.messages.append(message)
server.output_pending = lambda: None
server.on_interrupt = lambda signum, frame: server.interrupts.append(signum)
server.python_path_place = None
sys.modules["_multicorn"] = server
from multicorn import _server
_server.start()
"""


def in_server(code: str) -> tuple[list[Any], str, str]:
    """Run code where start() has been called; return the messages, stdout and stderr."""
    ending = "\nimport json\nsys.stderr.write('RESULT' + json.dumps(server.messages))\n"
    result = subprocess.run(
        [sys.executable, "-P", "-c", STAND_IN + textwrap.dedent(code) + ending],
        env={**os.environ, "PYTHONPATH": str(Path(multicorn.__file__).parent.parent)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    errors, _, messages = result.stderr.partition("RESULT")
    return json.loads(messages), result.stdout, errors


def test_start_installs_everything_once() -> None:
    messages, stdout, stderr = in_server("""
        _server.start()
        assert "logging" not in sys.modules
        print("to stdout")
        server.on = True
        print("one")
        import logging
        assert not any("Logging" in type(f).__name__ for f in sys.meta_path)
        logging.warning("two")
        logging.getLogger("x.y").info("dropped: root stays at WARNING")
        logging.getLogger("x.y").error("three")
        import warnings
        warnings.warn("four")
        assert len(logging.getLogger().handlers) == 1
        assert logging.getLogger().level == logging.WARNING
        assert logging.__spec__.loader is logging.__loader__
        assert "exec_module" not in vars(logging.__loader__)
        import os, signal
        os.kill(os.getpid(), signal.SIGINT)
        assert server.interrupts == [signal.SIGINT]
    """)
    assert [message[:2] for message in messages] == [
        [18, "one"],
        [19, "two"],
        [19, "three"],
        [19, "UserWarning: four"],
    ]
    assert stdout == "to stdout\n"
    assert stderr == ""


def test_start_when_logging_is_there_already() -> None:
    code = STAND_IN.replace("_server.start()", "import logging; _server.start()")
    result = subprocess.run(
        [
            sys.executable,
            "-P",
            "-c",
            f"{code}\nserver.on = True\nlogging.error('x')\n"
            "assert server.messages == [(19, 'x', None, None)]",
        ],
        env={**os.environ, "PYTHONPATH": str(Path(multicorn.__file__).parent.parent)},
    )
    assert result.returncode == 0


def test_logging_outside_a_wrapper_is_as_python_has_it() -> None:
    code = """
        import logging
        logging.getLogger("a").warning("last resort")
        logging.getLogger("a").info("dropped")
        logger = logging.getLogger("b")
        logger.addHandler(logging.NullHandler())
        logger.warning("handled by nothing")
        logger = logging.getLogger("c")
        logger.addHandler(logging.StreamHandler(sys.stdout))
        logger.warning("handled once")
        import warnings
        warnings.warn("for Python")
    """
    messages, stdout, stderr = in_server(code)
    assert messages == []
    assert stdout == "handled once\n"
    lines = stderr.splitlines()
    assert lines[0] == "last resort"
    assert "UserWarning: for Python" in lines[1]


def test_start_outside_a_server(tmp_path: Path) -> None:
    code = "from multicorn import _server; _server.start(); print('x'); _server.flush()"
    result = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={**os.environ, "PYTHONPATH": str(Path(multicorn.__file__).parent.parent)},
        capture_output=True,
        text=True,
    )
    assert (result.stdout, result.stderr, result.returncode) == ("x\n", "", 0)


# describe


def describe(exc: BaseException) -> tuple[str, str, str | None, str | None, str | None, str]:
    try:
        raise exc
    except BaseException as caught:
        return _server.describe(caught)


class OddError(Exception):
    pass


@pytest.mark.parametrize(
    ("exc", "sqlstate", "message"),
    [
        (Error("plain", sqlstate="22023"), "22023", "plain"),
        (Error(""), "HV000", "multicorn.Error"),
        (ValueError("bad"), "HV000", "ValueError: bad"),
        (ValueError(), "HV000", "ValueError"),
        (ValueError(1, "x"), "HV000", "ValueError: (1, 'x')"),
        (OddError("odd"), "HV000", f"{__name__}.OddError: odd"),
        (KeyError("k"), "HV000", "KeyError: 'k'"),
        (MemoryError(), "53200", "MemoryError"),
        (BrokenPipeError(32, "gone"), "08006", "BrokenPipeError: [Errno 32] gone"),
        (TimeoutError("slow"), "08006", "TimeoutError: slow"),
        (NotImplementedError("no"), "0A000", "NotImplementedError: no"),
        (SystemExit(3), "HV000", "SystemExit: 3"),
        (KeyboardInterrupt(), "HV000", "KeyboardInterrupt"),
        (ExceptionGroup("g", [OddError()]), "HV000", "ExceptionGroup: g (1 sub-exception)"),
    ],
)  # fmt: skip
def test_describe(exc: BaseException, sqlstate: str, message: str) -> None:
    found = describe(exc)
    assert found[:5] == (sqlstate, message, None, None, None)
    assert f"{__file__}" in found[5]
    assert not found[5].endswith("\n")


def test_describe_error_with_everything() -> None:
    found = describe(Error("m", sqlstate="22023", detail="d", hint="h"))
    assert found[:5] == ("22023", "m", "d", "h", None)


@pytest.mark.parametrize("context", ["", "remote SQL command: SELECT 1"])
def test_a_context_stands_for_the_traceback(context: str) -> None:
    assert describe(Error("m", context=context))[4:] == (context, "")


@pytest.mark.parametrize("state", ["00000", "abcde", "123", None, 42601, b"42601"])
def test_describe_with_a_wrong_sqlstate(state: Any) -> None:
    error = OddError()
    error.sqlstate = state  # type: ignore[attr-defined]
    assert describe(error)[0] == "HV000"


def test_describe_error_of_a_driver() -> None:
    error = OddError('no unique "x"\nDETAIL:  Key exists.\nHINT:  Do not.')
    error.sqlstate = "23505"  # type: ignore[attr-defined]
    error.diag = SimpleNamespace(  # type: ignore[attr-defined]
        message_detail="Key exists.", message_hint="Do not."
    )
    assert describe(error)[:4] == (
        "23505",
        f'{__name__}.OddError: no unique "x"',
        "Key exists.",
        "Do not.",
    )


def test_describe_chain_and_notes() -> None:
    try:
        try:
            raise KeyError("first")
        except KeyError as error:
            error.add_note("a note")
            raise ValueError("second") from error
    except ValueError as caught:
        text = _server.describe(caught)[5]
    assert text.index("KeyError: 'first'") < text.index("a note") < text.index("direct cause")
    assert text.endswith("ValueError: second")


def test_describe_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hostile(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

        @property
        def sqlstate(self) -> str:
            raise RuntimeError("no state")

        @property
        def diag(self) -> str:
            raise RuntimeError("no diagnostics")

    state, message, *_ = describe(Hostile())
    assert state == "HV000"
    assert message.endswith("<Hostile without text: str() raised RuntimeError>")

    class Worse(Exception):
        def __str__(self) -> str:
            raise SystemExit

    assert describe(Worse())[:2] == (
        "HV000",
        "Worse (which could not be described: SystemExit)",
    )

    # A class has no module where the code that makes it has none.
    names = {"__builtins__": {"type": type, "Exception": Exception}}
    placeless = eval("type('Placeless', (Exception,), {})", names)
    assert describe(placeless("here"))[1] == "Placeless: here"

    class Nameless(type):
        def __getattribute__(cls, name: str) -> Any:
            raise RuntimeError(f"no {name}")

    unnamed = Nameless("Unnamed", (Exception,), {})("here")
    assert isinstance(unnamed, Exception)
    assert describe(unnamed)[1] == "Unnamed: here"

    class HalfMade(Error):
        def __init__(self) -> None:
            pass

    assert describe(HalfMade())[0] == "HV000"


def test_describe_texts_are_cleaned(server: FakeBridge) -> None:
    _server.remember_secrets({"password": "hunter2hunter2"})
    found = describe(Error("hunter2hunter2\0\ud800", detail="hunter2hunter2", hint="a\0"))
    assert found[1:4] == ("********\\x00\\ud800", "********", "a\\x00")
    # Also in the line of source above.
    assert "hunter" not in found[5]

    def stop(self: object) -> str:
        raise SystemExit

    failing = type("hunter2hunter2", (Exception,), {"__str__": stop})()
    assert describe(failing)[1] == "******** (which could not be described: SystemExit)"


def test_describe_huge_texts_quickly() -> None:
    started = time.monotonic()
    found = describe(ValueError("x" * 50_000_000))
    assert len(found[1]) < 101_000
    assert len(found[5]) < 101_000
    assert time.monotonic() - started < 10


def test_describe_deep_recursion() -> None:
    def deep() -> None:
        deep()

    try:
        deep()
    except RecursionError as error:
        found = _server.describe(error)
    assert found[1].startswith("RecursionError: ")
    assert "repeated" in found[5]


def test_describe_trims_our_own_outermost_frames() -> None:
    class Broken:
        close = 3

        def __getattribute__(self, name: str) -> Any:
            raise ValueError("in the wrapper")

    try:
        _server.close(Broken())
    except ValueError as error:
        assert error.__traceback__ is not None
        text = _server.describe(error.with_traceback(error.__traceback__.tb_next))[5]
    assert "multicorn/_server.py" not in text
    assert "in the wrapper" in text


# The rest


def test_mapping_options() -> None:
    default = frozenset(("user", "username", "login", "password"))

    class Listed(ForeignDataWrapper):
        mapping_options = ["token"]

    class Text:
        mapping_options = "a, b"

    class Wrong:
        mapping_options = (1,)

    assert _server.mapping_options(ForeignDataWrapper) == default
    assert _server.mapping_options(object) == default
    assert _server.mapping_options(Listed) == {"token"}
    assert _server.mapping_options(Text) == {"a", "b"}
    with pytest.raises(TypeError, match="Wrong"):
        _server.mapping_options(Wrong)


def test_implements() -> None:
    class Mixin:
        def insert(self, values: Any) -> None: ...

    class Wrapper(Mixin, ForeignDataWrapper):
        rowid_column = "id"

        @classmethod
        def import_schema(cls, *args: Any) -> Any: ...

    assert _server.implements(Wrapper, "insert")
    assert _server.implements(Wrapper, "rowid_column")
    assert _server.implements(Wrapper, "import_schema")
    assert not _server.implements(Wrapper, "delete")
    assert not _server.implements(ForeignDataWrapper, "import_schema")
    assert not _server.implements(ForeignDataWrapper, "rowid_column")
    assert not _server.implements(object, "insert")
    assert _server.implements(multicorn.TransactionAwareForeignDataWrapper, "insert")


def test_close() -> None:
    class Closing:
        closed = 0

        def close(self) -> None:
            self.closed += 1

    instance = Closing()
    _server.close(instance)
    _server.close(object())
    assert instance.closed == 1


class Color(Enum):
    RED = "red"


class Number(IntEnum):
    TWO = 2


class Pair(NamedTuple):
    a: int
    b: Decimal


class Items(Mapping[str, int]):
    def __getitem__(self, key: str) -> int:
        return 1

    def __iter__(self) -> Iterator[str]:
        return iter(["a"])

    def __len__(self) -> int:
        return 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"é": [1, 1.5, None, True, 'q"\\\0']}, '{"é": [1, 1.5, null, true, "q\\"\\\\\\u0000"]}'),
        (Decimal("12345678901234567890.1234567890"), "12345678901234567890.1234567890"),
        ([Decimal("1E+3"), Decimal("-0.0")], "[1E+3, -0.0]"),
        ({"d": date(2020, 1, 2), "u": UUID(int=1)},
         '{"d": "2020-01-02", "u": "00000000-0000-0000-0000-000000000001"}'),
        ([datetime(2020, 1, 2, 3, 4, 5, 6, UTC)], '["2020-01-02T03:04:05.000006+00:00"]'),
        ({date(2020, 1, 2): 1, Decimal("1.50"): 2}, '{"2020-01-02": 1, "1.50": 2}'),
        ({Color.RED: 3}, '{"red": 3}'),
        ({1: 1, None: 2, False: Decimal(3)}, '{"1": 1, "null": 2, "false": 3}'),
        ([Color.RED, Number.TWO, (), {}, set()], '["red", 2, [], {}, []]'),
        (frozenset([Decimal(1)]), "[1]"),
        (Pair(1, Decimal(2)), "[1, 2]"),
        (Items(), '{"a": 1}'),
        (OrderedDict(b=1, a=2), '{"b": 1, "a": 2}'),
        ([b"bytes", bytearray(b"b")], '["bytes", "b"]'),
        ("\udcff", '"\udcff"'),
    ],
)  # fmt: skip
def test_dump_json(value: object, text: str) -> None:
    assert _server.dump_json(value) == text


def circle() -> list[Any]:
    one: list[Any] = [Decimal(1)]
    one.append(one)
    return one


def plain_circle() -> list[Any]:
    one: list[Any] = []
    one.append(one)
    return one


@pytest.mark.parametrize(
    "value",
    [float("nan"), [Decimal("NaN")], [Decimal(1), float("inf")], circle(), plain_circle()],
    ids=["nan", "decimal-nan", "infinity", "circle", "plain-circle"],
)
def test_dump_json_refuses_what_json_does_not_have(value: object) -> None:
    with pytest.raises(Error, match="no JSON form"):
        _server.dump_json(value)
