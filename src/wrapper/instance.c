/*
 * instance.c
 *	  One cached instance per foreign table and user.
 *
 * Catalog changes are heard, not polled: a callback marks instances as doubtful,
 * and at the next use the catalogs are read again. The instance is rebuilt
 * only if class, options or columns really differ; ANALYZE or a GRANT leave it
 * alone. A scan in flight keeps the instance it began with.
 */
#include "wrapper/instance.h"

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "embed/call.h"
#include "embed/error.h"
#include "embed/interpreter.h"
#include "embed/session.h"
#include "embed/text.h"
#include "storage/ipc.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "wrapper/constant.h"
#include "wrapper/options.h"
#include "wrapper/transaction.h"

typedef struct InstanceKey
{
	Oid table;
	Oid user;
} InstanceKey;

typedef struct InstanceEntry
{
	InstanceKey key;
	Instance *instance; /* NULL while none could be made */
} InstanceEntry;

static HTAB *instances = NULL;

/* Has an instance come into doubt since the table was last swept? */
static bool doubts = false;

/* Retired instances whose last user has gone where no Python may run. */
static Instance *leftovers = NULL;

/* How many catalog changes were heard of. */
static uint64 changes_heard = 0;

/* ---------- hearing of catalog changes ---------- */

/* Marks the instances of a table, or all of them, as doubtful. Never throws. */
static void
doubt_table(Oid table)
{
	HASH_SEQ_STATUS status;
	InstanceEntry *entry;

	changes_heard++;
	if (instances == NULL)
		return;
	hash_seq_init(&status, instances);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		if (entry->instance != NULL &&
			(!OidIsValid(table) || entry->key.table == table))
		{
			entry->instance->checked = false;
			doubts = true;
		}
	}
}

/* A permission has changed, or something else that all depend on. */
void
instance_doubt_all(void)
{
	doubt_table(InvalidOid);
}

static void
relation_changed(Datum argument, Oid relation)
{
	doubt_table(relation);
}

static void
catalog_changed(Datum argument, int cache, uint32 hash)
{
	doubt_table(InvalidOid);
}

/* ---------- making and dropping ---------- */

/* Calls close() of an instance; what it raises is a WARNING. */
static void
call_close(Instance *instance)
{
	CallSite site;

	instance_site_push(&site, instance, "close");
	python_call_cleanup(Py_NewRef(interpreter_functions.close),
						instance->object);
	call_site_pop(&site);
}

/* Closes an instance and forgets it. What goes wrong is a WARNING. */
static void
drop(Instance *instance)
{
	call_close(instance);
	python_release_cleanup(instance->execute);
	python_release_cleanup(instance->end_scan);
	python_release_cleanup(instance->hooks);
	python_release_cleanup(instance->identity);
	python_release_cleanup(instance->place);
	python_release_cleanup(instance->object);
	MemoryContextDelete(instance->context);
}

/* An instance is no longer the table's: it goes, or stays for its last scan. */
static void
retire(Instance *instance)
{
	instance->retired = true;
	if (instance->pins == 0)
		drop(instance);
}

/* Drops the instances that were left to be dropped. */
static void
drop_leftovers(void)
{
	while (leftovers != NULL)
	{
		Instance *instance = leftovers;

		leftovers = instance->next;
		drop(instance);
	}
}

/* Drops the instances of tables that are no longer there. */
static void
sweep(void)
{
	HASH_SEQ_STATUS status;
	InstanceEntry *entry;

	doubts = false;
	hash_seq_init(&status, instances);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		Instance *instance = entry->instance;

		if (instance == NULL || instance->checked ||
			SearchSysCacheExists1(RELOID, ObjectIdGetDatum(entry->key.table)))
			continue;
		hash_search(instances, &entry->key, HASH_REMOVE, NULL);
		retire(instance);
	}
}

/* At the end of the session every instance is closed, all within one time. */
static void
close_all(int code, Datum argument)
{
	HASH_SEQ_STATUS status;
	InstanceEntry *entry;

	/* The session may end in the middle of Python code: leave it alone then. */
	if (instances == NULL || python_is_on_stack())
		return;
	session_falls_silent();
	interrupt_cleanup_begin();
	transaction_session_ends();
	drop_leftovers();
	hash_seq_init(&status, instances);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		Instance *instance = entry->instance;

		entry->instance = NULL;
		if (instance != NULL)
			call_close(instance);
	}
	interrupt_cleanup_end();
}

