/*
 * module.c
 *	  The built-in module _multicorn: what the Python package calls in C.
 *
 * Everything here is called by Python, so nothing may throw: PostgreSQL
 * functions run under error_guard(). All but output_pending() and
 * is_main_thread() refuse to work on another thread than the main one.
 */
#include "embed/module.h"

#include "embed/call.h"
#include "embed/error.h"
#include "embed/fork.h"
#include "embed/interrupt.h"
#include "embed/libpq.h"
#include "embed/session.h"
#include "embed/text.h"
#include "embed/transaction_id.h"
#include "utils/memutils.h"

/* A message on its way to the client and the server log. */
typedef struct Message
{
	int elevel;
	PyObject *message;
	PyObject *detail;
	PyObject *hint;
} Message;

/* Raises RuntimeError on any thread but the main one, and in forked processes. */
static bool
require_backend(void)
{
	if (!interrupt_on_main_thread())
		PyErr_SetString(PyExc_RuntimeError,
						"PostgreSQL can only be called from the main thread");
	else if (fork_is_child())
		PyErr_SetString(PyExc_RuntimeError,
						"PostgreSQL cannot be called from a forked process");
	else
		return true;
	return false;
}

/* Emits the message, in a memory context of its own. Throws what ereport() throws. */
static void
emit_message(void *argument)
{
	Message *message = argument;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "multicorn message",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	char *text = text_from_python_lossy(message->message);
	char *detail = text_from_python_lossy(message->detail);
	char *hint = text_from_python_lossy(message->hint);

	if (message->elevel >= FATAL)
		error_keep_fatal(text, detail, hint);
	else
		ereport(message->elevel, errmsg_internal("%s", text),
				detail != NULL ? errdetail_internal("%s", detail) : 0,
				hint != NULL ? errhint("%s", hint) : 0);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* log(elevel, message, detail, hint): see ereport(). */
static PyObject *
module_log(PyObject *self, PyObject *args)
{
	Message message;

	if (!PyArg_ParseTuple(args, "iUOO", &message.elevel, &message.message,
						  &message.detail, &message.hint) ||
		!require_backend())
		return NULL;
	if (message.elevel == ERROR || message.elevel > FATAL)
	{
		PyErr_Format(PyExc_ValueError, "level %d cannot be logged",
					 message.elevel);
		return NULL;
	}
	if (!error_guard(emit_message, &message) || PyErr_Occurred())
		return NULL;
	Py_RETURN_NONE;
}

PyObject *(*module_execute)(PyObject *arguments) = NULL;

/* execute(sql, parameters): see local_query_execute(). */
static PyObject *
module_execute_sql(PyObject *self, PyObject *arguments)
{
	return require_backend() ? module_execute(arguments) : NULL;
}

/* check_interrupts(): raises Interrupt if PostgreSQL wants to end the statement. */
static PyObject *
module_check_interrupts(PyObject *self, PyObject *unused)
{
	if (!require_backend())
		return NULL;
	return interrupt_check(true);
}

/* on_interrupt(signum, frame): the handler for signal.signal(). */
static PyObject *
module_on_interrupt(PyObject *self, PyObject *args)
{
	return interrupt_check(false);
}

/* active(): is a wrapper's method on the stack? */
static PyObject *
module_active(PyObject *self, PyObject *unused)
{
	return PyBool_FromLong(python_depth > 0 && !fork_is_child());
}

/* output_pending(): have the package's flush() called at the next boundary. */
static PyObject *
module_output_pending(PyObject *self, PyObject *unused)
{
	boundary_pending = true;
	Py_RETURN_NONE;
}

static PyObject *
module_is_main_thread(PyObject *self, PyObject *unused)
{
	return PyBool_FromLong(interrupt_on_main_thread());
}

/* transaction_id(): see transaction_id_current(). */
static PyObject *
module_transaction_id(PyObject *self, PyObject *unused)
{
	return require_backend() ? transaction_id_current() : NULL;
}

/* transaction_status(system, number): see transaction_id_status(). */
static PyObject *
module_transaction_status(PyObject *self, PyObject *args)
{
	return require_backend() ? transaction_id_status(args) : NULL;
}

/* session(): see session_facts(). */
static PyObject *
module_session(PyObject *self, PyObject *unused)
{
	return require_backend() ? session_facts() : NULL;
}

/* in_transaction(): see session_in_transaction(). */
static PyObject *
module_in_transaction(PyObject *self, PyObject *unused)
{
	return require_backend() ? session_in_transaction() : NULL;
}

/* nest_level(): see session_nest_level(). */
static PyObject *
module_nest_level(PyObject *self, PyObject *unused)
{
	return require_backend() ? session_nest_level() : NULL;
}

/* transaction_number(): see session_transaction_number(). */
static PyObject *
module_transaction_number(PyObject *self, PyObject *unused)
{
	return require_backend() ? session_transaction_number() : NULL;
}

/* isolation_level(): see session_isolation_level(). */
static PyObject *
module_isolation_level(PyObject *self, PyObject *unused)
{
	return require_backend() ? session_isolation_level() : NULL;
}

/* reading(): see session_reading(). */
static PyObject *
module_reading(PyObject *self, PyObject *unused)
{
	return require_backend() ? session_reading() : NULL;
}

/* on_unreachable(): see session_unreachable(). */
static PyObject *
module_on_unreachable(PyObject *self, PyObject *unused)
{
	return require_backend() ? session_unreachable() : NULL;
}

/* type_exists(name): see session_type_exists(). */
static PyObject *
module_type_exists(PyObject *self, PyObject *name)
{
	if (!PyUnicode_Check(name))
	{
		PyErr_SetString(PyExc_TypeError, "the name of a type is a str");
		return NULL;
	}
	return require_backend() ? session_type_exists(name) : NULL;
}

/* The tp_iternext of a type whose __next__ was replaced. */
static PyObject *
call_next(PyObject *self)
{
	PyObject *name = PyUnicode_InternFromString("__next__");
	PyObject *result = name != NULL ? PyObject_CallMethodNoArgs(self, name)
									: NULL;

	Py_XDECREF(name);
	return result;
}

/*
 * replace_method(type, name, method): sets an attribute of a type, also of one
 * that another library has made of a static struct, which Python code cannot.
 */
static PyObject *
module_replace_method(PyObject *self, PyObject *arguments)
{
	PyTypeObject *type;
	PyObject *name;
	PyObject *method;

	if (!PyArg_ParseTuple(arguments, "O!UO", &PyType_Type, &type, &name,
						  &method))
		return NULL;
	if (PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE))
	{
		if (PyObject_SetAttr((PyObject *) type, name, method) != 0)
			return NULL;
		Py_RETURN_NONE;
	}
	if (PyDict_SetItem(type->tp_dict, name, method) != 0)
		return NULL;
	if (PyUnicode_CompareWithASCIIString(name, "__next__") == 0)
		type->tp_iternext = call_next;
	PyType_Modified(type);
	Py_RETURN_NONE;
}

