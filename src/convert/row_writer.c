/*
 * row_writer.c
 *	  The values of a tuple slot become a dict, and what a wrapper returns for
 *	  it goes back into the slot.
 */
#include "convert/convert.h"

#include "embed/call.h"
#include "embed/error.h"
#include "embed/text.h"
#include "utils/memutils.h"

/* One column. */
typedef struct ColumnWriter
{
	int attribute;	/* index in the slot */
	PyObject *name; /* interned */
	const char *column;
	ToPython *to_python;
	ToDatum *to_datum; /* made when a value first comes back */
	Form_pg_attribute form;
	bool as_text;
	bool remote; /* its value is the wrapper's to make where it is NULL */
	bool assigned;
} ColumnWriter;

struct RowWriter
{
	TupleDesc tupdesc;
	int count; /* columns that are written */
	int known; /* and those behind them, which only come back */
	ColumnWriter *columns;
	PyObject *template; /* dict of all names, with None */
	Reference *row;		/* the row being written */
	bool omits;			/* columns that are NULL may be left out */
	bool omits_values;	/* so may those that are not, if not assigned */
	ConversionSubject subject;
	MemoryContext context;
};

/* The next ColumnWriter, for an attribute that can come back. */
static ColumnWriter *
add_column(RowWriter *writer, Form_pg_attribute form, bool as_text)
{
	ColumnWriter *column = &writer->columns[writer->known++];

	column->name = python_name(NameStr(form->attname));
	column->attribute = form->attnum - 1;
	column->column = NameStr(form->attname);
	column->form = form;
	column->as_text = as_text;
	column->assigned = true;
	return column;
}

/* A ColumnWriter for an attribute that is written; there are none behind it yet. */
static void
prepare_column(RowWriter *writer, Form_pg_attribute form, bool as_text)
{
	ColumnWriter *column = add_column(writer, form, as_text);

	writer->count = writer->known;
	column->to_python = to_python_create(form->atttypid, as_text);
	if (PyDict_SetItem(writer->template, column->name, Py_None) != 0)
		python_throw();
}

/*
 * Adds the columns that PostgreSQL computes and stores, where they are not written:
 * what comes back for them holds.
 */
static void
add_computed_columns(RowWriter *writer, Bitmapset *written, Bitmapset *as_text)
{
	for (int i = 0; i < writer->tupdesc->natts; i++)
	{
		Form_pg_attribute form = TupleDescAttr(writer->tupdesc, i);

		if (form->attgenerated == ATTRIBUTE_GENERATED_STORED &&
			!form->attisdropped && !bms_is_member(form->attnum, written))
			add_column(writer, form, bms_is_member(form->attnum, as_text));
	}
}

/*
 * A writer of rows with the columns in written (attribute numbers); those in
 * as_text are exchanged in PostgreSQL's text form, those in remote are left out
 * where they are NULL, and so are those not in assigned, unless that is NULL;
 * with omits_values, these are left out whatever they hold. Belongs to CurrentMemoryContext; tupdesc must last as long. Reads catalogs;
 * may throw.
 */
RowWriter *
row_writer_create(TupleDesc tupdesc, Bitmapset *written, Bitmapset *as_text,
				  Bitmapset *remote, Bitmapset *assigned, bool omits_values)
{
	RowWriter *writer = palloc0(sizeof(RowWriter));

	writer->tupdesc = tupdesc;
	writer->context = CurrentMemoryContext;
	writer->columns = palloc0(tupdesc->natts * sizeof(ColumnWriter));
	writer->template = reference_own(PyDict_New());
	writer->row = reference_create(NULL);
	writer->omits_values = omits_values;
	writer->subject.callback.callback = conversion_context;
	writer->subject.callback.arg = &writer->subject;
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute form = TupleDescAttr(tupdesc, i);
		ColumnWriter *column;

		if (form->attisdropped || !bms_is_member(form->attnum, written))
			continue;
		prepare_column(writer, form, bms_is_member(form->attnum, as_text));
		column = &writer->columns[writer->count - 1];
		column->remote = bms_is_member(form->attnum, remote);
		column->assigned = assigned == NULL ||
			bms_is_member(form->attnum, assigned);
		writer->omits = writer->omits || column->remote || !column->assigned;
	}
	add_computed_columns(writer, written, as_text);
	return writer;
}

/* Throws that a value cannot be given to Python. */
MULTICORN_NORETURN static void refuse_value(ColumnWriter *column, Datum datum);

static void
refuse_value(ColumnWriter *column, Datum datum)
{
	ereport(ERROR, errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
			errmsg("value \"%s\" of column \"%s\" has no exact equivalent in Python",
				   to_exact_text(column->to_python, datum), column->column),
			errhint("Give the column the option value_form 'text' to exchange PostgreSQL's text form."));
}

/* The Python value of a column, a new reference. */
static inline PyObject *
write_value(ColumnWriter *column, Datum datum)
{
	PyObject *value = column->to_python->convert(column->to_python, datum);

	if (unlikely(value == NULL))
	{
		if (PyErr_Occurred())
			python_throw();
		refuse_value(column, datum);
	}
	return value;
}

/* Is a column left out of the row? A trigger may have assigned what is not NULL. */
static bool
is_omitted(RowWriter *writer, ColumnWriter *column, bool isnull)
{
	return isnull ? column->remote || !column->assigned
				  : !column->assigned && writer->omits_values;
}

