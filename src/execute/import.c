/*
 * import.c
 *	  IMPORT FOREIGN SCHEMA: the tables that import_schema() of a class offers,
 *	  as statements. Whatever a name, an option or a value is made of, it stays
 *	  one: this is the only place that writes SQL, and all of it is quoted here.
 */
#include "execute/import.h"

#include "compat.h"
#include "embed/call.h"
#include "embed/error.h"
#include "embed/interpreter.h"
#include "embed/text.h"
#include "foreign/foreign.h"
#include "nodes/makefuncs.h"
#include "parser/parser.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "wrapper/options.h"

/* What a statement is being written about. */
typedef struct ImportContext
{
	const char *table;
	const char *column; /* or NULL */
} ImportContext;

/* The parts of a column, in the order of multicorn._importing. */
typedef enum ColumnPart
{
	COLUMN_NAME,
	COLUMN_TYPE_NAME,
	COLUMN_TYPE_OID,
	COLUMN_TYPMOD,
	COLUMN_DEFAULT,
	COLUMN_COLLATION,
	COLUMN_NOT_NULL,
	COLUMN_GENERATED,
	COLUMN_OPTIONS
} ColumnPart;

/* The CONTEXT of an error in a definition. */
static void
definition_context(void *argument)
{
	ImportContext *context = argument;

	/* A position in the text of a type is none in the user's statement. */
	errposition(0);
	if (context->column != NULL)
		errcontext("import of foreign table \"%s\", column \"%s\"",
				   context->table, context->column);
	else
		errcontext("import of foreign table \"%s\"", context->table);
}

/* ---------- quoting ---------- */

/* An item of a tuple as a C string; NULL for None. */
static const char *
string_item(PyObject *tuple, Py_ssize_t index)
{
	PyObject *item = PyTuple_GET_ITEM(tuple, index);
	Size length;

	return item != Py_None ? text_from_python(item, &length) : NULL;
}

/*
 * A name, quoted. Throws for one that PostgreSQL would cut: the table would not
 * be the one that the wrapper has named.
 */
static const char *
quote_name(const char *name)
{
	if (strlen(name) >= NAMEDATALEN)
		ereport(ERROR, errcode(ERRCODE_NAME_TOO_LONG),
				errmsg("identifier \"%s\" is too long", name),
				errdetail("Identifiers have at most %d bytes.", NAMEDATALEN - 1),
				errhint("Leave the table out with EXCEPT, or have import_schema() give it another name."));
	return quote_identifier(name);
}

/* Writes OPTIONS (...) of a list of pairs; nothing for an empty one. */
static void
append_options(StringInfo sql, PyObject *pairs)
{
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(pairs); i++)
	{
		PyObject *pair = PyList_GET_ITEM(pairs, i);

		appendStringInfoString(sql, i == 0 ? " OPTIONS (" : ", ");
		appendStringInfo(sql, "%s %s", quote_name(string_item(pair, 0)),
						 quote_literal_cstr(string_item(pair, 1)));
	}
	if (PyList_GET_SIZE(pairs) > 0)
		appendStringInfoChar(sql, ')');
}

/* ---------- types and defaults ---------- */

/*
 * Writes the type of a column: a text must name one, and nothing else; what is
 * written is the type that was found.
 */
static void
append_type(StringInfo sql, PyObject *column)
{
	const char *name = string_item(column, COLUMN_TYPE_NAME);
	unsigned long oid = PyLong_AsUnsignedLong(PyTuple_GET_ITEM(column,
															   COLUMN_TYPE_OID));
	long modifier = PyLong_AsLong(PyTuple_GET_ITEM(column, COLUMN_TYPMOD));
	Oid type = (Oid) oid;
	int32 typmod = (int32) modifier;

	if (PyErr_Occurred())
		python_throw();
	if (name != NULL)
	{
		parse_type(name, &type, &typmod);
		if (typmod < 0)
			typmod = (int32) modifier;
	}
	if (!SearchSysCacheExists1(TYPEOID, ObjectIdGetDatum(type)))
		ereport(ERROR, errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("type with OID %u does not exist", type));
	appendStringInfo(sql, " %s",
					 format_type_extended(type, typmod,
										  FORMAT_TYPE_TYPEMOD_GIVEN |
											  FORMAT_TYPE_FORCE_QUALIFY));
}

/* Is this SELECT made of one expression, and nothing else? */
static bool
is_one_expression(SelectStmt *select)
{
	return list_length(select->targetList) == 1 &&
		linitial_node(ResTarget, select->targetList)->name == NULL &&
		select->distinctClause == NIL && select->intoClause == NULL &&
		select->fromClause == NIL && select->whereClause == NULL &&
		select->groupClause == NIL && select->havingClause == NULL &&
		select->windowClause == NIL && select->valuesLists == NIL &&
		select->sortClause == NIL && select->limitOffset == NULL &&
		select->limitCount == NULL && select->lockingClause == NIL &&
		select->withClause == NULL && select->op == SETOP_NONE;
}

/* Throws unless a text is one expression; what says what it is for. */
static void
require_expression(const char *what, const char *text)
{
	List *parsed = raw_parser(text, RAW_PARSE_PLPGSQL_EXPR);
	Node *statement = linitial_node(RawStmt, parsed)->stmt;

	if (!IsA(statement, SelectStmt) ||
		!is_one_expression((SelectStmt *) statement))
		ereport(ERROR, errcode(ERRCODE_SYNTAX_ERROR),
				errmsg("%s \"%s\" is not one expression", what, text));
}