/* The table, as the CONTEXT of errors names it; in CurrentMemoryContext. */
static char *
describe_table(Oid table)
{
	return psprintf("foreign table \"%s\"", get_rel_name(table));
}

/* The dict of name -> ColumnDefinition that the constructor gets; owned. */
static PyObject *
make_columns(PyObject *descriptions)
{
	PyObject *columns = reference_own(PyDict_New());

	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(descriptions); i++)
	{
		PyObject *arguments = PyList_GET_ITEM(descriptions, i);
		PyObject *values[6];
		PyObject *column;

		for (int part = 0; part < 5; part++)
			values[part] = PyTuple_GET_ITEM(arguments, part);
		/* The last is the dict of options: a fresh one for the wrapper. */
		values[5] = reference_own(PyDict_Copy(PyTuple_GET_ITEM(arguments, 5)));
		column = reference_own(python_call(interpreter_functions.ColumnDefinition,
										   values, 6, NULL));
		if (PyDict_SetItem(columns, values[0], column) != 0)
			python_throw();
	}
	return columns;
}

/*
 * Calls the class with fresh arguments. An owned tuple of the object and whether
 * it has asked where it is; throws what it raises.
 */
static PyObject *
construct(WrapperDefinition *definition)
{
	PyObject *arguments[4];

	error_remember_secrets(definition->options);
	arguments[0] = definition->place;
	arguments[1] = definition->class;
	arguments[2] = reference_own(PyDict_Copy(definition->options));
	arguments[3] = make_columns(definition->columns);
	return reference_own(python_call(interpreter_functions.construct,
									 arguments, 4, NULL));
}

/* Throws unless there is a method execute that can be called. */
static void
require_execute(PyObject *execute, WrapperDefinition *definition)
{
	if (execute == NULL || !PyCallable_Check(execute))
		ereport(ERROR, errcode(ERRCODE_FDW_ERROR),
				errmsg("wrapper class \"%s\" has no method \"execute\"",
					   definition->wrapper),
				errhint("Define execute(self, quals, columns), which returns the rows."));
}

/* Has the wrapper a hook for transactions? */
static bool
has_transactions(Instance *instance)
{
	static const Hook hooks[] = {HOOK_BEGIN,	   HOOK_COMMIT,
								 HOOK_PRE_COMMIT,  HOOK_ROLLBACK,
								 HOOK_SUB_BEGIN,   HOOK_SUB_COMMIT,
								 HOOK_SUB_ROLLBACK};

	for (int i = 0; i < (int) lengthof(hooks); i++)
	{
		if (instance_hook(instance, hooks[i]) != NULL)
			return true;
	}
	return false;
}

/*
 * Makes the instance of a table. Everything that may throw is done before
 * anything is kept.
 */
static Instance *
make_instance(const InstanceKey *key, WrapperDefinition *definition)
{
	static int made = 0;
	MemoryContext old;
	Instance *instance;
	Reference *object;
	Reference *execute;
	Reference *end_scan;
	Reference *hooks;
	PyObject *constructed = construct(definition);

	object = reference_create(Py_NewRef(PyTuple_GET_ITEM(constructed, 0)));
	execute = reference_create(python_method(object->object, "execute"));
	end_scan = reference_create(python_method(object->object, "end_scan"));
	if (end_scan->object == Py_None)
		Py_CLEAR(end_scan->object);

	hooks = reference_create(python_call(interpreter_functions.hooks,
										 &object->object, 1, NULL));
	require_execute(execute->object, definition);

	/* Goes with what is being done as long as something can throw. */
	old = MemoryContextSwitchTo(AllocSetContextCreate(CurrentMemoryContext,
													  "multicorn instance",
													  ALLOCSET_SMALL_SIZES));
	instance = palloc0(sizeof(Instance));
	instance->context = CurrentMemoryContext;
	instance->table = key->table;
	instance->user = key->user;
	instance->serial = ++made;
	instance->subject = describe_table(key->table);
	instance->wrapper = pstrdup(definition->wrapper);
	instance->text_columns = bms_copy(definition->text_columns);
	instance->remote_columns = bms_copy(definition->remote_columns);
	instance->constants = constants_copy(definition->constants);
	instance->constant_columns = constants_attributes(instance->constants);
	MemoryContextSwitchTo(old);
	instance->object = object->object;
	instance->execute = execute->object;
	instance->end_scan = end_scan->object;
	instance->hooks = hooks->object;
	instance->has_transactions = has_transactions(instance);
	instance->identity = Py_NewRef(definition->identity);
	if (PyTuple_GET_ITEM(constructed, 1) == Py_True)
		instance->place = Py_NewRef(definition->place);
	object->object = execute->object = end_scan->object = hooks->object = NULL;
	MemoryContextSetParent(instance->context, TopMemoryContext);
	return instance;
}

