/*
 * key.h
 *	  The columns by which a wrapper finds rows cheaply: see key.c.
 */
#ifndef MULTICORN_KEY_H
#define MULTICORN_KEY_H

#include "plan/relation.h"

/* Columns that together identify rows. */
typedef struct Key
{
	Bitmapset *columns;	  /* attribute numbers */
	double rows;		  /* that one value of each yields */
	HeapTuple statistics; /* what that tells of a single column, once made */
} Key;

/* What a list of restrictions says about a scan by a key. */
typedef struct KeyEstimate
{
	double fetched; /* rows that the key yields */
	List *used;		/* RestrictInfos that bind its columns */
} KeyEstimate;

extern List *keys_ask(RelationState *state);
extern void keys_limit_size(PlannerInfo *root, RelOptInfo *rel);
extern bool keys_estimate(PlannerInfo *root, RelOptInfo *rel,
						  List *restrictions, KeyEstimate *estimate);
extern Key *keys_of_column(RelOptInfo *rel, AttrNumber column);
extern List *keys_parameters(PlannerInfo *root, RelOptInfo *rel);

#endif /* MULTICORN_KEY_H */
