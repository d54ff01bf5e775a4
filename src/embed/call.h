/*
 * call.h
 *	  The boundary: how C enters Python and comes back. See call.c.
 */
#ifndef MULTICORN_CALL_H
#define MULTICORN_CALL_H

#include <signal.h>

#include "embed/cpython.h"
#include "embed/interrupt.h"
#include "embed/reference.h"
#include "utils/wait_event.h"

/* How many entries into Python are on the stack. */
extern volatile sig_atomic_t python_depth;

/* Of these, how many lie below the PostgreSQL code that runs: see error_guard(). */
extern int python_depth_below;

/* What pg_stat_activity shows as the wait event while Python code runs. */
extern uint32 python_wait_event;
/* How many more are below SQL that Python code runs: see python_suspend(). */
extern int python_suspended;

/* Is there something to settle at the boundary: an error kept, output queued? */
extern volatile sig_atomic_t boundary_pending;

/* What is being done for whom, as the CONTEXT of an error names it. */
typedef struct CallSite
{
	const char *subject; /* such as: foreign table "t" */
	const char *method;	 /* such as: execute */
	Oid user; /* with whose rights; InvalidOid: the current user's */
	ErrorContextCallback callback;
} CallSite;

/* What is to be again when SQL that Python code runs has ended. */
typedef struct SuspendedPython
{
	int depth;
	int depth_below;
} SuspendedPython;

extern void call_site_context(void *argument);
extern Oid call_site_user(void);
extern SuspendedPython python_suspend(void);
extern void python_resume(SuspendedPython suspended);
extern void boundary_start(void);
extern void boundary_settle(void);
extern PyObject *python_call(PyObject *callable, PyObject *const *arguments,
							 size_t count, PyObject *keywords);
extern bool python_call_cleanup(PyObject *callable, PyObject *argument);
extern void python_release_cleanup(PyObject *object);
extern PyObject *python_attribute(PyObject *object, PyObject *name);
extern Py_ssize_t python_index(PyObject *list, PyObject *object);
extern bool python_contains(PyObject *container, PyObject *item);
extern bool python_truth(PyObject *value);
extern PyObject *python_items(PyObject *iterable);
extern PyObject *python_method(PyObject *object, const char *name);

/* Errors thrown from here on name this subject and method. */
static inline void
call_site_push(CallSite *site, const char *subject, const char *method)
{
	site->subject = subject;
	site->method = method;
	site->user = InvalidOid;
	site->callback.callback = call_site_context;
	site->callback.arg = site;
	site->callback.previous = error_context_stack;
	error_context_stack = &site->callback;
}

/* The same again for a site that was pushed before and has not changed. */
static inline void
call_site_push_again(CallSite *site)
{
	site->callback.previous = error_context_stack;
	error_context_stack = &site->callback;
}

static inline void
call_site_pop(CallSite *site)
{
	error_context_stack = site->callback.previous;
}

/* Python code runs from here to python_leave(); nothing between may throw. */
static inline void
python_enter(void)
{
	if (unlikely(python_depth++ == 0 && !interrupt_handlers_installed))
		interrupt_install();
	if (unlikely(references_pending))
		references_release_pending();
	pgstat_report_wait_start(python_wait_event);
}

static inline void
python_leave(void)
{
	if (--python_depth == python_depth_below)
		pgstat_report_wait_end();
}

/*
 * Lets go of an object that may be a wrapper's, or hold one: releasing the last
 * reference runs __del__. Never throws.
 */
static inline void
python_release(PyObject *object)
{
	if (object == NULL)
		return;
	python_enter();
	Py_DECREF(object);
	python_leave();
}

/* Is Python code on the stack, at work or not? */
static inline bool
python_is_on_stack(void)
{
	return python_depth > 0 || python_suspended > 0;
}

/* After a call that may have left something to throw or to say. */
static inline void
boundary_check(void)
{
	if (unlikely(boundary_pending))
		boundary_settle();
}

#endif /* MULTICORN_CALL_H */
