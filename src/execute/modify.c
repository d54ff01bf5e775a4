/*
 * modify.c
 *	  Writing to a foreign table: a row becomes a dict for insert(), update() or
 *	  bulk_insert(), and what those return is what RETURNING and AFTER triggers
 *	  see.
 */
#include "execute/modify.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "commands/trigger.h"
#include "compat.h"
#include "convert/convert.h"
#include "embed/call.h"
#include "embed/error.h"
#include "embed/interpreter.h"
#include "embed/text.h"
#include "execute/bulk.h"
#include "execute/fetch.h"
#include "executor/executor.h"
#include "optimizer/plancat.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/tlist.h"
#include "plan/relation.h"
#include "plan/target.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "wrapper/constant.h"
#include "wrapper/transaction.h"

/* A batch of rows is not to take more memory than this. */
#define LARGEST_BATCH (64.0 * 1024 * 1024)

/* What a row takes beside its values: a tuple slot, a dict and their parts. */
#define ROW_OVERHEAD 512

/* The state of a write to one table. */
typedef struct MulticornModify
{
	OpenScanOwner owner;
	CallSite site;
	Instance *instance;
	ResultRelInfo *relation;
	RowWriter *writer;
	Bulk *copy;			 /* rows of COPY go this way, if not NULL */
	Bulk *arrays;		 /* so do batches, made when one comes */
	Bitmapset *written;	 /* attribute numbers */
	Bitmapset *assigned; /* attribute numbers, or NULL for all */
	Bitmapset *as_text;	 /* attribute numbers */
	bool ignores_conflicts;
	bool takes_returning; /* the wrapper wants to know if anyone looks */
	bool knows_keywords;
	PyObject *keywords;	  /* the names of keyword arguments, or NULL */
	AttrNumber rowid;	  /* junk column */
	AttrNumber whole_row; /* junk column */
	ToPython *rowid_converter;
	Reference *row;	 /* what was written last: a dict, or NULL */
	Reference *rows; /* the last batch: a list, or NULL */
	PyObject *seen;	 /* set of rowids, where rows may come again, or NULL */
	MemoryContext row_context; /* as long as a row, or a batch of them */
} MulticornModify;

/* ---------- beginning and end ---------- */

/*
 * The columns that are written: all but dropped ones, those never stored, those
 * with one value in all rows and, if the wrapper wants it so, those that PostgreSQL
 * computes.
 */
static Bitmapset *
written_columns(const Instance *instance, TupleDesc tupdesc)
{
	bool computed = !instance_flag(instance, "omit_generated");
	Bitmapset *columns = NULL;

	for (int i = 1; i <= tupdesc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, i - 1);

		if (!attribute->attisdropped && !attribute_is_virtual(attribute) &&
			(computed || attribute->attgenerated == '\0'))
			columns = bms_add_member(columns, i);
	}
	return bms_del_members(columns, instance->constant_columns);
}

/*
 * The columns whose values the wrapper gets, and gives back, in PostgreSQL's
 * text form: those with the option, or all if its write_form is 'text'.
 */
static Bitmapset *
text_columns(const Instance *instance, TupleDesc tupdesc)
{
	PyObject *form = python_method(instance->object, "write_form");

	if (form == NULL || !PyUnicode_Check(reference_own(form)) ||
		PyUnicode_CompareWithASCIIString(form, "text") != 0)
		return instance->text_columns;
	return bms_add_range(NULL, 1, tupdesc->natts);
}

/* Has a BEFORE trigger a say in the row? */
static bool
has_before_trigger(ResultRelInfo *relation, CmdType operation)
{
	TriggerDesc *triggers = relation->ri_TrigDesc;

	return triggers != NULL &&
		(operation == CMD_INSERT ? triggers->trig_insert_before_row
								 : triggers->trig_update_before_row);
}

/* The attribute numbers that a statement assigns; NULL if all are sent. */
static Bitmapset *
assigned_columns(MulticornModify *modify, List *listed, CmdType operation)
{
	Bitmapset *columns = NULL;
	ListCell *cell;

	if (!instance_flag(modify->instance, "omit_unassigned"))
		return NULL;
	/* A trigger may have changed any column. */
	if (operation == CMD_UPDATE &&
		has_before_trigger(modify->relation, CMD_UPDATE))
		return NULL;
	foreach (cell, listed)
		columns = bms_add_member(columns, intVal(lfirst(cell)));
	/* An INSERT of defaults alone assigns none: 0 is no column. */
	return bms_add_member(columns, 0);
}