/* Puts the value of a column into the row. */
static inline void
write_column(ColumnWriter *column, PyObject *row, Datum datum)
{
	PyObject *value = write_value(column, datum);
	int failed = PyDict_SetItem(row, column->name, value);

	Py_DECREF(value);
	if (unlikely(failed))
		python_throw();
}

/* Puts the values of a slot into a row that has all names. */
static inline void
fill(RowWriter *writer, PyObject *row, TupleTableSlot *slot, bool is_new)
{
	slot_getallattrs(slot);
	for (int i = 0; i < writer->count; i++)
	{
		ColumnWriter *column = &writer->columns[i];
		bool isnull = slot->tts_isnull[column->attribute];

		if (unlikely(writer->omits) && is_omitted(writer, column, isnull))
		{
			if (PyDict_DelItem(row, column->name) != 0)
				python_throw();
		}
		else if (!isnull)
			write_column(column, row, slot->tts_values[column->attribute]);
		else if (!is_new && PyDict_SetItem(row, column->name, Py_None) != 0)
			python_throw();
	}
}

/*
 * The values of a slot as a dict, a new reference. Throws for a value that
 * Python has no exact equivalent of.
 */
PyObject *
row_write(RowWriter *writer, TupleTableSlot *slot)
{
	PyObject *row = PyDict_Copy(writer->template);

	if (row == NULL)
		python_throw();
	/* The row is not lost if a conversion throws. */
	Py_XDECREF(writer->row->object);
	writer->row->object = row;
	fill(writer, row, slot, true);
	writer->row->object = NULL;
	return row;
}

/* Does letting go of a value run no Python code? */
static inline bool
is_simple(PyObject *value)
{
	return !PyType_HasFeature(Py_TYPE(value),
							  Py_TPFLAGS_HEAPTYPE | Py_TPFLAGS_HAVE_GC);
}

/*
 * Nobody else has the row, and it is as it was written but for its values, which
 * are simple ones.
 */
static inline bool
is_left_alone(RowWriter *writer, PyObject *row)
{
	Py_ssize_t position = 0;
	PyObject *name;
	PyObject *value;
	int i = 0;

	if (Py_REFCNT(row) != 1 || !PyDict_CheckExact(row) ||
		PyDict_Size(row) != writer->count)
		return false;
	while (PyDict_Next(row, &position, &name, &value))
	{
		if (name != writer->columns[i++].name || !is_simple(value))
			return false;
	}
	return true;
}

/*
 * Writes into the dict of an earlier row, borrowed, if the wrapper has left it
 * alone: a new one would be just the same, and costs as much as its values.
 * Throws as row_write().
 */
bool
row_rewrite(RowWriter *writer, PyObject *row, TupleTableSlot *slot)
{
	if (writer->omits || !is_left_alone(writer, row))
		return false;
	fill(writer, row, slot, false);
	return true;
}

/* ---------- what comes back ---------- */

/* The converter towards PostgreSQL, made at first use. */
static ToDatum *
returned_converter(RowWriter *writer, ColumnWriter *column)
{
	MemoryContext old;

	if (column->to_datum == NULL)
	{
		old = MemoryContextSwitchTo(writer->context);
		column->to_datum = to_datum_create(column->form->atttypid,
										   column->form->atttypmod,
										   column->as_text, &writer->subject);
		MemoryContextSwitchTo(old);
	}
	return column->to_datum;
}

/* Puts the values that a mapping names into arrays; true if there are any. */
static bool
read_returned(RowWriter *writer, PyObject *returned, Datum *values, bool *nulls)
{
	bool found = false;

	for (int i = 0; i < writer->known; i++)
	{
		ColumnWriter *column = &writer->columns[i];
		PyObject *value = mapping_get(returned, column->name);

		if (value == NULL)
			continue;
		reference_own(value);
		writer->subject.column = column->column;
		writer->subject.value = value;
		values[column->attribute] = to_datum(returned_converter(writer, column),
											 value, &nulls[column->attribute]);
		found = true;
	}
	writer->subject.column = NULL;
	return found;
}

/*
 * Puts what a wrapper has returned for a row into the slot: the values that the
 * mapping names; the others stay. Throws for values that a column cannot hold.
 */
void
row_take_returned(RowWriter *writer, PyObject *returned, TupleTableSlot *slot)
{
	ErrorContextCallback *callback = &writer->subject.callback;
	int natts = writer->tupdesc->natts;
	Datum *values = palloc(natts * sizeof(Datum));
	bool *nulls = palloc(natts * sizeof(bool));
	MemoryContext old;

	slot_getallattrs(slot);
	memcpy(values, slot->tts_values, natts * sizeof(Datum));
	memcpy(nulls, slot->tts_isnull, natts * sizeof(bool));
	callback->previous = error_context_stack;
	error_context_stack = callback;
	if (read_returned(writer, returned, values, nulls))
	{
		old = MemoryContextSwitchTo(slot->tts_mcxt);
		ExecForceStoreHeapTuple(form_tuple(writer->tupdesc, values, nulls),
								slot, true);
		MemoryContextSwitchTo(old);
	}
	error_context_stack = callback->previous;
}
