/*
 * upper.c
 *	  What is done with the rows of a scan that the wrapper can do itself: LIMIT
 *	  and OFFSET, where nothing is left to do between the scan and them.
 */
#include "plan/upper.h"

#include "catalog/pg_type.h"
#include "compat.h"
#include "embed/call.h"
#include "embed/error.h"
#include "embed/interpreter.h"
#include "nodes/makefuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"

/* What a limit that the wrapper applies saves of a scan, so that it is preferred. */
#define LIMITED_COST_FACTOR 0.99

/* Does a query do nothing between the scan of its table and LIMIT but sort? */
static bool
is_simple(Query *query)
{
	return query->commandType == CMD_SELECT && !query->hasAggs &&
		!query->hasWindowFuncs && !query->hasTargetSRFs &&
		query->groupClause == NIL && query->groupingSets == NIL &&
		query->havingQual == NULL && query->distinctClause == NIL &&
		query->setOperations == NULL && query->rowMarks == NIL &&
		query->limitOption != LIMIT_OPTION_WITH_TIES;
}

/* Is LIMIT or OFFSET what can be evaluated once, before the scan? */
static bool
is_settled(Node *limit)
{
	return limit == NULL ||
		(!contain_volatile_functions(limit) && !contain_subplans(limit));
}

/* The scan below a path that at most computes the output; NULL if there is more. */
static ForeignPath *
scan_below(Path *path)
{
	if (IsA(path, ProjectionPath))
		path = ((ProjectionPath *) path)->subpath;
	return IsA(path, ForeignPath) && path->parent->reloptkind == RELOPT_BASEREL
		? (ForeignPath *) path
		: NULL;
}

/* Does the wrapper enforce every condition of a scan? */
static bool
enforces_all(ForeignPath *path)
{
	List *filters = list_nth(path->fdw_private, PATH_FILTERS);
	ListCell *cell;

	foreach (cell, path->path.parent->baserestrictinfo)
	{
		if (!list_member_ptr(filters, lfirst_node(RestrictInfo, cell)->clause))
			return false;
	}
	return true;
}

/* The cheapest scan whose rows can be counted as they come; sets what is around it. */
static ForeignPath *
find_scan(PlannerInfo *root, RelOptInfo *input_rel, Path **around)
{
	ForeignPath *cheapest = NULL;
	ListCell *cell;

	foreach (cell, input_rel->pathlist)
	{
		Path *path = lfirst(cell);
		ForeignPath *scan = scan_below(path);

		if (scan == NULL || path->param_info != NULL || !enforces_all(scan) ||
			!pathkeys_contained_in(root->sort_pathkeys, path->pathkeys) ||
			(cheapest != NULL && (*around)->total_cost <= path->total_cost))
			continue;
		cheapest = scan;
		*around = path;
	}
	return cheapest;
}

/* LIMIT or OFFSET for can_limit(), owned: a number, None, or UNBOUND. */
static PyObject *
limit_to_python(Node *limit)
{
	if (limit == NULL || (IsA(limit, Const) && ((Const *) limit)->constisnull))
		return Py_None;
	if (!IsA(limit, Const))
		return interpreter_functions.UNBOUND;
	return reference_own(PyLong_FromLongLong(DatumGetInt64(((Const *) limit)
															   ->constvalue)));
}

/*
 * Does the wrapper apply this LIMIT and OFFSET: numbers, None, or UNBOUND?
 * Throws what can_limit() raises.
 */
bool
limit_promised(const Instance *instance, PyObject *limit, PyObject *offset)
{
	PyObject *method = instance_hook(instance, HOOK_CAN_LIMIT);
	PyObject *arguments[] = {limit, offset};
	CallSite site;
	bool answer;

	if (method == NULL)
		return false;
	instance_site_push(&site, instance, "can_limit");
	answer = python_truth(reference_own(python_call(method, arguments, 2,
													NULL)));
	call_site_pop(&site);
	return answer;
}

/* A LIMIT or OFFSET as it is kept: NULL if it is not given. */
static Node *
kept(Node *limit)
{
	return limit != NULL ? limit
						 : (Node *) makeNullConst(INT8OID, -1, InvalidOid);
}

/* The scan, with LIMIT and OFFSET that the wrapper applies. */
static ForeignPath *
limit_scan(ForeignPath *scan, Query *query, FinalPathExtraData *extra)
{
	ForeignPath *limited = makeNode(ForeignPath);
	Path *path = &limited->path;

	memcpy(limited, scan, sizeof(ForeignPath));
	limited->fdw_private = list_copy(scan->fdw_private);
	lfirst(list_nth_cell(limited->fdw_private,
						 PATH_LIMIT)) = list_make2(kept(query->limitCount),
												   kept(query->limitOffset));
	adjust_limit_rows_costs(&path->rows, &path->startup_cost, &path->total_cost,
							extra->offset_est, extra->count_est);
	path->startup_cost *= LIMITED_COST_FACTOR;
	path->total_cost *= LIMITED_COST_FACTOR;
	return limited;
}

/* Does PostgreSQL do something for rows that OFFSET leaves out, so that it must see them? */
static bool
needs_skipped_rows(Query *query)
{
	return query->limitOffset != NULL &&
		contain_volatile_functions((Node *) query->targetList);
}

/* Is there a limit at all, that nothing but a scan of one table is below of? */
static bool
may_limit(PlannerInfo *root, FinalPathExtraData *extra)
{
	Query *query = root->parse;

	return extra->limit_needed && is_simple(query) &&
		is_settled(query->limitCount) && is_settled(query->limitOffset) &&
		!needs_skipped_rows(query);
}

/* Offers a scan that the wrapper limits itself, in the place of Limit. */
void
multicornGetForeignUpperPaths(PlannerInfo *root, UpperRelationKind stage,
							  RelOptInfo *input_rel, RelOptInfo *output_rel,
							  void *extra)
{
	Query *query = root->parse;
	Path *around = NULL;
	Path *path;
	ForeignPath *scan;
	RelationState *state;

	if (stage != UPPERREL_FINAL || !may_limit(root, extra))
		return;
	scan = find_scan(root, input_rel, &around);
	if (scan == NULL)
		return;
	state = scan->path.parent->fdw_private;
	if (!limit_promised(state->instance, limit_to_python(query->limitCount),
						limit_to_python(query->limitOffset)))
		return;
	path = (Path *) limit_scan(scan, query, extra);
	if (around != (Path *) scan)
		path = (Path *) create_projection_path(root, path->parent, path,
											   around->pathtarget);
	add_path(output_rel, path);
}
