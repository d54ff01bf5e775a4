/*
 * sort.c
 *	  The orders that are of use to a query, as SortKeys, and those that the
 *	  wrapper delivers.
 *
 * Only plain columns in their type's default order are offered. A sort key is
 * kept in a plan as a List of attribute number, descending, NULLs first, and
 * the collation's name, "" for the database's default.
 */
#include "plan/sort.h"

#include "access/table.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "embed/call.h"
#include "embed/error.h"
#include "embed/interpreter.h"
#include "embed/text.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/paths.h"
#include "plan/collation.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/typcache.h"

/* ---------- sort keys ---------- */

/*
 * The Python SortKey of an encoded one; owned. It is made as the tuple that it
 * is: its own constructor does nothing but name the items.
 */
static PyObject *
sort_key_to_python(List *encoded, TupleDesc tupdesc)
{
	AttrNumber attribute = intVal(linitial(encoded));
	char *collation = strVal(lfourth(encoded));
	PyObject *items =
		PyTuple_Pack(5,
					 python_string(NameStr(TupleDescAttr(tupdesc, attribute - 1)
											   ->attname)),
					 reference_own(PyLong_FromLong(attribute)),
					 intVal(lsecond(encoded)) ? Py_True : Py_False,
					 intVal(lthird(encoded)) ? Py_True : Py_False,
					 collation[0] != '\0' ? python_string(collation) : Py_None);
	PyObject *arguments = reference_own(PyTuple_Pack(1, reference_own(items)));

	return reference_own(PyTuple_Type.tp_new((PyTypeObject *)
												 interpreter_functions.SortKey,
											 arguments, NULL));
}

/* The list of SortKeys of encoded ones; owned. */
PyObject *
sort_keys_to_python(List *encoded, TupleDesc tupdesc)
{
	PyObject *keys = reference_own(PyList_New(0));
	ListCell *cell;

	foreach (cell, encoded)
	{
		if (PyList_Append(keys, sort_key_to_python(lfirst(cell), tupdesc)) != 0)
			python_throw();
	}
	return keys;
}

/* An encoded sort key, as ORDER BY writes it. */
char *
sort_key_text(List *encoded, TupleDesc tupdesc)
{
	AttrNumber attribute = intVal(linitial(encoded));
	bool descending = intVal(lsecond(encoded)) != 0;
	bool nulls_first = intVal(lthird(encoded)) != 0;
	char *collation = strVal(lfourth(encoded));
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text,
						   quote_identifier(NameStr(TupleDescAttr(tupdesc,
																  attribute - 1)
														->attname)));
	if (collation[0] != '\0')
		appendStringInfo(&text, " COLLATE %s", quote_identifier(collation));
	if (descending)
		appendStringInfoString(&text, " DESC");
	if (nulls_first != descending)
		appendStringInfoString(&text,
							   nulls_first ? " NULLS FIRST" : " NULLS LAST");
	return text.data;
}

/* ---------- from path keys to sort keys ---------- */

/*
 * Is an expression the column itself: as it is, or relabelled as the base type
 * of its domain, as the text that a varchar is, or with another collation?
 */
static bool
is_plain(Node *node, Var *column)
{
	Oid type = getBaseType(column->vartype);

	while (IsA(node, RelabelType))
	{
		RelabelType *relabel = (RelabelType *) node;

		if (relabel->resulttype != column->vartype &&
			relabel->resulttype != type &&
			!(type == VARCHAROID && relabel->resulttype == TEXTOID))
			return false;
		node = (Node *) relabel->arg;
	}
	return equal(node, column);
}

/* Is this the order that a type has by default? */
static bool
is_default_order(Oid type, Oid opfamily)
{
	TypeCacheEntry *entry = lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY);

	return entry->btree_opf == opfamily;
}

/*
 * Does a SortKey say which collation orders a column? Without a name it is the
 * default, which has to be the column's own.
 */
static bool
is_collation_told(Oid collation, Var *column)
{
	return collation != DEFAULT_COLLATION_OID ||
		column->varcollid == DEFAULT_COLLATION_OID;
}

