/*
 * qual.h
 *	  The simple (column, operator, value) view of a query's conditions: see
 *	  qual.c.
 */
#ifndef MULTICORN_QUAL_H
#define MULTICORN_QUAL_H

#include "embed/cpython.h"
#include "nodes/pathnodes.h"
#include "nodes/pg_list.h"

/*
 * A condition as a plan keeps it: a List of the members below, in this order,
 * so that it can be copied and printed.
 */
typedef struct QualDescription
{
	AttrNumber attribute;
	char *operator;
	int use;		 /* QualUse */
	int operand;	 /* index into fdw_exprs, or -1 */
	Const *constant; /* if there is no operand */
	Oid type;		 /* of the value, an array type for ANY and ALL */
	char *collation; /* "" if text is ordered by code point */
	bool strict;	 /* a NULL operand matches nothing */
} QualDescription;

typedef enum QualUse
{
	QUAL_SCALAR,
	QUAL_ANY,
	QUAL_ALL
} QualUse;

extern List *qual_describe(PlannerInfo *root, RelOptInfo *rel,
						   RestrictInfo *restriction, List **operands);
extern QualDescription qual_description(List *encoded);
extern bool qual_holds_for_text(const QualDescription *description);

#endif /* MULTICORN_QUAL_H */
