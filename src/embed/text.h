/*
 * text.h
 *	  Python str <-> text in the database's encoding: see text.c.
 */
#ifndef MULTICORN_TEXT_H
#define MULTICORN_TEXT_H

#include "embed/cpython.h"

extern const char *text_from_python(PyObject *string, Size *length);
extern char *text_from_python_lossy(PyObject *string);
extern PyObject *text_to_python(const char *text, Size length);

#endif /* MULTICORN_TEXT_H */
