/*
 * interrupt.c
 *	  A query cancel, a timeout or a termination becomes a Python exception.
 *
 * PostgreSQL's signal handlers only set flags that its C code looks at. While
 * a wrapper is at work, handlers of our own stand before them: they call
 * PostgreSQL's and, if that left something to do and Python is on the stack,
 * trip CPython's SIGINT. CPython then runs the SIGINT handler that the package
 * has set, interrupt_check(), between two bytecodes or when a system call
 * comes back with EINTR; it raises a BaseException, and the boundary lets
 * PostgreSQL throw its own error. SA_RESTART is off, or the kernel would
 * restart a read() before Python hears of anything. Other code may rely on it
 * (COPY ... PROGRAM, files on NFS), so PostgreSQL's handlers come back before
 * the next statement that reads no foreign table: not at the end of each, since
 * exchanging them takes as long as a small query.
 *
 * Signals belong to the main thread. The package blocks them in the threads
 * that Python code starts; one that reaches another thread all the same is
 * handed on.
 */
#include "embed/interrupt.h"

#include <pthread.h>
#include <signal.h>

#include "embed/call.h"
#include "embed/error.h"
#include "tcop/tcopprot.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

typedef struct SignalHandler
{
	int signal;
	struct sigaction saved;
	bool replaced;
} SignalHandler;

bool interrupt_handlers_installed = false;
int interrupt_holds = 0;

static SignalHandler handlers[] = {
	{.signal = SIGINT},
	{.signal = SIGTERM},
	{.signal = SIGALRM},
	{.signal = SIGUSR1},
};

static pthread_t main_thread;

/* ---------- hooks that run after the decision ---------- */

/* How often a hook that goes on is told again, in ms. */
#define CLEANUP_REMINDER 200

/*
 * PostgreSQL signals a cancel, or a timeout, twice: to the process and to its
 * group. What comes so soon, in ms, after one that has taken effect is the same.
 */
#define CANCEL_ECHO 500

/* When a cancel has last ended Python code. */
static TimestampTz last_cancel = 0;

int interrupt_cleanup_timeout = 10000;

/* Is a hook at work that PostgreSQL holds interrupts off for? */
static volatile sig_atomic_t in_cleanup = false;

/* Has it taken longer than multicorn.cleanup_timeout? */
static volatile sig_atomic_t cleanup_expired = false;

static TimeoutId cleanup_timer = MAX_TIMEOUTS;

/* For the timer: called in a signal handler. */
static void
expire_cleanup(void)
{
	cleanup_expired = true;
	InterruptPending = true;
}

/*
 * A hook begins that must come to an end although PostgreSQL holds interrupts
 * off: a cancel, a termination or multicorn.cleanup_timeout ends it, again and
 * again if need be. Never throws.
 */
void
interrupt_cleanup_begin(void)
{
	TimestampTz end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
												  interrupt_cleanup_timeout);

	in_cleanup = true;
	cleanup_expired = false;
	if (interrupt_cleanup_timeout > 0)
		enable_timeout_every(cleanup_timer, end, CLEANUP_REMINDER);
}

/* The hook has come to its end. Never throws. */
void
interrupt_cleanup_end(void)
{
	if (interrupt_cleanup_timeout > 0)
		disable_timeout(cleanup_timer, false);
	in_cleanup = false;
	cleanup_expired = false;
}

bool
interrupt_in_cleanup(void)
{
	return in_cleanup;
}

/* Is there a cancel that is not the echo of one before? Forgets an echo. */
static bool
is_cancelled(void)
{
	if (QueryCancelPending &&
		!TimestampDifferenceExceeds(last_cancel, GetCurrentTimestamp(),
									CANCEL_ECHO))
		QueryCancelPending = false;
	return QueryCancelPending;
}

/* Is a hook to end that runs after the decision? Sets the exception if so. */
static bool
ends_cleanup(void)
{
	if (!in_cleanup || python_depth == 0)
		return false;
	if (cleanup_expired)
		PyErr_SetString(error_interrupt_type,
						"interrupted by multicorn.cleanup_timeout");
	else if (ProcDiePending || is_cancelled())
		PyErr_SetString(error_interrupt_type,
						"interrupted by a cancel or a termination");
	else
		return false;
	return true;
}

/* Remembers the thread that runs PostgreSQL. Called before any other. */
void
interrupt_start(void)
{
	main_thread = pthread_self();
	/* A start that failed is tried again, and there is room for few timers. */
	if (cleanup_timer == MAX_TIMEOUTS)
		cleanup_timer = RegisterTimeout(USER_TIMEOUT, expire_cleanup);
	/* A signal may come before the first replacement has told what was there. */
	for (int i = 0; i < (int) lengthof(handlers); i++)
		sigaction(handlers[i].signal, NULL, &handlers[i].saved);
}

