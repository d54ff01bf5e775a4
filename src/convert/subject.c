/*
 * subject.c
 *	  What is being converted, as errors name it: the column, the Python type
 *	  and the value.
 */
#include "convert/convert.h"

#include "access/htup_details.h"
#include "embed/call.h"
#include "embed/error.h"
#include "embed/interpreter.h"
#include "embed/text.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

/* How much of a value an error shows, in characters. */
#define SHOWN_CHARACTERS 200

/*
 * The name of a value's type as Python's own messages have it; belongs to the
 * type or to CurrentMemoryContext. Sets no exception.
 */
const char *
python_type_name(PyObject *value)
{
	return value == Py_None ? "None" : text_of_type_name(Py_TYPE(value));
}

/*
 * The beginning of a str, with dots if it goes on or is part of more; in
 * CurrentMemoryContext. NULL for NULL, when a Python exception is dropped.
 */
static char *
shown_start(PyObject *string, bool part)
{
	PyObject *start = string != NULL
		? PyUnicode_Substring(string, 0, SHOWN_CHARACTERS)
		: NULL;
	char *text;

	PyErr_Clear();
	if (start == NULL)
		return NULL;
	text = text_from_python_lossy(reference_own(start));
	if (part || PyUnicode_GET_LENGTH(string) > SHOWN_CHARACTERS)
		text = psprintf("%s...", text);
	return text;
}

/* repr() of a value, shortened; NULL if it has none. Sets no exception. */
static char *
shown_repr(PyObject *value, bool part)
{
	PyObject *repr = PyObject_Repr(value);

	return shown_start(repr != NULL ? reference_own(repr) : NULL, part);
}

/* repr() of the first characters or bytes of a long str or bytes. */
static char *
shown_long(PyObject *value)
{
	PyObject *start = PySequence_GetSlice(value, 0, SHOWN_CHARACTERS);

	if (start == NULL)
	{
		PyErr_Clear();
		return NULL;
	}
	return shown_repr(reference_own(start), true);
}

/* Is it of a type whose repr() runs no code but CPython's own? */
static bool
has_plain_repr(PyObject *value)
{
	return PyLong_CheckExact(value) || PyFloat_CheckExact(value) ||
		PyBool_Check(value) || PyUnicode_CheckExact(value) ||
		PyBytes_CheckExact(value);
}

/* Has the value more characters or bytes than are shown? */
static bool
is_long(PyObject *value)
{
	if (PyUnicode_Check(value))
		return PyUnicode_GET_LENGTH(value) > SHOWN_CHARACTERS;
	return PyBytes_Check(value) && PyBytes_GET_SIZE(value) > SHOWN_CHARACTERS;
}

/* The value as a message shows it if that runs no code of others; or NULL. */
static char *
shown_plain(PyObject *value)
{
	if (!has_plain_repr(value))
		return NULL;
	if (is_long(value))
		return shown_long(value);
	return shown_repr(value, false);
}

/*
 * The value as a message shows it, in CurrentMemoryContext. The package's
 * show() is repr() with bounds: a list may be long or deep without end.
 */
static char *
shown_value(PyObject *value)
{
	PyObject *shown;
	char *text;

	if (has_plain_repr(value))
		text = shown_plain(value);
	else
	{
		python_enter();
		shown = PyObject_CallOneArg(interpreter_functions.show, value);
		python_leave();
		text = shown_start(shown != NULL ? reference_own(shown) : NULL, false);
	}
	return text != NULL ? text : pstrdup("(not printable)");
}

/*
 * CONTEXT of an error while a value is converted: an ErrorContextCallback,
 * which runs no Python code of others.
 */
void
conversion_context(void *argument)
{
	ConversionSubject *subject = argument;
	const char *shown = subject->text;

	if (subject->column == NULL)
		return;
	if (subject->value == NULL)
		errcontext("column \"%s\"", subject->column);
	else if (shown != NULL && pg_mbstrlen(shown) > SHOWN_CHARACTERS)
		errcontext("column \"%s\", Python %s %.*s...", subject->column,
				   python_type_name(subject->value),
				   pg_mbcharcliplen(shown, strlen(shown), SHOWN_CHARACTERS),
				   shown);
	else if (shown != NULL || (shown = shown_plain(subject->value)) != NULL)
		errcontext("column \"%s\", Python %s %s", subject->column,
				   python_type_name(subject->value), shown);
	else
		errcontext("column \"%s\", Python %s", subject->column,
				   python_type_name(subject->value));
}

/* Throws that a value is longer than any can be. */
void
refuse_bytes(Size length)
{
	ereport(ERROR, errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			errmsg("value of %zu bytes is too long for PostgreSQL, which holds up to 1 GB",
				   length));
}

/* A tuple of values, in CurrentMemoryContext. Throws if it would be too long. */
HeapTuple
form_tuple(TupleDesc tupdesc, Datum *values, bool *nulls)
{
	Size length = heap_compute_data_size(tupdesc, values, nulls);

	/* With room for its header. */
	if (length > MaxAllocSize - BLCKSZ)
		refuse_bytes(length);
	return heap_form_tuple(tupdesc, values, nulls);
}

/*
 * Throws that a column cannot hold a value; reason completes the sentence
 * "The value ...". A Python exception that is set is dropped.
 */
void
conversion_refuse(ToDatum *self, PyObject *value, int sqlstate,
				  const char *reason)
{
	const char *column = self->subject->column;
	char *type = format_type_with_typemod(self->is_domain ? self->domain
														  : self->type,
										  self->typmod);
	char *shown;

	PyErr_Clear();
	shown = shown_value(value);
	ereport(ERROR, errcode(sqlstate),
			column != NULL
				? errmsg("column \"%s\" of type %s cannot hold Python %s %s",
						 column, type, python_type_name(value), shown)
				: errmsg("type %s cannot hold Python %s %s", type,
						 python_type_name(value), shown),
			errdetail("The value %s.", reason));
}
