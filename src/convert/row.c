/*
 * row.c
 *	  A Python row becomes the values of a tuple slot.
 *
 * A row with keys() is a mapping, everything else that can be indexed a
 * sequence with one item per column of the table. Only the columns that the
 * query needs are looked at; the others stay NULL.
 */
#include "convert/convert.h"

#include "access/sysattr.h"
#include "catalog/heap.h"
#include "embed/call.h"
#include "embed/error.h"
#include "embed/text.h"
#include "utils/memutils.h"

/* How often a column is looked for in dicts of yet another order of keys. */
#define MAX_SEARCHES 16

/* Fills a ColumnReader for an attribute. */
static void
prepare_column(RowReader *reader, ColumnReader *column,
			   const FormData_pg_attribute *attribute, int item, bool as_text)
{
	column->name = python_name(NameStr(attribute->attname));
	column->attribute = attribute->attnum - 1;
	column->item = item;
	column->column = pstrdup(NameStr(attribute->attname));
	reader->subject.column = column->column;
	column->converter = to_datum_create(attribute->atttypid,
										attribute->atttypmod, as_text,
										&reader->subject);
	column->converter->buffer = palloc(CONVERTER_BUFFER_SIZE);
}

/*
 * A reader of rows for the columns in needed (attribute numbers); those in
 * as_text are exchanged in PostgreSQL's text form, those in absent are not in the
 * rows. NEEDED_CTID among the needed has rows say where they are. Belongs to CurrentMemoryContext. Reads catalogs;
 * may throw.
 */
RowReader *
row_reader_create(TupleDesc tupdesc, Bitmapset *needed, Bitmapset *as_text,
				  Bitmapset *absent)
{
	RowReader *reader = palloc0(sizeof(RowReader));

	reader->context = CurrentMemoryContext;
	reader->columns = palloc0((tupdesc->natts + 1) * sizeof(ColumnReader));
	reader->row = reference_create(NULL);
	reader->item = reference_create(NULL);
	reader->type = reference_create(NULL);
	reader->subject.callback.callback = conversion_context;
	reader->subject.callback.arg = &reader->subject;
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, i);

		if (attribute->attisdropped || bms_is_member(attribute->attnum, absent))
			continue;
		if (bms_is_member(attribute->attnum, needed))
			prepare_column(reader, &reader->columns[reader->count++],
						   attribute, reader->width,
						   bms_is_member(attribute->attnum, as_text));
		reader->width++;
	}
	reader->has_ctid = bms_is_member(NEEDED_CTID, needed);
	if (reader->has_ctid)
		prepare_column(reader, &reader->columns[reader->count],
					   SystemAttributeDefinition(SelfItemPointerAttributeNumber),
					   0, false);
	reader->subject.column = NULL;
	return reader;
}

/*
 * Has a column that rows do not have take the same value in each. The value is to
 * last as long as the reader.
 */
void
row_reader_add_constant(RowReader *reader, AttrNumber attribute, Datum value)
{
	Size size = (reader->constant_count + 1) * sizeof(ConstantValue);
	ConstantValue *added;

	reader->constants = reader->constants == NULL
		? MemoryContextAlloc(reader->context, size)
		: repalloc(reader->constants, size);
	added = &reader->constants[reader->constant_count++];
	added->attribute = attribute - 1;
	added->value = value;
}

/* Throws that a row has the wrong number of items. */
MULTICORN_NORETURN static void
refuse_length(RowReader *reader, Py_ssize_t length);

static void
refuse_length(RowReader *reader, Py_ssize_t length)
{
	ereport(ERROR, errcode(ERRCODE_FDW_INVALID_COLUMN_NUMBER),
			errmsg("row has %zd items, table has %d columns", length,
				   reader->width),
			errhint("A row is a mapping of column names, or a sequence with one item per column of the table."));
}

/* Throws that this is no row. */
MULTICORN_NORETURN static void refuse_row(PyObject *row);