/* Makes the state of a write and acquires the instance, as the user who writes. */
static MulticornModify *
create_state(EState *estate, ResultRelInfo *relation)
{
	MulticornModify *modify = palloc0(sizeof(MulticornModify));
	Oid user = result_relation_check_as_user(relation, estate);

	modify->relation = relation;
	modify->row_context = AllocSetContextCreate(CurrentMemoryContext,
												"multicorn rows to write",
												ALLOCSET_DEFAULT_SIZES);
	modify->row = reference_create(NULL);
	modify->rows = reference_create(NULL);
	fetch_open(&modify->owner);
	fetch_prepare(modify->owner.open,
				  RelationGetRelid(relation->ri_RelationDesc),
				  OidIsValid(user) ? user : GetUserId());
	modify->instance = modify->owner.open->instance;
	fetch_end_modify_due(modify->owner.open);
	relation->ri_FdwState = modify;
	return modify;
}

/* Prepares what is the same for all rows. */
static void
prepare(MulticornModify *modify, List *assigned, CmdType operation,
		OnConflictAction conflict)
{
	TupleDesc tupdesc = RelationGetDescr(modify->relation->ri_RelationDesc);

	modify->ignores_conflicts = conflict == ONCONFLICT_NOTHING;
	modify->takes_returning = instance_flag(modify->instance,
											"takes_returning");
	modify->as_text = text_columns(modify->instance, tupdesc);
	modify->written = written_columns(modify->instance, tupdesc);
	modify->assigned = assigned_columns(modify, assigned, operation);
	modify->writer = row_writer_create(tupdesc, modify->written,
									   modify->as_text,
									   operation == CMD_INSERT
										   ? modify->instance->remote_columns
										   : NULL,
									   modify->assigned,
									   operation == CMD_UPDATE);
}

/*
 * The names of the keyword arguments, each of which is True; NULL without any.
 * Who looks at the rows is not known in Begin yet.
 */
static PyObject *
keyword_names(MulticornModify *modify)
{
	MemoryContext old;
	PyObject *names;

	if (likely(modify->knows_keywords))
		return modify->keywords;
	old = MemoryContextSwitchTo(GetMemoryChunkContext(modify));
	names = reference_own(PyList_New(0));
	if ((modify->ignores_conflicts &&
		 PyList_Append(names, python_string("on_conflict_nothing")) != 0) ||
		(modify->takes_returning && bulk_is_seen(modify->relation) &&
		 PyList_Append(names, python_string("returning")) != 0))
		python_throw();
	if (PyList_GET_SIZE(names) > 0)
		modify->keywords = reference_own(PyList_AsTuple(names));
	modify->knows_keywords = true;
	MemoryContextSwitchTo(old);
	return modify->keywords;
}

/* A way for rows as text, in the memory of the state. Reads catalogs. */
static Bulk *
create_bulk(MulticornModify *modify, TextForm form)
{
	MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(modify));
	TextWriter *writer =
		text_writer_create(RelationGetDescr(modify->relation->ri_RelationDesc),
						   form, modify->written,
						   modify->instance->remote_columns, modify->assigned);
	Bulk *bulk = bulk_create(modify->instance, writer, form,
							 keyword_names(modify));

	MemoryContextSwitchTo(old);
	return bulk;
}

/* Finds the junk columns that identify the row. */
static void
find_junk(MulticornModify *modify, ModifyTableState *mtstate, List *rowid)
{
	List *targets = outerPlanState(mtstate)->plan->targetlist;
	char *name = strVal(linitial(rowid));
	TargetEntry *entry;

	modify->rowid = ExecFindJunkAttributeInTlist(targets, name);
	modify->whole_row = ExecFindJunkAttributeInTlist(targets, "wholerow");
	if (!AttributeNumberIsValid(modify->rowid))
		elog(ERROR, "could not find junk column \"%s\"", name);
	entry = get_tle_by_resno(targets, modify->rowid);
	/* The number of ctid is negative; it is text anyway. */
	modify->rowid_converter =
		to_python_create(exprType((Node *) entry->expr),
						 bms_is_member(Max(intVal(lsecond(rowid)), 0),
									   modify->as_text));
}

