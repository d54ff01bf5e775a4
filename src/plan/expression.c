/*
 * expression.c
 *	  A PostgreSQL expression as objects of multicorn.expressions.
 *
 * A builder for each kind of node calls the class of the same kind. What has
 * no class, or holds a value that Python has no exact form of, makes the whole
 * expression one that is not offered. Every object belongs to
 * CurrentMemoryContext.
 */
#include "plan/expression.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/dependency.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "convert/convert.h"
#include "embed/call.h"
#include "embed/error.h"
#include "embed/interpreter.h"
#include "embed/record.h"
#include "embed/text.h"
#include "funcapi.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "plan/operand.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

/* ---------- the classes ---------- */

/* The classes, by what they stand for; in the order of class_names. */
typedef enum ExpressionClass
{
	CLASS_AND,
	CLASS_ARRAY,
	CLASS_ARRAY_COMPARISON,
	CLASS_CASE,
	CLASS_CAST,
	CLASS_COALESCE,
	CLASS_COLLATE,
	CLASS_COLLATION,
	CLASS_COLUMN,
	CLASS_CONSTANT,
	CLASS_DATA_TYPE,
	CLASS_FIELD,
	CLASS_FUNCTION_CALL,
	CLASS_IS_BOOLEAN,
	CLASS_IS_DISTINCT_FROM,
	CLASS_IS_NULL,
	CLASS_MIN_MAX,
	CLASS_NOT,
	CLASS_NULL_IF,
	CLASS_OPERATOR_CALL,
	CLASS_OR,
	CLASS_ROW,
	CLASS_ROW_COMPARISON,
	CLASS_SUBSCRIPT,
	CLASS_COUNT
} ExpressionClass;

static const char *const class_names[] = {
	"And",			"Array",	 "ArrayComparison", "Case",
	"Cast",			"Coalesce",	 "Collate",			"Collation",
	"Column",		"Constant",	 "DataType",		"Field",
	"FunctionCall", "IsBoolean", "IsDistinctFrom",	"IsNull",
	"MinMax",		"Not",		 "NullIf",			"OperatorCall",
	"Or",			"Row",		 "RowComparison",	"Subscript",
};

static RecordClass classes[CLASS_COUNT];

/* An object of a class, whose fields are these; owned. */
static PyObject *
make(ExpressionClass which, PyObject **values, int count)
{
	RecordClass *class = &classes[which];

	/* At first use, so that wrappers without filters do without. */
	if (unlikely(class->type == NULL))
		record_class_load(class, "multicorn.expressions", class_names[which]);
	Assert(class->count == count);
	return reference_own(record_create(class, values));
}

#define MAKE(class, ...) \
	make((class), (PyObject *[]) {__VA_ARGS__}, \
		 lengthof(((PyObject *[]) {__VA_ARGS__})))

/* What is at hand while an expression is built. */
typedef struct Builder
{
	TupleDesc tupdesc;
	PyObject *case_argument; /* what CASE argument WHEN compares, or NULL */
	bool is_builtin;		 /* so far, all comes with PostgreSQL ... */
	bool is_immutable;		 /* ... and depends on nothing else */
} Builder;

#define TRUTH(condition) ((condition) ? Py_True : Py_False)

/* ---------- what has a name in the catalogs ---------- */

/* What a remembered object was made for. */
typedef struct NamedKey
{
	int catalog; /* its syscache */
	Oid oid;
	int32 typmod; /* of a type, else 0 */
} NamedKey;

typedef struct NamedEntry
{
	NamedKey key;
	PyObject *object;
} NamedEntry;

static HTAB *named = NULL;

/* Has one of the catalogs changed since? Set by the callback alone. */
static bool named_doubtful = false;

static void
names_changed(Datum argument, int cache, uint32 hash)
{
	named_doubtful = true;
}

/* Registers for catalog changes. Called once, when the library is loaded. */
void
expression_listen(void)
{
	static const int catalogs[] = {TYPEOID, COLLOID, OPEROID, PROCOID,
								   NAMESPACEOID};

	for (int i = 0; i < (int) lengthof(catalogs); i++)
		CacheRegisterSyscacheCallback(catalogs[i], names_changed, (Datum) 0);
}

/* Forgets all of them. */
static void
forget_named(void)
{
	HASH_SEQ_STATUS status;
	NamedEntry *entry;

	named_doubtful = false;
	hash_seq_init(&status, named);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		reference_release_later(entry->object);
		hash_search(named, &entry->key, HASH_REMOVE, NULL);
	}
}

