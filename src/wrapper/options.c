/*
 * options.c
 *	  Options of foreign data wrapper, server, table and mapping: which of them
 *	  names the class, who may set it, and what the class is given.
 *
 * Choosing a class is choosing code to run in the server. So the option
 * wrapper is checked when it is set, against the user who sets it, and when
 * the class is loaded, against the owner of the object that carries it.
 */
#include "wrapper/options.h"

#include "access/reloptions.h"
#include "access/table.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_foreign_data_wrapper.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "embed/call.h"
#include "embed/error.h"
#include "embed/interpreter.h"
#include "embed/text.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/varlena.h"
#include "wrapper/constant.h"

#define WRAPPER_SYNTAX "OPTIONS (wrapper 'package.module.Class')"

char *options_allowed_wrappers = NULL;

/* ---------- who may choose which class ---------- */

/* Does a path match a pattern in which * stands for anything but a dot? */
static bool
matches_pattern(const char *path, const char *pattern)
{
	if (*pattern == '\0')
		return *path == '\0';
	if (*pattern != '*')
		return *path == *pattern && matches_pattern(path + 1, pattern + 1);
	for (;; path++)
	{
		if (matches_pattern(path, pattern + 1))
			return true;
		if (*path == '\0' || *path == '.')
			return false;
	}
}

/* The pattern at *position, without blanks around it; moves on behind its comma. */
static char *
next_pattern(const char **position)
{
	const char *start = *position + strspn(*position, " \t\n");
	size_t length = strcspn(start, ",");

	*position = start + length;
	if (**position == ',')
		(*position)++;
	while (length > 0 && isspace((unsigned char) start[length - 1]))
		length--;
	return pnstrdup(start, length);
}

/* Is the class let through to everyone by multicorn.allowed_wrappers? */
static bool
is_allowed_to_all(const char *wrapper)
{
	const char *position = options_allowed_wrappers;

	while (position != NULL && *position != '\0')
	{
		char *pattern = next_pattern(&position);

		if (strcmp(pattern, "*") == 0 || matches_pattern(wrapper, pattern))
			return true;
	}
	return false;
}

/* May the role choose this class? */
static bool
has_permission(const char *wrapper, Oid role)
{
	return superuser_arg(role) ||
		has_privs_of_role(role, ROLE_PG_EXECUTE_SERVER_PROGRAM) ||
		is_allowed_to_all(wrapper);
}

/*
 * Throws unless the role may choose this class. owned is what carries the
 * option, or NULL while it is being set.
 */
static void
require_permission(const char *wrapper, Oid role, const char *owned)
{
	if (has_permission(wrapper, role))
		return;
	ereport(ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			errmsg("permission denied to use wrapper class \"%s\"", wrapper),
			errdetail("Role \"%s\"%s is neither a superuser nor a member of role \"pg_execute_server_program\", and the setting \"multicorn.allowed_wrappers\" does not let the class through.",
					  GetUserNameFromId(role, true),
					  owned != NULL ? psprintf(", who owns %s,", owned) : ""));
}

/* ---------- the validator ---------- */

/* The value of an option, or NULL. */
static const char *
option_value(List *options, const char *name)
{
	ListCell *cell;

	foreach (cell, options)
	{
		DefElem *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, name) == 0)
			return defGetString(option);
	}
	return NULL;
}

/* Throws unless the path can name a class in a module. */
static void
require_class_path(const char *wrapper)
{
	const char *dot = strrchr(wrapper, '.');

	if (dot == NULL || wrapper[0] == '.' || dot[1] == '\0' ||
		strstr(wrapper, "..") != NULL)
		ereport(ERROR, errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				errmsg("invalid value for option \"wrapper\": \"%s\"", wrapper),
				errdetail("The path of a Python class has its module, a dot and the name of the class."),
				errhint("Use " WRAPPER_SYNTAX "."));
}

/* Imports a class. A new reference; throws with what went wrong. */
static PyObject *
load_class(const char *wrapper)
{
	PyObject *path = python_string(wrapper);

	return python_call(interpreter_functions.load, &path, 1, NULL);
}

