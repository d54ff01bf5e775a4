"""Has each call that the extension makes fail, one after the other, and sees what becomes of it.

    python3 tools/faults.py [--times N] [test ...]

The extension is linked with wrappers around all functions of CPython and PostgreSQL that it calls
and that may fail: in one call, the one whose turn it is, the function is not called, but fails as
it would without memory. Every statement of test/sql is run in its place in its script, and once
more for each of its calls that comes from a place in the extension that has not had its faults yet.
Each time

- the statement fails, or answers what it answers without a fault,
- the session goes on, and the statement answers the same as before,
- no reference, memory of Python, of malloc or of PostgreSQL is lost, as in tools/leaks.py.

The first statement of a session, which starts Python, and a transaction with savepoints whose
tables write down which of their hooks were called, are tried with a session for each fault: the
hooks are those of a transaction that has ended as it did, and what a table keeps is what was
committed.

The last line is "N passed, N failed", over the places; what was found is kept in .cache/faults.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path

import leaks
from harness import Cluster, Stage
from harness.protocol import Answer, Backend, Closed, Query
from harness.relay import Relay
from harness.stage import SOURCE, Variant
from leaks import (
    READS,
    TRANSACTION_CONTROL,
    WANTS_DATA,
    database_of,
    leaves_nothing,
    measure,
    plain,
)
from run_tests import Counts, heading, run_and_count, run_on_stage, sql_tests

RESULTS = SOURCE / ".cache" / "faults"
BUILD = SOURCE / ".cache" / "build" / "faults"

# How often a place is tried, in different statements.
TIMES = 2

# A fault is repeated so often before its losses are looked at, and then so often for them: it must
# seem to lose something each time, or it does not.
WARM_UP = 2
REPETITIONS = (10, 20, 40, 80, 160, 320, 640)

# What takes more seconds than this is not repeated for its losses; what it does, others do quickly.
SLOW = 0.03

# A script is run anew after a session that has ended, without the place that ended it.
MOST_RUNS = 40

# What fails with an exception and NULL, what with -1, what with nothing but 0.
NULL_WITH_EXCEPTION = """
PyBytes_FromObject PyBytes_FromStringAndSize PyCapsule_Import PyDict_Copy PyDict_GetItemWithError
PyDict_New PyFloat_FromDouble PyImport_ImportModule PyList_AsTuple PyList_New PyLong_FromLong
PyLong_FromLongLong PyLong_FromUnsignedLong PyMapping_Keys PyNumber_Long PyObject_CallNoArgs
PyObject_CallOneArg PyObject_GetAttr PyObject_GetAttrString PyObject_GetItem PyObject_GetIter
PyObject_Repr PyObject_RichCompare PyObject_Str PyObject_Vectorcall PySequence_GetItem
PySequence_GetSlice PySequence_List PySequence_Tuple PySet_New PyTuple_New PyTuple_Pack
PyUnicode_AsEncodedString PyUnicode_AsUTF8AndSize PyUnicode_DecodeFSDefault PyUnicode_DecodeUTF8
PyUnicode_FromString PyUnicode_InternFromString PyUnicode_Substring _PyObject_CallMethod_SizeT
_Py_BuildValue_SizeT PyModule_Create2 PyErr_NewExceptionWithDoc PyRun_StringFlags
_PyArg_ParseTuple_SizeT
"""
MINUS_ONE_WITH_EXCEPTION = """
PyDict_Contains PyDict_DelItem PyDict_SetItem PyDict_SetItemString PyList_Append
PyModule_AddIntConstant PyModule_AddObjectRef PyModule_AddStringConstant PyObject_GenericSetAttr
PyObject_IsTrue PyObject_RichCompareBool PyObject_Size PySequence_Contains PySequence_Size
PySet_Add PySet_Contains
"""
ZERO = "malloc MemoryContextAllocExtended"
STEAL = "PyList_SetItem"

# Functions of PostgreSQL that allocate, look something up in a catalog, convert a value, or throw
# because the user wants them to.
THROW = """
AllocSetContextCreateInternal CopyErrorData CreateTupleDescCopy DirectFunctionCall1Coll
DirectFunctionCall2Coll ExecFetchSlotMinimalTuple ExecInitExprList FunctionCall1Coll
FunctionCall2Coll GetForeignColumnOptions GetForeignDataWrapper GetForeignServer
GetForeignServerByName GetForeignServerExtended GetForeignTable GetTopFullTransactionId
GetUserNameFromId HeapTupleHeaderGetDatum InitMaterializedSRF InputFunctionCall LookupFuncName
MakeSingleTupleTableSlot MemoryContextAlloc MemoryContextAllocZero MemoryContextAllocZeroAligned
MemoryContextStrdup OutputFunctionCall ProcessInterrupts ReceiveFunctionCall SearchSysCache1
SearchSysCache2 SearchSysCacheExists SysCacheGetAttr add_path appendBinaryStringInfo
appendStringInfo appendStringInfoChar appendStringInfoString bms_add_member bms_add_range bms_copy
bms_union bpchartruelen build_column_default construct_empty_array construct_md_array
create_foreignscan_path create_projection_path cstring_to_text deconstruct_array
deparse_expression domain_check enlargeStringInfo fmgr_info fmgr_info_cxt format_type_be
format_type_extended format_type_with_typemod getBaseType getBaseTypeAndTypmod
getTypeBinaryInputInfo getTypeInputInfo getTypeOutputInfo get_collation_oid get_func_name
get_namespace_name get_opname get_rel_name get_typlenbyvalalign hash_create heap_copytuple
heap_deform_tuple heap_form_tuple hex_encode initStringInfo int64_to_numeric interval_scale
lappend list_concat_copy list_copy list_make1_impl list_make2_impl list_make3_impl
lookup_rowtype_tupdesc lookup_rowtype_tupdesc_copy lookup_rowtype_tupdesc_domain lookup_type_cache
makeBoolConst makeInteger makeNullConst makeString makeVar make_foreignscan palloc palloc0
parseTypeString pg_detoast_datum pg_detoast_datum_packed pg_do_encoding_conversion pnstrdup
psprintf pstrdup quote_identifier raw_parser repalloc slot_getsomeattrs_int table_open
text_to_cstring timestamp_scale timestamptz_scale time_scale tuplestore_putvalues
"""

WAYS = {
    "fault_null": NULL_WITH_EXCEPTION,
    "fault_minus_one": MINUS_ONE_WITH_EXCEPTION,
    "fault_zero": ZERO,
    "fault_steal": STEAL,
    "fault_throw": THROW,
}

# What these answer depends on which instances there are, and those may go with a fault.
TELLS_OF_INSTANCES = re.compile(r"\bmulticorn_(status|instances|reset)\b")

# The source of the wrappers, whose own calls are none of the extension's.
OURS = "fault.c:"

# Places where a fault does what it must, and why.
KNOWN = {
    "malloc in reference_release_later": "an object for whose holder there is no memory stays",
}

# Asks fault_due() first, with all that the function is passed in registers left as it is.
WRAPPER = """
    .globl __wrap_{name}
    .type __wrap_{name}, @function
