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
#include "access/stratnum.h"
#include "catalog/pg_foreign_server.h"
#include "access/xlog.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/pathnodes.h"
#include "nodes/plannodes.h"
#include "optimizer/appendinfo.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "parser/parse_relation.h"
#include "parser/parse_type.h"
#include "parser/parsetree.h"
#include "replication/message.h"
#include "storage/bufmgr.h"
#include "storage/proc.h"
#include "utils/acl.h"
#include "utils/selfuncs.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"
#if PG_VERSION_NUM >= 160000
#include "nodes/miscnodes.h"
#include "varatt.h"
#endif
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
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

/* May a user use a foreign server? */
static inline AclResult
foreign_server_aclcheck(Oid server, Oid user)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(ForeignServerRelationId, server, user, ACL_USAGE);
#else
	return pg_foreign_server_aclcheck(server, user, ACL_USAGE);
#endif
}

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

/* The user whose rights a write uses; InvalidOid stands for the current one. */
static inline Oid
result_relation_check_as_user(ResultRelInfo *relation, EState *estate)
{
#if PG_VERSION_NUM >= 160000
	return ExecGetResultRelCheckAsUser(relation, estate);
#else
	Index index = relation->ri_RootResultRelInfo != NULL
		? relation->ri_RootResultRelInfo->ri_RangeTableIndex
		: relation->ri_RangeTableIndex;

	return index > 0 ? exec_rt_fetch(index, estate)->checkAsUser : InvalidOid;
#endif
}

/* The same while a statement is planned, for an entry of its range table. */
static inline Oid
rte_check_as_user(PlannerInfo *root, Index index)
{
#if PG_VERSION_NUM >= 160000
	RelOptInfo *rel = index < (Index) root->simple_rel_array_size
		? root->simple_rel_array[index]
		: NULL;
	RangeTblEntry *entry = planner_rt_fetch(index, root);

	if (rel != NULL)
		return rel->userid;
	return entry->perminfoindex > 0
		? getRTEPermissionInfo(root->parse->rteperminfos, entry)->checkAsUser
		: InvalidOid;
#else
	return planner_rt_fetch(index, root)->checkAsUser;
#endif
}

/* Is a column computed when it is read, and never stored? */
static inline bool
attribute_is_virtual(Form_pg_attribute attribute)
{
#if PG_VERSION_NUM >= 180000
	return attribute->attgenerated == ATTRIBUTE_GENERATED_VIRTUAL;
#else
	(void) attribute;
	return false;
#endif
}

/*
 * A path that scans a relation; required_outer names the relations whose values
 * are its parameters.
 */
static inline ForeignPath *
create_scan_path(PlannerInfo *root, RelOptInfo *rel, double rows,
				 Cost startup_cost, Cost total_cost, List *pathkeys,
				 Relids required_outer, List *fdw_private)
{
#if PG_VERSION_NUM >= 180000
	return create_foreignscan_path(root, rel, NULL, rows, 0, startup_cost,
								   total_cost, pathkeys, required_outer, NULL,
								   NIL, fdw_private);
#elif PG_VERSION_NUM >= 170000
	return create_foreignscan_path(root, rel, NULL, rows, startup_cost,
								   total_cost, pathkeys, required_outer, NULL,
								   NIL, fdw_private);
#else
	return create_foreignscan_path(root, rel, NULL, rows, startup_cost,
								   total_cost, pathkeys, required_outer, NULL,
								   fdw_private);
#endif
}

/* Does a path key ask for descending order? */
static inline bool
pathkey_is_descending(PathKey *key)
{
#if PG_VERSION_NUM >= 180000
	return key->pk_cmptype == COMPARE_GT;
#else
	return key->pk_strategy == BTGreaterStrategyNumber;
#endif
}

/* The path key for ascending order of a class of equals, NULLs last. */
static inline PathKey *
make_ascending_pathkey(PlannerInfo *root, EquivalenceClass *class)
{
#if PG_VERSION_NUM >= 180000
	return make_canonical_pathkey(root, class,
								  linitial_oid(class->ec_opfamilies),
								  COMPARE_LT, false);
#else
	return make_canonical_pathkey(root, class,
								  linitial_oid(class->ec_opfamilies),
								  BTLessStrategyNumber, false);
#endif
}

