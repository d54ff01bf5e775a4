/*
 * operand.h
 *	  Operands: what a scan's conditions are compared with. See operand.c.
 */
#ifndef MULTICORN_OPERAND_H
#define MULTICORN_OPERAND_H

#include "postgres.h"
#include "nodes/bitmapset.h"
#include "nodes/pg_list.h"
#include "nodes/primnodes.h"

/* What the operands of a plan have come to, by their index. */
typedef struct OperandValues
{
	int count;
	Datum *values;
	bool *nulls;
} OperandValues;

extern int operand_index(Node *expression, List **operands);
extern Node *operands_extract(Node *expression, Index relid, List **operands);
extern Node *operand_reference(Node *expression, List **operands);
extern bool operand_is_reference(Node *node);
extern Bitmapset *operands_referenced(Node *expression);

#endif /* MULTICORN_OPERAND_H */
