/*
 * compat.h
 *	  Every difference between the supported PostgreSQL (15 to 18) and CPython
 *	  (3.11 to 3.14) versions, as small inline functions named for what they
 *	  do. No other file asks for a version.
 *
 * Include it after postgres.h; the CPython part is there when Python.h came
 * before it.
 */
#ifndef MULTICORN_COMPAT_H
#define MULTICORN_COMPAT_H

#include "access/htup_details.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/pathnodes.h"
#include "nodes/plannodes.h"
#include "optimizer/pathnode.h"
#include "storage/proc.h"
#include "utils/timestamp.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 190000
#error "multicorn supports PostgreSQL 15 to 18"
#endif

/*
 * The library is built with hidden symbols. From PostgreSQL 16 on, the server's
 * own macros export what it looks for.
 */
#if PG_VERSION_NUM < 160000
#undef PGDLLEXPORT
#define PGDLLEXPORT __attribute__((visibility("default")))
#endif

#if PG_VERSION_NUM >= 180000
#define MULTICORN_NORETURN pg_noreturn
#else
#define MULTICORN_NORETURN pg_attribute_noreturn()
#endif

/*
 * From libpq/libpq.h, which on some servers wants the headers of GSSAPI that
 * those of PostgreSQL do not bring along.
 */
extern bool pq_check_connection(void);

/* The user whose rights a scan uses; InvalidOid stands for the current one. */
static inline Oid
foreign_scan_check_as_user(ForeignScan *scan, EState *estate)
{
#if PG_VERSION_NUM >= 160000
	(void) estate;
	return scan->checkAsUser;
#else
	return exec_rt_fetch(scan->scan.scanrelid, estate)->checkAsUser;
#endif
}

/* A path that scans the whole relation, in no order and without parameters. */
static inline ForeignPath *
create_plain_foreignscan_path(PlannerInfo *root, RelOptInfo *rel, double rows,
							  Cost startup_cost, Cost total_cost)
{
#if PG_VERSION_NUM >= 180000
	return create_foreignscan_path(root, rel, NULL, rows, 0, startup_cost,
								   total_cost, NIL, rel->lateral_relids, NULL,
								   NIL, NIL);
#elif PG_VERSION_NUM >= 170000
	return create_foreignscan_path(root, rel, NULL, rows, startup_cost,
								   total_cost, NIL, rel->lateral_relids, NULL,
								   NIL, NIL);
#else
	return create_foreignscan_path(root, rel, NULL, rows, startup_cost,
								   total_cost, NIL, rel->lateral_relids, NULL,
								   NIL);
#endif
}

/* Infinite intervals came with PostgreSQL 17. */
static inline bool
interval_is_finite(const Interval *interval)
{
#if PG_VERSION_NUM >= 170000
	return !INTERVAL_NOT_FINITE(interval);
#else
	(void) interval;
	return true;
#endif
}

/* Is transaction_timeout (17 and later) about to end the transaction? */
static inline bool
transaction_timeout_is_pending(void)
{
#if PG_VERSION_NUM >= 170000
	return TransactionTimeoutPending;
#else
	return false;
#endif
}

#ifdef Py_PYTHON_H

#if PY_VERSION_HEX < 0x030b0000 || PY_VERSION_HEX >= 0x030f0000
#error "multicorn supports CPython 3.11 to 3.14"
#endif

/* Takes the exception that is set, traceback attached; NULL if there is none. */
static inline PyObject *
exception_take(void)
{
#if PY_VERSION_HEX >= 0x030c0000
	return PyErr_GetRaisedException();
#else
	PyObject *type;
	PyObject *value;
	PyObject *traceback;

	PyErr_Fetch(&type, &value, &traceback);
	if (type == NULL)
		return NULL;
	PyErr_NormalizeException(&type, &value, &traceback);
	if (traceback != NULL)
		PyException_SetTraceback(value, traceback);
	Py_XDECREF(traceback);
	Py_DECREF(type);
	return value;
#endif
}

#endif /* Py_PYTHON_H */

#endif /* MULTICORN_COMPAT_H */