/*
 * Says in a WARNING that a class cannot be loaded. Not an error: a restore
 * must work before the module is installed, or the folders that the settings
 * name are there.
 */
static void
warn_unless_loadable(const char *wrapper)
{
	PyObject *path;
	PyObject *class;

	if (!interpreter_start_or_warn())
		return;
	path = python_string(wrapper);
	python_enter();
	class = PyObject_CallOneArg(interpreter_functions.load, path);
	python_leave();
	if (class != NULL)
		Py_DECREF(class);
	else
		python_warn_unless_interrupted();
}

/*
 * Says in WARNINGs which options of a server or a foreign table are secrets, or
 * hold one: every role can read them. Their values are not shown.
 */
static void
warn_of_exposed_secrets(List *options, const char *where)
{
	PyObject *dict;
	PyObject *names;

	if (options == NIL)
		return;
	interpreter_start_package();
	dict = options_to_python(options);
	names = reference_own(python_call(interpreter_functions.exposed_secrets,
									  &dict, 1, NULL));
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(names); i++)
		ereport(WARNING, errcode(ERRCODE_WARNING),
				errmsg("option \"%s\" of a %s can be read by every role",
					   text_from_python_lossy(PyList_GET_ITEM(names, i)), where),
				errdetail("Its value is, or contains, what looks like a secret."),
				errhint("Set secrets in user mappings."));
}

/* Throws for an option that has no meaning where it stands. */
static void
refuse_option(const char *name, const char *where, const char *hint)
{
	ereport(ERROR, errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			errmsg("option \"%s\" is not valid for a %s", name, where),
			errhint("%s", hint));
}

/* A FOREIGN DATA WRAPPER has no options but the class. */
static void
validate_fdw(List *options)
{
	ListCell *cell;

	foreach (cell, options)
	{
		DefElem *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, "wrapper") != 0)
			refuse_option(option->defname, "foreign data wrapper",
						  "The only option here is \"wrapper\"; set others on servers and tables.");
	}
}

/* Throws if a column whose value is an option has options about its value's way. */
static void
require_lone_constant(List *options)
{
	static const char *const others[] = {"value_form", "generated",
										 "column_name", "key", "shippable"};

	for (int i = 0; option_value(options, "constant") != NULL &&
		 i < (int) lengthof(others);
		 i++)
	{
		if (option_value(options, others[i]) != NULL)
			ereport(ERROR, errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
					errmsg("option \"%s\" is not valid for a column with option \"constant\"",
						   others[i]),
					errdetail("The wrapper does not know of such a column."));
	}
}

static void
validate_column(List *options)
{
	const char *form = option_value(options, "value_form");
	const char *generated = option_value(options, "generated");

	if (option_value(options, "wrapper") != NULL)
		refuse_option("wrapper", "column",
					  "Set it on the table or the server.");
	if (form != NULL && strcmp(form, "text") != 0 && strcmp(form, "native") != 0)
		ereport(ERROR, errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				errmsg("invalid value for option \"value_form\": \"%s\"", form),
				errhint("Valid values are \"native\" and \"text\"."));
	if (generated != NULL && strcmp(generated, "remote") != 0)
		ereport(ERROR, errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				errmsg("invalid value for option \"generated\": \"%s\"",
					   generated),
				errhint("The only valid value is \"remote\"."));
	require_lone_constant(options);
}

/* The class that is being chosen must be one the user may choose. */
static void
require_choosable(const char *wrapper)
{
	require_class_path(wrapper);
	require_permission(wrapper, GetUserId(), NULL);
}

static void
validate_wrapper(const char *wrapper)
{
	if (wrapper == NULL)
		return;
	require_choosable(wrapper);
	warn_unless_loadable(wrapper);
}

/*
 * Checks the options (DefElems) of an object in the given catalog. All other
 * names are the wrapper's business. Throws for what cannot be right.
 */
