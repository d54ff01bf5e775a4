/*
 * relation.c
 *	  What the planner asks about a foreign table: its size, and the plan for
 *	  the path it has chosen.
 */
#include "plan/relation.h"

#include <math.h>

#include "access/sysattr.h"
#include "access/table.h"
#include "compat.h"
#include "convert/convert.h"
#include "embed/call.h"
#include "embed/error.h"
#include "embed/text.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "plan/constant.h"
#include "plan/filter.h"
#include "plan/key.h"
#include "plan/operand.h"
#include "plan/qual.h"
#include "plan/qual_list.h"
#include "plan/target.h"
#include "utils/inval.h"
#include "utils/plancache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* Cost of beginning a scan: it takes a call into Python, perhaps a connection. */
#define DEFAULT_STARTUP_COST 20

/* Pages that PostgreSQL assumes for a table of which it knows nothing. */
#define UNKNOWN_PAGES 10

/* Rows and costs beyond this are no numbers to plan with. */
#define HUGE_ESTIMATE 1e100

/* A row that is wider than this is no estimate. */
#define WIDEST_ROW (1024 * 1024 * 1024)

/* ---------- plans and instances ---------- */

/* A plan asked the instance of a mapping that is no longer the same. */
static void
mapping_changed(Datum argument, int cache, uint32 hash)
{
	ResetPlanCache();
}

/* Registers for catalog changes. Called once, when the library is loaded. */
void
relation_listen(void)
{
	CacheRegisterSyscacheCallback(USERMAPPINGOID, mapping_changed, (Datum) 0);
}

/*
 * The state of a relation whose planning begins. Its plan is one user's: the
 * answers are those of that user's instance.
 */
static RelationState *
create_state(PlannerInfo *root, RelOptInfo *rel, Oid table)
{
	RelationState *state = palloc0(sizeof(RelationState));

	root->glob->dependsOnRole = true;
	state->table = table;
	state->instance = instance_hold(table,
									OidIsValid(rel->userid) ? rel->userid
															: GetUserId());
	rel->fdw_private = state;
	return state;
}

/* ---------- columns ---------- */

/* Adds a name to a list. Throws if memory runs out. */
static void
add_name(PyObject *names, const char *name)
{
	if (PyList_Append(names, python_string(name)) != 0)
		python_throw();
}

/* The names of columns, a list of str in table order; owned. */
PyObject *
column_names(TupleDesc tupdesc, Bitmapset *columns)
{
	PyObject *names = reference_own(PyList_New(0));

	for (int i = NEEDED_CTID; (i = bms_next_member(columns, i)) >= 0;)
		add_name(names, NameStr(TupleDescAttr(tupdesc, i - 1)->attname));
	if (bms_is_member(NEEDED_CTID, columns))
		add_name(names, "ctid");
	return names;
}

/* Attribute numbers out of offsets, all live columns if a whole row is asked for. */
static Bitmapset *
live_columns(TupleDesc tupdesc, Bitmapset *offsets)
{
	bool whole_row = bms_is_member(-FirstLowInvalidHeapAttributeNumber,
								   offsets);
	Bitmapset *columns = NULL;

	for (int i = 1; i <= tupdesc->natts; i++)
	{
		if (!TupleDescAttr(tupdesc, i - 1)->attisdropped &&
			(whole_row ||
			 bms_is_member(i - FirstLowInvalidHeapAttributeNumber, offsets)))
			columns = bms_add_member(columns, i);
	}
	return columns;
}

/*
 * The columns that a query's output and conditions (RestrictInfos, or bare
 * clauses) need of the wrapper: attribute numbers.
 */
