/*
 * scan.c
 *	  Reading a foreign table: execute() of the wrapper at the first fetch, then
 *	  one row of its iterable at a time.
 *
 * What must be undone when a scan ends (a generator to close, end_scan() to
 * call, the instance to give back) is kept in an OpenScan outside the
 * executor's memory, because EndForeignScan is not called after an error: then
 * the abort of the (sub)transaction ends the scan.
 */
#include "execute/scan.h"

#include "access/xact.h"
#include "convert/convert.h"
#include "embed/call.h"
#include "embed/error.h"
#include "embed/interpreter.h"
#include "embed/text.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "plan/qual.h"
#include "plan/relation.h"
#include "storage/ipc.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "wrapper/instance.h"

/* A scan that has something to undo. Lives in TopMemoryContext. */
typedef struct OpenScan
{
	dlist_node node;
	SubTransactionId subtransaction; /* the one that began the scan */
	Instance *instance;				 /* pinned, or NULL */
	PyObject *iterator; /* NULL before the first fetch and at the end */
	bool end_scan_due;	/* execute() was called, end_scan() was not */
	bool holds_interrupts;
	struct MulticornScan *scan; /* the executor's side, NULL once orphaned */
} OpenScan;

/* A condition as execute() gets it. */
typedef struct ScanQual
{
	QualDescription description;
	PyObject *field_name;
	PyObject *operator;
	PyObject *collation;
	ToPython *converter;
	ExprState *operand; /* NULL for a constant */
} ScanQual;

/* The state of a scan in the executor. */
typedef struct MulticornScan
{
	OpenScan *open;
	Oid user;
	CallSite site;
	iternextfunc next; /* of the iterator */
	bool prepared;	   /* what lasts as long as the scan is made */
	bool started;	   /* a row has been asked for */
	RowReader *reader;
	PyObject *columns; /* list of str; each execute() gets a copy */
	int qual_count;
	ScanQual *quals;
	List *operands;				   /* ExprStates of fdw_exprs */
	MemoryContext context;		   /* as long as the scan */
	MemoryContext execute_context; /* as long as one execute() */
	MemoryContextCallback callback;
} MulticornScan;

static dlist_head open_scans = DLIST_STATIC_INIT(open_scans);

/* Is there an open scan whose executor is gone? */
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
 * its bound method close, or NULL. The iterator is let go of.
 */
