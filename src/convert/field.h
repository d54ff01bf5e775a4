/*
 * field.h
 *	  A field of a libpq result becomes a datum: see field.c.
 */
#ifndef MULTICORN_FIELD_H
#define MULTICORN_FIELD_H

#include "convert/convert.h"

typedef struct FieldReader FieldReader;

/*
 * The datum of a value that is not NULL, in CurrentMemoryContext. A zero byte
 * follows its bytes. May throw; domains are not looked at.
 */
typedef Datum (*FieldFunction)(FieldReader *self, const char *bytes,
							   int length);

/* How a column is read from a field. */
struct FieldReader
{
	FieldFunction convert;
	ToDatum *column;
	int number; /* of the field, -1 for none: the column is NULL */
	Oid type;	/* of the field */
	int format;
	FieldFunction call; /* what convert has guarded */
	FmgrInfo receive;	/* of the field's type */
	Oid ioparam;
	int32 typmod;
	FmgrInfo output; /* the same, if that is not the column's type */
};

extern void field_prepare(FieldReader *self);
extern void field_check_domain(ToDatum *column, Datum datum, bool isnull);

#endif /* MULTICORN_FIELD_H */
