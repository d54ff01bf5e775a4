/*
 * bulk.c
 *	  Rows that leave as text, many at once: insert_copy() for those of COPY
 *	  FROM, insert_arrays() for batches of INSERT.
 *
 * That is for rows that nobody looks at any more, since what a wrapper might
 * return for each of them has nowhere to go. PostgreSQL's COPY batches rows of
 * foreign tables in some versions only, and reads them into slots first: those
 * of COPY are collected here.
 */
#include "execute/bulk.h"

#include "access/transam.h"
#include "catalog/pg_proc.h"
#include "commands/trigger.h"
#include "convert/convert.h"
#include "embed/call.h"
#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "rewrite/rewriteHandler.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "wrapper/transaction.h"

/* What COPY collects before it is handed over. */
#define COPY_BYTES (64 * 1024)
#define COPY_ROWS  1000

/* Batches are as many rows as the wrapper wants, but not to take more memory than this. */
#define ARRAYS_BYTES (64 * 1024 * 1024)

/* The rows on their way to a wrapper. */
struct Bulk
{
	Instance *instance;
	CallSite site;
	TextWriter *writer;
	PyObject *method; /* belongs to the instance */
	PyObject *keywords;
	Size most;				/* bytes */
	TupleTableSlot **slots; /* COPY_ROWS of them, if rows are kept as such */
	TupleDesc tupdesc;		/* of those */
	int kept;
	Size kept_size;
	int64 written;
	MemoryContext context; /* as long as a row, or a call */
};

/* ---------- who looks at the rows ---------- */

/* Does somebody look at the rows after they were written? Not known in Begin yet. */
bool
bulk_is_seen(ResultRelInfo *relation)
{
	TriggerDesc *triggers = relation->ri_TrigDesc;

	return relation->ri_projectReturning != NULL ||
		relation->ri_WithCheckOptions != NIL ||
		(triggers != NULL &&
		 (triggers->trig_insert_after_row || triggers->trig_update_after_row ||
		  triggers->trig_insert_new_table || triggers->trig_update_new_table));
}

/* Is it a function of users that may read the table? */
static bool
is_volatile_of_user(Oid function, void *context)
{
	return function >= FirstNormalObjectId &&
		func_volatile(function) == PROVOLATILE_VOLATILE;
}

static bool
calls_user(Node *node, void *context)
{
	if (node == NULL)
		return false;
	return check_functions_in_node(node, is_volatile_of_user, context) ||
		expression_tree_walker(node, calls_user, context);
}

/* Has a column a default that may read the table? */
static bool
has_seeing_default(Relation relation)
{
	TupleDesc tupdesc = RelationGetDescr(relation);

	for (int i = 1; i <= tupdesc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, i - 1);

		if (!attribute->attisdropped &&
			calls_user(build_column_default(relation, i), NULL))
			return true;
	}
	return false;
}

/*
 * May something that a COPY runs look at the rows before it ends? As in
 * PostgreSQL's own COPY: a trigger, one for the statement as well, or the
 * default of a column. Reads catalogs.
 */
bool
bulk_copy_is_seen(ResultRelInfo *relation)
{
	ResultRelInfo *root = relation->ri_RootResultRelInfo != NULL
		? relation->ri_RootResultRelInfo
		: relation;
	TriggerDesc *triggers = relation->ri_TrigDesc;
	TriggerDesc *root_triggers = root->ri_TrigDesc;

	return bulk_is_seen(relation) ||
		(triggers != NULL && triggers->trig_insert_before_row) ||
		(root_triggers != NULL &&
		 (root_triggers->trig_insert_before_row ||
		  root_triggers->trig_insert_after_row ||
		  root_triggers->trig_insert_after_statement ||
		  root_triggers->trig_insert_new_table)) ||
		has_seeing_default(root->ri_RelationDesc);
}

/* ---------- handing over ---------- */

/*
 * What collects the rows for insert_copy() or insert_arrays(), which the
 * wrapper must have. Belongs to CurrentMemoryContext, as do writer and keywords.
 */
Bulk *
bulk_create(Instance *instance, TextWriter *writer, TextForm form,
			PyObject *keywords)
{
	Bulk *bulk = palloc0(sizeof(Bulk));
	bool copies = form == TEXT_COPY;

	bulk->instance = instance;
	bulk->writer = writer;
	bulk->method = instance_hook(instance,
								 copies ? HOOK_INSERT_COPY
										: HOOK_INSERT_ARRAYS);
	bulk->keywords = keywords;
	bulk->most = copies ? COPY_BYTES : ARRAYS_BYTES;
	bulk->site.subject = instance->subject;
	bulk->site.method = copies ? "insert_copy" : "insert_arrays";
	bulk->site.callback.callback = call_site_context;
	bulk->site.callback.arg = &bulk->site;
	bulk->context = AllocSetContextCreate(CurrentMemoryContext,
										  "multicorn rows as text",
										  ALLOCSET_DEFAULT_SIZES);
	return bulk;
}

/* Throws that the wrapper has returned something else than it may. */
MULTICORN_NORETURN static void
refuse_returned(Bulk *bulk, PyObject *returned, const char *wanted);

