/*
 * call.c
 *	  The boundary: how C enters Python and comes back.
 *
 * Between python_enter() and python_leave() nothing may throw. Behind them the
 * boundary is settled: a PostgreSQL error that passed through Python is
 * thrown, a cancel or a termination takes effect, and what was printed or
 * logged on another thread is emitted.
 */
#include "embed/call.h"

#include "compat.h"
#include "embed/error.h"
#include "embed/fork.h"
#include "embed/interpreter.h"

volatile sig_atomic_t python_depth = 0;
volatile sig_atomic_t boundary_pending = false;
int python_depth_below = 0;
uint32 python_wait_event = 0;
int python_suspended = 0;

/* The CONTEXT line of an error under a call site. */
void
call_site_context(void *argument)
{
	CallSite *site = argument;

	if (site->method != NULL)
		errcontext("%s, method %s", site->subject, site->method);
	else
		errcontext("%s", site->subject);
}

/* With whose rights the innermost call into Python was made; InvalidOid for those of the current user. */
Oid
call_site_user(void)
{
	for (ErrorContextCallback *callback = error_context_stack;
		 callback != NULL; callback = callback->previous)
	{
		if (callback->callback == call_site_context)
			return ((CallSite *) callback->arg)->user;
	}
	return InvalidOid;
}

/*
 * Python code runs SQL: until python_resume() with the result, PostgreSQL is at
 * work as if no Python code were on the stack. Never throws.
 */
SuspendedPython
python_suspend(void)
{
	SuspendedPython suspended = {.depth = python_depth,
								 .depth_below = python_depth_below};

	python_suspended += suspended.depth;
	python_depth = python_depth_below = 0;
	return suspended;
}

/* Never throws, but runs Python code. */
void
python_resume(SuspendedPython suspended)
{
	python_suspended -= suspended.depth;
	python_depth = suspended.depth;
	python_depth_below = suspended.depth_below;
	pgstat_report_wait_start(python_wait_event);
	if (!interrupt_handlers_installed)
		interrupt_install();
	if (references_pending)
		references_release_pending();
}

/*
 * Emits what was queued: lines not yet ended, messages of other threads.
 * Returns false, with a Python exception set, if that raises.
 */
static bool
flush_output(void)
{
	PyObject *result;

	if (interpreter_functions.flush == NULL)
		return true;
	python_enter();
	result = PyObject_CallNoArgs(interpreter_functions.flush);
	python_leave();
	Py_XDECREF(result);
	return result != NULL;
}

/* Prepares the boundary, before Python starts. A start that failed comes here again. */
void
boundary_start(void)
{
	python_wait_event = wait_event_for_python();
}

/*
 * Settles the boundary: emits what was queued and throws the PostgreSQL error
 * that was kept. No Python exception may be set. Does nothing while an outer
 * call into Python is still on the stack.
 */
void
boundary_settle(void)
{
	if (python_depth > 0)
		return;
	fork_end_child();
	boundary_pending = false;
	if (!error_is_kept() && !flush_output())
		python_throw();
	error_throw_kept();
}

/*
 * Settles the boundary where nothing may be thrown: what could not be emitted,
 * or a PostgreSQL error that was kept, becomes a WARNING.
 */
static void
boundary_settle_cleanup(void)
{
	if (python_depth > 0 || !boundary_pending)
		return;
	fork_end_child();
	boundary_pending = false;
	error_drop_kept();
	if (!flush_output())
		python_warn();
}

/*
 * Calls a Python callable from PostgreSQL code. keywords is a tuple of names
 * for the last arguments, or NULL. Returns a new reference, never NULL; throws
 * the exception that was raised, with the SQLSTATE that fits.
 */
PyObject *
python_call(PyObject *callable, PyObject *const *arguments, size_t count,
			PyObject *keywords)
{
	PyObject *result;

	python_enter();
	result = PyObject_Vectorcall(callable, arguments, count, keywords);
	python_leave();
	if (result == NULL)
		python_throw();
	if (unlikely(boundary_pending || INTERRUPTS_PENDING_CONDITION()))
	{
		Reference *held = reference_create(result);

		boundary_check();
		interrupt_pass_on();
		if (python_depth == 0)
			CHECK_FOR_INTERRUPTS();
		interrupt_stay();
		held->object = NULL;
	}
	return result;
}