/* May a plan give a row of one of its tables several times? Joins may. */
static bool
repeats_rows(Plan *plan)
{
	List *children = NIL;
	ListCell *cell;

	if (plan == NULL)
		return false;
	if (innerPlan(plan) != NULL)
		return true;
	if (IsA(plan, Append))
		children = ((Append *) plan)->appendplans;
	else if (IsA(plan, MergeAppend))
		children = ((MergeAppend *) plan)->mergeplans;
	else if (IsA(plan, SubqueryScan))
		return repeats_rows(((SubqueryScan *) plan)->subplan);
	foreach (cell, children)
	{
		if (repeats_rows(lfirst(cell)))
			return true;
	}
	return repeats_rows(outerPlan(plan));
}

/* INSERT, UPDATE or DELETE begins. */
void
multicornBeginForeignModify(ModifyTableState *mtstate, ResultRelInfo *rinfo,
							List *fdw_private, int subplan_index, int eflags)
{
	ModifyTable *plan = (ModifyTable *) mtstate->ps.plan;
	List *rowid = list_nth(fdw_private, TARGET_ROWID);
	MulticornModify *modify;

	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;
	modify = create_state(mtstate->ps.state, rinfo);
	instance_site_push(&modify->site, modify->instance, NULL);
	prepare(modify, list_nth(fdw_private, TARGET_ASSIGNED), plan->operation,
			plan->onConflictAction);
	if (rowid != NIL)
	{
		find_junk(modify, mtstate, rowid);
		if (repeats_rows(outerPlan(plan)))
			modify->seen = reference_own(PySet_New(NULL));
	}
	call_site_pop(&modify->site);
}

/*
 * The attribute numbers that COPY or an INSERT into a partitioned table
 * assigns; those of all columns for a row that an UPDATE moves.
 */
static List *
routed_columns(ModifyTableState *mtstate, ResultRelInfo *relation)
{
	Bitmapset *offsets = ExecGetInsertedCols(relation, mtstate->ps.state);
	List *columns = NIL;

	if (mtstate->operation == CMD_UPDATE)
	{
		for (int i = 1;
			 i <= RelationGetNumberOfAttributes(relation->ri_RelationDesc); i++)
			columns = lappend(columns, makeInteger(i));
		return columns;
	}
	for (int i = -1; (i = bms_next_member(offsets, i)) >= 0;)
		columns = lappend(columns,
						  makeInteger(i + FirstLowInvalidHeapAttributeNumber));
	return columns;
}

/* COPY begins, or rows are routed here from a partitioned table. */
void
multicornBeginForeignInsert(ModifyTableState *mtstate, ResultRelInfo *rinfo)
{
	EState *estate = mtstate->ps.state;
	ModifyTable *plan = (ModifyTable *) mtstate->ps.plan;
	OnConflictAction conflict = plan != NULL ? plan->onConflictAction
											 : ONCONFLICT_NONE;
	MulticornModify *modify;

	/* A row that came here would be found, and moved, again. */
	if (rinfo->ri_FdwState != NULL)
		ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("cannot route tuples into foreign table to be updated \"%s\"",
					   RelationGetRelationName(rinfo->ri_RelationDesc)));
	modify = create_state(estate, rinfo);
	instance_site_push(&modify->site, modify->instance, NULL);
	require_conflict_support(modify->instance, conflict);
	prepare(modify, routed_columns(mtstate, rinfo), CMD_INSERT, conflict);
	/* Only COPY has no plan. */
	if (plan == NULL &&
		instance_hook(modify->instance, HOOK_INSERT_COPY) != NULL &&
		!bulk_copy_is_seen(rinfo))
		modify->copy = create_bulk(modify, TEXT_COPY);
	call_site_pop(&modify->site);
}

