/*
 * relation.c
 *	  What the planner asks about a foreign table: its size, the ways to scan
 *	  it, and the plan for one.
 */
#include "plan/relation.h"

#include "access/sysattr.h"
#include "access/table.h"
#include "compat.h"
#include "nodes/makefuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "plan/qual.h"
#include "utils/rel.h"

/* Cost of beginning a scan: it takes a call into Python, perhaps a connection. */
#define DEFAULT_STARTUP_COST 20

/* Pages that PostgreSQL assumes for a table of which it knows nothing. */
#define UNKNOWN_PAGES 10

/*
 * Estimates the number of rows and their width: from the statistics of the
 * last ANALYZE, or as PostgreSQL guesses for a table never analysed.
 */
void
multicornGetForeignRelSize(PlannerInfo *root, RelOptInfo *baserel,
						   Oid foreigntableid)
{
	if (baserel->tuples < 0)
	{
		baserel->pages = UNKNOWN_PAGES;
		baserel->tuples = (double) (UNKNOWN_PAGES * BLCKSZ) /
			(baserel->reltarget->width + MAXALIGN(SizeofHeapTupleHeader));
	}
	set_baserel_size_estimates(root, baserel);
}

/* Offers the one way there is: all rows, filtered by PostgreSQL. */
void
multicornGetForeignPaths(PlannerInfo *root, RelOptInfo *baserel,
						 Oid foreigntableid)
{
	Cost startup = DEFAULT_STARTUP_COST + baserel->baserestrictcost.startup;
	Cost per_row = cpu_tuple_cost + baserel->baserestrictcost.per_tuple;

	add_path(baserel,
			 (Path *) create_plain_foreignscan_path(root, baserel,
													baserel->rows, startup,
													startup +
														per_row *
															baserel->tuples));
}

/* The attribute numbers of the columns, all live ones if a whole row is asked for. */
static List *
list_columns(Oid table, Bitmapset *offsets)
{
	Relation relation = table_open(table, NoLock);
	TupleDesc tupdesc = RelationGetDescr(relation);
	bool whole_row = bms_is_member(-FirstLowInvalidHeapAttributeNumber,
								   offsets);
	List *columns = NIL;

	for (int i = 1; i <= tupdesc->natts; i++)
	{
		if (!TupleDescAttr(tupdesc, i - 1)->attisdropped &&
			(whole_row ||
			 bms_is_member(i - FirstLowInvalidHeapAttributeNumber, offsets)))
			columns = lappend(columns, makeInteger(i));
	}
	table_close(relation, NoLock);
	return columns;
}

/* The columns that the query's output and conditions need, in table order. */
static List *
needed_columns(RelOptInfo *baserel, Oid table)
{
	Bitmapset *offsets = NULL;
	ListCell *cell;

	pull_varattnos((Node *) baserel->reltarget->exprs, baserel->relid,
				   &offsets);
	foreach (cell, baserel->baserestrictinfo)
		pull_varattnos((Node *) lfirst_node(RestrictInfo, cell)->clause,
					   baserel->relid, &offsets);
	return list_columns(table, offsets);
}

/*
 * The plan: every condition is checked again by the executor; what the wrapper
 * is told of them, and the columns, go along as nodes that can be copied.
 */
ForeignScan *
multicornGetForeignPlan(PlannerInfo *root, RelOptInfo *baserel,
						Oid foreigntableid, ForeignPath *best_path,
						List *tlist, List *scan_clauses, Plan *outer_plan)
{
	List *operands = NIL;
	List *quals = quals_describe(root, baserel, scan_clauses, &operands);
	List *columns = needed_columns(baserel, foreigntableid);

	return make_foreignscan(tlist, extract_actual_clauses(scan_clauses, false),
							baserel->relid, operands,
							list_make2(columns, quals), NIL, NIL, outer_plan);
}

/* The needed attribute numbers of a plan. */
Bitmapset *
plan_columns(ForeignScan *plan)
{
	Bitmapset *columns = NULL;
	ListCell *cell;

	foreach (cell, (List *) list_nth(plan->fdw_private, PLAN_COLUMNS))
		columns = bms_add_member(columns, intVal(lfirst(cell)));
	return columns;
}

/* The encoded QualDescriptions of a plan. */
List *
plan_quals(ForeignScan *plan)
{
	return list_nth(plan->fdw_private, PLAN_QUALS);
}
