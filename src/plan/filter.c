/*
 * filter.c
 *	  The conditions that a wrapper enforces itself, exactly: what can_filter()
 *	  is offered, and what it takes.
 */
#include "plan/filter.h"

#include "access/table.h"
#include "embed/call.h"
#include "embed/error.h"
#include "embed/interpreter.h"
#include "embed/text.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/restrictinfo.h"
#include "plan/constant.h"
#include "plan/expression.h"
#include "plan/operand.h"
#include "utils/rel.h"

/* May a restriction be left to the wrapper, if it understands it? */
static bool
may_be_offered(RestrictInfo *restriction, RelOptInfo *rel)
{
	Node *clause = (Node *) restriction->clause;

	return !restriction->pseudoconstant &&
		restriction_is_securely_promotable(restriction, rel) &&
		!contain_volatile_functions(clause) && !contain_subplans(clause);
}

/* What can_filter() is offered: expressions, and the clauses they stand for. */
typedef struct Offer
{
	PyObject *expressions; /* list, owned */
	List *clauses;
	List *settled; /* those that nobody need be asked about */
} Offer;

/*
 * Makes an offer of those restrictions that can be represented; of one on a column
 * that is a constant, what it comes to.
 */
static Offer
make_offer(PlannerInfo *root, RelOptInfo *rel, List *restrictions,
		   TupleDesc tupdesc)
{
	Offer offer = {.expressions = reference_own(PyList_New(0))};
	const Instance *instance = ((RelationState *) rel->fdw_private)->instance;
	bool asks = instance_hook(instance, HOOK_CAN_FILTER) != NULL;
	List *operands = NIL;
	ListCell *cell;

	foreach (cell, restrictions)
	{
		RestrictInfo *restriction = lfirst_node(RestrictInfo, cell);
		PyObject *expression;
		Node *folded;

		if (!may_be_offered(restriction, rel))
			continue;
		folded = constants_fold(root, rel, (Node *) restriction->clause);
		if (constants_settle(root, rel, folded))
		{
			offer.settled = lappend(offer.settled, restriction->clause);
			continue;
		}
		if (!asks)
			continue;
		expression = expression_to_python(operands_extract(folded, rel->relid,
														   &operands),
										  tupdesc);
		if (expression == NULL)
			continue;
		if (PyList_Append(offer.expressions, expression) != 0)
			python_throw();
		offer.clauses = lappend(offer.clauses, restriction->clause);
	}
	return offer;
}

/* The position of a taken expression in the offer. Throws if it is not there. */
static Py_ssize_t
position_in(PyObject *expressions, PyObject *taken)
{
	Py_ssize_t position;

	/* Most wrappers return the very objects: comparing them takes longer. */
	for (position = 0; position < PyList_GET_SIZE(expressions); position++)
	{
		if (PyList_GET_ITEM(expressions, position) == taken)
			return position;
	}
	position = python_index(expressions, taken);
	if (position < 0)
		ereport(ERROR, errcode(ERRCODE_FDW_ERROR),
				errmsg("can_filter() returned what is none of the filters it was given"),
				errdetail("It is %s.",
						  text_from_python_lossy(reference_own(python_call(
							  interpreter_functions.show, &taken, 1, NULL)))));
	return position;
}

/*
 * The positions of those filters, a list, that the wrapper enforces. Throws what
 * can_filter() raises, and for an answer that it cannot mean.
 */
Bitmapset *
filters_promised(const Instance *instance, PyObject *filters)
{
	PyObject *method = instance_hook(instance, HOOK_CAN_FILTER);
	Bitmapset *positions = NULL;
	PyObject *offered;
	PyObject *answer;
	PyObject *taken;

	if (method == NULL)
		return NULL;
	/* The list is the wrapper's to change. */
	offered = reference_own(PySequence_List(filters));
	answer = reference_own(python_call(method, &offered, 1, NULL));
	if (answer == Py_None)
		return NULL;
	taken = python_items(answer);
	for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(taken); i++)
		positions = bms_add_member(positions,
								   (int) position_in(filters,
													 PyTuple_GET_ITEM(taken,
																	  i)));
	return positions;
}

/*
 * The clauses of those restrictions (RestrictInfos) that need not be checked for
 * each row, if a scan has them all: the wrapper enforces them, or they are the same
 * for all rows. Throws as above.
 */
List *
filters_ask(PlannerInfo *root, RelOptInfo *rel, List *restrictions)
{
	RelationState *state = rel->fdw_private;
	Bitmapset *taken = NULL;
	Relation relation;
	Offer offer;
	List *clauses;
	CallSite site;

	if (restrictions == NIL ||
		(instance_hook(state->instance, HOOK_CAN_FILTER) == NULL &&
		 state->instance->constants == NIL))
		return NIL;
	instance_site_push(&site, state->instance, "can_filter");
	relation = table_open(state->table, NoLock);
	offer = make_offer(root, rel, restrictions, RelationGetDescr(relation));
	table_close(relation, NoLock);
	if (offer.clauses != NIL)
		taken = filters_promised(state->instance, offer.expressions);
	clauses = offer.settled;
	for (int i = -1; (i = bms_next_member(taken, i)) >= 0;)
		clauses = lappend(clauses, list_nth(offer.clauses, i));
	call_site_pop(&site);
	return clauses;
}