/* The column of rel that a path key orders by; NULL if it is not a plain one. */
static Var *
column_of(PathKey *key, RelOptInfo *rel)
{
	EquivalenceClass *class = key->pk_eclass;
	ListCell *cell;

	if (class->ec_has_volatile)
		return NULL;
	foreach (cell, rel->reltarget->exprs)
	{
		Var *column = lfirst(cell);
		EquivalenceMember *member;

		if (!IsA(column, Var) || column->varattno <= 0)
			continue;
		member = find_ec_member_matching_expr(class, (Expr *) column,
											  rel->relids);
		if (member != NULL && is_plain((Node *) member->em_expr, column) &&
			is_default_order(exprType((Node *) member->em_expr),
							 key->pk_opfamily) &&
			is_collation_told(class->ec_collation, column))
			return column;
	}
	return NULL;
}

/* The name of a collation; "" for the default, and for what has none. */
static char *
collation_name(Oid collation)
{
	if (!OidIsValid(collation) || collation == DEFAULT_COLLATION_OID)
		return "";
	return collation_label(collation);
}

/* A path key that is a plain column, encoded as a sort key. */
static List *
encode_key(PathKey *key, Var *column)
{
	return list_make4(makeInteger(column->varattno),
					  makeInteger(pathkey_is_descending(key)),
					  makeInteger(key->pk_nulls_first),
					  makeString(collation_name(key->pk_eclass->ec_collation)));
}

/*
 * The leading path keys that are plain columns of rel: for each, the encoded sort
 * key, or NIL if the column has one value in all rows, which are in order by it.
 */
static List *
encode_keys(List *pathkeys, RelOptInfo *rel)
{
	RelationState *state = rel->fdw_private;
	List *encoded = NIL;
	ListCell *cell;

	foreach (cell, pathkeys)
	{
		PathKey *key = lfirst_node(PathKey, cell);
		Var *column = column_of(key, rel);

		if (column == NULL)
			break;
		encoded = lappend(encoded,
						  bms_is_member(column->varattno,
										state->instance->constant_columns)
							  ? NIL
							  : encode_key(key, column));
	}
	return encoded;
}

/* Those of a list of encoded sort keys that say something. */
static List *
told_keys(List *encoded)
{
	List *told = NIL;
	ListCell *cell;

	foreach (cell, encoded)
	{
		if (lfirst(cell) != NIL)
			told = lappend(told, lfirst(cell));
	}
	return told;
}

/* How many of encoded sort keys hold if so many of those that say something do. */
static int
keys_in_order(List *encoded, int promised)
{
	int count = 0;
	ListCell *cell;

	foreach (cell, encoded)
	{
		if (lfirst(cell) != NIL && promised-- == 0)
			break;
		count++;
	}
	return count;
}

/* ---------- which orders are of use ---------- */

/* Adds the order of one class of equals, which a merge join could use. */
static List *
add_class(PlannerInfo *root, List *orders, EquivalenceClass *class)
{
	PathKey *key;
	ListCell *cell;

	if (class->ec_has_volatile)
		return orders;
	key = make_ascending_pathkey(root, class);
	foreach (cell, orders)
	{
		List *order = lfirst(cell);

		if (list_length(order) == 1 && linitial(order) == key)
			return orders;
	}
	return lappend(orders, list_make1(key));
}

/* The class on rel's side of a clause that a merge join could use. */
static EquivalenceClass *
class_of_clause(PlannerInfo *root, RelOptInfo *rel, RestrictInfo *clause)
{
	Relids relids = rel->top_parent_relids != NULL ? rel->top_parent_relids
												   : rel->relids;

	if (clause->mergeopfamilies == NIL)
		return NULL;
	update_mergeclause_eclasses(root, clause);
	if (bms_overlap(relids, clause->right_ec->ec_relids))
		return clause->right_ec;
	return bms_overlap(relids, clause->left_ec->ec_relids) ? clause->left_ec
														   : NULL;
}

