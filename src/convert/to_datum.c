/*
 * to_datum.c
 *	  Python values become datums: scalars, and the choice of a converter.
 *
 * A converter takes the natural Python type of its PostgreSQL type on a direct
 * way; everything else goes through str() and the type's input function, so
 * that PostgreSQL itself says what it can hold. Type modifiers apply on both.
 */
#include <math.h>

#include "convert/convert.h"

#include "catalog/pg_type.h"
#include "embed/call.h"
#include "embed/error.h"
#include "embed/interpreter.h"
#include "embed/text.h"
#include "mb/pg_wchar.h"
#include "nodes/bitmapset.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/typcache.h"
#include "utils/uuid.h"

/* How much of a value an error shows. */
#define SHOWN_CHARACTERS 200

/* The name of a value's type as Python's own messages have it. */
const char *
python_type_name(PyObject *value)
{
	return value == Py_None ? "None" : Py_TYPE(value)->tp_name;
}

/* CONTEXT of an error while a value is converted. Runs no Python. */
void
conversion_context(void *argument)
{
	ConversionSubject *subject = argument;

	if (subject->column == NULL)
		return;
	if (subject->text != NULL)
		errcontext("column \"%s\", value of Python type %s: %.*s",
				   subject->column, subject->python_type,
				   pg_mbcliplen(subject->text, strlen(subject->text),
								SHOWN_CHARACTERS),
				   subject->text);
	else
		errcontext("column \"%s\"", subject->column);
}

/* repr() of a value for a message, shortened; in CurrentMemoryContext. */
static char *
shown_value(PyObject *value)
{
	PyObject *repr;
	PyObject *start = NULL;
	char *text;

	python_enter();
	repr = PyObject_Repr(value);
	if (repr != NULL)
		start = PyUnicode_Substring(repr, 0, SHOWN_CHARACTERS);
	Py_XDECREF(repr);
	python_leave();
	if (start == NULL)
	{
		PyErr_Clear();
		return pstrdup("(not printable)");
	}
	text = text_from_python_lossy(start);
	Py_DECREF(start);
	return text;
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

	PyErr_Clear();
	ereport(ERROR, errcode(sqlstate),
			column != NULL
				? errmsg("column \"%s\" of type %s cannot hold Python %s %s",
						 column,
						 format_type_with_typemod(self->is_domain ? self->domain
																  : self->type,
												  self->typmod),
						 python_type_name(value), shown_value(value))
				: errmsg("type %s cannot hold Python %s %s",
						 format_type_with_typemod(self->type, self->typmod),
						 python_type_name(value), shown_value(value)),
			errdetail("The value %s.", reason));
}

/* ---------- text ---------- */

/*
 * What str() makes of a value: dates in ISO form, a dict or a list as JSON. A
 * str, owned by CurrentMemoryContext.
 */
static PyObject *
string_of(PyObject *value)
{
	PyObject *string;

	if (PyUnicode_Check(value))
		return value;
	if (PyDict_Check(value) || PyList_Check(value))
		return reference_own(python_call(interpreter_functions.dump_json,
										 &value, 1, NULL));
	python_enter();
	string = datetime_isoformat(value);
	if (string == NULL && !PyErr_Occurred())
		string = PyObject_Str(value);
	python_leave();
	return reference_own(string);
}

/* Is this a value of bytes? */
static bool
is_bytes(PyObject *value)
{
	return PyBytes_Check(value) || PyByteArray_Check(value) ||
		PyMemoryView_Check(value);
}

/* A bytes object of the same bytes, owned by CurrentMemoryContext. */
static PyObject *
bytes_of(PyObject *value)
{
	if (PyBytes_CheckExact(value))
		return value;
	return reference_own(PyBytes_FromObject(value));
}

/*
 * The characters of any value, in the database's encoding, with a zero byte
 * behind them. bytes are taken to be in it and are checked.
 */
static const char *
characters_of(PyObject *value, Size *length)
{
	PyObject *bytes;

	if (!is_bytes(value))
		return text_from_python(string_of(value), length);
	bytes = bytes_of(value);
	*length = PyBytes_GET_SIZE(bytes);
	pg_verifymbstr(PyBytes_AS_STRING(bytes), *length, false);
	return PyBytes_AS_STRING(bytes);
}