/* The write ends: end_modify(). After an error that is done at the abort. */
void
multicornEndForeignModify(EState *estate, ResultRelInfo *rinfo)
{
	MulticornModify *modify = rinfo->ri_FdwState;
	MemoryContext old;

	if (modify == NULL || modify->owner.open == NULL)
		return;
	if (modify->copy != NULL)
		bulk_copy_end(modify->copy);
	old = MemoryContextSwitchTo(modify->row_context);
	fetch_finish(modify->owner.open);
	MemoryContextSwitchTo(old);
	fetch_close(modify->owner.open);
}

/* ---------- what the wrapper returns ---------- */

/* Throws for something that is neither a mapping nor None nor SKIPPED. */
static void
require_mapping(PyObject *returned, const char *method)
{
	if (!is_mapping(returned))
		ereport(ERROR, errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
				errmsg("%s() must return a mapping or None, not %s", method,
					   python_type_name(returned)),
				errhint("multicorn.SKIPPED says that no row was written."));
}

/*
 * The slot with what the wrapper has returned for its row; NULL if no row was
 * written.
 */
static TupleTableSlot *
take_returned(MulticornModify *modify, PyObject *returned,
			  TupleTableSlot *slot, const char *method)
{
	if (returned == Py_None)
		return slot;
	if (returned == interpreter_functions.SKIPPED)
		return NULL;
	require_mapping(returned, method);
	if (bulk_is_seen(modify->relation))
		row_take_returned(modify->writer, returned, slot);
	return slot;
}

/* Throws that a row would have another value in a column with one for all rows. */
MULTICORN_NORETURN static void
refuse_value(MulticornModify *modify, const ConstantColumn *constant,
			 const TupleTableSlot *slot);

static void
refuse_value(MulticornModify *modify, const ConstantColumn *constant,
			 const TupleTableSlot *slot)
{
	Relation relation = modify->relation->ri_RelationDesc;
	int index = constant->attribute - 1;
	const char *column =
		NameStr(TupleDescAttr(RelationGetDescr(relation), index)->attname);

	ereport(ERROR, errcode(ERRCODE_CHECK_VIOLATION),
			errmsg("column \"%s\" of %s cannot have another value than \"%s\"",
				   column, modify->instance->subject,
				   constant_text(constant, constant->value)),
			slot->tts_isnull[index]
				? errdetail("The new row has NULL.")
				: errdetail("The new row has \"%s\".",
							constant_text(constant, slot->tts_values[index])),
			errtablecol(relation, constant->attribute));
}

/*
 * Sees to the columns that have one value in all rows, before a row is written:
 * INSERT may leave them NULL, and everyone behind it sees the value.
 */
static void
settle_constants(MulticornModify *modify, TupleTableSlot *slot,
				 bool may_be_null)
{
	ListCell *cell;

	if (likely(modify->instance->constants == NIL))
		return;
	slot_getallattrs(slot);
	foreach (cell, modify->instance->constants)
	{
		ConstantColumn *constant = lfirst(cell);
		int index = constant->attribute - 1;

		if (slot->tts_isnull[index]
				? !may_be_null
				: !constant_equals(constant, slot->tts_values[index]))
			refuse_value(modify, constant, slot);
		slot->tts_values[index] = constant->value;
		slot->tts_isnull[index] = false;
	}
}

/* Begins a call for a row, or a batch of them: in memory of its own. */
static MemoryContext
begin_call(MulticornModify *modify, const char *method)
{
	if (unlikely(modify->instance->has_transactions))
		transaction_join(modify->instance);
	instance_site_push(&modify->site, modify->instance, method);
	MemoryContextReset(modify->row_context);
	return MemoryContextSwitchTo(modify->row_context);
}

static void
end_call(MulticornModify *modify, MemoryContext old)
{
	MemoryContextSwitchTo(old);
	call_site_pop(&modify->site);
}

/* Calls a method of the instance. Throws if the wrapper has none. */
static PyObject *
call(MulticornModify *modify, Hook hook, const char *name,
	 PyObject **arguments, size_t count, PyObject *keywords)
{
	PyObject *method = instance_hook(modify->instance, hook);

	if (method == NULL)
		ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("the wrapper of %s has no method \"%s\"",
					   modify->instance->subject, name));
	return reference_own(python_call(method, arguments, count, keywords));
}