__wrap_{name}:
    pushq %rbp
    movq %rsp, %rbp
    subq $192, %rsp
    movq %rdi, 0(%rsp)
    movq %rsi, 8(%rsp)
    movq %rdx, 16(%rsp)
    movq %rcx, 24(%rsp)
    movq %r8, 32(%rsp)
    movq %r9, 40(%rsp)
    movq %rax, 48(%rsp)
    movups %xmm0, 64(%rsp)
    movups %xmm1, 80(%rsp)
    movups %xmm2, 96(%rsp)
    movups %xmm3, 112(%rsp)
    movups %xmm4, 128(%rsp)
    movups %xmm5, 144(%rsp)
    movups %xmm6, 160(%rsp)
    movups %xmm7, 176(%rsp)
    leaq .Lname_{name}(%rip), %rdi
    movq 8(%rbp), %rsi
    call fault_due
    testb %al, %al
    movq 0(%rsp), %rdi
    movq 8(%rsp), %rsi
    movq 16(%rsp), %rdx
    movq 24(%rsp), %rcx
    movq 32(%rsp), %r8
    movq 40(%rsp), %r9
    movq 48(%rsp), %rax
    movups 64(%rsp), %xmm0
    movups 80(%rsp), %xmm1
    movups 96(%rsp), %xmm2
    movups 112(%rsp), %xmm3
    movups 128(%rsp), %xmm4
    movups 144(%rsp), %xmm5
    movups 160(%rsp), %xmm6
    movups 176(%rsp), %xmm7
    leave
    jne {way}
    jmp __real_{name}@PLT