/* The remembered object of this key, owned; what make_it makes the first time. */
static PyObject *
named_object(NamedKey key, PyObject *(*make_it)(NamedKey key))
{
	NamedEntry *entry;
	PyObject *object;

	if (named == NULL)
	{
		HASHCTL control = {.keysize = sizeof(NamedKey),
						   .entrysize = sizeof(NamedEntry)};

		named = hash_create("multicorn names", 128, &control,
							HASH_ELEM | HASH_BLOBS);
	}
	if (unlikely(named_doubtful))
		forget_named();
	entry = hash_search(named, &key, HASH_FIND, NULL);
	if (entry != NULL)
		return reference_own(Py_NewRef(entry->object));
	object = make_it(key);
	entry = hash_search(named, &key, HASH_ENTER, NULL);
	entry->object = Py_NewRef(object);
	return object;
}

/* The name of the extension that an object comes with; '' for none. Owned. */
static PyObject *
extension_of(Oid catalog, Oid oid)
{
	Oid extension = oid < FirstGenbkiObjectId
		? InvalidOid
		: getExtensionOfObject(catalog, oid);

	return python_string(OidIsValid(extension) ? get_extension_name(extension)
											   : "");
}

static PyObject *
make_data_type(NamedKey key)
{
	static const char catalog[] = "pg_catalog.";
	char *qualified = format_type_extended(key.oid, key.typmod,
										   FORMAT_TYPE_TYPEMOD_GIVEN |
											   FORMAT_TYPE_FORCE_QUALIFY);
	bool is_catalog = strncmp(qualified, catalog, sizeof(catalog) - 1) == 0;
	Oid element = get_element_type(key.oid);

	return MAKE(CLASS_DATA_TYPE,
				reference_own(PyLong_FromUnsignedLong(key.oid)),
				python_string(is_catalog ? qualified + sizeof(catalog) - 1
										 : qualified),
				reference_own(PyLong_FromLong(key.typmod)),
				TRUTH(key.oid < FirstGenbkiObjectId),
				python_string(is_catalog ? qualified : ""),
				extension_of(TypeRelationId,
							 OidIsValid(element) ? element : key.oid));
}

/* The DataType of a type. */
static PyObject *
data_type(Builder *builder, Oid type, int32 typmod)
{
	builder->is_builtin = builder->is_builtin && type < FirstGenbkiObjectId;
	return named_object((NamedKey) {TYPEOID, type, typmod}, make_data_type);
}

static PyObject *
make_collation(NamedKey key)
{
	HeapTuple tuple = SearchSysCache1(COLLOID, ObjectIdGetDatum(key.oid));
	Form_pg_collation form;
	PyObject *collation;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for collation %u", key.oid);
	form = (Form_pg_collation) GETSTRUCT(tuple);
	collation = MAKE(CLASS_COLLATION, python_string(NameStr(form->collname)),
					 python_string(get_namespace_name(form->collnamespace)),
					 TRUTH(form->collisdeterministic),
					 TRUTH(key.oid < FirstGenbkiObjectId));
	ReleaseSysCache(tuple);
	return collation;
}

/* The Collation, or None. */
static PyObject *
collation_of(Builder *builder, Oid collation)
{
	builder->is_builtin = builder->is_builtin &&
		collation < FirstGenbkiObjectId;
	return OidIsValid(collation)
		? named_object((NamedKey) {COLLOID, collation, 0}, make_collation)
		: Py_None;
}

/* The two fields that every expression begins with. */
#define TYPE_OF(node) \
	data_type(builder, exprType((Node *) (node)), exprTypmod((Node *) (node)))
#define COLLATION_OF(node) \
	collation_of(builder, exprCollation((Node *) (node)))

/* ---------- operators and functions ---------- */

/* What a Call says of its operator or function; borrowed. */
typedef struct Callee
{
	PyObject *name;
	PyObject *schema;
	PyObject *is_builtin;
	PyObject *is_immutable;
	PyObject *extension;
} Callee;

/* A tuple of the members of a Callee. */
static PyObject *
make_callee(Oid catalog, Oid oid, NameData *name, Oid schema, bool is_immutable)
{
	return reference_own(PyTuple_Pack(5, python_string(NameStr(*name)),
									  python_string(get_namespace_name(schema)),
									  TRUTH(oid < FirstGenbkiObjectId),
									  TRUTH(is_immutable),
									  extension_of(catalog, oid)));
}

