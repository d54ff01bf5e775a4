/*
 * qual_list.c
 *	  The conditions of a scan as Qual objects: what never changes is made once,
 *	  values are filled in each time.
 */
#include "plan/qual_list.h"

#include "convert/convert.h"
#include "embed/call.h"
#include "embed/error.h"
#include "embed/interpreter.h"
#include "embed/text.h"
#include "plan/qual.h"

/* One condition. */
typedef struct PreparedQual
{
	QualDescription description;
	bool left_out; /* the column is in text form, and that says another thing */
	PyObject *field_name;
	PyObject *operator;
	PyObject *collation;
	ToPython *converter;
} PreparedQual;

struct QualList
{
	int count;
	PreparedQual quals[FLEXIBLE_ARRAY_MEMBER];
};

/* The operator of a Qual: its name, or a pair for ANY and ALL; owned. */
static PyObject *
python_operator(const QualDescription *description)
{
	PyObject *name = python_string(description->operator);

	if (description->use == QUAL_SCALAR)
		return name;
	return reference_own(PyTuple_Pack(2, name,
									  description->use == QUAL_ANY ? Py_True
																   : Py_False));
}

/* Resolves one condition. A column in text form has its value in that form. */
static void
prepare(PreparedQual *qual, QualDescription description, TupleDesc tupdesc,
		Bitmapset *as_text)
{
	bool is_text = bms_is_member(description.attribute, as_text);

	qual->description = description;
	qual->left_out = is_text && !qual_holds_for_text(&description);
	if (qual->left_out)
		return;
	qual->field_name =
		python_string(NameStr(TupleDescAttr(tupdesc, description.attribute - 1)
								  ->attname));
	qual->operator= python_operator(&description);
	qual->collation = description.collation[0] != '\0'
		? python_string(description.collation)
		: Py_None;
	qual->converter = to_python_create(description.type, is_text);
}

/*
 * Prepares conditions, of a table whose columns in as_text exchange text, in
 * CurrentMemoryContext. Reads catalogs; may throw. The descriptions must live
 * as long.
 */
QualList *
qual_list_create(List *descriptions, TupleDesc tupdesc, Bitmapset *as_text)
{
	int count = list_length(descriptions);
	QualList *list = palloc0(offsetof(QualList, quals) +
							 count * sizeof(PreparedQual));
	ListCell *cell;

	foreach (cell, descriptions)
		prepare(&list->quals[list->count++], qual_description(lfirst(cell)),
				tupdesc, as_text);
	return list;
}

/*
 * Is this a value that Python compares in another way? NaN is equal to itself
 * and above all numbers in PostgreSQL alone.
 */
static bool
is_nan(PyObject *value)
{
	PyObject *equal;

	if (PyUnicode_Check(value) || PyLong_Check(value) || value == Py_None)
		return false;
	equal = reference_own(PyObject_RichCompare(value, value, Py_EQ));
	return equal == Py_False;
}

/* Is there a NaN in a list, or a list in it if it may not be nested? */
static bool
has_stranger(PyObject *list, bool may_nest)
{
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++)
	{
		PyObject *item = PyList_GET_ITEM(list, i);

		if (PyList_Check(item) ? !may_nest || has_stranger(item, true)
							   : is_nan(item))
			return true;
	}
	return false;
}

/* Does Python understand the value as PostgreSQL does, in this place? */
static bool
means_the_same(const PreparedQual *qual, PyObject *value)
{
	if (PyList_Check(value))
		/* ANY and ALL look through the dimensions of an array. */
		return !has_stranger(value, qual->description.use == QUAL_SCALAR);
	return !is_nan(value);
}

/* What stands for a value that is not known yet; owned. */
static PyObject *
unbound_value(const PreparedQual *qual)
{
	PyObject *list;

	if (qual->description.use == QUAL_SCALAR)
		return interpreter_functions.UNBOUND;
	list = reference_own(PyList_New(1));
	PyList_SET_ITEM(list, 0, Py_NewRef(interpreter_functions.UNBOUND));
	return list;
}

/*
 * The Python value of a condition, owned; NULL if it has no exact one. Sets
 * *nothing if the condition cannot be true.
 */
static PyObject *
qual_value(PreparedQual *qual, const OperandValues *operands,
		   UnknownOperand unknown, bool *nothing)
{
	int operand = qual->description.operand;
	Datum datum = qual->description.constant->constvalue;
	bool isnull = qual->description.constant->constisnull;
	PyObject *value;

	if (operand >= 0 && operands == NULL)
		return unknown == UNKNOWN_UNBOUND ? unbound_value(qual) : NULL;
	if (operand >= 0)
	{
		datum = operands->values[operand];
		isnull = operands->nulls[operand];
	}
	if (isnull && qual->description.strict)
		*nothing = true;
	value = to_python(qual->converter, datum, isnull);
	if (value == NULL)
		return NULL;
	reference_own(value);
	return means_the_same(qual, value) ? value : NULL;
}

/*
 * A list of Quals, owned; NULL if no row can satisfy them. operands is NULL
 * while they are not known. Adds the positions of the conditions that Python
 * is told of to *told, if that is not NULL. Throws what conversions throw.
 */
PyObject *
qual_list_bind(QualList *list, const OperandValues *operands,
			   UnknownOperand unknown, Bitmapset **told)
{
	PyObject *quals = reference_own(PyList_New(0));
	bool nothing = false;

	for (int i = 0; i < list->count; i++)
	{
		PreparedQual *qual = &list->quals[i];
		PyObject *arguments[] = {qual->field_name, qual->operator, NULL,
								 qual->collation};

		if (qual->left_out)
			continue;
		arguments[2] = qual_value(qual, operands, unknown, &nothing);
		if (nothing)
			return NULL;
		if (arguments[2] == NULL)
			continue;
		if (told != NULL)
			*told = bms_add_member(*told, i);
		if (PyList_Append(quals,
						  reference_own(python_call(interpreter_functions.Qual,
													arguments, 4, NULL))) != 0)
			python_throw();
	}
	return quals;
}
