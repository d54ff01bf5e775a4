/*
 * operand.c
 *	  Operands: the parts of a condition that are the same for all rows of a
 *	  scan, but not known before it begins. A plan keeps them in fdw_exprs,
 *	  where PostgreSQL finds its parameters; what refers to them is data.
 */
#include "plan/operand.h"

#include "access/transam.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"

/* What is at hand while operands are taken out of an expression. */
typedef struct ExtractContext
{
	Index relid; /* whose columns make the difference */
	List **operands;
	bool guarded; /* below what may never evaluate this: CASE, COALESCE, OR */
} ExtractContext;

/* The index of an expression among the operands, to which it is added if it is new. */
int
operand_index(Node *expression, List **operands)
{
	ListCell *cell;

	foreach (cell, *operands)
	{
		if (equal(lfirst(cell), expression))
			return foreach_current_index(cell);
	}
	*operands = lappend(*operands, expression);
	return list_length(*operands) - 1;
}

/* What stands in an expression for an operand: a Param whose number is its index. */
static Node *
make_reference(Node *expression, List **operands)
{
	Param *reference = makeNode(Param);

	reference->paramkind = PARAM_EXTERN;
	reference->paramid = operand_index(expression, operands);
	reference->paramtype = exprType(expression);
	reference->paramtypmod = exprTypmod(expression);
	reference->paramcollid = exprCollation(expression);
	reference->location = -1;
	return (Node *) reference;
}

/* Is this, in an expression out of operands_extract(), such a reference? */
bool
operand_is_reference(Node *node)
{
	return node != NULL && IsA(node, Param);
}

/* What is at hand while it is asked whether an expression is a variable. */
typedef struct VariableContext
{
	Index relid;
	bool in_case; /* a CaseTestExpr stands for what is looked at as well */
} VariableContext;

static bool is_variable(Node *node, VariableContext *context);

/* The same for what is done with an argument under the name of CaseTestExpr. */
static bool
is_variable_in_case(Node *node, VariableContext *context)
{
	bool outside = context->in_case;
	bool result;

	context->in_case = true;
	result = is_variable(node, context);
	context->in_case = outside;
	return result;
}

/* CASE argument WHEN: only the conditions know of the argument. */
static bool
is_variable_case(CaseExpr *expression, VariableContext *context)
{
	ListCell *cell;

	if (is_variable((Node *) expression->arg, context) ||
		is_variable((Node *) expression->defresult, context))
		return true;
	foreach (cell, expression->args)
	{
		CaseWhen *when = lfirst_node(CaseWhen, cell);

		if (is_variable_in_case((Node *) when->expr, context) ||
			is_variable((Node *) when->result, context))
			return true;
	}
	return false;
}

/* For the walker: does the expression depend on the row, or on what is around it? */
static bool
is_variable(Node *node, VariableContext *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
		return (Index) ((Var *) node)->varno == context->relid &&
			((Var *) node)->varlevelsup == 0;
	if (IsA(node, CaseTestExpr))
		return !context->in_case;
	if (IsA(node, CaseExpr) && ((CaseExpr *) node)->arg != NULL)
		return is_variable_case((CaseExpr *) node, context);
	if (IsA(node, ArrayCoerceExpr))
		return is_variable((Node *) ((ArrayCoerceExpr *) node)->arg, context) ||
			is_variable_in_case((Node *) ((ArrayCoerceExpr *) node)->elemexpr,
								context);
	return expression_tree_walker(node, is_variable, context);
}

/* Does an expression depend on the rows of relid, or on what is around it? */
static bool
depends_on_row(Node *node, Index relid)
{
	VariableContext context = {.relid = relid};

	return is_variable(node, &context);
}

/* Can a part of an expression be an operand at all, being no mere list of parts? */
static bool
is_value(Node *node)
{
	return !IsA(node, List) && !IsA(node, CaseWhen);
}

/*
 * Can operands be taken out of this? Other nodes have parts that are no
 * expressions; they cannot be represented anyway, with operands or without.
 */