/* use_libpq(library, ResultRows): see libpq_use(). */
static PyObject *
module_use_libpq(PyObject *self, PyObject *args)
{
	return libpq_use(args);
}

/* collation_exists(schema, name): see session_collation_exists(). */
static PyObject *
module_collation_exists(PyObject *self, PyObject *arguments)
{
	PyObject *schema;
	PyObject *name;

	if (!PyArg_ParseTuple(arguments, "UU", &schema, &name))
		return NULL;
	return require_backend() ? session_collation_exists(schema, name) : NULL;
}

static PyMethodDef methods[] =
	{{"log", module_log, METH_VARARGS,
	  PyDoc_STR("log(elevel, message, detail, hint): emit a PostgreSQL message")},
	 {"execute", module_execute_sql, METH_VARARGS,
	  PyDoc_STR("execute(sql, parameters): run SQL in this database")},
	 {"check_interrupts", module_check_interrupts, METH_NOARGS,
	  PyDoc_STR("raise Interrupt if the statement is to end")},
	 {"on_interrupt", module_on_interrupt, METH_VARARGS,
	  PyDoc_STR("the handler for SIGINT")},
	 {"active", module_active, METH_NOARGS,
	  PyDoc_STR("whether a wrapper's method is on the stack")},
	 {"output_pending", module_output_pending, METH_NOARGS,
	  PyDoc_STR("have flush() called at the next boundary")},
	 {"is_main_thread", module_is_main_thread, METH_NOARGS,
	  PyDoc_STR("whether this is the thread that runs PostgreSQL")},
	 {"transaction_id", module_transaction_id, METH_NOARGS,
	  PyDoc_STR("the system identifier, and the ID of the transaction")},
	 {"transaction_status", module_transaction_status, METH_VARARGS,
	  PyDoc_STR("transaction_status(system, number): what has become of one")},
	 {"session", module_session, METH_NOARGS,
	  PyDoc_STR("what the session is, as a dict of str")},
	 {"in_transaction", module_in_transaction, METH_NOARGS,
	  PyDoc_STR("whether a transaction runs that has not failed")},
	 {"nest_level", module_nest_level, METH_NOARGS,
	  PyDoc_STR("1 in a transaction, 2 in its first savepoint")},
	 {"transaction_number", module_transaction_number, METH_NOARGS,
	  PyDoc_STR("what the transaction shares with no other of the session")},
	 {"isolation_level", module_isolation_level, METH_NOARGS,
	  PyDoc_STR("the isolation level of the transaction")},
	 {"reading", module_reading, METH_NOARGS,
	  PyDoc_STR("which query execute() is called for, and whether it may get fewer rows")},
	 {"on_unreachable", module_on_unreachable, METH_NOARGS,
	  PyDoc_STR("the setting multicorn.on_unreachable")},
	 {"type_exists", module_type_exists, METH_O,
	  PyDoc_STR("type_exists(name): whether there is a type of that name")},
	 {"replace_method", module_replace_method, METH_VARARGS,
	  PyDoc_STR("replace_method(type, name, method): also of a static type")},
	 {"use_libpq", module_use_libpq, METH_VARARGS,
	  PyDoc_STR("use_libpq(library, ResultRows): read results by it")},
	 {"collation_exists", module_collation_exists, METH_VARARGS,
	  PyDoc_STR("collation_exists(schema, name): whether there is one of that name")},
	 {NULL, NULL, 0, NULL}};

