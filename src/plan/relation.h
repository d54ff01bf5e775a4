/*
 * relation.h
 *	  Size, paths and plan of a foreign table: see relation.c.
 */
#ifndef MULTICORN_RELATION_H
#define MULTICORN_RELATION_H

#include "postgres.h"
#include "foreign/fdwapi.h"
#include "nodes/bitmapset.h"

/* What a plan keeps in fdw_private: a List of these, in this order. */
typedef enum PlanMember
{
	PLAN_COLUMNS, /* List of Integer: needed attribute numbers */
	PLAN_QUALS	  /* List of encoded QualDescriptions */
} PlanMember;

extern void multicornGetForeignRelSize(PlannerInfo *root, RelOptInfo *baserel,
									   Oid foreigntableid);
extern void multicornGetForeignPaths(PlannerInfo *root, RelOptInfo *baserel,
									 Oid foreigntableid);
extern ForeignScan *
multicornGetForeignPlan(PlannerInfo *root, RelOptInfo *baserel,
						Oid foreigntableid, ForeignPath *best_path,
						List *tlist, List *scan_clauses, Plan *outer_plan);
extern Bitmapset *plan_columns(ForeignScan *plan);
extern List *plan_quals(ForeignScan *plan);

#endif /* MULTICORN_RELATION_H */