static PyObject *
take_generator_close(OpenScan *open)
{
	PyObject *iterator = open->iterator;
	PyObject *close = NULL;

	open->iterator = NULL;
	if (iterator != NULL && PyGen_Check(iterator))
	{
		close = PyObject_GetAttrString(iterator, "close");
		if (close == NULL)
			PyErr_Clear();
	}
	python_enter();
	Py_XDECREF(iterator);
	python_leave();
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

/* The rows have ended, or no more are wanted: closes the generator, calls end_scan(). */
static void
finish_rows(MulticornScan *scan)
{
	OpenScan *open = scan->open;
	MemoryContext old;

	if (open->iterator == NULL && !open->end_scan_due)
		return;
	old = MemoryContextSwitchTo(scan->execute_context);
	call_site_push(&scan->site, scan->site.subject, "execute");
	call_owned(&scan->site, "execute", take_generator_close(open));
	call_owned(&scan->site, "end_scan", take_end_scan(open));
	call_site_pop(&scan->site);
	MemoryContextSwitchTo(old);
	hold_interrupts(open, false);
}

/* Forgets a scan whose rows have ended. */
static void
forget(OpenScan *open)
{
	Instance *instance = open->instance;

	hold_interrupts(open, false);
	dlist_delete(&open->node);
	if (open->scan != NULL)
		open->scan->open = NULL;
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
	forget(open);
	call_site_pop(&site);
}

/* The executor's memory goes: its scan is to be ended at the next occasion. */
static void
executor_goes(void *argument)
{
	MulticornScan *scan = argument;

	if (scan->open == NULL)
		return;
	scan->open->scan = NULL;
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

		if (all || open->scan == NULL || open->subtransaction == subtransaction)
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

/* May Python be called? Not when the session ends in the middle of it. */
static bool
python_is_usable(void)
{
	return interpreter_is_running() &&
		!(proc_exit_inprogress && python_depth > 0);
}

static void
transaction_event(XactEvent event, void *argument)
{
	if (!python_is_usable())
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
	if (!python_is_usable())
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
		abandon_scans(subtransaction, false);
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		adopt_scans(subtransaction, parent);
}

/* Registers for the ends of transactions. Called once, when the library is loaded. */
void
scan_listen(void)
{
	RegisterXactCallback(transaction_event, NULL);
	RegisterSubXactCallback(subtransaction_event, NULL);
}

/* ---------- beginning ---------- */

/* The user whose rights the scan uses: of whoever opens it, not whoever fetches. */
static Oid
scan_user(ForeignScan *plan, EState *estate)
{
	Oid user = foreign_scan_check_as_user(plan, estate);

	return OidIsValid(user) ? user : GetUserId();
}

/*
 * Sets the scan up. Nothing of the wrapper's is called and no parameter is
 * evaluated before the first fetch.
 */
void
multicornBeginForeignScan(ForeignScanState *node, int eflags)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	MulticornScan *scan;
	OpenScan *open;

	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;
	scan = palloc0(sizeof(MulticornScan));
	scan->user = scan_user(plan, node->ss.ps.state);
	scan->context = CurrentMemoryContext;
	scan->execute_context = AllocSetContextCreate(CurrentMemoryContext,
												  "multicorn execute",
												  ALLOCSET_SMALL_SIZES);
	scan->operands = ExecInitExprList(plan->fdw_exprs, (PlanState *) node);
	scan->callback.func = executor_goes;
	scan->callback.arg = scan;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &scan->callback);
	node->fdw_state = scan;

	open = MemoryContextAllocZero(TopMemoryContext, sizeof(OpenScan));
	open->subtransaction = GetCurrentSubTransactionId();
	open->scan = scan;
	scan->open = open;
	dlist_push_tail(&open_scans, &open->node);
}

/* The operator of a Qual: its name, or a pair for ANY and ALL; owned. */
static PyObject *
python_operator(const QualDescription *description)
{
	PyObject *name = python_string(description->operator);

	if (description->use == QUAL_SCALAR)
		return name;
	return reference_own(PyTuple_Pack(2, name,
									  description->use == QUAL_ANY ? Py_True
																   : Py_False));
}

/* Resolves one condition. A column in text form has its value in that form. */
static void
prepare_qual(MulticornScan *scan, ScanQual *qual, QualDescription description,
			 TupleDesc tupdesc)
{
	bool as_text = bms_is_member(description.attribute,
								 scan->open->instance->text_columns);
	qual->description = description;
	qual->field_name =
		python_string(NameStr(TupleDescAttr(tupdesc, description.attribute - 1)
								  ->attname));
	qual->operator= python_operator(&description);
	qual->collation = description.collation[0] != '\0'
		? python_string(description.collation)
		: Py_None;
	qual->converter = to_python_create(description.type, as_text);
	if (description.operand >= 0)
		qual->operand = list_nth(scan->operands, description.operand);
}

/* The names of the needed columns, in table order; owned. */
static PyObject *
column_names(TupleDesc tupdesc, Bitmapset *needed)
{
	PyObject *names = reference_own(PyList_New(0));

	for (int i = -1; (i = bms_next_member(needed, i)) >= 0;)
	{
		if (PyList_Append(names,
						  python_string(NameStr(TupleDescAttr(tupdesc, i - 1)
													->attname))) != 0)
			python_throw();
	}
	return names;
}

