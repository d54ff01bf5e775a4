/*
 * error.c
 *	  Python exceptions become PostgreSQL errors, and PostgreSQL errors travel
 *	  through Python.
 *
 * No longjmp may cross a Python frame. What Python calls runs under
 * error_guard(), which keeps the ErrorData and sets a Python exception
 * instead. The outermost boundary throws the kept error as it was, also when
 * Python code swallowed the exception: PostgreSQL has not been able to clean
 * up after it, so the statement cannot go on.
 */
#include "embed/error.h"

#include "embed/call.h"
#include "embed/fork.h"
#include "embed/interpreter.h"
#include "embed/text.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"

bool error_show_traceback = true;
bool error_secrets_known = false;
PyObject *error_interrupt_type = NULL;

/*
 * How many more frames Python may need to describe an exception than the code
 * that raised it was allowed: it imports modules.
 */
#define FRAMES_TO_DESCRIBE 500

/* How much of a message is left of one that quotes a long value, in bytes. */
#define LONGEST_QUOTE 1000

/* The error that waits for the boundary, in a context of its own. */
static ErrorData *kept = NULL;
static MemoryContext kept_context = NULL;

/* What PostgreSQL says about an exception; strings in CurrentMemoryContext. */
typedef struct ExceptionReport
{
	int sqlstate;
	char *message;
	char *detail;
	char *hint;
	char *context; /* in place of the traceback */
	char *traceback;
} ExceptionReport;

/* The context for a kept error, empty. Throws if memory runs out. */
static MemoryContext
kept_error_context(void)
{
	if (kept_context == NULL)
		kept_context = AllocSetContextCreate(TopMemoryContext,
											 "multicorn kept error",
											 ALLOCSET_SMALL_SIZES);
	MemoryContextReset(kept_context);
	return kept_context;
}

/* Sets the Python exception that stands for the kept error. */
static void
set_interrupt(void)
{
	PyErr_SetString(error_interrupt_type, kept->message);
	boundary_pending = true;
}

/*
 * Calls function(argument), which may throw, while Python is on the stack.
 * Returns false, with a Python exception set, if it did; the error is kept for
 * the boundary. While one is kept, nothing is called any more.
 */
bool
error_guard(void (*function)(void *), void *argument)
{
	MemoryContext caller_context = CurrentMemoryContext;
	uint32 interrupt_holdoff = InterruptHoldoffCount;
	uint32 cancel_holdoff = QueryCancelHoldoffCount;
	int depth_below = python_depth_below;

	if (kept != NULL)
	{
		set_interrupt();
		return false;
	}
	python_depth_below = python_depth;
	pgstat_report_wait_end();
	PG_TRY();
	{
		function(argument);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(kept_error_context());
		kept = CopyErrorData();
		FlushErrorState();
		/* Throwing has let go of interrupts; those outside still hold them. */
		InterruptHoldoffCount = interrupt_holdoff;
		QueryCancelHoldoffCount = cancel_holdoff;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller_context);
	/* Whatever PostgreSQL has waited for meanwhile, it is Python's turn again. */
	python_depth_below = depth_below;
	if (python_depth > depth_below)
		pgstat_report_wait_start(python_wait_event);
	if (kept == NULL)
		return true;
	set_interrupt();
	interrupt_note_kept();
	return false;
}

/*
 * Keeps a FATAL error, which ends the session at the boundary, and sets the
 * Python exception that leads there. detail and hint may be NULL. Throws only
 * if memory runs out: call it under error_guard().
 */
void
error_keep_fatal(const char *message, const char *detail, const char *hint)
{
	MemoryContext old = MemoryContextSwitchTo(kept_error_context());
	ErrorData *error = palloc0(sizeof(ErrorData));

	error->elevel = FATAL;
	error->sqlerrcode = ERRCODE_FDW_ERROR;
	error->message = pstrdup(message);
	error->detail = detail != NULL ? pstrdup(detail) : NULL;
	error->hint = hint != NULL ? pstrdup(hint) : NULL;
	error->assoc_context = CurrentMemoryContext;
	MemoryContextSwitchTo(old);
	kept = error;
	set_interrupt();
	interrupt_note_kept();
}

/* Does a PostgreSQL error wait for the boundary? */
bool
error_is_kept(void)
{
	return kept != NULL;
}

/* Throws the kept error, if there is one, as it was. */
void
error_throw_kept(void)
{
	ErrorData *error = kept;

	if (error == NULL)
		return;
	kept = NULL;
	PyErr_Clear();
	interrupt_pass_on();
	if (error->elevel >= FATAL)
		ThrowErrorData(error);
	else
		ReThrowError(error);
}

/* Forgets the kept error, where none may be thrown; it has become a WARNING. */
void
error_drop_kept(void)
{
	kept = NULL;
}