/* Hands text to the type's input function; errors show it. */
static Datum
input_text(ToDatum *self, PyObject *value, const char *text)
{
	ConversionSubject *subject = self->subject;
	Datum datum;

	subject->python_type = python_type_name(value);
	subject->text = text;
	datum = InputFunctionCall(&self->input, unconstify(char *, text),
							  self->ioparam, self->typmod);
	subject->text = NULL;
	return datum;
}

/* The way of every value without a direct one: str() and the input function. */
Datum
to_datum_by_text(ToDatum *self, PyObject *value)
{
	Size length;

	return input_text(self, value, characters_of(value, &length));
}

/* A new varlena of these bytes. */
static inline Datum
make_varlena(const char *bytes, Size length)
{
	struct varlena *result;

	if (unlikely(length > MaxAllocSize - VARHDRSZ))
		ereport(ERROR, errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				errmsg("value of %zu bytes is too long for PostgreSQL, which holds up to 1 GB",
					   length));
	result = palloc(length + VARHDRSZ);
	SET_VARSIZE(result, length + VARHDRSZ);
	memcpy(VARDATA(result), bytes, length);
	return PointerGetDatum(result);
}

/* text, and varchar when the value is short enough not to need a look. */
static Datum
text_to_datum(ToDatum *self, PyObject *value)
{
	const char *text;
	Size length;

	if (likely(PyUnicode_Check(value)))
		text = text_from_python(value, &length);
	else
		text = characters_of(value, &length);
	if (unlikely(self->typmod >= 0 && length > (Size) (self->typmod - VARHDRSZ)))
		return input_text(self, value, text);
	return make_varlena(text, length);
}

/* name: the input function would cut a long value in silence. */
static Datum
name_to_datum(ToDatum *self, PyObject *value)
{
	Size length;
	const char *text = characters_of(value, &length);

	if (length >= NAMEDATALEN)
		conversion_refuse(self, value, ERRCODE_STRING_DATA_RIGHT_TRUNCATION,
						  psprintf("is longer than %d bytes", NAMEDATALEN - 1));
	return input_text(self, value, text);
}

/* "char", one byte: the input function would drop the others. */
static Datum
char_to_datum(ToDatum *self, PyObject *value)
{
	Size length;
	const char *text = characters_of(value, &length);

	if (length > 1 && !(length == 4 && text[0] == '\\'))
		conversion_refuse(self, value, ERRCODE_STRING_DATA_RIGHT_TRUNCATION,
						  "is longer than one byte");
	return input_text(self, value, text);
}

/* bytea: bytes as they are, a str in the database's encoding. */
static Datum
bytea_to_datum(ToDatum *self, PyObject *value)
{
	const char *text;
	Size length;

	if (PyUnicode_Check(value))
	{
		text = text_from_python(value, &length);
		return make_varlena(text, length);
	}
	if (!is_bytes(value))
		return to_datum_by_text(self, value);
	value = bytes_of(value);
	return make_varlena(PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value));
}

/* json and jsonb: a str is JSON text already, everything else is dumped. */
static Datum
json_to_datum(ToDatum *self, PyObject *value)
{
	if (!PyUnicode_Check(value) && !is_bytes(value))
		value = reference_own(python_call(interpreter_functions.dump_json,
										  &value, 1, NULL));
	return to_datum_by_text(self, value);
}

/* ---------- numbers ---------- */

static Datum
bool_to_datum(ToDatum *self, PyObject *value)
{
	if (likely(value == Py_True || value == Py_False))
		return BoolGetDatum(value == Py_True);
	return to_datum_by_text(self, value);
}

/* decimal.Decimal, borrowed; imported when it is first asked for. */
static PyObject *
decimal_class(void)
{
	static PyObject *class = NULL;

	if (class == NULL)
		class = interpreter_import("decimal", "Decimal");
	return class;
}

/* Is the value a Decimal? Imports nothing if it cannot be one. */
static bool
is_decimal(PyObject *value)
{
	return !PyUnicode_Check(value) && !PyLong_Check(value) &&
		!PyFloat_Check(value) &&
		PyObject_TypeCheck(value, (PyTypeObject *) decimal_class());
}

/*
 * The int that a Decimal is equal to, in the range of int64; NULL, without an
 * exception, if there is none. A new reference.
 */