static PyObject *
make_operator(NamedKey key)
{
	HeapTuple tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(key.oid));
	Form_pg_operator form;
	PyObject *callee;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator %u", key.oid);
	form = (Form_pg_operator) GETSTRUCT(tuple);
	callee = make_callee(OperatorRelationId, key.oid, &form->oprname,
						 form->oprnamespace,
						 func_volatile(form->oprcode) == PROVOLATILE_IMMUTABLE);
	ReleaseSysCache(tuple);
	return callee;
}

static PyObject *
make_function(NamedKey key)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(key.oid));
	Form_pg_proc form;
	PyObject *callee;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", key.oid);
	form = (Form_pg_proc) GETSTRUCT(tuple);
	callee = make_callee(ProcedureRelationId, key.oid, &form->proname,
						 form->pronamespace,
						 form->provolatile == PROVOLATILE_IMMUTABLE);
	ReleaseSysCache(tuple);
	return callee;
}

static Callee
callee_of(Builder *builder, PyObject *tuple)
{
	Callee callee = {PyTuple_GET_ITEM(tuple, 0), PyTuple_GET_ITEM(tuple, 1),
					 PyTuple_GET_ITEM(tuple, 2), PyTuple_GET_ITEM(tuple, 3),
					 PyTuple_GET_ITEM(tuple, 4)};

	builder->is_builtin = builder->is_builtin && callee.is_builtin == Py_True;
	builder->is_immutable = builder->is_immutable &&
		callee.is_immutable == Py_True;
	return callee;
}

static Callee
operator_callee(Builder *builder, Oid oid)
{
	return callee_of(builder,
					 named_object((NamedKey) {OPEROID, oid, 0}, make_operator));
}

static Callee
function_callee(Builder *builder, Oid oid)
{
	return callee_of(builder,
					 named_object((NamedKey) {PROCOID, oid, 0}, make_function));
}

/* The fields that every Call begins with. */
#define CALL_OF(node, input_collation, callee) \
	TYPE_OF(node), COLLATION_OF(node), (callee).schema, \
		collation_of(builder, input_collation), (callee).is_builtin, \
		(callee).is_immutable, (callee).extension

/* ---------- builders ---------- */

static PyObject *build(Builder *builder, Node *node);

/* The tuple of what the nodes of a list become; NULL if one has no form. */
static PyObject *
build_list(Builder *builder, List *nodes)
{
	PyObject *tuple = reference_own(PyTuple_New(list_length(nodes)));
	ListCell *cell;

	foreach (cell, nodes)
	{
		PyObject *item = lfirst(cell) != NULL ? build(builder, lfirst(cell))
											  : Py_None;

		if (item == NULL)
			return NULL;
		PyTuple_SET_ITEM(tuple, foreach_current_index(cell), Py_NewRef(item));
	}
	return tuple;
}

static bool has_exact_text(Oid type);

/* The same for a composite: all of its attributes. */
static bool
attributes_have_exact_text(Oid type)
{
	TupleDesc tupdesc = lookup_rowtype_tupdesc(type, -1);
	bool result = true;

	for (int i = 0; i < tupdesc->natts && result; i++)
		result = TupleDescAttr(tupdesc, i)->attisdropped ||
			has_exact_text(TupleDescAttr(tupdesc, i)->atttypid);
	ReleaseTupleDesc(tupdesc);
	return result;
}

/*
 * Has a type a text form that gives the same value wherever it is read? That of
 * money depends on a locale, that of regclass and its like on what there is in
 * the database, and pseudotypes have no input. Others are what they are made of.
 */
static bool
has_exact_text(Oid type)
{
	Oid base = getBaseType(type);
	Oid element;

	switch (base)
	{
		/* The most frequent ones need not be looked up. */
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT8OID:
		case NUMERICOID:
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case UUIDOID:
			return true;
		case CASHOID:
		case REGPROCOID:
		case REGPROCEDUREOID:
		case REGOPEROID:
		case REGOPERATOROID:
		case REGCLASSOID:
		case REGTYPEOID:
		case REGROLEOID:
		case REGNAMESPACEOID:
		case REGCONFIGOID:
		case REGDICTIONARYOID:
		case REGCOLLATIONOID:
			return false;
		default:
			break;
	}
	switch (get_typtype(base))
	{
		case TYPTYPE_PSEUDO:
			return false;
		case TYPTYPE_COMPOSITE:
			return attributes_have_exact_text(base);
		case TYPTYPE_RANGE:
			return has_exact_text(get_range_subtype(base));
		case TYPTYPE_MULTIRANGE:
			return has_exact_text(get_multirange_range(base));
		default:
			element = get_element_type(base);
			return !OidIsValid(element) || has_exact_text(element);
	}
}

