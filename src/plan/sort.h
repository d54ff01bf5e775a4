/*
 * sort.h
 *	  The orders that a wrapper delivers: see sort.c.
 */
#ifndef MULTICORN_SORT_H
#define MULTICORN_SORT_H

#include "plan/relation.h"

/* An order that the wrapper delivers. */
typedef struct SortOffer
{
	List *pathkeys;
	List *sort_keys; /* encoded */
} SortOffer;

extern List *sort_offers(PlannerInfo *root, RelOptInfo *rel);
extern int
sort_keys_promised(const Instance *instance, List *encoded, TupleDesc tupdesc);
extern PyObject *sort_keys_to_python(List *encoded, TupleDesc tupdesc);
extern char *sort_key_text(List *encoded, TupleDesc tupdesc);

#endif /* MULTICORN_SORT_H */
