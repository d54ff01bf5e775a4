/*
 * qual_list.h
 *	  The conditions of a scan as Qual objects: see qual_list.c.
 */
#ifndef MULTICORN_QUAL_LIST_H
#define MULTICORN_QUAL_LIST_H

#include "embed/cpython.h"
#include "access/tupdesc.h"
#include "nodes/bitmapset.h"
#include "nodes/pg_list.h"
#include "plan/operand.h"

typedef struct QualList QualList;

/* What becomes of a condition whose operand is not known yet. */
typedef enum UnknownOperand
{
	UNKNOWN_LEFT_OUT,
	UNKNOWN_UNBOUND
} UnknownOperand;

extern QualList *
qual_list_create(List *descriptions, TupleDesc tupdesc, Bitmapset *as_text);
extern PyObject *qual_list_bind(QualList *list, const OperandValues *operands,
								UnknownOperand unknown, Bitmapset **told);

#endif /* MULTICORN_QUAL_LIST_H */
