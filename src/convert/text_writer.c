/*
 * text_writer.c
 *	  Rows as text, in the encoding of the database and without a Python object
 *	  per value: lines of COPY's text format, or an array literal per column.
 *
 * The text is exact, and the same whatever the session's settings are. Common
 * types are written here, where no setting is asked for; the others by their
 * output functions, with the settings put right once for many rows.
 */
#include "convert/text_writer.h"

#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "compat.h"
#include "convert/convert.h"
#include "embed/call.h"
#include "embed/error.h"
#include "embed/text.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/* A buffer that a row has made larger than this is not kept. */
#define LARGEST_KEPT (1024 * 1024)

typedef struct TextColumn TextColumn;

/* Appends the text of a datum that is not NULL. */
typedef void (*TextAppender)(TextColumn *self, Datum datum, StringInfo target);

struct TextColumn
{
	int attribute; /* index in the slot */
	const char *column;
	PyObject *name; /* interned */
	TextAppender append;
	FmgrInfo output;
	const char *escapes; /* of the writer */
	bool quoted;		 /* in quotes: not where it is a bare number */
	bool optional;		 /* left out where it is NULL */
	bool present;		 /* in the rows at hand */
	StringInfoData array;
};

struct TextWriter
{
	TextForm form;
	int count;
	TextColumn *columns;
	bool plain;	   /* no column depends on settings */
	bool optional; /* columns may be left out */
	int rows;	   /* how many are in the buffers */
	StringInfoData lines;
	Reference *names; /* tuple of those present; empty: to be made */
	ConversionSubject subject;
};

/* ---------- escapes ---------- */