static Bitmapset *
needed_columns(RelOptInfo *rel, List *conditions, TupleDesc tupdesc)
{
	RelationState *state = rel->fdw_private;
	Bitmapset *offsets = NULL;
	Bitmapset *columns;
	ListCell *cell;

	pull_varattnos((Node *) rel->reltarget->exprs, rel->relid, &offsets);
	foreach (cell, conditions)
	{
		Node *node = lfirst(cell);

		if (IsA(node, RestrictInfo))
			node = (Node *) ((RestrictInfo *) node)->clause;
		pull_varattnos(node, rel->relid, &offsets);
	}
	columns = bms_del_members(live_columns(tupdesc, offsets),
							  state->instance->constant_columns);
	if (bms_is_member(SelfItemPointerAttributeNumber -
						  FirstLowInvalidHeapAttributeNumber,
					  offsets) &&
		target_is_by_ctid(state->instance))
		columns = bms_add_member(columns, NEEDED_CTID);
	return columns;
}

static List *
integers(Bitmapset *set)
{
	List *list = NIL;

	for (int i = -1; (i = bms_next_member(set, i)) >= 0;)
		list = lappend(list, makeInteger(i));
	return list;
}

/* ---------- size ---------- */

/* What an int that is too large for a float is taken for. */
static double
beyond_float(PyObject *number)
{
	PyObject *zero;
	int negative;

	PyErr_Clear();
	zero = reference_own(PyLong_FromLong(0));
	python_enter();
	negative = PyObject_RichCompareBool(number, zero, Py_LT);
	python_leave();
	if (negative < 0)
		python_throw();
	return negative ? 0 : HUGE_ESTIMATE;
}

/*
 * A number that a wrapper estimates: nothing is too large, or negative, to be
 * planned with. Throws for what is no number; what says what it is.
 */
double
number_from_python(PyObject *number, const char *what)
{
	double value;

	if (!PyNumber_Check(number) || PyComplex_Check(number))
		ereport(ERROR, errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
				errmsg("%s must be a number, not %s", what,
					   python_type_name(number)));
	python_enter();
	value = PyFloat_AsDouble(number);
	python_leave();
	if (value == -1.0 && PyErr_Occurred())
	{
		if (!PyErr_ExceptionMatches(PyExc_OverflowError))
			python_throw();
		value = beyond_float(number);
	}
	if (isnan(value))
		ereport(ERROR, errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
				errmsg("%s must be a number, not NaN", what));
	return Max(0, Min(value, HUGE_ESTIMATE));
}

/* An attribute of the wrapper that is a cost; usual if it has none. */
static Cost
cost_attribute(const Instance *instance, const char *name, Cost usual)
{
	PyObject *cost = python_attribute(instance->object, python_name(name));

	return cost != NULL ? number_from_python(reference_own(cost), name) : usual;
}

/*
 * Rows and width out of what get_rel_size() has returned; false if that is None.
 * Throws for anything else that is no pair of numbers.
 */
bool
size_from_python(PyObject *size, double *rows, double *width)
{
	PyObject *items;

	if (size == Py_None)
		return false;
	if (PyUnicode_Check(size) || PyBytes_Check(size) ||
		PyByteArray_Check(size) || !PySequence_Check(size))
		ereport(ERROR, errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
				errmsg("get_rel_size() must return (rows, width), not %s",
					   python_type_name(size)));
	items = python_items(size);
	if (PyTuple_GET_SIZE(items) != 2)
		ereport(ERROR, errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
				errmsg("get_rel_size() must return (rows, width), not %zd items",
					   PyTuple_GET_SIZE(items)));
	*rows = number_from_python(PyTuple_GET_ITEM(items, 0),
							   "the number of rows out of get_rel_size()");
	*width = number_from_python(PyTuple_GET_ITEM(items, 1),
								"the width out of get_rel_size()");
	return true;
}

/*
 * The description of a restriction as a Qual, NIL if there is none: those of
 * the table's own that need no operands are made but once.
 */
