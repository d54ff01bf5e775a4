/*
 * transaction.c
 *	  The part that instances take in transactions: begin() before their first
 *	  use, sub_begin() before the first inside a savepoint, and at the end of
 *	  either the hook that belongs there, in the order of joining.
 *
 * Before the decision a hook may throw. After it nothing may: an ERROR in the
 * commit callback would take the whole cluster down, so what goes wrong in
 * commit(), rollback() and sub_rollback() is a WARNING. Those hooks read no
 * catalog and make nothing: all they need is in the instance.
 */
#include "wrapper/transaction.h"

#include "access/xact.h"
#include "embed/call.h"
#include "embed/error.h"
#include "embed/interpreter.h"
#include "embed/session.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/memutils.h"

/* The instances that take part, in the order of joining; each is pinned. */
static Instance **participants = NULL;
static int participant_count = 0;
static int participant_room = 0;

/* Was an instance used in this transaction, with hooks or without? */
static bool any_used = false;

/* ---------- calling hooks ---------- */

/*
 * Calls a hook that may fail, if there is one; argument is borrowed, NULL for
 * none. Throws what it raises, and nothing else: the caller notes what the hook
 * has done, and then calls settle(). Otherwise a cancel that comes late would
 * have it undone in the wrong way.
 */
static void
call_hook(Instance *instance, Hook hook, const char *name, PyObject *argument)
{
	PyObject *method = instance_hook(instance, hook);
	PyObject *result;
	CallSite site;

	if (method == NULL)
		return;
	instance_site_push(&site, instance, name);
	python_enter();
	result = PyObject_Vectorcall(method, &argument, argument != NULL ? 1 : 0,
								 NULL);
	python_leave();
	if (result == NULL)
		python_throw();
	reference_release_later(result);
	call_site_pop(&site);
}

/* Throws what is left to throw after a hook that has succeeded. */
static void
settle(void)
{
	boundary_check();
	if (python_depth == 0)
		CHECK_FOR_INTERRUPTS();
}

/*
 * Calls a hook where nothing may fail, if there is one; false if it did. level
 * is 0 for a hook without.
 */
static bool
call_hook_cleanup(Instance *instance, Hook hook, const char *name, int level)
{
	PyObject *method = instance_hook(instance, hook);
	PyObject *argument = NULL;
	CallSite site;
	bool succeeded;

	if (method == NULL)
		return true;
	if (level > 0)
	{
		/* Small ints exist already: only deep down this takes memory. */
		argument = PyLong_FromLong(level);
		if (argument == NULL)
		{
			PyErr_Clear();
			return false;
		}
	}
	instance_site_push(&site, instance, name);
	succeeded = python_call_cleanup(Py_NewRef(method), argument);
	call_site_pop(&site);
	Py_XDECREF(argument);
	return succeeded;
}

/* ---------- joining ---------- */

/* Makes room for one more that takes part. */
static void
reserve_participant(void)
{
	int room = Max(8, 2 * participant_room);

	if (participant_count < participant_room)
		return;
	participants = participants == NULL
		? MemoryContextAlloc(TopMemoryContext, room * sizeof(Instance *))
		: repalloc(participants, room * sizeof(Instance *));
	participant_room = room;
}

/* Throws if an instance can do nothing for the transaction any more. */
static void
require_not_ended(Instance *instance)
{
	if (unlikely(instance->ended))
		ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("%s cannot be used until the end of the transaction",
					   instance->subject),
				errdetail("Its method pre_commit() has been called."));
}

/* Throws if what an instance did in a savepoint could not be undone. */
static void
require_not_doomed(Instance *instance)
{
	if (unlikely(instance->doomed))
		ereport(ERROR, errcode(ERRCODE_IN_FAILED_SQL_TRANSACTION),
				errmsg("%s cannot be used until the end of the transaction",
					   instance->subject),
				errdetail("Its wrapper could not roll back to a savepoint."),
				errhint("Roll back the transaction."));
}

/* Adds an instance to those that take part, and pins it until the end. */
static void
add_participant(Instance *instance)
{
	participants[participant_count++] = instance;
	instance->takes_part = true;
	instance->level = 1;
	instance->pins++;
}

/* Calls begin(): an instance takes part if that has succeeded. */
static void
join(Instance *instance)
{
	PyObject *serializable = IsolationUsesXactSnapshot() ? Py_True : Py_False;

	reserve_participant();
	call_hook(instance, HOOK_BEGIN, "begin", serializable);
	add_participant(instance);
	settle();
}

/* Calls sub_begin() for each savepoint that the instance has not begun yet. */
static void
catch_up(Instance *instance)
{
	while (instance->level < GetCurrentTransactionNestLevel())
	{
		int level = instance->level + 1;

		call_hook(instance, HOOK_SUB_BEGIN, "sub_begin",
				  reference_own(PyLong_FromLong(level)));
		instance->level = level;
		settle();
	}
}

/*
 * An instance is about to be used: it takes part from now on. Throws what
 * begin() and sub_begin() raise, and if the instance can do nothing any more.
 */
void
transaction_join(Instance *instance)
{
	any_used = true;
	if (!instance->has_transactions)
		return;
	if (unlikely(!instance->takes_part))
		join(instance);
	require_not_doomed(instance);
	require_not_ended(instance);
	if (unlikely(instance->level < GetCurrentTransactionNestLevel()))
		catch_up(instance);
}