static PyObject *
build_column(Builder *builder, Var *var)
{
	/* Another server would compare what it makes of the text. */
	if (var->varattno <= 0 || var->varlevelsup != 0 ||
		!has_exact_text(var->vartype))
		return NULL;
	return MAKE(CLASS_COLUMN, TYPE_OF(var), COLLATION_OF(var),
				python_string(NameStr(TupleDescAttr(builder->tupdesc,
													var->varattno - 1)
										  ->attname)),
				reference_own(PyLong_FromLong(var->varattno)));
}

static PyObject *
build_constant(Builder *builder, Const *constant)
{
	ToPython *converter;
	PyObject *value;

	if (constant->constisnull)
		return MAKE(CLASS_CONSTANT, TYPE_OF(constant), COLLATION_OF(constant),
					Py_None, Py_None, Py_None);
	if (!has_exact_text(constant->consttype))
		return NULL;
	converter = to_python_create(constant->consttype, false);
	value = to_python(converter, constant->constvalue, false);
	if (value == NULL)
		return NULL;
	return MAKE(CLASS_CONSTANT, TYPE_OF(constant), COLLATION_OF(constant),
				reference_own(value),
				python_string(to_exact_text(converter, constant->constvalue)),
				Py_None);
}

/* A reference to an operand: its number counts from 1. */
static PyObject *
build_parameter(Builder *builder, Param *reference)
{
	if (!has_exact_text(reference->paramtype))
		return NULL;
	return MAKE(CLASS_CONSTANT, TYPE_OF(reference), COLLATION_OF(reference),
				interpreter_functions.UNBOUND, Py_None,
				reference_own(PyLong_FromLong(reference->paramid + 1)));
}

static PyObject *
build_operator(Builder *builder, OpExpr *expression)
{
	PyObject *arguments = build_list(builder, expression->args);
	Callee callee;

	if (arguments == NULL)
		return NULL;
	callee = operator_callee(builder, expression->opno);
	return MAKE(CLASS_OPERATOR_CALL,
				CALL_OF(expression, expression->inputcollid, callee),
				callee.name, arguments);
}

/* IS DISTINCT FROM and NULLIF, which are OpExprs under other tags. */
static PyObject *
build_comparison(Builder *builder, ExpressionClass class, OpExpr *expression)
{
	PyObject *left = build(builder, linitial(expression->args));
	PyObject *right = left != NULL ? build(builder, lsecond(expression->args))
								   : NULL;
	Callee callee;

	if (right == NULL)
		return NULL;
	callee = operator_callee(builder, expression->opno);
	return MAKE(class, CALL_OF(expression, expression->inputcollid, callee),
				callee.name, left, right);
}

static PyObject *
build_array_comparison(Builder *builder, ScalarArrayOpExpr *expression)
{
	PyObject *left = build(builder, linitial(expression->args));
	PyObject *array = left != NULL ? build(builder, lsecond(expression->args))
								   : NULL;
	Callee callee;

	if (array == NULL)
		return NULL;
	callee = operator_callee(builder, expression->opno);
	return MAKE(CLASS_ARRAY_COMPARISON,
				CALL_OF(expression, expression->inputcollid, callee),
				callee.name, left, array, TRUTH(expression->useOr));
}

/*
 * The one collation that the columns of a comparison of rows, as far as they
 * have one, are compared by: false if there are several.
 */
static bool
common_collation(List *collations, Oid *common)
{
	ListCell *cell;

	*common = InvalidOid;
	foreach (cell, collations)
	{
		Oid collation = lfirst_oid(cell);

		if (!OidIsValid(collation) || collation == *common)
			continue;
		if (OidIsValid(*common))
			return false;
		*common = collation;
	}
	return true;
}

/*
 * The operator of a comparison of rows: false if those of the columns do not
 * share their name and schema. It is built in, or immutable, if all are.
 */