void
options_validate(List *options, Oid catalog)
{
	switch (catalog)
	{
		case AttributeRelationId:
			validate_column(options);
			return;
		case UserMappingRelationId:
			if (option_value(options, "wrapper") != NULL)
				refuse_option("wrapper", "user mapping",
							  "Set it on the table or the server.");
			return;
		case ForeignDataWrapperRelationId:
			validate_fdw(options);
			break;
		default:
			break;
	}
	validate_wrapper(option_value(options, "wrapper"));
	if (catalog == ForeignServerRelationId)
		warn_of_exposed_secrets(options, "server");
	else if (catalog == ForeignTableRelationId)
		warn_of_exposed_secrets(options, "foreign table");
}

/* Puts one option into the dict. */
static void
add_option(PyObject *dict, DefElem *option)
{
	if (PyDict_SetItem(dict, python_string(option->defname),
					   python_string(defGetString(option))) != 0)
		python_throw();
}

/* What Python calls the objects that have options. */
static const struct
{
	Oid catalog;
	const char *name;
} postgres_places[] = {
	{AttributeRelationId, "column"},
	{ForeignServerRelationId, "server"},
	{ForeignTableRelationId, "table"},
	{UserMappingRelationId, "mapping"},
};

/* Has Python check the options of a remote PostgreSQL; throws what it raises. */
static void
validate_postgres_options(List *options, const char *place)
{
	PyObject *arguments[3];
	ListCell *cell;

	interpreter_start_package();
	arguments[0] = reference_own(PyDict_New());
	foreach (cell, options)
		add_option(arguments[0], lfirst_node(DefElem, cell));
	arguments[1] = python_string(place);
	arguments[2] = superuser() ? Py_True : Py_False;
	reference_own(python_call(interpreter_functions.validate_postgres,
							  arguments, lengthof(arguments), NULL));
}

/*
 * Says in WARNINGs which of the listed extensions are not installed here: their
 * objects cannot be sent. Not an error: they may come later.
 */
static void
warn_of_missing_extensions(const char *value)
{
	List *names;
	ListCell *cell;

	if (value == NULL || !SplitIdentifierString(pstrdup(value), ',', &names))
		return;
	foreach (cell, names)
	{
		const char *name = lfirst(cell);

		if (!OidIsValid(get_extension_oid(name, true)))
			ereport(WARNING, errcode(ERRCODE_UNDEFINED_OBJECT),
					errmsg("extension \"%s\" is not installed", name));
	}
}

/*
 * Checks the options (DefElems) of an object in the given catalog that belong to
 * a remote PostgreSQL. The class is fixed, by an option that only the FOREIGN
 * DATA WRAPPER has; it is not loaded, so that what it needs may be installed
 * later. Throws for what cannot be right.
 */
void
options_validate_postgres(List *options, Oid catalog)
{
	if (catalog == ForeignDataWrapperRelationId)
	{
		const char *wrapper = option_value(options, "wrapper");

		validate_fdw(options);
		if (wrapper != NULL)
			require_choosable(wrapper);
		return;
	}
	for (int i = 0; i < (int) lengthof(postgres_places); i++)
		if (postgres_places[i].catalog == catalog)
			validate_postgres_options(options, postgres_places[i].name);
	if (catalog == AttributeRelationId)
		require_lone_constant(options);
	warn_of_missing_extensions(option_value(options, "extensions"));
}

/* ---------- what the class is given ---------- */

/* A user mapping. */
typedef struct Mapping
{
	Oid oid; /* InvalidOid if there is none */
	List *options;
} Mapping;

/* The user's mapping, or that of PUBLIC. */
static Mapping
find_mapping(Oid user, Oid server)
{
	Oid candidates[] = {user, InvalidOid};
	HeapTuple tuple = NULL;
	Mapping mapping = {InvalidOid, NIL};
	Datum datum;
	bool isnull;

	for (int i = 0; i < (int) lengthof(candidates) && !HeapTupleIsValid(tuple);
		 i++)
		tuple = SearchSysCache2(USERMAPPINGUSERSERVER,
								ObjectIdGetDatum(candidates[i]),
								ObjectIdGetDatum(server));
	if (!HeapTupleIsValid(tuple))
		return mapping;
	mapping.oid = ((Form_pg_user_mapping) GETSTRUCT(tuple))->oid;
	datum = SysCacheGetAttr(USERMAPPINGUSERSERVER, tuple,
							Anum_pg_user_mapping_umoptions, &isnull);
	if (!isnull)
		mapping.options = untransformRelOptions(datum);
	ReleaseSysCache(tuple);
	return mapping;
}

