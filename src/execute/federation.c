/*
 * federation.c
 *	  What SQL may ask about deployments, the servers behind one table. The SQL of
 *	  the extension attaches and compares; here is what only the wrapper of a
 *	  remote PostgreSQL knows: what a server's tables are, and whether it answers.
 */
#include "execute/federation.h"

#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "embed/call.h"
#include "embed/error.h"
#include "embed/interpreter.h"
#include "embed/text.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "wrapper/options.h"

/* ---------- asking ---------- */

/* A server by its name. Throws if there is none or the current user may not use it. */
static ForeignServer *
usable_server(const char *name)
{
	ForeignServer *server = GetForeignServerByName(name, false);
	AclResult result = foreign_server_aclcheck(server->serverid, GetUserId());

	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_FOREIGN_SERVER, server->servername);
	return server;
}

/*
 * Calls a function of multicorn.postgresfdw._federation with the options of a
 * server, as the current user sees it, and what follows. The list of rows that it
 * returns, owned by CurrentMemoryContext; throws what it raises.
 */
static PyObject *
ask(const char *server_name, const char *function, PyObject *schema,
	PyObject *tables)
{
	ForeignServer *server = usable_server(server_name);
	WrapperDefinition definition;
	PyObject *arguments[6];
	PyObject *rows;
	CallSite site;

	interpreter_start();
	call_site_push(&site, psprintf("server \"%s\"", server->servername),
				   function);
	options_read_for_import(server->serverid, NIL, &definition);
	error_remember_secrets(definition.options);
	arguments[0] = definition.place;
	arguments[1] = definition.class;
	arguments[2] = python_string(function);
	arguments[3] = definition.options;
	arguments[4] = schema;
	arguments[5] = tables;
	rows = reference_own(python_call(interpreter_functions.ask_postgres,
									 arguments, schema != NULL ? 6 : 4, NULL));
	call_site_pop(&site);
	return rows;
}

/* ---------- answers ---------- */

/* The fields of a row, texts or NULL, in the order of the function's columns. */
static void
put_row(ReturnSetInfo *result, AttInMetadata *metadata, PyObject *row)
{
	int count = (int) PyTuple_GET_SIZE(row);
	char **values = palloc0(count * sizeof(char *));
	HeapTuple tuple;

	for (int i = 0; i < count; i++)
	{
		PyObject *field = PyTuple_GET_ITEM(row, i);
		Size length;

		if (field != Py_None)
			values[i] = pstrdup(text_from_python(field, &length));
	}
	tuple = BuildTupleFromCStrings(metadata, values);
	tuplestore_puttuple(result->setResult, tuple);
}

/* The rows of an answer as the result of a function. */
static void
put_rows(FunctionCallInfo fcinfo, PyObject *rows)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	AttInMetadata *metadata;

	InitMaterializedSRF(fcinfo, 0);
	metadata = TupleDescGetAttInMetadata(result->setDesc);
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(rows); i++)
		put_row(result, metadata, PyList_GET_ITEM(rows, i));
}

/* A list of str out of an array of texts, without NULLs; owned. None for NULL. */
static PyObject *
names_argument(FunctionCallInfo fcinfo, int number)
{
	PyObject *names;
	Datum *elements;
	bool *nulls;
	int count;

	if (PG_ARGISNULL(number))
		return Py_None;
	names = reference_own(PyList_New(0));
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(number), TEXTOID, -1, false,
					  TYPALIGN_INT, &elements, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		if (!nulls[i] &&
			PyList_Append(names,
						  python_string(TextDatumGetCString(elements[i]))) != 0)
			python_throw();
	}
	return names;
}

/*
 * The result of multicorn_remote_columns(server_name, remote_schema, tables): a row
 * for each column of these tables of a remote schema, of all if tables is NULL.
 */
void
federation_remote_columns(FunctionCallInfo fcinfo)
{
	PyObject *schema;
	PyObject *tables;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR, errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("server_name and remote_schema must not be NULL"));
	interpreter_start();
	schema = python_string(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	tables = names_argument(fcinfo, 2);
	put_rows(fcinfo,
			 ask(text_to_cstring(PG_GETARG_TEXT_PP(0)), "remote_columns",
				 schema, tables));
}

/* The result of multicorn_connect(server_name): one row, what a connection has shown. */
void
federation_connect(FunctionCallInfo fcinfo)
{
	put_rows(fcinfo,
			 ask(text_to_cstring(PG_GETARG_TEXT_PP(0)), "connect", NULL, NULL));
}

/* ---------- where a row is from ---------- */

/*
 * The deployment that a table belongs to: the name of its server; of an ordinary
 * table that is a child of another one, that of its schema. NULL for others.
 */
char *
federation_deployment(Oid table)
{
	char kind = get_rel_relkind(table);

	if (kind == RELKIND_FOREIGN_TABLE)
		return GetForeignServer(GetForeignTable(table)->serverid)->servername;
	if (kind != '\0' && has_superclass(table))
		return get_namespace_name(get_rel_namespace(table));
	return NULL;
}
