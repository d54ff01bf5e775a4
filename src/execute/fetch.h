/*
 * fetch.h
 *	  The rows of one execute(): see fetch.c.
 */
#ifndef MULTICORN_FETCH_H
#define MULTICORN_FETCH_H

#include "embed/cpython.h"
#include "embed/call.h"
#include "embed/error.h"
#include "lib/ilist.h"
#include "wrapper/instance.h"

/* A scan that has something to undo. Lives in TopMemoryContext. */
typedef struct OpenScan
{
	dlist_node node;
	SubTransactionId subtransaction; /* the one that began the scan */
	Instance *instance;				 /* pinned, or NULL */
	PyObject *iterator;	 /* NULL before execute() and at the end of the rows */
	iternextfunc next;	 /* of the iterator */
	bool end_scan_due;	 /* execute() was called, end_scan() was not */
	bool end_modify_due; /* a write has begun, end_modify() was not called */
	bool holds_interrupts;
	struct OpenScanOwner *owner; /* NULL once orphaned */
} OpenScan;

/* Whose scan it is: a part of a state that a memory context owns. */
typedef struct OpenScanOwner
{
	OpenScan *open; /* NULL once ended */
	MemoryContextCallback callback;
} OpenScanOwner;

extern void fetch_listen(void);
extern void fetch_open(OpenScanOwner *owner);
extern void fetch_prepare(OpenScan *open, Oid table, Oid user);
extern void fetch_execute(OpenScan *open, PyObject *const *arguments,
						  size_t count, PyObject *keywords);
extern void fetch_end_modify_due(OpenScan *open);
extern void fetch_settle(PyObject *row);
extern void fetch_finish(OpenScan *open);
extern void fetch_close(OpenScan *open);

/*
 * The next row, a new reference; NULL at the end. There must be an iterator.
 * Throws what Python raises.
 */
static inline PyObject *
fetch_next(OpenScan *open)
{
	PyObject *row;

	python_enter();
	row = open->next(open->iterator);
	python_leave();
	if (unlikely(row == NULL) && PyErr_Occurred())
	{
		if (!PyErr_ExceptionMatches(PyExc_StopIteration))
			python_throw();
		PyErr_Clear();
	}
	if (unlikely(boundary_pending))
		fetch_settle(row);
	if (unlikely(row == Py_None))
		Py_CLEAR(row);
	return row;
}

#endif /* MULTICORN_FETCH_H */
