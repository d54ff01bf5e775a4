/*
 * instance.h
 *	  The wrapper instance behind a foreign table: see instance.c.
 */
#ifndef MULTICORN_INSTANCE_H
#define MULTICORN_INSTANCE_H

#include "embed/cpython.h"
#include "nodes/bitmapset.h"

/* An instance of a wrapper class, for one foreign table and one user. */
typedef struct Instance
{
	Oid table;
	Oid user;
	char *subject; /* foreign table "t", for the CONTEXT of errors */
	PyObject *object;
	PyObject *execute;		 /* bound method */
	PyObject *end_scan;		 /* bound method, or NULL */
	PyObject *identity;		 /* what it was made of, to be compared */
	Bitmapset *text_columns; /* attribute numbers with value_form 'text' */
	bool checked;			 /* no catalog change was heard of since */
	bool retired;			 /* replaced: goes with its last scan */
	int pins;				 /* scans in flight */
	MemoryContext context;	 /* holds all of this */
} Instance;

extern void instance_listen(void);
extern void instance_doubt_all(void);
extern Instance *instance_acquire(Oid table, Oid user);
extern void instance_release(Instance *instance);

#endif /* MULTICORN_INSTANCE_H */
