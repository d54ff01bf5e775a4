/*
 * connections.c
 *	  What SQL may ask and do about the connections of multicorn.postgresfdw,
 *	  which are kept by Python. A session that has none does not start Python.
 */
#include "execute/connections.h"

#include "access/htup_details.h"
#include "catalog/pg_user_mapping.h"
#include "embed/call.h"
#include "embed/error.h"
#include "embed/interpreter.h"
#include "embed/text.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/syscache.h"

/* The parts of a connection, in the order of multicorn.postgresfdw. */
typedef enum ConnectionPart
{
	CONNECTION_SERVER,
	CONNECTION_USER_MAPPING,
	CONNECTION_VALID,
	CONNECTION_USED,
	CONNECTION_CLOSED,
	CONNECTION_PID
} ConnectionPart;

/* The parts of a server that was left out, likewise, and the columns of multicorn_skipped(). */
typedef enum SkippedPart
{
	SKIPPED_SERVER_NAME,
	SKIPPED_MESSAGE,
	SKIPPED_SINCE, /* in microseconds since 1970 */
	SKIPPED_COUNT
} SkippedPart;

/* The columns of multicorn_postgres_get_connections(). */
typedef enum ConnectionColumn
{
	COLUMN_SERVER_NAME,
	COLUMN_USER_NAME,
	COLUMN_VALID,
	COLUMN_USED_IN_XACT,
	COLUMN_CLOSED,
	COLUMN_REMOTE_BACKEND_PID,
	COLUMN_COUNT
} ConnectionColumn;

/*
 * Calls a method of the connections with a server's OID, unless that is
 * InvalidOid. Returns what it does, owned by CurrentMemoryContext; NULL if the
 * session has never used such a table. Throws what the method raises.
 */
static PyObject *
ask_connections(const char *method, Oid server)
{
	PyObject *arguments[2];
	PyObject *answer;
	size_t count = 1;
	CallSite site;

	if (!interpreter_is_usable())
		return NULL;
	call_site_push(&site, "connections of multicorn_postgres", method);
	arguments[0] = python_string(method);
	if (OidIsValid(server))
		arguments[count++] = reference_own(PyLong_FromUnsignedLong(server));
	answer = reference_own(python_call(interpreter_functions.postgres_connections,
									   arguments, count, NULL));
	call_site_pop(&site);
	return answer != Py_None ? answer : NULL;
}

/* A part that is a number. */
static unsigned long
number_part(PyObject *connection, ConnectionPart part)
{
	unsigned long number = PyLong_AsUnsignedLong(PyTuple_GET_ITEM(connection,
																  part));

	if (PyErr_Occurred())
		python_throw();
	return number;
}

/* A part that is a bool. */
static Datum
bool_part(PyObject *connection, ConnectionPart part)
{
	return BoolGetDatum(PyTuple_GET_ITEM(connection, part) == Py_True);
}

/* The name of a server, or NULL if it was dropped. */
static char *
server_name(Oid oid)
{
	ForeignServer *server = GetForeignServerExtended(oid, FSV_MISSING_OK);

	return server != NULL ? server->servername : NULL;
}

/* Whom a user mapping is for; NULL if it was dropped. */
static char *
user_name(Oid oid)
{
	HeapTuple mapping = SearchSysCache1(USERMAPPINGOID, ObjectIdGetDatum(oid));
	Oid user;

	if (!HeapTupleIsValid(mapping))
		return NULL;
	user = ((Form_pg_user_mapping) GETSTRUCT(mapping))->umuser;
	ReleaseSysCache(mapping);
	return OidIsValid(user) ? GetUserNameFromId(user, true) : pstrdup("public");
}

/* Sets a column to a text, or to NULL. */
static void
set_text(Datum *values, bool *nulls, ConnectionColumn column, const char *text)
{
	nulls[column] = text == NULL;
	if (text != NULL)
		values[column] = CStringGetTextDatum(text);
}

/* Adds a connection to the function's result. */
static void
put_connection(ReturnSetInfo *result, PyObject *connection)
{
	Datum values[COLUMN_COUNT] = {0};
	bool nulls[COLUMN_COUNT] = {0};
	unsigned long pid = number_part(connection, CONNECTION_PID);

	set_text(values, nulls, COLUMN_SERVER_NAME,
			 server_name((Oid) number_part(connection, CONNECTION_SERVER)));
	set_text(values, nulls, COLUMN_USER_NAME,
			 user_name((Oid) number_part(connection, CONNECTION_USER_MAPPING)));
	values[COLUMN_VALID] = nulls[COLUMN_SERVER_NAME] || nulls[COLUMN_USER_NAME]
		? BoolGetDatum(false)
		: bool_part(connection, CONNECTION_VALID);
	values[COLUMN_USED_IN_XACT] = bool_part(connection, CONNECTION_USED);
	values[COLUMN_CLOSED] = bool_part(connection, CONNECTION_CLOSED);
	values[COLUMN_REMOTE_BACKEND_PID] = Int32GetDatum((int32) pid);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * The result of multicorn_postgres_get_connections(): a row for each open
 * connection of the session.
 */
void
connections_list(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	PyObject *listed;

	InitMaterializedSRF(fcinfo, 0);
	listed = ask_connections("listed", InvalidOid);
	for (Py_ssize_t i = 0; listed != NULL && i < PyList_GET_SIZE(listed); i++)
		put_connection(result, PyList_GET_ITEM(listed, i));
}

/* A part that is a text. */
static Datum
text_part(PyObject *skipped, SkippedPart part)
{
	return CStringGetTextDatum(text_from_python_lossy(PyTuple_GET_ITEM(skipped,
																	   part)));
}

/* A part that is a time. */
static Datum
moment_part(PyObject *skipped, SkippedPart part)
{
	const int64 epoch = (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) *
		USECS_PER_DAY;
	long long time = PyLong_AsLongLong(PyTuple_GET_ITEM(skipped, part));

	if (PyErr_Occurred())
		python_throw();
	return TimestampTzGetDatum(time - epoch);
}

/*
 * The result of multicorn_skipped(): a row for each server that the last
 * statement that has read such tables left out.
 */
void
connections_skipped(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	PyObject *skipped;

	InitMaterializedSRF(fcinfo, 0);
	skipped = ask_connections("skipped", InvalidOid);
	for (Py_ssize_t i = 0; skipped != NULL && i < PyList_GET_SIZE(skipped); i++)
	{
		PyObject *one = PyList_GET_ITEM(skipped, i);
		bool nulls[SKIPPED_COUNT] = {0};
		Datum values[SKIPPED_COUNT] =
			{[SKIPPED_SERVER_NAME] = text_part(one, SKIPPED_SERVER_NAME),
			 [SKIPPED_MESSAGE] = text_part(one, SKIPPED_MESSAGE),
			 [SKIPPED_SINCE] = moment_part(one, SKIPPED_SINCE)};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

/*
 * Closes the session's connections to a server, except those in use. Returns
 * whether it has closed any; throws if there is no such server.
 */
bool
connections_disconnect(const char *server_name)
{
	ForeignServer *server = GetForeignServerByName(server_name, false);

	return ask_connections("disconnect", server->serverid) == Py_True;
}

/* The same for all servers. */
bool
connections_disconnect_all(void)
{
	return ask_connections("disconnect_all", InvalidOid) == Py_True;
}
