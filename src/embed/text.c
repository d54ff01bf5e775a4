/*
 * text.c
 *	  Python str <-> text in the database's encoding.
 *
 * UTF8 needs no conversion and ASCII, in every server encoding, no copy. In an
 * SQL_ASCII database bytes that are not UTF-8 travel as surrogate escapes,
 * everywhere else a lone surrogate is an error.
 */
#include "embed/text.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "common/string.h"
#include "embed/error.h"
#include "embed/reference.h"
#include "mb/pg_wchar.h"

/* Throws about a str that has no form in the database's encoding. */
MULTICORN_NORETURN static void refuse_surrogate(void);

static void
refuse_surrogate(void)
{
	PyErr_Clear();
	ereport(ERROR, errcode(ERRCODE_UNTRANSLATABLE_CHARACTER),
			errmsg("Python str with a lone surrogate has no equivalent in encoding \"%s\"",
				   GetDatabaseEncodingName()));
}

/* The bytes that surrogate escapes stand for, in CurrentMemoryContext. */
static const char *
unescape_surrogates(PyObject *string, Size *length)
{
	PyObject *bytes;

	PyErr_Clear();
	bytes = PyUnicode_AsEncodedString(string, "utf-8", "surrogateescape");
	if (bytes == NULL)
		refuse_surrogate();
	reference_own(bytes);
	*length = PyBytes_GET_SIZE(bytes);
	return PyBytes_AS_STRING(bytes);
}

/*
 * The text of a Python str in the database's encoding, terminated by a zero
 * byte that length does not count. It belongs to the str or to
 * CurrentMemoryContext, whichever goes first. Throws for a lone surrogate, a
 * NUL character and a character the encoding lacks, and for what is no str.
 */
const char *
text_from_python(PyObject *string, Size *length)
{
	const char *text;
	Py_ssize_t size;

	if (unlikely(!PyUnicode_Check(string)))
		ereport(ERROR, errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
				errmsg("value must be a str, not %s",
					   text_of_type_name(Py_TYPE(string))));
	if (PyUnicode_IS_COMPACT_ASCII(string))
	{
		text = (const char *) PyUnicode_1BYTE_DATA(string);
		*length = PyUnicode_GET_LENGTH(string);
	}
	else if ((text = PyUnicode_AsUTF8AndSize(string, &size)) != NULL)
		*length = size;
	else if (PyErr_ExceptionMatches(PyExc_UnicodeEncodeError))
	{
		if (GetDatabaseEncoding() != PG_SQL_ASCII)
			refuse_surrogate();
		text = unescape_surrogates(string, length);
	}
	else
		python_throw();

	if (memchr(text, 0, *length) != NULL)
		ereport(ERROR, errcode(ERRCODE_UNTRANSLATABLE_CHARACTER),
				errmsg("text with a NUL character (0x00) cannot be stored in PostgreSQL"));
	if (GetDatabaseEncoding() != PG_UTF8 &&
		GetDatabaseEncoding() != PG_SQL_ASCII &&
		!PyUnicode_IS_COMPACT_ASCII(string))
	{
		text = (char *) pg_do_encoding_conversion((unsigned char *)
													  unconstify(char *, text),
												  *length, PG_UTF8,
												  GetDatabaseEncoding());
		*length = strlen(text);
	}
	return text;
}

/* The str encoded with "backslashreplace", copied, as a C string; or NULL. */
static char *
encode_with_backslashes(PyObject *string, const char *encoding)
{
	PyObject *bytes = PyUnicode_AsEncodedString(string, encoding,
												"backslashreplace");
	char *copy;

	if (bytes == NULL)
	{
		PyErr_Clear();
		return NULL;
	}
	copy = MemoryContextAllocExtended(CurrentMemoryContext,
									  PyBytes_GET_SIZE(bytes) + 1,
									  MCXT_ALLOC_NO_OOM | MCXT_ALLOC_HUGE);
	if (copy != NULL)
		memcpy(copy, PyBytes_AS_STRING(bytes), PyBytes_GET_SIZE(bytes) + 1);
	Py_DECREF(bytes);
	return copy;
}

/*
 * A text in another encoding, in CurrentMemoryContext; NULL if it has no form
 * there, or if no catalog can be read to find out.
 */
