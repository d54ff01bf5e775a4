/*
 * upper.h
 *	  What is done with the rows of a scan: see upper.c.
 */
#ifndef MULTICORN_UPPER_H
#define MULTICORN_UPPER_H

#include "plan/relation.h"

extern bool
limit_promised(const Instance *instance, PyObject *limit, PyObject *offset);
extern void
multicornGetForeignUpperPaths(PlannerInfo *root, UpperRelationKind stage,
							  RelOptInfo *input_rel, RelOptInfo *output_rel,
							  void *extra);

#endif /* MULTICORN_UPPER_H */