/* The item of the tuple as a C string; NULL for None. */
static char *
report_field(PyObject *fields, Py_ssize_t index)
{
	return text_from_python_lossy(PyTuple_GET_ITEM(fields, index));
}

/* What is left to say when the exception could not be described. */
static void
describe_by_type(PyObject *exception, ExceptionReport *report)
{
	PyErr_Clear();
	report->sqlstate = ERRCODE_FDW_ERROR;
	report->message = pstrdup(text_of_type_name(Py_TYPE(exception)));
}

/* Fills the report from what the package says about an exception, a tuple. */
static void
read_description(PyObject *fields, PyObject *exception, ExceptionReport *report)
{
	char *sqlstate = report_field(fields, 0);

	report->message = report_field(fields, 1);
	report->detail = report_field(fields, 2);
	report->hint = report_field(fields, 3);
	report->context = report_field(fields, 4);
	report->traceback = report_field(fields, 5);
	report->sqlstate = sqlstate != NULL && strlen(sqlstate) == 5
		? MAKE_SQLSTATE(sqlstate[0], sqlstate[1], sqlstate[2], sqlstate[3],
						sqlstate[4])
		: ERRCODE_FDW_ERROR;
	if (report->message == NULL)
		report->message = pstrdup(text_of_type_name(Py_TYPE(exception)));
}

/* As describe(), but the exception is still the caller's when it throws. */
static void
describe_borrowed(PyObject *exception, ExceptionReport *report)
{
	PyObject *fields = NULL;

	memset(report, 0, sizeof(*report));
	if (interpreter_functions.describe != NULL)
	{
		int limit = Py_GetRecursionLimit();

		python_enter();
		/* SQL that code deep down has run may have called the wrapper. */
		Py_SetRecursionLimit(limit + FRAMES_TO_DESCRIBE);
		fields = PyObject_CallOneArg(interpreter_functions.describe, exception);
		Py_SetRecursionLimit(limit);
		python_leave();
	}
	if (fields == NULL || !PyTuple_Check(fields) ||
		PyTuple_GET_SIZE(fields) != 6)
	{
		Py_XDECREF(fields);
		describe_by_type(exception, report);
		return;
	}
	PG_TRY();
	{
		read_description(fields, exception, report);
	}
	PG_CATCH();
	{
		reference_release_later(fields);
		PG_RE_THROW();
	}
	PG_END_TRY();
	Py_DECREF(fields);
}

/*
 * Fills the report about an exception, whose reference it takes. Runs Python
 * code (a __str__ of the wrapper's), never fails because of it; throws only if
 * memory runs out.
 */
static void
describe(PyObject *exception, ExceptionReport *report)
{
	PG_TRY();
	{
		describe_borrowed(exception, report);
	}
	PG_CATCH();
	{
		reference_release_later(exception);
		PG_RE_THROW();
	}
	PG_END_TRY();
	reference_release_later(exception);
}

/* The detail with the traceback below it, for the server log alone. */
static char *
detail_with_traceback(const ExceptionReport *report)
{
	if (report->detail == NULL)
		return report->traceback;
	return psprintf("%s\n%s", report->detail, report->traceback);
}

/* Emits the report at elevel; where the traceback goes is a setting. */
static void
emit(int elevel, const ExceptionReport *report)
{
	bool traceback = report->traceback != NULL && report->traceback[0] != '\0';

	ereport(elevel, errcode(report->sqlstate),
			errmsg_internal("%s", report->message),
			report->detail != NULL ? errdetail_internal("%s", report->detail)
								   : 0,
			traceback && !error_show_traceback
				? errdetail_log("%s", detail_with_traceback(report))
				: 0,
			report->hint != NULL ? errhint("%s", report->hint) : 0,
			traceback && error_show_traceback
				? errcontext("%s", report->traceback)
				: 0,
			report->context != NULL && report->context[0] != '\0'
				? errcontext("%s", report->context)
				: 0);
}

/* Throws what an interrupted Python call has left PostgreSQL to throw. */
static void
throw_interrupt(void)
{
	error_throw_kept();
	interrupt_pass_on();
	CHECK_FOR_INTERRUPTS();
	/* Someone raised it by hand, or the reason went away meanwhile. */
	ereport(ERROR, errcode(ERRCODE_QUERY_CANCELED),
			errmsg("Python code was interrupted"));
}

/*
 * Throws the Python exception that is set as a PostgreSQL error; a PostgreSQL
 * error that was kept, and a pending cancel or termination, goes first.
 */
void
python_throw(void)
{
	PyObject *exception = exception_take();
	ExceptionReport report;
	bool interrupted;

	fork_end_child();
	if (exception == NULL)
	{
		error_throw_kept();
		elog(ERROR, "Python function failed without an exception");
	}
	interrupted = PyErr_GivenExceptionMatches(exception, error_interrupt_type);
	if (interrupted || error_is_kept())
	{
		reference_release_later(exception);
		throw_interrupt();
	}
	describe(exception, &report);
	boundary_check();
	if (python_depth == 0)
		CHECK_FOR_INTERRUPTS();
	emit(ERROR, &report);
	pg_unreachable();
}

