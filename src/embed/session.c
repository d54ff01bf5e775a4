/*
 * session.c
 *	  What Python may ask about the session and its transaction.
 *
 * Called by Python: nothing here throws.
 */
#include "embed/session.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/dbcommands.h"
#include "compat.h"
#include "embed/call.h"
#include "embed/error.h"
#include "embed/interrupt.h"
#include "embed/text.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "parser/parse_type.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"

SessionQuery session_query;

/* What is to be done where a server cannot be reached. */
typedef enum OnUnreachable
{
	UNREACHABLE_SERVER, /* as the options of the server say */
	UNREACHABLE_ERROR,
	UNREACHABLE_SKIP
} OnUnreachable;

int session_on_unreachable = UNREACHABLE_SERVER;
const struct config_enum_entry session_on_unreachable_options[] =
	{{"server", UNREACHABLE_SERVER, false},
	 {"error", UNREACHABLE_ERROR, false},
	 {"skip", UNREACHABLE_SKIP, false},
	 {NULL, 0, false}};
bool session_is_committing = false;
bool session_savepoint_ends = false;

/* Raises RuntimeError where a transaction has been decided, or there is none. */
bool
session_require_transaction(void)
{
	if (IsTransactionState() && !interrupt_in_cleanup())
		return true;
	PyErr_SetString(PyExc_RuntimeError,
					"there is no transaction in progress any more");
	return false;
}

/* Adds a text to a dict. Throws if memory runs out. */
static void
add_fact(PyObject *facts, const char *name, const char *text)
{
	if (PyDict_SetItem(facts, python_string(name),
					   python_string(text != NULL ? text : "")) != 0)
		python_throw();
}

/* Makes the dict, owned by CurrentMemoryContext. Reads catalogs; throws what that does. */
static void
collect_facts(void *argument)
{
	PyObject *facts = reference_own(PyDict_New());

	add_fact(facts, "application_name", application_name);
	add_fact(facts, "cluster_name", cluster_name);
	add_fact(facts, "user", GetUserNameFromId(GetSessionUserId(), true));
	add_fact(facts, "database", get_database_name(MyDatabaseId));
	add_fact(facts, "pid", psprintf("%d", MyProcPid));
	add_fact(facts, "session_id",
			 psprintf("%lx.%x", (long) MyStartTime, MyProcPid));
	add_fact(facts, "encoding", GetDatabaseEncodingName());
	*(PyObject **) argument = facts;
}

/*
 * A new dict of str: the session's application_name, cluster_name, user,
 * database, pid, session_id as %c in log_line_prefix, and the database's
 * encoding.
 */
PyObject *
session_facts(void)
{
	PyObject *facts = NULL;

	if (!session_require_transaction() ||
		!error_guard(collect_facts, (void *) &facts))
		return NULL;
	return Py_NewRef(facts);
}

/*
 * The session ends: what Python says from now on is for the log alone. A client
 * that does not read would keep the process waiting, deaf to all signals. Never
 * throws.
 */
void
session_falls_silent(void)
{
	if (whereToSendOutput == DestRemote)
		whereToSendOutput = DestNone;
}

/*
 * Whether a transaction runs that was not decided and has not failed. That of a
 * session that ends will be rolled back, which is not done yet.
 */
PyObject *
session_in_transaction(void)
{
	return PyBool_FromLong(IsTransactionState() && !interrupt_in_cleanup() &&
						   !proc_exit_inprogress);
}

/* 1 in a transaction, 2 in its first savepoint, and so on: a new reference. */
PyObject *
session_nest_level(void)
{
	return PyLong_FromLong(GetCurrentTransactionNestLevel());
}

/* The local number of the transaction: a new reference to an int. */
PyObject *
session_transaction_number(void)
{
	return PyLong_FromUnsignedLong(local_transaction_number());
}

/* The isolation level of the transaction, as SQL writes it: a new reference. */
PyObject *
session_isolation_level(void)
{
	switch (XactIsoLevel)
	{
		case XACT_SERIALIZABLE:
			return PyUnicode_FromString("serializable");
		case XACT_REPEATABLE_READ:
			return PyUnicode_FromString("repeatable read");
		case XACT_READ_COMMITTED:
			return PyUnicode_FromString("read committed");
		default:
			return PyUnicode_FromString("read uncommitted");
	}
}

/*
 * What execute() is called for, as (may_be_incomplete, number, statement): see
 * SessionQuery. A new reference.
 */
PyObject *
session_reading(void)
{
	return Py_BuildValue("(OKL)",
						 session_query.may_be_incomplete ? Py_True : Py_False,
						 (unsigned long long) session_query.number,
						 (long long) session_query.statement);
}

/* multicorn.on_unreachable: a new reference to a str. */
PyObject *
session_unreachable(void)
{
	return PyUnicode_FromString(session_on_unreachable_options[session_on_unreachable]
									.name);
}

/* A question about a type, and its answer. */
typedef struct TypeQuestion
{
	PyObject *name;
	bool exists;
} TypeQuestion;

/* Looks a type up. Throws for a name that is none. */
static void
find_type(void *argument)
{
	TypeQuestion *question = argument;
	Size length;
	Oid type;
	int32 typmod;

	question->exists = parse_type_if_exists(text_from_python(question->name,
															 &length),
											&type, &typmod);
}

/* Whether there is a type of that name, as SQL writes it: a new reference. */
PyObject *
session_type_exists(PyObject *name)
{
	TypeQuestion question = {.name = name};

	if (!session_require_transaction() || !error_guard(find_type, &question))
		return NULL;
	return PyBool_FromLong(question.exists);
}

/* A question about a collation, and its answer. */
typedef struct CollationQuestion
{
	PyObject *schema;
	PyObject *name;
	bool exists;
} CollationQuestion;

/* Looks a collation up. Throws for a name that is none. */
static void
find_collation(void *argument)
{
	CollationQuestion *question = argument;
	Size length;
	List *name = list_make2(makeString(pstrdup(text_from_python(question->schema,
																&length))),
							makeString(pstrdup(text_from_python(question->name,
																&length))));

	question->exists = OidIsValid(get_collation_oid(name, true));
}

/*
 * Whether a schema has a collation of that name for the encoding of the
 * database: a new reference.
 */
PyObject *
session_collation_exists(PyObject *schema, PyObject *name)
{
	CollationQuestion question = {.schema = schema, .name = name};

	if (!session_require_transaction() ||
		!error_guard(find_collation, &question))
		return NULL;
	return PyBool_FromLong(question.exists);
}
