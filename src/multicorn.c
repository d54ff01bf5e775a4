/*
 * multicorn.c
 *	  The front door: what PostgreSQL finds in the library. The handler names
 *	  the callbacks, the validator hands options on, _PG_init() defines the
 *	  settings and registers listeners. No logic.
 */
#include "embed/cpython.h"

#include "access/reloptions.h"
#include "embed/error.h"
#include "embed/interpreter.h"
#include "embed/interrupt.h"
#include "embed/session.h"
#include "execute/analyze.h"
#include "execute/connections.h"
#include "execute/explain.h"
#include "execute/federation.h"
#include "execute/fetch.h"
#include "execute/import.h"
#include "execute/local_query.h"
#include "execute/modify.h"
#include "execute/scan.h"
#include "execute/statement.h"
#include "execute/status.h"
#include "fmgr.h"
#include "foreign/fdwapi.h"
#include "plan/expression.h"
#include "plan/path.h"
#include "plan/relation.h"
#include "plan/statistics.h"
#include "plan/target.h"
#include "plan/upper.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "wrapper/instance.h"
#include "wrapper/options.h"
#include "wrapper/transaction.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(multicorn_handler);
PG_FUNCTION_INFO_V1(multicorn_validator);
PG_FUNCTION_INFO_V1(multicorn_postgres_validator);
PG_FUNCTION_INFO_V1(multicorn_postgres_get_connections);
PG_FUNCTION_INFO_V1(multicorn_postgres_disconnect);
PG_FUNCTION_INFO_V1(multicorn_postgres_disconnect_all);
PG_FUNCTION_INFO_V1(multicorn_remote_columns);
PG_FUNCTION_INFO_V1(multicorn_connect);
PG_FUNCTION_INFO_V1(multicorn_server);
PG_FUNCTION_INFO_V1(multicorn_skipped);
PG_FUNCTION_INFO_V1(multicorn_status);
PG_FUNCTION_INFO_V1(multicorn_instances);
PG_FUNCTION_INFO_V1(multicorn_reset);

