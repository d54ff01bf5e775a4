/*
 * interpreter.c
 *	  CPython inside a backend: its start, its sys.path, its virtual
 *	  environment, its life beside PL/Python.
 *
 * The interpreter starts at the first use of a foreign table. If PL/Python is
 * installed it is made to start it, because PL/Python adds built-in modules in
 * its own start, which CPython allows only before the interpreter runs. The
 * main thread holds the GIL for the life of the backend; nothing here or
 * elsewhere releases it around PostgreSQL code.
 */
#include "embed/interpreter.h"

#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <unistd.h>

#include "compat.h"
#include "embed/call.h"
#include "embed/error.h"
#include "embed/exit.h"
#include "embed/fork.h"
#include "embed/interrupt.h"
#include "embed/module.h"
#include "embed/reference.h"
#include "embed/text.h"
#include "fmgr.h"
#include "nodes/parsenodes.h"
#include "storage/ipc.h"
#include "utils/builtins.h"

#define PLPYTHON "$libdir/plpython3"

char *interpreter_virtualenv = NULL;
char *interpreter_python_path = NULL;

InterpreterFunctions interpreter_functions;

/* Where a function of the package goes. */
typedef struct FunctionSlot
{
	const char *module;
	const char *name;
	PyObject **slot;
} FunctionSlot;

static const FunctionSlot slots[] = {
	{"multicorn._server", "ask_postgres", &interpreter_functions.ask_postgres},
	{"multicorn._server", "close", &interpreter_functions.close},
	{"multicorn._server", "collect", &interpreter_functions.collect},
	{"multicorn._server", "commands", &interpreter_functions.commands},
	{"multicorn._server", "database_error",
	 &interpreter_functions.database_error},
	{"multicorn._server", "describe", &interpreter_functions.describe},
	{"multicorn._server", "dump_json", &interpreter_functions.dump_json},
	{"multicorn._server", "explain", &interpreter_functions.explain},
	{"multicorn._server", "exposed_secrets",
	 &interpreter_functions.exposed_secrets},
	{"multicorn._server", "flush", &interpreter_functions.flush},
	{"multicorn._server", "construct", &interpreter_functions.construct},
	{"multicorn._server", "hooks", &interpreter_functions.hooks},
	{"multicorn._server", "import_schema", &interpreter_functions.import_schema},
	{"multicorn._server", "load", &interpreter_functions.load},
	{"multicorn._server", "mapping_options",
	 &interpreter_functions.mapping_options},
	{"multicorn._server", "measure", &interpreter_functions.measure},
	{"multicorn._server", "postgres_connections",
	 &interpreter_functions.postgres_connections},
	{"multicorn._server", "redact", &interpreter_functions.redact},
	{"multicorn._server", "remember_secrets",
	 &interpreter_functions.remember_secrets},
	{"multicorn._server", "show", &interpreter_functions.show},
	{"multicorn._server", "status", &interpreter_functions.status},
	{"multicorn._server", "use_python_path",
	 &interpreter_functions.use_python_path},
	{"multicorn._server", "use_virtualenv",
	 &interpreter_functions.use_virtualenv},
	{"multicorn._server", "validate_postgres",
	 &interpreter_functions.validate_postgres},
	{"multicorn", "ColumnDefinition", &interpreter_functions.ColumnDefinition},
	{"multicorn", "Qual", &interpreter_functions.Qual},
	{"multicorn", "SKIPPED", &interpreter_functions.SKIPPED},
	{"multicorn", "SortKey", &interpreter_functions.SortKey},
	{"multicorn", "UNBOUND", &interpreter_functions.UNBOUND},
};

/* How far the start has come; a step that failed is taken again at next use. */
static bool started_alone = false;
static bool package_loaded = false;
static bool virtualenv_used = false;
static bool python_path_used = false;

/* The libpython3 libraries that are mapped into this process. */
typedef struct MappedPythons
{
	int count;
	char names[2][MAXPGPATH];
} MappedPythons;

/* For dl_iterate_phdr(): counts a library whose name begins with libpython3. */
static int
count_python(struct dl_phdr_info *info, size_t size, void *argument)
{
	MappedPythons *pythons = argument;
	const char *name = strrchr(info->dlpi_name, '/');

	name = name != NULL ? name + 1 : info->dlpi_name;
	/* libpython3.so is the stable ABI's forwarder, not an interpreter. */
	if (strncmp(name, "libpython3.", 11) != 0 ||
		strncmp(name, "libpython3.so", 13) == 0)
		return 0;
	if (pythons->count < 2)
		strlcpy(pythons->names[pythons->count], info->dlpi_name, MAXPGPATH);
	pythons->count++;
	return 0;
}

