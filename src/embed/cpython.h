/*
 * cpython.h
 *	  PostgreSQL's and CPython's own headers, in the order that works: the
 *	  server's first, as everywhere in a PostgreSQL extension.
 */
#ifndef MULTICORN_CPYTHON_H
#define MULTICORN_CPYTHON_H

#include "postgres.h"

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "compat.h"

#endif /* MULTICORN_CPYTHON_H */