static bool
common_operator(Builder *builder, List *operators, Callee *common)
{
	ListCell *cell;

	*common = operator_callee(builder, linitial_oid(operators));
	foreach (cell, operators)
	{
		Callee callee = operator_callee(builder, lfirst_oid(cell));

		if (PyUnicode_Compare(callee.name, common->name) != 0 ||
			PyUnicode_Compare(callee.schema, common->schema) != 0)
			return false;
		if (callee.is_builtin == Py_False)
		{
			common->is_builtin = Py_False;
			common->extension = callee.extension;
		}
		if (callee.is_immutable == Py_False)
			common->is_immutable = Py_False;
	}
	return true;
}

static PyObject *
build_row_comparison(Builder *builder, RowCompareExpr *expression)
{
	PyObject *left = build_list(builder, expression->largs);
	PyObject *right = left != NULL ? build_list(builder, expression->rargs)
								   : NULL;
	Callee callee;
	Oid collation;

	if (right == NULL || !common_operator(builder, expression->opnos, &callee) ||
		!common_collation(expression->inputcollids, &collation))
		return NULL;
	return MAKE(CLASS_ROW_COMPARISON, CALL_OF(expression, collation, callee),
				callee.name, left, right);
}

/* COLLATE around what would otherwise have the collation of its argument. */
static PyObject *
collate(Builder *builder, PyObject *object, Node *node, Oid given)
{
	/* An invalid one could not be told from the arguments': they disagree. */
	if (exprCollation(node) == given || !OidIsValid(exprCollation(node)))
		return object;
	return MAKE(CLASS_COLLATE, TYPE_OF(node), COLLATION_OF(node), object);
}

/* The collation that a cast to a type has, of an argument with a collation. */
static Oid
collation_of_cast(Oid type, Node *argument)
{
	Oid collation = exprCollation(argument);

	if (!OidIsValid(get_typcollation(type)))
		return InvalidOid;
	return OidIsValid(collation) ? collation : get_typcollation(type);
}

/* A cast of some kind; function is what does it, or InvalidOid. */
static PyObject *
build_cast(Builder *builder, Node *node, Node *argument, Oid function,
		   CoercionForm form, bool is_relabel, bool is_immutable)
{
	PyObject *object = build(builder, argument);
	Callee callee = {
		.name = python_string(""),
		.schema = python_string("pg_catalog"),
		.is_builtin = Py_True,
		.is_immutable = TRUTH(is_immutable),
		.extension = python_string(""),
	};
	Oid collation;

	if (object == NULL || get_typtype(exprType(node)) == TYPTYPE_PSEUDO)
		return NULL;
	if (OidIsValid(function))
		callee = function_callee(builder, function);
	else
		builder->is_immutable = builder->is_immutable && is_immutable;
	collation = OidIsValid(exprCollation(node))
		? collation_of_cast(exprType(node), argument)
		: InvalidOid;
	object = MAKE(CLASS_CAST, TYPE_OF(node), collation_of(builder, collation),
				  callee.schema,
				  collation_of(builder, exprInputCollation(node)),
				  callee.is_builtin, callee.is_immutable, callee.extension,
				  object, callee.name, TRUTH(form == COERCE_IMPLICIT_CAST),
				  TRUTH(is_relabel));
	return collate(builder, object, node, collation);
}

/* Is a function call written as a cast, and is one argument all it needs? */
static bool
is_cast(FuncExpr *expression)
{
	return expression->funcformat == COERCE_EXPLICIT_CAST ||
		expression->funcformat == COERCE_IMPLICIT_CAST;
}

static PyObject *
build_function(Builder *builder, FuncExpr *expression)
{
	PyObject *arguments;
	Callee callee;

	if (expression->funcretset)
		return NULL;
	if (is_cast(expression))
		return build_cast(builder, (Node *) expression,
						  linitial(expression->args), expression->funcid,
						  expression->funcformat, false, true);
	arguments = build_list(builder, expression->args);
	if (arguments == NULL)
		return NULL;
	callee = function_callee(builder, expression->funcid);
	return MAKE(CLASS_FUNCTION_CALL,
				CALL_OF(expression, expression->inputcollid, callee),
				callee.name, arguments, TRUTH(expression->funcvariadic));
}

/*
 * Do operators make of a value what they would make of it under its own type? A
 * relabelled integer is another number as an oid, and blanks count in a varchar.
 */
static bool
keeps_meaning(Oid from, Oid to)
{
	Oid base = getBaseType(from);

	return base == to || (base == VARCHAROID && to == TEXTOID);
}

