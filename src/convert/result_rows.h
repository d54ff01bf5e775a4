/*
 * result_rows.h
 *	  The rows of a libpq result become values of a tuple slot: see result_rows.c.
 */
#ifndef MULTICORN_RESULT_ROWS_H
#define MULTICORN_RESULT_ROWS_H

#include "convert/convert.h"
#include "embed/libpq.h"

/* A ResultRows whose rows are being read. Zeroed, it is none. */
typedef struct ResultRows
{
	PyObject *holder;	  /* psycopg's PGresult, owned; NULL for none */
	PyObject *names;	  /* tuple of str, owned */
	const PGresult *data; /* what the holder holds */
	int count;
	int current;  /* the row to be read */
	bool matched; /* the reader knows its fields */
} ResultRows;

extern void result_rows_open(ResultRows *rows, PyObject *object);
extern void result_rows_close(ResultRows *rows);
extern void
result_row_read(RowReader *reader, ResultRows *rows, TupleTableSlot *slot);

/* Goes to the next row; closes the rows and returns false behind the last one. */
static inline bool
result_rows_next(ResultRows *rows)
{
	if (likely(++rows->current < rows->count))
		return true;
	result_rows_close(rows);
	return false;
}

#endif /* MULTICORN_RESULT_ROWS_H */
