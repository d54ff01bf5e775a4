/*
 * target.c
 *	  A foreign table as the target of a write: whether it can be one, which
 *	  column identifies its rows, and which columns a statement assigns.
 */
#include "plan/target.h"

#include "access/sysattr.h"
#include "catalog/heap.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "convert/convert.h"
#include "embed/call.h"
#include "embed/error.h"
#include "embed/interpreter.h"
#include "embed/text.h"
#include "nodes/makefuncs.h"
#include "optimizer/appendinfo.h"
#include "optimizer/inherit.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "wrapper/options.h"

/* ---------- what the class can do ---------- */

/*
 * The commands that the class of a table has methods for. The catalogs ask this
 * of every foreign table: no instance is made, and a class that cannot be
 * loaded has none.
 */
int
multicornIsForeignRelUpdatable(Relation relation)
{
	char *wrapper = options_wrapper_if_allowed(relation);
	PyObject *path;
	PyObject *commands;
	int result;

	if (wrapper == NULL)
		return 0;
	interpreter_start();
	path = python_string(wrapper);
	commands = reference_own(python_call(interpreter_functions.commands, &path,
										 1, NULL));
	result = (int) PyLong_AsLong(commands);
	if (result == -1 && PyErr_Occurred())
		python_throw();
	return result;
}

/* Is an attribute of the instance true? */
bool
instance_flag(const Instance *instance, const char *name)
{
	PyObject *value = python_method(instance->object, name);

	return value != NULL && python_truth(reference_own(value));
}

/* Throws unless the wrapper lets through what is done about conflicts. */
void
require_conflict_support(const Instance *instance, OnConflictAction action)
{
	if (action == ONCONFLICT_NONE ||
		(action == ONCONFLICT_NOTHING &&
		 instance_flag(instance, "on_conflict_nothing")))
		return;
	ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			errmsg("ON CONFLICT is not supported by the wrapper of %s",
				   instance->subject),
			errhint("A wrapper whose insert() takes the keyword on_conflict_nothing says so with on_conflict_nothing = True."));
}

/* ---------- which column identifies rows ---------- */

/* The user whose instance writes, while the statement is planned. */
static Oid
planning_user(PlannerInfo *root, Index rtindex)
{
	Oid user = rte_check_as_user(root, rtindex);

	return OidIsValid(user) ? user : GetUserId();
}

/* The name that a wrapper gives its rowid_column: an attribute or a method. */
static PyObject *
ask_rowid_column(const Instance *instance)
{
	PyObject *column = python_method(instance->object, "rowid_column");

	if (column == NULL)
		return Py_None;
	reference_own(column);
	if (PyCallable_Check(column))
		column = reference_own(python_call(column, NULL, 0, NULL));
	if (column != Py_None && !PyUnicode_Check(column))
		ereport(ERROR, errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
				errmsg("rowid_column must be a str, not %s",
					   python_type_name(column)));
	return column;
}

/* Does ctid, which rows then have as well, identify them? Asks the wrapper. */
bool
target_is_by_ctid(const Instance *instance)
{
	PyObject *column = ask_rowid_column(instance);

	return column != Py_None &&
		PyUnicode_CompareWithASCIIString(column, "ctid") == 0;
}

/* The attribute number of rowid_column. Throws if rows cannot be told apart. */
static AttrNumber
rowid_attribute(const Instance *instance, Oid table)
{
	PyObject *column = ask_rowid_column(instance);
	AttrNumber attribute;
	const char *name;
	Size length;

	if (column == Py_None)
		ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("rows of %s cannot be changed", instance->subject),
				errdetail("Its wrapper names no rowid_column."));
	name = text_from_python(column, &length);
	attribute = get_attnum(table, name);
	if (attribute <= 0 && attribute != SelfItemPointerAttributeNumber)
		ereport(ERROR, errcode(ERRCODE_FDW_COLUMN_NAME_NOT_FOUND),
				errmsg("%s has no column \"%s\", which is its wrapper's rowid_column",
					   instance->subject, name));
	return attribute;
}

/* What the catalog says about the column that identifies rows. */
static const FormData_pg_attribute *
rowid_form(Relation relation, AttrNumber attribute)
{
	return attribute > 0
		? TupleDescAttr(RelationGetDescr(relation), attribute - 1)
		: SystemAttributeDefinition(attribute);
}

/*
 * The name of the junk column with the rowid. Children of one parent may have
 * different ones: each says all that makes it another. ctid has PostgreSQL's
 * own, which ordinary tables share.
 */
