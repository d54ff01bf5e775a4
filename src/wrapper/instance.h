/*
 * instance.h
 *	  The wrapper instance behind a foreign table: see instance.c.
 */
#ifndef MULTICORN_INSTANCE_H
#define MULTICORN_INSTANCE_H

#include "embed/call.h"
#include "nodes/bitmapset.h"
#include "nodes/pg_list.h"

/* Methods that a wrapper may do without, in the order of _server.hooks(). */
typedef enum Hook
{
	HOOK_ANALYZE,
	HOOK_BEGIN,
	HOOK_CAN_FILTER,
	HOOK_CAN_LIMIT,
	HOOK_CAN_SORT,
	HOOK_COMMIT,
	HOOK_EXPLAIN,
	HOOK_GET_PATH_KEYS,
	HOOK_GET_REL_SIZE,
	HOOK_PRE_COMMIT,
	HOOK_ROLLBACK,
	HOOK_SAMPLE,
	HOOK_SUB_BEGIN,
	HOOK_SUB_COMMIT,
	HOOK_SUB_ROLLBACK,
	HOOK_BULK_INSERT,
	HOOK_DELETE,
	HOOK_END_MODIFY,
	HOOK_INSERT,
	HOOK_INSERT_ARRAYS,
	HOOK_INSERT_COPY,
	HOOK_TRUNCATE,
	HOOK_UPDATE
} Hook;

/* An instance of a wrapper class, for one foreign table and one user. */
typedef struct Instance
{
	Oid table;
	Oid user;
	int serial;	   /* no other instance of this backend has it */
	char *subject; /* foreign table "t", for the CONTEXT of errors */
	char *wrapper; /* path of its class */
	PyObject *object;
	PyObject *execute;		   /* bound method */
	PyObject *end_scan;		   /* bound method, or NULL */
	PyObject *hooks;		   /* tuple by Hook: bound methods, or None */
	PyObject *identity;		   /* what it was made of, to be compared */
	PyObject *place;		   /* where, if it has asked; else NULL */
	Bitmapset *text_columns;   /* attribute numbers with value_form 'text' */
	Bitmapset *remote_columns; /* those with generated 'remote' */
	List *constants; /* ConstantColumns, which the wrapper does not know */
	Bitmapset *constant_columns; /* their attribute numbers */
	bool checked;				 /* no catalog change was heard of since */
	bool retired;				 /* replaced: goes with its last user */
	int pins;					 /* scans in flight, plans in the making */
	double estimated_rows;		 /* what analyze() has said last; 0 for none */
	struct Instance *next;		 /* in the list of those left to drop */

	/* see transaction.c */
	bool has_transactions; /* it has a hook for them */
	bool takes_part;
	bool ended;	  /* its pre_commit() has been called */
	bool doomed;  /* it could not roll back to a savepoint */
	int level;	  /* nesting level it has begun, 0 for none */
	int released; /* level that it has just released, or 0 */

	MemoryContext context; /* holds all of this */
} Instance;

extern void instance_listen(void);
extern void instance_doubt_all(void);
extern Instance *instance_acquire(Oid table, Oid user);
extern Instance *instance_hold(Oid table, Oid user);
extern void instance_release(Instance *instance);
extern void instance_release_later(Instance *instance);
extern List *instance_hold_all(void);
extern int instance_count(void);
extern int instance_reset(void);

/* As call_site_push(), for a method of an instance. */
static inline void
instance_site_push(CallSite *site, const Instance *instance, const char *method)
{
	call_site_push(site, instance->subject, method);
	site->user = instance->user;
}

/* The method, borrowed; NULL if the wrapper has none but our base class's. */
static inline PyObject *
instance_hook(const Instance *instance, Hook hook)
{
	PyObject *method = PyTuple_GET_ITEM(instance->hooks, hook);

	return method == Py_None ? NULL : method;
}

#endif /* MULTICORN_INSTANCE_H */
