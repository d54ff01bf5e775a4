/*
 * expression.h
 *	  A PostgreSQL expression as objects of multicorn.expressions: see
 *	  expression.c.
 */
#ifndef MULTICORN_EXPRESSION_H
#define MULTICORN_EXPRESSION_H

#include "embed/cpython.h"
#include "access/tupdesc.h"
#include "nodes/nodes.h"

extern void expression_listen(void);
extern PyObject *expression_to_python(Node *expression, TupleDesc tupdesc);
extern PyObject *expression_bind(PyObject *expression, PyObject *values);

#endif /* MULTICORN_EXPRESSION_H */
