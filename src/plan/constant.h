/*
 * constant.h
 *	  Conditions on columns that have one value in every row: see constant.c.
 */
#ifndef MULTICORN_PLAN_CONSTANT_H
#define MULTICORN_PLAN_CONSTANT_H

#include "plan/relation.h"

extern Node *constants_fold(PlannerInfo *root, RelOptInfo *rel, Node *clause);
extern bool constants_settle(PlannerInfo *root, RelOptInfo *rel, Node *folded);
extern bool constants_mentioned(RelOptInfo *rel, RestrictInfo *restriction);
extern void constants_estimate(PlannerInfo *root, RelOptInfo *rel);

#endif /* MULTICORN_PLAN_CONSTANT_H */