/* ---------- use ---------- */

static void
create_cache(void)
{
	HASHCTL control = {
		.keysize = sizeof(InstanceKey),
		.entrysize = sizeof(InstanceEntry),
	};

	instances = hash_create("multicorn instances", 16, &control,
							HASH_ELEM | HASH_BLOBS);
	before_shmem_exit(close_all, (Datum) 0);
}

/* Is the instance still what the catalogs say? Throws if comparing does. */
static bool
is_current(Instance *instance, WrapperDefinition *definition)
{
	int same = PyObject_RichCompareBool(instance->identity,
										definition->identity, Py_EQ);

	if (same == 1 && instance->place != NULL)
		same = PyObject_RichCompareBool(instance->place, definition->place,
										Py_EQ);
	if (same < 0)
		python_throw();
	return same == 1;
}

/* The cache's entry for a table and user; made if need be. */
static InstanceEntry *
find_entry(const InstanceKey *key)
{
	bool found;
	InstanceEntry *entry = hash_search(instances, key, HASH_ENTER, &found);

	if (!found)
		entry->instance = NULL;
	return entry;
}

/* Puts a new instance in the place of the entry's old one, which is retired. */
static Instance *
replace_instance(const InstanceKey *key, WrapperDefinition *definition)
{
	Instance *made = make_instance(key, definition);
	/* The constructor may have come this way itself. */
	InstanceEntry *entry = find_entry(key);
	Instance *old = entry->instance;

	entry->instance = made;
	if (old != NULL)
		retire(old);
	return made;
}

/*
 * The table may have been renamed, the class be named in another way. The old
 * name stays in memory: a scan in flight may point to it.
 */
static void
keep_name(Instance *instance, char **kept, const char *name)
{
	if (strcmp(*kept, name) != 0)
		*kept = MemoryContextStrdup(instance->context, name);
}

/*
 * Reads the catalogs and brings the entry's instance in line with them. If it
 * throws, or a change is heard of meanwhile, the instance stays in doubt.
 */
static void
refresh(const InstanceKey *key)
{
	Instance *instance = find_entry(key)->instance;
	uint64 heard = changes_heard;
	WrapperDefinition definition;
	CallSite site;

	call_site_push(&site, describe_table(key->table), NULL);
	site.user = key->user;
	options_read(key->table, key->user, &definition);
	site.method = "__init__";
	if (instance == NULL || !is_current(instance, &definition))
		instance = replace_instance(key, &definition);
	keep_name(instance, &instance->subject, site.subject);
	keep_name(instance, &instance->wrapper, definition.wrapper);
	instance->checked = heard == changes_heard;
	call_site_pop(&site);
}

/*
 * Pins an instance and has it take part in the transaction; in this order, since
 * its begin() may lead to multicorn_reset(). Throws what begin() raises.
 */
static void
pin(Instance *instance)
{
	instance->pins++;
	PG_TRY();
	{
		transaction_join(instance);
	}
	PG_CATCH();
	{
		instance_release_later(instance);
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/*
 * The instance for a table as a user sees it, made at first use and pinned:
 * give it back with instance_release(). Throws what the catalogs, the import
 * and the constructor have to object to.
 */
Instance *
instance_acquire(Oid table, Oid user)
{
	InstanceKey key = {.table = table, .user = user};
	InstanceEntry *entry;
	Instance *instance;

	interpreter_start();
	if (unlikely(instances == NULL))
		create_cache();
	if (unlikely(doubts))
		sweep();
	if (unlikely(leftovers != NULL))
		drop_leftovers();
	entry = find_entry(&key);
	if (unlikely(entry->instance == NULL || !entry->instance->checked))
	{
		MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
													  "multicorn instance options",
													  ALLOCSET_SMALL_SIZES);
		MemoryContext old = MemoryContextSwitchTo(context);

		refresh(&key);
		MemoryContextSwitchTo(old);
		MemoryContextDelete(context);
		entry = find_entry(&key);
	}
	instance = entry->instance;
	pin(instance);
	return instance;
}

/* Gives an instance back; a retired one goes with its last user. */
void
instance_release(Instance *instance)
{
	if (--instance->pins == 0 && instance->retired)
		drop(instance);
}

/*
 * Gives an instance back where no Python may run: one that is to go is dropped
 * at the next occasion. Never throws.
 */
void
instance_release_later(Instance *instance)
{
	if (--instance->pins > 0 || !instance->retired)
		return;
	instance->next = leftovers;
	leftovers = instance;
}

/* For the reset of a memory context. */
static void
give_back(void *argument)
{
	instance_release_later(argument);
}

/* A pinned instance is given back by itself, with CurrentMemoryContext. */
static void
give_back_with_context(MemoryContextCallback *callback, Instance *instance)
{
	callback->func = give_back;
	callback->arg = instance;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
}

/*
 * As instance_acquire(), but the instance is given back by itself, with
 * CurrentMemoryContext.
 */
Instance *
instance_hold(Oid table, Oid user)
{
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));
	Instance *instance = instance_acquire(table, user);

	give_back_with_context(callback, instance);
	return instance;
}

