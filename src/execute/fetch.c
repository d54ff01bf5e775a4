/*
 * fetch.c
 *	  The rows of one execute(): calling it, taking the next row, ending it.
 *
 * What must be undone when a scan ends (a generator to close, end_scan() to
 * call, the instance to give back) is kept in an OpenScan outside the
 * executor's memory, because nobody ends a scan after an error: then the abort
 * of the (sub)transaction does.
 */
#include "execute/fetch.h"

#include "access/xact.h"
#include "convert/convert.h"
#include "embed/call.h"
#include "embed/error.h"
#include "embed/interpreter.h"
#include "embed/session.h"
#include "execute/statement.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "tcop/pquery.h"
#include "utils/memutils.h"
#include "wrapper/constant.h"
#include "wrapper/transaction.h"

static dlist_head open_scans = DLIST_STATIC_INIT(open_scans);

/* Is there an open scan whose owner is gone? */
static bool orphans = false;

/* ---------- ending ---------- */

/* Keeps the signal handlers between rows, or lets go of them. */
static void
hold_interrupts(OpenScan *open, bool hold)
{
	if (open->holds_interrupts == hold)
		return;
	open->holds_interrupts = hold;
	interrupt_holds += hold ? 1 : -1;
}

/*
 * The call that closes the iterator, if it is a generator: a new reference to
 * its bound method close, or NULL. The iterator and what came from it are let go
 * of.
 */
static PyObject *
take_generator_close(OpenScan *open)
{
	PyObject *iterator = open->iterator;
	PyObject *close = NULL;

	result_rows_close(&open->results);
	open->iterator = NULL;
	if (iterator != NULL && PyGen_Check(iterator))
	{
		close = PyObject_GetAttrString(iterator, "close");
		if (close == NULL)
			PyErr_Clear();
	}
	if (InterruptHoldoffCount > 0)
		python_release_cleanup(iterator);
	else
	{
		python_enter();
		Py_XDECREF(iterator);
		python_leave();
	}
	return close;
}

/* The method end_scan if it is to be called, a new reference; else NULL. */
static PyObject *
take_end_scan(OpenScan *open)
{
	bool due = open->end_scan_due;

	open->end_scan_due = false;
	return due && open->instance != NULL ? Py_XNewRef(open->instance->end_scan)
										 : NULL;
}

/* The method end_modify if it is to be called, a new reference; else NULL. */
static PyObject *
take_end_modify(OpenScan *open)
{
	bool due = open->end_modify_due;

	open->end_modify_due = false;
	return due && open->instance != NULL
		? Py_XNewRef(instance_hook(open->instance, HOOK_END_MODIFY))
		: NULL;
}

/* Calls a method without arguments that is owned here; throws what it raises. */
static void
call_owned(CallSite *site, const char *method, PyObject *callable)
{
	if (callable == NULL)
		return;
	site->method = method;
	reference_own(callable);
	reference_own(python_call(callable, NULL, 0, NULL));
}

/* Closes the generator, calls end_scan() and end_modify(). Throws what they raise. */
static void
finish(OpenScan *open)
{
	CallSite site;

	instance_site_push(&site, open->instance, "execute");
	call_owned(&site, "execute", take_generator_close(open));
	call_owned(&site, "end_scan", take_end_scan(open));
	call_owned(&site, "end_modify", take_end_modify(open));
	call_site_pop(&site);
	hold_interrupts(open, false);
}

/* Is it a cursor that is being closed, or could be used? */
static bool
is_idle(Portal portal)
{
	return portal != NULL &&
		(portal->status == PORTAL_READY || portal->status == PORTAL_DONE);
}

/*
 * The same while a cursor is closed. PostgreSQL has taken its query away by
 * then, and would not survive that SQL which the wrapper runs fetches from it or
 * closes it once more: to that it is in use.
 */
static void
finish_in_idle_portal(OpenScan *open)
{
	Portal portal = open->portal;
	PortalStatus status = portal->status;

	portal->status = PORTAL_ACTIVE;
	PG_TRY();
	{
		finish(open);
	}
	PG_FINALLY();
	{
		portal->status = status;
	}
	PG_END_TRY();
}

/*
 * The rows have ended, or no more are wanted: closes the generator, calls
 * end_scan(). Throws what they raise.
 */