PGDLLEXPORT void _PG_init(void);
PGDLLEXPORT Datum multicorn_handler(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum multicorn_validator(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum multicorn_postgres_validator(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum multicorn_postgres_get_connections(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum multicorn_postgres_disconnect(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum multicorn_postgres_disconnect_all(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum multicorn_remote_columns(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum multicorn_connect(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum multicorn_server(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum multicorn_skipped(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum multicorn_status(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum multicorn_instances(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum multicorn_reset(PG_FUNCTION_ARGS);

/* multicorn_handler() returns fdw_handler: the callbacks of foreign tables. */
Datum
multicorn_handler(PG_FUNCTION_ARGS)
{
	FdwRoutine *routine = makeNode(FdwRoutine);

	routine->GetForeignRelSize = multicornGetForeignRelSize;
	routine->GetForeignPaths = multicornGetForeignPaths;
	routine->GetForeignPlan = multicornGetForeignPlan;
	routine->GetForeignUpperPaths = multicornGetForeignUpperPaths;
	routine->ReparameterizeForeignPathByChild =
		multicornReparameterizeForeignPathByChild;

	routine->BeginForeignScan = multicornBeginForeignScan;
	routine->IterateForeignScan = multicornIterateForeignScan;
	routine->ReScanForeignScan = multicornReScanForeignScan;
	routine->EndForeignScan = multicornEndForeignScan;

	routine->IsForeignRelUpdatable = multicornIsForeignRelUpdatable;
	routine->AddForeignUpdateTargets = multicornAddForeignUpdateTargets;
	routine->PlanForeignModify = multicornPlanForeignModify;
	routine->BeginForeignModify = multicornBeginForeignModify;
	routine->BeginForeignInsert = multicornBeginForeignInsert;
	routine->ExecForeignInsert = multicornExecForeignInsert;
	routine->ExecForeignBatchInsert = multicornExecForeignBatchInsert;
	routine->GetForeignModifyBatchSize = multicornGetForeignModifyBatchSize;
	routine->ExecForeignUpdate = multicornExecForeignUpdate;
	routine->ExecForeignDelete = multicornExecForeignDelete;
	routine->EndForeignModify = multicornEndForeignModify;
	routine->EndForeignInsert = multicornEndForeignModify;
	routine->ExecForeignTruncate = multicornExecForeignTruncate;

	routine->ExplainForeignScan = multicornExplainForeignScan;
	routine->AnalyzeForeignTable = multicornAnalyzeForeignTable;
	routine->ImportForeignSchema = multicornImportForeignSchema;

	PG_RETURN_POINTER(routine);
}

/* multicorn_validator(text[], oid) returns void: throws for options that cannot be right. */
Datum
multicorn_validator(PG_FUNCTION_ARGS)
{
	options_validate(untransformRelOptions(PG_GETARG_DATUM(0)),
					 PG_GETARG_OID(1));
	PG_RETURN_VOID();
}

/*
 * multicorn_postgres_validator(text[], oid) returns void: the same for the
 * options of a remote PostgreSQL, all of which are known.
 */
Datum
multicorn_postgres_validator(PG_FUNCTION_ARGS)
{
	options_validate_postgres(untransformRelOptions(PG_GETARG_DATUM(0)),
							  PG_GETARG_OID(1));
	PG_RETURN_VOID();
}

/* multicorn_postgres_get_connections() returns setof record: those of the session. */
Datum
multicorn_postgres_get_connections(PG_FUNCTION_ARGS)
{
	connections_list(fcinfo);
	return (Datum) 0;
}

/* multicorn_postgres_disconnect(text) returns boolean: was there one to close? */
Datum
multicorn_postgres_disconnect(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(connections_disconnect(text_to_cstring(PG_GETARG_TEXT_PP(0))));
}

/* multicorn_postgres_disconnect_all() returns boolean: the same for all servers. */
Datum
multicorn_postgres_disconnect_all(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(connections_disconnect_all());
}

/* multicorn_remote_columns(text, text, text[]) returns setof record: what a server has. */
Datum
multicorn_remote_columns(PG_FUNCTION_ARGS)
{
	federation_remote_columns(fcinfo);
	return (Datum) 0;
}

/* multicorn_connect(text) returns setof record: does a server answer, and as what? */
Datum
multicorn_connect(PG_FUNCTION_ARGS)
{
	federation_connect(fcinfo);
	return (Datum) 0;
}

/* multicorn_server(oid) returns text: the deployment that a row's tableoid tells. */
Datum
multicorn_server(PG_FUNCTION_ARGS)
{
	char *name = federation_deployment(PG_GETARG_OID(0));

	if (name == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(name));
}

/* multicorn_skipped() returns setof record: the servers that the last statement left out. */
Datum
multicorn_skipped(PG_FUNCTION_ARGS)
{
	connections_skipped(fcinfo);
	return (Datum) 0;
}

/* multicorn_status() returns record: the session's interpreter. */
Datum
multicorn_status(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(status_session(fcinfo));
}

/* multicorn_instances() returns setof record: those of the session. */
Datum
multicorn_instances(PG_FUNCTION_ARGS)
{
	status_instances(fcinfo);
	return (Datum) 0;
}

/* multicorn_reset() returns integer: how many instances it has dropped. */
Datum
multicorn_reset(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(instance_reset());
}

/* The virtual environment is chosen once for a session. */
static bool
check_virtualenv(char **newval, void **extra, GucSource source)
{
	const char *current = interpreter_virtualenv != NULL
		? interpreter_virtualenv
		: "";

	if (!interpreter_virtualenv_is_fixed() || strcmp(*newval, current) == 0)
		return true;
	if (current[0] == '\0')
		GUC_check_errdetail("Python already runs in this session, without a virtual environment.");
	else
		GUC_check_errdetail("Python already runs in this session, with virtual environment \"%s\".",
							current);
	GUC_check_errhint("Set it before the first use of a foreign table, or for new sessions with ALTER DATABASE, ALTER ROLE or ALTER SYSTEM.");
	return false;
}

static void
assign_python_path(const char *newval, void *extra)
{
	interpreter_settings_changed();
}

static void
assign_allowed_wrappers(const char *newval, void *extra)
{
	instance_doubt_all();
}

static void
define_settings(void)
{
	DefineCustomStringVariable("multicorn.virtualenv",
							   "Virtual environment in which Python looks for wrappers.",
							   "The folder that contains pyvenv.cfg; empty for none.",
							   &interpreter_virtualenv, "", PGC_SUSET, 0,
							   check_virtualenv, NULL, NULL);
	DefineCustomStringVariable("multicorn.python_path",
							   "Folders in which Python looks for wrappers first, separated by colons.",
							   NULL, &interpreter_python_path, "", PGC_SUSET,
							   0, NULL, assign_python_path, NULL);
	DefineCustomStringVariable(
		"multicorn.allowed_wrappers",
		"Wrapper classes that every role may name, as patterns separated by commas.",
		"* stands for any characters but a dot; a lone * lets every class through.",
		&options_allowed_wrappers, "", PGC_SUSET, 0, NULL,
		assign_allowed_wrappers, NULL);
	DefineCustomBoolVariable("multicorn.show_traceback",
							 "Shows the traceback of Python errors to the client.",
							 "When off, it is written to the server log only.",
							 &error_show_traceback, true, PGC_SUSET, 0, NULL,
							 NULL, NULL);
	DefineCustomIntVariable("multicorn.cleanup_timeout",
							"Longest time that a method may take that is called when nothing may fail.",
							"It is ended then, with a warning. 0 waits for ever.",
							&interrupt_cleanup_timeout, 10000, 0, INT_MAX,
							PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomEnumVariable("multicorn.on_unreachable",
							 "What a query does where a remote PostgreSQL server cannot be reached.",
							 "\"server\": what its option on_unreachable says.",
							 &session_on_unreachable, session_on_unreachable,
							 session_on_unreachable_options, PGC_USERSET, 0,
							 NULL, NULL, NULL);
	MarkGUCPrefixReserved("multicorn");
}

void
_PG_init(void)
{
	define_settings();
	instance_listen();
	expression_listen();
	relation_listen();
	statistics_listen();
	transaction_listen();
	fetch_listen();
	statement_listen();
	local_query_listen();
}
