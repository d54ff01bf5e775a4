/*
 * libpq.h
 *	  The libpq that psycopg uses: see libpq.c.
 */
#ifndef MULTICORN_LIBPQ_H
#define MULTICORN_LIBPQ_H

#include "embed/cpython.h"

typedef struct pg_result PGresult;

/* The functions of libpq that C calls, as libpq-fe.h declares them. */
typedef struct LibpqFunctions
{
	int (*PQntuples)(const PGresult *result);
	int (*PQnfields)(const PGresult *result);
	Oid (*PQftype)(const PGresult *result, int field);
	int (*PQfformat)(const PGresult *result, int field);
	char *(*PQgetvalue)(const PGresult *result, int row, int field);
	int (*PQgetlength)(const PGresult *result, int row, int field);
	int (*PQgetisnull)(const PGresult *result, int row, int field);
} LibpqFunctions;

/* Set, with the class, when multicorn.libpq is imported. */
extern LibpqFunctions libpq;
extern PyTypeObject *libpq_result_rows;

extern PyObject *libpq_use(PyObject *args);

/* Is this one of multicorn.libpq.ResultRows? */
static inline bool
is_result_rows(PyObject *object)
{
	return Py_TYPE(object) == libpq_result_rows;
}

#endif /* MULTICORN_LIBPQ_H */
