/*
 * reference.h
 *	  PyObjects owned by a MemoryContext: see reference.c.
 */
#ifndef MULTICORN_REFERENCE_H
#define MULTICORN_REFERENCE_H

#include "embed/cpython.h"

/*
 * A holder that a memory context owns. Whoever made it may exchange the
 * object at any time; what is in it when the context is reset is released.
 */
typedef struct Reference
{
	PyObject *object;		/* may be NULL */
	struct Reference *next; /* in the list of those to be released */
	MemoryContextCallback callback;
} Reference;

extern bool references_pending;

extern Reference *reference_create(PyObject *object);
extern PyObject *reference_own(PyObject *object);
extern void reference_release_later(PyObject *object);
extern void references_release_pending(void);

#endif /* MULTICORN_REFERENCE_H */