/* Throws if two CPython libraries are in the process: both would be torn apart. */
static void
require_one_python(void)
{
	MappedPythons pythons = {0};

	dl_iterate_phdr(count_python, &pythons);
	if (pythons.count > 1)
		ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("two Python libraries are loaded into this session"),
				errdetail("They are \"%s\" and \"%s\".", pythons.names[0],
						  pythons.names[1]),
				errhint("Build multicorn with the Python that PL/Python uses: make PYTHON=..."));
}

/* Is PL/Python installed in this server, created in a database or not? */
static bool
plpython_is_installed(void)
{
	char path[MAXPGPATH];

	snprintf(path, sizeof(path), "%s/plpython3%s", pkglib_path, DLSUFFIX);
	return access(path, R_OK) == 0;
}

/* Has PL/Python start the interpreter, by running an empty DO block. */
static void
start_through_plpython(void)
{
	InlineCodeBlock *block = makeNode(InlineCodeBlock);
	PGFunction handler = load_external_function(PLPYTHON,
												"plpython3_inline_handler",
												true, NULL);

	require_one_python();
	python_without_user_site();
	block->source_text = pstrdup("pass");
	block->atomic = true;
	DirectFunctionCall1(handler, PointerGetDatum(block));
}

/* Throws if a step of CPython's start failed. */
static void
require_success(PyStatus status)
{
	if (PyStatus_Exception(status))
		ereport(ERROR, errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				errmsg("could not start the Python interpreter \"%s\"",
					   MULTICORN_PYTHON),
				errdetail("%s",
						  status.err_msg != NULL ? status.err_msg
												 : "unknown error"));
}

/*
 * Starts CPython as the interpreter that the extension was built for: without
 * the environment, the current directory and the server user's own packages.
 */
static void
start_alone(void)
{
	PyPreConfig preconfig;
	PyConfig config;
	PyStatus status;

	PyPreConfig_InitIsolatedConfig(&preconfig);
	preconfig.utf8_mode = 1;
	require_success(Py_PreInitialize(&preconfig));

	PyConfig_InitIsolatedConfig(&config);
	config.install_signal_handlers = 0;
	status = PyConfig_SetBytesString(&config, &config.executable,
									 MULTICORN_PYTHON);
	if (!PyStatus_Exception(status))
		status = Py_InitializeFromConfig(&config);
	PyConfig_Clear(&config);
	require_success(status);
	started_alone = true;
}

/* Starts CPython unless someone in this process has done it already. */
static void
start_python(void)
{
	struct sigaction saved;

	require_one_python();
	if (Py_IsInitialized())
		return;
	sigaction(SIGINT, NULL, &saved);
	if (plpython_is_installed())
		start_through_plpython();
	if (!Py_IsInitialized())
		start_alone();
	sigaction(SIGINT, &saved, NULL);
}

/*
 * The folder in which "make install" has put the Python package: beside this
 * library, wherever that is.
 */
static const char *
package_place(void)
{
	Dl_info info;
	char library[PATH_MAX];
	char *slash;

	if (dladdr((void *) package_place, &info) == 0 ||
		realpath(info.dli_fname, library) == NULL ||
		(slash = strrchr(library, '/')) == NULL)
		ereport(ERROR, errcode(ERRCODE_INTERNAL_ERROR),
				errmsg("could not find the folder of the multicorn library"));
	*slash = '\0';
	return psprintf("%s/multicorn-python", library);
}

/*
 * Puts our package first on sys.path, and takes a multicorn that PL/Python has
 * imported from elsewhere out of sys.modules.
 */
static void
prefer_own_package(const char *place)
{
	static const char code[] =
		"import sys\n"
		"def prefer(place):\n"
		"    if place not in sys.path:\n"
		"        sys.path.insert(0, place)\n"
		"    own = getattr(sys.modules.get('multicorn'), '__file__', None)\n"
		"    if own is not None and not own.startswith(place):\n"
		"        for name in [n for n in sys.modules if n.split('.')[0] == 'multicorn']:\n"
		"            del sys.modules[name]\n"
		"prefer(place)\n";
	PyObject *names = reference_own(PyDict_New());
	PyObject *path = reference_own(PyUnicode_DecodeFSDefault(place));

	if (PyDict_SetItemString(names, "__builtins__", PyEval_GetBuiltins()) != 0 ||
		PyDict_SetItemString(names, "place", path) != 0)
		python_throw();
	reference_own(PyRun_String(code, Py_file_input, names, names));
}