/* How many elements an array is likely to have. */
static inline double
array_length_estimate(PlannerInfo *root, Node *array)
{
#if PG_VERSION_NUM >= 170000
	return estimate_array_length(root, array);
#else
	(void) root;
	return estimate_array_length(array);
#endif
}

/* Expressions on an inheritance parent, as expressions on a child of it. */
static inline Node *
translate_to_child(PlannerInfo *root, Node *node, RelOptInfo *child)
{
#if PG_VERSION_NUM >= 160000
	return adjust_appendrel_attrs_multilevel(root, node, child,
											 child->top_parent);
#else
	return adjust_appendrel_attrs_multilevel(root, node, child->relids,
											 child->top_parent_relids);
#endif
}

/* The type that a text names; throws if it names none, or is more than a name. */
static inline void
parse_type(const char *text, Oid *type, int32 *typmod)
{
#if PG_VERSION_NUM >= 160000
	parseTypeString(text, type, typmod, NULL);
#else
	parseTypeString(text, type, typmod, false);
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

/* As parse_type(), but false for a type that there is none of. */
static inline bool
parse_type_if_exists(const char *text, Oid *type, int32 *typmod)
{
#if PG_VERSION_NUM >= 160000
	ErrorSaveContext context = {.type = T_ErrorSaveContext};

	return parseTypeString(text, type, typmod, (Node *) &context) &&
		OidIsValid(*type);
#else
	parseTypeString(text, type, typmod, true);
	return OidIsValid(*type);
#endif
}

/*
 * The wait event while Python code runs. Since PostgreSQL 17 it has a name of
 * its own, which is registered here, once for the cluster.
 */
static inline uint32
wait_event_for_python(void)
{
#if PG_VERSION_NUM >= 170000
	return WaitEventExtensionNew("MulticornPython");
#else
	return PG_WAIT_EXTENSION;
#endif
}

/* What tells the transaction from others of this backend. */
static inline LocalTransactionId
local_transaction_number(void)
{
#if PG_VERSION_NUM >= 170000
	return MyProc->vxid.lxid;
#else
	return MyProc->lxid;
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

/* Can a subtransaction begin while parallel workers are at work? */
static inline bool
subtransactions_in_parallel_mode(void)
{
	return PG_VERSION_NUM >= 170000;
}

/*
 * Has this backend to make way for the recovery of a standby? Up to version 15
 * the signal handler has turned that into a cancel or a termination.
 */
static inline bool
recovery_conflict_is_pending(void)
{
#if PG_VERSION_NUM >= 160000
	return RecoveryInProgress() &&
		(MyProc->recoveryConflictPending ||
		 HoldingBufferPinThatDelaysRecovery());
#else
	return false;
#endif
}

/*
 * Writes a record without content to the write-ahead log that names the
 * transaction, and returns where it ends.
 */
static inline XLogRecPtr
log_empty_message(const char *prefix)
{
#if PG_VERSION_NUM >= 170000
	return LogLogicalMessage(prefix, "", 0, true, false);
#else
	return LogLogicalMessage(prefix, "", 0, true);
#endif
}

#ifdef Py_PYTHON_H

#if PY_VERSION_HEX < 0x030b0000 || PY_VERSION_HEX >= 0x030f0000
#error "multicorn supports CPython 3.11 to 3.14"
#endif

/*
 * Keeps Python, if it is still to be started, from looking for packages and
 * startup code in the home of the operating system user.
 */
static inline void
python_without_user_site(void)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
	Py_NoUserSiteDirectory = 1;
#pragma GCC diagnostic pop
}

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

/* What ExecutorRun() takes beside the query: PostgreSQL 18 has dropped execute_once. */
#if PG_VERSION_NUM >= 180000
#define EXECUTOR_RUN_PARAMETERS ScanDirection direction, uint64 count
#define EXECUTOR_RUN_ARGUMENTS	direction, count
#else
#define EXECUTOR_RUN_PARAMETERS \
	ScanDirection direction, uint64 count, bool execute_once
#define EXECUTOR_RUN_ARGUMENTS direction, count, execute_once
#endif

#endif /* MULTICORN_COMPAT_H */
