"""Running other programs so that none of them outlives this one."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

SECONDS_TO_CLEAN_UP = 30


def end_like_interrupt() -> None:
    """Make SIGTERM and SIGHUP end this process the way Ctrl-C does: cleaning up on its way out."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    capture: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end.

    If this process is interrupted meanwhile, the program is asked to end too and given time to
    remove what it made.

    Args:
        command: The program and its arguments.
        cwd: The folder to run it in.
        env: Its whole environment; this process's own by default.
        capture: Whether to keep its output, errors included, instead of letting it through.

    Returns:
        Its exit status and, with ``capture``, its output.
    """
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if capture else None,
        stderr=subprocess.STDOUT if capture else None,
    )
    try:
        output, _ = process.communicate()
    except BaseException:
        _end(process)
        raise
    return subprocess.CompletedProcess(command, process.returncode, output)


def _end(process: subprocess.Popen[str]) -> None:
    """End a program, gently if it lets us."""
    process.terminate()
    try:
        process.wait(SECONDS_TO_CLEAN_UP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
