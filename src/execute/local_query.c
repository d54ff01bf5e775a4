/*
 * local_query.c
 *	  multicorn.execute(): SQL that a wrapper runs in this database.
 *
 * It has an SPI level and a subtransaction of its own. An error rolls that back,
 * so Python code may catch it and go on; a cancel is kept for the boundary all
 * the same. While the SQL runs Python counts as not at work: what reads another
 * foreign table meanwhile is settled at boundaries of its own, and interrupts are
 * PostgreSQL's.
 *
 * The SQL runs with the rights of the user whose instance is at work. That is
 * another than the current one under a view: whoever reads the view must not get
 * at those rights by a search_path, nor the owner at the reader's by something
 * deferred.
 */
#include "embed/cpython.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "convert/convert.h"
#include "embed/call.h"
#include "embed/error.h"
#include "embed/interpreter.h"
#include "embed/interrupt.h"
#include "embed/module.h"
#include "embed/session.h"
#include "embed/text.h"
#include "execute/local_query.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "parser/analyze.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

/* One call of multicorn.execute(). */
typedef struct LocalQuery
{
	PyObject *text; /* borrowed */
	const char *sql;
	PyObject *given; /* a tuple of parameters, borrowed */
	Oid user; /* whose rights it has; InvalidOid for the current user's */
	bool read_only;

	int count; /* of parameters */
	Oid *types;
	Datum *values;
	char *nulls;
	int converting; /* the number of the parameter at work, or 0 */
	ErrorContextCallback callback;

	PyObject *answer;	   /* (columns, type OIDs, rows, row count), or NULL */
	ErrorData *error;	   /* what it was rolled back for, or NULL */
	MemoryContext context; /* holds all of this but the answer */
} LocalQuery;

/* ---------- parameters ---------- */

/* CONTEXT of errors before SPI is at work, as SPI has it. */
static void
query_context(void *argument)
{
	LocalQuery *query = argument;
	int position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery(query->sql);
	}
	else if (query->converting > 0)
		errcontext("parameter $%d of SQL statement \"%s\"", query->converting,
				   query->sql);
	else
		errcontext("SQL statement \"%s\"", query->sql);
}

/* Finds out which types the parameters have where they stand. */
static void
infer_types(LocalQuery *query)
{
	List *statements = pg_parse_query(query->sql);

	if (list_length(statements) != 1)
		ereport(ERROR, errcode(ERRCODE_SYNTAX_ERROR),
				errmsg("parameters can be given to a single statement only"));
	parse_analyze_varparams(linitial_node(RawStmt, statements), query->sql,
							&query->types, &query->count, NULL);
	if (query->count != PyTuple_GET_SIZE(query->given))
		ereport(ERROR, errcode(ERRCODE_SYNTAX_ERROR),
				errmsg("wrong number of parameters for the SQL statement"),
				errdetail("It has %d, and %zd were given.", query->count,
						  PyTuple_GET_SIZE(query->given)));
	for (int i = 0; i < query->count; i++)
	{
		if (!OidIsValid(query->types[i]) || query->types[i] == UNKNOWNOID)
			ereport(ERROR, errcode(ERRCODE_INDETERMINATE_DATATYPE),
					errmsg("could not determine data type of parameter $%d",
						   i + 1),
					errhint("Write a cast, such as $%d::text.", i + 1));
	}
}

/* Converts the parameters. Throws for values that their types cannot hold. */
static void
convert_parameters(LocalQuery *query)
{
	ConversionSubject subject = {0};

	query->values = palloc0(query->count * sizeof(Datum));
	query->nulls = palloc0(query->count + 1);
	for (int i = 0; i < query->count; i++)
	{
		bool isnull;

		query->converting = i + 1;
		query->values[i] = to_datum(to_datum_create(query->types[i], -1, false,
													&subject),
									PyTuple_GET_ITEM(query->given, i), &isnull);
		query->nulls[i] = isnull ? 'n' : ' ';
	}
	query->converting = 0;
}

static void
prepare_parameters(LocalQuery *query)
{
	if (PyTuple_GET_SIZE(query->given) == 0)
		return;
	query->callback.callback = query_context;
	query->callback.arg = query;
	query->callback.previous = error_context_stack;
	error_context_stack = &query->callback;
	infer_types(query);
	convert_parameters(query);
	error_context_stack = query->callback.previous;
}

