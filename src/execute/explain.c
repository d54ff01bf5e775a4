/*
 * explain.c
 *	  What EXPLAIN shows of a scan: what the wrapper enforces, delivers and
 *	  limits, what it has to say itself, and what a scan has cost.
 */
#include "execute/explain.h"

#include "compat.h"
#include "embed/call.h"
#include "embed/error.h"
#include "embed/interpreter.h"
#include "embed/text.h"
#include "execute/arguments.h"
#include "execute/scan.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "plan/relation.h"
#include "plan/sort.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

/* The strings of a list of Python objects, by str(). */
static List *
strings_of(PyObject *objects)
{
	List *strings = NIL;

	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(objects); i++)
	{
		PyObject *text;

		python_enter();
		text = PyObject_Str(PyList_GET_ITEM(objects, i));
		python_leave();
		strings = lappend(strings, text_from_python_lossy(reference_own(text)));
	}
	return strings;
}

/* An expression of the plan as SQL. Parameters are shown by their numbers. */
static char *
expression_text(Node *expression, ForeignScan *plan, ExplainState *es)
{
	return deparse_expression(expression,
							  set_deparse_context_plan(es->deparse_cxt,
													   (Plan *) plan, NIL),
							  es->verbose, false);
}

/* The conditions that PostgreSQL does not check, since the wrapper does. */
static void
show_filters(ForeignScan *plan, ExplainState *es)
{
	if (plan->fdw_recheck_quals != NIL)
		ExplainPropertyText("Wrapper Filter",
							expression_text((Node *)
												make_ands_explicit(plan->fdw_recheck_quals),
											plan, es),
							es);
}

/* The conditions that are looked at once, before the wrapper is called. */
static void
show_gates(ForeignScan *plan, ExplainState *es)
{
	List *gates = plan_gates(plan);

	if (gates != NIL)
		ExplainPropertyText("One-Time Filter",
							expression_text((Node *) make_ands_explicit(gates),
											plan, es),
							es);
}

/* The order that the wrapper delivers. */
static void
show_sort(ForeignScan *plan, TupleDesc tupdesc, ExplainState *es)
{
	List *texts = NIL;
	ListCell *cell;

	foreach (cell, plan_member(plan, PLAN_SORT_KEYS))
		texts = lappend(texts, sort_key_text(lfirst(cell), tupdesc));
	if (texts != NIL)
		ExplainPropertyList("Wrapper Sort Key", texts, es);
}

/* LIMIT or OFFSET that the wrapper applies. */
static void
show_limit(const char *label, const ScanLimit *limit, ForeignScan *plan,
		   ExplainState *es)
{
	if (!limit->given)
		return;
	if (limit->operand >= 0)
		ExplainPropertyText(label,
							expression_text(list_nth(plan->fdw_exprs,
													 limit->operand),
											plan, es),
							es);
	else
		ExplainPropertyInteger(label, NULL, limit->value, es);
}

/* The lines of the wrapper's explain(). */
static void
show_lines(PyObject *method, ExecuteArguments *arguments, ExplainState *es)
{
	PyObject *values[1 + ARGUMENT_COUNT];
	List *lines;
	ListCell *cell;

	values[0] = method;
	memcpy(values + 1, arguments->values, sizeof(arguments->values));
	lines = strings_of(reference_own(python_call(interpreter_functions.explain,
												 values, 1 + ARGUMENT_KEYWORDS,
												 arguments->keywords)));
	if (es->format != EXPLAIN_FORMAT_TEXT && lines != NIL)
		ExplainPropertyList("Wrapper", lines, es);
	else
	{
		foreach (cell, lines)
			ExplainPropertyText("Wrapper", lfirst(cell), es);
	}
}

/* What the wrapper is told: the columns and the conditions. */
static void
show_request(ExecuteArguments *arguments, ExplainState *es)
{
	PyObject *quals = arguments->values[ARGUMENT_QUALS];

	ExplainPropertyList("Wrapper Columns",
						strings_of(arguments->values[ARGUMENT_COLUMNS]), es);
	if (PyList_GET_SIZE(quals) > 0)
		ExplainPropertyList("Wrapper Quals", strings_of(quals), es);
}

/* What a scan has done and how long it took. */
static void
show_counters(const ScanCounters *counters, ExplainState *es)
{
	ExplainPropertyInteger("Wrapper Rows Fetched", NULL,
						   (int64) counters->rows, es);
	ExplainPropertyInteger("Wrapper Rescans", NULL,
						   (int64) counters->executions -
							   (counters->executions > 0 ? 1 : 0),
						   es);
	if (!counters->timed)
		return;
	ExplainPropertyFloat("Wrapper Time in Python", "ms",
						 INSTR_TIME_GET_MILLISEC(counters->python), 3, es);
	ExplainPropertyFloat("Wrapper Time Converting", "ms",
						 INSTR_TIME_GET_MILLISEC(counters->converting), 3, es);
}

/* Shows what the wrapper does in a scan, and what it is told and says itself. */
static void
show_scan(ForeignScanState *node, ExplainState *es)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	TupleDesc tupdesc = node->ss.ss_ScanTupleSlot->tts_tupleDescriptor;
	MulticornScan *scan = palloc0(sizeof(MulticornScan));
	Instance *instance =
		instance_hold(RelationGetRelid(node->ss.ss_currentRelation),
					  scan_user(plan, node->ss.ps.state));
	PyObject *explain = instance_hook(instance, HOOK_EXPLAIN);
	ExecuteArguments arguments;
	CallSite site;

	instance_site_push(&site, instance, "explain");
	arguments_prepare(scan, plan, tupdesc, instance);
	show_gates(plan, es);
	show_filters(plan, es);
	show_sort(plan, tupdesc, es);
	show_limit("Wrapper Limit", &scan->limit, plan, es);
	show_limit("Wrapper Offset", &scan->offset, plan, es);
	if (arguments_explain(scan, es->verbose, &arguments))
	{
		arguments.values[ARGUMENT_COLUMNS] =
			column_names(tupdesc, plan_columns(plan, PLAN_COLUMNS));
		if (es->verbose)
			show_request(&arguments, es);
		if (explain != NULL)
			show_lines(explain, &arguments, es);
	}
	call_site_pop(&site);
}

/* Shows a scan that may not have begun: execute() is not called. */
void
multicornExplainForeignScan(ForeignScanState *node, ExplainState *es)
{
	MulticornScan *running = node->fdw_state;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "multicorn explain",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	show_scan(node, es);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	/* What was made for this is released now, not when the next query is planned. */
	python_enter();
	python_leave();
	if (es->analyze && running != NULL)
		show_counters(&running->counters, es);
}