/* The letter that stands for a byte, behind a backslash; 0 for most. */
static const char copy_escapes[256] = {
	['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n',  ['\r'] = 'r',
	['\t'] = 't', ['\v'] = 'v', ['\\'] = '\\',
};

static const char array_escapes[256] = {['"'] = '"', ['\\'] = '\\'};

/*
 * Appends text with backslashes where they belong. A byte of a character of
 * several bytes is never taken for another: no server encoding has such.
 */
static void
append_escaped(StringInfo target, const char *escapes, const char *text,
			   Size length)
{
	const char *end = text + length;
	const char *start = text;

	for (; text < end; text++)
	{
		char letter = escapes[(unsigned char) *text];

		if (likely(letter == 0))
			continue;
		appendBinaryStringInfo(target, start, text - start);
		appendStringInfoCharMacro(target, '\\');
		appendStringInfoCharMacro(target, letter);
		start = text + 1;
	}
	appendBinaryStringInfo(target, start, end - start);
}

/* ---------- values ---------- */

/* Room for a value that takes at most so many bytes, NUL included. */
static inline char *
make_room(StringInfo target, int bytes)
{
	enlargeStringInfo(target, bytes);
	return target->data + target->len;
}

static void
append_bool(TextColumn *self, Datum datum, StringInfo target)
{
	appendStringInfoCharMacro(target, DatumGetBool(datum) ? 't' : 'f');
}

static void
append_int2(TextColumn *self, Datum datum, StringInfo target)
{
	target->len += pg_itoa(DatumGetInt16(datum),
						   make_room(target, MAXINT8LEN + 1));
}

static void
append_int4(TextColumn *self, Datum datum, StringInfo target)
{
	target->len += pg_ltoa(DatumGetInt32(datum),
						   make_room(target, MAXINT8LEN + 1));
}

static void
append_int8(TextColumn *self, Datum datum, StringInfo target)
{
	target->len += pg_lltoa(DatumGetInt64(datum),
							make_room(target, MAXINT8LEN + 1));
}

static void
append_oid(TextColumn *self, Datum datum, StringInfo target)
{
	target->len += pg_lltoa(DatumGetObjectId(datum),
							make_room(target, MAXINT8LEN + 1));
}

static void
append_float4(TextColumn *self, Datum datum, StringInfo target)
{
	target->len +=
		float_to_shortest_decimal_buf(DatumGetFloat4(datum),
									  make_room(target,
												FLOAT_SHORTEST_DECIMAL_LEN));
}

static void
append_float8(TextColumn *self, Datum datum, StringInfo target)
{
	target->len +=
		double_to_shortest_decimal_buf(DatumGetFloat8(datum),
									   make_room(target,
												 DOUBLE_SHORTEST_DECIMAL_LEN));
}

/* text, varchar, char(n) with its blanks, json: their bytes are their text. */
static void
append_text(TextColumn *self, Datum datum, StringInfo target)
{
	text *value = DatumGetTextPP(datum);

	append_escaped(target, self->escapes, VARDATA_ANY(value),
				   VARSIZE_ANY_EXHDR(value));
	if (unlikely((Pointer) value != DatumGetPointer(datum)))
		pfree(value);
}

/* In the hexadecimal form, whose backslash is escaped in both forms of text. */
static void
append_bytea(TextColumn *self, Datum datum, StringInfo target)
{
	bytea *value = DatumGetByteaPP(datum);
	Size length = VARSIZE_ANY_EXHDR(value);

	appendBinaryStringInfo(target, "\\\\x", 3);
	if (length > MaxAllocSize / 2)
		ereport(ERROR, errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				errmsg("a value of %zu bytes is too long for the hexadecimal form",
					   length));
	enlargeStringInfo(target, (int) length * 2 + 1);
	target->len += (int) hex_encode(VARDATA_ANY(value), length,
									target->data + target->len);
	target->data[target->len] = '\0';
	if (unlikely((Pointer) value != DatumGetPointer(datum)))
		pfree(value);
}

static void
append_date(TextColumn *self, Datum datum, StringInfo target)
{
	DateADT date = DatumGetDateADT(datum);
	char *text = make_room(target, MAXDATELEN + 1);
	struct pg_tm tm;

	if (DATE_NOT_FINITE(date))
		EncodeSpecialDate(date, text);
	else
	{
		j2date(date + POSTGRES_EPOCH_JDATE, &tm.tm_year, &tm.tm_mon,
			   &tm.tm_mday);
		EncodeDateOnly(&tm, USE_ISO_DATES, text);
	}
	target->len += (int) strlen(text);
}

/* A timestamp, with the offset of the session's time zone if zoned. */
static void
append_time_of(Timestamp timestamp, bool zoned, StringInfo target)
{
	char *text = make_room(target, MAXDATELEN + 1);
	struct pg_tm tm;
	fsec_t fraction;
	const char *zone = NULL;
	int offset = 0;

	if (TIMESTAMP_NOT_FINITE(timestamp))
		EncodeSpecialTimestamp(timestamp, text);
	else if (timestamp2tm(timestamp, zoned ? &offset : NULL, &tm, &fraction,
						  zoned ? &zone : NULL, NULL) == 0)
		EncodeDateTime(&tm, fraction, zoned, offset, zone, USE_ISO_DATES, text);
	else
		ereport(ERROR, errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				errmsg("timestamp out of range"));
	target->len += (int) strlen(text);
}

static void
append_timestamp(TextColumn *self, Datum datum, StringInfo target)
{
	append_time_of(DatumGetTimestamp(datum), false, target);
}

static void
append_timestamptz(TextColumn *self, Datum datum, StringInfo target)
{
	append_time_of(DatumGetTimestampTz(datum), true, target);
}

/* Any type. */
static void
append_output(TextColumn *self, Datum datum, StringInfo target)
{
	char *text = OutputFunctionCall(&self->output, datum);

	append_escaped(target, self->escapes, text, strlen(text));
	pfree(text);
}

/* A type whose text does not depend on settings. */
typedef struct PlainType
{
	Oid type;
	TextAppender append;
	bool bare;	 /* needs no quotes in an array */
	bool steady; /* nor does what its output function gives, so for arrays */
} PlainType;

static const PlainType plain_types[] = {
	{BOOLOID, append_bool, true, true},
	{INT2OID, append_int2, true, true},
	{INT4OID, append_int4, true, true},
	{INT8OID, append_int8, true, true},
	{OIDOID, append_oid, true, true},
	{FLOAT4OID, append_float4, true, false},
	{FLOAT8OID, append_float8, true, false},
	{NUMERICOID, append_output, true, true},
	{UUIDOID, append_output, true, true},
	{TEXTOID, append_text, false, true},
	{VARCHAROID, append_text, false, true},
	{BPCHAROID, append_text, false, true},
	{JSONOID, append_text, false, true},
	{JSONBOID, append_output, false, true},
	{BYTEAOID, append_bytea, false, false},
	{DATEOID, append_date, false, false},
	{TIMEOID, append_output, false, true},
	{TIMESTAMPOID, append_timestamp, false, false},
	{TIMESTAMPTZOID, append_timestamptz, false, false},
	{NAMEOID, append_output, false, true},
	{CHAROID, append_output, false, true},
	{INETOID, append_output, false, true},
	{CIDROID, append_output, false, true},
	{MACADDROID, append_output, false, true},
	{BITOID, append_output, false, true},
	{VARBITOID, append_output, false, true},
};

/* What all arrays of steady elements are. */
static const PlainType plain_array = {InvalidOid, append_output, false, true};

/* NULL for types whose text may depend on settings. */
static const PlainType *
find_plain_type(Oid type)
{
	Oid element;

	for (int i = 0; i < (int) lengthof(plain_types); i++)
	{
		if (plain_types[i].type == type)
			return &plain_types[i];
	}
	element = get_element_type(type);
	for (int i = 0; i < (int) lengthof(plain_types); i++)
	{
		if (plain_types[i].type == element && plain_types[i].steady)
			return &plain_array;
	}
	return NULL;
}

/*
 * What the output function of a type gives: how far is it independent of the
 * session's settings? Reads catalogs.
 */
TextSteadiness
text_steadiness(Oid type)
{
	const PlainType *plain = find_plain_type(type);

	if (plain == NULL)
		return TEXT_VARIES;
	return plain->steady ? TEXT_STEADY : TEXT_COMMON;
}

/* ---------- making a writer ---------- */

/* Chooses how the values of a type are written. */
static void
choose_appender(TextWriter *writer, TextColumn *column, Oid type)
{
	const PlainType *plain = find_plain_type(type);
	Oid output;
	bool is_varlena;

	column->append = plain != NULL ? plain->append : append_output;
	column->quoted = writer->form == TEXT_ARRAYS &&
		(plain == NULL || !plain->bare);
	column->escapes = writer->form == TEXT_COPY ? copy_escapes : array_escapes;
	writer->plain = writer->plain && plain != NULL;
	getTypeOutputInfo(type, &output, &is_varlena);
	fmgr_info_cxt(output, &column->output, CurrentMemoryContext);
}

static void
add_column(TextWriter *writer, Form_pg_attribute form, bool optional)
{
	TextColumn *column = &writer->columns[writer->count++];

	column->attribute = form->attnum - 1;
	column->column = NameStr(form->attname);
	column->name = python_name(NameStr(form->attname));
	column->optional = optional;
	column->present = true;
	writer->optional = writer->optional || optional;
	choose_appender(writer, column, getBaseType(form->atttypid));
	if (writer->form == TEXT_ARRAYS)
		initStringInfo(&column->array);
}

/*
 * A writer of rows with the columns in written (attribute numbers). Left out
 * where they are NULL are those in remote, and those not in assigned, unless
 * that is NULL: as a RowWriter for INSERT does. Belongs to
 * CurrentMemoryContext; tupdesc must last as long. Reads catalogs; may throw.
 */
TextWriter *
text_writer_create(TupleDesc tupdesc, TextForm form, Bitmapset *written,
				   Bitmapset *remote, Bitmapset *assigned)
{
	TextWriter *writer = palloc0(sizeof(TextWriter));

	writer->form = form;
	writer->plain = true;
	writer->columns = palloc0(tupdesc->natts * sizeof(TextColumn));
	writer->names = reference_create(NULL);
	writer->subject.callback.callback = conversion_context;
	writer->subject.callback.arg = &writer->subject;
	if (form == TEXT_COPY)
		initStringInfo(&writer->lines);
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, i);
		int number = attribute->attnum;

		if (!attribute->attisdropped && bms_is_member(number, written))
			add_column(writer, attribute,
					   bms_is_member(number, remote) ||
						   (assigned != NULL &&
							!bms_is_member(number, assigned)));
	}
	return writer;
}

