"""Runs all tests on each supported pair of PostgreSQL and Python.

The pairs are those of Debian's releases. Each release is installed with debootstrap into a folder
that is kept for the next time, under $XDG_CACHE_HOME/multicorn-matrix; "make test" runs there as a
user would run it on a fresh machine, as root or as a user with sudo. A release that cannot be had
is reported as not run. Then each release reads and writes a PostgreSQL server of the next one, and
the last that of the first. The last line is "N passed, N failed", over all releases.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.process import end_like_interrupt
from run_tests import Counts

SOURCE = Path(__file__).resolve().parents[1]
LOGS = SOURCE / ".cache" / "matrix"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "multicorn-matrix"

# A release may take this long in all, so that a hanging test ends some time.
SECONDS_PER_RELEASE = 2400

# All of Debian's releases are installed alike; an older debootstrap does not know the newest.
DEBOOTSTRAP_SCRIPT = Path("/usr/share/debootstrap/scripts/sid")

# What is run against a server of another release.
VERSIONS_TEST = "test/python/test_postgres_versions.py"

# Tests run as a user with this name where they do not run as root.
USER = "tester"

# How the apt of this machine reaches its servers, which the new ones have to know as well.
APT_CONNECTION = re.compile(
    r"^Acquire::(https?|ftp|Retries|ForceIPv[46]|Check-Date|Check-Valid-Until)\b"
)
PROXIES = ("http_proxy", "https_proxy", "no_proxy")


class NotRun(Exception):
    """A release cannot be had; the message is the reason."""


@dataclass(frozen=True)
class Release:
    """A release of Debian and the pair of versions that it stands for."""

    name: str
    suites: tuple[str, ...]
    postgres: str
    python: str
    as_root: bool

    @property
    def account(self) -> str:
        """Whom the tests run as."""
        return "root" if self.as_root else USER


RELEASES = (
    Release("Debian 12", ("bookworm",), "15", "3.11", as_root=True),
    Release("Debian 13", ("trixie",), "17", "3.13", as_root=False),
    Release("Debian 14", ("forky", "sid"), "18", "3.14", as_root=True),
)


class Machine:
    """An installed release: a folder that commands are run in as if it were a machine."""

    def __init__(self, suite: str, log: Path) -> None:
        """Describe the machine of a suite; what commands print goes to the log."""
        self.suite = suite
        self.log = log
        self.root = CACHE / suite
        self.ready = CACHE / f"{suite}.ready"

    def prepare(self) -> None:
        """Install the release, or bring it up to date if it is there.

        Raises:
            NotRun: If it cannot be fetched.
        """
        if not self.ready.exists():
            self._install()
        self._configure()
        # What is there can still be tested when its updates cannot be fetched.
        if self.run_as_root("apt-get -q update && apt-get -q -y dist-upgrade") != 0:
            print(f"{self.suite} could not be updated; going on with what is there.", flush=True)

    def candidate(self, package: str) -> str:
        """Return the version of a package that apt would install, without its epoch."""
        answer = subprocess.run(
            self._enter(f"apt-cache policy {package}", "root"),
            capture_output=True,
            text=True,
            check=False,
        )
        match = re.search(r"Candidate: (?:\d+:)?(\S+)", answer.stdout)
        return match[1] if match else ""

    def copy_sources(self, account: str) -> str:
        """Copy the source tree into an account's home folder, and return where it is there."""
        home = "/root" if account == "root" else f"/home/{account}"
        target = self.root / home[1:] / "multicorn"
        shutil.rmtree(target, ignore_errors=True)
        for path in source_files():
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(SOURCE / path, target / path, follow_symlinks=False)
        self.run_as_root(f"chown -R {account}: {home}/multicorn && chmod 700 {home}")
        return f"{home}/multicorn"

    def run_as_root(self, script: str) -> int:
        """Run a shell script as root and return its exit status."""
        return self.run(script, "root")

    def run(self, script: str, account: str) -> int:
        """Run a shell script as an account of the machine and return its exit status."""
        with self.log.open("a") as log:
            limit = ["timeout", "--kill-after=30", str(SECONDS_PER_RELEASE)]
            return _run([*limit, *self._enter(script, account)], log.fileno())

    @contextmanager
    def serve(self, folder: str, account: str) -> Iterator[str]:
        """Run a throw-away server that other machines reach; returns how to connect to it.

        Raises:
            NotRun: If it does not start.
        """
        script = f"cd {folder} && PYTHONPATH=test exec python3 -m harness.serve"
        with self.log.open("a") as log:
            process = subprocess.Popen(
                self._enter(script, account),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        # Its input ends with the block, and so does the server.
        with process:
            assert process.stdout is not None
            conninfo = process.stdout.readline().strip()
            if not conninfo:
                raise NotRun(f"the server of {self.suite} does not start")
            yield conninfo

    def _install(self) -> None:
        """Install the release from scratch."""
        shutil.rmtree(self.root, ignore_errors=True)
        command = ["debootstrap", "--variant=minbase", "--include=make,sudo"]
        command += [self.suite, str(self.root), *host_mirror()]
        if DEBOOTSTRAP_SCRIPT.exists():
            # The script's place in the command is behind the mirror's.
            command += ([] if host_mirror() else [""]) + [str(DEBOOTSTRAP_SCRIPT)]
        with self.log.open("a") as log:
            if _run(command, log.fileno()) != 0:
                shutil.rmtree(self.root, ignore_errors=True)
                raise NotRun(f"debootstrap could not install {self.suite}")
        self.ready.touch()

    def _configure(self) -> None:
        """Let the machine reach the network as this one does, and make its user."""
        for path in (Path("/etc/resolv.conf"), Path("/etc/hosts")):
            if path.exists():
                shutil.copyfile(path, self.root / str(path)[1:])
        settings = self.root / "etc/apt/apt.conf.d/90multicorn-matrix"
        settings.write_text("".join(f"{line}\n" for line in host_apt_settings()))
        sudoers = self.root / "etc/sudoers.d/multicorn-matrix"
        sudoers.write_text(f"{USER} ALL=(ALL) NOPASSWD: ALL\n")
        sudoers.chmod(0o440)
        self.run_as_root(f"id {USER} >/dev/null 2>&1 || useradd -m -s /bin/bash {USER}")

    def _enter(self, script: str, account: str) -> list[str]:
        """Return the command that runs a shell script on the machine.

        Mounts and processes are private to it, so that nothing remains of them.
        """
        mount = (
            'mount --rbind /dev "$1/dev" && mount -t proc proc "$1/proc" && '
            'mount -t tmpfs -o mode=1777 tmpfs "$1/tmp" && exec chroot "$@"'
        )
        home = "/root" if account == "root" else f"/home/{account}"
        environment = [
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            *("LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", f"HOME={home}"),
            *(f"{name}={os.environ[name]}" for name in PROXIES if name in os.environ),
        ]
        unshare = ["unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child"]
        switch = ["runuser", "-u", account, "--"] if account != "root" else []
        return [
            *(*unshare, "sh", "-c", mount, "sh", str(self.root)),
            *("env", "-i", *environment, *switch, "bash", "-c", script),
        ]


# --- What this machine tells ---------------------------------------------------------------------


def source_files() -> list[str]:
    """Return the files of the source tree that git knows or would add."""
    command = ["git", "-c", "safe.directory=*", "-C", str(SOURCE)]
    command += ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode == 0:
        return [path for path in answer.stdout.split("\0") if (SOURCE / path).is_file()]
    # Not a repository but an unpacked release.
    found = (path for path in SOURCE.rglob("*") if path.is_file())
    paths = [str(path.relative_to(SOURCE)) for path in found if path.suffix not in (".o", ".so")]
    return [path for path in paths if not path.startswith(".cache/")]


def host_mirror() -> list[str]:
    """Return this machine's mirror of Debian, if it has one; debootstrap knows another."""
    command = ["apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI)"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return re.findall(r"^Debian (\S+)$", answer.stdout, re.MULTILINE)[:1]


def host_apt_settings() -> list[str]:
    """Return this machine's settings of apt that concern the network."""
    answer = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False)
    return [line for line in answer.stdout.splitlines() if APT_CONNECTION.match(line)]


# --- The releases ---------------------------------------------------------------------------------


def machine_of(release: Release, log: Path) -> Machine:
    """Return a machine with the versions that a release stands for.

    Raises:
        NotRun: If there is none.
    """
    reasons = []
    for suite in release.suites:
        machine = Machine(suite, log)
        try:
            machine.prepare()
        except NotRun as reason:
            reasons.append(str(reason))
            continue
        versions = machine.candidate("postgresql"), machine.candidate("python3")
        if versions[0].startswith(f"{release.postgres}+") and versions[1].startswith(
            f"{release.python}."
        ):
            return machine
        reasons.append(f"{suite} has PostgreSQL {versions[0]} and Python {versions[1]}")
    raise NotRun("; ".join(reasons))


@dataclass(frozen=True)
class Tested:
    """A release that the tests have run on.

    Attributes:
        release: Which one.
        machine: Its machine.
        folder: Where the sources are on it.
        words: What was tested, in words.
    """

    release: Release
    machine: Machine
    folder: str
    words: str


def test_release(release: Release, log: Path) -> tuple[Tested, Counts]:
    """Run the tests on a release."""
    machine = machine_of(release, log)
    account = release.account
    folder = machine.copy_sources(account)
    counts, output = run_tests(machine, f"cd {folder} && make test LINT=0", account)
    words = f"{machine.suite}, {read_versions(output)}, as {account}"
    return Tested(release, machine, folder, words), counts


def test_pair(local: Tested, remote: Tested) -> Counts:
    """Run the tests of remote PostgreSQL servers against another release's server.

    Raises:
        NotRun: If that server does not start.
    """
    with remote.machine.serve(remote.folder, remote.release.account) as conninfo:
        command = (
            f"cd {local.folder} && MULTICORN_OTHER_SERVER='{conninfo}'"
            f" make test-python PYTEST_ARGS='-q {VERSIONS_TEST}'"
        )
        counts, _ = run_tests(local.machine, command, local.release.account)
        return counts


def run_tests(machine: Machine, command: str, account: str) -> tuple[Counts, str]:
    """Run a command that tests, and return the counts and what it has printed."""
    before = machine.log.stat().st_size if machine.log.exists() else 0
    status = machine.run(command, account)
    output = machine.log.read_bytes()[before:].decode(errors="replace")
    counts = read_counts(output)
    if status != 0 and not counts.failed:
        counts += Counts(failed=1)
    return counts, output


def read_counts(output: str) -> Counts:
    """Read the closing line of "make test"; one failure if it did not get so far."""
    found = re.findall(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", output, re.MULTILINE)
    return Counts(*(int(number or 0) for number in found[-1])) if found else Counts(failed=1)


def read_versions(output: str) -> str:
    """Read what the extension was built for."""
    found = re.search(r"^multicorn \S+ for (PostgreSQL \S+) .* and (Python \S+)", output, re.M)
    return f"{found[1]}, {found[2]}" if found else "not built"


def run_matrix() -> Counts:
    """Run the tests on every release and print how each went."""
    counts = Counts()
    all_tested = []
    for release in RELEASES:
        log = LOGS / f"{release.suites[0]}.log"
        log.unlink(missing_ok=True)
        print(f"{release.name}: {log.relative_to(SOURCE)} tells what happens", flush=True)
        try:
            tested, result = test_release(release, log)
        except NotRun as reason:
            print(f"{release.name}: not run: {reason}", flush=True)
            counts += Counts(skipped=1)
            continue
        all_tested.append(tested)
        counts += report(f"{release.name} ({tested.words})", result, log)
    return counts + run_pairs(all_tested)


def run_pairs(all_tested: Sequence[Tested]) -> Counts:
    """Let each release use a server of the next one, and the last one that of the first."""
    counts = Counts()
    if len(all_tested) < 2:
        return counts
    for local, remote in zip(all_tested, [*all_tested[1:], all_tested[0]], strict=True):
        name = f"PostgreSQL {local.release.postgres} with a remote {remote.release.postgres}"
        try:
            result = test_pair(local, remote)
        except NotRun as reason:
            print(f"{name}: not run: {reason}", flush=True)
            counts += Counts(skipped=1)
            continue
        counts += report(name, result, local.machine.log)
    return counts


def report(name: str, result: Counts, log: Path) -> Counts:
    """Print how something went, with the end of the log if it has failed; return the counts."""
    if result.failed:
        print("".join(log.read_text(errors="replace").splitlines(keepends=True)[-200:]))
    print(f"{name}: {result}", flush=True)
    return result


# --- Running --------------------------------------------------------------------------------------


def _run(command: Sequence[str], output: int) -> int:
    """Run a command to its end, or kill it and all of its machine if we are interrupted."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
    )
    try:
        return process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise


def become_root() -> None:
    """Start again through sudo unless root runs us already."""
    if os.geteuid() == 0:
        return
    if shutil.which("sudo") is None:
        sys.exit("make matrix installs whole releases of Debian: run it as root, or install sudo.")
    kept = [f"XDG_CACHE_HOME={CACHE.parent}", f"PYTHONPATH={os.environ.get('PYTHONPATH', '')}"]
    kept += [f"{name}={os.environ[name]}" for name in PROXIES if name in os.environ]
    os.execvp("sudo", ["sudo", "env", *kept, sys.executable, *sys.argv])


def give_back_logs() -> None:
    """Let the logs belong to whom the source tree belongs."""
    owner = SOURCE.stat()
    for path in (LOGS.parent, LOGS, *LOGS.iterdir()):
        os.chown(path, owner.st_uid, owner.st_gid)


def main() -> int:
    """Run the matrix."""
    become_root()
    end_like_interrupt()
    for folder in (CACHE, LOGS):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        counts = run_matrix()
    except KeyboardInterrupt:
        print("Interrupted.")
        return 130
    finally:
        give_back_logs()
    print(f"\n{counts}", flush=True)
    return 1 if counts.failed else 0


if __name__ == "__main__":
    sys.exit(main())