.Lname_{name}:
    .string "{name}"
"""

PREPARE = """
CREATE FUNCTION leaks.fault_arm(int) RETURNS void AS '$libdir/multicorn' LANGUAGE c;
CREATE FUNCTION leaks.fault_disarm() RETURNS text AS '$libdir/multicorn' LANGUAGE c;
"""


# --- The build ------------------------------------------------------------------------------------


def wrapped_functions() -> dict[str, str]:
    """Return each function that is wrapped and the way in which it fails."""
    return {name: way for way, names in WAYS.items() for name in names.split()}


def build_wrappers() -> Variant:
    """Build the wrappers, and return how the extension is linked with them."""
    if platform.machine() != "x86_64":
        raise OSError("the wrappers of tools/faults.py are written for x86-64")
    BUILD.mkdir(parents=True, exist_ok=True)
    functions = wrapped_functions()
    wrappers = BUILD / "wrappers.S"
    texts = (WRAPPER.format(name=name, way=way) for name, way in functions.items())
    wrappers.write_text("".join(("\t.text\n", *texts, '\t.section .note.GNU-stack,"",@progbits\n')))
    server = ask(os.environ.get("PG_CONFIG") or "pg_config", "--includedir-server")
    script = "import sysconfig; print(sysconfig.get_paths()['include'])"
    python = ask(leaks.debug_python(), "-c", script)
    flags = [
        "-g",
        "-O1",
        "-fPIC",
        "-fvisibility=hidden",
        "-DPy_DEBUG=1",
        f"-I{server}",
        f"-I{python}",
    ]
    for source in (SOURCE / "tools/faults/fault.c", wrappers):
        command = ["gcc", *flags, "-c", "-o", str(BUILD / f"{source.stem}.o"), str(source)]
        subprocess.run(command, check=True)
    options = BUILD / "link-options"
    names = (*functions, "hash_search")
    options.write_text("\n".join((*(f"-Wl,--wrap={name}" for name in names), "")))
    (BUILD / "multicorn.so").unlink(missing_ok=True)
    base = leaks.variant()
    link = f"PG_LDFLAGS={BUILD}/fault.o {BUILD}/wrappers.o @{options}"
    # At -O1 few calls share a place: none is merged with another.
    flags_of_extension = "COPT=-O1 -fno-optimize-sibling-calls"
    variables = (*base.variables, flags_of_extension, link)
    return Variant("faults", variables=variables, left_out=base.left_out)


def ask(*command: str) -> str:
    """Return what a program prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


# --- One statement --------------------------------------------------------------------------------


@dataclass
class Places:
    """The places in the extension that calls come from, and what is known of them.

    Attributes:
        tried: How often each has had a fault.
        findings: What went wrong there.
        known: Those of them where it must.
    """

    times: int
    tried: Counter[str] = field(default_factory=Counter)
    findings: dict[str, list[str]] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)

    def wants(self, place: str) -> bool:
        """Tell whether a place is to be tried; one where something was found is known."""
        return place not in self.findings and self.tried[place] < self.times

    def add(self, place: str, finding: str) -> None:
        """Note something that went wrong."""
        self.findings.setdefault(place, []).append(finding)

    def counts(self) -> Counts:
        """Return how many are right."""
        wrong = len(self.findings) - len(self.known)
        return Counts(len(self.tried) - wrong, wrong)


