/*
 * modify.h
 *	  Writing to a foreign table: see modify.c.
 */
#ifndef MULTICORN_MODIFY_H
#define MULTICORN_MODIFY_H

#include "embed/cpython.h"
#include "foreign/fdwapi.h"

extern void
multicornBeginForeignModify(ModifyTableState *mtstate, ResultRelInfo *rinfo,
							List *fdw_private, int subplan_index, int eflags);
extern void
multicornBeginForeignInsert(ModifyTableState *mtstate, ResultRelInfo *rinfo);
extern TupleTableSlot *
multicornExecForeignInsert(EState *estate, ResultRelInfo *rinfo,
						   TupleTableSlot *slot, TupleTableSlot *plan_slot);
extern TupleTableSlot **
multicornExecForeignBatchInsert(EState *estate, ResultRelInfo *rinfo,
								TupleTableSlot **slots,
								TupleTableSlot **plan_slots, int *count);
extern int multicornGetForeignModifyBatchSize(ResultRelInfo *rinfo);
extern TupleTableSlot *
multicornExecForeignUpdate(EState *estate, ResultRelInfo *rinfo,
						   TupleTableSlot *slot, TupleTableSlot *plan_slot);
extern TupleTableSlot *
multicornExecForeignDelete(EState *estate, ResultRelInfo *rinfo,
						   TupleTableSlot *slot, TupleTableSlot *plan_slot);
extern void multicornEndForeignModify(EState *estate, ResultRelInfo *rinfo);
extern void multicornExecForeignTruncate(List *relations, DropBehavior behavior,
										 bool restart_sequences);

#endif /* MULTICORN_MODIFY_H */