/* Copies options into the dict, all but the class's path. */
static void
add_options(PyObject *dict, List *options)
{
	ListCell *cell;

	foreach (cell, options)
	{
		DefElem *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, "wrapper") != 0)
			add_option(dict, option);
	}
}

/*
 * Adds a mapping's options. It may override one of the server or the table
 * (NULL if there is none) only if the class says so, since any role can make a
 * mapping of its own.
 */
static void
add_mapping_options(PyObject *dict, List *options, PyObject *class,
					ForeignTable *table, ForeignServer *server)
{
	PyObject *overridable;
	ListCell *cell;

	if (options == NIL)
		return;
	overridable = reference_own(python_call(interpreter_functions.mapping_options,
											&class, 1, NULL));
	foreach (cell, options)
	{
		DefElem *option = lfirst_node(DefElem, cell);
		PyObject *name = python_string(option->defname);

		if (python_contains(dict, name) && !python_contains(overridable, name))
			ereport(ERROR, errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
					errmsg("user mapping for server \"%s\" may not override option \"%s\"",
						   server->servername, option->defname),
					table != NULL &&
							option_value(table->options, option->defname) != NULL
						? errdetail("Foreign table \"%s\" has the option as well.",
									get_rel_name(table->relid))
						: errdetail("Server \"%s\" has the option as well.",
									server->servername),
					errhint("Drop one of the two, or list the option in the class's \"mapping_options\"."));
	}
	add_options(dict, options);
}

/* The arguments to ColumnDefinition for one column; a new reference. */
static PyObject *
describe_column(Form_pg_attribute attribute, List *options)
{
	PyObject *name = python_string(NameStr(attribute->attname));
	PyObject *type = python_string(format_type_with_typemod(attribute->atttypid,
															attribute->atttypmod));
	PyObject *base = python_string(format_type_be(attribute->atttypid));

	return Py_BuildValue("(OkiOOO)", name, (unsigned long) attribute->atttypid,
						 (int) attribute->atttypmod, type, base,
						 options_to_python(options));
}

/*
 * What makes the column another one if it changes; owned. How its type is
 * called depends on the search path, so types are named in full here.
 */
static PyObject *
identify_column(Form_pg_attribute attribute, PyObject *description)
{
	PyObject *type =
		python_string(format_type_extended(attribute->atttypid,
										   attribute->atttypmod,
										   FORMAT_TYPE_TYPEMOD_GIVEN |
											   FORMAT_TYPE_FORCE_QUALIFY));

	return reference_own(PyTuple_Pack(4, PyTuple_GET_ITEM(description, 0),
									  PyTuple_GET_ITEM(description, 1), type,
									  PyTuple_GET_ITEM(description, 5)));
}

/*
 * Where the class is at work, for whom, as multicorn._place.enter() takes it;
 * owned. relation is NULL where there is no table.
 */
static PyObject *
describe_place(Relation relation, List *table_options, ForeignServer *server,
			   ForeignDataWrapper *fdw, Oid user, Mapping mapping)
{
	PyObject *schema = Py_None;
	PyObject *table = Py_None;
	PyObject *server_name = python_string(server->servername);
	PyObject *user_name = python_string(GetUserNameFromId(user, false));
	PyObject *validator = Py_None;
	PyObject *place;

	if (relation != NULL)
	{
		schema = python_string(get_namespace_name(RelationGetNamespace(relation)));
		table = python_string(RelationGetRelationName(relation));
	}
	if (OidIsValid(fdw->fdwvalidator))
		validator = python_string(get_func_name(fdw->fdwvalidator));
	place = Py_BuildValue("(OOIOOIOIIOOOO)", schema, table,
						  relation != NULL ? RelationGetRelid(relation) : 0,
						  options_to_python(table_options), server_name,
						  server->serverid, user_name, user, mapping.oid,
						  superuser_arg(user) ? Py_True : Py_False,
						  options_to_python(server->options),
						  options_to_python(mapping.options), validator);
	return reference_own(place);
}

