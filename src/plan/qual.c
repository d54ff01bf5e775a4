/*
 * qual.c
 *	  The simple (column, operator, value) view of a query's conditions.
 *
 * PostgreSQL checks every condition again, which removes rows but cannot bring
 * back one that the wrapper skipped. So a condition is described only where
 * the operator means on these types what it means in Python: built-in
 * operators, types with an exact Python value, deterministic collations.
 */
#include "plan/qual.h"

#include "access/transam.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/restrictinfo.h"
#include "plan/collation.h"
#include "plan/operand.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* What is at hand while the conditions of one relation are looked at. */
typedef struct QualContext
{
	PlannerInfo *root;
	RelOptInfo *rel;
	List **operands; /* expressions evaluated at execution */
	List *description;
} QualContext;

/* Which operators of a type mean in Python what they mean in PostgreSQL. */
typedef enum Meaning
{
	MEANS_NOTHING,
	MEANS_VALUE,	/* of a value; none on a column */
	MEANS_EQUALITY, /* = alone: Python's <> would skip rows */
	MEANS_IDENTITY, /* = and <> */
	MEANS_ORDER,	/* and < <= > >= */
	MEANS_TEXT		/* and LIKE; no two engines agree on regular expressions */
} Meaning;

/* Types whose values can be compared with each other. */
typedef struct ComparableType
{
	Oid type;
	int family;
	Meaning meaning;
} ComparableType;

static const ComparableType comparable_types[] = {
	{BOOLOID, 1, MEANS_ORDER},
	{INT2OID, 2, MEANS_ORDER},
	{INT4OID, 2, MEANS_ORDER},
	{INT8OID, 2, MEANS_ORDER},
	{OIDOID, 3, MEANS_ORDER},
	/* Python compares a float that has not been rounded to a real yet. */
	{FLOAT4OID, 4, MEANS_VALUE},
	{FLOAT8OID, 4, MEANS_ORDER},
	{NUMERICOID, 5, MEANS_ORDER},
	{TEXTOID, 6, MEANS_TEXT},
	{VARCHAROID, 6, MEANS_TEXT},
	{NAMEOID, 6, MEANS_TEXT},
	/* LIKE sees the blanks at the end of a char(n), = does not. */
	{BPCHAROID, 7, MEANS_ORDER},
	{BYTEAOID, 8, MEANS_ORDER},
	{DATEOID, 9, MEANS_ORDER},
	{TIMEOID, 10, MEANS_ORDER},
	/* Two timetz of one instant differ if their zones do. */
	{TIMETZOID, 11, MEANS_EQUALITY},
	{TIMESTAMPOID, 12, MEANS_ORDER},
	{TIMESTAMPTZOID, 13, MEANS_ORDER},
	{INTERVALOID, 14, MEANS_ORDER},
	{UUIDOID, 15, MEANS_ORDER},
};

/* Enums have a family of their own each; arrays are compared as their elements. */
#define ENUM_FAMILY	 100
#define ARRAY_FAMILY 200

/* What operators mean on a type, and the family it can be compared within. */
static Meaning
meaning_of(Oid type, int *family)
{
	Oid element;

	*family = 0;
	for (int i = 0; i < (int) lengthof(comparable_types); i++)
	{
		if (comparable_types[i].type != type)
			continue;
		*family = comparable_types[i].family;
		return comparable_types[i].meaning;
	}
	if (type_is_enum(type))
	{
		/* The order of an enum is that of its declaration. */
		*family = ENUM_FAMILY;
		return MEANS_IDENTITY;
	}
	element = get_element_type(type);
	if (!OidIsValid(element))
		return MEANS_NOTHING;
	if (meaning_of(getBaseType(element), family) < MEANS_IDENTITY)
		return MEANS_NOTHING;
	*family += ARRAY_FAMILY;
	return MEANS_IDENTITY;
}

/* Operators by name, and the least meaning a type must have for them. */
typedef struct MeaningfulOperator
{
	const char *name;
	Meaning meaning;
} MeaningfulOperator;

static const MeaningfulOperator meaningful_operators[] = {
	{"=", MEANS_EQUALITY}, {"<>", MEANS_IDENTITY}, {"<", MEANS_ORDER},
	{"<=", MEANS_ORDER},   {">", MEANS_ORDER},	   {">=", MEANS_ORDER},
	{"~~", MEANS_TEXT},	   {"!~~", MEANS_TEXT},	   {"~~*", MEANS_TEXT},
	{"!~~*", MEANS_TEXT},
};