/* Is the text of all columns independent of settings? Then rows may come singly. */
bool
text_writer_is_plain(TextWriter *writer)
{
	return writer->plain;
}

/* How many rows are in the buffers. */
int
text_writer_rows(TextWriter *writer)
{
	return writer->rows;
}

/* How many bytes are in the buffers. */
Size
text_writer_size(TextWriter *writer)
{
	Size size = 0;

	if (writer->form == TEXT_COPY)
		return writer->lines.len;
	for (int i = 0; i < writer->count; i++)
		size += writer->columns[i].array.len;
	return size;
}

/* ---------- rows ---------- */

/* Has a row the columns of those in the buffers? The first one decides. */
static bool
takes_row(TextWriter *writer, TupleTableSlot *slot)
{
	if (likely(!writer->optional))
		return true;
	for (int i = 0; i < writer->count; i++)
	{
		TextColumn *column = &writer->columns[i];
		bool present = !column->optional ||
			!slot->tts_isnull[column->attribute];

		if (column->present == present)
			continue;
		if (writer->rows > 0)
			return false;
		column->present = present;
		Py_CLEAR(writer->names->object);
	}
	return true;
}

static inline void
append_value(TextWriter *writer, TextColumn *column, Datum datum,
			 StringInfo target)
{
	writer->subject.column = column->column;
	if (column->quoted)
		appendStringInfoCharMacro(target, '"');
	column->append(column, datum, target);
	if (column->quoted)
		appendStringInfoCharMacro(target, '"');
}

