/*
 * options.h
 *	  Options of foreign data wrapper, server, table and mapping: see
 *	  options.c.
 */
#ifndef MULTICORN_OPTIONS_H
#define MULTICORN_OPTIONS_H

#include "embed/cpython.h"
#include "nodes/bitmapset.h"
#include "nodes/pg_list.h"
#include "utils/relcache.h"

/* multicorn.allowed_wrappers */
extern char *options_allowed_wrappers;

/* What the catalogs say about the wrapper of a foreign table. */
typedef struct WrapperDefinition
{
	char *wrapper; /* path of the class */
	PyObject *class;
	PyObject *options;	/* dict of str */
	PyObject *place;	/* tuple: arguments to multicorn._place.enter() */
	PyObject *columns;	/* list of tuples: arguments to ColumnDefinition */
	PyObject *identity; /* what is compared to tell a real change */
	Bitmapset *text_columns;   /* attribute numbers with value_form 'text' */
	Bitmapset *remote_columns; /* those with generated 'remote' */
	List *constants;		   /* ConstantColumns: those with constant */
} WrapperDefinition;

extern void options_validate(List *options, Oid catalog);
extern void options_validate_postgres(List *options, Oid catalog);
extern void options_read(Oid table, Oid user, WrapperDefinition *definition);
extern void options_read_for_import(Oid server_oid, List *options,
									WrapperDefinition *definition);
extern char *options_wrapper_if_allowed(Relation relation);
extern PyObject *options_to_python(List *options);

#endif /* MULTICORN_OPTIONS_H */
