/*
 * arguments.c
 *	  The arguments of execute(), and of explain(): conditions with their values,
 *	  and the keywords that carry what the wrapper has promised to do.
 */
#include "execute/arguments.h"

#include "embed/call.h"
#include "embed/error.h"
#include "embed/interpreter.h"
#include "embed/text.h"
#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "plan/expression.h"
#include "plan/filter.h"
#include "plan/operand.h"
#include "plan/relation.h"
#include "plan/sort.h"
#include "plan/upper.h"

/* ---------- once per scan ---------- */

/* Builds the expressions that the wrapper enforces. */
static void
prepare_filters(MulticornScan *scan, List *filters, TupleDesc tupdesc)
{
	ListCell *cell;

	scan->filters = palloc0(list_length(filters) * sizeof(ScanFilter));
	foreach (cell, filters)
	{
		ScanFilter *filter = &scan->filters[scan->filter_count++];

		filter->expression = expression_to_python(lfirst(cell), tupdesc);
		if (filter->expression == NULL)
			elog(ERROR, "a filter can no longer be represented");
		filter->parameters = operands_referenced(lfirst(cell));
	}
}

static ScanLimit
prepare_limit(Node *expression)
{
	ScanLimit limit = {.operand = -1};

	if (operand_is_reference(expression))
	{
		limit.operand = ((Param *) expression)->paramid;
		limit.given = true;
	}
	else if (!castNode(Const, expression)->constisnull)
	{
		limit.value = DatumGetInt64(((Const *) expression)->constvalue);
		limit.given = true;
	}
	return limit;
}

/*
 * Resolves what stays the same for all calls to an instance, in
 * CurrentMemoryContext. Reads catalogs; may throw.
 */
void
arguments_prepare(MulticornScan *scan, ForeignScan *plan, TupleDesc tupdesc,
				  const Instance *instance)
{
	List *sort_keys = plan_member(plan, PLAN_SORT_KEYS);
	List *limit = plan_member(plan, PLAN_LIMIT);

	scan->quals = qual_list_create(plan_member(plan, PLAN_QUALS), tupdesc,
								   instance->text_columns);
	prepare_filters(scan, plan_member(plan, PLAN_FILTERS), tupdesc);
	if (sort_keys != NIL)
		scan->sort_keys = sort_keys_to_python(sort_keys, tupdesc);
	scan->limited = limit != NIL;
	if (scan->limited)
	{
		scan->limit = prepare_limit(linitial(limit));
		scan->offset = prepare_limit(lsecond(limit));
	}
	scan->operand_converters = palloc0(list_length(plan->fdw_exprs) *
									   sizeof(ToPython *));
}

/* A list of the filters as they are before their values are known; owned. */
static PyObject *
unbound_filters(MulticornScan *scan)
{
	PyObject *filters = reference_own(PyList_New(0));

	for (int i = 0; i < scan->filter_count; i++)
	{
		if (PyList_Append(filters, scan->filters[i].expression) != 0)
			python_throw();
	}
	return filters;
}

static PyObject *
python_number(int64 number)
{
	return reference_own(PyLong_FromLongLong(number));
}

/* LIMIT or OFFSET before its value is known, owned; None if it is not given. */
static PyObject *
unbound_limit(const ScanLimit *limit)
{
	if (!limit->given)
		return Py_None;
	return limit->operand >= 0 ? interpreter_functions.UNBOUND
							   : python_number(limit->value);
}

/*
 * Does an instance promise what another one did when the query was planned? It
 * is asked the same again.
 */
bool
arguments_promised(MulticornScan *scan, ForeignScan *plan, TupleDesc tupdesc,
				   const Instance *instance)
{
	List *sort_keys = plan_member(plan, PLAN_SORT_KEYS);

	scan->site.method = "can_filter";
	if (scan->filter_count > 0 &&
		bms_num_members(filters_promised(instance, unbound_filters(scan))) !=
			scan->filter_count)
		return false;
	scan->site.method = "can_sort";
	if (sort_keys != NIL &&
		sort_keys_promised(instance, sort_keys, tupdesc) !=
			list_length(sort_keys))
		return false;
	scan->site.method = NULL;
	return !scan->limited ||
		limit_promised(instance, unbound_limit(&scan->limit),
					   unbound_limit(&scan->offset));
}

/* ---------- operands ---------- */