/* COLLATE has become one of these too, when the type stays what it is. */
static PyObject *
build_relabel(Builder *builder, RelabelType *relabel)
{
	Node *argument = (Node *) relabel->arg;
	PyObject *object;

	if (relabel->resulttype != exprType(argument) ||
		relabel->resulttypmod != exprTypmod(argument))
		return build_cast(builder, (Node *) relabel, argument, InvalidOid,
						  relabel->relabelformat,
						  keeps_meaning(exprType(argument), relabel->resulttype),
						  true);
	object = build(builder, argument);
	return object != NULL
		? collate(builder, object, (Node *) relabel, exprCollation(argument))
		: NULL;
}

/*
 * Do settings change the text form of a type, although its output function is
 * said to be immutable? extra_float_digits, bytea_output and IntervalStyle do.
 */
static bool
is_text_form_a_setting(Oid type)
{
	char category;
	bool is_preferred;

	switch (getBaseType(type))
	{
		case FLOAT4OID:
		case FLOAT8OID:
		case BYTEAOID:
		case INTERVALOID:
			return true;
		default:
			get_type_category_preferred(type, &category, &is_preferred);
			return category == TYPCATEGORY_GEOMETRIC;
	}
}

/* A cast through the text forms of two types. */
static PyObject *
build_cast_by_text(Builder *builder, CoerceViaIO *cast)
{
	return build_cast(builder, (Node *) cast, (Node *) cast->arg, InvalidOid,
					  cast->coerceformat, false,
					  !contain_mutable_functions((Node *) cast) &&
						  !is_text_form_a_setting(exprType((Node *) cast->arg)));
}

static PyObject *
build_cast_of_array(Builder *builder, ArrayCoerceExpr *cast)
{
	Node *element = (Node *) cast->elemexpr;

	return build_cast(builder, (Node *) cast, (Node *) cast->arg,
					  IsA(element, FuncExpr) ? ((FuncExpr *) element)->funcid
											 : InvalidOid,
					  cast->coerceformat, false,
					  !contain_mutable_functions((Node *) cast));
}

static PyObject *
build_cast_to_domain(Builder *builder, CoerceToDomain *cast)
{
	return build_cast(builder, (Node *) cast, (Node *) cast->arg, InvalidOid,
					  cast->coercionformat, false,
					  !contain_mutable_functions((Node *) cast));
}

/* What is made of arguments alone. */
static PyObject *
build_arguments(Builder *builder, ExpressionClass class, Node *node, List *args)
{
	PyObject *arguments = build_list(builder, args);

	return arguments != NULL
		? MAKE(class, TYPE_OF(node), COLLATION_OF(node), arguments)
		: NULL;
}

static PyObject *
build_not(Builder *builder, BoolExpr *expression)
{
	PyObject *argument = build(builder, linitial(expression->args));

	return argument != NULL
		? MAKE(CLASS_NOT, TYPE_OF(expression), Py_None, argument)
		: NULL;
}

static PyObject *
build_logic(Builder *builder, BoolExpr *expression)
{
	if (expression->boolop == NOT_EXPR)
		return build_not(builder, expression);
	return build_arguments(builder,
						   expression->boolop == AND_EXPR ? CLASS_AND
														  : CLASS_OR,
						   (Node *) expression, expression->args);
}

static PyObject *
build_null_test(Builder *builder, NullTest *test)
{
	PyObject *argument = build(builder, (Node *) test->arg);

	return argument != NULL
		? MAKE(CLASS_IS_NULL, TYPE_OF(test), Py_None, argument,
			   TRUTH(test->nulltesttype == IS_NOT_NULL), TRUTH(test->argisrow))
		: NULL;
}

static PyObject *
build_boolean_test(Builder *builder, BooleanTest *test)
{
	PyObject *argument = build(builder, (Node *) test->arg);
	BoolTestType type = test->booltesttype;
	PyObject *value = Py_None;

	if (argument == NULL)
		return NULL;
	if (type == IS_TRUE || type == IS_NOT_TRUE)
		value = Py_True;
	else if (type == IS_FALSE || type == IS_NOT_FALSE)
		value = Py_False;
	return MAKE(CLASS_IS_BOOLEAN, TYPE_OF(test), Py_None, argument, value,
				TRUTH(type == IS_NOT_TRUE || type == IS_NOT_FALSE ||
					  type == IS_NOT_UNKNOWN));
}

