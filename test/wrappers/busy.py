"""Wrappers that wait in all the ways in which Python code can."""

import os
import socket
import subprocess
import threading
import time
from pathlib import Path

from multicorn import ForeignDataWrapper
from multicorn.utils import check_interrupts


def loop():
    while True:
        pass


def loop_in_rows():
    number = 0
    while True:
        number += 1
        yield (number,)


def sleep():
    time.sleep(3600)


def socket_recv():
    here, _there = socket.socketpair()
    here.recv(1)


def pipe_read():
    readable, _writable = os.pipe()
    os.read(readable, 1)


def run_program():
    subprocess.run(["sleep", "3600"], check=False)


def wait_for_lock():
    lock = threading.Lock()
    with lock:
        lock.acquire()


def swallow_exceptions():
    while True:
        try:
            time.sleep(3600)
        except Exception:
            pass


def swallow_once():
    try:
        time.sleep(3600)
    except BaseException:
        pass
    return [(1,)]


def turn_into_another():
    try:
        time.sleep(3600)
    except BaseException as error:
        raise ValueError("no") from error


def ask():
    while True:
        check_interrupts()


class Busy(ForeignDataWrapper):
    """Does what the option ``how`` says, where the option ``place`` says."""

    def __init__(self, options, columns):
        super().__init__(options, columns)
        self.how = globals()[options["how"]]
        self.place = options.get("place", "execute")
        self.begun = Path(options["begun"])
        if self.place == "__init__":
            self.begin()

    def begin(self):
        self.begun.touch()
        return self.how()

    def execute(self, quals, columns):
        if self.place == "execute":
            return self.begin()
        return self.rows()

    def rows(self):
        yield (1,)
        if self.place == "between rows":
            self.begin()

    def end_scan(self):
        if self.place == "end_scan":
            self.begin()