/* The least meaning that types must have for an operator. */
static Meaning
meaning_needed(const char *operator)
{
	for (int i = 0; i < (int) lengthof(meaningful_operators); i++)
	{
		if (strcmp(meaningful_operators[i].name, operator) == 0)
			return meaningful_operators[i].meaning;
	}
	return MEANS_NOTHING;
}

/*
 * The name of a built-in operator that means on a column of one type and a
 * value of another what it means in Python; NULL for others.
 */
static char *
meaningful_operator(Oid opno, Oid column_type, Oid value_type)
{
	int column_family;
	int value_family;
	Meaning meaning = meaning_of(getBaseType(column_type), &column_family);
	Meaning needed;
	char *name;

	if (opno >= FirstGenbkiObjectId ||
		meaning_of(getBaseType(value_type), &value_family) == MEANS_NOTHING ||
		column_family != value_family)
		return NULL;
	name = get_opname(opno);
	if (name == NULL)
		return NULL;
	needed = meaning_needed(name);
	return needed != MEANS_NOTHING && meaning >= needed ? name : NULL;
}

/* Does a collation have a say in what the operator finds? */
static bool
depends_on_collation(const char *operator, Oid collation)
{
	/* ILIKE: the collation says which letters belong together. */
	if (strchr(operator, '*') != NULL)
		return true;
	return (operator[0] == '<' || operator[0] == '>') &&
		strcmp(operator, "<>") != 0 &&
		!collation_orders_by_code_point(collation);
}

/*
 * Names the collation of a comparison if it has a say in it, else "". NULL if
 * equal values need not be identical, when no condition can be described.
 */
static char *
describe_collation(Oid collation, const char *operator)
{
	if (!OidIsValid(collation))
		return "";
	if (!get_collation_isdeterministic(collation))
		return NULL;
	return depends_on_collation(operator, collation)
		? collation_label(collation)
		: "";
}