static PyObject *
integral_decimal(PyObject *value)
{
	PyObject *limit = PyLong_FromLongLong(PG_INT64_MAX);
	PyObject *negative = PyLong_FromLongLong(PG_INT64_MIN);
	PyObject *integer = NULL;

	/* Decimal('1E+999999') would be a very long int. */
	if (limit != NULL && negative != NULL &&
		PyObject_RichCompareBool(value, limit, Py_LE) == 1 &&
		PyObject_RichCompareBool(value, negative, Py_GE) == 1)
		integer = PyNumber_Long(value);
	if (integer != NULL && PyObject_RichCompareBool(integer, value, Py_EQ) != 1)
		Py_CLEAR(integer);
	Py_XDECREF(limit);
	Py_XDECREF(negative);
	PyErr_Clear();
	return integer;
}

/*
 * Reads a value into an int64 if it is an integer, an integral float or an
 * integral Decimal. Returns false if it is something else; throws if it is out
 * of the range min to max.
 */
static bool
integer_of(ToDatum *self, PyObject *value, int64 min, int64 max, int64 *result)
{
	int overflow = 0;

	if (PyFloat_Check(value))
	{
		double number = PyFloat_AS_DOUBLE(value);

		if (isnan(number) || isinf(number) || number != floor(number))
			return false;
		overflow = !FLOAT8_FITS_IN_INT64(number);
		*result = overflow ? 0 : (int64) number;
	}
	else if (PyLong_Check(value))
		*result = PyLong_AsLongLongAndOverflow(value, &overflow);
	else if (is_decimal(value))
	{
		PyObject *integer = integral_decimal(value);

		if (integer == NULL)
			return false;
		*result = PyLong_AsLongLongAndOverflow(integer, &overflow);
		Py_DECREF(integer);
	}
	else
		return false;
	if (overflow != 0 || *result < min || *result > max)
		conversion_refuse(self, value, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
						  "is out of range");
	return true;
}

/*
 * One converter per integer type. An int that fits is the direct way; the rest
 * is sorted out by integer_of().
 */
#define INTEGER_TO_DATUM(name, min, max, make) \
	static Datum name(ToDatum *self, PyObject *value) \
	{ \
		int64 integer; \
		int overflow; \
\
		if (likely(PyLong_CheckExact(value))) \
		{ \
			integer = PyLong_AsLongLongAndOverflow(value, &overflow); \
			if (likely(overflow == 0 && integer >= (min) && integer <= (max))) \
				return make(integer); \
		} \
		if (integer_of(self, value, (min), (max), &integer)) \
			return make(integer); \
		return to_datum_by_text(self, value); \
	}

INTEGER_TO_DATUM(int2_to_datum, PG_INT16_MIN, PG_INT16_MAX, Int16GetDatum)
INTEGER_TO_DATUM(int4_to_datum, PG_INT32_MIN, PG_INT32_MAX, Int32GetDatum)
INTEGER_TO_DATUM(int8_to_datum, PG_INT64_MIN, PG_INT64_MAX, Int64GetDatum)
INTEGER_TO_DATUM(oid_to_datum, 0, PG_UINT32_MAX, ObjectIdGetDatum)

static Datum
float8_to_datum(ToDatum *self, PyObject *value)
{
	if (likely(PyFloat_Check(value)))
		return Float8GetDatum(PyFloat_AS_DOUBLE(value));
	return to_datum_by_text(self, value);
}

/* real: what is too large or too small for it is PostgreSQL's own error. */
static Datum
float4_to_datum(ToDatum *self, PyObject *value)
{
	if (likely(PyFloat_Check(value)))
		return DirectFunctionCall1(dtof,
								   Float8GetDatum(PyFloat_AS_DOUBLE(value)));
	return to_datum_by_text(self, value);
}

/*
 * A number as text. Unlike str() of a Decimal, str() of an int refuses to
 * write thousands of digits.
 */
static PyObject *
number_string(PyObject *value)
{
	PyObject *string;
	PyObject *decimal;

	PyObject *class = decimal_class();

	python_enter();
	if (PyLong_Check(value))
	{
		decimal = PyObject_CallOneArg(class, value);
		string = decimal != NULL ? PyObject_Str(decimal) : NULL;
		Py_XDECREF(decimal);
	}
	else
		string = PyObject_Str(value);
	python_leave();
	return reference_own(string);
}