/*
 * Forgets the exception that is set, if any: an error need not be one where
 * there is another way. Throws an interrupt, and what else is no error.
 */
void
python_forgive(void)
{
	if (PyErr_Occurred() != NULL && !PyErr_ExceptionMatches(PyExc_Exception))
		python_throw();
	PyErr_Clear();
}

/* From now on, hides the values of those options (a dict) that are secrets. */
void
error_remember_secrets(PyObject *options)
{
	if (reference_own(python_call(interpreter_functions.remember_secrets,
								  &options, 1, NULL)) == Py_True)
		error_secrets_known = true;
}

/*
 * A text without secrets, in CurrentMemoryContext; NULL for NULL. Throws if
 * memory runs out, or the text cannot be decoded.
 */
static char *
redacted(const char *text)
{
	PyObject *string;
	PyObject *result;
	char *shown;

	if (text == NULL)
		return NULL;
	string = python_string(text);
	python_enter();
	result = PyObject_CallOneArg(interpreter_functions.redact, string);
	python_leave();
	PyErr_Clear();
	shown = text_from_python_lossy(result != NULL ? reference_own(result)
												  : NULL);
	return shown != NULL ? shown : pstrdup("(text not available)");
}

/*
 * For PG_CATCH: throws PostgreSQL's error again, without the values of options
 * that are secrets: it may quote a value that came from the wrapper. Works in
 * context.
 */
void
error_rethrow_redacted(MemoryContext context)
{
	ErrorData *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	error->message = redacted(error->message);
	error->detail = redacted(error->detail);
	error->hint = redacted(error->hint);
	error->context = redacted(error->context);
	ReThrowError(error);
}

/* The beginning of a text that is a long one; NULL for NULL. */
static char *
shortened(char *text)
{
	int length = text != NULL ? (int) strlen(text) : 0;

	if (length <= LONGEST_QUOTE)
		return text;
	return psprintf("%.*s...", pg_mbcliplen(text, length, LONGEST_QUOTE), text);
}

/*
 * For PG_CATCH: throws PostgreSQL's error again, of which no part is so long that
 * nobody could read it: it may quote a value. Works in context.
 */
void
error_rethrow_shortened(MemoryContext context)
{
	ErrorData *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	error->message = shortened(error->message);
	error->detail = shortened(error->detail);
	error->hint = shortened(error->hint);
	ReThrowError(error);
}

/* The error that was kept becomes a WARNING, and is forgotten. */
static void
warn_of_kept(void)
{
	ErrorData *error = kept;

	kept = NULL;
	ereport(WARNING, errcode(error->sqlerrcode),
			errmsg_internal("%s", error->message),
			error->detail != NULL ? errdetail_internal("%s", error->detail) : 0,
			error->hint != NULL ? errhint("%s", error->hint) : 0);
}

/* A hook that nothing else can end was interrupted. */
static void
warn_of_interrupt(PyObject *exception)
{
	PyObject *text = PyObject_Str(exception);
	char *message = text != NULL ? text_from_python_lossy(text) : NULL;

	Py_XDECREF(text);
	PyErr_Clear();
	ereport(WARNING, errcode(ERRCODE_QUERY_CANCELED),
			errmsg_internal("%s", message != NULL ? message : "interrupted"));
}

/*
 * Turns the Python exception that is set into a WARNING; throws if it stands
 * for a PostgreSQL error, or for a cancel or the like.
 */
void
python_warn_unless_interrupted(void)
{
	if (error_is_kept() || PyErr_ExceptionMatches(error_interrupt_type))
		python_throw();
	python_warn();
}

/*
 * Turns the Python exception that is set, or a kept PostgreSQL error, into a
 * WARNING: for hooks that run when nothing may fail any more.
 */
void
python_warn(void)
{
	PyObject *exception = exception_take();
	ExceptionReport report;

	fork_end_child();
	if (exception == NULL)
		return;
	if (PyErr_GivenExceptionMatches(exception, error_interrupt_type) &&
		!error_is_kept())
	{
		/* What is to end the statement speaks for itself, a little later. */
		if (interrupt_in_cleanup())
			warn_of_interrupt(exception);
		Py_DECREF(exception);
		return;
	}
	if (error_is_kept())
	{
		Py_DECREF(exception);
		warn_of_kept();
		return;
	}
	describe(exception, &report);
	/* A cancel that comes meanwhile is the statement's, and not to get lost here. */
	HOLD_INTERRUPTS();
	emit(WARNING, &report);
	RESUME_INTERRUPTS();
}