void
fetch_finish(OpenScan *open)
{
	if (open->iterator == NULL && !open->end_scan_due && !open->end_modify_due)
		return;
	if (is_idle(open->portal))
		finish_in_idle_portal(open);
	else
		finish(open);
}

/* Forgets a scan whose rows have ended, and gives its instance back. */
void
fetch_close(OpenScan *open)
{
	Instance *instance = open->instance;

	hold_interrupts(open, false);
	dlist_delete(&open->node);
	if (open->owner != NULL)
		open->owner->open = NULL;
	pfree(open);
	if (instance != NULL)
		instance_release(instance);
}

/* Ends a scan after an error: what goes wrong now is a WARNING. */
static void
abandon(OpenScan *open)
{
	CallSite site;

	call_site_push(&site,
				   open->instance != NULL ? open->instance->subject
										  : "foreign table",
				   "execute");
	python_call_cleanup(take_generator_close(open), NULL);
	site.method = "end_scan";
	python_call_cleanup(take_end_scan(open), NULL);
	site.method = "end_modify";
	python_call_cleanup(take_end_modify(open), NULL);
	fetch_close(open);
	call_site_pop(&site);
}

/* The owner's memory goes: its scan is to be ended at the next occasion. */
static void
owner_goes(void *argument)
{
	OpenScanOwner *owner = argument;

	if (owner->open == NULL)
		return;
	owner->open->owner = NULL;
	orphans = true;
}

/* Ends the scans that a subtransaction began, or all, and those left behind. */
static void
abandon_scans(SubTransactionId subtransaction, bool all)
{
	dlist_mutable_iter iter;

	orphans = false;
	dlist_foreach_modify(iter, &open_scans)
	{
		OpenScan *open = dlist_container(OpenScan, node, iter.cur);

		if (all || open->owner == NULL ||
			open->subtransaction == subtransaction)
			abandon(open);
	}
}

/* A subtransaction has committed: its scans are its parent's now. */
static void
adopt_scans(SubTransactionId subtransaction, SubTransactionId parent)
{
	dlist_iter iter;

	dlist_foreach(iter, &open_scans)
	{
		OpenScan *open = dlist_container(OpenScan, node, iter.cur);

		if (open->subtransaction == subtransaction)
			open->subtransaction = parent;
	}
}

static void
transaction_event(XactEvent event, void *argument)
{
	if (!interpreter_is_usable())
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			if (orphans)
				abandon_scans(InvalidSubTransactionId, false);
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PARALLEL_ABORT:
			abandon_scans(InvalidSubTransactionId, true);
			interrupt_holds = 0;
			break;
		default:
			interrupt_holds = 0;
			break;
	}
}

static void
subtransaction_event(SubXactEvent event, SubTransactionId subtransaction,
					 SubTransactionId parent, void *argument)
{
	if (!interpreter_is_usable())
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
		abandon_scans(subtransaction, false);
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		adopt_scans(subtransaction, parent);
}

/* Registers for the ends of transactions. Called once, when the library is loaded. */
void
fetch_listen(void)
{
	RegisterXactCallback(transaction_event, NULL);
	RegisterSubXactCallback(subtransaction_event, NULL);
}

/* ---------- beginning ---------- */

/* A scan that is ended with its owner, at the latest. Calls nothing. */
void
fetch_open(OpenScanOwner *owner)
{
	OpenScan *open = MemoryContextAllocZero(TopMemoryContext, sizeof(OpenScan));

	open->subtransaction = GetCurrentSubTransactionId();
	open->portal = ActivePortal;
	open->owner = owner;
	owner->open = open;
	dlist_push_tail(&open_scans, &open->node);
	owner->callback.func = owner_goes;
	owner->callback.arg = owner;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &owner->callback);
}

/* The session ends: its scans end before their instances are closed. */
static void
session_ends(int code, Datum argument)
{
	if (!interpreter_is_usable())
		return;
	session_falls_silent();
	abandon_scans(InvalidSubTransactionId, true);
}

/* Has scans ended with the session; once, after the instances have seen to it. */
static void
watch_exit(void)
{
	static bool watching = false;

	if (likely(watching))
		return;
	before_shmem_exit(session_ends, (Datum) 0);
	watching = true;
}

/*
 * Prepares for execute(): acquires the instance, if it has not been yet. Throws
 * what instance_acquire() does.
 */