/* ---------- running ---------- */

/* Throws what SPI only returns a code for. */
static void
require_success(int code)
{
	if (code >= 0)
		return;
	if (code == SPI_ERROR_TRANSACTION)
		ereport(ERROR, errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				errmsg("multicorn.execute() cannot begin or end transactions and savepoints"));
	if (code == SPI_ERROR_COPY)
		ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("multicorn.execute() cannot COPY from or to the client"));
	elog(ERROR, "SPI failed: %s", SPI_result_code_string(code));
}

/* Returns SPI's code. */
static int
run(const LocalQuery *query)
{
	int code = query->count > 0
		? SPI_execute_with_args(query->sql, query->count, query->types,
								query->values, query->nulls, query->read_only,
								0)
		: SPI_execute(query->sql, query->read_only, 0);

	require_success(code);
	return code;
}

/* Throws that a value cannot be given to Python. */
static void
refuse_value(const char *column, ToPython *converter, Datum datum)
{
	ereport(ERROR, errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
			errmsg("value \"%s\" of column \"%s\" has no exact equivalent in Python",
				   to_exact_text(converter, datum), column),
			errhint("Cast it to text in the SQL statement."));
}

/* Adds a row to a list. Throws what converting the values does. */
static void
add_row(PyObject *rows, TupleDesc tupdesc, ToPython **converters,
		HeapTuple tuple, Datum *values, bool *nulls)
{
	PyObject *row = PyTuple_New(tupdesc->natts);

	if (row == NULL || PyList_Append(rows, row) != 0)
	{
		Py_XDECREF(row);
		python_throw();
	}
	/* The list keeps it, so that it is not lost if a conversion throws. */
	Py_DECREF(row);
	heap_deform_tuple(tuple, tupdesc, values, nulls);
	for (int i = 0; i < tupdesc->natts; i++)
	{
		PyObject *value = to_python(converters[i], values[i], nulls[i]);

		if (value == NULL)
			refuse_value(NameStr(TupleDescAttr(tupdesc, i)->attname),
						 converters[i], values[i]);
		PyTuple_SET_ITEM(row, i, value);
	}
}

/* The rows of SPI's result as a list of tuples, owned. */
static PyObject *
read_rows(SPITupleTable *table)
{
	TupleDesc tupdesc = table->tupdesc;
	ToPython **converters = palloc(tupdesc->natts * sizeof(ToPython *));
	Datum *values = palloc(tupdesc->natts * sizeof(Datum));
	bool *nulls = palloc(tupdesc->natts * sizeof(bool));
	PyObject *rows = reference_own(PyList_New(0));
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext,
													  "multicorn row",
													  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;

	for (int i = 0; i < tupdesc->natts; i++)
		converters[i] = to_python_create(TupleDescAttr(tupdesc, i)->atttypid,
										 false);
	old = MemoryContextSwitchTo(row_context);
	for (uint64 i = 0; i < table->numvals; i++)
	{
		CHECK_FOR_INTERRUPTS();
		add_row(rows, tupdesc, converters, table->vals[i], values, nulls);
		MemoryContextReset(row_context);
	}
	MemoryContextSwitchTo(old);
	return rows;
}

/* The names and the type OIDs of a result's columns as a tuple of two, owned. */
static PyObject *
describe_columns(TupleDesc tupdesc)
{
	PyObject *names = reference_own(PyTuple_New(tupdesc->natts));
	PyObject *types = reference_own(PyTuple_New(tupdesc->natts));

	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute form = TupleDescAttr(tupdesc, i);
		PyObject *type = PyLong_FromUnsignedLong(form->atttypid);

		if (type == NULL)
			python_throw();
		PyTuple_SET_ITEM(types, i, type);
		PyTuple_SET_ITEM(names, i,
						 Py_NewRef(python_string(NameStr(form->attname))));
	}
	return reference_own(PyTuple_Pack(2, names, types));
}

