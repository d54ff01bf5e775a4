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
} Offer;

/* Makes an offer of those restrictions that can be represented. */
static Offer
make_offer(RelOptInfo *rel, List *restrictions, TupleDesc tupdesc)
{
	Offer offer = {.expressions = reference_own(PyList_New(0))};
	List *operands = NIL;
	ListCell *cell;

	foreach (cell, restrictions)
	{
		RestrictInfo *restriction = lfirst_node(RestrictInfo, cell);
		PyObject *expression;

		if (!may_be_offered(restriction, rel))
			continue;
		expression =
			expression_to_python(operands_extract((Node *) restriction->clause,
												  rel->relid, &operands),
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

	for (position = 0; position < PyList_GET_SIZE(expressions); position++)
	{
		if (PyList_GET_ITEM(expressions, position) == taken)
			return position;
	}
	python_enter();
	position = PySequence_Index(expressions, taken);
	python_leave();
	if (position >= 0)
		return position;
	if (!PyErr_ExceptionMatches(PyExc_ValueError))
		python_throw();
	PyErr_Clear();
	ereport(ERROR, errcode(ERRCODE_FDW_ERROR),
			errmsg("can_filter() returned what is none of the filters it was given"),
			errdetail("It is %s.",
					  text_from_python_lossy(reference_own(python_call(interpreter_functions
																		   .show,
																	   &taken, 1,
																	   NULL)))));
}

/* The clauses of what can_filter() has taken. */
static List *
taken_clauses(Offer *offer, PyObject *answer)
{
	PyObject *taken;
	List *clauses = NIL;

	if (answer == Py_None)
		return NIL;
	python_enter();
	taken = PySequence_Tuple(answer);
	python_leave();
	reference_own(taken);
	for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(taken); i++)
		clauses =
			list_append_unique_ptr(clauses,
								   list_nth(offer->clauses,
											position_in(offer->expressions,
														PyTuple_GET_ITEM(taken,
																		 i))));
	return clauses;
}

/*
 * The clauses of those restrictions (RestrictInfos) that the wrapper enforces,
 * if a scan has them all. Throws what can_filter() raises, and for an answer
 * that it cannot mean.
 */
List *
filters_ask(RelOptInfo *rel, List *restrictions)
{
	RelationState *state = rel->fdw_private;
	PyObject *method = instance_hook(state->instance, HOOK_CAN_FILTER);
	PyObject *offered;
	Relation relation;
	Offer offer;
	CallSite site;
	List *clauses;

	if (method == NULL || restrictions == NIL)
		return NIL;
	call_site_push(&site, state->instance->subject, "can_filter");
	relation = table_open(state->table, NoLock);
	offer = make_offer(rel, restrictions, RelationGetDescr(relation));
	table_close(relation, NoLock);
	if (offer.clauses == NIL)
	{
		call_site_pop(&site);
		return NIL;
	}
	/* The list is the wrapper's to change. */
	offered = reference_own(PySequence_List(offer.expressions));
	clauses = taken_clauses(&offer,
							reference_own(python_call(method, &offered, 1,
													  NULL)));
	call_site_pop(&site);
	return clauses;
}
