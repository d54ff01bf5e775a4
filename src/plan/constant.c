/*
 * constant.c
 *	  Conditions on columns with the option constant: with the value in their
 *	  place, most conditions are settled before a row is asked for.
 */
#include "plan/constant.h"

#include "access/sysattr.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "wrapper/constant.h"

/* Whose columns are replaced by which values. */
typedef struct FoldContext
{
	Index relid;
	List *constants;
} FoldContext;

/* The constants of a relation's table. */
static List *
constants_of(RelOptInfo *rel)
{
	return ((RelationState *) rel->fdw_private)->instance->constants;
}

/* The value of a column as a node. */
static Node *
make_constant(const ConstantColumn *column)
{
	Datum value = datumCopy(column->value, column->typbyval, column->typlen);

	return (Node *) makeConst(column->type, column->typmod, column->collation,
							  column->typlen, value, false, column->typbyval);
}

/* A copy of an expression with values in the place of columns. */
static Node *
replace_columns(Node *node, FoldContext *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var) && (Index) ((Var *) node)->varno == context->relid &&
		((Var *) node)->varlevelsup == 0)
	{
		const ConstantColumn *column = constants_find(context->constants,
													  ((Var *) node)->varattno);

		if (column != NULL)
			return make_constant(column);
	}
	return expression_tree_mutator(node, replace_columns, context);
}

/* Does an expression mention a column of rel that is a constant? */
static bool
mentions_constant(RelOptInfo *rel, Node *clause)
{
	RelationState *state = rel->fdw_private;
	Bitmapset *offsets = NULL;

	if (constants_of(rel) == NIL)
		return false;
	pull_varattnos(clause, rel->relid, &offsets);
	for (int i = -1; (i = bms_next_member(offsets, i)) >= 0;)
	{
		if (bms_is_member(i + FirstLowInvalidHeapAttributeNumber,
						  state->instance->constant_columns))
			return true;
	}
	return false;
}

/* The same of a restriction: the wrapper cannot be told of it as it is. */
bool
constants_mentioned(RelOptInfo *rel, RestrictInfo *restriction)
{
	return mentions_constant(rel, (Node *) restriction->clause);
}

/* For the walker: may a function throw an error for some of its arguments? */
static bool
is_leaky_function(Oid function, void *context)
{
	return !get_func_leakproof(function);
}

/* Does an expression call a function that may throw? */
static bool
calls_leaky_function(Node *node, void *context)
{
	if (node == NULL)
		return false;
	return check_functions_in_node(node, is_leaky_function, context) ||
		expression_tree_walker(node, calls_leaky_function, context);
}

/*
 * What a condition comes to with the values in it; the condition itself if it
 * mentions none of these columns. What may throw is evaluated when the scan
 * begins, behind the conditions before it, and not by those who merely plan.
 */
Node *
constants_fold(PlannerInfo *root, RelOptInfo *rel, Node *clause)
{
	Node *replaced;
	FoldContext context = {.relid = rel->relid, .constants = constants_of(rel)};

	if (!mentions_constant(rel, clause))
		return clause;
	replaced = replace_columns(clause, &context);
	return calls_leaky_function(replaced, NULL)
		? replaced
		: eval_const_expressions(root, replaced);
}

/* Is what a condition has come to the same for all rows of the table? */
bool
constants_settle(PlannerInfo *root, RelOptInfo *rel, Node *folded)
{
	return constants_of(rel) != NIL &&
		!bms_is_member((int) rel->relid, pull_varnos(root, folded));
}

/*
 * Notes of the conditions that are true, or not, for all rows that they are: no
 * statistics know that before ANALYZE.
 */
void
constants_estimate(PlannerInfo *root, RelOptInfo *rel)
{
	ListCell *cell;

	foreach (cell, rel->baserestrictinfo)
	{
		RestrictInfo *restriction = lfirst_node(RestrictInfo, cell);
		Node *clause = (Node *) restriction->clause;
		Node *folded = constants_fold(root, rel, clause);

		if (folded == clause || !IsA(folded, Const))
			continue;
		restriction->norm_selec = !((Const *) folded)->constisnull &&
				DatumGetBool(((Const *) folded)->constvalue)
			? 1.0
			: 0.0;
	}
}