class Injector:
    """Runs statements with faults."""

    def __init__(self, places: Places) -> None:
        """Prepare for a script."""
        self.places = places
        self.trying: tuple[str, str] | None = None
        self._transaction: list[Query] = []
        self._slow = False

    def visit(self, backend: Backend, query: Query, status: str) -> None:
        """Run a statement with faults before psql runs it."""
        text = plain(query.text)
        if status != "I" or TRANSACTION_CONTROL.match(text):
            self._transaction.append(query)
        elif text and not leaks.NOT_IN_TRANSACTION.match(text) and not WANTS_DATA.match(text):
            self._try_alone(backend, query)

    def leave(self, backend: Backend, query: Query, status: str) -> None:
        """Run COPY with faults when its data is known, and a transaction that may begin again."""
        if query.data and self._transaction:
            self._transaction[-1] = query
        elif query.data:
            self._try_alone(backend, query)
        if status != "I" or not self._transaction:
            return
        transaction, self._transaction = self._transaction, []
        if leaves_nothing(transaction):
            self._try(backend, "\n".join(one.text for one in transaction), transaction)

    def _try_alone(self, backend: Backend, query: Query) -> None:
        """Run a statement with faults, in a transaction of its own."""
        reads = READS.match(plain(query.text))
        self._try(backend, query.text, [query] if reads else ["BEGIN", query, "ROLLBACK"])

    def _try(self, backend: Backend, statement: str, commands: Sequence[str | Query]) -> None:
        """Run commands with a fault in each call that comes from a place not yet tried."""
        # The first time may make things that are there the second time.
        self._run(backend, commands, 0)
        began = time.monotonic()
        right, calls = self._run(backend, commands, 0)
        self._slow = time.monotonic() - began > SLOW
        again, same = self._run(backend, commands, 0)
        compares = (
            outcome(right) == outcome(again)
            and not TELLS_OF_INSTANCES.search(statement)
            and not catches_errors(backend, statement)
        )
        wanted = [i for i, place in enumerate(calls) if self.places.wants(place)]
        for i in wanted:
            if calls != same or not self.places.wants(calls[i]):
                continue
            self.places.tried[calls[i]] += 1
            self.trying = (calls[i], statement)
            self._try_call(backend, commands, i + 1, outcome(right) if compares else None)
            self.trying = None

    def _try_call(
        self,
        backend: Backend,
        commands: Sequence[str | Query],
        turn: int,
        right: list[object] | None,
    ) -> None:
        """Run commands with a fault in one call, and note what goes wrong."""
        assert self.trying is not None
        place, statement = self.trying
        problem = f"{statement}\n    (call {turn}) "
        measure(backend, "begin")
        for _ in range(WARM_UP):
            answers, calls = self._run(backend, commands, turn)
        # What a wrapper has written down by then is taken away from it.
        measure(backend, "end")
        if len(calls) < turn or calls[turn - 1] != place:
            self.places.tried[place] -= 1
            return
        if right is not None:
            if not any(answer.errors for answer in answers) and outcome(answers) != right:
                self.places.add(place, f"{problem}another answer: {outcome(answers)}")
            after, _ = self._run(backend, commands, 0)
            if outcome(after) != right:
                self.places.add(place, f"{problem}another answer later: {outcome(after)}")
        lost = "" if self._slow else self._losses(backend, commands, turn)
        if lost:
            self.places.add(place, f"{problem}lost: {lost}")

    def _losses(self, backend: Backend, commands: Sequence[str | Query], turn: int) -> str:
        """Return what a fault loses each time; an empty string if nothing."""
        before = measure(backend, "begin")
        if before is None:
            # The user of the script may not measure.
            return ""
        excess = set(leaks.Measurement._fields)
        for repetitions in REPETITIONS:
            for _ in range(repetitions):
                self._run(backend, commands, turn)
            after = measure(backend, "end")
            if after is None:
                return "can no longer be measured"
            growth = after.growth(before)
            excess &= growth.excess(lost_each_time(repetitions))
            if not excess:
                return ""
            before = after
        return f"{growth} in {repetitions} repetitions"

    def _run(
        self, backend: Backend, commands: Sequence[str | Query], turn: int
    ) -> tuple[list[Answer], list[str]]:
        """Run commands, with a fault in a call unless its turn is 0.

        Returns:
            What they were answered, and the places of the calls.
        """
        arm = f"SELECT leaks.fault_arm({turn})"
        answers = backend.ask_all([arm, *commands, "SELECT leaks.fault_disarm()"])
        last = answers[-1]
        calls = (last.rows[0][0] or "").splitlines() if last.rows else []
        return answers[1:-1], calls