/* Resolves, once per scan, what does not change between its rows and rescans. */
static void
prepare(ForeignScanState *node, MulticornScan *scan)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	TupleDesc tupdesc = slot->tts_tupleDescriptor;
	Bitmapset *needed = plan_columns(plan);
	List *quals = plan_quals(plan);
	Bitmapset *as_text = scan->open->instance->text_columns;
	ListCell *cell;
	MemoryContext old = MemoryContextSwitchTo(scan->context);
	scan->reader = row_reader_create(tupdesc, needed, as_text);
	scan->columns = column_names(tupdesc, needed);
	scan->quals = palloc0(list_length(quals) * sizeof(ScanQual));
	foreach (cell, quals)
	{
		QualDescription description = qual_description(lfirst(cell));

		if (!bms_is_member(description.attribute, as_text) ||
			qual_holds_for_text(&description))
			prepare_qual(scan, &scan->quals[scan->qual_count++], description,
						 tupdesc);
	}
	/* What is not needed stays NULL: row_read() does not touch it. */
	memset(slot->tts_isnull, true, tupdesc->natts * sizeof(bool));
	memset(slot->tts_values, 0, tupdesc->natts * sizeof(Datum));
	scan->prepared = true;
	MemoryContextSwitchTo(old);
}

/* ---------- conditions ---------- */

/*
 * Is this a value that Python compares in another way? NaN is equal to itself
 * and above all numbers in PostgreSQL alone.
 */
static bool
is_nan(PyObject *value)
{
	PyObject *equal;

	if (PyUnicode_Check(value) || PyLong_Check(value) || value == Py_None)
		return false;
	equal = reference_own(PyObject_RichCompare(value, value, Py_EQ));
	return equal == Py_False;
}

/* Is there a NaN in a list, or a list in it if it may not be nested? */
static bool
has_stranger(PyObject *list, bool may_nest)
{
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++)
	{
		PyObject *item = PyList_GET_ITEM(list, i);

		if (PyList_Check(item) ? !may_nest || has_stranger(item, true)
							   : is_nan(item))
			return true;
	}
	return false;
}

/* Does Python understand the value as PostgreSQL does, in this place? */
static bool
means_the_same(const ScanQual *qual, PyObject *value)
{
	if (PyList_Check(value))
		/* ANY and ALL look through the dimensions of an array. */
		return !has_stranger(value, qual->description.use == QUAL_SCALAR);
	return !is_nan(value);
}

/*
 * The Python value of a condition, owned; NULL if it has no exact one. Sets
 * *nothing if the condition cannot be true.
 */
static PyObject *
qual_value(ScanQual *qual, ExprContext *econtext, bool *nothing)
{
	Datum datum = qual->description.constant->constvalue;
	bool isnull = qual->description.constant->constisnull;
	PyObject *value;

	if (qual->operand != NULL)
		datum = ExecEvalExprSwitchContext(qual->operand, econtext, &isnull);
	if (isnull && qual->description.strict)
		*nothing = true;
	value = to_python(qual->converter, datum, isnull);
	if (value == NULL)
		return NULL;
	reference_own(value);
	return means_the_same(qual, value) ? value : NULL;
}

/* The list of Quals for execute(), owned; NULL if no row can match. */
static PyObject *
make_quals(MulticornScan *scan, ExprContext *econtext)
{
	PyObject *quals = reference_own(PyList_New(0));
	bool nothing = false;

	for (int i = 0; i < scan->qual_count; i++)
	{
		ScanQual *qual = &scan->quals[i];
		PyObject *value = qual_value(qual, econtext, &nothing);
		PyObject *arguments[] = {qual->field_name, qual->operator, value,
								 qual->collation};

		if (nothing)
			return NULL;
		if (value == NULL)
			continue;
		if (PyList_Append(quals,
						  reference_own(python_call(interpreter_functions.Qual,
													arguments, 4, NULL))) != 0)
			python_throw();
	}
	return quals;
}

/* ---------- rows ---------- */