/* The values of a slot as a dict for the wrapper, borrowed. */
static PyObject *
write_row(MulticornModify *modify, TupleTableSlot *slot)
{
	PyObject *last = modify->row->object;

	if (last != NULL)
	{
		if (row_rewrite(modify->writer, last, slot))
			return last;
		modify->row->object = NULL;
		reference_release_later(last);
	}
	return modify->row->object = row_write(modify->writer, slot);
}

/* ---------- INSERT ---------- */

/* Throws unless bulk_insert() has returned something with items. */
static void
require_items(PyObject *returned)
{
	if (is_mapping(returned) || PyUnicode_Check(returned) ||
		PyBytes_Check(returned) ||
		(Py_TYPE(returned)->tp_iter == NULL && !PySequence_Check(returned)))
		ereport(ERROR, errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
				errmsg("bulk_insert() must return a sequence of rows or None, not %s",
					   python_type_name(returned)));
}

/*
 * Calls bulk_insert() with a list of rows, which is the wrapper's to change; a
 * tuple of as many items as there were, owned, or NULL for None.
 */
static PyObject *
insert_rows(MulticornModify *modify, PyObject *rows)
{
	PyObject *arguments[] = {rows, Py_True, Py_True};
	Py_ssize_t count = PyList_GET_SIZE(rows);
	PyObject *returned = call(modify, HOOK_BULK_INSERT, "bulk_insert",
							  arguments, 1, keyword_names(modify));
	PyObject *items;

	if (returned == Py_None)
		return NULL;
	require_items(returned);
	items = python_items(returned);
	if (PyTuple_GET_SIZE(items) != count)
		ereport(ERROR, errcode(ERRCODE_FDW_ERROR),
				errmsg("bulk_insert() returned %zd rows for %zd",
					   PyTuple_GET_SIZE(items), count));
	return items;
}

/* What the wrapper returns for one row: of insert(), or of bulk_insert() of one. */
static PyObject *
insert_row(MulticornModify *modify, TupleTableSlot *slot, const char **method)
{
	PyObject *row = write_row(modify, slot);
	PyObject *arguments[] = {row, Py_True, Py_True};
	PyObject *rows;
	PyObject *items;

	*method = "insert";
	if (instance_hook(modify->instance, HOOK_INSERT) != NULL ||
		instance_hook(modify->instance, HOOK_BULK_INSERT) == NULL)
		return call(modify, HOOK_INSERT, "insert", arguments, 1,
					keyword_names(modify));
	*method = modify->site.method = "bulk_insert";
	rows = reference_own(PyList_New(0));
	if (PyList_Append(rows, row) != 0)
		python_throw();
	items = insert_rows(modify, rows);
	return items != NULL ? PyTuple_GET_ITEM(items, 0) : Py_None;
}

/* Writes a row. NULL if the wrapper has skipped it. */
TupleTableSlot *
multicornExecForeignInsert(EState *estate, ResultRelInfo *rinfo,
						   TupleTableSlot *slot, TupleTableSlot *plan_slot)
{
	MulticornModify *modify = rinfo->ri_FdwState;
	const char *method;
	PyObject *returned;
	MemoryContext old;

	settle_constants(modify, slot, true);
	if (modify->copy != NULL)
	{
		bulk_copy(modify->copy, slot);
		return slot;
	}
	old = begin_call(modify, "insert");
	returned = insert_row(modify, slot, &method);
	slot = take_returned(modify, returned, slot, method);
	end_call(modify, old);
	return slot;
}

/* How many rows of the table's declared width fit into a batch. */
static int
fitting_batch(Relation relation, double size)
{
	int32 width = get_relation_data_width(RelationGetRelid(relation), NULL);
	double most = Max(1.0, LARGEST_BATCH / (ROW_OVERHEAD + width));

	return (int) Min(size, most);
}

/* Do batches go as arrays? Known when the write has begun. */
static bool
takes_arrays(MulticornModify *modify)
{
	return instance_hook(modify->instance, HOOK_INSERT_ARRAYS) != NULL &&
		!bulk_is_seen(modify->relation);
}

static bool
takes_batches(MulticornModify *modify)
{
	return instance_hook(modify->instance, HOOK_BULK_INSERT) != NULL ||
		takes_arrays(modify);
}