/* ---------- administration ---------- */

/* For list_sort(): in the order in which they were made. */
static int
compare_serials(const ListCell *a, const ListCell *b)
{
	return ((Instance *) lfirst(a))->serial - ((Instance *) lfirst(b))->serial;
}

/* The session's instances, in the order in which they were made. */
static List *
list_instances(void)
{
	List *found = NIL;
	HASH_SEQ_STATUS status;
	InstanceEntry *entry;

	if (instances == NULL)
		return NIL;
	hash_seq_init(&status, instances);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		if (entry->instance != NULL)
			found = lappend(found, entry->instance);
	}
	list_sort(found, compare_serials);
	return found;
}

/*
 * The session's instances, in the order in which they were made. They are
 * pinned, and given back by themselves, with CurrentMemoryContext, which owns
 * the list.
 */
List *
instance_hold_all(void)
{
	List *held = list_instances();
	ListCell *cell;

	foreach (cell, held)
	{
		MemoryContextCallback *callback = palloc(sizeof(*callback));
		Instance *instance = lfirst(cell);

		instance->pins++;
		give_back_with_context(callback, instance);
	}
	return held;
}

/* How many instances the session has. */
int
instance_count(void)
{
	return list_length(list_instances());
}

/*
 * Moves the instances that nothing uses to the leftovers, so that those that
 * were made first are dropped first. Returns how many.
 */
static int
set_unused_aside(void)
{
	List *found = list_instances();
	int count = 0;

	for (int i = list_length(found) - 1; i >= 0; i--)
	{
		Instance *instance = list_nth(found, i);
		InstanceKey key = {.table = instance->table, .user = instance->user};

		if (instance->pins > 0)
			continue;
		hash_search(instances, &key, HASH_REMOVE, NULL);
		instance->retired = true;
		instance->next = leftovers;
		leftovers = instance;
		count++;
	}
	return count;
}

/* Says in a WARNING for each instance that is left why it is. */
static void
warn_of_used(void)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "multicorn instances in use",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	ListCell *cell;

	foreach (cell, instance_hold_all())
	{
		Instance *instance = lfirst(cell);

		ereport(WARNING, errcode(ERRCODE_OBJECT_IN_USE),
				errmsg("cannot drop the instance of %s because it is being used",
					   instance->subject),
				instance->takes_part
					? errdetail("It takes part in the transaction.")
					: errdetail("A query that has not ended reads or writes the table."));
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/*
 * Drops the session's instances, as at its end, except those that a query or
 * the transaction uses, which are named in WARNINGs. Returns how many. What
 * close() raises is a WARNING.
 */
int
instance_reset(void)
{
	int count;

	if (instances == NULL || !interpreter_is_usable())
		return 0;
	count = set_unused_aside();
	drop_leftovers();
	if (count > 0)
		python_call_cleanup(Py_NewRef(interpreter_functions.collect), NULL);
	warn_of_used();
	return count;
}

/* Registers for catalog changes. Called once, when the library is loaded. */
void
instance_listen(void)
{
	static const int caches[] = {FOREIGNDATAWRAPPEROID,
								 FOREIGNSERVEROID,
								 USERMAPPINGOID,
								 USERMAPPINGUSERSERVER,
								 AUTHOID,
								 AUTHMEMROLEMEM,
								 TYPEOID};

	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	for (int i = 0; i < (int) lengthof(caches); i++)
		CacheRegisterSyscacheCallback(caches[i], catalog_changed, (Datum) 0);
}
