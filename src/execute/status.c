/*
 * status.c
 *	  What SQL may ask about the session's Python: the interpreter, the
 *	  instances, and their memory. Asking does not start Python.
 *
 * No option is shown, neither of servers and tables nor of user mappings.
 */
#include "execute/status.h"

#include <unistd.h>

#include "access/htup_details.h"
#include "embed/call.h"
#include "embed/error.h"
#include "embed/interpreter.h"
#include "embed/text.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "wrapper/instance.h"

/* The columns of multicorn_status(). */
typedef enum StatusColumn
{
	STATUS_RUNNING,
	STATUS_VERSION, /* from here on as multicorn._status.status() says it */
	STATUS_EXECUTABLE,
	STATUS_PREFIX,
	STATUS_VIRTUALENV,
	STATUS_PACKAGE,
	STATUS_STARTED_BY, /* up to here */
	STATUS_INSTANCES,
	STATUS_PYTHON_BLOCKS,
	STATUS_POSTGRES_MEMORY,
	STATUS_PROCESS_MEMORY,
	STATUS_COLUMNS
} StatusColumn;

/* The columns of multicorn_instances(). */
typedef enum InstanceColumn
{
	INSTANCE_TABLE,
	INSTANCE_USER,
	INSTANCE_CLASS,
	INSTANCE_IN_TRANSACTION,
	INSTANCE_IN_USE,
	INSTANCE_MEMORY,
	INSTANCE_COLUMNS
} InstanceColumn;

/*
 * The memory that the process has for itself, in bytes: what is resident and
 * neither a file's nor shared. -1 where the system does not tell.
 */
static int64
process_memory(void)
{
	FILE *file = AllocateFile("/proc/self/statm", "r");
	char line[128];
	char *after;
	unsigned long resident;
	unsigned long shared;
	bool found = file != NULL && fgets(line, sizeof(line), file) != NULL;

	if (file != NULL)
		FreeFile(file);
	if (!found)
		return -1;
	/* the size of the address space, the resident part, what others have too */
	(void) strtoul(line, &after, 10);
	resident = strtoul(after, &after, 10);
	shared = strtoul(after, &after, 10);
	return resident >= shared
		? (int64) (resident - shared) * sysconf(_SC_PAGESIZE)
		: -1;
}

/* A number that Python has given; throws if it is none. */
static Datum
number_datum(PyObject *number)
{
	long long value = PyLong_AsLongLong(number);

	if (value == -1 && PyErr_Occurred())
		python_throw();
	return Int64GetDatum(value);
}

/* Fills in what Python says about itself. */
static void
ask_interpreter(Datum *values, bool *nulls)
{
	PyObject *own = interpreter_is_own() ? Py_True : Py_False;
	PyObject *answer = reference_own(python_call(interpreter_functions.status,
												 &own, 1, NULL));

	for (int column = STATUS_VERSION; column <= STATUS_STARTED_BY; column++)
	{
		char *text = text_from_python_lossy(PyTuple_GET_ITEM(answer,
															 column -
																 STATUS_VERSION));

		nulls[column] = text == NULL;
		if (text != NULL)
			values[column] = CStringGetTextDatum(text);
	}
	values[STATUS_PYTHON_BLOCKS] =
		number_datum(PyTuple_GET_ITEM(answer,
									  STATUS_STARTED_BY - STATUS_VERSION + 1));
	nulls[STATUS_PYTHON_BLOCKS] = false;
}

/*
 * The result of multicorn_status(): a row about the session's interpreter. In
 * a session that has not used multicorn yet, it says so and nothing of Python.
 */
Datum
status_session(FunctionCallInfo fcinfo)
{
	Datum values[STATUS_COLUMNS] = {0};
	bool nulls[STATUS_COLUMNS] = {0};
	TupleDesc tupdesc;
	int64 memory;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE ||
		tupdesc->natts != STATUS_COLUMNS)
		elog(ERROR, "multicorn_status() must return a row of %d columns",
			 STATUS_COLUMNS);
	for (int column = STATUS_VERSION; column <= STATUS_PYTHON_BLOCKS; column++)
		nulls[column] = true;
	values[STATUS_RUNNING] = BoolGetDatum(interpreter_is_usable());
	if (interpreter_is_usable())
		ask_interpreter(values, nulls);
	values[STATUS_INSTANCES] = Int32GetDatum(instance_count());
	nulls[STATUS_INSTANCES] = false;
	values[STATUS_POSTGRES_MEMORY] =
		Int64GetDatum((int64) MemoryContextMemAllocated(TopMemoryContext, true));
	memory = process_memory();
	values[STATUS_PROCESS_MEMORY] = Int64GetDatum(memory);
	nulls[STATUS_PROCESS_MEMORY] = memory < 0;
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values,
											 nulls));
}

/* The memory of an instance in bytes, as multicorn._status.measure() counts it. */
static Datum
instance_memory(Instance *instance)
{
	CallSite site;
	PyObject *size;

	call_site_push(&site, instance->subject, NULL);
	size = reference_own(python_call(interpreter_functions.measure,
									 &instance->object, 1, NULL));
	call_site_pop(&site);
	return number_datum(size);
}

/* Adds an instance, which is pinned once for that, to the function's result. */
static void
put_instance(ReturnSetInfo *result, Instance *instance)
{
	Datum values[INSTANCE_COLUMNS] = {0};
	bool nulls[INSTANCE_COLUMNS] = {0};
	char *user = GetUserNameFromId(instance->user, true);

	values[INSTANCE_TABLE] = ObjectIdGetDatum(instance->table);
	nulls[INSTANCE_USER] = user == NULL;
	if (user != NULL)
		values[INSTANCE_USER] = CStringGetTextDatum(user);
	values[INSTANCE_CLASS] = CStringGetTextDatum(instance->wrapper);
	values[INSTANCE_IN_TRANSACTION] = BoolGetDatum(instance->takes_part);
	values[INSTANCE_IN_USE] = BoolGetDatum(instance->pins > 1);
	values[INSTANCE_MEMORY] = instance_memory(instance);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* The result of multicorn_instances(): a row for each instance of the session. */
void
status_instances(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext context;
	MemoryContext old;
	ListCell *cell;

	InitMaterializedSRF(fcinfo, 0);
	if (!interpreter_is_usable())
		return;
	context = AllocSetContextCreate(CurrentMemoryContext,
									"multicorn instances listed",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	foreach (cell, instance_hold_all())
		put_instance(result, lfirst(cell));
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