def lost_each_time(repetitions: int) -> leaks.Measurement:
    """Return what so many faults may have added, unless each of them has lost something.

    Blocks alone, without references, also come and go with what Python keeps for later: fewer than
    one for each time are no loss.
    """
    references, blocks = repetitions * 3 // 4, repetitions * 9 // 10
    return leaks.Measurement(references, blocks, 24 * repetitions, 12 * repetitions)


def catches_errors(backend: Backend, statement: str) -> bool:
    """Tell whether a statement calls a function that catches errors, or is a block that does.

    What it answers then may well be about the fault.
    """
    if "exception" in statement.lower():
        return True
    answer = backend.ask(
        "SELECT proname FROM pg_proc WHERE prosrc ~* '\\mexception\\M' AND oid >= 16384"
    )
    return any(str(name) in statement for (name,) in answer.rows)


def outcome(answers: list[Answer]) -> list[object]:
    """Return what can be compared of answers."""
    return [(answer.errors, answer.rows) for answer in answers]


# --- The scripts ----------------------------------------------------------------------------------


def run_script(stage: Stage, cluster: Cluster, name: str, places: Places) -> None:
    """Run a script with faults in its statements, again as long as one ends the session."""
    database = database_of(name)
    for _ in range(MOST_RUNS):
        injector = Injector(places)
        relay = Relay(cluster, injector.visit, injector.leave)
        cluster.dropdb(database)
        cluster.createdb(database)
        cluster.run_sql(leaks.PREPARE + PREPARE, database=database)
        script = stage.sources / "test/sql" / f"{name}.sql"
        variables = {"PG_ABS_SRCDIR": str(stage.sources / "test"), "PGCLIENTENCODING": "UTF8"}
        relay.run(script, database, variables)
        if injector.trying is None:
            break
        place, statement = injector.trying
        places.add(place, f"{statement}\n    the session ended: {end_of(cluster.log)}")
        cluster.restart("immediate")
    cluster.dropdb(database)


def end_of(log: str) -> str:
    """Return what a log says at its end of a process that was terminated, or of a failure."""
    lines = re.findall(r".*(?:PANIC|terminated by signal|TRAP).*", log)
    return lines[-1] if lines else ""


def run_scripts(stage: Stage, options: argparse.Namespace) -> Counts:
    """Run the scripts that were asked for, or all."""
    heading("Faults in statements")
    names = options.tests or sql_tests()
    settings = {
        "multicorn.python_path": str(stage.sources / "test/wrappers"),
        "max_connections": "20",
    }
    places = Places(options.times)
    with Cluster(settings=settings) as cluster:
        if not options.tests or SESSIONS_DATABASE in options.tests:
            run_sessions(stage, cluster, places)
            print(
                f"sessions: {places.tried.total()} faults, {len(places.findings)} findings",
                flush=True,
            )
            show_findings(stage, places)
            names = [name for name in names if name != SESSIONS_DATABASE]
        for name in names:
            tried = places.tried.total()
            found = len(places.findings)
            run_script(stage, cluster, name, places)
            print(
                f"{name}: {places.tried.total() - tried} faults, {len(places.tried)} places so far,"
                f" {len(places.findings) - found} findings",
                flush=True,
            )
            show_findings(stage, places)
    show_untried(stage, places)
    return places.counts()


# --- A session for each fault ---------------------------------------------------------------------

SESSIONS_DATABASE = "sessions"

# What is looked up for conditions is kept for the session.
FILTERED = "SELECT n FROM filtered WHERE abs(n) + 0 = 1 AND n::text = '1' COLLATE \"C\""