static char *
try_convert(char *text, int from, int to)
{
	int length = strlen(text);
	Oid function = InvalidOid;
	char *converted;

	if (IsTransactionState())
		function = FindDefaultConversionProc(from, to);
	if (!OidIsValid(function))
		return NULL;
	converted = palloc(length * MAX_CONVERSION_GROWTH + 1);
	if (pg_do_encoding_conversion_buf(function, from, to, (unsigned char *) text,
									  length, (unsigned char *) converted,
									  length * MAX_CONVERSION_GROWTH + 1,
									  true) != length)
		return NULL;
	return converted;
}

/*
 * Can the client show this text? PostgreSQL would raise an error about the
 * message instead of sending it.
 */
static bool
client_can_show(char *text)
{
	int client = pg_get_client_encoding();

	return pg_is_ascii(text) || client == GetDatabaseEncoding() ||
		client == PG_SQL_ASCII || GetDatabaseEncoding() == PG_SQL_ASCII ||
		try_convert(text, GetDatabaseEncoding(), client) != NULL;
}

/*
 * A Python str for messages: a C string in the database's encoding, in
 * CurrentMemoryContext, with backslash escapes for what has no form there or
 * in the client's encoding.
 * NULL stands for NULL or None. Throws only if memory runs out.
 */
char *
text_from_python_lossy(PyObject *string)
{
	char *text;

	if (string == NULL || !PyUnicode_Check(string))
		return NULL;
	text = encode_with_backslashes(string, "utf-8");
	if (text != NULL && GetDatabaseEncoding() != PG_UTF8 &&
		GetDatabaseEncoding() != PG_SQL_ASCII && !pg_is_ascii(text))
		text = try_convert(text, PG_UTF8, GetDatabaseEncoding());
	if (text == NULL || !client_can_show(text))
		text = encode_with_backslashes(string, "ascii");
	return text != NULL ? text : pstrdup("(text not available)");
}

/* How much of a type's name messages show, in characters. */
#define SHOWN_TYPE_NAME 200

/*
 * The name of a type for messages, which may be any text of any length; belongs
 * to the type or to CurrentMemoryContext. Sets no exception; throws only if
 * memory runs out.
 */
const char *
text_of_type_name(PyTypeObject *type)
{
	PyObject *name;
	PyObject *start;
	const char *text;

	if (strlen(type->tp_name) <= SHOWN_TYPE_NAME && pg_is_ascii(type->tp_name))
		return type->tp_name;
	name = PyUnicode_FromString(type->tp_name);
	start = name != NULL ? PyUnicode_Substring(name, 0, SHOWN_TYPE_NAME) : NULL;
	Py_XDECREF(name);
	PyErr_Clear();
	text = text_from_python_lossy(start);
	Py_XDECREF(start);
	return text != NULL ? text : "object";
}

/*
 * A new Python str of text in the database's encoding. Throws if it cannot be
 * decoded or memory runs out.
 */
PyObject *
text_to_python(const char *text, Size length)
{
	PyObject *string;
	const char *utf8 = text;

	if (GetDatabaseEncoding() == PG_SQL_ASCII)
		string = PyUnicode_DecodeUTF8(text, length, "surrogateescape");
	else
	{
		if (GetDatabaseEncoding() != PG_UTF8)
			utf8 = (char *)
				pg_do_encoding_conversion((unsigned char *) unconstify(char *,
																	   text),
										  length, GetDatabaseEncoding(),
										  PG_UTF8);
		string = PyUnicode_DecodeUTF8(utf8,
									  utf8 == text ? length : strlen(utf8),
									  "strict");
		if (utf8 != text)
			pfree(unconstify(char *, utf8));
	}
	if (string == NULL)
		python_throw();
	return string;
}

/* A str of a C string in the database's encoding, owned by CurrentMemoryContext. */
PyObject *
python_string(const char *text)
{
	return reference_own(text_to_python(text, strlen(text)));
}

/*
 * The same as an interned str, for a name that is looked up in dicts; owned by
 * CurrentMemoryContext.
 */
PyObject *
python_name(const char *text)
{
	PyObject *name = text_to_python(text, strlen(text));

	if (name == NULL)
		python_throw();
	PyUnicode_InternInPlace(&name);
	return reference_own(name);
}
