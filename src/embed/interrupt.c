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
 * A signal that comes after CPython has looked for the last time and before the
 * system call begins interrupts neither, and code that is interrupted may wait
 * again, in a finally. So as long as something is pending a timer asks again:
 * soon, until Python has been told, and from then on after
 * multicorn.cleanup_timeout. It is started by a signal alone.
 *
 * Code may catch the interrupt, too, and go on. If it is still at work when
 * Python is told for the second time, each look of CPython's raises from then on.
 * A loop cannot outlive that, whatever its except clauses swallow: CPython looks
 * where it jumps back, which is outside of them. The same holds for a PostgreSQL
 * error that waits for the boundary: Python has been told by its exception.
 *
 * Signals belong to the main thread. The package blocks them in the threads
 * that Python code starts; one that reaches another thread all the same is
 * handed on.
 */
#include "embed/interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "embed/call.h"
#include "embed/error.h"
#include "storage/ipc.h"
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

/* How many calls are at work that must come to an end, one inside another. */
static volatile sig_atomic_t cleanup_depth = 0;

/* Has the outermost taken longer than multicorn.cleanup_timeout? */
static volatile sig_atomic_t cleanup_expired = false;

/* Has a termination come that PostgreSQL is deaf to, since the session ends? */
static volatile sig_atomic_t cleanup_terminated = false;

/* When the call at work was told to end; 0 if it has not been. */
static TimestampTz cleanup_told_at = 0;

/* Is CPython to look again for no other reason than that one goes on? */
static volatile sig_atomic_t looks_again = false;

static TimeoutId cleanup_timer = MAX_TIMEOUTS;

/* For the timer: called in a signal handler. */
static void
expire_cleanup(void)
{
	cleanup_expired = true;
	InterruptPending = true;
}

/*
 * A call begins that must come to an end, also where PostgreSQL holds interrupts
 * off: a cancel, a termination or multicorn.cleanup_timeout ends it, again and
 * again if need be. One inside another has no time of its own. Never throws.
 */
void
interrupt_cleanup_begin(void)
{
	TimestampTz end;

	if (cleanup_depth++ > 0)
		return;
	cleanup_expired = false;
	cleanup_terminated = false;
	cleanup_told_at = 0;
	if (interrupt_cleanup_timeout <= 0)
		return;
	end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
									  interrupt_cleanup_timeout);
	enable_timeout_every(cleanup_timer, end, CLEANUP_REMINDER);
}

/* The call has come to its end. Never throws. */
void
interrupt_cleanup_end(void)
{
	if (--cleanup_depth > 0)
		return;
	if (interrupt_cleanup_timeout > 0)
		disable_timeout(cleanup_timer, false);
	cleanup_expired = false;
	cleanup_told_at = 0;
}

/*
 * What was to end has ended: what else is said and done before
 * interrupt_cleanup_end() is not to suffer for its having gone on. Never throws.
 */
void
interrupt_cleanup_returned(void)
{
	cleanup_told_at = 0;
}

/* Is a call at work that interrupt_cleanup_begin() has announced? */
bool
interrupt_cleanup_is_open(void)
{
	return cleanup_depth > 0;
}

/*
 * Is a call at work that nothing else than interrupt_cleanup_begin() can end,
 * or that has just been ended by it?
 */
