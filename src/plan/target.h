/*
 * target.h
 *	  A foreign table as the target of a write: see target.c.
 */
#ifndef MULTICORN_TARGET_H
#define MULTICORN_TARGET_H

#include "embed/cpython.h"
#include "foreign/fdwapi.h"
#include "wrapper/instance.h"

/* What a write keeps in fdw_private: a List of these, in this order. */
typedef enum TargetMember
{
	TARGET_ASSIGNED, /* List of Integer: attribute numbers, or NIL for all */
	TARGET_ROWID	 /* NIL, or name of the junk column and attribute number */
} TargetMember;

extern void multicornAddForeignUpdateTargets(PlannerInfo *root, Index rtindex,
											 RangeTblEntry *target_rte,
											 Relation target_relation);
extern List *
multicornPlanForeignModify(PlannerInfo *root, ModifyTable *plan,
						   Index resultRelation, int subplan_index);
extern int multicornIsForeignRelUpdatable(Relation relation);
extern void
require_conflict_support(const Instance *instance, OnConflictAction action);
extern bool target_is_by_ctid(const Instance *instance);
extern bool instance_flag(const Instance *instance, const char *name);

#endif /* MULTICORN_TARGET_H */
