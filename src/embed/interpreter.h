/*
 * interpreter.h
 *	  CPython inside a backend: see interpreter.c.
 */
#ifndef MULTICORN_INTERPRETER_H
#define MULTICORN_INTERPRETER_H

#include "embed/cpython.h"

/* multicorn.virtualenv, multicorn.python_path */
extern char *interpreter_virtualenv;
extern char *interpreter_python_path;

/* Functions of the Python package that C calls; they live as long as the backend. */
typedef struct InterpreterFunctions
{
	PyObject *ask_postgres;
	PyObject *close;
	PyObject *collect;
	PyObject *commands;
	PyObject *database_error;
	PyObject *describe;
	PyObject *dump_json;
	PyObject *explain;
	PyObject *exposed_secrets;
	PyObject *flush;
	PyObject *construct;
	PyObject *hooks;
	PyObject *import_schema;
	PyObject *load;
	PyObject *mapping_options;
	PyObject *measure;
	PyObject *postgres_connections;
	PyObject *redact;
	PyObject *remember_secrets;
	PyObject *show;
	PyObject *status;
	PyObject *use_python_path;
	PyObject *use_virtualenv;
	PyObject *validate_postgres;
	/* classes and constants of multicorn */
	PyObject *ColumnDefinition;
	PyObject *Qual;
	PyObject *SKIPPED;
	PyObject *SortKey;
	PyObject *UNBOUND;
} InterpreterFunctions;

extern InterpreterFunctions interpreter_functions;

extern void interpreter_start(void);
extern void interpreter_start_package(void);
extern bool interpreter_start_or_warn(void);
extern bool interpreter_is_running(void);
extern bool interpreter_is_usable(void);
extern bool interpreter_is_own(void);
extern void interpreter_settings_changed(void);
extern bool interpreter_virtualenv_is_fixed(void);
extern PyObject *interpreter_import(const char *module, const char *name);

#endif /* MULTICORN_INTERPRETER_H */
