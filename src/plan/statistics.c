/*
 * statistics.c
 *	  What a wrapper's keys tell about columns: if an equality on one yields so
 *	  many rows, the column has so many distinct values. Joins are estimated by
 *	  that where ANALYZE has left nothing better.
 */
#include "embed/cpython.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_statistic.h"
#include "nodes/pathnodes.h"
#include "plan/key.h"
#include "plan/path.h"
#include "plan/statistics.h"
#include "utils/rel.h"
#include "utils/selfuncs.h"
#include "utils/syscache.h"

static get_relation_stats_hook_type next_hook = NULL;

/* The relation of a range table entry, if it is one of ours; else NULL. */
static RelOptInfo *
relation_of(PlannerInfo *root, RangeTblEntry *entry)
{
	for (int i = 1; i < root->simple_rel_array_size; i++)
	{
		RelOptInfo *rel = root->simple_rel_array[i];

		if (root->simple_rte_array[i] != entry || rel == NULL)
			continue;
		return rel->fdwroutine != NULL && rel->fdw_private != NULL &&
				rel->fdwroutine->GetForeignPaths == multicornGetForeignPaths
			? rel
			: NULL;
	}
	return NULL;
}

/* A row of pg_statistic that tells of distinct values alone. */
static HeapTuple
make_statistics(Oid table, AttrNumber column, double distinct)
{
	TupleDesc tupdesc;
	Relation catalog = table_open(StatisticRelationId, AccessShareLock);
	Datum values[Natts_pg_statistic] = {0};
	bool nulls[Natts_pg_statistic] = {0};
	HeapTuple tuple;

	tupdesc = RelationGetDescr(catalog);
	values[Anum_pg_statistic_starelid - 1] = ObjectIdGetDatum(table);
	values[Anum_pg_statistic_staattnum - 1] = Int16GetDatum(column);
	values[Anum_pg_statistic_stadistinct - 1] = Float4GetDatum((float4) distinct);
	for (int i = Anum_pg_statistic_stanumbers1 - 1; i < Natts_pg_statistic; i++)
		nulls[i] = true;
	tuple = heap_form_tuple(tupdesc, values, nulls);
	table_close(catalog, AccessShareLock);
	return tuple;
}

/* For the planner: statistics of a column that a key says something about. */
static bool
find_statistics(PlannerInfo *root, RangeTblEntry *entry, AttrNumber column,
				VariableStatData *variable)
{
	RelOptInfo *rel;
	double rows;

	if (next_hook != NULL && next_hook(root, entry, column, variable))
		return true;
	if (entry->relkind != RELKIND_FOREIGN_TABLE || column <= 0)
		return false;
	rel = relation_of(root, entry);
	if (rel == NULL || !keys_rows_of(rel, column, &rows) ||
		SearchSysCacheExists3(STATRELATTINH, ObjectIdGetDatum(entry->relid),
							  Int16GetDatum(column), BoolGetDatum(entry->inh)))
		return false;
	/* A negative number is a share of the rows. */
	variable->statsTuple = make_statistics(entry->relid, column, -1 / rows);
	variable->freefunc = heap_freetuple;
	return true;
}

/* Registers with the planner. Called once, when the library is loaded. */
void
statistics_listen(void)
{
	next_hook = get_relation_stats_hook;
	get_relation_stats_hook = find_statistics;
}
