/*
 * scan.c
 *	  Reading a foreign table: execute() of the wrapper at the first fetch, then
 *	  one row of its iterable at a time.
 */
#include "execute/scan.h"

#include "compat.h"
#include "embed/call.h"
#include "embed/error.h"
#include "embed/interpreter.h"
#include "embed/text.h"
#include "execute/arguments.h"
#include "execute/statement.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "plan/relation.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/rel.h"
#include "wrapper/transaction.h"

/* ---------- beginning ---------- */

/* The user whose rights a scan uses: of whoever opens it, not whoever fetches. */
Oid
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
	EState *estate = node->ss.ps.state;
	MulticornScan *scan;

	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;
	scan = palloc0(sizeof(MulticornScan));
	scan->user = scan_user(plan, estate);
	scan->context = CurrentMemoryContext;
	scan->execute_context = AllocSetContextCreate(CurrentMemoryContext,
												  "multicorn execute",
												  ALLOCSET_SMALL_SIZES);
	scan->operands = ExecInitExprList(plan->fdw_exprs, (PlanState *) node);
	scan->gates = ExecInitQual(plan_gates(plan), (PlanState *) node);
	scan->counters.timed = (estate->es_instrument & INSTRUMENT_TIMER) != 0;
	fetch_open(&scan->owner);
	scan->owner.open->query = statement_query;
	node->fdw_state = scan;
}

/* Chooses the columns that are asked for and read, in the scan's memory. */
static void
choose_columns(ForeignScanState *node, MulticornScan *scan, PlanMember member)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	TupleDesc tupdesc = slot->tts_tupleDescriptor;
	Bitmapset *needed = plan_columns(plan, member);

	scan->reader = fetch_reader_create(scan->owner.open, tupdesc, needed);
	scan->columns = column_names(tupdesc, needed);
	/* What is not needed stays NULL: fetch_read() does not touch it. */
	memset(slot->tts_isnull, true, tupdesc->natts * sizeof(bool));
	memset(slot->tts_values, 0, tupdesc->natts * sizeof(Datum));
}

/*
 * Throws if the query was planned with what another instance has promised, and
 * this one does not. The plan is not to be used again.
 */
static void
require_promise(MulticornScan *scan, Relation relation, ForeignScan *plan)
{
	const Instance *instance = scan->owner.open->instance;

	if (plan_was_promised_by(plan, instance) ||
		arguments_promised(scan, plan, RelationGetDescr(relation), instance))
		return;
	ResetPlanCache();
	ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			errmsg("the options of foreign table \"%s\" have changed since the query was planned",
				   RelationGetRelationName(relation)),
			errhint("Run the query again."));
}

/* Resolves, once per scan, what does not change between its rows and rescans. */
static void
prepare(ForeignScanState *node, MulticornScan *scan)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	MemoryContext old = MemoryContextSwitchTo(scan->context);

	choose_columns(node, scan, PLAN_COLUMNS);
	arguments_prepare(scan, plan,
					  node->ss.ss_ScanTupleSlot->tts_tupleDescriptor,
					  scan->owner.open->instance);
	require_promise(scan, node->ss.ss_currentRelation, plan);
	scan->prepared = true;
	MemoryContextSwitchTo(old);
}

/* Filters that are checked here may need more columns than those that are not. */
static void
fit_columns(ForeignScanState *node, MulticornScan *scan)
{
	MemoryContext old;

	if (likely(scan->recheck == scan->reader_is_full))
		return;
	old = MemoryContextSwitchTo(scan->context);
	choose_columns(node, scan,
				   scan->recheck ? PLAN_RECHECK_COLUMNS : PLAN_COLUMNS);
	scan->reader_is_full = scan->recheck;
	MemoryContextSwitchTo(old);
}

/* ---------- execute() ---------- */

/* Calls execute(), unless no row can be wanted. */
static void
execute(ForeignScanState *node, MulticornScan *scan)
{
	OpenScan *open = scan->owner.open;
	ExecuteArguments arguments;
	instr_time before;

	if (!arguments_bind(scan, node->ss.ps.ps_ExprContext, &arguments))
		return;
	fit_columns(node, scan);
	arguments.values[ARGUMENT_COLUMNS] =
		reference_own(PySequence_List(scan->columns));
	scan->site.method = "execute";
	scan->counters.executions++;
	if (unlikely(scan->counters.timed))
		INSTR_TIME_SET_CURRENT(before);
	fetch_execute(open, arguments.values, ARGUMENT_KEYWORDS,
				  arguments.keywords);
	if (unlikely(scan->counters.timed))
	{
		instr_time after;

		INSTR_TIME_SET_CURRENT(after);
		INSTR_TIME_ACCUM_DIFF(scan->counters.python, after, before);
	}
}

/*
 * Can any row be wanted, by the conditions that are the same for all of them? If
 * not, the wrapper is not even looked for.
 */
