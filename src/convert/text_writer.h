/*
 * text_writer.h
 *	  Rows as text, without a Python object per value: see text_writer.c.
 */
#ifndef MULTICORN_TEXT_WRITER_H
#define MULTICORN_TEXT_WRITER_H

#include "embed/cpython.h"
#include "executor/tuptable.h"
#include "nodes/bitmapset.h"

/* What the rows become. */
typedef enum TextForm
{
	TEXT_COPY,	/* the lines of COPY's text format */
	TEXT_ARRAYS /* an array literal for each column */
} TextForm;

typedef struct TextWriter TextWriter;

extern TextWriter *
text_writer_create(TupleDesc tupdesc, TextForm form, Bitmapset *written,
				   Bitmapset *remote, Bitmapset *assigned);
extern bool text_writer_is_plain(TextWriter *writer);
extern int text_writer_rows(TextWriter *writer);
extern Size text_writer_size(TextWriter *writer);
extern int
text_write(TextWriter *writer, TupleTableSlot **slots, int count, Size most);
extern PyObject *text_writer_take(TextWriter *writer);
extern PyObject *text_writer_names(TextWriter *writer);

#endif /* MULTICORN_TEXT_WRITER_H */
