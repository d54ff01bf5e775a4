/*
 * scan.h
 *	  Reading a foreign table: see scan.c.
 */
#ifndef MULTICORN_SCAN_H
#define MULTICORN_SCAN_H

#include "postgres.h"
#include "foreign/fdwapi.h"

extern void multicornBeginForeignScan(ForeignScanState *node, int eflags);
extern TupleTableSlot *multicornIterateForeignScan(ForeignScanState *node);
extern void multicornReScanForeignScan(ForeignScanState *node);
extern void multicornEndForeignScan(ForeignScanState *node);
extern void scan_listen(void);

#endif /* MULTICORN_SCAN_H */
