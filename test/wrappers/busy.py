"""Wrappers that wait in all the ways in which Python code can."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from multicorn import ForeignDataWrapper
from multicorn.utils import check_interrupts

lock = threading.Lock()


def loop() -> Any:
    while True:
        pass


def loop_in_rows() -> Any:
    number = 0
    while True:
        number += 1
        yield (number,)


def sleep() -> Any:
    time.sleep(3600)


def socket_recv() -> Any:
    here, _there = socket.socketpair()
    here.recv(1)


def pipe_read() -> Any:
    readable, _writable = os.pipe()
    os.read(readable, 1)


def run_program() -> Any:
    subprocess.run(["sleep", "3600"], check=False)


def wait_for_lock() -> Any:
    taken = threading.Event()

    def keep(lock: Any) -> None:
        with lock:
            taken.set()
            time.sleep(3600)

    kept = threading.Lock()
    threading.Thread(target=keep, args=[kept], daemon=True).start()
    taken.wait()
    with kept:
        pass


def hold_lock() -> Any:
    with lock:
        time.sleep(3600)


def wait_for_thread() -> Any:
    thread = threading.Thread(target=time.sleep, args=[3600], daemon=True)
    thread.start()
    thread.join()


def wait_for_pool() -> Any:
    # What ends the `with` waits for the thread, too.
    with ThreadPoolExecutor() as pool:
        pool.submit(time.sleep, 3600).result()


def run_event_loop() -> Any:
    asyncio.run(asyncio.sleep(3600))


def wait_in_finally() -> Any:
    try:
        time.sleep(3600)
    finally:
        time.sleep(3600)


def swallow_exceptions() -> Any:
    while True:
        try:
            time.sleep(3600)
        except Exception:
            pass


def swallow_everything() -> Any:
    while True:
        try:
            time.sleep(3600)
        except:  # noqa: E722
            pass


def suppress_everything() -> Any:
    while True:
        with contextlib.suppress(BaseException):
            time.sleep(3600)


class Swallowing:
    """Its `with` lets no exception out."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *raised: object) -> bool:
        return True


def exit_returns_true() -> Any:
    while True:
        with Swallowing():
            time.sleep(3600)


def swallow_and_wait() -> Any:
    # What it does about the interrupt waits, too, and is inside of another such loop.
    while True:
        try:
            while True:
                try:
                    time.sleep(3600)
                except BaseException:
                    time.sleep(3600)
        except BaseException:
            pass


def swallow_once() -> Any:
    try:
        time.sleep(3600)
    except BaseException:
        pass
    return [(1,)]


def turn_into_another() -> Any:
    try:
        time.sleep(3600)
    except BaseException as error:
        raise ValueError("no") from error


def ask() -> Any:
    while True:
        check_interrupts()


class Busy(ForeignDataWrapper):
    """Does what the option ``how`` says, where the option ``place`` says."""

    def __init__(self, options: dict[str, str], columns: Any) -> None:
        super().__init__(options, columns)
        self.how = globals()[options["how"]]
        self.place = options.get("place", "execute")
        self.begun = Path(options["begun"])
        if self.place == "__init__":
            self.work()

    def work(self) -> Any:
        self.begun.touch()
        return self.how()

    def execute(self, quals: Any, columns: Any) -> Any:
        if self.place == "execute":
            return self.work()
        return self.rows()

    def rows(self) -> Any:
        yield (1,)
        if self.place == "between rows":
            self.work()

    def end_scan(self) -> None:
        if self.place == "end_scan":
            self.work()


class BusyOnce(Busy):
    """Waits only the first time, in any of these methods, and in one that is called at an abort."""

    def work(self) -> Any:
        if self.begun.exists():
            return [(1,)]
        return super().work()

    def at(self, place: str) -> None:
        if self.place == place:
            self.work()

    def get_rel_size(self, quals: Any, columns: Any) -> Any:
        self.at("get_rel_size")
        return (2, 4)

    def begin(self, serializable: bool) -> None:
        self.at("begin")

    def sub_begin(self, level: int) -> None:
        self.at("sub_begin")

    def sub_commit(self, level: int) -> None:
        self.at("sub_commit")

    def sub_rollback(self, level: int) -> None:
        self.at("sub_rollback")

    def pre_commit(self) -> None:
        self.at("pre_commit")

    def commit(self) -> None:
        self.at("commit")

    def rollback(self) -> None:
        self.at("rollback")

    def close(self) -> None:
        self.at("close")

    def rows(self) -> Any:
        try:
            yield (1,)
            self.at("between rows")
            yield (2,)
        finally:
            self.at("generator")


class Dropped:
    """Waits when it is let go of."""

    def __init__(self, wait: Any) -> None:
        self.wait = wait
        self.rows = iter([(1,), (2,)])

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        return next(self.rows)

    def __del__(self) -> None:
        self.wait()


class BusyDropped(BusyOnce):
    """Its iterator waits when it is let go of."""

    def execute(self, quals: Any, columns: Any) -> Any:
        return Dropped(self.work)


class State(ForeignDataWrapper):
    """What is left of those that waited; columns `held`, `handler`, `blocked`."""

    def execute(self, quals: Any, columns: Any) -> Any:
        handler = signal.getsignal(signal.SIGINT)
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        needed = {signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGUSR1}
        yield {
            "held": lock.locked(),
            "handler": getattr(handler, "__name__", str(handler)),
            "blocked": not blocked.isdisjoint(needed),
        }


class BusyHooks(Busy):
    """The same for the methods that planning, EXPLAIN, ANALYZE and IMPORT FOREIGN SCHEMA call."""

    def at(self, place: str, answer: Any = None) -> Any:
        if self.place == place:
            self.work()
        return answer

    def get_rel_size(self, quals: Any, columns: Any) -> Any:
        return self.at("get_rel_size")

    def get_path_keys(self) -> Any:
        return self.at("get_path_keys", [])

    def can_sort(self, sortkeys: Any) -> Any:
        return self.at("can_sort", sortkeys)

    def can_filter(self, filters: Any) -> Any:
        return self.at("can_filter", filters)

    def can_limit(self, limit: Any, offset: Any) -> Any:
        return self.at("can_limit", True)

    def explain(self, quals: Any, columns: Any, *args: Any, **keywords: Any) -> Any:
        return self.at("explain", [])

    def analyze(self) -> Any:
        return self.at("analyze")

    def execute(self, quals: Any, columns: Any, *args: Any, **keywords: Any) -> Any:
        return super().execute(quals, columns)

    @classmethod
    def import_schema(
        cls, schema: Any, srv_options: Any, options: Any, restriction_type: Any, restricts: Any
    ) -> Any:
        cls({**options, "place": "__init__"}, {})
