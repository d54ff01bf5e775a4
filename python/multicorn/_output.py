"""print, warnings and log_to_postgres on their way to PostgreSQL.

They are PostgreSQL's only while a method of a wrapper is on the stack; at other times they do
what they would without us. Other threads than the backend's own cannot send a message: theirs are
queued until the next boundary.
"""

from __future__ import annotations

import _thread
import io
import sys
import warnings

from multicorn._bridge import bridge
from multicorn._text import clean, safe_str

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TextIO

    from multicorn._bridge import Bridge

    Message = tuple[int, str, str | None, str | None]

# A thread that logs without end while the backend waits must not take all memory.
LONGEST_QUEUE = 10_000

# Appended to by any thread; list's append and pop are atomic.
_queue: list[Message] = []
_lost = 0

# Our sys.stdout, which may have been redirected for a while.
_stdout: Output | None = None


def takes_output(server: Bridge) -> bool:
    """Return whether output is PostgreSQL's now, rather than Python's."""
    return not server.is_main_thread() or server.active()


def send(
    server: Bridge, level: int, message: str, detail: str | None = None, hint: str | None = None
) -> None:
    """Send a message, now or, from another thread, at the next boundary.

    Raises:
        BaseException: the level is FATAL, or PostgreSQL has an error or an interrupt to report.
    """
    global _lost
    cleaned: Message = (
        level,
        clean(message),
        None if detail is None else clean(detail),
        None if hint is None else clean(hint),
    )
    if server.is_main_thread():
        server.log(*cleaned)
    elif len(_queue) < LONGEST_QUEUE:
        _queue.append(cleaned)
        server.output_pending()
    else:
        _lost += 1


def say(server: Bridge, level: int, message: str, detail: str | None = None) -> None:
    """Send a message of code that does not expect an exception."""
    try:  # noqa: SIM105 (contextlib is not cheap to import)
        send(server, level, message, detail)
    except Exception:
        pass


def flush() -> None:
    """Send what is queued, and a line of print that was not ended."""
    global _lost
    server = bridge()
    if server is None or not server.is_main_thread():
        return
    # Not what is added meanwhile: threads may log faster than messages can be sent.
    for _ in range(len(_queue)):
        server.log(*_queue.pop(0))
    if _lost:
        lost, _lost = _lost, 0
        server.log(server.WARNING, f"{lost} messages of other threads were lost", None, None)
    if _stdout is not None:
        _stdout.flush_partial(server)


class Output(io.TextIOBase):
    """sys.stdout: complete lines become NOTICEs while output is PostgreSQL's."""

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__()
        self._stream = stream
        self._partial: dict[int, str] = {}  # by thread

    def write(self, text: str, /) -> int:
        """Send the complete lines of a text, and keep the rest."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        server = bridge()
        if server is None or not takes_output(server):
            if self._stream is not None:
                self._stream.write(text)
            return len(text)
        thread = _thread.get_ident()
        *lines, rest = (self._partial.pop(thread, "") + text).split("\n")
        if rest:
            self._partial[thread] = rest
            if server.is_main_thread():
                server.output_pending()
        for line in lines:
            say(server, server.NOTICE, line.removesuffix("\r"))
        return len(text)

    def flush(self) -> None:
        """Send the unfinished line of this thread, if there is one."""
        server = bridge()
        if server is not None:
            rest = self._partial.pop(_thread.get_ident(), "")
            if rest:
                say(server, server.NOTICE, rest)
        if self._stream is not None and (server is None or server.is_main_thread()):
            self._stream.flush()

    def flush_partial(self, server: Bridge) -> None:
        """Send the unfinished lines of this thread and of threads that have ended."""
        if not self._partial:
            return
        this = _thread.get_ident()
        others = self._partial.keys() - {this}
        ended = others - sys._current_frames().keys() if others else set()
        for thread in (*ended, this):
            rest = self._partial.pop(thread, "")
            if rest:
                say(server, server.NOTICE, rest)

    def close(self) -> None:
        """Flush; like the backend's own stdout, this one stays open."""
        self.flush()

    def __del__(self) -> None:
        # Not the base class's, which closes: Python's own stdout may be gone by now.
        pass

    def writable(self) -> bool:
        """Return True."""
        return True

    def isatty(self) -> bool:
        """Return whether Python's own stdout is a terminal."""
        return self._stream is not None and self._stream.isatty()

    def fileno(self) -> int:
        """Return the descriptor of Python's own stdout."""
        return super().fileno() if self._stream is None else self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of Python's own stdout."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        """What Python's own stdout does with what it cannot encode."""
        return getattr(self._stream, "errors", None) or "strict"

    def __getattr__(self, name: str) -> Any:
        # The rest, such as `buffer`, is that of Python's own stdout.
        if name.startswith("__") or name in ("_stream", "_partial"):
            raise AttributeError(name)
        return getattr(self._stream, name)


def install_output() -> None:
    """Put our sys.stdout before Python's."""
    global _stdout
    if _stdout is None:
        sys.stdout = _stdout = Output(sys.stdout)


def install_warnings() -> None:
    """Have warnings shown as WARNINGs."""
    if getattr(warnings.showwarning, "__module__", None) != __name__:
        warnings.showwarning = _shower(warnings.showwarning)


def _shower(previous: Callable[..., None]) -> Callable[..., None]:
    """Return a warnings.showwarning that leaves to the previous one what is not PostgreSQL's."""

    def showwarning(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        server = bridge()
        if file is not None or server is None or not takes_output(server):
            previous(message, category, filename, lineno, file, line)
        else:
            text = f"{category.__name__}: {safe_str(message)}"
            say(server, server.WARNING, text, f"{filename}, line {lineno}")

    return showwarning


class _LoggingWatcher:
    """A finder that finds nothing: it waits for the first `import logging`, which is not cheap."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Have our handler installed once the module `logging` has been executed."""
        if name != "logging":
            return None
        sys.meta_path.remove(self)
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                _after_execution(spec.loader)
                return spec
        return None


def _after_execution(loader: Any) -> None:
    """Have the logging handler installed after this loader has executed the module."""
    execute = loader.exec_module

    def exec_module(module: Any) -> None:
        del loader.exec_module
        execute(module)
        _install_handler()

    if not isinstance(loader, type):
        loader.exec_module = exec_module


def _install_handler() -> None:
    """Install the logging handler; a failure must not break `import logging`."""
    try:
        from multicorn._logging import install

        install()
    except Exception as error:
        warnings.warn(f"logging does not reach PostgreSQL: {error!r}", stacklevel=2)


def install_logging() -> None:
    """Install the logging handler, as soon as logging is imported by anybody."""
    if "logging" in sys.modules:
        _install_handler()
    elif not any(isinstance(finder, _LoggingWatcher) for finder in sys.meta_path):
        sys.meta_path.insert(0, _LoggingWatcher())