# Here the fault is that of the hook, which has not been called.
CALL_OF_HOOK = "PyObject_Vectorcall in call_and_warn"


@dataclass
class Sessions:
    """Tries faults in sessions of their own."""

    cluster: Cluster
    places: Places
    library: Path

    def try_all(self, name: str, prepare: list[str], commands: list[str]) -> None:
        """Run commands in new sessions, with a fault in each call that is to be tried.

        Args:
            name: What they are.
            prepare: What comes before them.
            commands: The commands.
        """
        _, calls, _ = self._run(prepare, commands, 0)
        for i, place in enumerate(calls):
            if not self.places.wants(place):
                continue
            self.places.tried[place] += 1
            try:
                problem = self._problem(prepare, commands, i + 1)
            except (Closed, OSError):
                problem = f"the session ended: {end_of(self.cluster.log)}"
                self.cluster.restart("immediate")
            if problem:
                self.places.add(place, f"{name} (call {i + 1}) {problem}")

    def _problem(self, prepare: list[str], commands: list[str], turn: int) -> str:
        """Return what a fault has done that it must not; an empty string if nothing."""
        answers, calls, checks = self._run(prepare, commands, turn)
        if not answers or len(calls) < turn:
            return ""
        committed = answers[-1].tags == ["COMMIT"]
        local, ledger, journal, again = checks
        if again.errors or again.rows != [("1",)]:
            return f"another answer later: {again}"
        if len(commands) == 1:
            right = bool(answers[0].errors) or answers[0].rows == [("1",)]
            return "" if right else f"another answer: {answers[0].rows}"
        forgiven = where(self.library, calls[turn - 1]).startswith(CALL_OF_HOOK)
        if local.rows != ([("1",)] if committed else []):
            return f"committed: {committed}, but the local table has {local.rows}"
        if (ledger.errors or ledger.rows != local.rows) and not forgiven:
            return f"the local table has {local.rows}, the foreign one {ledger}"
        events = [str(event) for (event,) in journal.rows]
        wrong = wrong_events(events, committed)
        return f"committed: {committed}, hooks: {events}" if wrong and not forgiven else ""

    def _run(
        self, prepare: list[str], commands: list[str], turn: int
    ) -> tuple[list[Answer], list[str], list[Answer]]:
        """Run commands in a new session, with a fault unless its turn is 0.

        Returns:
            What they were answered, the places of the calls, and what is found afterwards: the rows
            of the local and of the foreign table, the journal, and a row of a table.
        """
        backend = Backend.connect(self.cluster.socket, SESSIONS_DATABASE, "postgres")
        try:
            backend.ask_all(["TRUNCATE local", *prepare])
            backend.ask(f"SELECT leaks.fault_arm({turn})")
            answers = backend.ask_all(commands)
            disarmed = backend.ask("SELECT leaks.fault_disarm()")
            calls = (disarmed.rows[0][0] or "").splitlines() if disarmed.rows else []
            checks = backend.ask_all(
                [
                    "SELECT n FROM local",
                    "SELECT n FROM ledger",
                    "SELECT event FROM journal",
                    "SELECT n FROM a",
                ]
            )
            return answers, calls, checks
        finally:
            backend.close()


def wrong_events(events: list[str], committed: bool) -> bool:
    """Tell whether the hooks that were called are not those of a transaction that ended so.

    Those of a table begin with begin; its savepoints end in order, each once, or with the
    transaction; the last is the end of the transaction.
    """
    for table in ("a", "b"):
        hooks = [event.removeprefix(f"{table}: ") for event in events if event.startswith(table)]
        # Reading the foreign table afterwards is a transaction of its own.
        if not hooks:
            continue
        open_levels = 1
        if not hooks[0].startswith("begin") or "begin" in " ".join(hooks[1:]).split("sub_begin")[0]:
            return True
        for hook in hooks[1:-1]:
            kind, _, level = hook.partition(" ")
            if kind == "sub_begin":
                open_levels += 1
            if kind.startswith("sub_") and int(level) != open_levels:
                return True
            if kind in ("sub_commit", "sub_rollback"):
                open_levels -= 1
            if kind in ("commit", "rollback"):
                return True
        if hooks[-1] != ("commit" if committed else "rollback"):
            return True
    return False


