/*
 * module.h
 *	  The built-in module _multicorn: see module.c.
 */
#ifndef MULTICORN_MODULE_H
#define MULTICORN_MODULE_H

#include "embed/cpython.h"

/* Runs SQL; the executor's side sets it, which this one does not know. */
extern PyObject *(*module_execute)(PyObject *arguments);

extern PyObject *module_create(const char *package_place);

#endif /* MULTICORN_MODULE_H */
