/*
 * constant.h
 *	  Columns whose value is an option of theirs: see constant.c.
 */
#ifndef MULTICORN_CONSTANT_H
#define MULTICORN_CONSTANT_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "nodes/bitmapset.h"
#include "nodes/pg_list.h"

/* A column that has the same value in every row. */
typedef struct ConstantColumn
{
	AttrNumber attribute;
	Oid type;
	int32 typmod;
	Oid collation;
	int16 typlen;
	bool typbyval;
	Datum value;
} ConstantColumn;

extern ConstantColumn *
constant_create(Form_pg_attribute attribute, const char *text);
extern List *constants_copy(List *constants);
extern Bitmapset *constants_attributes(List *constants);
extern const ConstantColumn *
constants_find(List *constants, AttrNumber attribute);
extern bool constant_equals(const ConstantColumn *constant, Datum value);
extern char *constant_text(const ConstantColumn *constant, Datum value);

#endif /* MULTICORN_CONSTANT_H */
