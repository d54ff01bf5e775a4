/*
 * scan.h
 *	  Reading a foreign table: see scan.c.
 */
#ifndef MULTICORN_SCAN_H
#define MULTICORN_SCAN_H

#include "embed/cpython.h"
#include "convert/convert.h"
#include "execute/fetch.h"
#include "foreign/fdwapi.h"
#include "plan/operand.h"
#include "plan/qual_list.h"
#include "portability/instr_time.h"

/* A condition that the wrapper enforces. */
typedef struct ScanFilter
{
	PyObject *expression;  /* its operands are UNBOUND */
	Bitmapset *parameters; /* the operands it refers to */
} ScanFilter;

/* LIMIT or OFFSET; neither an operand nor a value if it is not given. */
typedef struct ScanLimit
{
	int operand; /* index, or -1 */
	bool given;
	int64 value; /* if it is not an operand */
} ScanLimit;

/* What EXPLAIN ANALYZE shows of a scan. */
typedef struct ScanCounters
{
	bool timed;
	uint64 executions;
	uint64 rows; /* fetched from the wrapper */
	instr_time python;
	instr_time converting;
} ScanCounters;

/* The state of a scan in the executor. */
typedef struct MulticornScan
{
	OpenScanOwner owner;
	Oid user;
	CallSite site;
	bool prepared; /* what lasts as long as the scan is made */
	bool started;  /* a row has been asked for */
	RowReader *reader;
	bool reader_is_full; /* it reads what rechecking needs, too */
	PyObject *columns;	 /* list of str; each execute() gets a copy */
	QualList *quals;
	int filter_count;
	ScanFilter *filters;
	PyObject *sort_keys; /* list of SortKey, or NULL */
	bool limited;		 /* LIMIT and OFFSET are the wrapper's to apply */
	ScanLimit limit;
	ScanLimit offset;
	bool recheck;	  /* a filter could not be told: it is checked here */
	int64 to_skip;	  /* rows, because of that */
	int64 remaining;  /* rows, -1 for no limit */
	List *operands;	  /* ExprStates of fdw_exprs */
	ExprState *gates; /* what must hold for any row to be wanted, or NULL */
	ToPython **operand_converters; /* of those in filters, made when needed */
	ScanCounters counters;
	MemoryContext context;		   /* as long as the scan */
	MemoryContext execute_context; /* as long as one execute() */
} MulticornScan;

extern void multicornBeginForeignScan(ForeignScanState *node, int eflags);
extern TupleTableSlot *multicornIterateForeignScan(ForeignScanState *node);
extern void multicornReScanForeignScan(ForeignScanState *node);
extern void multicornEndForeignScan(ForeignScanState *node);
extern Oid scan_user(ForeignScan *plan, EState *estate);

#endif /* MULTICORN_SCAN_H */