static List *
describe_qual(PlannerInfo *root, RelOptInfo *rel, RestrictInfo *restriction,
			  List **operands)
{
	RelationState *state = rel->fdw_private;
	int count = list_length(*operands);
	List *description;
	ListCell *cell;

	if (constants_mentioned(rel, restriction))
		return NIL;
	foreach (cell, state->constant)
	{
		if (lfirst(cell) == restriction)
			return list_nth(state->quals, foreach_current_index(cell));
	}
	description = qual_describe(root, rel, restriction, operands);
	if (description != NIL && list_length(*operands) == count)
	{
		state->constant = lappend(state->constant, restriction);
		state->quals = lappend(state->quals, description);
	}
	return description;
}

/*
 * Calls get_rel_size() with the conditions whose values are known, which are
 * noted in the state. Returns false if it has no estimate.
 */
static bool
ask_size(PlannerInfo *root, RelOptInfo *rel, RelationState *state,
		 PyObject *method, double *rows, double *width)
{
	Relation relation = table_open(state->table, NoLock);
	TupleDesc tupdesc = RelationGetDescr(relation);
	List *operands = NIL;
	List *descriptions = NIL;
	List *described = NIL;
	Bitmapset *told = NULL;
	PyObject *arguments[2];
	ListCell *cell;

	foreach (cell, rel->baserestrictinfo)
	{
		List *description = describe_qual(root, rel, lfirst(cell), &operands);

		if (description == NIL)
			continue;
		descriptions = lappend(descriptions, description);
		described = lappend(described, lfirst(cell));
	}
	arguments[0] = qual_list_bind(qual_list_create(descriptions, tupdesc,
												   state->instance->text_columns),
								  NULL, UNKNOWN_LEFT_OUT, &told);
	state->columns = needed_columns(rel, rel->baserestrictinfo, tupdesc);
	arguments[1] = column_names(tupdesc, state->columns);
	table_close(relation, NoLock);
	if (arguments[0] == NULL)
		return false;
	if (!size_from_python(reference_own(python_call(method, arguments, 2, NULL)),
						  rows, width))
		return false;
	for (int i = -1; (i = bms_next_member(told, i)) >= 0;)
		state->known = lappend(state->known, list_nth(described, i));
	return true;
}

/* Is there anything to tell the tuples of a table never analysed from? */
static void
assume_tuples(RelOptInfo *rel)
{
	if (rel->tuples >= 0)
		return;
	rel->pages = UNKNOWN_PAGES;
	rel->tuples = (double) (UNKNOWN_PAGES * BLCKSZ) /
		(rel->reltarget->width + MAXALIGN(SizeofHeapTupleHeader));
}

/*
 * Takes over what get_rel_size() has said: what it was told of is in there,
 * other conditions leave a part of the rows.
 */
static void
believe_size(PlannerInfo *root, RelOptInfo *rel, RelationState *state,
			 double rows, double width)
{
	List *rest = list_difference_ptr(rel->baserestrictinfo, state->known);

	state->fetched = clamp_row_est(rows);
	rel->rows = clamp_row_est(state->fetched *
							  clauselist_selectivity(root, rest, 0, JOIN_INNER,
													 NULL));
	rel->reltarget->width = (int) Max(1, Min(width, WIDEST_ROW));
}

/*
 * Estimates the number of rows and their width: as get_rel_size() says, else
 * from the statistics of the last ANALYZE, or as PostgreSQL guesses for a table
 * never analysed.
 */
void
multicornGetForeignRelSize(PlannerInfo *root, RelOptInfo *baserel,
						   Oid foreigntableid)
{
	RelationState *state = create_state(root, baserel, foreigntableid);
	PyObject *get_rel_size = instance_hook(state->instance, HOOK_GET_REL_SIZE);
	double rows;
	double width;
	bool known;
	CallSite site;

	instance_site_push(&site, state->instance, NULL);
	constants_estimate(root, baserel);
	state->startup_cost = cost_attribute(state->instance, "_startup_cost",
										 DEFAULT_STARTUP_COST);
	state->tuple_cost = cost_attribute(state->instance, "_tuple_cost",
									   cpu_tuple_cost);
	site.method = "get_path_keys";
	state->keys = keys_ask(state);
	site.method = "get_rel_size";
	known = get_rel_size != NULL &&
		ask_size(root, baserel, state, get_rel_size, &rows, &width);
	site.method = NULL;
	if (known)
	{
		baserel->tuples = Max(baserel->tuples, clamp_row_est(rows));
		set_baserel_size_estimates(root, baserel);
		believe_size(root, baserel, state, rows, width);
	}
	else
	{
		assume_tuples(baserel);
		set_baserel_size_estimates(root, baserel);
		state->fetched = clamp_row_est(baserel->tuples);
	}
	keys_limit_size(root, baserel);
	call_site_pop(&site);
}

