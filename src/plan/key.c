/*
 * key.c
 *	  The columns by which a wrapper finds rows cheaply, as get_path_keys() names
 *	  them, and the restrictions that bind them to values.
 */
#include "plan/key.h"

#include "access/table.h"
#include "compat.h"
#include "convert/convert.h"
#include "embed/call.h"
#include "embed/error.h"
#include "embed/text.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/restrictinfo.h"
#include "plan/qual.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* More ways to parameterize a scan than these are not looked at. */
#define MOST_PARAMETERIZATIONS 32

/* ---------- what the wrapper says ---------- */

/* Throws for an answer of another shape than the contract's. */
static void
refuse_keys(PyObject *given)
{
	ereport(ERROR, errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
			errmsg("get_path_keys() must return pairs of columns and rows, not %s",
				   python_type_name(given)),
			errhint("Return a list such as [(('id',), 1)]."));
}

/* The items of an iterable that is no text, as a tuple; owned. */
static PyObject *
items_of(PyObject *iterable)
{
	if (PyTuple_CheckExact(iterable))
		return iterable;
	if (PyUnicode_Check(iterable) || PyBytes_Check(iterable) ||
		PyByteArray_Check(iterable) ||
		(Py_TYPE(iterable)->tp_iter == NULL && !PySequence_Check(iterable)))
		refuse_keys(iterable);
	return python_items(iterable);
}

/* Adds the column of a name to a key; one that the table lacks is ignored. */
static void
add_column(Key *key, PyObject *name, Oid table)
{
	AttrNumber attribute;
	Size length;

	if (!PyUnicode_Check(name))
		refuse_keys(name);
	attribute = get_attnum(table, text_from_python(name, &length));
	if (attribute > 0)
		key->columns = bms_add_member(key->columns, attribute);
}

/* One pair of columns, or a bare name, and rows. */
static Key *
read_key(PyObject *pair, Oid table)
{
	Key *key = palloc0(sizeof(Key));
	PyObject *items = items_of(pair);
	PyObject *columns;

	if (PyTuple_GET_SIZE(items) != 2)
		refuse_keys(pair);
	columns = PyTuple_GET_ITEM(items, 0);
	key->rows =
		clamp_row_est(number_from_python(PyTuple_GET_ITEM(items, 1),
										 "the number of rows out of get_path_keys()"));
	if (PyUnicode_Check(columns))
	{
		add_column(key, columns, table);
		return key;
	}
	columns = items_of(columns);
	for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(columns); i++)
		add_column(key, PyTuple_GET_ITEM(columns, i), table);
	return key;
}

/* The wrapper's Keys; NIL if it names none. Throws for what it cannot mean. */
List *
keys_ask(RelationState *state)
{
	PyObject *method = instance_hook(state->instance, HOOK_GET_PATH_KEYS);
	PyObject *answer;
	PyObject *pairs;
	List *keys = NIL;

	if (method == NULL)
		return NIL;
	answer = reference_own(python_call(method, NULL, 0, NULL));
	if (answer != Py_None)
	{
		pairs = items_of(answer);
		for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(pairs); i++)
		{
			Key *key = read_key(PyTuple_GET_ITEM(pairs, i), state->table);

			if (!bms_is_empty(key->columns))
				keys = lappend(keys, key);
		}
	}
	return keys;
}

/* The key that is a column alone, or NULL. */
Key *
keys_of_column(RelOptInfo *rel, AttrNumber column)
{
	RelationState *state = rel->fdw_private;
	ListCell *cell;

	foreach (cell, state->keys)
	{
		Key *key = lfirst(cell);

		if (bms_is_member(column, key->columns) &&
			bms_membership(key->columns) == BMS_SINGLETON)
			return key;
	}
	return NULL;
}

/* ---------- what binds the columns ---------- */

