/*
 * constant.c
 *	  Columns with the option constant: they have that value in every row, and
 *	  the wrapper does not know of them. Which of many sources of the same kind a
 *	  row comes from is such a column.
 */
#include "wrapper/constant.h"

#include "fmgr.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

/* The CONTEXT of an error in the option. */
static void
constant_context(void *argument)
{
	Form_pg_attribute attribute = argument;

	errcontext("option \"constant\" of column \"%s\"",
			   NameStr(attribute->attname));
}

/*
 * The value that a column's option gives, in CurrentMemoryContext. Throws if the
 * text is none of the column's type.
 */
ConstantColumn *
constant_create(Form_pg_attribute attribute, const char *text)
{
	ConstantColumn *constant = palloc(sizeof(ConstantColumn));
	ErrorContextCallback callback = {.callback = constant_context,
									 .arg = attribute,
									 .previous = error_context_stack};
	Oid input;
	Oid parameter;

	constant->attribute = attribute->attnum;
	constant->type = attribute->atttypid;
	constant->typmod = attribute->atttypmod;
	constant->collation = attribute->attcollation;
	constant->typlen = attribute->attlen;
	constant->typbyval = attribute->attbyval;
	error_context_stack = &callback;
	getTypeInputInfo(attribute->atttypid, &input, &parameter);
	constant->value = OidInputFunctionCall(input, unconstify(char *, text),
										   parameter, attribute->atttypmod);
	error_context_stack = callback.previous;
	return constant;
}

/* A copy of a list of ConstantColumns with their values, in CurrentMemoryContext. */
List *
constants_copy(List *constants)
{
	List *copies = NIL;
	ListCell *cell;

	foreach (cell, constants)
	{
		ConstantColumn *copy = palloc(sizeof(ConstantColumn));

		*copy = *(ConstantColumn *) lfirst(cell);
		copy->value = datumCopy(copy->value, copy->typbyval, copy->typlen);
		copies = lappend(copies, copy);
	}
	return copies;
}

/* The attribute numbers of a list of ConstantColumns, in CurrentMemoryContext. */
Bitmapset *
constants_attributes(List *constants)
{
	Bitmapset *attributes = NULL;
	ListCell *cell;

	foreach (cell, constants)
		attributes = bms_add_member(attributes,
									((ConstantColumn *) lfirst(cell))->attribute);
	return attributes;
}

/* The one with an attribute number, or NULL. */
const ConstantColumn *
constants_find(List *constants, AttrNumber attribute)
{
	ListCell *cell;

	foreach (cell, constants)
	{
		ConstantColumn *constant = lfirst(cell);

		if (constant->attribute == attribute)
			return constant;
	}
	return NULL;
}

/*
 * Is a value that is not NULL the constant? A type without an operator = has but
 * one form for each of its values. Throws what comparing does.
 */
bool
constant_equals(const ConstantColumn *constant, Datum value)
{
	TypeCacheEntry *entry = lookup_type_cache(constant->type,
											  TYPECACHE_EQ_OPR_FINFO);

	if (!OidIsValid(entry->eq_opr_finfo.fn_oid))
		return datum_image_eq(constant->value, value, constant->typbyval,
							  constant->typlen);
	return DatumGetBool(FunctionCall2Coll(&entry->eq_opr_finfo,
										  constant->collation, constant->value,
										  value));
}

/* A value of the column as text, for messages. */
char *
constant_text(const ConstantColumn *constant, Datum value)
{
	Oid output;
	bool is_varlena;

	getTypeOutputInfo(constant->type, &output, &is_varlena);
	return OidOutputFunctionCall(output, value);
}
