/*
 * fault.c
 *	  Faults on demand in what the extension calls; for tools/faults.py alone,
 *	  which links it with the extension and makes the wrappers that come here.
 *
 * Every call of a function that may fail is counted while faults are armed. The
 * one whose turn it is does not happen: it fails as the function would without
 * memory.
 */
#include "postgres.h"

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#if PG_VERSION_NUM < 160000
#undef PGDLLEXPORT
#define PGDLLEXPORT __attribute__((visibility("default")))
#endif

#define MOST_CALLS 20000

/* A call that was seen: of what function, and where it would have returned. */
typedef struct SeenCall
{
	const char *name;
	const char *site;
} SeenCall;

static bool armed = false;
static int turn = 0;  /* which call is to fail, from 1; 0 for none */
static int count = 0; /* how many have been seen */
static SeenCall seen[MOST_CALLS];

extern bool fault_due(const char *name, const char *site);
extern PyObject *fault_null(void);
extern int64 fault_minus_one(void);
extern int64 fault_zero(void);
extern void fault_throw(void);
extern int fault_steal(PyObject *list, Py_ssize_t index, PyObject *item);
extern void *__real_hash_search(HTAB *table, const void *key, HASHACTION action,
								bool *found);
extern void *__wrap_hash_search(HTAB *table, const void *key,
								HASHACTION action, bool *found);

/* Is it this call's turn to fail? The wrappers ask before the call. */
bool
fault_due(const char *name, const char *site)
{
	if (!armed || CritSectionCount > 0 || count >= MOST_CALLS)
		return false;
	seen[count].name = name;
	seen[count].site = site;
	return ++count == turn;
}

/* How a function fails that returns an object. */
PyObject *
fault_null(void)
{
	PyErr_SetString(PyExc_MemoryError, "injected fault");
	return NULL;
}

/* How one fails that returns a number. */
int64
fault_minus_one(void)
{
	(void) fault_null();
	return -1;
}

/* How one fails that has no exception. */
int64
fault_zero(void)
{
	return 0;
}

/* How a function of PostgreSQL fails. */
void
fault_throw(void)
{
	ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("injected fault"));
}

/* PyList_SetItem() takes the item also when it fails. */
int
fault_steal(PyObject *list, Py_ssize_t index, PyObject *item)
{
	Py_XDECREF(item);
	return (int) fault_minus_one();
}

/* Only a new entry needs memory. */
void *
__wrap_hash_search(HTAB *table, const void *key, HASHACTION action, bool *found)
{
	if (action == HASH_ENTER &&
		fault_due("hash_search", __builtin_return_address(0)))
		fault_throw();
	return __real_hash_search(table, key, action, found);
}

extern PGDLLEXPORT Datum fault_arm(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum fault_disarm(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(fault_arm);
PG_FUNCTION_INFO_V1(fault_disarm);

/* fault_arm(n int): from now on calls are counted, and the n-th fails. */
Datum
fault_arm(PG_FUNCTION_ARGS)
{
	turn = PG_GETARG_INT32(0);
	count = 0;
	armed = true;
	PG_RETURN_VOID();
}

/*
 * fault_disarm(): no call fails any more. Returns the calls that were counted, a
 * line for each: function and call site, as its distance from this function.
 */
Datum
fault_disarm(PG_FUNCTION_ARGS)
{
	StringInfoData calls;

	armed = false;
	initStringInfo(&calls);
	for (int i = 0; i < count; i++)
		appendStringInfo(&calls, "%s %ld\n", seen[i].name,
						 (long) (seen[i].site - (const char *) fault_disarm));
	PG_RETURN_TEXT_P(cstring_to_text_with_len(calls.data, calls.len));
}