/* numeric: exact, whatever the number of digits. */
static Datum
numeric_to_datum(ToDatum *self, PyObject *value)
{
	PyObject *string;
	Numeric number;
	int64 integer;
	int overflow;

	if (PyLong_Check(value))
	{
		integer = PyLong_AsLongLongAndOverflow(value, &overflow);
		if (overflow == 0)
		{
			number = int64_to_numeric(integer);
			if (self->typmod < 0)
				return NumericGetDatum(number);
			return DirectFunctionCall2(numeric, NumericGetDatum(number),
									   Int32GetDatum(self->typmod));
		}
	}
	if (PyUnicode_Check(value) || is_bytes(value))
		return to_datum_by_text(self, value);
	string = number_string(value);
	if (likely(PyUnicode_IS_COMPACT_ASCII(string)))
		return input_text(self, value,
						  (const char *) PyUnicode_1BYTE_DATA(string));
	return to_datum_by_text(self, string);
}

/* uuid.UUID, borrowed; imported when it is first asked for. */
static PyObject *
uuid_class(void)
{
	static PyObject *class = NULL;

	if (class == NULL)
		class = interpreter_import("uuid", "UUID");
	return class;
}

static Datum
uuid_to_datum(ToDatum *self, PyObject *value)
{
	PyObject *bytes;
	pg_uuid_t *uuid;

	if (!PyObject_TypeCheck(value, (PyTypeObject *) uuid_class()))
		return to_datum_by_text(self, value);
	bytes = reference_own(PyObject_GetAttrString(value, "bytes"));
	if (!PyBytes_Check(bytes) || PyBytes_GET_SIZE(bytes) != UUID_LEN)
		conversion_refuse(self, value, ERRCODE_FDW_INVALID_DATA_TYPE,
						  "does not have 16 bytes");
	uuid = palloc(sizeof(pg_uuid_t));
	memcpy(uuid->data, PyBytes_AS_STRING(bytes), UUID_LEN);
	return UUIDPGetDatum(uuid);
}

/* ---------- the choice ---------- */

typedef struct ScalarConverter
{
	Oid type;
	ToDatumFunction convert;
} ScalarConverter;

static const ScalarConverter scalars[] = {
	{BOOLOID, bool_to_datum},	  {INT2OID, int2_to_datum},
	{INT4OID, int4_to_datum},	  {INT8OID, int8_to_datum},
	{OIDOID, oid_to_datum},		  {FLOAT4OID, float4_to_datum},
	{FLOAT8OID, float8_to_datum}, {NUMERICOID, numeric_to_datum},
	{TEXTOID, text_to_datum},	  {VARCHAROID, text_to_datum},
	{NAMEOID, name_to_datum},	  {CHAROID, char_to_datum},
	{BYTEAOID, bytea_to_datum},	  {JSONOID, json_to_datum},
	{JSONBOID, json_to_datum},	  {UUIDOID, uuid_to_datum},
};

/* The direct way into a scalar type, or NULL. */
static ToDatumFunction
scalar_to_datum(Oid type)
{
	for (int i = 0; i < (int) lengthof(scalars); i++)
	{
		if (scalars[i].type == type)
			return scalars[i].convert;
	}
	return datetime_to_datum(type);
}

/* Converts to the base type, then checks what the domain demands. */
static Datum
domain_to_datum(ToDatum *self, PyObject *value)
{
	Datum datum = self->convert_base(self, value);

	domain_check(datum, false, self->domain, &self->domain_cache,
				 self->context);
	return datum;
}

/* NULL for a domain: throws if the domain forbids it. */
Datum
to_datum_null(ToDatum *self)
{
	domain_check((Datum) 0, true, self->domain, &self->domain_cache,
				 self->context);
	return (Datum) 0;
}

/* Puts the domain's constraints over the converter of its base type. */
static void
wrap_domain(ToDatum *self, Oid domain)
{
	self->is_domain = true;
	self->domain = domain;
	self->convert_base = self->convert;
	self->convert = domain_to_datum;
}

/*
 * A converter towards a type, in CurrentMemoryContext. as_text takes the
 * type's text form instead of Python values. Reads catalogs; may throw.
 */
ToDatum *
to_datum_create(Oid type, int32 typmod, bool as_text,
				ConversionSubject *subject)
{
	ToDatum *self = palloc0(sizeof(ToDatum));
	Oid input;

	self->subject = subject;
	self->typmod = typmod;
	self->type = getBaseTypeAndTypmod(type, &self->typmod);
	self->context = CurrentMemoryContext;
	getTypeInputInfo(self->type, &input, &self->ioparam);
	fmgr_info(input, &self->input);

	self->convert = as_text ? to_datum_by_text : scalar_to_datum(self->type);
	if (self->convert == NULL && !container_to_datum(self))
		self->convert = to_datum_by_text;
	if (type != self->type)
		wrap_domain(self, type);
	return self;
}
