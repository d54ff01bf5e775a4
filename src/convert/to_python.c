/*
 * to_python.c
 *	  Datums become Python values: scalars, and the choice of a converter.
 *
 * What Python has no exact value for (an infinite timestamp, an interval with
 * months) comes back as NULL without an exception; the caller decides whether
 * that means not to push a filter down or an error.
 */
#include "convert/convert.h"

#include "catalog/pg_type.h"
#include "embed/call.h"
#include "embed/error.h"
#include "embed/interpreter.h"
#include "embed/text.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/uuid.h"

static PyObject *
bool_to_python(ToPython *self, Datum datum)
{
	return PyBool_FromLong(DatumGetBool(datum));
}

static PyObject *
int2_to_python(ToPython *self, Datum datum)
{
	return PyLong_FromLong(DatumGetInt16(datum));
}

static PyObject *
int4_to_python(ToPython *self, Datum datum)
{
	return PyLong_FromLong(DatumGetInt32(datum));
}

static PyObject *
int8_to_python(ToPython *self, Datum datum)
{
	return PyLong_FromLongLong(DatumGetInt64(datum));
}

static PyObject *
oid_to_python(ToPython *self, Datum datum)
{
	return PyLong_FromUnsignedLong(DatumGetObjectId(datum));
}

static PyObject *
float4_to_python(ToPython *self, Datum datum)
{
	return PyFloat_FromDouble(DatumGetFloat4(datum));
}

static PyObject *
float8_to_python(ToPython *self, Datum datum)
{
	return PyFloat_FromDouble(DatumGetFloat8(datum));
}

/* The text form of any type. */
static PyObject *
text_form_to_python(ToPython *self, Datum datum)
{
	char *text = OutputFunctionCall(&self->output, datum);
	PyObject *string = text_to_python(text, strlen(text));

	pfree(text);
	return string;
}

/*
 * A setting that text forms depend on is given a value until the nest level of
 * settings ends.
 */
