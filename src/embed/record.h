/*
 * record.h
 *	  Objects of classes that are made of their slots alone: see record.c.
 */
#ifndef MULTICORN_RECORD_H
#define MULTICORN_RECORD_H

#include "embed/cpython.h"

#define RECORD_MOST_FIELDS 12

/* A class, and where its objects keep their fields. */
typedef struct RecordClass
{
	PyTypeObject *type;
	int count;
	Py_ssize_t offsets[RECORD_MOST_FIELDS];
} RecordClass;

extern void
record_class_load(RecordClass *class, const char *module, const char *name);
extern PyObject *
record_create(const RecordClass *class, PyObject *const *values);

#endif /* MULTICORN_RECORD_H */
