/*
 * analyze.c
 *	  ANALYZE of a foreign table: a random sample of what execute() yields, and
 *	  how large the table is in the pages of a heap table.
 */
#include "execute/analyze.h"

#include <math.h>

#include "compat.h"
#include "convert/convert.h"
#include "embed/call.h"
#include "embed/error.h"
#include "execute/fetch.h"
#include "executor/tuptable.h"
#include "optimizer/plancat.h"
#include "plan/relation.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/sampling.h"

/* A reading of a whole table. */
typedef struct TableScan
{
	OpenScanOwner owner;
	CallSite site;
	bool is_sample; /* what comes are not all rows */
} TableScan;

/* The attribute numbers of all columns that a wrapper knows. */
static Bitmapset *
all_columns(TupleDesc tupdesc, const Instance *instance)
{
	Bitmapset *columns = NULL;

	for (int i = 1; i <= tupdesc->natts; i++)
	{
		if (!TupleDescAttr(tupdesc, i - 1)->attisdropped)
			columns = bms_add_member(columns, i);
	}
	return bms_del_members(columns, instance->constant_columns);
}

/* ---------- reading ---------- */

/*
 * Asks for a sample of at least count rows: sample(columns, count). False if all
 * rows are to be read.
 */
static bool
begin_sampling(TableScan *scan, PyObject *columns, int count)
{
	PyObject *arguments[] = {columns, reference_own(PyLong_FromLong(count))};

	scan->site.method = "sample";
	scan->is_sample = fetch_sample(scan->owner.open, arguments,
								   lengthof(arguments));
	scan->site.method = scan->is_sample ? "sample" : "execute";
	return scan->is_sample;
}

/*
 * Begins to read a table, as its owner: sample(columns, count) if count is not 0
 * and the wrapper can, else execute([], columns).
 */
static TableScan *
begin_reading(Relation relation, Bitmapset *columns, int count)
{
	TableScan *scan = palloc0(sizeof(TableScan));
	PyObject *arguments[2];

	fetch_open(&scan->owner);
	fetch_prepare(scan->owner.open, RelationGetRelid(relation),
				  relation->rd_rel->relowner);
	instance_site_push(&scan->site, scan->owner.open->instance, "execute");
	arguments[0] = reference_own(PyList_New(0));
	arguments[1] = column_names(RelationGetDescr(relation), columns);
	if (count == 0 || !begin_sampling(scan, arguments[1], count))
		fetch_execute(scan->owner.open, arguments, 2, NULL);
	return scan;
}

/* Takes the next row, as fetch_next() does; false at the end. */
static bool
read_next(TableScan *scan, PyObject **row)
{
	CHECK_FOR_INTERRUPTS();
	return scan->owner.open->iterator != NULL &&
		fetch_next(scan->owner.open, row);
}

static void
end_reading(TableScan *scan)
{
	fetch_finish(scan->owner.open);
	fetch_close(scan->owner.open);
	call_site_pop(&scan->site);
}

/* ---------- size ---------- */

/* Counts the rows, of which nothing is asked. */
static double
count_rows(Relation relation)
{
	TableScan *scan = begin_reading(relation, NULL, 0);
	double count = 0;
	PyObject *row;

	while (read_next(scan, &row))
	{
		reference_release_later(row);
		count++;
	}
	end_reading(scan);
	return count;
}

/* What analyze() has to say. */
typedef enum Answer
{
	ANSWER_NONE,
	ANSWER_ESTIMATE,
	ANSWER_DECLINED
} Answer;

/* Asks analyze(), which declines with NotImplementedError. */
static Answer
ask_analyze(Instance *instance, double *rows)
{
	PyObject *method = instance_hook(instance, HOOK_ANALYZE);
	PyObject *estimate;

	if (method == NULL)
		return ANSWER_NONE;
	python_enter();
	estimate = PyObject_CallNoArgs(method);
	python_leave();
	if (estimate == NULL && PyErr_ExceptionMatches(PyExc_NotImplementedError))
	{
		PyErr_Clear();
		boundary_check();
		return ANSWER_DECLINED;
	}
	reference_own(estimate);
	boundary_check();
	if (estimate == Py_None)
		return ANSWER_NONE;
	*rows = number_from_python(estimate, "the number of rows out of analyze()");
	return ANSWER_ESTIMATE;
}

/* Asks get_rel_size() of the whole table; false if it has no estimate. */
static bool
ask_size(Instance *instance, TupleDesc tupdesc, double *rows, double *width)
{
	PyObject *method = instance_hook(instance, HOOK_GET_REL_SIZE);
	PyObject *arguments[2];

	if (method == NULL)
		return false;
	arguments[0] = reference_own(PyList_New(0));
	arguments[1] = column_names(tupdesc, all_columns(tupdesc, instance));
	return size_from_python(reference_own(python_call(method, arguments, 2,
													  NULL)),
							rows, width);
}