/* Takes the iterator of what execute() has returned, which is let go of. */
static void
begin_rows(MulticornScan *scan, Reference *returned)
{
	PyObject *result = returned->object;
	PyObject *iterator;

	if (result == Py_None)
		return;
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
				errmsg("execute() returned %s, which cannot be iterated over",
					   python_type_name(result)),
				errhint("Return an iterable of rows, or write execute() as a generator."));
	}
	scan->open->iterator = iterator;
	scan->next = Py_TYPE(iterator)->tp_iternext;
	Py_CLEAR(returned->object);
}

/* The session ends: its scans end before their instances are closed. */
static void
session_ends(int code, Datum argument)
{
	if (python_is_usable())
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

/* The first fetch since the beginning or a rescan: calls execute(). */
static void
start(ForeignScanState *node, MulticornScan *scan)
{
	OpenScan *open = scan->open;
	PyObject *arguments[2];
	MemoryContext old;

	scan->started = true;
	if (orphans)
		abandon_scans(InvalidSubTransactionId, false);
	if (open->instance == NULL)
		open->instance =
			instance_acquire(RelationGetRelid(node->ss.ss_currentRelation),
							 scan->user);
	watch_exit();
	hold_interrupts(open, true);
	call_site_push(&scan->site, open->instance->subject, "execute");
	if (!scan->prepared)
		prepare(node, scan);
	MemoryContextReset(scan->execute_context);
	old = MemoryContextSwitchTo(scan->execute_context);
	arguments[0] = make_quals(scan, node->ss.ps.ps_ExprContext);
	arguments[1] = reference_own(PySequence_List(scan->columns));
	if (arguments[0] != NULL)
	{
		open->end_scan_due = true;
		begin_rows(scan,
				   reference_create(python_call(open->instance->execute,
												arguments, 2, NULL)));
	}
	MemoryContextSwitchTo(old);
	call_site_pop(&scan->site);
}

/* What is left to settle after a fetch; the row is not lost if that throws. */
static void
settle_fetch(PyObject *row)
{
	Reference *held = reference_create(row);

	boundary_settle();
	held->object = NULL;
}

/* The next row, a new reference; NULL at the end. Throws what Python raises. */
static inline PyObject *
next_row(MulticornScan *scan)
{
	PyObject *row;

	python_enter();
	row = scan->next(scan->open->iterator);
	python_leave();
	if (unlikely(row == NULL) && PyErr_Occurred())
	{
		if (!PyErr_ExceptionMatches(PyExc_StopIteration))
			python_throw();
		PyErr_Clear();
	}
	if (unlikely(boundary_pending))
		settle_fetch(row);
	if (unlikely(row == Py_None))
		Py_CLEAR(row);
	return row;
}

/*
 * The next row in the scan's slot, or an empty slot at the end. Values live in
 * the executor's per-tuple memory.
 */
TupleTableSlot *
multicornIterateForeignScan(ForeignScanState *node)
{
	MulticornScan *scan = node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	PyObject *row = NULL;

	ExecClearTuple(slot);
	if (unlikely(!scan->started))
		start(node, scan);
	if (unlikely(scan->open->iterator == NULL))
	{
		finish_rows(scan);
		return slot;
	}
	call_site_push_again(&scan->site);
	row = next_row(scan);
	if (likely(row != NULL))
		row_read(scan->reader, row, slot);
	call_site_pop(&scan->site);
	if (unlikely(row == NULL))
		finish_rows(scan);
	return slot;
}

/* Begins anew with the next fetch; a scan that was never fetched has not begun. */
void
multicornReScanForeignScan(ForeignScanState *node)
{
	MulticornScan *scan = node->fdw_state;

	if (!scan->started)
		return;
	finish_rows(scan);
	scan->started = false;
}

/* Ends the scan; whatever is left after an error is done at the abort. */
void
multicornEndForeignScan(ForeignScanState *node)
{
	MulticornScan *scan = node->fdw_state;

	if (scan == NULL || scan->open == NULL)
		return;
	if (scan->started)
		finish_rows(scan);
	forget(scan->open);
}