/* Evaluates all operands, in CurrentMemoryContext. */
static OperandValues
evaluate_operands(MulticornScan *scan, ExprContext *econtext)
{
	OperandValues operands = {.count = list_length(scan->operands)};
	ListCell *cell;

	if (operands.count == 0)
		return operands;
	operands.values = palloc(operands.count * sizeof(Datum));
	operands.nulls = palloc(operands.count * sizeof(bool));
	foreach (cell, scan->operands)
	{
		int i = foreach_current_index(cell);

		operands.values[i] = ExecEvalExpr((ExprState *) lfirst(cell), econtext,
										  &operands.nulls[i]);
	}
	return operands;
}

/* The converter of an operand, which lasts as long as the scan. */
static ToPython *
operand_converter(MulticornScan *scan, int operand)
{
	if (scan->operand_converters[operand] == NULL)
	{
		ExprState *state = list_nth(scan->operands, operand);
		MemoryContext old = MemoryContextSwitchTo(scan->context);

		scan->operand_converters[operand] =
			to_python_create(exprType((Node *) state->expr), false);
		MemoryContextSwitchTo(old);
	}
	return scan->operand_converters[operand];
}

/* The pair of value and text of an operand, owned; NULL if Python has no exact one. */
static PyObject *
operand_pair(MulticornScan *scan, const OperandValues *operands, int operand)
{
	ToPython *converter = operand_converter(scan, operand);
	PyObject *text = Py_None;
	PyObject *value = to_python(converter, operands->values[operand],
								operands->nulls[operand]);

	if (value == NULL)
		return NULL;
	reference_own(value);
	if (!operands->nulls[operand])
		text = python_string(to_exact_text(converter,
										   operands->values[operand]));
	return reference_own(PyTuple_Pack(2, value, text));
}

/* ---------- filters ---------- */

/*
 * Puts the pairs of the operands that a filter refers to into the list; false
 * if Python has no exact value for one.
 */
static bool
bind_parameters(MulticornScan *scan, const OperandValues *operands,
				const ScanFilter *filter, PyObject *pairs)
{
	for (int i = -1; (i = bms_next_member(filter->parameters, i)) >= 0;)
	{
		PyObject *pair;

		if (PyList_GET_ITEM(pairs, i) != Py_None)
			continue;
		pair = operand_pair(scan, operands, i);
		if (pair == NULL)
			return false;
		if (PyList_SetItem(pairs, i, Py_NewRef(pair)) != 0)
			python_throw();
	}
	return true;
}

/* A list of None, one for each operand; owned. */
static PyObject *
no_pairs(int count)
{
	PyObject *pairs = reference_own(PyList_New(count));

	for (int i = 0; i < count; i++)
		PyList_SET_ITEM(pairs, i, Py_NewRef(Py_None));
	return pairs;
}

/*
 * The list of filters with their values, owned; NULL without any. One that has
 * a value which Python cannot have is left to this side: scan->recheck.
 */
static PyObject *
bind_filters(MulticornScan *scan, const OperandValues *operands)
{
	PyObject *filters;
	PyObject *pairs;

	scan->recheck = false;
	if (scan->filter_count == 0)
		return NULL;
	filters = reference_own(PyList_New(0));
	pairs = no_pairs(operands->count);
	for (int i = 0; i < scan->filter_count; i++)
	{
		const ScanFilter *filter = &scan->filters[i];
		PyObject *expression = filter->expression;

		if (!bind_parameters(scan, operands, filter, pairs))
		{
			scan->recheck = true;
			continue;
		}
		if (!bms_is_empty(filter->parameters))
			expression = expression_bind(expression, pairs);
		if (PyList_Append(filters, expression) != 0)
			python_throw();
	}
	return PyList_GET_SIZE(filters) > 0 ? filters : NULL;
}

/* ---------- LIMIT and OFFSET ---------- */

/*
 * The number that LIMIT or OFFSET comes to, or -1 if there is none. Throws for a
 * negative one, as PostgreSQL's Limit does.
 */
static int64
limit_value(const ScanLimit *limit, const OperandValues *operands,
			int sqlstate, const char *name)
{
	int64 value = limit->value;

	if (!limit->given ||
		(limit->operand >= 0 && operands->nulls[limit->operand]))
		return -1;
	if (limit->operand >= 0)
		value = DatumGetInt64(operands->values[limit->operand]);
	if (value < 0)
		ereport(ERROR, errcode(sqlstate),
				errmsg("%s must not be negative", name));
	return value;
}

