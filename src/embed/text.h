/*
 * text.h
 *	  Python str <-> text in the database's encoding: see text.c.
 */
#ifndef MULTICORN_TEXT_H
#define MULTICORN_TEXT_H

#include "embed/cpython.h"

/*
 * The characters of a str that is ASCII and has no NUL, without a copy; NULL
 * for others, which are text_from_python()'s.
 */
static inline const char *
text_of_ascii(PyObject *string, Size *length)
{
	const char *text;

	if (!PyUnicode_IS_COMPACT_ASCII(string))
		return NULL;
	text = (const char *) PyUnicode_1BYTE_DATA(string);
	*length = PyUnicode_GET_LENGTH(string);
	return memchr(text, 0, *length) == NULL ? text : NULL;
}

extern const char *text_from_python(PyObject *string, Size *length);
extern char *text_from_python_lossy(PyObject *string);
extern const char *text_of_type_name(PyTypeObject *type);
extern PyObject *text_to_python(const char *text, Size length);
extern PyObject *python_string(const char *text);
extern PyObject *python_name(const char *text);

#endif /* MULTICORN_TEXT_H */
