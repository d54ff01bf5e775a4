/*
 * bulk.h
 *	  Rows that leave as text, many at once: see bulk.c.
 */
#ifndef MULTICORN_BULK_H
#define MULTICORN_BULK_H

#include "convert/text_writer.h"
#include "nodes/execnodes.h"
#include "wrapper/instance.h"

typedef struct Bulk Bulk;

extern bool bulk_is_seen(ResultRelInfo *relation);
extern bool bulk_copy_is_seen(ResultRelInfo *relation);
extern Bulk *bulk_create(Instance *instance, TextWriter *writer, TextForm form,
						 PyObject *keywords);
extern void bulk_copy(Bulk *bulk, TupleTableSlot *slot);
extern void bulk_copy_end(Bulk *bulk);
extern int bulk_insert(Bulk *bulk, TupleTableSlot **slots, int count);

#endif /* MULTICORN_BULK_H */
