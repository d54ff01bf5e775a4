"""Wrappers that wait in all the ways in which Python code can."""

import os
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from multicorn import ForeignDataWrapper
from multicorn.utils import check_interrupts


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
    lock = threading.Lock()
    with lock:
        lock.acquire()


def swallow_exceptions() -> Any:
    while True:
        try:
            time.sleep(3600)
        except Exception:
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
