/*
 * path.h
 *	  The ways to scan a foreign table: see path.c.
 */
#ifndef MULTICORN_PATH_H
#define MULTICORN_PATH_H

#include "plan/relation.h"

extern void multicornGetForeignPaths(PlannerInfo *root, RelOptInfo *baserel,
									 Oid foreigntableid);
extern List *
multicornReparameterizeForeignPathByChild(PlannerInfo *root, List *fdw_private,
										  RelOptInfo *child_rel);

#endif /* MULTICORN_PATH_H */