bool
interrupt_in_cleanup(void)
{
	return cleanup_depth > 0 && (InterruptHoldoffCount > 0 || cleanup_expired);
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

/* Why a call that interrupt_cleanup_begin() has announced is to end; NULL if it is not. */
static const char *
reason_to_end(void)
{
	if (cleanup_terminated)
		return "interrupted by a cancel or a termination";
	if (cleanup_expired)
		return "interrupted by multicorn.cleanup_timeout";
	if (InterruptHoldoffCount > 0 && (ProcDiePending || is_cancelled()))
		return "interrupted by a cancel or a termination";
	return NULL;
}

/* Has CPython look again at once: what it has raised may have been caught. */
static void
look_again(void)
{
	looks_again = true;
	PyErr_SetInterruptEx(SIGINT);
}

/*
 * Is a call to end that interrupt_cleanup_begin() has announced? Sets the
 * exception if so. One that goes on for longer than an echo takes is told at
 * every look.
 */
static bool
ends_cleanup(void)
{
	bool is_unasked = looks_again;
	const char *reason;
	TimestampTz now;

	looks_again = false;
	if (cleanup_depth == 0 || python_depth == 0 ||
		(is_unasked && cleanup_told_at == 0))
		return false;
	reason = reason_to_end();
	if (reason == NULL)
		return false;
	now = GetCurrentTimestamp();
	if (cleanup_told_at == 0)
		cleanup_told_at = now;
	else if (TimestampDifferenceExceeds(cleanup_told_at, now, CANCEL_ECHO))
		look_again();
	PyErr_SetString(error_interrupt_type, reason);
	return true;
}

/* ---------- asking again ---------- */

/* How soon Python is asked again that has not been told yet, in ms. */
#define REMINDER 100

/* How strong an interrupt is: a stronger one is always heard. */
typedef enum Interruption
{
	INTERRUPTION_NONE,
	INTERRUPTION_STATEMENT, /* ends the statement */
	INTERRUPTION_SESSION	/* ends the session */
} Interruption;

static timer_t reminder;
static bool reminder_exists = false;

/* What Python has been told of that is pending, and when. */
static volatile sig_atomic_t told = INTERRUPTION_NONE;
static TimestampTz told_at = 0;

/* Is Python told at every look, since it has gone on? */
static volatile sig_atomic_t insisting = false;

/* Has a signal come that asks for an end, since Python was told? */
static volatile sig_atomic_t asked_again = false;

/* Does what Python was told of go on to Python code around it? */
static bool passes_on = false;

/* Makes the timer; without it signals are heard all the same, if not always. */
static void
create_reminder(void)
{
	struct sigevent event = {
		.sigev_notify = SIGEV_SIGNAL,
		/* PostgreSQL's handler does not mind one that its timer has not sent. */
		.sigev_signo = SIGALRM,
	};

	if (!reminder_exists)
		reminder_exists = timer_create(CLOCK_MONOTONIC, &event, &reminder) == 0;
}

/* Has the timer send a signal, once, in so many ms. Safe in a signal handler. */
static void
remind_in(long milliseconds)
{
	struct itimerspec delay = {
		.it_value = {.tv_sec = milliseconds / 1000,
					 .tv_nsec = milliseconds % 1000 * 1000000},
	};

	if (reminder_exists)
		timer_settime(reminder, 0, &delay, NULL);
}

/* When Python that goes on is told again, that many ms after it was told. */
static void
remind_after(long passed)
{
	remind_in(interrupt_cleanup_timeout > 0
				  ? Max(interrupt_cleanup_timeout - passed, 1)
				  : 0);
}

/* Something is pending that a signal has brought, or brought up again. */
static void
note_signal(int signal, bool is_new)
{
	if (is_new)
	{
		told = INTERRUPTION_NONE;
		insisting = false;
	}
	looks_again = false;
	if (signal == SIGINT || signal == SIGTERM)
		asked_again = true;
	remind_in(REMINDER);
	PyErr_SetInterruptEx(SIGINT);
}

/*
 * Is Python to be told of an interrupt, now that it looks? Once, since what runs
 * from then on is a finally; and whenever it looks as soon as it was asked for
 * anew or multicorn.cleanup_timeout has passed.
 */
static bool
is_to_be_told(Interruption interruption)
{
	TimestampTz now = GetCurrentTimestamp();
	long passed = TimestampDifferenceMilliseconds(told_at, now);
	bool is_stronger = (int) interruption > told;

	if (told != INTERRUPTION_NONE &&
		((asked_again && passed > CANCEL_ECHO) ||
		 (interrupt_cleanup_timeout > 0 && passed >= interrupt_cleanup_timeout)))
		insisting = true;
	asked_again = false;
	if (is_stronger)
	{
		told = interruption;
		told_at = now;
		passed = 0;
	}
	if (insisting)
		remind_in(REMINDER);
	else
		remind_after(passed);
	return is_stronger || insisting;
}

/* ---------- signal handlers ---------- */

/* Remembers the thread that runs PostgreSQL. Called before any other. */
void
interrupt_start(void)
{
	main_thread = pthread_self();
	/* A start that failed is tried again, and there is room for few timers. */
	if (cleanup_timer == MAX_TIMEOUTS)
		cleanup_timer = RegisterTimeout(USER_TIMEOUT, expire_cleanup);
	create_reminder();
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
		bool was_pending = InterruptPending;

		call_saved_handler(signal, info, ucontext);
		if (signal == SIGTERM && proc_exit_inprogress && cleanup_depth > 0)
			cleanup_terminated = InterruptPending = true;
		/* Python may be entered before PostgreSQL looks. */
		if (InterruptPending || error_is_kept())
			note_signal(signal, !was_pending && !error_is_kept());
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
	/* What has come before is not to wait for another signal. */
	if (unlikely(InterruptPending))
		note_signal(0, true);
}

/* C code that Python has called may have blocked them. */
static void
unblock_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	for (int i = 0; i < (int) lengthof(handlers); i++)
		sigaddset(&signals, handlers[i].signal);
	pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
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
	unblock_signals();
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
 * What would CHECK_FOR_INTERRUPTS() end? With Python on the stack it must not
 * get to it.
 */
static Interruption
pending_interruption(void)
{
	if (ProcDiePending || ClientConnectionLost ||
		transaction_timeout_is_pending())
		return INTERRUPTION_SESSION;
	if (error_is_kept() ||
		(QueryCancelHoldoffCount == 0 &&
		 (QueryCancelPending || recovery_conflict_is_pending())))
		return INTERRUPTION_STATEMENT;
	return INTERRUPTION_NONE;
}

/*
 * An error of which Python has been told leaves it. If that was within SQL that
 * other Python code runs, it is told next: each has no time of its own. Never
 * throws.
 */
void
interrupt_pass_on(void)
{
	passes_on = python_suspended > 0;
}

/* SQL that Python code runs has not failed after all. Never throws. */
void
interrupt_stay(void)
{
	passes_on = false;
}

/*
 * A PostgreSQL error waits for the boundary now, and an exception tells Python.
 * If that goes on all the same, it is told again. Never throws.
 */
void
interrupt_note_kept(void)
{
	TimestampTz now = GetCurrentTimestamp();

	if (!passes_on && !InterruptPending)
		told = INTERRUPTION_NONE;
	passes_on = false;
	if (told == INTERRUPTION_NONE)
	{
		told = INTERRUPTION_STATEMENT;
		told_at = now;
		insisting = asked_again = looks_again = false;
	}
	if (insisting)
		look_again();
	remind_after(TimestampDifferenceMilliseconds(told_at, now));
}

/* What is pending and harmless: a new configuration, a barrier. */
static void
process_interrupts(void *argument)
{
	CHECK_FOR_INTERRUPTS();
}

/* Raises the exception that leads back to PostgreSQL; sets it and returns NULL. */
static PyObject *
interrupt_python(void)
{
	boundary_pending = true;
	if (QueryCancelPending)
		last_cancel = GetCurrentTimestamp();
	PyErr_SetString(error_interrupt_type,
					"PostgreSQL has asked to end the statement");
	if (insisting)
		look_again();
	return NULL;
}

/*
 * Raises a Python exception if PostgreSQL wants the statement to end, and the
 * code has not been told yet or insists on an answer. Returns a new reference to
 * None otherwise. Called by Python; never throws.
 */
PyObject *
interrupt_check(bool insists)
{
	if (unlikely(cleanup_depth > 0) && ends_cleanup())
		return NULL;
	if ((InterruptPending || error_is_kept()) && InterruptHoldoffCount == 0 &&
		CritSectionCount == 0 && python_depth > 0)
	{
		Interruption interruption;

		if (CheckClientConnectionPending &&
			!error_guard(check_client_connection, NULL))
			return NULL;
		interruption = pending_interruption();
		if (interruption != INTERRUPTION_NONE)
		{
			if (is_to_be_told(interruption) || insists)
				return interrupt_python();
		}
		else if (!error_guard(process_interrupts, NULL))
			return NULL;
	}
	Py_RETURN_NONE;
}