static void
refuse_row(PyObject *row)
{
	PyErr_Clear();
	ereport(ERROR, errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
			errmsg("row must be a mapping or a sequence, not %s",
				   python_type_name(row)),
			errhint("A row is a mapping of column names, or a sequence with one item per column of the table."));
}

/* Converts an item whose reference is taken, if there is one. */
static inline void
read_item(RowReader *reader, ColumnReader *column, PyObject *item,
		  Datum *values, bool *nulls)
{
	reader->subject.column = column->column;
	reader->subject.value = item;
	reader->item->object = item;
	values[column->attribute] = to_datum(column->converter,
										 item != NULL ? item : Py_None,
										 &nulls[column->attribute]);
	reader->item->object = NULL;
	python_release(item);
	reader->subject.column = NULL;
}

/* A tuple keeps its items alive, and cannot change. */
static void
read_tuple(RowReader *reader, PyObject *row, Datum *values, bool *nulls)
{
	if (unlikely(PyTuple_GET_SIZE(row) != reader->width))
		refuse_length(reader, PyTuple_GET_SIZE(row));
	for (int i = 0; i < reader->count; i++)
	{
		ColumnReader *column = &reader->columns[i];

		reader->subject.column = column->column;
		reader->subject.value = PyTuple_GET_ITEM(row, column->item);
		values[column->attribute] = to_datum(column->converter,
											 reader->subject.value,
											 &nulls[column->attribute]);
	}
	reader->subject.column = NULL;
}

static void
read_list(RowReader *reader, PyObject *row, Datum *values, bool *nulls)
{
	if (unlikely(PyList_GET_SIZE(row) != reader->width))
		refuse_length(reader, PyList_GET_SIZE(row));
	for (int i = 0; i < reader->count; i++)
	{
		ColumnReader *column = &reader->columns[i];

		/* Converting an earlier item may have changed the list. */
		if (unlikely(PyList_GET_SIZE(row) != reader->width))
			refuse_length(reader, PyList_GET_SIZE(row));
		read_item(reader, column,
				  Py_NewRef(PyList_GET_ITEM(row, column->item)), values, nulls);
	}
}

/* Remembers where a dict has the name of the column. */
static void
search_position(ColumnReader *column, PyObject *row)
{
	Py_ssize_t position = 0;
	PyObject *key;

	column->searches++;
	column->position = 0;
	while (PyDict_Next(row, &position, &key, NULL) && key != column->name)
		column->position = position;
}

/*
 * The value of a column in a dict, a new reference, or NULL. Dicts made by the
 * same code have their keys in the same order, and the same objects as keys:
 * so it is most likely where the last row had it.
 */
static inline PyObject *
dict_get(ColumnReader *column, PyObject *row)
{
	Py_ssize_t position = column->position;
	PyObject *key;
	PyObject *value;

	if (likely(PyDict_Next(row, &position, &key, &value) && key == column->name))
		return Py_NewRef(value);
	if (column->searches < MAX_SEARCHES)
		search_position(column, row);
	return mapping_get(row, column->name);
}

static void
read_dict(RowReader *reader, PyObject *row, Datum *values, bool *nulls)
{
	for (int i = 0; i < reader->count; i++)
	{
		ColumnReader *column = &reader->columns[i];
		read_item(reader, column, dict_get(column, row), values, nulls);
	}
}

static void
read_mapping(RowReader *reader, PyObject *row, Datum *values, bool *nulls)
{
	for (int i = 0; i < reader->count; i++)
	{
		ColumnReader *column = &reader->columns[i];
		read_item(reader, column, mapping_get(row, column->name), values,
				  nulls);
	}
}

/* Any other sequence, through its __len__ and __getitem__. */
static void
read_sequence(RowReader *reader, PyObject *row, Datum *values, bool *nulls)
{
	Py_ssize_t length;

	if (!PySequence_Check(row) || PyByteArray_Check(row) ||
		PyMemoryView_Check(row) || PyBytes_Check(row) || PyUnicode_Check(row))
		refuse_row(row);
	python_enter();
	length = PySequence_Size(row);
	python_leave();
	if (length < 0)
	{
		if (PyErr_ExceptionMatches(PyExc_TypeError))
			refuse_row(row);
		python_throw();
	}
	if (length != reader->width)
		refuse_length(reader, length);
	for (int i = 0; i < reader->count; i++)
	{
		PyObject *item;

		python_enter();
		item = PySequence_GetItem(row, reader->columns[i].item);
		python_leave();
		if (item == NULL)
			python_throw();
		read_item(reader, &reader->columns[i], item, values, nulls);
	}
}

