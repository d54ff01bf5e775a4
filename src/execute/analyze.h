/*
 * analyze.h
 *	  ANALYZE of a foreign table: see analyze.c.
 */
#ifndef MULTICORN_ANALYZE_H
#define MULTICORN_ANALYZE_H

#include "embed/cpython.h"
#include "foreign/fdwapi.h"

extern bool
multicornAnalyzeForeignTable(Relation relation, AcquireSampleRowsFunc *func,
							 BlockNumber *totalpages);

#endif /* MULTICORN_ANALYZE_H */