static void
set_for_text(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/* Do the session's settings give text forms that are exact everywhere? */
static bool
are_settings_exact(void)
{
	return DateStyle == USE_ISO_DATES && IntervalStyle == INTSTYLE_POSTGRES &&
		extra_float_digits >= 1;
}

/*
 * Until AtEOXact_GUC() ends the nest level that is returned, output functions
 * give texts that are exact everywhere.
 */
int
begin_exact_settings(void)
{
	int level = NewGUCNestLevel();

	set_for_text("datestyle", "ISO");
	set_for_text("intervalstyle", "postgres");
	set_for_text("extra_float_digits", "1");
	set_for_text("bytea_output", "hex");
	set_for_text("lc_monetary", "C");
	/* The names of tables and functions come with their schemas. */
	set_for_text("search_path", "pg_catalog");
	return level;
}

/* The text form of any type, one that is exact wherever it is read. */
static PyObject *
exact_text_to_python(ToPython *self, Datum datum)
{
	int level;
	PyObject *string;

	if (likely(self->steadiness == TEXT_STEADY ||
			   (self->steadiness == TEXT_COMMON && are_settings_exact())))
		return text_form_to_python(self, datum);
	level = begin_exact_settings();
	string = text_form_to_python(self, datum);
	AtEOXact_GUC(true, level);
	return string;
}

/* Calls a class with one object whose reference is taken. */
static PyObject *
make_of(PyObject *class, PyObject *argument)
{
	PyObject *result;

	if (argument == NULL)
		return NULL;
	python_enter();
	result = PyObject_CallOneArg(class, argument);
	python_leave();
	Py_DECREF(argument);
	return result;
}

static PyObject *
numeric_to_python(ToPython *self, Datum datum)
{
	static PyObject *decimal = NULL;

	if (decimal == NULL)
		decimal = interpreter_import("decimal", "Decimal");
	return make_of(decimal, text_form_to_python(self, datum));
}

/* text and varchar, without a detour over a C string. */
static PyObject *
text_to_str(ToPython *self, Datum datum)
{
	text *value = DatumGetTextPP(datum);

	return text_to_python(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}

/* char(n): its trailing blanks do not count. */
static PyObject *
bpchar_to_python(ToPython *self, Datum datum)
{
	BpChar *value = DatumGetBpCharPP(datum);
	char *text = VARDATA_ANY(value);

	return text_to_python(text, bpchartruelen(text, VARSIZE_ANY_EXHDR(value)));
}

static PyObject *
bytea_to_python(ToPython *self, Datum datum)
{
	bytea *value = DatumGetByteaPP(datum);

	return PyBytes_FromStringAndSize(VARDATA_ANY(value),
									 VARSIZE_ANY_EXHDR(value));
}

/* uuid.UUID(bytes=...) */
static PyObject *
uuid_to_python(ToPython *self, Datum datum)
{
	static PyObject *class = NULL;
	static PyObject *keywords = NULL;
	PyObject *bytes;
	PyObject *result;

	if (class == NULL)
		class = interpreter_import("uuid", "UUID");
	if (keywords == NULL)
		keywords = Py_BuildValue("(s)", "bytes");
	bytes = PyBytes_FromStringAndSize((const char *) DatumGetUUIDP(datum)->data,
									  UUID_LEN);
	if (bytes == NULL || keywords == NULL)
		return NULL;
	python_enter();
	result = PyObject_Vectorcall(class, &bytes, 0, keywords);
	python_leave();
	Py_DECREF(bytes);
	return result;
}

typedef struct ScalarConverter
{
	Oid type;
	ToPythonFunction convert;
} ScalarConverter;

static const ScalarConverter scalars[] = {
	{BOOLOID, bool_to_python},	   {INT2OID, int2_to_python},
	{INT4OID, int4_to_python},	   {INT8OID, int8_to_python},
	{OIDOID, oid_to_python},	   {FLOAT4OID, float4_to_python},
	{FLOAT8OID, float8_to_python}, {NUMERICOID, numeric_to_python},
	{TEXTOID, text_to_str},		   {VARCHAROID, text_to_str},
	{BPCHAROID, bpchar_to_python}, {BYTEAOID, bytea_to_python},
	{UUIDOID, uuid_to_python},
};

/* The direct way out of a scalar type, or NULL. */
static ToPythonFunction
scalar_to_python(Oid type)
{
	for (int i = 0; i < (int) lengthof(scalars); i++)
	{
		if (scalars[i].type == type)
			return scalars[i].convert;
	}
	return datetime_to_python(type);
}

/* Is this a type of names that text forms shorten by search_path? */
static bool
is_name_of_object(Oid type)
{
	switch (type)
	{
		case REGCLASSOID:
		case REGCOLLATIONOID:
		case REGCONFIGOID:
		case REGDICTIONARYOID:
		case REGOPEROID:
		case REGOPERATOROID:
		case REGPROCOID:
		case REGPROCEDUREOID:
		case REGTYPEOID:
			return true;
		default:
			return false;
	}
}

/*
 * Which settings have a say in the text form of a type without a direct way out.
 * That of money is read in the same lc_monetary only, so it stays as it is; other
 * types, of extensions too, may hold dates or floating-point numbers.
 */
static TextSteadiness
other_steadiness(Oid type)
{
	char category;
	bool preferred;

	if (is_name_of_object(type))
		return TEXT_VARIES;
	get_type_category_preferred(type, &category, &preferred);
	return type == MONEYOID || category == TYPCATEGORY_STRING ||
			category == TYPCATEGORY_ENUM
		? TEXT_STEADY
		: TEXT_COMMON;
}

/* A converter by a function, or by one that is chosen for containers, or by text. */
static ToPython *
make_converter(Oid type, ToPythonFunction convert)
{
	ToPython *self = palloc0(sizeof(ToPython));
	Oid output;
	bool is_varlena;

	self->type = type;
	self->convert = convert;
	self->context = CurrentMemoryContext;
	getTypeOutputInfo(type, &output, &is_varlena);
	fmgr_info_cxt(output, &self->output, CurrentMemoryContext);
	if (self->convert == NULL && !container_to_python(self))
	{
		/* A wrapper may keep the text for another session. */
		self->convert = exact_text_to_python;
		self->steadiness = other_steadiness(type);
	}
	return self;
}

/* Room for the types that have a direct way out. */
#define MOST_SHARED_CONVERTERS 32

/* The converter out of a scalar type, which is the same in all places: made once. */
static ToPython *
shared_converter(Oid type, ToPythonFunction convert)
{
	static ToPython *made[MOST_SHARED_CONVERTERS];
	MemoryContext old;
	int i;

	for (i = 0; i < (int) lengthof(made) && made[i] != NULL; i++)
	{
		if (made[i]->type == type)
			return made[i];
	}
	Assert(i < (int) lengthof(made));
	old = MemoryContextSwitchTo(TopMemoryContext);
	made[i] = make_converter(type, convert);
	MemoryContextSwitchTo(old);
	return made[i];
}

/*
 * A converter out of a type, in CurrentMemoryContext or for ever. as_text gives
 * the type's text form, an exact one, instead of Python values. Reads catalogs; may throw.
 */
ToPython *
to_python_create(Oid type, bool as_text)
{
	Oid base = getBaseType(type);
	ToPythonFunction convert = as_text ? exact_text_to_python
									   : scalar_to_python(base);
	ToPython *self = convert != NULL && !as_text
		? shared_converter(base, convert)
		: make_converter(base, convert);

	if (as_text)
		self->steadiness = text_steadiness(base);
	return self;
}

/*
 * A new reference to the Python value of a datum, None for NULL. NULL says
 * that Python has no exact value for it. Throws what PostgreSQL's output
 * functions throw, and if memory runs out.
 */
PyObject *
to_python(ToPython *self, Datum datum, bool isnull)
{
	PyObject *result;

	if (isnull)
		return Py_NewRef(Py_None);
	result = self->convert(self, datum);
	if (result == NULL && PyErr_Occurred())
		python_throw();
	return result;
}

/*
 * The text form of a datum, in CurrentMemoryContext: one that gives the same
 * value again under whatever settings it is read. Throws what the type's
 * output function throws.
 */
char *
to_exact_text(ToPython *self, Datum datum)
{
	int level;
	char *text;

	if (likely(are_settings_exact()))
		return OutputFunctionCall(&self->output, datum);
	level = begin_exact_settings();
	text = OutputFunctionCall(&self->output, datum);
	AtEOXact_GUC(true, level);
	return text;
}