/* Is a row of this type, neither dict nor tuple nor list, a mapping? */
static bool
type_is_mapping(RowReader *reader, PyObject *row)
{
	if (unlikely(reader->type->object != (PyObject *) Py_TYPE(row)))
	{
		PyObject *old = reader->type->object;

		reader->type_is_mapping = is_mapping(row);
		reader->type->object = Py_NewRef((PyObject *) Py_TYPE(row));
		python_release(old);
	}
	return reader->type_is_mapping;
}

static void
read_any(RowReader *reader, PyObject *row, Datum *values, bool *nulls)
{
	if (type_is_mapping(reader, row))
		read_mapping(reader, row, values, nulls);
	else if (PyTuple_Check(row))
		read_tuple(reader, row, values, nulls);
	else
		read_sequence(reader, row, values, nulls);
}

/* Converts the needed columns of a row of whatever shape. */
static inline void
read_row(RowReader *reader, PyObject *row, Datum *values, bool *nulls)
{
	if (PyTuple_CheckExact(row))
		read_tuple(reader, row, values, nulls);
	else if (PyDict_CheckExact(row))
		read_dict(reader, row, values, nulls);
	else if (PyList_CheckExact(row))
		read_list(reader, row, values, nulls);
	else
		read_any(reader, row, values, nulls);
}

/* The same where an error could quote a secret. */
static void
read_row_redacted(RowReader *reader, PyObject *row, Datum *values, bool *nulls)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		read_row(reader, row, values, nulls);
	}
	PG_CATCH();
	{
		error_rethrow_redacted(context);
	}
	PG_END_TRY();
}

/* Takes over the ctid that a row says it has: only mappings can. */
static void
read_ctid(RowReader *reader, PyObject *row, TupleTableSlot *slot)
{
	ColumnReader *column = &reader->columns[reader->count];
	PyObject *ctid = is_mapping(row) ? mapping_get(row, column->name) : NULL;
	bool isnull;
	Datum datum;

	if (ctid == NULL)
		ereport(ERROR, errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
				errmsg("row has no \"ctid\", which identifies it"),
				errhint("It is a key of rows that are mappings."));
	reference_own(ctid);
	reader->subject.column = column->column;
	reader->subject.value = ctid;
	datum = to_datum(column->converter, ctid, &isnull);
	if (isnull)
		ItemPointerSetInvalid(&slot->tts_tid);
	else
		slot->tts_tid = *(ItemPointer) DatumGetPointer(datum);
	reader->subject.column = NULL;
}

/*
 * Stores a row in the slot, a virtual tuple whose values live in
 * CurrentMemoryContext. Takes the reference to the row. The slot's values of
 * columns that are not needed are left alone. Throws for a row of the wrong
 * kind or length and for values that a column cannot hold.
 */
void
row_read(RowReader *reader, PyObject *row, TupleTableSlot *slot)
{
	ErrorContextCallback *callback = &reader->subject.callback;
	Datum *values = slot->tts_values;
	bool *nulls = slot->tts_isnull;

	python_release(reader->row->object); /* of a row that was refused */
	reader->row->object = row;
	callback->previous = error_context_stack;
	error_context_stack = callback;

	if (unlikely(error_secrets_known))
		read_row_redacted(reader, row, values, nulls);
	else
		read_row(reader, row, values, nulls);

	if (unlikely(reader->has_ctid))
		read_ctid(reader, row, slot);
	row_fill_constants(reader, slot);
	error_context_stack = callback->previous;
	reader->row->object = NULL;
	python_release(row);
	ExecStoreVirtualTuple(slot);
}