static bool
is_open(Node *node)
{
	switch (nodeTag(node))
	{
		case T_ArrayCoerceExpr:
		case T_ArrayExpr:
		case T_BoolExpr:
		case T_BooleanTest:
		case T_CaseExpr:
		case T_CaseWhen:
		case T_CoalesceExpr:
		case T_CoerceToDomain:
		case T_CoerceViaIO:
		case T_DistinctExpr:
		case T_FieldSelect:
		case T_FuncExpr:
		case T_List:
		case T_MinMaxExpr:
		case T_NullIfExpr:
		case T_NullTest:
		case T_OpExpr:
		case T_RelabelType:
		case T_RowCompareExpr:
		case T_RowExpr:
		case T_ScalarArrayOpExpr:
		case T_SubscriptingRef:
			return true;
		default:
			return false;
	}
}

static bool is_harmless(Node *node);

/*
 * The same of an operator on values: a leakproof function throws for none of them,
 * as equality of texts.
 */
static bool
is_harmless_operator(OpExpr *expression)
{
	ListCell *cell;

	set_opfuncid(expression);
	if (!get_func_leakproof(expression->opfuncid))
		return false;
	foreach (cell, expression->args)
	{
		if (!IsA(lfirst(cell), Const) && !is_harmless(lfirst(cell)))
			return false;
	}
	return true;
}

/* Is this what evaluates without an error, so that it does not need its guard? */
static bool
is_harmless(Node *node)
{
	while (IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	if (IsA(node, OpExpr))
		return is_harmless_operator((OpExpr *) node);
	return IsA(node, Param) || IsA(node, Var) || IsA(node, SQLValueFunction) ||
		(IsA(node, FuncExpr) && ((FuncExpr *) node)->args == NIL &&
		 ((FuncExpr *) node)->funcid < FirstGenbkiObjectId);
}

/* Is this to be evaluated once, when the scan begins? */
static bool
is_operand(Node *node, ExtractContext *context)
{
	return is_value(node) && !IsA(node, Const) &&
		(!context->guarded || is_harmless(node)) &&
		!depends_on_row(node, context->relid);
}

static Node *extract(Node *node, ExtractContext *context);

/*
 * The arguments of AND and OR: the first is always evaluated, the others only
 * if it does not settle the matter.
 */
static List *
extract_arguments(List *arguments, ExtractContext *context)
{
	bool guarded = context->guarded;
	List *extracted = NIL;
	ListCell *cell;

	foreach (cell, arguments)
	{
		extracted = lappend(extracted, extract(lfirst(cell), context));
		context->guarded = true;
	}
	context->guarded = guarded;
	return extracted;
}

static Node *
extract(Node *node, ExtractContext *context)
{
	bool guarded = context->guarded;
	Node *result;

	if (node == NULL)
		return NULL;
	if (is_operand(node, context))
		return make_reference(node, context->operands);
	if (!is_open(node))
		return node;
	if (IsA(node, BoolExpr))
	{
		BoolExpr *copy = makeNode(BoolExpr);

		memcpy(copy, node, sizeof(BoolExpr));
		copy->args = extract_arguments(copy->args, context);
		return (Node *) copy;
	}
	if (IsA(node, CaseExpr) || IsA(node, CoalesceExpr))
		context->guarded = true;
	result = expression_tree_mutator(node, extract, context);
	context->guarded = guarded;
	return result;
}

/*
 * A copy of an expression in which references stand for what does not depend
 * on rows of relid; those operands are added to *operands. Every other
 * variable left in it is a column of relid. There must be no volatile function
 * and no subplan in it.
 */
Node *
operands_extract(Node *expression, Index relid, List **operands)
{
	ExtractContext context = {.relid = relid, .operands = operands};

	return extract(expression, &context);
}

/* What stands for an expression as a whole; a constant stays one. */
Node *
operand_reference(Node *expression, List **operands)
{
	return IsA(expression, Const) ? expression
								  : make_reference(expression, operands);
}

static bool
collect_references(Node *node, Bitmapset **found)
{
	if (node == NULL)
		return false;
	if (operand_is_reference(node))
		*found = bms_add_member(*found, ((Param *) node)->paramid);
	return expression_tree_walker(node, collect_references, found);
}

/* The indexes of the operands that an expression out of operands_extract() refers to. */
Bitmapset *
operands_referenced(Node *expression)
{
	Bitmapset *found = NULL;

	collect_references(expression, &found);
	return found;
}
