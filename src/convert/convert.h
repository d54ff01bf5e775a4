/*
 * convert.h
 *	  Values: one converter per column, chosen once, called per value.
 *
 * A converter is a struct with a function pointer. to_datum.c chooses those
 * towards PostgreSQL and to_python.c those towards Python; datetime.c and
 * container.c hold the families that need room; row.c turns a whole Python
 * row into the values of a tuple slot. result_rows.c does that with rows of a
 * libpq result, and field.c with their values.
 */
#ifndef MULTICORN_CONVERT_H
#define MULTICORN_CONVERT_H

#include "embed/cpython.h"
#include "embed/reference.h"
#include "executor/tuptable.h"
#include "fmgr.h"

/* What is being converted, for the CONTEXT of errors. */
typedef struct ConversionSubject
{
	const char *column; /* or NULL */
	PyObject *value;	/* borrowed, or NULL */
	const char *text;	/* what its input function is given, or NULL */
	ErrorContextCallback callback;
} ConversionSubject;

typedef struct ToDatum ToDatum;

/* The datum of a value that is not None, in CurrentMemoryContext; may throw. */
typedef Datum (*ToDatumFunction)(ToDatum *self, PyObject *value);

struct ToDatum
{
	ToDatumFunction convert;
	ConversionSubject *subject;
	Oid type; /* a domain's base type */
	int32 typmod;
	FmgrInfo input; /* the type's input function, found when needed */
	Oid ioparam;
	bool is_domain;
	ToDatumFunction convert_base; /* the domain's, below its constraints */
	Oid domain;
	void *domain_cache;
	ToDatum **parts;   /* array: the element; composite: per attribute */
	TupleDesc tupdesc; /* composite */
	PyObject **names;  /* composite: of the attributes, interned */
	int16 typlen;	   /* array: of the element */
	bool typbyval;
	char typalign;
	bool only_lists_nest; /* array: a tuple is an element */
	FmgrInfo function;	  /* hstore: makes one of two arrays */
	char *buffer;		  /* for short values, or NULL; see below */
	MemoryContext context;
};

/*
 * A column's converter may put a short value into the same place again for
 * every row: the executor's per-tuple memory then need not be reset.
 */
#define CONVERTER_BUFFER_SIZE 512

typedef struct ToPython ToPython;

/* Which of the session's settings have a say in the text form of a type. */
typedef enum TextSteadiness
{
	TEXT_STEADY, /* none */
	TEXT_COMMON, /* DateStyle, extra_float_digits and bytea_output at most */
	TEXT_VARIES	 /* perhaps others */
} TextSteadiness;

/*
 * A new reference for a datum that is not NULL. NULL with an exception set is
 * an error; NULL without one says that Python has no exact value for it.
 */
typedef PyObject *(*ToPythonFunction)(ToPython *self, Datum datum);

struct ToPython
{
	ToPythonFunction convert;
	Oid type;
	FmgrInfo output;		   /* the type's output function */
	TextSteadiness steadiness; /* where it gives the text form */
	ToPython *element;		   /* array */
	int16 typlen;
	bool typbyval;
	char typalign;
	FmgrInfo function; /* hstore: its pairs as an array */
	MemoryContext context;
};

/* subject.c */
extern const char *python_type_name(PyObject *value);
extern void conversion_context(void *argument);
MULTICORN_NORETURN extern void
conversion_refuse(ToDatum *self, PyObject *value, int sqlstate,
				  const char *reason);

MULTICORN_NORETURN extern void refuse_bytes(Size length);
extern HeapTuple form_tuple(TupleDesc tupdesc, Datum *values, bool *nulls);

/* to_datum.c */
extern ToDatum *to_datum_create(Oid type, int32 typmod, bool as_text,
								ConversionSubject *subject);
extern Datum to_datum_null(ToDatum *self);
extern Datum to_datum_by_text(ToDatum *self, PyObject *value);
extern Datum to_datum_from_text(ToDatum *self, const char *text, Size length);
extern Datum to_datum_checked(ToDatum *self, Datum datum);

/* to_python.c */
extern ToPython *to_python_create(Oid type, bool as_text);
extern PyObject *to_python(ToPython *self, Datum datum, bool isnull);
extern char *to_exact_text(ToPython *self, Datum datum);

/* text_writer.c, which also has a header of its own */
extern TextSteadiness text_steadiness(Oid type);
extern int begin_exact_settings(void);