/* The column below binary-compatible casts, or NULL if this is none of rel's. */
static Var *
column_of(QualContext *context, Node *node)
{
	Var *var;

	while (IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	if (!IsA(node, Var))
		return NULL;
	var = (Var *) node;
	if ((Index) var->varno != context->rel->relid || var->varlevelsup != 0 ||
		var->varattno <= 0)
		return NULL;
	return var;
}

/* Can this be evaluated before the scan begins, to the same value throughout? */
static bool
is_operand(QualContext *context, Node *node)
{
	return !bms_is_member(context->rel->relid,
						  pull_varnos(context->root, node)) &&
		!contain_volatile_functions(node) && !contain_subplans(node);
}

/* Encodes a description for the plan; an expression goes to the operands. */
static void
add_description(QualContext *context, Var *column, const char *operator,
				QualUse use, Node *value, const char *collation, bool strict)
{
	int operand = -1;
	Node *constant = value;

	if (!IsA(value, Const))
	{
		operand = operand_index(value, context->operands);
		constant = (Node *) makeNullConst(exprType(value), -1, InvalidOid);
	}
	context->description = list_make5(list_make3(makeInteger(column->varattno),
												 makeInteger(use),
												 makeInteger(operand)),
									  makeString(pstrdup(operator)), constant,
									  makeString(pstrdup(collation)),
									  makeInteger(strict));
}

/* column operator value, or value operator column. */
static void
describe_comparison(QualContext *context, OpExpr *expression)
{
	Node *left;
	Node *right;
	Oid operator= expression->opno;
	Var *column;
	char *name;
	char *collation;

	if (list_length(expression->args) != 2)
		return;
	left = linitial(expression->args);
	right = lsecond(expression->args);
	column = column_of(context, left);
	if (column == NULL || !is_operand(context, right))
	{
		column = column_of(context, right);
		operator= get_commutator(operator);
		right = left;
		if (column == NULL || !is_operand(context, right) ||
			!OidIsValid(operator))
			return;
	}
	name = meaningful_operator(operator, column->vartype, exprType(right));
	collation = name != NULL ? describe_collation(expression->inputcollid, name)
							 : NULL;
	if (collation != NULL)
		add_description(context, column, name, QUAL_SCALAR, right, collation,
						op_strict(operator));
}

/* column operator ANY (array) or ALL (array). */
static void
describe_array_comparison(QualContext *context, ScalarArrayOpExpr *expression)
{
	Var *column = column_of(context, linitial(expression->args));
	Node *array = lsecond(expression->args);
	Oid element = get_element_type(getBaseType(exprType(array)));
	char *name;
	char *collation;

	if (column == NULL || !OidIsValid(element) || !is_operand(context, array))
		return;
	name = meaningful_operator(expression->opno, column->vartype, element);
	collation = name != NULL ? describe_collation(expression->inputcollid, name)
							 : NULL;
	if (collation != NULL)
		add_description(context, column, name,
						expression->useOr ? QUAL_ANY : QUAL_ALL, array,
						collation, op_strict(expression->opno));
}

/* column = value, where the value is one the planner has put into the syntax. */
static void
describe_constant(QualContext *context, Node *argument, const char *operator,
				  Node * value)
{
	Var *column = column_of(context, argument);

	if (column != NULL)
		add_description(context, column, operator, QUAL_SCALAR, value, "",
						false);
}

/* IS NULL and IS NOT NULL; of a composite they ask about its attributes. */
static void
describe_null_test(QualContext *context, NullTest *test)
{
	if (!test->argisrow)
		describe_constant(context, (Node *) test->arg,
						  test->nulltesttype == IS_NULL ? "=" : "<>",
						  (Node *) makeNullConst(exprType((Node *) test->arg),
												 -1, InvalidOid));
}

/* IS TRUE and its like, as far as one comparison says the same. */
static void
describe_boolean_test(QualContext *context, BooleanTest *test)
{
	Node *unknown = (Node *) makeNullConst(BOOLOID, -1, InvalidOid);

	switch (test->booltesttype)
	{
		case IS_TRUE:
		case IS_FALSE:
			describe_constant(context, (Node *) test->arg, "=",
							  makeBoolConst(test->booltesttype == IS_TRUE,
											false));
			break;
		case IS_UNKNOWN:
			describe_constant(context, (Node *) test->arg, "=", unknown);
			break;
		case IS_NOT_UNKNOWN:
			describe_constant(context, (Node *) test->arg, "<>", unknown);
			break;
		default:
			break; /* NULL is neither true nor false */
	}
}

/* Describes a condition, if it is of one of the simple forms. */
static void
describe(QualContext *context, Node *clause)
{
	switch (nodeTag(clause))
	{
		case T_OpExpr:
			describe_comparison(context, (OpExpr *) clause);
			break;
		case T_ScalarArrayOpExpr:
			describe_array_comparison(context, (ScalarArrayOpExpr *) clause);
			break;
		case T_NullTest:
			describe_null_test(context, (NullTest *) clause);
			break;
		case T_BooleanTest:
			describe_boolean_test(context, (BooleanTest *) clause);
			break;
		case T_Var:
		case T_RelabelType:
			describe_constant(context, clause, "=", makeBoolConst(true, false));
			break;
		case T_BoolExpr:
			if (is_notclause(clause))
				describe_constant(context, (Node *) get_notclausearg(clause),
								  "=", makeBoolConst(false, false));
			break;
		default:
			break;
	}
}

/*
 * The description of a restriction on rel, encoded for a plan; NIL if no Qual
 * can express it. An expression to be evaluated at execution goes to
 * *operands, if it is not there yet.
 */
List *
qual_describe(PlannerInfo *root, RelOptInfo *rel, RestrictInfo *restriction,
			  List **operands)
{
	QualContext context = {.root = root, .rel = rel, .operands = operands};

	/* What hides rows from the user goes before what could tell of them. */
	if (!restriction->pseudoconstant &&
		restriction_is_securely_promotable(restriction, rel))
		describe(&context, (Node *) restriction->clause);
	return context.description;
}

/* Decodes a description; strings and nodes stay those of the plan. */
QualDescription
qual_description(List *encoded)
{
	List *numbers = linitial(encoded);
	Const *constant = lthird(encoded);

	return (QualDescription) {
		.attribute = intVal(linitial(numbers)),
		.use = intVal(lsecond(numbers)),
		.operand = intVal(lthird(numbers)),
		.operator= strVal(lsecond(encoded)),
		.constant = constant,
		.type = constant->consttype,
		.collation = strVal(lfourth(encoded)),
		.strict = intVal(list_nth(encoded, 4)) != 0,
	};
}

/* Types of which equal values can have different text forms. */
static bool
has_one_text_form(Oid type)
{
	switch (getBaseType(type))
	{
		case FLOAT8OID:
		case NUMERICOID:
		case INTERVALOID:
		case TIMETZOID:
			return false;
		default:
			return !OidIsValid(get_element_type(type));
	}
}

/*
 * Does a condition on a column in text form say the same about the texts? Only
 * whether they are the same, where a value has but one text.
 */
bool
qual_holds_for_text(const QualDescription *description)
{
	if (description->operand < 0 && description->constant->constisnull)
		return true;
	return description->use == QUAL_SCALAR &&
		has_one_text_form(description->type) &&
		(strcmp(description->operator, "=") == 0 ||
		 strcmp(description->operator, "<>") == 0);
}
