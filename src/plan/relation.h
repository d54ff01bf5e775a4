/*
 * relation.h
 *	  Size and plan of a foreign table: see relation.c.
 */
#ifndef MULTICORN_RELATION_H
#define MULTICORN_RELATION_H

#include "embed/cpython.h"
#include "foreign/fdwapi.h"
#include "nodes/bitmapset.h"
#include "optimizer/cost.h"
#include "wrapper/instance.h"

/* What is known of a foreign table while it is planned: RelOptInfo.fdw_private. */
typedef struct RelationState
{
	Oid table;
	Instance *instance; /* held as long as the planner's memory */
	Cost startup_cost;
	Cost tuple_cost;	/* of a row, beside what a heap table costs */
	double fetched;		/* rows that execute() sends, told what is in known */
	Bitmapset *columns; /* that the output and the table's own conditions need */
	List *known;		/* RestrictInfos that get_rel_size() was told of */
	List *constant;		/* RestrictInfos that are Quals without operands */
	List *quals;		/* by the same index: their encoded descriptions */
	List *keys;			/* Keys; see key.c */
} RelationState;

/* What a path keeps in fdw_private: a List of these, in this order. */
typedef enum PathMember
{
	PATH_FILTERS,	/* List of clauses that the wrapper enforces */
	PATH_SORT_KEYS, /* List of encoded sort keys that it delivers */
	PATH_LIMIT,		/* NIL, or LIMIT and OFFSET that it applies: see upper.c */
	PATH_MEMBERS
} PathMember;

/* What a plan keeps in fdw_private: a List of these, in this order. */
typedef enum PlanMember
{
	PLAN_COLUMNS,		  /* List of Integer: needed attribute numbers */
	PLAN_RECHECK_COLUMNS, /* the same if the filters have to be checked here */
	PLAN_QUALS,			  /* List of encoded QualDescriptions */
	PLAN_FILTERS,		  /* List of expressions out of operands_extract() */
	PLAN_SORT_KEYS,		  /* List of encoded sort keys */
	PLAN_LIMIT,	   /* NIL, or two such expressions, NULL constants for none */
	PLAN_INSTANCE, /* List of one Integer: the instance that was asked */
	PLAN_GATES /* List of Integers: the operands without which no row is wanted */
} PlanMember;

extern void relation_listen(void);
extern double number_from_python(PyObject *number, const char *what);
extern bool size_from_python(PyObject *size, double *rows, double *width);
extern void relation_cost(RelOptInfo *rel, double fetched, List *local,
						  PlannerInfo *root, Cost *startup, Cost *total);

extern void multicornGetForeignRelSize(PlannerInfo *root, RelOptInfo *baserel,
									   Oid foreigntableid);
extern ForeignScan *
multicornGetForeignPlan(PlannerInfo *root, RelOptInfo *baserel,
						Oid foreigntableid, ForeignPath *best_path,
						List *tlist, List *scan_clauses, Plan *outer_plan);
extern List *plan_member(ForeignScan *plan, PlanMember member);
extern Bitmapset *plan_columns(ForeignScan *plan, PlanMember member);
extern List *plan_gates(ForeignScan *plan);
extern bool plan_was_promised_by(ForeignScan *plan, const Instance *instance);
extern PyObject *column_names(TupleDesc tupdesc, Bitmapset *columns);

#endif /* MULTICORN_RELATION_H */
