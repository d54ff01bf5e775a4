/*
 * explain.h
 *	  What EXPLAIN shows of a scan: see explain.c.
 */
#ifndef MULTICORN_EXPLAIN_H
#define MULTICORN_EXPLAIN_H

#include "embed/cpython.h"
#include "foreign/fdwapi.h"

extern void
multicornExplainForeignScan(ForeignScanState *node, struct ExplainState *es);

#endif /* MULTICORN_EXPLAIN_H */
