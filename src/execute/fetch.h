/*
 * fetch.h
 *	  The rows of one execute(): see fetch.c.
 */
#ifndef MULTICORN_FETCH_H
#define MULTICORN_FETCH_H

#include "embed/cpython.h"
#include "convert/convert.h"
#include "convert/result_rows.h"
#include "embed/call.h"
#include "embed/error.h"
#include "embed/session.h"
#include "lib/ilist.h"
#include "utils/portal.h"
#include "wrapper/instance.h"

/* A scan that has something to undo. Lives in TopMemoryContext. */
typedef struct OpenScan
{
	dlist_node node;
	SubTransactionId subtransaction; /* the one that began the scan */
	SessionQuery query;				 /* what it is for; zero if no query */
	Instance *instance;				 /* pinned, or NULL */
	PyObject *iterator;	 /* NULL before execute() and at the end of the rows */
	iternextfunc next;	 /* of the iterator */
	ResultRows results;	 /* an item of it that stands for rows, or none */
	bool end_scan_due;	 /* execute() was called, end_scan() was not */
	bool end_modify_due; /* a write has begun, end_modify() was not called */
	bool holds_interrupts;
	Portal portal; /* what the query began in, which outlives it; or NULL */
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
extern RowReader *
fetch_reader_create(OpenScan *open, TupleDesc tupdesc, Bitmapset *needed);
extern void fetch_execute(OpenScan *open, PyObject *const *arguments,
						  size_t count, PyObject *keywords);
extern bool
fetch_sample(OpenScan *open, PyObject *const *arguments, size_t count);
extern void fetch_end_modify_due(OpenScan *open);
extern void fetch_settle(PyObject *item);
extern bool fetch_results(OpenScan *open, PyObject **row);
extern void fetch_finish(OpenScan *open);
extern void fetch_close(OpenScan *open);

/*
 * The next item of the iterator, a new reference; NULL at the end. Throws what
 * Python raises.
 */
static inline PyObject *
fetch_item(OpenScan *open)
{
	PyObject *item;

	python_enter();
	item = open->next(open->iterator);
	python_leave();
	if (unlikely(item == NULL) && PyErr_Occurred())
	{
		if (!PyErr_ExceptionMatches(PyExc_StopIteration))
			python_throw();
		PyErr_Clear();
	}
	if (unlikely(boundary_pending))
		fetch_settle(item);
	if (unlikely(item == Py_None))
		Py_CLEAR(item);
	return item;
}

/*
 * Takes the next row, for fetch_read(); false at the end. It is a new reference,
 * or NULL for the current row of the results. There must be an iterator. Throws
 * what Python raises.
 */
static inline bool
fetch_next(OpenScan *open, PyObject **row)
{
	*row = NULL;
	if (open->results.holder != NULL && result_rows_next(&open->results))
		return true;
	*row = fetch_item(open);
	if (unlikely(*row == NULL))
		return false;
	return likely(!is_result_rows(*row)) || fetch_results(open, row);
}

/* Stores the row that was taken last in the slot: see row_read(). Takes its reference. */
static inline void
fetch_read(OpenScan *open, RowReader *reader, PyObject *row,
		   TupleTableSlot *slot)
{
	if (row != NULL)
		row_read(reader, row, slot);
	else
		result_row_read(reader, &open->results, slot);
}

#endif /* MULTICORN_FETCH_H */