/* The pairs of condition and result; NULL if one has no form. */
static PyObject *
build_whens(Builder *builder, List *whens)
{
	PyObject *pairs = reference_own(PyTuple_New(list_length(whens)));
	ListCell *cell;

	foreach (cell, whens)
	{
		CaseWhen *when = lfirst_node(CaseWhen, cell);
		PyObject *condition = build(builder, (Node *) when->expr);
		PyObject *result = condition != NULL
			? build(builder, (Node *) when->result)
			: NULL;
		PyObject *pair;

		if (result == NULL)
			return NULL;
		pair = reference_own(PyTuple_Pack(2, condition, result));
		PyTuple_SET_ITEM(pairs, foreach_current_index(cell), Py_NewRef(pair));
	}
	return pairs;
}

static PyObject *
build_case(Builder *builder, CaseExpr *expression)
{
	PyObject *outer_argument = builder->case_argument;
	PyObject *argument = NULL;
	PyObject *whens;
	PyObject *otherwise;

	if (expression->arg != NULL)
	{
		argument = build(builder, (Node *) expression->arg);
		if (argument == NULL)
			return NULL;
	}
	builder->case_argument = argument;
	whens = build_whens(builder, expression->args);
	otherwise = whens != NULL ? build(builder, (Node *) expression->defresult)
							  : NULL;
	builder->case_argument = outer_argument;
	return otherwise != NULL ? MAKE(CLASS_CASE, TYPE_OF(expression),
									COLLATION_OF(expression), whens, otherwise)
							 : NULL;
}

static PyObject *
build_min_max(Builder *builder, MinMaxExpr *expression)
{
	PyObject *arguments = build_list(builder, expression->args);

	return arguments != NULL
		? MAKE(CLASS_MIN_MAX, TYPE_OF(expression), COLLATION_OF(expression),
			   python_string(expression->op == IS_GREATEST ? "GREATEST"
														   : "LEAST"),
			   arguments, collation_of(builder, expression->inputcollid))
		: NULL;
}

static PyObject *
build_array(Builder *builder, ArrayExpr *expression)
{
	PyObject *elements = build_list(builder, expression->elements);

	return elements != NULL
		? MAKE(CLASS_ARRAY, TYPE_OF(expression), COLLATION_OF(expression),
			   elements, TRUTH(expression->multidims))
		: NULL;
}

/* The fields of a row; those of a composite hold a NULL for each dropped attribute. */
static List *
live_fields(RowExpr *row)
{
	TupleDesc tupdesc;
	List *fields = NIL;
	ListCell *cell;

	if (row->row_typeid == RECORDOID)
		return row->args;
	tupdesc = lookup_rowtype_tupdesc_domain(row->row_typeid, -1, false);
	foreach (cell, row->args)
	{
		if (!TupleDescAttr(tupdesc, foreach_current_index(cell))->attisdropped)
			fields = lappend(fields, lfirst(cell));
	}
	ReleaseTupleDesc(tupdesc);
	return fields;
}

static PyObject *
build_row(Builder *builder, RowExpr *row)
{
	return build_arguments(builder, CLASS_ROW, (Node *) row, live_fields(row));
}

static PyObject *
build_subscript(Builder *builder, SubscriptingRef *reference)
{
	PyObject *container;
	PyObject *upper;
	PyObject *lower;

	if (reference->refassgnexpr != NULL)
		return NULL;
	container = build(builder, (Node *) reference->refexpr);
	upper = container != NULL ? build_list(builder, reference->refupperindexpr)
							  : NULL;
	lower = upper != NULL ? build_list(builder, reference->reflowerindexpr)
						  : NULL;
	return lower != NULL
		? MAKE(CLASS_SUBSCRIPT, TYPE_OF(reference), COLLATION_OF(reference),
			   container, upper, lower)
		: NULL;
}

/* The name of a field of a composite, owned. */
static PyObject *
field_name(FieldSelect *select)
{
	Node *argument = (Node *) select->arg;
	TupleDesc tupdesc = lookup_rowtype_tupdesc_domain(exprType(argument),
													  exprTypmod(argument),
													  false);
	char *name = pstrdup(NameStr(TupleDescAttr(tupdesc, select->fieldnum - 1)
									 ->attname));

	ReleaseTupleDesc(tupdesc);
	return python_string(name);
}

