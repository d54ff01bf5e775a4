/*
 * fork.c
 *	  Processes that Python code forks off the backend.
 *
 * A forked child has the client, the locks and the shared memory of its parent.
 * If it ended like a process of its own, it would run the exit callbacks of the
 * backend: give up what the parent holds, and count it as gone. If it went on,
 * it would be a second backend that talks to the same client. So a wrapper may
 * not fork; and what code in C forks, which nobody can refuse, is made harmless.
 * Running a program is no such fork: subprocess calls exec() before anything
 * else can happen.
 */
#include "embed/fork.h"

#include <pthread.h>
#include <unistd.h>

#include "embed/call.h"
#include "embed/error.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"

/* ---------- what is refused ---------- */

/* The audit events of functions whose child goes on with Python. */
static const char *const refused[] = {"os.fork", "os.forkpty"};

/*
 * The audit hook: raises PermissionError if a wrapper forks, on whichever thread.
 * PL/Python's functions, on the main thread, stay what they are without us; so
 * does what a child does that runs before a program, such as preexec_fn.
 */
static int
audit(const char *event, PyObject *arguments, void *unused)
{
	if (strncmp(event, "os.fork", 7) != 0)
		return 0;
	for (int i = 0; i < (int) lengthof(refused); i++)
	{
		if (strcmp(event, refused[i]) != 0 || fork_is_child() ||
			(python_depth == 0 && interrupt_on_main_thread()))
			continue;
		PyErr_Format(PyExc_PermissionError,
					 "%s() would make a second backend out of this process; run a program with "
					 "subprocess, or use multiprocessing.get_context('spawn')",
					 event);
		return -1;
	}
	return 0;
}

/* Has forks of wrappers refused from now on. Throws what adding a hook raises. */
void
fork_refuse(void)
{
	static bool refuses = false;

	if (refuses)
		return;
	if (PySys_AddAuditHook(audit, NULL) < 0)
		python_throw();
	refuses = true;
}

/* ---------- what is made harmless ---------- */

/* Is this a process that was forked off the backend? */
bool
fork_is_child(void)
{
	return getpid() != MyProcPid;
}

/*
 * For pthread_atfork(), in the child, where little is allowed: what exit() would
 * run is the parent's, and so is the client. The child must not get past the
 * boundary.
 */
static void
tame_child(void)
{
	on_exit_reset();
	whereToSendOutput = DestNone;
	boundary_pending = true;
}

/* Has children made harmless from now on. */
void
fork_watch(void)
{
	static bool watches = false;

	if (!watches)
		pthread_atfork(NULL, NULL, tame_child);
	watches = true;
}

/*
 * Ends a child that is about to go on as a second backend, and does nothing
 * elsewhere. Its exit callbacks belong to the parent.
 */
void
fork_end_child(void)
{
	static const char message[] =
		"multicorn: a process that Python code has forked came back into PostgreSQL, and was ended\n";

	if (!fork_is_child())
		return;
	(void) !write(STDERR_FILENO, message, sizeof(message) - 1);
	_exit(1);
}