/*
 * Adds a column to those that the wrapper is told of, and to what makes the table
 * another one if it changes; one with a constant only to the latter.
 */
static void
add_column(Form_pg_attribute attribute, List *options, PyObject *identities,
		   WrapperDefinition *definition)
{
	const char *form = option_value(options, "value_form");
	const char *constant = option_value(options, "constant");
	PyObject *description = reference_own(describe_column(attribute, options));

	if (PyList_Append(identities, identify_column(attribute, description)) != 0)
		python_throw();
	if (constant != NULL)
	{
		definition->constants = lappend(definition->constants,
										constant_create(attribute, constant));
		return;
	}
	if (form != NULL && strcmp(form, "text") == 0)
		definition->text_columns = bms_add_member(definition->text_columns,
												  attribute->attnum);
	if (option_value(options, "generated") != NULL)
		definition->remote_columns = bms_add_member(definition->remote_columns,
													attribute->attnum);
	if (PyList_Append(definition->columns, description) != 0)
		python_throw();
}

/* Describes the table's columns, in their order, without dropped ones. */
static void
read_columns(Relation relation, WrapperDefinition *definition)
{
	TupleDesc tupdesc = RelationGetDescr(relation);
	PyObject *identities = reference_own(PyList_New(0));

	definition->columns = reference_own(PyList_New(0));
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, i);

		if (!attribute->attisdropped)
			add_column(attribute,
					   GetForeignColumnOptions(RelationGetRelid(relation),
											   attribute->attnum),
					   identities, definition);
	}
	definition->identity = reference_own(PyTuple_Pack(3, definition->class,
													  definition->options,
													  identities));
}

/* A class that was named, and who answers for the choice. */
typedef struct WrapperChoice
{
	const char *wrapper; /* path of the class, NULL if none was named */
	Oid owner;
	const char *owned; /* what carries the option, as in: server "s" */
} WrapperChoice;

/* Throws unless the choice is one; returns a copy of the path. */
static char *
checked_wrapper(WrapperChoice choice)
{
	require_class_path(choice.wrapper);
	require_permission(choice.wrapper, choice.owner, choice.owned);
	return pstrdup(choice.wrapper);
}

/* One on the FOREIGN DATA WRAPPER fixes the class for everything below. */
static WrapperChoice
fdw_choice(ForeignDataWrapper *fdw)
{
	return (WrapperChoice) {option_value(fdw->options, "wrapper"), fdw->owner,
							psprintf("foreign data wrapper \"%s\"",
									 fdw->fdwname)};
}

static WrapperChoice
server_choice(ForeignServer *server)
{
	return (WrapperChoice) {option_value(server->options, "wrapper"),
							server->owner,
							psprintf("server \"%s\"", server->servername)};
}

/*
 * The choice for a table: one on the FOREIGN DATA WRAPPER fixes it for everything
 * below, else the table's goes before the server's.
 */
static WrapperChoice
table_choice(Relation relation, ForeignTable *table, ForeignServer *server,
			 ForeignDataWrapper *fdw)
{
	WrapperChoice choice = fdw_choice(fdw);

	if (choice.wrapper == NULL)
		choice = (WrapperChoice) {option_value(table->options, "wrapper"),
								  relation->rd_rel->relowner,
								  psprintf("foreign table \"%s\"",
										   RelationGetRelationName(relation))};
	return choice.wrapper != NULL ? choice : server_choice(server);
}

/*
 * The path of the class. Throws if there is none or the owner of the object
 * that carries it may not choose it.
 */
static char *
find_wrapper(Relation relation, ForeignTable *table, ForeignServer *server,
			 ForeignDataWrapper *fdw)
{
	WrapperChoice choice = table_choice(relation, table, server, fdw);

	if (choice.wrapper == NULL)
		ereport(ERROR, errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				errmsg("no wrapper class is set for foreign table \"%s\"",
					   RelationGetRelationName(relation)),
				errdetail("Neither the foreign table nor its server \"%s\" has the option \"wrapper\".",
						  server->servername),
				errhint("Name the class: ALTER FOREIGN TABLE %s OPTIONS (ADD wrapper 'package.module.Class'); the server can carry the option for all its tables.",
						quote_identifier(RelationGetRelationName(relation))));
	return checked_wrapper(choice);
}

