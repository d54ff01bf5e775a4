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
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/typcache.h"
#include "utils/uuid.h"

/* Errors of input functions quote their texts; one of so many bytes is shortened. */
#define LONG_TEXT 10000

/* ---------- text ---------- */

/* What str() makes of a value: a str, owned by CurrentMemoryContext. */
static PyObject *
string_of(PyObject *value)
{
	PyObject *string;

	if (PyUnicode_Check(value))
		return value;
	python_enter();
	string = PyObject_Str(value);
	python_leave();
	return reference_own(string);
}

/*
 * The same for a column of characters: dates and times in ISO form, a dict or a
 * list as JSON.
 */
static PyObject *
readable_string_of(PyObject *value)
{
	PyObject *string;

	if (PyDict_Check(value) || PyList_Check(value))
		return reference_own(python_call(interpreter_functions.dump_json,
										 &value, 1, NULL));
	python_enter();
	string = datetime_isoformat(value);
	python_leave();
	if (string == NULL && PyErr_Occurred())
		python_throw();
	if (string != NULL)
		reference_own(string);
	/* A subclass may return anything; str() is always a str. */
	return string != NULL && PyUnicode_Check(string) ? string
													 : string_of(value);
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
	PyObject *bytes;

	if (PyBytes_CheckExact(value))
		return value;
	python_enter();
	bytes = PyBytes_FromObject(value);
	python_leave();
	return reference_own(bytes);
}

/*
 * The characters of a str or of bytes, in the database's encoding, with a zero
 * byte behind them. bytes are taken to be in it and are checked.
 */
static const char *
characters_of(PyObject *value, Size *length)
{
	if (!is_bytes(value))
		return text_from_python(value, length);
	value = bytes_of(value);
	*length = PyBytes_GET_SIZE(value);
	pg_verifymbstr(PyBytes_AS_STRING(value), *length, false);
	return PyBytes_AS_STRING(value);
}

/* The characters of any value for a column of characters. */
static const char *
readable_characters_of(PyObject *value, Size *length)
{
	if (!PyUnicode_Check(value) && !is_bytes(value))
		value = readable_string_of(value);
	return characters_of(value, length);
}

/* Finds the type's input function, at the first value that needs it. */
static void
find_input(ToDatum *self)
{
	Oid input;

	getTypeInputInfo(self->type, &input, &self->ioparam);
	fmgr_info_cxt(input, &self->input, self->context);
}

/* Calls the type's input function. */
static inline Datum
call_input(ToDatum *self, const char *text)
{
	return InputFunctionCall(&self->input, unconstify(char *, text),
							 self->ioparam, self->typmod);
}

/* The same with a long text, of which an error shows no more than a part. */
static pg_noinline Datum
call_input_long(ToDatum *self, const char *text)
{
	MemoryContext context = CurrentMemoryContext;
	Datum datum = (Datum) 0;

	PG_TRY();
	{
		datum = call_input(self, text);
	}
	PG_CATCH();
	{
		error_rethrow_shortened(context);
	}
	PG_END_TRY();
	return datum;
}

/* Hands text to the type's input function; errors show it. */
static Datum
input_text(ToDatum *self, const char *text, Size length)
{
	Datum datum;

	if (unlikely(length > MaxAllocSize - VARHDRSZ - 1))
		refuse_bytes(length);
	if (unlikely(!OidIsValid(self->input.fn_oid)))
		find_input(self);
	self->subject->text = text;
	datum = unlikely(length > LONG_TEXT) ? call_input_long(self, text)
										 : call_input(self, text);
	self->subject->text = NULL;
	return datum;
}

/* The way of every value without a direct one: str() and the input function. */
Datum
to_datum_by_text(ToDatum *self, PyObject *value)
{
	const char *text;
	Size length;

	if (!is_bytes(value))
		value = string_of(value);
	text = characters_of(value, &length);
	return input_text(self, text, length);
}

/* char(n), citext and other types of characters, by their input function. */
static Datum
characters_to_datum(ToDatum *self, PyObject *value)
{
	Size length;
	const char *text = readable_characters_of(value, &length);

	return input_text(self, text, length);
}

/* text, and varchar when the value is short enough not to need a look. */
static Datum
text_to_datum(ToDatum *self, PyObject *value)
{
	const char *text = NULL;
	Size length;

	if (likely(PyUnicode_Check(value)))
		text = text_of_ascii(value, &length);
	if (unlikely(text == NULL))
		text = readable_characters_of(value, &length);
	if (unlikely(self->typmod >= 0 && length > (Size) (self->typmod - VARHDRSZ)))
		return input_text(self, text, length);
	return make_varlena(self, text, length);
}

/* name: the input function would cut a long value in silence. */
static Datum
name_to_datum(ToDatum *self, PyObject *value)
{
	Size length;
	const char *text = readable_characters_of(value, &length);

	if (length >= NAMEDATALEN)
		conversion_refuse(self, value, ERRCODE_STRING_DATA_RIGHT_TRUNCATION,
						  psprintf("is longer than %d bytes", NAMEDATALEN - 1));
	return input_text(self, text, length);
}

/* Is this how "char" writes a byte above 127: \\ooo? */
static bool
is_octal_escape(const char *text)
{
	return text[0] == '\\' && strlen(text) == 4 &&
		strspn(text + 1, "01234567") == 3;
}