/* Sets what is left to count here, and says whether any row is wanted. */
static bool
bind_limit(MulticornScan *scan, const OperandValues *operands, int64 *limit,
		   int64 *offset)
{
	*limit = *offset = -1;
	scan->to_skip = 0;
	scan->remaining = -1;
	if (!scan->limited)
		return true;
	*offset = limit_value(&scan->offset, operands,
						  ERRCODE_INVALID_ROW_COUNT_IN_RESULT_OFFSET_CLAUSE,
						  "OFFSET");
	*limit = limit_value(&scan->limit, operands,
						 ERRCODE_INVALID_ROW_COUNT_IN_LIMIT_CLAUSE, "LIMIT");
	scan->remaining = *limit;
	if (scan->recheck)
	{
		/* The wrapper cannot count rows that are yet to be checked. */
		scan->to_skip = Max(*offset, 0);
		*limit = *offset = -1;
	}
	return scan->remaining != 0;
}

/* ---------- the call ---------- */

/* Adds a keyword argument that carries something. */
static void
add_keyword(ExecuteArguments *arguments, PyObject *names, const char *name,
			PyObject *value)
{
	if (value == NULL)
		return;
	arguments->values[ARGUMENT_KEYWORDS + arguments->count++] = value;
	if (PyList_Append(names, python_string(name)) != 0)
		python_throw();
}

/* A list for the wrapper to change; NULL for NULL. */
static PyObject *
own_list(PyObject *list)
{
	return list != NULL ? reference_own(PySequence_List(list)) : NULL;
}

/*
 * The arguments for execute() but the columns, in CurrentMemoryContext: false if
 * no row can be wanted. Evaluates parameters; throws what that does.
 */
bool
arguments_bind(MulticornScan *scan, ExprContext *econtext,
			   ExecuteArguments *arguments)
{
	OperandValues operands = evaluate_operands(scan, econtext);
	PyObject *quals = qual_list_bind(scan->quals, &operands, UNKNOWN_LEFT_OUT,
									 NULL);
	PyObject *filters;
	PyObject *names;
	int64 limit;
	int64 offset;

	memset(arguments, 0, sizeof(*arguments));
	filters = bind_filters(scan, &operands);
	if (!bind_limit(scan, &operands, &limit, &offset) || quals == NULL)
		return false;
	arguments->values[ARGUMENT_QUALS] = quals;
	if (scan->sort_keys == NULL && filters == NULL && limit < 0 && offset <= 0)
		return true;
	names = reference_own(PyList_New(0));
	add_keyword(arguments, names, "sortkeys", own_list(scan->sort_keys));
	add_keyword(arguments, names, "limit",
				limit >= 0 ? python_number(limit) : NULL);
	add_keyword(arguments, names, "offset",
				offset > 0 ? python_number(offset) : NULL);
	add_keyword(arguments, names, "filters", filters);
	arguments->keywords = reference_own(PyList_AsTuple(names));
	return true;
}

/*
 * The arguments for explain() but the columns, in CurrentMemoryContext; values
 * that are known only in execution are UNBOUND. False if no row can match.
 */
bool
arguments_explain(MulticornScan *scan, bool verbose,
				  ExecuteArguments *arguments)
{
	PyObject *quals = qual_list_bind(scan->quals, NULL, UNKNOWN_UNBOUND, NULL);
	PyObject *names = reference_own(PyList_New(0));

	memset(arguments, 0, sizeof(*arguments));
	if (quals == NULL)
		return false;
	arguments->values[ARGUMENT_QUALS] = quals;
	add_keyword(arguments, names, "sortkeys", own_list(scan->sort_keys));
	add_keyword(arguments, names, "limit",
				scan->limit.given ? unbound_limit(&scan->limit) : NULL);
	add_keyword(arguments, names, "offset",
				scan->offset.given ? unbound_limit(&scan->offset) : NULL);
	add_keyword(arguments, names, "filters",
				scan->filter_count > 0 ? unbound_filters(scan) : NULL);
	add_keyword(arguments, names, "verbose", verbose ? Py_True : NULL);
	arguments->keywords = reference_own(PyList_AsTuple(names));
	return true;
}
