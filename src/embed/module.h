/*
 * module.h
 *	  The built-in module _multicorn: see module.c.
 */
#ifndef MULTICORN_MODULE_H
#define MULTICORN_MODULE_H

#include "embed/cpython.h"

extern PyObject *module_create(const char *package_place);

#endif /* MULTICORN_MODULE_H */
