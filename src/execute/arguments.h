/*
 * arguments.h
 *	  The arguments of execute(): see arguments.c.
 */
#ifndef MULTICORN_ARGUMENTS_H
#define MULTICORN_ARGUMENTS_H

#include "execute/scan.h"

/* The arguments by position; keywords follow in no fixed place. */
typedef enum ExecuteArgument
{
	ARGUMENT_QUALS,
	ARGUMENT_COLUMNS,
	ARGUMENT_KEYWORDS, /* the first of them */
	ARGUMENT_COUNT = ARGUMENT_KEYWORDS + 5
} ExecuteArgument;

typedef struct ExecuteArguments
{
	PyObject *values[ARGUMENT_COUNT]; /* borrowed from a memory context */
	PyObject *keywords;				  /* tuple of names, or NULL */
	int count;
} ExecuteArguments;

extern void arguments_prepare(MulticornScan *scan, ForeignScan *plan,
							  TupleDesc tupdesc, const Instance *instance);
extern bool arguments_promised(MulticornScan *scan, ForeignScan *plan,
							   TupleDesc tupdesc, const Instance *instance);
extern bool arguments_bind(MulticornScan *scan, ExprContext *econtext,
						   ExecuteArguments *arguments);
extern bool arguments_explain(MulticornScan *scan, bool verbose,
							  ExecuteArguments *arguments);

#endif /* MULTICORN_ARGUMENTS_H */