/* How many values a restriction, described as a Qual, compares with. */
static double
values_of(PlannerInfo *root, const QualDescription *qual, List *operands)
{
	Node *array = qual->operand >= 0 ? list_nth(operands, qual->operand)
									 : (Node *) qual->constant;

	if (qual->use == QUAL_SCALAR)
		return 1;
	return clamp_row_est(array_length_estimate(root, array));
}

/* Does the wrapper hear of a condition, though the column may be in text form? */
static bool
is_told(RelOptInfo *rel, const QualDescription *qual)
{
	RelationState *state = rel->fdw_private;

	return !bms_is_member(qual->attribute, state->instance->text_columns) ||
		qual_holds_for_text(qual);
}

/*
 * The column that a restriction binds to one value, or to one of several, by
 * an equality that the wrapper is told of; 0 if it does not.
 */
static AttrNumber
bound_column(PlannerInfo *root, RelOptInfo *rel, RestrictInfo *restriction,
			 double *values)
{
	List *operands = NIL;
	List *encoded = qual_describe(root, rel, restriction, &operands);
	QualDescription qual;

	if (encoded == NIL)
		return 0;
	qual = qual_description(encoded);
	if (strcmp(qual.operator, "=") != 0 || qual.use == QUAL_ALL ||
		!qual.strict || !is_told(rel, &qual))
		return 0;
	*values = values_of(root, &qual, operands);
	return qual.attribute;
}

/* By column: the restriction that binds it to the fewest values, and how many. */
typedef struct Bindings
{
	RestrictInfo **restrictions;
	double *values;
} Bindings;

static Bindings
find_bindings(PlannerInfo *root, RelOptInfo *rel, List *restrictions)
{
	Bindings bindings;
	ListCell *cell;

	bindings.restrictions = palloc0((rel->max_attr + 1) *
									sizeof(RestrictInfo *));
	bindings.values = palloc0((rel->max_attr + 1) * sizeof(double));
	foreach (cell, restrictions)
	{
		RestrictInfo *restriction = lfirst_node(RestrictInfo, cell);
		double values;
		AttrNumber column = bound_column(root, rel, restriction, &values);

		if (column == 0 ||
			(bindings.restrictions[column] != NULL &&
			 bindings.values[column] <= values))
			continue;
		bindings.restrictions[column] = restriction;
		bindings.values[column] = values;
	}
	return bindings;
}

/* Fills an estimate for one key; false if a column of it is not bound. */
static bool
estimate_key(const Key *key, const Bindings *bindings, KeyEstimate *estimate)
{
	estimate->fetched = key->rows;
	estimate->used = NIL;
	for (int i = -1; (i = bms_next_member(key->columns, i)) >= 0;)
	{
		if (bindings->restrictions[i] == NULL)
			return false;
		estimate->fetched *= bindings->values[i];
		estimate->used = lappend(estimate->used, bindings->restrictions[i]);
	}
	return true;
}

/*
 * The best key that restrictions bind all columns of; false if there is none.
 * It yields no more rows than there are.
 */
bool
keys_estimate(PlannerInfo *root, RelOptInfo *rel, List *restrictions,
			  KeyEstimate *estimate)
{
	RelationState *state = rel->fdw_private;
	Bindings bindings;
	bool found = false;
	ListCell *cell;

	if (state->keys == NIL)
		return false;
	bindings = find_bindings(root, rel, restrictions);
	foreach (cell, state->keys)
	{
		KeyEstimate candidate;

		if (!estimate_key(lfirst(cell), &bindings, &candidate) ||
			(found && candidate.fetched >= estimate->fetched))
			continue;
		*estimate = candidate;
		found = true;
	}
	if (found)
		estimate->fetched = Min(estimate->fetched, state->fetched);
	return found;
}

/*
 * A key that constants bind tells better what a scan yields than statistics do,
 * or a get_rel_size() that says how large the table is.
 */