/* How many rows go at once: modify_batch_size, where PostgreSQL can batch. */
int
multicornGetForeignModifyBatchSize(ResultRelInfo *rinfo)
{
	MulticornModify *modify = rinfo->ri_FdwState;
	PyObject *size;
	double number;

	/* EXPLAIN alone has no state. RETURNING and triggers need row by row. */
	if (modify == NULL || modify->copy != NULL ||
		rinfo->ri_projectReturning != NULL ||
		has_before_trigger(rinfo, CMD_INSERT) || !takes_batches(modify))
		return 1;
	instance_site_push(&modify->site, modify->instance, NULL);
	size = python_method(modify->instance->object, "modify_batch_size");
	number = size != NULL
		? number_from_python(reference_own(size), "modify_batch_size")
		: 1;
	call_site_pop(&modify->site);
	return fitting_batch(rinfo->ri_RelationDesc, Max(1, Min(number, INT_MAX)));
}

/* The list for a batch, borrowed: the last one, if nobody has kept it, or a new one. */
static PyObject *
batch_list(MulticornModify *modify, Py_ssize_t count)
{
	PyObject *last = modify->rows->object;

	if (last != NULL && Py_REFCNT(last) == 1 && PyList_GET_SIZE(last) == count)
		return last;
	modify->rows->object = NULL;
	if (last != NULL)
		reference_release_later(last);
	modify->rows->object = PyList_New(count);
	if (modify->rows->object == NULL)
		python_throw();
	return modify->rows->object;
}

/* The rows for the wrapper as a list of dicts, borrowed. */
static PyObject *
write_batch(MulticornModify *modify, TupleTableSlot **slots, int count)
{
	PyObject *rows = batch_list(modify, count);

	for (int i = 0; i < count; i++)
	{
		PyObject *last = PyList_GET_ITEM(rows, i);

		if (last != NULL && row_rewrite(modify->writer, last, slots[i]))
			continue;
		PyList_SET_ITEM(rows, i, NULL);
		if (last != NULL)
			reference_release_later(last);
		PyList_SET_ITEM(rows, i, row_write(modify->writer, slots[i]));
	}
	return rows;
}

/* Calls bulk_insert(); rows that the wrapper has skipped lose their slots. */
static void
insert_batch(MulticornModify *modify, TupleTableSlot **slots, int *count)
{
	PyObject *rows = write_batch(modify, slots, *count);
	PyObject *items;
	int written = 0;

	items = insert_rows(modify, rows);
	if (items == NULL)
		return;
	for (int i = 0; i < *count; i++)
	{
		TupleTableSlot *slot = take_returned(modify, PyTuple_GET_ITEM(items, i),
											 slots[i], "bulk_insert");

		if (slot == NULL)
			continue;
		/* The executor reuses its slots: they change places. */
		slots[i] = slots[written];
		slots[written++] = slot;
	}
	*count = written;
}

/* Writes rows at once; those that the wrapper has skipped are left out. */
TupleTableSlot **
multicornExecForeignBatchInsert(EState *estate, ResultRelInfo *rinfo,
								TupleTableSlot **slots,
								TupleTableSlot **plan_slots, int *count)
{
	MulticornModify *modify = rinfo->ri_FdwState;
	MemoryContext old;

	for (int i = 0; i < *count; i++)
		settle_constants(modify, slots[i], true);
	if (takes_arrays(modify))
	{
		if (modify->arrays == NULL)
			modify->arrays = create_bulk(modify, TEXT_ARRAYS);
		*count = bulk_insert(modify->arrays, slots, *count);
		return slots;
	}
	old = begin_call(modify, "bulk_insert");
	insert_batch(modify, slots, count);
	end_call(modify, old);
	return slots;
}

/* ---------- UPDATE and DELETE ---------- */

/*
 * Was the row at hand written before? As in a table of PostgreSQL's own, what
 * a join finds several times is written once. Only rowids whose comparison
 * runs no code of the wrapper's are known again.
 */
static bool
was_written(MulticornModify *modify, PyObject *rowid)
{
	int found;

	if (modify->seen == NULL ||
		!(PyUnicode_CheckExact(rowid) || PyLong_CheckExact(rowid) ||
		  PyBytes_CheckExact(rowid)))
		return false;
	found = PySet_Contains(modify->seen, rowid);
	if (found < 0 || (found == 0 && PySet_Add(modify->seen, rowid) != 0))
		python_throw();
	return found == 1;
}