/* The path of a table's class, NULL where one would be refused. */
char *
options_wrapper_if_allowed(Relation relation)
{
	ForeignTable *table = GetForeignTable(RelationGetRelid(relation));
	ForeignServer *server = GetForeignServer(table->serverid);
	WrapperChoice choice = table_choice(relation, table, server,
										GetForeignDataWrapper(server->fdwid));

	return choice.wrapper != NULL &&
			has_permission(choice.wrapper, choice.owner)
		? pstrdup(choice.wrapper)
		: NULL;
}

/*
 * The path of the class for IMPORT FOREIGN SCHEMA: as above, with the option of
 * the statement in the place of the tables'.
 */
static char *
find_import_wrapper(List *options, ForeignServer *server,
					ForeignDataWrapper *fdw)
{
	WrapperChoice choice = fdw_choice(fdw);
	const char *given = option_value(options, "wrapper");

	if (choice.wrapper != NULL && given != NULL)
		ereport(ERROR, errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				errmsg("option \"wrapper\" cannot be given"),
				errdetail("The class is fixed by foreign data wrapper \"%s\".",
						  fdw->fdwname));
	if (choice.wrapper == NULL)
		choice = (WrapperChoice) {given, GetUserId(), NULL};
	if (choice.wrapper == NULL)
		choice = server_choice(server);
	if (choice.wrapper == NULL)
		ereport(ERROR, errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				errmsg("no wrapper class is set for server \"%s\"",
					   server->servername),
				errhint("Name the class in the statement: IMPORT FOREIGN SCHEMA ... " WRAPPER_SYNTAX
						"; or the server can carry the option for all its tables."));
	return checked_wrapper(choice);
}

/*
 * Reads what the catalogs say about a foreign table as its user sees it, and
 * loads the class. The interpreter must run. Everything belongs to
 * CurrentMemoryContext. Throws if anything is missing, wrong or forbidden.
 */
void
options_read(Oid table_oid, Oid user, WrapperDefinition *definition)
{
	Relation relation = table_open(table_oid, AccessShareLock);
	ForeignTable *table = GetForeignTable(table_oid);
	ForeignServer *server = GetForeignServer(table->serverid);
	ForeignDataWrapper *fdw = GetForeignDataWrapper(server->fdwid);
	Mapping mapping = find_mapping(user, server->serverid);

	memset(definition, 0, sizeof(*definition));
	definition->wrapper = find_wrapper(relation, table, server, fdw);
	definition->class = reference_own(load_class(definition->wrapper));
	definition->options = reference_own(PyDict_New());
	add_options(definition->options, server->options);
	add_options(definition->options, table->options);
	add_mapping_options(definition->options, mapping.options,
						definition->class, table, server);
	definition->place = describe_place(relation, table->options, server, fdw,
									   user, mapping);
	read_columns(relation, definition);
	table_close(relation, NoLock);
}

/*
 * Reads what the catalogs say about a server as the current user sees it, for
 * IMPORT FOREIGN SCHEMA with options (DefElems), and loads the class. As
 * options_read(), but there are no columns.
 */
void
options_read_for_import(Oid server_oid, List *options,
						WrapperDefinition *definition)
{
	ForeignServer *server = GetForeignServer(server_oid);
	ForeignDataWrapper *fdw = GetForeignDataWrapper(server->fdwid);
	Mapping mapping = find_mapping(GetUserId(), server_oid);

	memset(definition, 0, sizeof(*definition));
	definition->wrapper = find_import_wrapper(options, server, fdw);
	definition->class = reference_own(load_class(definition->wrapper));
	definition->options = reference_own(PyDict_New());
	add_options(definition->options, server->options);
	add_mapping_options(definition->options, mapping.options,
						definition->class, NULL, server);
	definition->place = describe_place(NULL, NIL, server, fdw, GetUserId(),
									   mapping);
}

/* The dict of options (DefElems) without the class's path; owned. */
PyObject *
options_to_python(List *options)
{
	PyObject *dict = reference_own(PyDict_New());

	add_options(dict, options);
	return dict;
}