static bool
passes_gates(ForeignScanState *node, MulticornScan *scan)
{
	ExprContext *econtext = node->ss.ps.ps_ExprContext;

	if (likely(scan->gates == NULL))
		return true;
	return ExecQual(scan->gates, econtext);
}

/* The first fetch since the beginning or a rescan. */
static void
start(ForeignScanState *node, MulticornScan *scan)
{
	OpenScan *open = scan->owner.open;
	MemoryContext old;

	scan->started = true;
	if (!passes_gates(node, scan))
		return;
	fetch_prepare(open, RelationGetRelid(node->ss.ss_currentRelation),
				  scan->user);
	instance_site_push(&scan->site, open->instance, NULL);
	if (!scan->prepared)
		prepare(node, scan);
	MemoryContextReset(scan->execute_context);
	old = MemoryContextSwitchTo(scan->execute_context);
	execute(node, scan);
	MemoryContextSwitchTo(old);
	call_site_pop(&scan->site);
}

/* Ends the rows of an execute(). */
static void
finish(MulticornScan *scan)
{
	MemoryContext old = MemoryContextSwitchTo(scan->execute_context);

	fetch_finish(scan->owner.open);
	MemoryContextSwitchTo(old);
}

/* ---------- rows ---------- */

/* As below, with the time that Python and conversion take. */
static pg_noinline bool
fetch_row_timed(MulticornScan *scan, TupleTableSlot *slot)
{
	instr_time start;
	instr_time middle;
	instr_time end;
	PyObject *row;
	bool found;

	INSTR_TIME_SET_CURRENT(start);
	found = fetch_next(scan->owner.open, &row);
	INSTR_TIME_SET_CURRENT(middle);
	INSTR_TIME_ACCUM_DIFF(scan->counters.python, middle, start);
	if (!found)
		return false;
	fetch_read(scan->owner.open, scan->reader, row, slot);
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_ACCUM_DIFF(scan->counters.converting, end, middle);
	return true;
}

/* Puts the next row of the iterator into the slot; false at the end. */
static inline bool
fetch_row(MulticornScan *scan, TupleTableSlot *slot)
{
	PyObject *row;
	bool found;

	call_site_push_again(&scan->site);
	if (unlikely(scan->counters.timed))
		found = fetch_row_timed(scan, slot);
	else
	{
		found = fetch_next(scan->owner.open, &row);
		if (likely(found))
			fetch_read(scan->owner.open, scan->reader, row, slot);
	}
	call_site_pop(&scan->site);
	scan->counters.rows += found ? 1 : 0;
	return found;
}

/* Does the row satisfy the filters that had to be left to this side? */
static bool
passes_recheck(ForeignScanState *node)
{
	ExprContext *econtext = node->ss.ps.ps_ExprContext;

	econtext->ecxt_scantuple = node->ss.ss_ScanTupleSlot;
	return ExecQual(node->fdw_recheck_quals, econtext);
}

/* As fetch_row(), but checks and counts what the wrapper did not. */
static pg_noinline bool
fetch_checked_row(ForeignScanState *node, MulticornScan *scan,
				  TupleTableSlot *slot)
{
	if (scan->remaining == 0)
		return false;
	while (fetch_row(scan, slot))
	{
		if (!scan->recheck || passes_recheck(node))
		{
			if (scan->to_skip == 0)
			{
				scan->remaining -= scan->remaining > 0 ? 1 : 0;
				return true;
			}
			scan->to_skip--;
		}
		ExecClearTuple(slot);
		ResetExprContext(node->ss.ps.ps_ExprContext);
	}
	return false;
}

/* The instance, if there is one yet, takes part in the transaction that reads on. */
static inline void
join_again(Instance *instance)
{
	if (likely(instance != NULL) && unlikely(instance->has_transactions))
		transaction_join(instance);
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
	bool found;

	ExecClearTuple(slot);
	if (unlikely(!scan->started))
		start(node, scan);
	else
		join_again(scan->owner.open->instance);
	if (unlikely(scan->owner.open->iterator == NULL))
	{
		finish(scan);
		return slot;
	}
	if (unlikely(scan->recheck || scan->limited))
		found = fetch_checked_row(node, scan, slot);
	else
		found = fetch_row(scan, slot);
	if (unlikely(!found))
	{
		ExecClearTuple(slot);
		finish(scan);
	}
	return slot;
}

/* Begins anew with the next fetch; a scan that was never fetched has not begun. */
void
multicornReScanForeignScan(ForeignScanState *node)
{
	MulticornScan *scan = node->fdw_state;

	if (!scan->started)
		return;
	finish(scan);
	scan->started = false;
}

/* Ends the scan; whatever is left after an error is done at the abort. */
void
multicornEndForeignScan(ForeignScanState *node)
{
	MulticornScan *scan = node->fdw_state;

	if (scan == NULL || scan->owner.open == NULL)
		return;
	if (scan->started)
		finish(scan);
	fetch_close(scan->owner.open);
}