/*
 * The attribute name of a module; a new reference. Throws if either is missing.
 */
PyObject *
interpreter_import(const char *module_name, const char *name)
{
	PyObject *module;
	PyObject *attribute = NULL;

	python_enter();
	module = PyImport_ImportModule(module_name);
	if (module != NULL)
		attribute = PyObject_GetAttrString(module, name);
	Py_XDECREF(module);
	python_leave();
	if (attribute == NULL)
		python_throw();
	return attribute;
}

/* Calls start() of the package, which sets a SIGINT handler in Python alone. */
static void
start_package(void)
{
	struct sigaction saved;
	PyObject *start = reference_own(interpreter_import("multicorn._server",
													   "start"));
	PyObject *result;

	python_enter();
	sigaction(SIGINT, NULL, &saved);
	result = PyObject_CallNoArgs(start);
	sigaction(SIGINT, &saved, NULL);
	python_leave();
	reference_own(result);
}

/* Imports the package and remembers what C calls in it. */
static void
load_package(void)
{
	const char *place = package_place();

	python_enter();
	if (module_create(place) == NULL)
	{
		python_leave();
		python_throw();
	}
	python_leave();
	prefer_own_package(place);
	for (int i = 0; i < (int) lengthof(slots); i++)
	{
		PyObject *function = interpreter_import(slots[i].module, slots[i].name);

		Py_XDECREF(*slots[i].slot);
		*slots[i].slot = function;
	}
	start_package();
	package_loaded = true;
}

/*
 * Has the package follow a setting, unless it does. Returns false, with a
 * Python exception set, if that raises.
 */
static bool
apply_setting(PyObject *function, const char *value, bool *applied)
{
	PyObject *argument;
	PyObject *result;

	if (*applied)
		return true;
	argument = python_string(value != NULL ? value : "");
	python_enter();
	result = PyObject_CallOneArg(function, argument);
	python_leave();
	*applied = result != NULL;
	Py_XDECREF(result);
	return *applied;
}

/* The same for both settings. */
static bool
apply_settings(void)
{
	return apply_setting(interpreter_functions.use_virtualenv,
						 interpreter_virtualenv, &virtualenv_used) &&
		apply_setting(interpreter_functions.use_python_path,
					  interpreter_python_path, &python_path_used);
}

/*
 * Makes sure that the interpreter runs, with our package; no module of others
 * is found before the settings are applied. Cheap when it does. Throws if it
 * cannot be started. Must be called in a transaction.
 */
void
interpreter_start_package(void)
{
	MemoryContext context;
	MemoryContext old;

	if (likely(package_loaded))
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "multicorn start",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	interrupt_start();
	fork_watch();
	exit_watch();
	boundary_start();

	start_python();
	fork_refuse();
	load_package();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* Applies the settings of the moment, of an interpreter that runs. */
static bool
follow_settings(void)
{
	MemoryContext context;
	MemoryContext old;
	bool applied;

	context = AllocSetContextCreate(CurrentMemoryContext, "multicorn settings",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	applied = apply_settings();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return applied;
}

/*
 * Makes sure that the interpreter runs, with our package and the settings of
 * the moment. Cheap when it does. Throws if it cannot be started or a setting
 * is wrong. Must be called in a transaction.
 */
void
interpreter_start(void)
{
	interpreter_start_package();
	if (likely(virtualenv_used && python_path_used))
		return;
	if (!follow_settings())
		python_throw();
	boundary_check();
}

/*
 * The same, but a setting that is wrong is a WARNING. Returns whether modules
 * can be imported.
 */
bool
interpreter_start_or_warn(void)
{
	interpreter_start_package();
	if (follow_settings())
		return true;
	python_warn_unless_interrupted();
	return false;
}

/* Can Python be called at all? Unlike interpreter_start(), starts nothing. */
bool
interpreter_is_running(void)
{
	return package_loaded;
}

/* Has the extension started the interpreter itself, and nobody else? */
bool
interpreter_is_own(void)
{
	return started_alone;
}

/* May Python be called? Not when the session ends in the middle of it. */
bool
interpreter_is_usable(void)
{
	return interpreter_is_running() &&
		!(proc_exit_inprogress && python_is_on_stack());
}

/* multicorn.python_path was set: look at it before Python is used again. */
void
interpreter_settings_changed(void)
{
	python_path_used = false;
}

/* Has a virtual environment, or none, been chosen for this session? */
bool
interpreter_virtualenv_is_fixed(void)
{
	return package_loaded && virtualenv_used;
}