def run_sessions(stage: Stage, cluster: Cluster, places: Places) -> None:
    """Try the first statement of a session, and a transaction."""
    cluster.createdb(SESSIONS_DATABASE)
    cluster.run_sql(leaks.PREPARE + PREPARE + leaks.COMMITS_PREPARE, database=SESSIONS_DATABASE)
    sessions = Sessions(cluster, places, stage.pkglibdir / "multicorn.so")
    warm = ["SELECT event FROM journal"]
    for first in ("SELECT n FROM a", FILTERED):
        sessions.try_all("the first statement of a session", [], [first])
    sessions.try_all("the first statement of a table", warm, ["SELECT n FROM a"])
    transaction = leaks.TRANSACTION.strip().splitlines()
    sessions.try_all("a transaction, its tables new", warm, transaction)
    used = [*warm, "SELECT n FROM a, b, ledger", *warm]
    sessions.try_all("a transaction", used, transaction)


def where(library: Path, place: str) -> str:
    """Return the function and the line of the source that a place is in, and what it calls."""
    name, distance = place.split()
    address = hex(base_address(library) + int(distance) - 1)
    line = ask("addr2line", "-f", "-s", "-e", str(library), address).replace("\n", " ")
    return f"{name} in {line}"


@cache
def base_address(library: Path) -> int:
    """Return the address that the places of a library count from."""
    match = re.search(r"^(\w+) T fault_disarm$", ask("nm", str(library)), re.MULTILINE)
    if not match:
        raise OSError(f"{library} has no fault_disarm")
    return int(match[1], 16)


def all_places(library: Path) -> set[str]:
    """Return every place of a library that calls a wrapped function."""
    lines = ask("objdump", "--disassemble", "--no-show-raw-insn", str(library)).splitlines()
    base = base_address(library)
    places = set()
    for line, following in pairwise(lines):
        call = re.search(r"\bcall +\w+ <__wrap_(\w+?)(@plt)?>", line)
        if call:
            returns_to = int(following.partition(":")[0], 16)
            places.add(f"{call[1]} {returns_to - base}")
    return places


def show_untried(stage: Stage, places: Places) -> None:
    """Write the places that no statement has come to."""
    library = stage.pkglibdir / "multicorn.so"
    untried = all_places(library) - set(places.tried)
    texts = sorted(
        text for text in (where(library, place) for place in untried) if OURS not in text
    )
    (RESULTS / "untried").write_text("\n".join((*texts, "")))
    print(f"{len(texts)} places were not come to; {RESULTS}/untried has them")


def show_findings(stage: Stage, places: Places) -> None:
    """Write the findings, each with the line of the source that it belongs to."""
    texts = []
    for place, problems in places.findings.items():
        found_in = where(stage.pkglibdir / "multicorn.so", place)
        if " ".join(found_in.split()[:3]) in KNOWN:
            places.known.add(place)
            continue
        texts.append("\n".join((found_in, *problems)))
    (RESULTS / "findings").write_text("\n\n".join((*texts, "")))


# --- All ------------------------------------------------------------------------------------------


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--times", type=int, default=TIMES, help="faults for each place")
    parser.add_argument("tests", nargs="*", help="scripts of test/sql, without .sql")
    return parser.parse_args(arguments)


def run_all(options: argparse.Namespace) -> Counts:
    """Build and stage the extension, then run the statements with faults."""
    shutil.rmtree(RESULTS, ignore_errors=True)
    RESULTS.mkdir(parents=True)
    os.environ["PYTHON"] = leaks.debug_python()
    stage = Stage(variant=build_wrappers())
    return run_on_stage([], stage, (lambda stage: run_scripts(stage, options), None))


if __name__ == "__main__":
    parsed = parse_arguments(sys.argv[1:])
    sys.exit(run_and_count(lambda: run_all(parsed)))