/* What SPI has to say about the last statement becomes the answer. */
static void
read_answer(LocalQuery *query, int code)
{
	uint64 processed = SPI_processed;
	SPITupleTable *table = SPI_tuptable;
	PyObject *columns = Py_None;
	PyObject *rows = Py_None;
	PyObject *count;

	if (table != NULL)
	{
		columns = describe_columns(table->tupdesc);
		rows = read_rows(table);
	}
	count = reference_own(code == SPI_OK_REWRITTEN ||
								  (code == SPI_OK_UTILITY && table == NULL &&
								   processed == 0)
							  ? PyLong_FromLong(-1)
							  : PyLong_FromUnsignedLongLong(processed));
	query->answer = PyTuple_Pack(3, columns, rows, count);
	if (query->answer == NULL)
		python_throw();
}

/* Runs the statement in an SPI level of its own, as the current user. */
static void
run_in_spi(LocalQuery *query)
{
	/* What is read at the end of a transaction has no snapshot yet. */
	bool needs_snapshot = !ActiveSnapshotSet() || !query->read_only;

	if (needs_snapshot)
		PushActiveSnapshot(GetTransactionSnapshot());
	prepare_parameters(query);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	read_answer(query, run(query));
	SPI_finish();
	if (needs_snapshot)
		PopActiveSnapshot();
}

/*
 * The same as the user whose instance is at work. An error leaves it to the end
 * of the subtransaction to change back.
 */
static void
run_as_user(LocalQuery *query)
{
	Oid user;
	int security;
	int level;

	GetUserIdAndSecContext(&user, &security);
	if (!OidIsValid(query->user) || query->user == user)
	{
		run_in_spi(query);
		return;
	}
	SetUserIdAndSecContext(query->user,
						   security | SECURITY_LOCAL_USERID_CHANGE |
							   SECURITY_RESTRICTED_OPERATION);
	level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	run_in_spi(query);
	AtEOXact_GUC(false, level);
	SetUserIdAndSecContext(user, security);
}

/* No deferred trigger would be called any more: there are none in pre_commit(). */
static void
check_constraints_at_once(void)
{
	ConstraintsSetStmt *statement = makeNode(ConstraintsSetStmt);

	AfterTriggerSetState(statement);
}

/* ---------- the subtransaction ---------- */

/* The error goes to Python, unless it is a cancel, which is not to be caught. */
static void
roll_back(LocalQuery *query, int level)
{
	ErrorData *error;

	MemoryContextSwitchTo(query->context);
	error = CopyErrorData();
	FlushErrorState();
	while (GetCurrentTransactionNestLevel() > level)
		RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(query->context);
	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		ReThrowError(error);
	query->error = error;
}

/* Runs the query in a subtransaction. Throws a cancel, and nothing else. */
static void
run_in_subtransaction(LocalQuery *query)
{
	ResourceOwner owner = CurrentResourceOwner;
	uint32 interrupt_holdoff = InterruptHoldoffCount;
	uint32 cancel_holdoff = QueryCancelHoldoffCount;
	int level = GetCurrentTransactionNestLevel();

	PG_TRY();
	{
		BeginInternalSubTransaction(NULL);
		MemoryContextSwitchTo(query->context);
		if (session_is_committing)
			check_constraints_at_once();
		run_as_user(query);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		InterruptHoldoffCount = interrupt_holdoff;
		QueryCancelHoldoffCount = cancel_holdoff;
		roll_back(query, level);
	}
	PG_END_TRY();
	CurrentResourceOwner = owner;
	MemoryContextSwitchTo(query->context);
}

/* For error_guard(): whatever is thrown ends the statement. */
static void
run_guarded(void *argument)
{
	LocalQuery *query = argument;

	MemoryContextSwitchTo(query->context);
	query->read_only = IsInParallelMode();
	if (query->read_only && !subtransactions_in_parallel_mode())
		run_as_user(query);
	else
		run_in_subtransaction(query);
}

/* ---------- what Python calls ---------- */

/* Raises RuntimeError where no SQL can be run. */
static bool
require_permission(void)
{
	const char *reason = NULL;

	if (python_depth == 0)
		reason = "is for methods of a wrapper; PL/Python has plpy.execute()";
	else if (interrupt_cleanup_is_open())
		reason = "cannot be used in commit(), rollback(), sub_rollback() and close(), nor where a scan or a write ends because of an error";
	else if (session_savepoint_ends)
		reason = "cannot be used in sub_commit()";
	if (reason != NULL)
		PyErr_Format(PyExc_RuntimeError, "multicorn.execute() %s", reason);
	return reason == NULL && session_require_transaction();
}

