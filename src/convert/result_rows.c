/*
 * result_rows.c
 *	  The rows of a libpq result become the values of a tuple slot, without a
 *	  Python object for a row or a value.
 *
 * A wrapper hands over multicorn.libpq.ResultRows: a result of psycopg's and the
 * names of the columns that its fields fill. Which field a column is read from,
 * and how, is chosen when the first rows come and kept for those that follow:
 * they have the same names, and their fields the same types and formats. field.c
 * knows the values.
 */
#include "convert/result_rows.h"

#include "convert/field.h"
#include "embed/call.h"
#include "embed/error.h"
#include "utils/memutils.h"

/* What a RowReader has for rows from libpq: a FieldReader for each column. */
typedef struct ResultReader
{
	FieldReader *fields;
	Reference *names;	   /* that the numbers of the fields are for */
	MemoryContext context; /* of what is chosen for types and formats */
} ResultReader;

/* ---------- the result ---------- */

/* Takes the address that psycopg's PGresult holds. */
static const PGresult *
result_address(PyObject *pointer)
{
	const PGresult *data = NULL;

	if (PyLong_Check(pointer))
		data = PyLong_AsVoidPtr(pointer);
	Py_DECREF(pointer);
	if (PyErr_Occurred())
		python_throw();
	if (data == NULL)
		ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("the result of ResultRows was cleared before its rows were read"));
	return data;
}

/*
 * Begins to read a ResultRows, whose reference is taken: what is needed of it is
 * held in rows, which must be closed, also after an error. The first row is what
 * result_rows_next() goes to. Throws if the result was cleared.
 */
void
result_rows_open(ResultRows *rows, PyObject *object)
{
	PyObject *pointer = NULL;

	memset(rows, 0, sizeof(*rows));
	python_enter();
	rows->holder = PyObject_GetAttrString(object, "result");
	if (rows->holder != NULL)
		rows->names = PyObject_GetAttrString(object, "names");
	if (rows->names != NULL)
		pointer = PyObject_GetAttrString(rows->holder, "pgresult_ptr");
	Py_DECREF(object);
	python_leave();
	if (pointer == NULL)
		python_throw();
	rows->data = result_address(pointer);
	if (!PyTuple_Check(rows->names) ||
		PyTuple_GET_SIZE(rows->names) != libpq.PQnfields(rows->data))
		ereport(ERROR, errcode(ERRCODE_FDW_INVALID_COLUMN_NUMBER),
				errmsg("ResultRows must have a name for each of its %d fields",
					   libpq.PQnfields(rows->data)));
	rows->count = libpq.PQntuples(rows->data);
	rows->current = -1;
}

/* Lets go of the result; does nothing if there is none. Never throws. */
void
result_rows_close(ResultRows *rows)
{
	PyObject *holder = rows->holder;
	PyObject *names = rows->names;

	if (holder == NULL && names == NULL)
		return;
	memset(rows, 0, sizeof(*rows));
	python_enter();
	Py_XDECREF(holder);
	Py_XDECREF(names);
	python_leave();
}

/* ---------- its fields ---------- */

/* How many columns have a field: the needed ones, and ctid if that is needed. */
static inline int
column_count(const RowReader *reader)
{
	return reader->count + (reader->has_ctid ? 1 : 0);
}

/* What a reader needs for rows from libpq, in its memory. */
static ResultReader *
result_reader_create(RowReader *reader)
{
	MemoryContext old = MemoryContextSwitchTo(reader->context);
	ResultReader *self = palloc0(sizeof(ResultReader));

	self->names = reference_create(NULL);
	self->fields = palloc0((reader->count + 1) * sizeof(FieldReader));
	for (int i = 0; i < column_count(reader); i++)
	{
		self->fields[i].column = reader->columns[i].converter;
		self->fields[i].number = -1;
	}
	self->context = AllocSetContextCreate(reader->context, "multicorn result",
										  ALLOCSET_SMALL_SIZES);
	MemoryContextSwitchTo(old);
	return self;
}

/* The number of the field with a name, -1 without one. */
static int
find_field(PyObject *names, PyObject *name)
{
	for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++)
	{
		PyObject *candidate = PyTuple_GET_ITEM(names, i);

		if (candidate == name ||
			(PyUnicode_Check(candidate) &&
			 PyUnicode_Compare(candidate, name) == 0))
			return (int) i;
	}
	return -1;
}