/* Writes COLLATE with the parts of a collation's name; nothing for None. */
static void
append_collation(StringInfo sql, PyObject *parts)
{
	if (parts == Py_None)
		return;
	for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(parts); i++)
	{
		appendStringInfoString(sql, i == 0 ? " COLLATE " : ".");
		appendStringInfoString(sql, quote_name(string_item(parts, i)));
	}
}

/* Writes one column. */
static void
append_column(StringInfo sql, PyObject *column, ImportContext *context)
{
	const char *expression = string_item(column, COLUMN_DEFAULT);
	const char *generated = string_item(column, COLUMN_GENERATED);

	context->column = string_item(column, COLUMN_NAME);
	appendStringInfoString(sql, quote_name(context->column));
	append_type(sql, column);
	append_options(sql, PyTuple_GET_ITEM(column, COLUMN_OPTIONS));
	append_collation(sql, PyTuple_GET_ITEM(column, COLUMN_COLLATION));
	if (PyTuple_GET_ITEM(column, COLUMN_NOT_NULL) == Py_True)
		appendStringInfoString(sql, " NOT NULL");
	if (expression != NULL)
	{
		require_expression("default", expression);
		/* The end of the line ends a comment in it. */
		appendStringInfo(sql, " DEFAULT (%s\n)", expression);
	}
	if (generated != NULL)
	{
		require_expression("generation expression", generated);
		appendStringInfo(sql, " GENERATED ALWAYS AS (%s\n) STORED", generated);
	}
	context->column = NULL;
}

/* ---------- statements ---------- */

/* Does a list of pairs have an option? */
static bool
has_option(PyObject *pairs, const char *name)
{
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(pairs); i++)
	{
		if (strcmp(string_item(PyList_GET_ITEM(pairs, i), 0), name) == 0)
			return true;
	}
	return false;
}

/* Gives a table the class that the statement names, unless it names its own. */
static void
add_wrapper(PyObject *pairs, List *statement_options)
{
	ListCell *cell;

	if (has_option(pairs, "wrapper"))
		return;
	foreach (cell, statement_options)
	{
		DefElem *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, "wrapper") == 0 &&
			PyList_Append(pairs,
						  reference_own(PyTuple_Pack(
							  2, python_string("wrapper"),
							  python_string(strVal(option->arg))))) != 0)
			python_throw();
	}
}

/* The CREATE FOREIGN TABLE of a table: name, columns, options. */
static char *
table_statement(PyObject *table, ImportForeignSchemaStmt *stmt)
{
	PyObject *columns = PyTuple_GET_ITEM(table, 1);
	PyObject *options = PyTuple_GET_ITEM(table, 2);
	ImportContext context = {.table = string_item(table, 0)};
	ErrorContextCallback callback = {.callback = definition_context,
									 .arg = &context,
									 .previous = error_context_stack};
	StringInfoData sql;

	error_context_stack = &callback;
	add_wrapper(options, stmt->options);
	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE FOREIGN TABLE %s (",
					 quote_name(context.table));
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(columns); i++)
	{
		if (i > 0)
			appendStringInfoString(&sql, ", ");
		append_column(&sql, PyList_GET_ITEM(columns, i), &context);
	}
	appendStringInfo(&sql, ") SERVER %s", quote_identifier(stmt->server_name));
	append_options(&sql, options);
	error_context_stack = callback.previous;
	return sql.data;
}

/* 'limit', 'except' or None; owned. */
static PyObject *
restriction_type(ImportForeignSchemaStmt *stmt)
{
	switch (stmt->list_type)
	{
		case FDW_IMPORT_SCHEMA_LIMIT_TO:
			return python_string("limit");
		case FDW_IMPORT_SCHEMA_EXCEPT:
			return python_string("except");
		default:
			return Py_None;
	}
}

/* The names in LIMIT TO or EXCEPT, a list of str; owned. */
static PyObject *
restricted_names(ImportForeignSchemaStmt *stmt)
{
	PyObject *names = reference_own(PyList_New(0));
	ListCell *cell;

	foreach (cell, stmt->table_list)
	{
		if (PyList_Append(names,
						  python_string(lfirst_node(RangeVar, cell)->relname)) !=
			0)
			python_throw();
	}
	return names;
}

/* The tables that the class offers, taken apart; owned. */
static PyObject *
ask_tables(ImportForeignSchemaStmt *stmt, Oid server)
{
	WrapperDefinition definition;
	PyObject *arguments[7];

	options_read_for_import(server, stmt->options, &definition);
	error_remember_secrets(definition.options);
	arguments[0] = definition.place;
	arguments[1] = definition.class;
	arguments[2] = python_string(stmt->remote_schema);
	arguments[3] = definition.options;
	arguments[4] = options_to_python(stmt->options);
	arguments[5] = restriction_type(stmt);
	arguments[6] = restricted_names(stmt);
	return reference_own(python_call(interpreter_functions.import_schema,
									 arguments, lengthof(arguments), NULL));
}

/*
 * The statements that make the tables; PostgreSQL leaves out what LIMIT TO and
 * EXCEPT do, and creates them in the local schema. Throws what the class raises,
 * and for a definition that is none.
 */
List *
multicornImportForeignSchema(ImportForeignSchemaStmt *stmt, Oid serverOid)
{
	List *statements = NIL;
	PyObject *tables;
	CallSite site;

	interpreter_start();
	call_site_push(&site, psprintf("server \"%s\"", stmt->server_name),
				   "import_schema");
	tables = ask_tables(stmt, serverOid);
	call_site_pop(&site);
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(tables); i++)
		statements = lappend(statements,
							 table_statement(PyList_GET_ITEM(tables, i), stmt));
	return statements;
}