/*
 * How many rows a table has, and how wide they are: as the wrapper says, else as
 * many as the last ANALYZE has seen, else as many as are counted now. Children
 * of a parent have their share of its sample by this. False if the wrapper does
 * not want to be analysed.
 */
static bool
estimate_size(Relation relation, Instance *instance, double *rows,
			  double *width)
{
	CallSite site;
	Answer answer;
	bool known;

	*width = get_relation_data_width(RelationGetRelid(relation), NULL);
	instance_site_push(&site, instance, "analyze");
	answer = ask_analyze(instance, rows);
	site.method = "get_rel_size";
	instance->estimated_rows = answer == ANSWER_ESTIMATE ? *rows : 0;
	known = answer != ANSWER_NONE ||
		ask_size(instance, RelationGetDescr(relation), rows, width);
	call_site_pop(&site);
	if (known)
		return answer != ANSWER_DECLINED;
	*rows = relation->rd_rel->reltuples;
	if (*rows <= 0)
		*rows = count_rows(relation);
	return true;
}

/* ---------- sample ---------- */

/* A sample in the making: each row seen has the same chance to be in it. */
typedef struct Sample
{
	HeapTuple *rows;
	int size;
	int count;
	double seen;
	double total; /* rows of the table */
	double to_skip;
	ReservoirStateData state;
} Sample;

/* The place of the next row in the sample, or -1 if it is not to be in it. */
static int
sample_place(Sample *sample)
{
	int place = -1;

	if (sample->count < sample->size)
		place = sample->count++;
	else
	{
		if (sample->to_skip < 0)
			sample->to_skip = reservoir_get_next_S(&sample->state,
												   sample->seen, sample->size);
		if (sample->to_skip <= 0)
		{
			place = (int) (sample->size *
						   sampler_random_fract(&sample->state.randstate));
			heap_freetuple(sample->rows[place]);
		}
		sample->to_skip--;
	}
	sample->seen++;
	return place;
}

/* Reads the table into the sample; only rows that come into it are converted. */
static void
read_sample(Relation relation, Instance *instance, Sample *sample)
{
	TupleDesc tupdesc = RelationGetDescr(relation);
	Bitmapset *columns = all_columns(tupdesc, instance);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(tupdesc, &TTSOpsVirtual);
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext,
													  "multicorn sample row",
													  ALLOCSET_DEFAULT_SIZES);
	TableScan *scan = begin_reading(relation, columns, sample->size);
	RowReader *reader = fetch_reader_create(scan->owner.open, tupdesc, columns);
	PyObject *row;

	memset(slot->tts_isnull, true, tupdesc->natts * sizeof(bool));
	while (read_next(scan, &row))
	{
		int place = sample_place(sample);
		MemoryContext old;

		if (place < 0)
		{
			reference_release_later(row);
			continue;
		}
		MemoryContextReset(row_context);
		old = MemoryContextSwitchTo(row_context);
		ExecClearTuple(slot);
		fetch_read(scan->owner.open, reader, row, slot);
		MemoryContextSwitchTo(old);
		sample->rows[place] = ExecCopySlotHeapTuple(slot);
	}
	sample->total = sample->seen;
	if (scan->is_sample)
		sample->total = Max(sample->seen,
							scan->owner.open->instance->estimated_rows);
	end_reading(scan);
	ExecDropSingleTupleTableSlot(slot);
}

/*
 * For ANALYZE: fills rows with a sample of at most targrows, and counts all. If
 * the wrapper has sent a sample, analyze() has told how many there are.
 */
static int
acquire_sample(Relation relation, int elevel, HeapTuple *rows, int targrows,
			   double *totalrows, double *totaldeadrows)
{
	Sample sample = {.rows = rows, .size = targrows, .to_skip = -1};

	reservoir_init_selection_state(&sample.state, targrows);
	read_sample(relation,
				instance_hold(RelationGetRelid(relation),
							  relation->rd_rel->relowner),
				&sample);
	*totalrows = sample.total;
	*totaldeadrows = 0;
	ereport(elevel,
			errmsg("\"%s\": table contains %.0f rows; %d rows in sample",
				   RelationGetRelationName(relation), sample.total,
				   sample.count));
	return sample.count;
}

/*
 * Says how the table is sampled, and how many pages a heap table would need;
 * false to have it skipped.
 */
bool
multicornAnalyzeForeignTable(Relation relation, AcquireSampleRowsFunc *func,
							 BlockNumber *totalpages)
{
	Instance *instance = instance_hold(RelationGetRelid(relation),
									   relation->rd_rel->relowner);
	double rows;
	double width;
	double pages;

	if (!estimate_size(relation, instance, &rows, &width))
		return false;
	pages = ceil(rows * (width + MAXALIGN(SizeofHeapTupleHeader)) / BLCKSZ);
	/* pg_class.relpages is an integer. */
	*totalpages = (BlockNumber) Min(pages, INT_MAX);
	*func = acquire_sample;
	return true;
}
