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
#include "utils/memutils.h"
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

/* A row of pg_statistic that says nothing yet; made once. */
static HeapTuple
empty_statistics(void)
{
	static HeapTuple made = NULL;
	Datum values[Natts_pg_statistic] = {0};
	bool nulls[Natts_pg_statistic] = {0};
	Relation catalog;
	MemoryContext old;

	if (made != NULL)
		return made;
	for (int i = Anum_pg_statistic_stanumbers1 - 1; i < Natts_pg_statistic; i++)
		nulls[i] = true;
	catalog = table_open(StatisticRelationId, AccessShareLock);
	old = MemoryContextSwitchTo(TopMemoryContext);
	made = heap_form_tuple(RelationGetDescr(catalog), values, nulls);
	MemoryContextSwitchTo(old);
	table_close(catalog, AccessShareLock);
	return made;
}

/* What a key tells of its column; lasts as long as the relation is planned. */
static HeapTuple
statistics_of(Key *key)
{
	MemoryContext old;

	if (key->statistics == NULL)
	{
		old = MemoryContextSwitchTo(GetMemoryChunkContext(key));
		key->statistics = heap_copytuple(empty_statistics());
		MemoryContextSwitchTo(old);
		/* A negative number is a share of the rows. */
		((Form_pg_statistic) GETSTRUCT(key->statistics))
			->stadistinct = (float4) (-1 / key->rows);
	}
	return key->statistics;
}

/* For the planner: the statistics are not its own to free. */
static void
keep(HeapTuple tuple)
{
}

/* For the planner: statistics of a column that a key says something about. */
static bool
find_statistics(PlannerInfo *root, RangeTblEntry *entry, AttrNumber column,
				VariableStatData *variable)
{
	RelOptInfo *rel;
	Key *key;

	if (next_hook != NULL && next_hook(root, entry, column, variable))
		return true;
	if (entry->relkind != RELKIND_FOREIGN_TABLE || column <= 0)
		return false;
	rel = relation_of(root, entry);
	key = rel != NULL ? keys_of_column(rel, column) : NULL;
	if (key == NULL ||
		SearchSysCacheExists3(STATRELATTINH, ObjectIdGetDatum(entry->relid),
							  Int16GetDatum(column), BoolGetDatum(entry->inh)))
		return false;
	variable->statsTuple = statistics_of(key);
	variable->freefunc = keep;
	return true;
}

/* Registers with the planner. Called once, when the library is loaded. */
void
statistics_listen(void)
{
	next_hook = get_relation_stats_hook;
	get_relation_stats_hook = find_statistics;
}