static char *
junk_name(const FormData_pg_attribute *attribute)
{
	if (attribute->attnum < 0)
		return pstrdup(NameStr(attribute->attname));
	return psprintf("multicorn_rowid_%d_%u_%d_%u", attribute->attnum,
					attribute->atttypid, attribute->atttypmod,
					attribute->attcollation);
}

/*
 * Has the scan deliver the whole old row, which RETURNING of DELETE shows. Of
 * the same type as PostgreSQL's own for triggers: the children of one parent
 * share the column.
 */
static void
add_whole_row(PlannerInfo *root, Index rtindex)
{
	Var *whole = makeVar(rtindex, InvalidAttrNumber, RECORDOID, -1, InvalidOid,
						 0);

	add_row_identity_var(root, whole, rtindex, "wholerow");
}

/* Has the wrapper a method for the command? If not, PostgreSQL refuses it. */
static bool
can(const Instance *instance, CmdType command)
{
	switch (command)
	{
		case CMD_UPDATE:
			return instance_hook(instance, HOOK_UPDATE) != NULL;
		case CMD_DELETE:
			return instance_hook(instance, HOOK_DELETE) != NULL;
		default:
			return false; /* MERGE */
	}
}

/* The columns that a scan delivers so that UPDATE and DELETE know the row. */
void
multicornAddForeignUpdateTargets(PlannerInfo *root, Index rtindex,
								 RangeTblEntry *target_rte,
								 Relation target_relation)
{
	Oid table = RelationGetRelid(target_relation);
	Instance *instance = instance_hold(table, planning_user(root, rtindex));
	const FormData_pg_attribute *attribute;
	CallSite site;

	root->glob->dependsOnRole = true;
	if (!can(instance, root->parse->commandType))
		return;
	instance_site_push(&site, instance, "rowid_column");
	attribute = rowid_form(target_relation, rowid_attribute(instance, table));
	call_site_pop(&site);
	add_row_identity_var(root,
						 makeVar(rtindex, attribute->attnum,
								 attribute->atttypid, attribute->atttypmod,
								 attribute->attcollation, 0),
						 rtindex, junk_name(attribute));
	if (root->parse->commandType == CMD_DELETE &&
		root->parse->returningList != NIL)
		add_whole_row(root, rtindex);
}

/* ---------- which columns a statement assigns ---------- */

/* The columns that an INSERT names; NIL if none is said. */
static List *
inserted_columns(PlannerInfo *root)
{
	List *columns = NIL;
	ListCell *cell;

	foreach (cell, root->parse->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, cell);

		if (!entry->resjunk)
			columns = lappend(columns, makeInteger(entry->resno));
	}
	return columns;
}

/* The columns that an UPDATE changes, generated ones included. */
static List *
updated_columns(PlannerInfo *root, Index relation)
{
	Bitmapset *offsets = get_rel_all_updated_cols(root,
												  find_base_rel(root, relation));
	List *columns = NIL;

	for (int i = -1; (i = bms_next_member(offsets, i)) >= 0;)
		columns = lappend(columns,
						  makeInteger(i + FirstLowInvalidHeapAttributeNumber));
	return columns;
}

/*
 * Plans a write to one table: throws if the wrapper does not let it through,
 * and keeps what is to be known of the statement.
 */
List *
multicornPlanForeignModify(PlannerInfo *root, ModifyTable *plan,
						   Index resultRelation, int subplan_index)
{
	RangeTblEntry *entry = planner_rt_fetch(resultRelation, root);
	Instance *instance = instance_hold(entry->relid,
									   planning_user(root, resultRelation));
	List *assigned = NIL;
	List *rowid = NIL;
	CallSite site;

	root->glob->dependsOnRole = true;
	instance_site_push(&site, instance, NULL);
	require_conflict_support(instance, plan->onConflictAction);
	if (plan->operation == CMD_INSERT)
		assigned = inserted_columns(root);
	else if (can(instance, plan->operation))
	{
		AttrNumber attribute = rowid_attribute(instance, entry->relid);
		Relation relation = table_open(entry->relid, NoLock);
		char *name;

		name = junk_name(rowid_form(relation, attribute));
		rowid = list_make2(makeString(name), makeInteger(attribute));
		table_close(relation, NoLock);
		if (plan->operation == CMD_UPDATE)
			assigned = updated_columns(root, resultRelation);
	}
	call_site_pop(&site);
	return list_make2(assigned, rowid);
}