static PyModuleDef definition = {
	PyModuleDef_HEAD_INIT,
	.m_name = "_multicorn",
	.m_doc =
		PyDoc_STR("What the multicorn package calls inside a PostgreSQL backend."),
	.m_size = -1,
	.m_methods = methods,
};

/* Adds the constants; false with an exception set if that fails. */
static bool
add_constants(PyObject *module, const char *package_place)
{
	return PyModule_AddIntMacro(module, DEBUG1) == 0 &&
		PyModule_AddIntMacro(module, LOG) == 0 &&
		PyModule_AddIntMacro(module, NOTICE) == 0 &&
		PyModule_AddIntMacro(module, WARNING) == 0 &&
		PyModule_AddIntMacro(module, FATAL) == 0 &&
		PyModule_AddStringConstant(module, "python_path_place",
								   package_place) == 0 &&
		PyModule_AddObjectRef(module, "Interrupt", error_interrupt_type) == 0;
}

/*
 * Makes the module and puts it into sys.modules, so that import finds it: a
 * table of built-in modules could only be extended before the start, which may
 * be PL/Python's. Returns a borrowed reference, or NULL with an exception set.
 */
PyObject *
module_create(const char *package_place)
{
	PyObject *module;

	if (error_interrupt_type == NULL)
		error_interrupt_type =
			PyErr_NewExceptionWithDoc("_multicorn.Interrupt",
									  "PostgreSQL ends the statement; do not catch it.",
									  PyExc_BaseException, NULL);
	if (error_interrupt_type == NULL)
		return NULL;
	module = PyModule_Create(&definition);
	if (module == NULL)
		return NULL;
	if (!add_constants(module, package_place) ||
		PyDict_SetItemString(PyImport_GetModuleDict(), "_multicorn", module) !=
			0)
	{
		Py_DECREF(module);
		return NULL;
	}
	Py_DECREF(module); /* sys.modules keeps it */
	return PyDict_GetItemString(PyImport_GetModuleDict(), "_multicorn");
}
