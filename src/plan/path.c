/*
 * path.c
 *	  The ways to scan a foreign table: all of it, in an order that the wrapper
 *	  delivers, or once for each row of other tables, by a key.
 */
#include "plan/path.h"

#include "compat.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/restrictinfo.h"
#include "plan/filter.h"
#include "plan/key.h"
#include "plan/sort.h"

/* A sorted scan costs more for each row, but less than sorting here would. */
#define SORTED_ROW_FACTOR 1.2

/* A path's fdw_private: see PathMember. */
static List *
make_private(List *filters, List *sort_keys)
{
	return list_make3(filters, sort_keys, NIL);
}

/*
 * The share of rel's rows that satisfies clauses, as far as statistics can tell.
 * What is of other relations in them counts as a value.
 */
static Selectivity
selectivity_of(PlannerInfo *root, RelOptInfo *rel, List *clauses)
{
	return clauselist_selectivity(root, clauses, (int) rel->relid, JOIN_INNER,
								  NULL);
}

/*
 * The conditions that rows have to satisfy: not those that PostgreSQL checks once
 * for all, before the scan.
 */
static List *
row_clauses(List *restrictions)
{
	return extract_actual_clauses(restrictions, false);
}

/* Offers the scan of the whole table, in no order, and in those the wrapper delivers. */
static void
add_plain_paths(PlannerInfo *root, RelOptInfo *rel)
{
	RelationState *state = rel->fdw_private;
	List *restrictions = rel->baserestrictinfo;
	List *filters = filters_ask(root, rel, restrictions);
	List *local = list_difference_ptr(row_clauses(restrictions), filters);
	/* What get_rel_size() was told of is in its answer. */
	List *unknown = list_difference_ptr(filters,
										get_actual_clauses(state->known));
	double fetched = clamp_row_est(state->fetched *
								   selectivity_of(root, rel, unknown));
	Cost startup;
	Cost total;
	ListCell *cell;

	relation_cost(rel, fetched, local, root, &startup, &total);
	add_path(rel,
			 (Path *) create_scan_path(root, rel, rel->rows, startup, total,
									   NIL, rel->lateral_relids,
									   make_private(filters, NIL)));
	foreach (cell, sort_offers(root, rel))
	{
		SortOffer *offer = lfirst(cell);

		add_path(rel,
				 (Path *)
					 create_scan_path(root, rel, rel->rows, startup,
									  startup +
										  (total - startup) * SORTED_ROW_FACTOR,
									  offer->pathkeys, rel->lateral_relids,
									  make_private(filters, offer->sort_keys)));
	}
}

/*
 * Offers the scan by a key whose values are those of other relations. All paths
 * with the same parameters have the same number of rows.
 */
static void
add_parameterized_path(PlannerInfo *root, RelOptInfo *rel, Relids outer)
{
	ParamPathInfo *info = get_baserel_parampathinfo(root, rel, outer);
	List *restrictions = list_concat_copy(rel->baserestrictinfo,
										  info->ppi_clauses);
	KeyEstimate estimate;
	List *clauses = row_clauses(restrictions);
	List *filters;
	List *local;
	List *rest;
	double fetched;
	Cost startup;
	Cost total;

	if (!keys_estimate(root, rel, restrictions, &estimate))
		return;
	filters = filters_ask(root, rel, restrictions);
	local = list_difference_ptr(clauses, filters);
	/* What the key does not say anything about leaves a part of the rows. */
	rest = list_difference_ptr(clauses, get_actual_clauses(estimate.used));
	info->ppi_rows = clamp_row_est(estimate.fetched *
								   selectivity_of(root, rel, rest));
	fetched = clamp_row_est(estimate.fetched *
							selectivity_of(root, rel,
										   list_difference_ptr(rest, local)));
	relation_cost(rel, fetched, local, root, &startup, &total);
	add_path(rel,
			 (Path *) create_scan_path(root, rel, info->ppi_rows, startup,
									   total, NIL, outer,
									   make_private(filters, NIL)));
}

/* Offers all ways to scan the table. */
void
multicornGetForeignPaths(PlannerInfo *root, RelOptInfo *baserel,
						 Oid foreigntableid)
{
	ListCell *cell;

	add_plain_paths(root, baserel);
	foreach (cell, keys_parameters(root, baserel))
		add_parameterized_path(root, baserel, lfirst(cell));
}

/*
 * A path whose parameters come from a partition instead of its parent: clauses
 * are the only part of it that knows of other relations.
 */
List *
multicornReparameterizeForeignPathByChild(PlannerInfo *root, List *fdw_private,
										  RelOptInfo *child_rel)
{
	List *translated = list_copy(fdw_private);
	ListCell *filters = list_nth_cell(translated, PATH_FILTERS);

	lfirst(filters) = translate_to_child(root, lfirst(filters), child_rel);
	return translated;
}