static void
refuse_returned(Bulk *bulk, PyObject *returned, const char *wanted)
{
	ereport(ERROR, errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
			errmsg("%s() must return %s, not %s", bulk->site.method, wanted,
				   python_type_name(returned)));
}

/* How many of the rows were written, by what the wrapper has returned. */
static int
written_rows(Bulk *bulk, PyObject *returned, int count)
{
	long number;
	int overflow;

	if (returned == Py_None)
		return count;
	if (bulk->method == instance_hook(bulk->instance, HOOK_INSERT_COPY))
		refuse_returned(bulk, returned, "None");
	if (!PyLong_Check(returned) || PyBool_Check(returned))
		refuse_returned(bulk, returned, "a number of rows or None");
	number = PyLong_AsLongAndOverflow(returned, &overflow);
	if (overflow != 0 || number < 0 || number > count)
		ereport(ERROR, errcode(ERRCODE_FDW_ERROR),
				errmsg("%s() returned a number that is not between 0 and %d, the rows it was given",
					   bulk->site.method, count));
	return (int) number;
}

/* Hands the rows in the writer over, if there are any. */
static void
send(Bulk *bulk)
{
	int count = text_writer_rows(bulk->writer);
	PyObject *arguments[4];
	PyObject *returned;

	if (count == 0)
		return;
	if (unlikely(bulk->instance->has_transactions))
		transaction_join(bulk->instance);
	arguments[0] = text_writer_take(bulk->writer);
	arguments[1] = reference_own(PyLong_FromLong(count));
	arguments[2] = text_writer_names(bulk->writer);
	arguments[3] = Py_True; /* of the keyword, if there is one */
	returned = reference_own(python_call(bulk->method, arguments, 3,
										 bulk->keywords));
	bulk->written += written_rows(bulk, returned, count);
}

/* Writes rows, and hands them over as soon as they are enough or differ in columns. */
static void
write_rows(Bulk *bulk, TupleTableSlot **slots, int count)
{
	for (int done = 0; done < count;)
	{
		MemoryContextReset(bulk->context);
		done += text_write(bulk->writer, slots + done, count - done,
						   bulk->most);
		if (done < count || text_writer_size(bulk->writer) >= bulk->most)
			send(bulk);
	}
}

static MemoryContext
begin(Bulk *bulk)
{
	call_site_push_again(&bulk->site);
	return MemoryContextSwitchTo(bulk->context);
}

static void
end(Bulk *bulk, MemoryContext old)
{
	MemoryContextSwitchTo(old);
	call_site_pop(&bulk->site);
}

/* ---------- INSERT ---------- */

/* Hands a batch over, and returns how many rows were written. */
int
bulk_insert(Bulk *bulk, TupleTableSlot **slots, int count)
{
	MemoryContext old = begin(bulk);

	bulk->written = 0;
	write_rows(bulk, slots, count);
	MemoryContextReset(bulk->context);
	send(bulk);
	end(bulk, old);
	return (int) bulk->written;
}

/* ---------- COPY ---------- */

/* Writes the rows that were kept. */
static void
write_kept(Bulk *bulk)
{
	write_rows(bulk, bulk->slots, bulk->kept);
	for (int i = 0; i < bulk->kept; i++)
		ExecClearTuple(bulk->slots[i]);
	bulk->kept = 0;
	bulk->kept_size = 0;
}

/* A slot of our own for one more row. */
static TupleTableSlot *
next_slot(Bulk *bulk, TupleTableSlot *slot)
{
	MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(bulk));

	if (bulk->slots == NULL)
	{
		bulk->slots = palloc0(COPY_ROWS * sizeof(TupleTableSlot *));
		/* A descriptor that is not counted: nobody drops the slots. */
		bulk->tupdesc = CreateTupleDescCopy(slot->tts_tupleDescriptor);
	}
	if (bulk->slots[bulk->kept] == NULL)
		bulk->slots[bulk->kept] = MakeSingleTupleTableSlot(bulk->tupdesc,
														   &TTSOpsMinimalTuple);
	MemoryContextSwitchTo(old);
	return bulk->slots[bulk->kept++];
}

/* Keeps a row until it is worth while to put the settings right. */
static void
keep(Bulk *bulk, TupleTableSlot *slot)
{
	TupleTableSlot *copy = ExecCopySlot(next_slot(bulk, slot), slot);
	bool ours;

	bulk->kept_size += ExecFetchSlotMinimalTuple(copy, &ours)->t_len;
	if (bulk->kept == COPY_ROWS || bulk->kept_size >= COPY_BYTES)
		write_kept(bulk);
}

/* Collects a row of COPY. */
void
bulk_copy(Bulk *bulk, TupleTableSlot *slot)
{
	MemoryContext old = begin(bulk);

	if (likely(text_writer_is_plain(bulk->writer)))
		write_rows(bulk, &slot, 1);
	else
		keep(bulk, slot);
	if (text_writer_rows(bulk->writer) >= COPY_ROWS)
		send(bulk);
	end(bulk, old);
}

/* COPY has succeeded: hands over what is left. */
void
bulk_copy_end(Bulk *bulk)
{
	MemoryContext old = begin(bulk);

	write_kept(bulk);
	MemoryContextReset(bulk->context);
	send(bulk);
	end(bulk, old);
}
