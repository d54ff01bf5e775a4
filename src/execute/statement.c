/*
 * statement.c
 *	  What is to be known of a query before its scans begin and while it runs:
 *	  PostgreSQL's signal handlers are put back before one that has nothing to do
 *	  with Python, and whether an answer without the rows of a server that cannot
 *	  be reached would be kept somewhere, where nobody sees the warning. DISCARD
 *	  ALL drops instances.
 */
#include "embed/cpython.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "embed/interrupt.h"
#include "execute/statement.h"
#include "executor/executor.h"
#include "tcop/utility.h"
#include "utils/fmgrprotos.h"
#include "wrapper/instance.h"

static ExecutorStart_hook_type next_executor_start = NULL;
static ExecutorRun_hook_type next_executor_run = NULL;
static ExecutorFinish_hook_type next_executor_finish = NULL;
static ProcessUtility_hook_type next_process_utility = NULL;

SessionQuery statement_query;

/*
 * How many statements run, one within the other, that need all rows; so do all
 * queries of functions that they call.
 */
static int complete_depth = 0;

/* ---------- who needs all rows ---------- */

/*
 * Does a query write or lock, or go into a table or file? A cursor WITH HOLD that
 * ends has no destination any more.
 */
static bool
query_needs_all(const QueryDesc *query)
{
	CommandDest destination = query->dest != NULL ? query->dest->mydest
												  : DestNone;

	return query->operation != CMD_SELECT ||
		query->plannedstmt->hasModifyingCTE ||
		query->plannedstmt->rowMarks != NIL || destination == DestIntoRel ||
		destination == DestTransientRel || destination == DestCopyOut;
}

/*
 * Does a utility statement, unlike those that only have queries run, keep what
 * the queries within it find?
 */
static bool
utility_needs_all(const Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_TransactionStmt:
		case T_DeclareCursorStmt:
		case T_FetchStmt:
		case T_ExecuteStmt:
		case T_ExplainStmt:
		case T_CallStmt:
		case T_DoStmt:
			return false;
		default:
			return true;
	}
}

/*
 * May the answer to a query that begins lack rows? Not in a trigger, which is
 * part of a write that may be over; and a parallel worker does not know what its
 * leader runs.
 */
static bool
may_be_incomplete(const QueryDesc *query)
{
	return complete_depth == 0 && !query_needs_all(query) &&
		DatumGetInt32(DirectFunctionCall1(pg_trigger_depth, (Datum) 0)) == 0 &&
		!IsParallelWorker();
}

/* ---------- hooks ---------- */

/* Does a plan read a foreign table, of whatever wrapper? */
static bool
reads_foreign_table(PlannedStmt *plan)
{
	ListCell *cell;

	foreach (cell, plan->rtable)
	{
		RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);

		if (entry->rtekind == RTE_RELATION &&
			entry->relkind == RELKIND_FOREIGN_TABLE)
			return true;
	}
	return false;
}

/* Describes a query while its scans are set up. Throws what that does. */
static void
executor_start(QueryDesc *query, int eflags)
{
	static const SessionQuery none = {0};
	static uint64 queries = 0;

	if (unlikely(interrupt_handlers_installed) &&
		!reads_foreign_table(query->plannedstmt))
		interrupt_restore();
	statement_query.may_be_incomplete = may_be_incomplete(query);
	statement_query.number = ++queries;
	statement_query.statement = GetCurrentStatementStartTimestamp();
	if (next_executor_start != NULL)
		next_executor_start(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
	statement_query = none;
}

/* Is it DISCARD ALL? */
static bool
discards_all(Node *statement)
{
	return IsA(statement, DiscardStmt) &&
		((DiscardStmt *) statement)->target == DISCARD_ALL;
}

static void
run_next(QueryDesc *query, EXECUTOR_RUN_PARAMETERS)
{
	if (next_executor_run != NULL)
		next_executor_run(query, EXECUTOR_RUN_ARGUMENTS);
	else
		standard_ExecutorRun(query, EXECUTOR_RUN_ARGUMENTS);
}

/* Counts a query that needs all rows while it runs. */
static void
executor_run(QueryDesc *query, EXECUTOR_RUN_PARAMETERS)
{
	if (!query_needs_all(query))
	{
		run_next(query, EXECUTOR_RUN_ARGUMENTS);
		return;
	}
	complete_depth++;
	PG_TRY();
	{
		run_next(query, EXECUTOR_RUN_ARGUMENTS);
	}
	PG_FINALLY();
	{
		complete_depth--;
	}
	PG_END_TRY();
}

static void
finish_next(QueryDesc *query)
{
	if (next_executor_finish != NULL)
		next_executor_finish(query);
	else
		standard_ExecutorFinish(query);
}

/* The same while the rest of WITH is run, which nobody has read. */
static void
executor_finish(QueryDesc *query)
{
	if (!query_needs_all(query))
	{
		finish_next(query);
		return;
	}
	complete_depth++;
	PG_TRY();
	{
		finish_next(query);
	}
	PG_FINALLY();
	{
		complete_depth--;
	}
	PG_END_TRY();
}

/* What ProcessUtility() is called with. */
typedef struct Utility
{
	PlannedStmt *statement;
	const char *text;
	bool read_only_tree;
	ProcessUtilityContext context;
	ParamListInfo parameters;
	QueryEnvironment *environment;
	DestReceiver *receiver;
	QueryCompletion *completion;
} Utility;

static void
process_next(const Utility *utility)
{
	ProcessUtility_hook_type next = next_process_utility != NULL
		? next_process_utility
		: standard_ProcessUtility;

	next(utility->statement, utility->text, utility->read_only_tree,
		 utility->context, utility->parameters, utility->environment,
		 utility->receiver, utility->completion);
}

/* As executor_run(). */
static void
process_complete(const Utility *utility)
{
	complete_depth++;
	PG_TRY();
	{
		process_next(utility);
	}
	PG_FINALLY();
	{
		complete_depth--;
	}
	PG_END_TRY();
}

static void
process_utility(PlannedStmt *statement, const char *text, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo parameters,
				QueryEnvironment *environment, DestReceiver *receiver,
				QueryCompletion *completion)
{
	const Utility utility = {statement, text,		read_only_tree,
							 context,	parameters, environment,
							 receiver,	completion};
	bool discards = discards_all(statement->utilityStmt);

	/* What EXPLAIN plans may be a foreign table's; it begins a query itself. */
	if (!IsA(statement->utilityStmt, ExplainStmt))
		interrupt_restore();
	if (utility_needs_all(statement->utilityStmt))
		process_complete(&utility);
	else
		process_next(&utility);
	if (discards)
		instance_reset();
}

/* Registers for queries and utility statements. Called once, at load. */
void
statement_listen(void)
{
	next_executor_start = ExecutorStart_hook;
	ExecutorStart_hook = executor_start;
	next_executor_run = ExecutorRun_hook;
	ExecutorRun_hook = executor_run;
	next_executor_finish = ExecutorFinish_hook;
	ExecutorFinish_hook = executor_finish;
	next_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