void
fetch_prepare(OpenScan *open, Oid table, Oid user)
{
	if (unlikely(orphans))
		abandon_scans(InvalidSubTransactionId, false);
	if (open->instance == NULL)
		open->instance = instance_acquire(table, user);
	else
		transaction_join(open->instance);
	watch_exit();
	hold_interrupts(open, true);
}

/*
 * What reads the rows of a scan: the columns in needed (attribute numbers), and
 * those that have one value in all of them. Belongs to CurrentMemoryContext, and
 * lasts as long as the instance. Reads catalogs; may throw.
 */
RowReader *
fetch_reader_create(OpenScan *open, TupleDesc tupdesc, Bitmapset *needed)
{
	const Instance *instance = open->instance;
	RowReader *reader = row_reader_create(tupdesc, needed,
										  instance->text_columns,
										  instance->constant_columns);
	ListCell *cell;

	foreach (cell, instance->constants)
	{
		ConstantColumn *constant = lfirst(cell);

		row_reader_add_constant(reader, constant->attribute, constant->value);
	}
	return reader;
}

/*
 * Takes the iterator of what a method has returned, which is let go of; there is
 * none of None.
 */
static void
take_iterator(OpenScan *open, const char *method, Reference *returned)
{
	PyObject *result = returned->object;
	PyObject *iterator;

	if (result == Py_None)
		return;
	if (is_result_rows(result))
	{
		result = PyTuple_Pack(1, result);
		if (result == NULL)
			python_throw();
		Py_DECREF(returned->object);
		returned->object = result;
	}
	python_enter();
	iterator = PyObject_GetIter(result);
	python_leave();
	if (iterator == NULL)
	{
		if (!PyErr_ExceptionMatches(PyExc_TypeError) ||
			Py_TYPE(result)->tp_iter != NULL)
			python_throw();
		PyErr_Clear();
		ereport(ERROR, errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
				errmsg("%s() returned %s, which cannot be iterated over",
					   method, python_type_name(result)),
				errhint("Return an iterable of rows, or write %s() as a generator.",
						method));
	}
	open->iterator = iterator;
	open->next = Py_TYPE(iterator)->tp_iternext;
	returned->object = NULL;
	python_release(result);
}

/*
 * Calls execute(); arguments are as for python_call(). Works in
 * CurrentMemoryContext; throws what the wrapper raises.
 */
void
fetch_execute(OpenScan *open, PyObject *const *arguments, size_t count,
			  PyObject *keywords)
{
	static const SessionQuery none = {0};

	open->end_scan_due = true;
	session_query = open->query;
	session_query.may_be_incomplete = open->query.may_be_incomplete &&
		!statement_needs_all();
	take_iterator(open, "execute",
				  reference_create(python_call(open->instance->execute,
											   arguments, count, keywords)));
	session_query = none;
}

/*
 * Calls sample() in place of execute(), likewise; false if the wrapper has none,
 * or returns None: then execute() is to be called.
 */
bool
fetch_sample(OpenScan *open, PyObject *const *arguments, size_t count)
{
	PyObject *method = instance_hook(open->instance, HOOK_SAMPLE);

	if (method == NULL)
		return false;
	open->end_scan_due = true;
	take_iterator(open, "sample",
				  reference_create(python_call(method, arguments, count, NULL)));
	return open->iterator != NULL;
}

/* A write begins: end_modify() is called with its end, at the latest at an abort. */
void
fetch_end_modify_due(OpenScan *open)
{
	open->end_modify_due = true;
}

/* What is left to settle after a fetch; the item is not lost if that throws. */
void
fetch_settle(PyObject *item)
{
	Reference *held = reference_create(item);

	boundary_settle();
	held->object = NULL;
}

/*
 * The rest of fetch_next() when the item in row is a ResultRows: goes to its
 * first row, over those without one.
 */
bool
fetch_results(OpenScan *open, PyObject **row)
{
	PyObject *item = *row;

	while (item != NULL && is_result_rows(item))
	{
		*row = NULL;
		result_rows_open(&open->results, item);
		if (result_rows_next(&open->results))
			return true;
		CHECK_FOR_INTERRUPTS();
		item = fetch_item(open);
	}
	*row = item;
	return item != NULL;
}