void
keys_limit_size(PlannerInfo *root, RelOptInfo *rel)
{
	RelationState *state = rel->fdw_private;
	KeyEstimate estimate;
	List *rest;

	if (!keys_estimate(root, rel, rel->baserestrictinfo, &estimate) ||
		estimate.fetched >= state->fetched)
		return;
	rest = list_difference_ptr(rel->baserestrictinfo, estimate.used);
	state->fetched = clamp_row_est(estimate.fetched);
	rel->rows = clamp_row_est(state->fetched *
							  clauselist_selectivity(root, rest, 0, JOIN_INNER,
													 NULL));
}

/* ---------- ways to parameterize a scan ---------- */

/* For the planner's callback: is this member of a class the column looked for? */
static bool
is_column(PlannerInfo *root, RelOptInfo *rel, EquivalenceClass *class,
		  EquivalenceMember *member, void *argument)
{
	Node *node = (Node *) member->em_expr;

	while (IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	return IsA(node, Var) && (Index) ((Var *) node)->varno == rel->relid &&
		((Var *) node)->varattno == *(AttrNumber *) argument;
}

/* The join clauses that bind a column to values of other relations. */
static List *
clauses_on(PlannerInfo *root, RelOptInfo *rel, AttrNumber column)
{
	List *clauses =
		generate_implied_equalities_for_column(root, rel, is_column, &column,
											   rel->lateral_referencers);
	List *found = NIL;
	ListCell *cell;

	foreach (cell, rel->joininfo)
	{
		if (join_clause_is_movable_to(lfirst(cell), rel))
			clauses = lappend(clauses, lfirst(cell));
	}
	foreach (cell, clauses)
	{
		double values;

		if (bound_column(root, rel, lfirst(cell), &values) == column)
			found = lappend(found, lfirst(cell));
	}
	return found;
}

/* Adds a set to a list of sets, if it is new and there is room. */
static List *
add_set(List *sets, Relids set)
{
	ListCell *cell;

	foreach (cell, sets)
	{
		if (bms_equal(lfirst(cell), set))
			return sets;
	}
	return list_length(sets) < MOST_PARAMETERIZATIONS ? lappend(sets, set)
													  : sets;
}

/* Each of sets, with what each of the clauses needs of other relations added. */
static List *
extend_sets(List *sets, List *clauses, RelOptInfo *rel)
{
	List *extended = NIL;
	ListCell *set;
	ListCell *clause;

	foreach (set, sets)
	{
		foreach (clause, clauses)
		{
			RestrictInfo *restriction = lfirst_node(RestrictInfo, clause);
			Relids needed = bms_union(lfirst(set), restriction->clause_relids);

			extended = add_set(extended, bms_del_member(needed, rel->relid));
		}
	}
	return extended;
}

/* The sets of relations whose values bind a whole key. */
static List *
sets_for_key(PlannerInfo *root, RelOptInfo *rel, const Key *key,
			 const Bindings *constants)
{
	List *sets = list_make1(rel->lateral_relids);

	for (int i = -1; (i = bms_next_member(key->columns, i)) >= 0;)
	{
		if (constants->restrictions[i] == NULL)
			sets = extend_sets(sets, clauses_on(root, rel, i), rel);
	}
	return sets;
}

/*
 * The sets of relations (Relids) that a scan can be parameterized by, so that
 * their values bind a key; none that is just what the relation needs anyway.
 */
List *
keys_parameters(PlannerInfo *root, RelOptInfo *rel)
{
	RelationState *state = rel->fdw_private;
	Bindings constants;
	List *found = NIL;
	ListCell *key;
	ListCell *set;

	if (state->keys == NIL || (rel->joininfo == NIL && !rel->has_eclass_joins))
		return NIL;
	constants = find_bindings(root, rel, rel->baserestrictinfo);
	foreach (key, state->keys)
	{
		foreach (set, sets_for_key(root, rel, lfirst(key), &constants))
		{
			if (!bms_equal(lfirst(set), rel->lateral_relids))
				found = add_set(found, lfirst(set));
		}
	}
	return found;
}