static void
append_line(TextWriter *writer, TupleTableSlot *slot)
{
	StringInfo target = &writer->lines;
	bool first = true;

	for (int i = 0; i < writer->count; i++)
	{
		TextColumn *column = &writer->columns[i];

		if (!column->present)
			continue;
		if (!first)
			appendStringInfoCharMacro(target, '\t');
		first = false;
		if (slot->tts_isnull[column->attribute])
			appendBinaryStringInfo(target, "\\N", 2);
		else
			append_value(writer, column, slot->tts_values[column->attribute],
						 target);
	}
	appendStringInfoCharMacro(target, '\n');
}

static void
append_elements(TextWriter *writer, TupleTableSlot *slot)
{
	for (int i = 0; i < writer->count; i++)
	{
		TextColumn *column = &writer->columns[i];
		StringInfo target = &column->array;

		if (!column->present)
			continue;
		appendStringInfoCharMacro(target, writer->rows > 0 ? ',' : '{');
		if (slot->tts_isnull[column->attribute])
			appendBinaryStringInfo(target, "NULL", 4);
		else
			append_value(writer, column, slot->tts_values[column->attribute],
						 target);
	}
}

/* Writes rows as long as they have the same columns and there is room. */
static int
write_rows(TextWriter *writer, TupleTableSlot **slots, int count, Size most)
{
	int done = 0;

	do
	{
		slot_getallattrs(slots[done]);
		if (!takes_row(writer, slots[done]))
			break;
		if (writer->form == TEXT_COPY)
			append_line(writer, slots[done]);
		else
			append_elements(writer, slots[done]);
		writer->rows++;
		done++;
	} while (done < count && text_writer_size(writer) < most);
	return done;
}

/*
 * Writes rows of slots, at least one, and returns how many: the others do not
 * have the same columns as those before them, or the buffers hold `most` bytes.
 * Returns 0 if the first one does not. Uses CurrentMemoryContext; throws what
 * output functions throw.
 */
int
text_write(TextWriter *writer, TupleTableSlot **slots, int count, Size most)
{
	ErrorContextCallback *callback = &writer->subject.callback;
	int level = writer->plain ? 0 : begin_exact_settings();
	int done;

	callback->previous = error_context_stack;
	error_context_stack = callback;
	done = write_rows(writer, slots, count, most);
	error_context_stack = callback->previous;
	if (level > 0)
		AtEOXact_GUC(true, level);
	return done;
}

/* ---------- taking them ---------- */

/* What is in a buffer as bytes, a new reference or NULL; the buffer is emptied. */
static PyObject *
take_buffer(StringInfo buffer)
{
	PyObject *bytes = PyBytes_FromStringAndSize(buffer->data, buffer->len);
	MemoryContext old;

	if (likely(buffer->maxlen <= LARGEST_KEPT))
		resetStringInfo(buffer);
	else
	{
		old = MemoryContextSwitchTo(GetMemoryChunkContext(buffer->data));
		pfree(buffer->data);
		initStringInfo(buffer);
		MemoryContextSwitchTo(old);
	}
	return bytes;
}

/* The arrays of the columns present, a list owned by CurrentMemoryContext. */
static PyObject *
take_arrays(TextWriter *writer)
{
	PyObject *arrays = reference_own(PyList_New(0));

	for (int i = 0; i < writer->count; i++)
	{
		TextColumn *column = &writer->columns[i];
		PyObject *bytes;

		if (!column->present)
			continue;
		appendStringInfoChar(&column->array, '}');
		bytes = reference_own(take_buffer(&column->array));
		if (PyList_Append(arrays, bytes) != 0)
			python_throw();
	}
	return arrays;
}

/*
 * What was written, bytes or a list of them, owned by CurrentMemoryContext; the
 * buffers are empty then. Throws if memory runs out.
 */
PyObject *
text_writer_take(TextWriter *writer)
{
	PyObject *taken = writer->form == TEXT_COPY
		? reference_own(take_buffer(&writer->lines))
		: take_arrays(writer);

	writer->rows = 0;
	return taken;
}

/* The names of the columns that the rows at hand have, a tuple; borrowed. */
PyObject *
text_writer_names(TextWriter *writer)
{
	PyObject *names = writer->names->object;
	PyObject *present;

	if (names != NULL)
		return names;
	present = reference_own(PyList_New(0));
	for (int i = 0; i < writer->count; i++)
	{
		if (writer->columns[i].present &&
			PyList_Append(present, writer->columns[i].name) != 0)
			python_throw();
	}
	names = PyList_AsTuple(present);
	if (names == NULL)
		python_throw();
	return writer->names->object = names;
}