/* Finds the field of each column by its name. */
static void
match_names(RowReader *reader, PyObject *names)
{
	ResultReader *self = reader->results;
	PyObject *old = self->names->object;

	for (int i = 0; i < column_count(reader); i++)
		self->fields[i].number = find_field(names, reader->columns[i].name);
	self->names->object = Py_NewRef(names);
	Py_XDECREF(old);
}

/* Takes over types and formats of the fields; false if nothing has changed. */
static bool
take_types(RowReader *reader, const PGresult *data)
{
	bool changed = false;

	for (int i = 0; i < column_count(reader); i++)
	{
		FieldReader *field = &reader->results->fields[i];
		Oid type;
		int format;

		if (field->number < 0)
			continue;
		type = libpq.PQftype(data, field->number);
		format = libpq.PQfformat(data, field->number);
		changed = changed || field->convert == NULL || type != field->type ||
			format != field->format;
		field->type = type;
		field->format = format;
	}
	return changed;
}

/* Chooses anew how the fields are read. */
static void
prepare_fields(RowReader *reader)
{
	ResultReader *self = reader->results;
	MemoryContext old = MemoryContextSwitchTo(self->context);

	MemoryContextReset(self->context);
	for (int i = 0; i < column_count(reader); i++)
	{
		reader->subject.column = reader->columns[i].column;
		if (self->fields[i].number >= 0)
			field_prepare(&self->fields[i]);
	}
	reader->subject.column = NULL;
	MemoryContextSwitchTo(old);
}

/* Makes the reader fit a result; what it was for before is kept if it does. */
static void
match(RowReader *reader, ResultRows *rows)
{
	if (reader->results == NULL)
		reader->results = result_reader_create(reader);
	if (reader->results->names->object != rows->names)
		match_names(reader, rows->names);
	if (take_types(reader, rows->data))
		prepare_fields(reader);
	rows->matched = true;
}

/* ---------- a row ---------- */

/*
 * The value of a field. libpq says that the length of NULL is 0, so most values
 * need not be asked.
 */
static inline Datum
read_field(FieldReader *field, const ResultRows *rows, bool *isnull)
{
	Datum datum = (Datum) 0;
	int length = 0;

	if (likely(field->number >= 0))
		length = libpq.PQgetlength(rows->data, rows->current, field->number);
	*isnull = length == 0 &&
		(field->number < 0 ||
		 libpq.PQgetisnull(rows->data, rows->current, field->number));
	if (likely(!*isnull))
		datum = field->convert(field,
							   libpq.PQgetvalue(rows->data, rows->current,
												field->number),
							   length);
	if (unlikely(field->column->is_domain))
		field_check_domain(field->column, datum, *isnull);
	return datum;
}

/* Takes over the ctid of the current row. */
static void
read_ctid(RowReader *reader, const ResultRows *rows, TupleTableSlot *slot)
{
	FieldReader *field = &reader->results->fields[reader->count];
	bool isnull;
	Datum datum = read_field(field, rows, &isnull);

	if (isnull)
		ereport(ERROR, errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
				errmsg("row has no \"ctid\", which identifies it"));
	slot->tts_tid = *(ItemPointer) DatumGetPointer(datum);
}

/*
 * Stores the current row in the slot, as row_read() does with one of Python's.
 * Throws for fields that a column cannot be read from and for values that it
 * cannot hold.
 */
void
result_row_read(RowReader *reader, ResultRows *rows, TupleTableSlot *slot)
{
	ErrorContextCallback *callback = &reader->subject.callback;

	callback->previous = error_context_stack;
	error_context_stack = callback;
	reader->subject.value = NULL;
	if (unlikely(!rows->matched))
		match(reader, rows);
	for (int i = 0; i < reader->count; i++)
	{
		ColumnReader *column = &reader->columns[i];

		reader->subject.column = column->column;
		slot->tts_values[column->attribute] =
			read_field(&reader->results->fields[i], rows,
					   &slot->tts_isnull[column->attribute]);
	}
	if (unlikely(reader->has_ctid))
		read_ctid(reader, rows, slot);
	row_fill_constants(reader, slot);
	reader->subject.column = NULL;
	error_context_stack = callback->previous;
	ExecStoreVirtualTuple(slot);
}