/* ---------- cost ---------- */

/*
 * The cost of a scan that fetches rows and checks local conditions on each. A
 * row costs what it does in a heap table of the same width, and _tuple_cost for
 * its way through Python.
 */
void
relation_cost(RelOptInfo *rel, double fetched, List *local, PlannerInfo *root,
			  Cost *startup, Cost *total)
{
	RelationState *state = rel->fdw_private;
	QualCost checks;
	Cost per_row = cpu_tuple_cost + state->tuple_cost +
		rel->reltarget->width * seq_page_cost / BLCKSZ;

	cost_qual_eval(&checks, local, root);
	*startup = state->startup_cost + checks.startup +
		rel->reltarget->cost.startup;
	*total = *startup +
		(per_row + checks.per_tuple + rel->reltarget->cost.per_tuple) * fetched;
}

/* ---------- plan ---------- */

/* A member of a path's fdw_private. */
static List *
path_member(ForeignPath *path, PathMember member)
{
	return list_nth(path->fdw_private, member);
}

/* Those clauses of a path that the wrapper does not enforce, or those it does. */
static List *
pick_clauses(ForeignPath *path, List *clauses, bool enforced)
{
	List *filters = path_member(path, PATH_FILTERS);
	List *picked = NIL;
	ListCell *cell;

	foreach (cell, clauses)
	{
		if (list_member(filters, lfirst(cell)) == enforced)
			picked = lappend(picked, lfirst(cell));
	}
	return picked;
}

/* The Quals of a scan, encoded. */
static List *
describe_quals(PlannerInfo *root, RelOptInfo *rel, List *restrictions,
			   List **operands)
{
	List *quals = NIL;
	ListCell *cell;

	foreach (cell, restrictions)
	{
		List *description = describe_qual(root, rel, lfirst(cell), operands);

		if (description != NIL)
			quals = lappend(quals, description);
	}
	return quals;
}

/* What becomes of the clauses of a path that are not checked for each row. */
typedef struct EnforcedClauses
{
	List *filters; /* expressions out of operands_extract(), for the wrapper */
	List *recheck; /* the clauses that these stand for */
	List *gates;   /* Integers: operands */
} EnforcedClauses;

/* Is this a constant that is true? */
static bool
is_true(Node *node)
{
	return IsA(node, Const) && !((Const *) node)->constisnull &&
		DatumGetBool(((Const *) node)->constvalue);
}

/*
 * Sorts out what is the wrapper's to enforce, with operands taken out, and what is
 * known before it is called.
 */
static EnforcedClauses
sort_out(PlannerInfo *root, RelOptInfo *rel, List *enforced, List **operands)
{
	EnforcedClauses result = {0};
	ListCell *cell;

	foreach (cell, enforced)
	{
		Node *folded = constants_fold(root, rel, lfirst(cell));

		if (is_true(folded))
			continue;
		if (constants_settle(root, rel, folded))
		{
			result.gates = lappend(result.gates,
								   makeInteger(operand_index(folded, operands)));
			continue;
		}
		result.filters = lappend(result.filters,
								 operands_extract(folded, rel->relid, operands));
		result.recheck = lappend(result.recheck, lfirst(cell));
	}
	return result;
}