/* The rowid of the row at hand, owned. Throws if it is NULL. */
static PyObject *
rowid_of(MulticornModify *modify, TupleTableSlot *plan_slot)
{
	bool isnull;
	Datum datum = ExecGetJunkAttribute(plan_slot, modify->rowid, &isnull);
	PyObject *rowid;

	if (isnull)
		ereport(ERROR, errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("a row of %s cannot be identified",
					   modify->instance->subject),
				errdetail("Its rowid_column is NULL."));
	rowid = to_python(modify->rowid_converter, datum, false);
	if (rowid == NULL)
		ereport(ERROR, errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
				errmsg("a row of %s cannot be identified",
					   modify->instance->subject),
				errdetail("Its rowid_column is %s, which has no exact equivalent in Python.",
						  to_exact_text(modify->rowid_converter, datum)));
	return reference_own(rowid);
}

/* Changes a row. NULL if the wrapper has skipped it. */
TupleTableSlot *
multicornExecForeignUpdate(EState *estate, ResultRelInfo *rinfo,
						   TupleTableSlot *slot, TupleTableSlot *plan_slot)
{
	MulticornModify *modify = rinfo->ri_FdwState;
	MemoryContext old = begin_call(modify, "update");
	PyObject *arguments[] = {rowid_of(modify, plan_slot), NULL, Py_True,
							 Py_True};

	if (was_written(modify, arguments[0]))
		slot = NULL;
	else
	{
		settle_constants(modify, slot, false);
		arguments[1] = write_row(modify, slot);
		slot = take_returned(modify,
							 call(modify, HOOK_UPDATE, "update", arguments, 2,
								  keyword_names(modify)),
							 slot, "update");
	}
	end_call(modify, old);
	return slot;
}

/* Fills the slot with the row as it was, for RETURNING. */
static void
store_old_row(MulticornModify *modify, TupleTableSlot *slot,
			  TupleTableSlot *plan_slot)
{
	bool isnull;
	Datum datum = ExecGetJunkAttribute(plan_slot, modify->whole_row, &isnull);

	if (isnull)
		elog(ERROR, "wholerow is NULL");
	ExecStoreHeapTupleDatum(datum, slot);
}

/* Deletes a row. NULL if the wrapper has skipped it. */
TupleTableSlot *
multicornExecForeignDelete(EState *estate, ResultRelInfo *rinfo,
						   TupleTableSlot *slot, TupleTableSlot *plan_slot)
{
	MulticornModify *modify = rinfo->ri_FdwState;
	MemoryContext old = begin_call(modify, "delete");
	PyObject *rowid = rowid_of(modify, plan_slot);
	PyObject *returned = was_written(modify, rowid)
		? interpreter_functions.SKIPPED
		: call(modify, HOOK_DELETE, "delete", &rowid, 1, NULL);

	end_call(modify, old);
	if (returned == interpreter_functions.SKIPPED)
		return NULL;
	if (rinfo->ri_projectReturning != NULL)
		store_old_row(modify, slot, plan_slot);
	return slot;
}

/* ---------- TRUNCATE ---------- */

/* Calls truncate() for one table. */
static void
truncate_table(Relation relation, bool cascade, bool restart)
{
	Instance *instance = instance_hold(RelationGetRelid(relation), GetUserId());
	PyObject *method = instance_hook(instance, HOOK_TRUNCATE);
	PyObject *arguments[] = {cascade ? Py_True : Py_False,
							 restart ? Py_True : Py_False};
	CallSite site;

	if (method == NULL)
		ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("cannot truncate foreign table \"%s\"",
					   RelationGetRelationName(relation)),
				errdetail("Its wrapper has no method \"truncate\"."));
	instance_site_push(&site, instance, "truncate");
	reference_own(python_call(method, arguments, 2, NULL));
	call_site_pop(&site);
}

/* Truncates tables, one after the other. */
void
multicornExecForeignTruncate(List *relations, DropBehavior behavior,
							 bool restart_sequences)
{
	ListCell *cell;

	foreach (cell, relations)
		truncate_table(lfirst(cell), behavior == DROP_CASCADE,
					   restart_sequences);
}