/* The orders (lists of path keys) that the query, or a merge join in it, can use. */
static List *
useful_orders(PlannerInfo *root, RelOptInfo *rel)
{
	List *orders = root->query_pathkeys != NIL
		? list_make1(root->query_pathkeys)
		: NIL;
	ListCell *cell;

	if (rel->has_eclass_joins)
	{
		foreach (cell, root->eq_classes)
		{
			if (eclass_useful_for_merging(root, lfirst(cell), rel))
				orders = add_class(root, orders, lfirst(cell));
		}
	}
	foreach (cell, rel->joininfo)
	{
		EquivalenceClass *class = class_of_clause(root, rel, lfirst(cell));

		if (class != NULL)
			orders = add_class(root, orders, class);
	}
	return orders;
}

/* ---------- what the wrapper delivers ---------- */

/* Throws for an answer of can_sort() with something that it was not asked for. */
static void
refuse_key(PyObject *key)
{
	ereport(ERROR, errcode(ERRCODE_FDW_ERROR),
			errmsg("can_sort() returned what is none of the sort keys it was given"),
			errdetail("It is %s.",
					  text_from_python_lossy(reference_own(python_call(interpreter_functions
																		   .show,
																	   &key, 1,
																	   NULL)))));
}

/* How many of the wanted keys, from the first on, are those promised. */
static int
count_promised(PyObject *wanted, PyObject *promised)
{
	int count = 0;

	for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(promised); i++)
	{
		PyObject *key = PyTuple_GET_ITEM(promised, i);
		Py_ssize_t position = python_index(wanted, key);

		if (position < 0)
			refuse_key(key);
		if (position == count)
			count++;
	}
	return count;
}

/*
 * How many of encoded sort keys, from the first on, a wrapper delivers. Throws
 * what can_sort() raises, and for an answer that it cannot mean.
 */
int
sort_keys_promised(const Instance *instance, List *encoded, TupleDesc tupdesc)
{
	PyObject *method = instance_hook(instance, HOOK_CAN_SORT);
	PyObject *keys;
	PyObject *offered;
	PyObject *answer;

	if (method == NULL)
		return 0;
	keys = sort_keys_to_python(encoded, tupdesc);
	/* The list is the wrapper's to change. */
	offered = reference_own(PySequence_List(keys));
	answer = reference_own(python_call(method, &offered, 1, NULL));
	return answer != Py_None ? count_promised(keys, python_items(answer)) : 0;
}

/* The part of an order that the wrapper delivers; NULL if there is none. */
static SortOffer *
make_offer(RelationState *state, RelOptInfo *rel, List *order,
		   TupleDesc tupdesc)
{
	List *encoded = encode_keys(order, rel);
	List *told = told_keys(encoded);
	int promised = told == NIL
		? 0
		: sort_keys_promised(state->instance, told, tupdesc);
	int count = keys_in_order(encoded, promised);
	SortOffer *offer;

	if (count == 0)
		return NULL;
	offer = palloc(sizeof(SortOffer));
	offer->pathkeys = list_truncate(list_copy(order), count);
	offer->sort_keys = list_truncate(told, promised);
	return offer;
}

/*
 * The orders (SortOffers) of use to the query that the wrapper delivers. Throws
 * what can_sort() raises, and for an answer that it cannot mean.
 */
List *
sort_offers(PlannerInfo *root, RelOptInfo *rel)
{
	RelationState *state = rel->fdw_private;
	Relation relation;
	List *offers = NIL;
	ListCell *cell;
	CallSite site;

	if (instance_hook(state->instance, HOOK_CAN_SORT) == NULL &&
		state->instance->constants == NIL)
		return NIL;
	instance_site_push(&site, state->instance, "can_sort");
	relation = table_open(state->table, NoLock);
	foreach (cell, useful_orders(root, rel))
	{
		SortOffer *offer = make_offer(state, rel, lfirst(cell),
									  RelationGetDescr(relation));

		if (offer != NULL)
			offers = lappend(offers, offer);
	}
	table_close(relation, NoLock);
	call_site_pop(&site);
	return offers;
}