/* LIMIT and OFFSET as references to operands, or constants; NIL for NIL. */
static List *
refer_to_limit(List *limit, List **operands)
{
	List *references = NIL;
	ListCell *cell;

	foreach (cell, limit)
		references = lappend(references,
							 operand_reference(lfirst(cell), operands));
	return references;
}

/*
 * The columns that are needed if the filters have to be checked here: NIL without
 * any. A scan without parameters has the conditions that its size was asked for.
 */
static List *
recheck_columns(RelOptInfo *rel, ForeignPath *path, List *clauses,
				List *enforced, TupleDesc tupdesc)
{
	RelationState *state = rel->fdw_private;

	if (enforced == NIL)
		return NIL;
	if (path->path.param_info == NULL && state->columns != NULL)
		return integers(state->columns);
	return integers(needed_columns(rel, clauses, tupdesc));
}

/*
 * The plan for a path. What the wrapper enforces is checked again only where a
 * row has changed under a lock; what it is told goes along as nodes that can
 * be copied.
 */
ForeignScan *
multicornGetForeignPlan(PlannerInfo *root, RelOptInfo *baserel,
						Oid foreigntableid, ForeignPath *best_path,
						List *tlist, List *scan_clauses, Plan *outer_plan)
{
	RelationState *state = baserel->fdw_private;
	List *clauses = extract_actual_clauses(scan_clauses, false);
	List *local = pick_clauses(best_path, clauses, false);
	EnforcedClauses enforced;
	Relation relation = table_open(foreigntableid, NoLock);
	TupleDesc tupdesc = RelationGetDescr(relation);
	List *operands = NIL;
	List *members;

	enforced = sort_out(root, baserel, pick_clauses(best_path, clauses, true),
						&operands);
	members = list_make1(integers(needed_columns(baserel, local, tupdesc)));
	members = lappend(members,
					  recheck_columns(baserel, best_path, clauses,
									  enforced.recheck, tupdesc));
	members = lappend(members,
					  describe_quals(root, baserel, scan_clauses, &operands));
	members = lappend(members, enforced.filters);
	members = lappend(members, path_member(best_path, PATH_SORT_KEYS));
	members = lappend(members,
					  refer_to_limit(path_member(best_path, PATH_LIMIT),
									 &operands));
	members = lappend(members,
					  list_make1(makeInteger(state->instance->serial)));
	members = lappend(members, enforced.gates);
	table_close(relation, NoLock);
	return make_foreignscan(tlist, local, baserel->relid, operands, members,
							NIL, enforced.recheck, outer_plan);
}

/* A member of a plan's fdw_private. */
List *
plan_member(ForeignScan *plan, PlanMember member)
{
	return list_nth(plan->fdw_private, member);
}

/* The attribute numbers in a member of a plan's fdw_private. */
Bitmapset *
plan_columns(ForeignScan *plan, PlanMember member)
{
	Bitmapset *columns = NULL;
	ListCell *cell;

	foreach (cell, plan_member(plan, member))
		columns = bms_add_member(columns, intVal(lfirst(cell)));
	return columns;
}

/* The conditions without which a plan wants no row: expressions of fdw_exprs. */
List *
plan_gates(ForeignScan *plan)
{
	List *gates = NIL;
	ListCell *cell;

	foreach (cell, plan_member(plan, PLAN_GATES))
		gates = lappend(gates, list_nth(plan->fdw_exprs, intVal(lfirst(cell))));
	return gates;
}

/*
 * Is what a plan leaves to the wrapper what this instance has promised to do?
 * Not if another one was asked: options changed after the query was planned.
 */
bool
plan_was_promised_by(ForeignScan *plan, const Instance *instance)
{
	return (plan_member(plan, PLAN_FILTERS) == NIL &&
			plan_member(plan, PLAN_SORT_KEYS) == NIL &&
			plan_member(plan, PLAN_LIMIT) == NIL) ||
		intVal(linitial(plan_member(plan, PLAN_INSTANCE))) == instance->serial;
}