/* Adds a text, or None, to a list. Throws if memory runs out. */
static void
add_text(PyObject *list, const char *text)
{
	if (PyList_Append(list, text != NULL ? python_string(text) : Py_None) != 0)
		python_throw();
}

/* The context that the error does not share with what is around the query. */
static char *
own_context(const ErrorData *error)
{
	char *context = error->context;
	char *outer = GetErrorContextStack();
	Size length;
	Size outer_length;

	if (context == NULL || outer == NULL)
		return context;
	length = strlen(context);
	outer_length = strlen(outer);
	if (length < outer_length ||
		strcmp(context + length - outer_length, outer) != 0)
		return context;
	length -= outer_length;
	if (length > 0 && context[length - 1] == '\n')
		length--;
	return length > 0 ? pnstrdup(context, length) : NULL;
}

/* For error_guard(): what the package is to make an exception of. */
static void
describe_error(void *argument)
{
	LocalQuery *query = argument;
	ErrorData *error = query->error;
	PyObject *fields;
	int position = error->internalpos > 0 ? error->internalpos
										  : error->cursorpos;

	MemoryContextSwitchTo(query->context);
	fields = reference_own(PyList_New(0));
	add_text(fields, error->message);
	add_text(fields, unpack_sql_state(error->sqlerrcode));
	add_text(fields, error->detail);
	add_text(fields, error->hint);
	add_text(fields, own_context(error));
	add_text(fields, error->schema_name);
	add_text(fields, error->table_name);
	add_text(fields, error->column_name);
	add_text(fields, error->datatype_name);
	add_text(fields, error->constraint_name);
	add_text(fields, position > 0 ? psprintf("%d", position) : NULL);
	query->answer = PyList_AsTuple(fields);
	if (query->answer == NULL)
		python_throw();
}

/* Sets the Python exception for the error; the result is NULL. */
static PyObject *
raise_error(LocalQuery *query)
{
	PyObject *exception;

	query->answer = NULL;
	if (!error_guard(describe_error, query))
		return NULL;
	exception = PyObject_CallObject(interpreter_functions.database_error,
									query->answer);
	Py_CLEAR(query->answer);
	if (exception != NULL)
	{
		PyErr_SetObject((PyObject *) Py_TYPE(exception), exception);
		Py_DECREF(exception);
	}
	return NULL;
}

/* For error_guard(): makes room, and reads the text in the database's encoding. */
static void
read_text(void *argument)
{
	LocalQuery *query = argument;
	Size length;

	query->context = AllocSetContextCreate(CurrentMemoryContext,
										   "multicorn local query",
										   ALLOCSET_SMALL_SIZES);
	MemoryContextSwitchTo(query->context);
	query->sql = text_from_python(query->text, &length);
}

/* Runs what was prepared: a new reference, or NULL with an exception set. */
static PyObject *
execute(LocalQuery *query)
{
	bool succeeded;
	SuspendedPython suspended;

	if (!error_guard(read_text, query))
		return NULL;
	suspended = python_suspend();
	succeeded = error_guard(run_guarded, query);
	python_resume(suspended);
	if (!succeeded)
	{
		Py_CLEAR(query->answer);
		return NULL;
	}
	interrupt_stay();
	if (query->error != NULL)
	{
		Py_CLEAR(query->answer);
		return raise_error(query);
	}
	return query->answer;
}

/*
 * execute(sql, parameters) of the built-in module: runs SQL as the user of the
 * instance that is at work. A new reference to (columns, rows, row count), where
 * columns is None or (names, type OIDs), and rows None or a list of tuples; NULL
 * with an exception set, which is DatabaseError for an error of the SQL. Throws
 * nothing.
 */
static PyObject *
local_query_execute(PyObject *arguments)
{
	LocalQuery query = {0};
	PyObject *result;

	if (!PyArg_ParseTuple(arguments, "UO!", &query.text, &PyTuple_Type,
						  &query.given) ||
		!require_permission())
		return NULL;
	query.user = call_site_user();
	result = execute(&query);
	if (query.context != NULL)
		MemoryContextDelete(query.context);
	return result;
}

/* Has the built-in module call this file. Called once, when the library is loaded. */
void
local_query_listen(void)
{
	module_execute = local_query_execute;
}