/* "char", one byte: the input function would drop the others. */
static Datum
char_to_datum(ToDatum *self, PyObject *value)
{
	Size length;
	const char *text = readable_characters_of(value, &length);

	if (length > 1 && !is_octal_escape(text))
		conversion_refuse(self, value, ERRCODE_STRING_DATA_RIGHT_TRUNCATION,
						  "is longer than one byte");
	return input_text(self, text, length);
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
		return make_varlena(self, text, length);
	}
	if (!is_bytes(value))
		return to_datum_by_text(self, value);
	value = bytes_of(value);
	return make_varlena(self, PyBytes_AS_STRING(value),
						PyBytes_GET_SIZE(value));
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

/*
 * The datum of a value's text form, in the database's encoding and with a zero
 * byte behind it: what the type's input function makes of it, except that a
 * name or "char" is not cut in silence. Constraints of a domain are left to
 * to_datum_checked().
 */
Datum
to_datum_from_text(ToDatum *self, const char *text, Size length)
{
	if (unlikely((self->type == NAMEOID && length >= NAMEDATALEN) ||
				 (self->type == CHAROID && length > 1 &&
				  !is_octal_escape(text))))
		ereport(ERROR, errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
				errmsg("value of %zu bytes is too long for type %s", length,
					   format_type_be(self->type)));
	return input_text(self, text, length);
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
 * exception, if there is none. A new reference. Throws an interrupt.
 */
static PyObject *
integral_decimal(PyObject *value)
{
	PyObject *limit = PyLong_FromLongLong(PG_INT64_MAX);
	PyObject *negative = PyLong_FromLongLong(PG_INT64_MIN);
	PyObject *integer = NULL;

	python_enter();
	/* Decimal('1E+999999') would be a very long int. */
	if (limit != NULL && negative != NULL &&
		PyObject_RichCompareBool(value, limit, Py_LE) == 1 &&
		PyObject_RichCompareBool(value, negative, Py_GE) == 1)
		integer = PyNumber_Long(value);
	if (integer != NULL && PyObject_RichCompareBool(integer, value, Py_EQ) != 1)
		Py_CLEAR(integer);
	Py_XDECREF(limit);
	Py_XDECREF(negative);
	python_leave();
	if (integer == NULL)
		python_forgive();
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

/* real: its nearest value, but no infinity or zero for what is neither. */
static Datum
float4_to_datum(ToDatum *self, PyObject *value)
{
	double number;
	float4 result;

	if (!PyFloat_Check(value))
		return to_datum_by_text(self, value);
	number = PyFloat_AS_DOUBLE(value);
	result = (float4) number;
	if ((isinf(result) && !isinf(number)) || (result == 0.0f && number != 0.0))
		conversion_refuse(self, value, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
						  "is out of range");
	return Float4GetDatum(result);
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
	int64 integer;
	int overflow;

	if (PyUnicode_Check(value) || is_bytes(value))
		return to_datum_by_text(self, value);
	if (PyLong_Check(value) && self->typmod < 0)
	{
		integer = PyLong_AsLongLongAndOverflow(value, &overflow);
		if (overflow == 0)
			return NumericGetDatum(int64_to_numeric(integer));
	}
	string = number_string(value);
	if (likely(PyUnicode_IS_COMPACT_ASCII(string)))
		return input_text(self, (const char *) PyUnicode_1BYTE_DATA(string),
						  PyUnicode_GET_LENGTH(string));
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
	python_enter();
	bytes = PyObject_GetAttrString(value, "bytes");
	python_leave();
	reference_own(bytes);
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

/* Is this a type of characters, whichever extension it comes from? */
static bool
is_character_type(Oid type)
{
	char category;
	bool preferred;

	get_type_category_preferred(type, &category, &preferred);
	return category == TYPCATEGORY_STRING;
}

/* The direct way into a scalar type, or NULL. */
static ToDatumFunction
scalar_to_datum(Oid type)
{
	for (int i = 0; i < (int) lengthof(scalars); i++)
	{
		if (scalars[i].type == type)
			return scalars[i].convert;
	}
	if (is_character_type(type))
		return characters_to_datum;
	return datetime_to_datum(type);
}

/* The way of a type's text form, which name and "char" would cut in silence. */
static ToDatumFunction
text_form_to_datum(Oid type)
{
	return type == NAMEOID || type == CHAROID ? scalar_to_datum(type)
											  : to_datum_by_text;
}

/* A datum for a domain: throws if it is not what the domain demands. */
Datum
to_datum_checked(ToDatum *self, Datum datum)
{
	domain_check(datum, false, self->domain, &self->domain_cache,
				 self->context);
	return datum;
}

/* Converts to the base type, then checks what the domain demands. */
static Datum
domain_to_datum(ToDatum *self, PyObject *value)
{
	return to_datum_checked(self, self->convert_base(self, value));
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

	self->subject = subject;
	self->typmod = typmod;
	self->type = getBaseTypeAndTypmod(type, &self->typmod);
	self->context = CurrentMemoryContext;
	self->convert = as_text ? text_form_to_datum(self->type)
							: scalar_to_datum(self->type);
	if (self->convert == NULL && !container_to_datum(self))
		self->convert = to_datum_by_text;
	if (type != self->type)
		wrap_domain(self, type);
	return self;
}