/* ---------- the end of a transaction ---------- */

/*
 * Throws if one that has begun a level is doomed. Asked of all before a hook is
 * called: the others are not to act for what cannot succeed.
 */
static void
require_none_doomed(int level)
{
	for (int i = 0; i < participant_count; i++)
	{
		if (participants[i]->level >= level)
			require_not_doomed(participants[i]);
	}
}

/* Before the decision: an exception aborts the transaction. */
static void
before_commit(void)
{
	require_none_doomed(1);
	session_is_committing = true;
	/* A hook may bring in another instance. */
	for (int i = 0; i < participant_count; i++)
	{
		if (instance_hook(participants[i], HOOK_PRE_COMMIT) == NULL)
			continue;
		call_hook(participants[i], HOOK_PRE_COMMIT, "pre_commit", NULL);
		participants[i]->ended = true;
		settle();
	}
}

/* After the decision: each instance gets its hook, and is let go of. */
static void
after_decision(Hook hook, const char *name)
{
	int count = participant_count;

	any_used = false;
	for (int i = 0; i < count; i++)
		call_hook_cleanup(participants[i], hook, name, 0);
	participant_count = 0;
	for (int i = 0; i < count; i++)
	{
		participants[i]->takes_part = false;
		participants[i]->ended = false;
		participants[i]->doomed = false;
		participants[i]->level = 0;
		instance_release_later(participants[i]);
	}
}

/* A transaction cannot be prepared: nobody would be there to finish it. */
static void
refuse_prepare(void)
{
	if (any_used)
		ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("cannot PREPARE a transaction that has operated on foreign tables of multicorn"));
}

static void
transaction_event(XactEvent event, void *argument)
{
	session_is_committing = session_savepoint_ends = false;
	if (!any_used)
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			before_commit();
			break;
		case XACT_EVENT_PRE_PREPARE:
			refuse_prepare();
			break;
		case XACT_EVENT_COMMIT:
			after_decision(HOOK_COMMIT, "commit");
			break;
		case XACT_EVENT_ABORT:
			if (interpreter_is_usable())
				after_decision(HOOK_ROLLBACK, "rollback");
			break;
		default:
			break; /* parallel workers leave the hooks to their leader */
	}
}

/* ---------- the end of a savepoint ---------- */

/* A savepoint is released: an exception aborts it. */
static void
before_release(int level)
{
	require_none_doomed(level);
	session_savepoint_ends = true;
	for (int i = 0; i < participant_count; i++)
	{
		Instance *instance = participants[i];

		if (instance->level < level)
			continue;
		if (instance_hook(instance, HOOK_SUB_COMMIT) == NULL)
			continue;
		call_hook(instance, HOOK_SUB_COMMIT, "sub_commit",
				  reference_own(PyLong_FromLong(level)));
		/* If the next one fails, this one cannot go back any more. */
		instance->released = level;
		settle();
	}
	session_savepoint_ends = false;
}

/* The release is done: there is nothing left that could undo it alone. */
static void
after_release(int level)
{
	for (int i = 0; i < participant_count; i++)
	{
		participants[i]->level = Min(participants[i]->level, level - 1);
		participants[i]->released = 0;
	}
}

/* A savepoint is rolled back. An instance that fails to is doomed. */
static void
roll_back(int level)
{
	for (int i = 0; i < participant_count; i++)
	{
		Instance *instance = participants[i];

		if (instance->level < level)
			continue;
		if (instance->released == level ||
			!call_hook_cleanup(instance, HOOK_SUB_ROLLBACK, "sub_rollback",
							   level))
			instance->doomed = true;
		instance->level = level - 1;
		instance->released = 0;
	}
}

static void
subtransaction_event(SubXactEvent event, SubTransactionId subtransaction,
					 SubTransactionId parent, void *argument)
{
	session_savepoint_ends = false;
	if (participant_count == 0)
		return;
	switch (event)
	{
		case SUBXACT_EVENT_PRE_COMMIT_SUB:
			before_release(GetCurrentTransactionNestLevel());
			break;
		case SUBXACT_EVENT_COMMIT_SUB:
			after_release(GetCurrentTransactionNestLevel());
			break;
		case SUBXACT_EVENT_ABORT_SUB:
			if (interpreter_is_usable())
				roll_back(GetCurrentTransactionNestLevel());
			break;
		default:
			break;
	}
}

/*
 * The session ends in the middle of a transaction, and the instances are about
 * to be closed: it is rolled back for them now.
 */
void
transaction_session_ends(void)
{
	if (participant_count == 0)
		return;
	for (int level = GetCurrentTransactionNestLevel(); level > 1; level--)
		roll_back(level);
	after_decision(HOOK_ROLLBACK, "rollback");
}

/*
 * Registers for the ends of transactions. Called once, when the library is
 * loaded, before fetch_listen(): callbacks are called last one first, and scans
 * end before their instances hear of the rollback.
 */
void
transaction_listen(void)
{
	RegisterXactCallback(transaction_event, NULL);
	RegisterSubXactCallback(subtransaction_event, NULL);
}
