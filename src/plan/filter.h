/*
 * filter.h
 *	  The conditions that a wrapper enforces itself: see filter.c.
 */
#ifndef MULTICORN_FILTER_H
#define MULTICORN_FILTER_H

#include "plan/relation.h"

extern Bitmapset *filters_promised(const Instance *instance, PyObject *filters);
extern List *
filters_ask(PlannerInfo *root, RelOptInfo *rel, List *restrictions);

#endif /* MULTICORN_FILTER_H */