/* As python_call_cleanup(), but sending the WARNING may throw. */
static bool
call_and_warn(PyObject *callable, PyObject *argument)
{
	PyObject *result;

	python_enter();
	result = PyObject_Vectorcall(callable, &argument, argument != NULL ? 1 : 0,
								 NULL);
	Py_DECREF(callable);
	python_leave();
	interrupt_cleanup_returned();
	if (result == NULL)
		python_warn();
	Py_XDECREF(result);
	boundary_settle_cleanup();
	return result != NULL;
}

/*
 * Calls a Python callable where nothing may fail: what it raises becomes a
 * WARNING, its result is released, and one that hangs is ended: see
 * interrupt_cleanup_begin(). Takes the reference to callable, which may
 * be NULL; argument is borrowed, and NULL if there is none. Returns false if it
 * raised something. Never throws: a WARNING that cannot be sent, because it
 * names something that the client's encoding lacks, is in the server log.
 */
bool
python_call_cleanup(PyObject *callable, PyObject *argument)
{
	MemoryContext context = CurrentMemoryContext;
	uint32 interrupt_holdoff = InterruptHoldoffCount;
	uint32 cancel_holdoff = QueryCancelHoldoffCount;
	volatile bool succeeded = false;

	if (callable == NULL)
		return true;
	interrupt_cleanup_begin();
	PG_TRY();
	{
		succeeded = call_and_warn(callable, argument);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		/* A cancel is the statement's, if it can hear of it. */
		if (geterrcode() == ERRCODE_QUERY_CANCELED && interrupt_holdoff == 0)
			QueryCancelPending = InterruptPending = true;
		FlushErrorState();
		/* Throwing has let go of interrupts; those outside still hold them. */
		InterruptHoldoffCount = interrupt_holdoff;
		QueryCancelHoldoffCount = cancel_holdoff;
	}
	PG_END_TRY();
	interrupt_cleanup_end();
	return succeeded;
}

/*
 * Releases a reference, which may be NULL, where nothing may fail: code that runs
 * because of it, of a __del__ for instance, is ended if it hangs. Never throws.
 */
void
python_release_cleanup(PyObject *object)
{
	if (object == NULL)
		return;
	interrupt_cleanup_begin();
	python_enter();
	Py_DECREF(object);
	python_leave();
	interrupt_cleanup_returned();
	interrupt_cleanup_end();
}

/* An attribute that was looked up; NULL if there is none. Throws any other exception. */
static PyObject *
found_attribute(PyObject *attribute)
{
	if (attribute == NULL)
	{
		if (!PyErr_ExceptionMatches(PyExc_AttributeError))
			python_throw();
		PyErr_Clear();
	}
	return attribute;
}

/*
 * The attribute of object, a new reference, or NULL if it has none. Throws if
 * looking it up raises anything but AttributeError.
 */
PyObject *
python_attribute(PyObject *object, PyObject *name)
{
	PyObject *attribute;

	python_enter();
	attribute = PyObject_GetAttr(object, name);
	python_leave();
	return found_attribute(attribute);
}

/* The same by a name in C, for what is looked up once. */
PyObject *
python_method(PyObject *object, const char *name)
{
	PyObject *method;

	python_enter();
	method = PyObject_GetAttrString(object, name);
	python_leave();
	return found_attribute(method);
}

/*
 * The items of an iterable as a tuple, owned by CurrentMemoryContext. Throws
 * what iterating raises.
 */
PyObject *
python_items(PyObject *iterable)
{
	PyObject *items;

	if (PyList_CheckExact(iterable))
		return reference_own(PyList_AsTuple(iterable));
	python_enter();
	items = PySequence_Tuple(iterable);
	python_leave();
	return reference_own(items);
}

/* Is a value true? Throws what finding out raises. */
bool
python_truth(PyObject *value)
{
	int truth;

	python_enter();
	truth = PyObject_IsTrue(value);
	python_leave();
	if (truth < 0)
		python_throw();
	return truth == 1;
}

/* Is an item in a container, or a key in a dict? Throws what finding out raises. */
bool
python_contains(PyObject *container, PyObject *item)
{
	int found;

	python_enter();
	found = PySequence_Contains(container, item);
	python_leave();
	if (found < 0)
		python_throw();
	return found == 1;
}

/*
 * The position in a list of the first item that an object is or equals, -1
 * without one. Throws what comparing raises.
 */
Py_ssize_t
python_index(PyObject *list, PyObject *object)
{
	Py_ssize_t found = -1;
	int same = 0;

	python_enter();
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list) && same == 0; i++)
	{
		same = PyObject_RichCompareBool(PyList_GET_ITEM(list, i), object,
										Py_EQ);
		found = i;
	}
	python_leave();
	if (same < 0)
		python_throw();
	return same == 1 ? found : -1;
}