/* datetime.c */
extern ToDatumFunction datetime_to_datum(Oid type);
extern ToPythonFunction datetime_to_python(Oid type);
extern PyObject *datetime_isoformat(PyObject *value);

/* container.c */
extern bool container_to_datum(ToDatum *self);
extern bool container_to_python(ToPython *self);
extern bool is_mapping(PyObject *value);
extern PyObject *mapping_get(PyObject *mapping, PyObject *key);

/* row.c */

/* One needed column. */
typedef struct ColumnReader
{
	ToDatum *converter;
	int attribute;		 /* index in the slot */
	int item;			 /* index in a row that is a sequence */
	PyObject *name;		 /* interned key in a row that is a mapping */
	Py_ssize_t position; /* where the last dict had the name */
	int searches;		 /* how often that was not so */
	const char *column;
} ColumnReader;

/* The value that a column has in every row, whatever the row says. */
typedef struct ConstantValue
{
	int attribute; /* index in the slot */
	Datum value;
} ConstantValue;

struct ResultReader;

typedef struct RowReader
{
	ConversionSubject subject; /* names a column while it is converted */
	int width;				   /* columns that a row has, needed or not */
	int count;				   /* needed columns */
	ColumnReader *columns;	   /* and, behind them, ctid, if that is needed */
	bool has_ctid;
	Reference *row;		  /* the row being converted */
	Reference *item;	  /* and the item of it, if it is not borrowed */
	Reference *type;	  /* what rows that are no dict were last ... */
	bool type_is_mapping; /* ... and what that means */
	struct ResultReader *results; /* made when rows come from libpq */
	int constant_count;
	ConstantValue *constants;
	MemoryContext context;
} RowReader;

/* Stands for ctid among the attribute numbers of needed columns. */
#define NEEDED_CTID 0

extern RowReader *row_reader_create(TupleDesc tupdesc, Bitmapset *needed,
									Bitmapset *as_text, Bitmapset *absent);
extern void
row_reader_add_constant(RowReader *reader, AttrNumber attribute, Datum value);
extern void row_read(RowReader *reader, PyObject *row, TupleTableSlot *slot);

/*
 * Puts the values that rows do not have into the slot: for each row again, since
 * a slot that was materialized has freed its copies.
 */
static inline void
row_fill_constants(const RowReader *reader, TupleTableSlot *slot)
{
	for (int i = 0; i < reader->constant_count; i++)
	{
		const ConstantValue *constant = &reader->constants[i];

		slot->tts_values[constant->attribute] = constant->value;
		slot->tts_isnull[constant->attribute] = false;
	}
}

/* row_writer.c */
typedef struct RowWriter RowWriter;

extern RowWriter *
row_writer_create(TupleDesc tupdesc, Bitmapset *written, Bitmapset *as_text,
				  Bitmapset *remote, Bitmapset *assigned, bool omits_values);
extern PyObject *row_write(RowWriter *writer, TupleTableSlot *slot);
extern bool row_rewrite(RowWriter *writer, PyObject *row, TupleTableSlot *slot);
extern void
row_take_returned(RowWriter *writer, PyObject *returned, TupleTableSlot *slot);

/*
 * A varlena of these bytes, new in CurrentMemoryContext or in the converter's
 * buffer. Throws if they are too many.
 */
static inline Datum
make_varlena(ToDatum *self, const char *bytes, Size length)
{
	struct varlena *result;

	if (unlikely(length > MaxAllocSize - VARHDRSZ))
		refuse_bytes(length);
	if (self->buffer != NULL && length <= CONVERTER_BUFFER_SIZE - VARHDRSZ)
		result = (struct varlena *) self->buffer;
	else
		result = palloc(length + VARHDRSZ);
	SET_VARSIZE(result, length + VARHDRSZ);
	memcpy(VARDATA(result), bytes, length);
	return PointerGetDatum(result);
}

/*
 * Converts one value for a column; None is NULL. A converter with constraints
 * of a domain looks at NULL too.
 */
static inline Datum
to_datum(ToDatum *self, PyObject *value, bool *isnull)
{
	*isnull = value == Py_None;
	if (*isnull)
		return unlikely(self->is_domain) ? to_datum_null(self) : (Datum) 0;
	return self->convert(self, value);
}

#endif /* MULTICORN_CONVERT_H */