static PyObject *
build_field(Builder *builder, FieldSelect *select)
{
	PyObject *argument = build(builder, (Node *) select->arg);

	if (argument == NULL || exprType((Node *) select->arg) == RECORDOID)
		return NULL;
	return MAKE(CLASS_FIELD, TYPE_OF(select), COLLATION_OF(select), argument,
				field_name(select));
}

/* What an expression becomes, owned; NULL if it has no form. */
static PyObject *
build(Builder *builder, Node *node)
{
	check_stack_depth();
	switch (nodeTag(node))
	{
		case T_Var:
			return build_column(builder, (Var *) node);
		case T_Const:
			return build_constant(builder, (Const *) node);
		case T_Param:
			return build_parameter(builder, (Param *) node);
		case T_OpExpr:
			return build_operator(builder, (OpExpr *) node);
		case T_DistinctExpr:
			return build_comparison(builder, CLASS_IS_DISTINCT_FROM,
									(OpExpr *) node);
		case T_NullIfExpr:
			return build_comparison(builder, CLASS_NULL_IF, (OpExpr *) node);
		case T_ScalarArrayOpExpr:
			return build_array_comparison(builder, (ScalarArrayOpExpr *) node);
		case T_RowCompareExpr:
			return build_row_comparison(builder, (RowCompareExpr *) node);
		case T_FuncExpr:
			return build_function(builder, (FuncExpr *) node);
		case T_RelabelType:
			return build_relabel(builder, (RelabelType *) node);
		case T_CoerceViaIO:
			return build_cast_by_text(builder, (CoerceViaIO *) node);
		case T_ArrayCoerceExpr:
			return build_cast_of_array(builder, (ArrayCoerceExpr *) node);
		case T_CoerceToDomain:
			return build_cast_to_domain(builder, (CoerceToDomain *) node);
		case T_BoolExpr:
			return build_logic(builder, (BoolExpr *) node);
		case T_NullTest:
			return build_null_test(builder, (NullTest *) node);
		case T_BooleanTest:
			return build_boolean_test(builder, (BooleanTest *) node);
		case T_CaseExpr:
			return build_case(builder, (CaseExpr *) node);
		case T_CaseTestExpr:
			return builder->case_argument;
		case T_CoalesceExpr:
			return build_arguments(builder, CLASS_COALESCE, node,
								   ((CoalesceExpr *) node)->args);
		case T_MinMaxExpr:
			return build_min_max(builder, (MinMaxExpr *) node);
		case T_ArrayExpr:
			return build_array(builder, (ArrayExpr *) node);
		case T_RowExpr:
			return build_row(builder, (RowExpr *) node);
		case T_SubscriptingRef:
			return build_subscript(builder, (SubscriptingRef *) node);
		case T_FieldSelect:
			return build_field(builder, (FieldSelect *) node);
		default:
			return NULL;
	}
}

/* Sets what an expression keeps of itself beside its fields. */
static void
remember(PyObject *object, PyObject **name, const char *text, bool value)
{
	if (*name == NULL)
		*name = Py_NewRef(reference_own(PyUnicode_InternFromString(text)));
	if (PyObject_GenericSetAttr(object, *name, TRUTH(value)) != 0)
		python_throw();
}

/*
 * The expression, out of operands_extract(), as an object of
 * multicorn.expressions about the columns of tupdesc; owned by
 * CurrentMemoryContext. NULL if it cannot be represented exactly. Operands are
 * UNBOUND Constants. Reads catalogs; may throw.
 */
PyObject *
expression_to_python(Node *expression, TupleDesc tupdesc)
{
	static PyObject *builtin = NULL;
	static PyObject *immutable = NULL;
	Builder builder = {.tupdesc = tupdesc,
					   .is_builtin = true,
					   .is_immutable = true};
	PyObject *object = build(&builder, expression);

	/* Wrappers ask this of every filter: it need not be found out again. */
	if (object != NULL)
	{
		remember(object, &builtin, "_is_builtin", builder.is_builtin);
		remember(object, &immutable, "_is_immutable", builder.is_immutable);
	}
	return object;
}

/*
 * The expression with values filled in, owned: a list of pairs of a value and
 * its text, by the operand's index.
 */
PyObject *
expression_bind(PyObject *expression, PyObject *values)
{
	static PyObject *bind = NULL;
	PyObject *arguments[] = {expression, values};

	if (bind == NULL)
		bind = interpreter_import("multicorn.expressions", "bind");
	return reference_own(python_call(bind, arguments, 2, NULL));
}
