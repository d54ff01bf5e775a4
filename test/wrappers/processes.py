"""A wrapper that makes processes, in the way that a condition on its column `way` asks for."""

from __future__ import annotations

import concurrent.futures
import ctypes
import multiprocessing
import os
import pty
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from multicorn import ForeignDataWrapper


def double(number: int) -> int:
    """Return twice a number; in another process."""
    return 2 * number


def forked(child: Callable[[], Any]) -> str:
    """Fork as code in C does, which is not refused; return the child's exit code."""
    process: int = ctypes.PyDLL(None).fork()
    if process == 0:
        child()
        raise AssertionError("the child has gone on")
    _pid, status = os.waitpid(process, 0)
    return str(os.waitstatus_to_exitcode(status))


def on_a_thread(function: Callable[[], Any]) -> str:
    """Return what a function returns or raises on another thread."""
    answers: list[str] = []

    def run() -> None:
        try:
            answers.append(str(function()))
        except Exception as error:
            answers.append(f"{type(error).__name__}: {error}")

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return answers[0]


def process_of(method: str) -> str:
    """Return what a process of multiprocessing answers, started in some way."""
    with multiprocessing.get_context(method).Pool(1) as pool:
        return str(pool.apply(double, (21,)))


def executor_of(method: str) -> str:
    """The same through concurrent.futures."""
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as executor:
        return str(executor.submit(double, 21).result())


def preexec() -> None:
    """Do something in the child before its program runs."""
    os.setsid()
    print("printed by the child")


def failing_preexec() -> None:
    """Fail there."""
    sys.exit(7)


def run(command: list[str] | str, **keywords: Any) -> str:
    """Return what a program writes."""
    output: str = subprocess.check_output(command, stdin=subprocess.DEVNULL, text=True, **keywords)
    return output.strip()


def spawn() -> str:
    """Run a program with posix_spawn()."""
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 42"], {})
    return str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def system_on_a_thread() -> str:
    """Wait while another thread runs a program."""
    threading.Thread(target=os.system, args=("sleep 3",), daemon=True).start()
    time.sleep(3600)
    return ""


WAYS: dict[str, Callable[[], str]] = {
    "os.fork": lambda: str(os.fork()),
    "os.forkpty": lambda: str(os.forkpty()),
    "pty.fork": lambda: str(pty.fork()),
    "multiprocessing fork": lambda: process_of("fork"),
    "executor fork": lambda: executor_of("fork"),
    "os.fork on a thread": lambda: on_a_thread(os.fork),
    "subprocess": lambda: run(["echo", "42"]),
    "subprocess with a shell": lambda: run("echo 42", shell=True),
    "subprocess with preexec_fn": lambda: run(["echo", "42"], preexec_fn=preexec),
    "subprocess on a thread": lambda: on_a_thread(lambda: run(["echo", "42"])),
    "subprocess with a failing preexec_fn": lambda: run(["echo"], preexec_fn=failing_preexec),
    "subprocess of nothing": lambda: run(["/nowhere"]),
    "posix_spawn": spawn,
    "system": lambda: str(os.waitstatus_to_exitcode(os.system("exit 42"))),
    "system that is killed": lambda: str(os.WTERMSIG(os.system("kill -9 $$"))),
    "system for long": lambda: str(os.system("sleep 3600")),
    "system for long on a thread": system_on_a_thread,
    "popen": lambda: os.popen("echo 42").read().strip(),
    "multiprocessing spawn": lambda: process_of("spawn"),
    "multiprocessing forkserver": lambda: process_of("forkserver"),
    "executor spawn": lambda: executor_of("spawn"),
    "C, then exit()": lambda: forked(lambda: ctypes.CDLL(None).exit(42)),
    "C, then os._exit()": lambda: forked(lambda: os._exit(42)),
    "C, then abort()": lambda: forked(os.abort),
}


class Processes(ForeignDataWrapper):
    """A table (way, answer): asked for one way, it makes the process."""

    def execute(self, quals: Any, columns: Any) -> Any:
        """Make it."""
        way = next(qual.value for qual in quals if qual.field_name == "way")
        yield (way, WAYS[way]())


class Forks(ForeignDataWrapper):
    """Forks as code in C does; the option ``child`` says how the child goes on."""

    def __init__(self, options: dict[str, str], columns: Any) -> None:
        super().__init__(options, columns)
        self.options = options

    def execute(self, quals: Any, columns: Any) -> Any:
        """Fork, and yield the child's exit code."""
        child = ctypes.PyDLL(None).fork()
        if child == 0:
            print("printed by the child")
            if self.options["child"] == "raise":
                raise ValueError("raised by the child")
            if self.options["child"] == "exit":
                sys.exit(3)
            return
        _pid, status = os.waitpid(child, 0)
        yield (os.waitstatus_to_exitcode(status),)
