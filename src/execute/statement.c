/*
 * statement.c
 *	  Between statements: PostgreSQL's signal handlers are put back before one
 *	  that has nothing to do with Python, and DISCARD ALL drops instances.
 */
#include "embed/cpython.h"

#include "catalog/pg_class.h"
#include "embed/interrupt.h"
#include "execute/statement.h"
#include "executor/executor.h"
#include "tcop/utility.h"
#include "wrapper/instance.h"

static ExecutorStart_hook_type next_executor_start = NULL;
static ProcessUtility_hook_type next_process_utility = NULL;

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

static void
executor_start(QueryDesc *query, int eflags)
{
	if (unlikely(interrupt_handlers_installed) &&
		!reads_foreign_table(query->plannedstmt))
		interrupt_restore();
	if (next_executor_start != NULL)
		next_executor_start(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
}

/* Is it DISCARD ALL? */
static bool
discards_all(Node *statement)
{
	return IsA(statement, DiscardStmt) &&
		((DiscardStmt *) statement)->target == DISCARD_ALL;
}

static void
process_utility(PlannedStmt *statement, const char *text, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo parameters,
				QueryEnvironment *environment, DestReceiver *receiver,
				QueryCompletion *completion)
{
	bool discards = discards_all(statement->utilityStmt);

	/* What EXPLAIN plans may be a foreign table's; it begins a query itself. */
	if (!IsA(statement->utilityStmt, ExplainStmt))
		interrupt_restore();
	if (next_process_utility != NULL)
		next_process_utility(statement, text, read_only_tree, context,
							 parameters, environment, receiver, completion);
	else
		standard_ProcessUtility(statement, text, read_only_tree, context,
								parameters, environment, receiver, completion);
	if (discards)
		instance_reset();
}

/* Registers for the beginnings of statements. Called once, at load. */
void
statement_listen(void)
{
	next_executor_start = ExecutorStart_hook;
	ExecutorStart_hook = executor_start;
	next_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