bool
interrupt_on_main_thread(void)
{
	return pthread_equal(pthread_self(), main_thread);
}

/* Has PostgreSQL a handler of its own for the signal? */
static bool
is_handled(const struct sigaction *action)
{
	return (action->sa_flags & SA_SIGINFO) ||
		(action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

/* Calls the handler that PostgreSQL has installed for the signal. */
static void
call_saved_handler(int signal, siginfo_t *info, void *ucontext)
{
	for (int i = 0; i < (int) lengthof(handlers); i++)
	{
		if (handlers[i].signal != signal || !is_handled(&handlers[i].saved))
			continue;
		if (handlers[i].saved.sa_flags & SA_SIGINFO)
			handlers[i].saved.sa_sigaction(signal, info, ucontext);
		else
			handlers[i].saved.sa_handler(signal);
	}
}

/* The signal handler: only calls what is safe in one. */
static void
handle_signal(int signal, siginfo_t *info, void *ucontext)
{
	int save_errno = errno;

	if (!interrupt_on_main_thread())
		pthread_kill(main_thread, signal);
	else
	{
		call_saved_handler(signal, info, ucontext);
		if (InterruptPending && python_depth > 0)
			PyErr_SetInterruptEx(SIGINT);
	}
	errno = save_errno;
}

/* Puts a handler in place, unless PostgreSQL has none of its own there. */
static void
replace_handler(SignalHandler *handler)
{
	static const struct sigaction action = {
		.sa_sigaction = handle_signal,
		.sa_flags = SA_SIGINFO, /* and not SA_RESTART */
	};

	handler->replaced = sigaction(handler->signal, &action, &handler->saved) ==
		0;
	if (handler->replaced && !is_handled(&handler->saved))
	{
		sigaction(handler->signal, &handler->saved, NULL);
		handler->replaced = false;
	}
}

/* Puts our handlers before PostgreSQL's. Never throws. */
void
interrupt_install(void)
{
	for (int i = 0; i < (int) lengthof(handlers); i++)
		replace_handler(&handlers[i]);
	interrupt_handlers_installed = true;
}

/*
 * Puts PostgreSQL's own handlers back, unless Python is at work or a scan is
 * open. Never throws.
 */
void
interrupt_restore(void)
{
	if (!interrupt_handlers_installed || interrupt_holds > 0 ||
		python_depth > 0)
		return;
	for (int i = 0; i < (int) lengthof(handlers); i++)
	{
		if (handlers[i].replaced)
			sigaction(handlers[i].signal, &handlers[i].saved, NULL);
	}
	interrupt_handlers_installed = false;
}

/* Looks whether the client is still there, as ProcessInterrupts() would. */
static void
check_client_connection(void *argument)
{
	CheckClientConnectionPending = false;
	if (client_connection_check_interval <= 0)
		return;
	if (pq_check_connection())
		enable_timeout_after(CLIENT_CONNECTION_CHECK_TIMEOUT,
							 client_connection_check_interval);
	else
		ClientConnectionLost = true;
}

/*
 * Would CHECK_FOR_INTERRUPTS() throw, or end the session? With Python on the
 * stack it must not get to it.
 */
static bool
would_throw(void)
{
	return ProcDiePending || ClientConnectionLost ||
		transaction_timeout_is_pending() ||
		(QueryCancelPending && QueryCancelHoldoffCount == 0);
}

/* What is pending and harmless: a new configuration, a barrier. */
static void
process_interrupts(void *argument)
{
	CHECK_FOR_INTERRUPTS();
}

/*
 * Raises a Python exception if PostgreSQL wants the statement to end. Returns
 * a new reference to None otherwise. Called by Python; never throws.
 */
PyObject *
interrupt_check(void)
{
	if (unlikely(in_cleanup) && ends_cleanup())
		return NULL;
	if (InterruptPending && InterruptHoldoffCount == 0 &&
		CritSectionCount == 0 && python_depth > 0)
	{
		if (CheckClientConnectionPending &&
			!error_guard(check_client_connection, NULL))
			return NULL;
		if (would_throw())
		{
			boundary_pending = true;
			if (QueryCancelPending)
				last_cancel = GetCurrentTimestamp();
			PyErr_SetString(error_interrupt_type,
							"PostgreSQL has asked to end the statement");
			return NULL;
		}
		if (!error_guard(process_interrupts, NULL))
			return NULL;
	}
	Py_RETURN_NONE;
}
