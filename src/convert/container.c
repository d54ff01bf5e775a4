/*
 * container.c
 *	  Values made of values, both ways: arrays and nested lists, composites and
 *	  dicts, hstore and dicts of str.
 */
#include "convert/convert.h"

#include "catalog/dependency.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "embed/call.h"
#include "embed/error.h"
#include "embed/text.h"
#include "funcapi.h"
#include "parser/parse_func.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

/* ---------- mappings ---------- */

/* Does a class have a method of this name? Throws what looking it up raises. */
static int
class_has_method(PyObject *value, const char *name)
{
	PyObject *attribute = python_method((PyObject *) Py_TYPE(value), name);
	int result;

	if (attribute == NULL)
		return -1;
	/* A named tuple may have a field called keys. */
	result = PyCallable_Check(attribute);
	Py_DECREF(attribute);
	return result;
}

/* Has the value keys()? Throws what looking them up raises. */
bool
is_mapping(PyObject *value)
{
	PyObject *method;
	int found;

	if (PyDict_Check(value))
		return true;
	if (PyTuple_CheckExact(value) || PyList_Check(value) ||
		PyUnicode_Check(value))
		return false;
	found = class_has_method(value, "keys");
	if (found >= 0)
		return found > 0;
	method = python_method(value, "keys");
	found = method != NULL && PyCallable_Check(method);
	Py_XDECREF(method);
	return found;
}

/* Is it a dict whose class looks keys up as dict does? Throws what asking raises. */
static bool
is_plain_dict(PyObject *mapping)
{
	static PyObject *name = NULL;
	PyObject *original;
	PyObject *method;
	bool result;

	if (PyDict_CheckExact(mapping))
		return true;
	if (!PyDict_Check(mapping))
		return false;
	if (name == NULL)
		name = PyUnicode_InternFromString("__getitem__");
	/* A metaclass may have a say in it. */
	python_enter();
	method = name != NULL
		? PyObject_GetAttr((PyObject *) Py_TYPE(mapping), name)
		: NULL;
	original = name != NULL ? PyObject_GetAttr((PyObject *) &PyDict_Type, name)
							: NULL;
	result = method != NULL && method == original;
	Py_XDECREF(method);
	Py_XDECREF(original);
	python_leave();
	python_forgive();
	return result;
}

/*
 * The value of a key, a new reference; NULL if the mapping lacks it, also if it
 * would make one then (__missing__ of a defaultdict). Throws what the mapping
 * raises, but for KeyError and IndexError.
 */
PyObject *
mapping_get(PyObject *mapping, PyObject *key)
{
	PyObject *value;

	if (is_plain_dict(mapping))
	{
		/* Keys with the same hash are compared, by code of their own. */
		python_enter();
		value = Py_XNewRef(PyDict_GetItemWithError(mapping, key));
		python_leave();
		if (unlikely(value == NULL && PyErr_Occurred()))
			python_throw();
		return value;
	}
	python_enter();
	value = PyObject_GetItem(mapping, key);
	python_leave();
	if (value == NULL)
	{
		if (!PyErr_ExceptionMatches(PyExc_LookupError))
			python_throw();
		PyErr_Clear();
	}
	return value;
}

/* Converts a part of a value; errors are about the part. */
static Datum
part_to_datum(ToDatum *self, PyObject *part, bool *isnull)
{
	PyObject *whole = self->subject->value;
	Datum datum;

	self->subject->value = part;
	datum = to_datum(self, part, isnull);
	self->subject->value = whole;
	return datum;
}

/* ---------- arrays towards PostgreSQL ---------- */

/* An array under construction: its shape, and its elements in order. */
typedef struct ArrayShape
{
	int ndim;
	int dims[MAXDIM];
	int64 size; /* the items that these dimensions make */
	int count;
	int capacity;
	Datum *values;
	bool *nulls;
} ArrayShape;

/* Does this value make a dimension of its own? */
static bool
nests(ToDatum *self, PyObject *value)
{
	return PyList_Check(value) ||
		(!self->only_lists_nest && PyTuple_Check(value));
}

/*
 * The items of a list or tuple, as a tuple that belongs to
 * CurrentMemoryContext: converting one may change the list.
 */
static PyObject *
items_of(PyObject *value)
{
	PyObject *items;

	if (PyTuple_CheckExact(value))
		return value;
	python_enter();
	items = PySequence_Tuple(value);
	python_leave();
	return reference_own(items);
}

/* Appends one element that makes no dimension. */
static void
add_element(ToDatum *self, ArrayShape *shape, PyObject *value)
{
	if (shape->count == shape->capacity)
	{
		shape->capacity = Min(shape->capacity * 2, (int) MaxArraySize);
		shape->values = repalloc(shape->values,
								 shape->capacity * sizeof(Datum));
		shape->nulls = repalloc(shape->nulls, shape->capacity * sizeof(bool));
	}
	shape->values[shape->count] = part_to_datum(self->parts[0], value,
												&shape->nulls[shape->count]);
	shape->count++;
}

/* Appends the items of a dimension; whole is the value an error shows. */
static void
add_items(ToDatum *self, ArrayShape *shape, PyObject *items, int level,
		  PyObject *whole)
{
	Py_ssize_t length = PyTuple_GET_SIZE(items);

	if (shape->ndim <= level)
	{
		/* A deeper dimension can only begin with the first item. */
		if (level >= MAXDIM || shape->count > 0)
			conversion_refuse(self, whole, ERRCODE_ARRAY_SUBSCRIPT_ERROR,
							  level >= MAXDIM
								  ? psprintf("has more than %d dimensions",
											 MAXDIM)
								  : "has sub-lists of different depths");
		shape->ndim = level + 1;
		shape->size *= length;
		if (length > (Py_ssize_t) MaxArraySize ||
			shape->size > (int64) MaxArraySize)
			conversion_refuse(self, whole, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
							  psprintf("has more than %zu items", MaxArraySize));
		shape->dims[level] = (int) length;
	}
	else if (shape->dims[level] != length)
		conversion_refuse(self, whole, ERRCODE_ARRAY_SUBSCRIPT_ERROR,
						  "has sub-lists of different lengths");
	for (Py_ssize_t i = 0; i < length; i++)
	{
		PyObject *item = PyTuple_GET_ITEM(items, i);

		if (nests(self, item))
			add_items(self, shape, items_of(item), level + 1, whole);
		else if (shape->ndim > level + 1)
			conversion_refuse(self, whole, ERRCODE_ARRAY_SUBSCRIPT_ERROR,
							  "has sub-lists of different depths");
		else
			add_element(self, shape, item);
	}
}

/* A list, nested for several dimensions; a str is the array's text form. */
static Datum
array_to_datum(ToDatum *self, PyObject *value)
{
	ArrayShape shape = {.size = 1, .capacity = 16};
	int lower_bounds[MAXDIM] = {1, 1, 1, 1, 1, 1};

	if (!PyList_Check(value) && !PyTuple_Check(value))
		return to_datum_by_text(self, value);
	shape.values = palloc(shape.capacity * sizeof(Datum));
	shape.nulls = palloc(shape.capacity * sizeof(bool));
	add_items(self, &shape, items_of(value), 0, value);
	if (shape.count == 0)
		return PointerGetDatum(construct_empty_array(self->parts[0]->is_domain
														 ? self->parts[0]->domain
														 : self->parts[0]->type));
	return PointerGetDatum(construct_md_array(shape.values, shape.nulls,
											  shape.ndim, shape.dims,
											  lower_bounds,
											  self->parts[0]->is_domain
												  ? self->parts[0]->domain
												  : self->parts[0]->type,
											  self->typlen, self->typbyval,
											  self->typalign));
}

/* Is a tuple one element of an array of this type, not a dimension of it? */
static bool
tuples_are_elements(Oid element)
{
	char category;
	bool preferred;

	get_type_category_preferred(element, &category, &preferred);
	return category == TYPCATEGORY_STRING ||
		category == TYPCATEGORY_COMPOSITE || element == JSONOID ||
		element == JSONBOID;
}

static void
prepare_array(ToDatum *self, Oid element)
{
	self->parts = palloc(sizeof(ToDatum *));
	self->parts[0] = to_datum_create(element, self->typmod, false,
									 self->subject);
	self->only_lists_nest = tuples_are_elements(self->parts[0]->type);
	get_typlenbyvalalign(element, &self->typlen, &self->typbyval,
						 &self->typalign);
	self->convert = array_to_datum;
}

/* ---------- composites towards PostgreSQL ---------- */

/* Converts the attributes that a mapping has; the others are NULL. */
static void
fill_from_mapping(ToDatum *self, PyObject *value, Datum *values, bool *nulls)
{
	for (int i = 0; i < self->tupdesc->natts; i++)
	{
		PyObject *item;

		values[i] = (Datum) 0;
		nulls[i] = true;
		if (self->parts[i] == NULL)
			continue;
		item = mapping_get(value, self->names[i]);
		values[i] = part_to_datum(self->parts[i],
								  item != NULL ? reference_own(item) : Py_None,
								  &nulls[i]);
	}
}

/* Converts a sequence with one item per attribute. */
static void
fill_from_sequence(ToDatum *self, PyObject *value, Datum *values, bool *nulls)
{
	PyObject *items = items_of(value);
	Py_ssize_t next = 0;
	Py_ssize_t width = 0;

	for (int i = 0; i < self->tupdesc->natts; i++)
		width += self->parts[i] != NULL;
	if (PyTuple_GET_SIZE(items) != width)
		conversion_refuse(self, value, ERRCODE_FDW_INVALID_DATA_TYPE,
						  psprintf("has %zd items, the type has %zd attributes",
								   PyTuple_GET_SIZE(items), width));
	for (int i = 0; i < self->tupdesc->natts; i++)
	{
		values[i] = (Datum) 0;
		nulls[i] = true;
		if (self->parts[i] != NULL)
			values[i] = part_to_datum(self->parts[i],
									  PyTuple_GET_ITEM(items, next++),
									  &nulls[i]);
	}
}

/* A dict by attribute or a sequence; anything else is the row's text form. */
static Datum
composite_to_datum(ToDatum *self, PyObject *value)
{
	int natts = self->tupdesc->natts;
	Datum *values;
	bool *nulls;

	values = palloc(natts * sizeof(Datum));
	nulls = palloc(natts * sizeof(bool));
	if (is_mapping(value))
		fill_from_mapping(self, value, values, nulls);
	else if (PyList_Check(value) || PyTuple_Check(value))
		fill_from_sequence(self, value, values, nulls);
	else
		return to_datum_by_text(self, value);
	return HeapTupleGetDatum(form_tuple(self->tupdesc, values, nulls));
}

static void
prepare_composite(ToDatum *self)
{
	TupleDesc tupdesc = lookup_rowtype_tupdesc_copy(self->type, self->typmod);

	self->tupdesc = tupdesc;
	self->parts = palloc0(tupdesc->natts * sizeof(ToDatum *));
	self->names = palloc0(tupdesc->natts * sizeof(PyObject *));
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, i);

		if (attribute->attisdropped)
			continue;
		self->parts[i] = to_datum_create(attribute->atttypid,
										 attribute->atttypmod, false,
										 self->subject);
		self->names[i] = python_string(NameStr(attribute->attname));
	}
	self->convert = composite_to_datum;
}

/* ---------- arrays and composites towards Python ---------- */

/* Elements of an array on their way into nested lists. */
typedef struct ArrayCursor
{
	ToPython *element;
	Datum *values;
	bool *nulls;
	int next;
} ArrayCursor;

/*
 * A new nested list of one dimension and those below it; NULL if an element
 * has no exact value, or with an exception set.
 */
static PyObject *
make_list(ArrayCursor *cursor, int ndim, const int *dims)
{
	PyObject *list = PyList_New(dims[0]);
	Reference *held = reference_create(list);

	for (int i = 0; list != NULL && i < dims[0]; i++)
	{
		PyObject *item;

		if (ndim > 1)
			item = make_list(cursor, ndim - 1, dims + 1);
		else
		{
			item = to_python(cursor->element, cursor->values[cursor->next],
							 cursor->nulls[cursor->next]);
			cursor->next++;
		}
		if (item == NULL)
			return NULL; /* the context has the list */
		PyList_SET_ITEM(list, i, item);
	}
	held->object = NULL;
	return list;
}

/*
 * Nested lists. An array whose subscripts do not begin at 1 has no equal.
 */
static PyObject *
array_to_python(ToPython *self, Datum datum)
{
	ArrayType *array = DatumGetArrayTypeP(datum);
	ArrayCursor cursor = {.element = self->element};
	int count;

	if (ARR_NDIM(array) == 0)
		return PyList_New(0);
	for (int i = 0; i < ARR_NDIM(array); i++)
	{
		if (ARR_LBOUND(array)[i] != 1)
			return NULL;
	}
	deconstruct_array(array, ARR_ELEMTYPE(array), self->typlen, self->typbyval,
					  self->typalign, &cursor.values, &cursor.nulls, &count);
	return make_list(&cursor, ARR_NDIM(array), ARR_DIMS(array));
}

static void
prepare_array_to_python(ToPython *self, Oid element)
{
	self->element = to_python_create(element, false);
	get_typlenbyvalalign(element, &self->typlen, &self->typbyval,
						 &self->typalign);
	self->convert = array_to_python;
}

/* Sets an attribute's value in the dict; false if it has no exact value. */
static bool
add_attribute(PyObject *dict, Form_pg_attribute attribute, Datum datum,
			  bool isnull)
{
	ToPython *converter = to_python_create(attribute->atttypid, false);
	PyObject *value = to_python(converter, datum, isnull);
	PyObject *name;

	if (value == NULL)
		return false;
	reference_own(value);
	name = python_string(NameStr(attribute->attname));
	if (PyDict_SetItem(dict, name, value) != 0)
		python_throw();
	return true;
}

/* A dict by attribute. The datum says itself which type it is of. */
static PyObject *
composite_to_python(ToPython *self, Datum datum)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(datum);
	TupleDesc tupdesc =
		lookup_rowtype_tupdesc_copy(HeapTupleHeaderGetTypeId(header),
									HeapTupleHeaderGetTypMod(header));
	HeapTupleData tuple = {
		.t_len = HeapTupleHeaderGetDatumLength(header),
		.t_data = header,
	};
	Datum *values = palloc(tupdesc->natts * sizeof(Datum));
	bool *nulls = palloc(tupdesc->natts * sizeof(bool));
	PyObject *dict = reference_own(PyDict_New());

	heap_deform_tuple(&tuple, tupdesc, values, nulls);
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, i);

		if (!attribute->attisdropped &&
			!add_attribute(dict, attribute, values[i], nulls[i]))
			return NULL;
	}
	return Py_NewRef(dict);
}

/* ---------- hstore ---------- */

/* Is this the type hstore of the extension hstore, in whatever schema? */
static bool
is_hstore(Oid type, Oid *namespace)
{
	HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	Form_pg_type form;
	bool named_so;
	char *extension;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", type);
	form = (Form_pg_type) GETSTRUCT(tuple);
	named_so = strcmp(NameStr(form->typname), "hstore") == 0;
	*namespace = form->typnamespace;
	ReleaseSysCache(tuple);
	if (!named_so)
		return false;
	extension = get_extension_name(getExtensionOfObject(TypeRelationId, type));
	return extension != NULL && strcmp(extension, "hstore") == 0;
}

/* Looks a function of the hstore extension up. Throws if it is not there. */
static void
find_hstore_function(FmgrInfo *function, Oid namespace, const char *name,
					 int nargs, const Oid *types)
{
	List *qualified = list_make2(makeString(get_namespace_name(namespace)),
								 makeString(pstrdup(name)));

	fmgr_info(LookupFuncName(qualified, nargs, types, false), function);
}

/* A text[] of one dimension. */
static Datum
make_text_array(Datum *values, bool *nulls, int count)
{
	int dims[1] = {count};
	int lower_bounds[1] = {1};

	return PointerGetDatum(construct_md_array(values, nulls, count > 0 ? 1 : 0,
											  dims, lower_bounds, TEXTOID, -1,
											  false, TYPALIGN_INT));
}

/* hstore(text[], text[]) of a mapping; anything else is hstore's text form. */
static Datum
hstore_to_datum(ToDatum *self, PyObject *value)
{
	PyObject *keys;
	int count;
	Datum *datums[2];
	bool *nulls[2];

	if (PyUnicode_Check(value) || !is_mapping(value))
		return to_datum_by_text(self, value);
	python_enter();
	keys = PyMapping_Keys(value);
	python_leave();
	keys = items_of(reference_own(keys));
	count = (int) PyTuple_GET_SIZE(keys);
	for (int i = 0; i < 2; i++)
	{
		datums[i] = palloc(count * sizeof(Datum));
		nulls[i] = palloc(count * sizeof(bool));
	}
	for (int i = 0; i < count; i++)
	{
		PyObject *key = PyTuple_GET_ITEM(keys, i);
		PyObject *item = mapping_get(value, key);

		datums[0][i] = part_to_datum(self->parts[0], key, &nulls[0][i]);
		datums[1][i] = part_to_datum(self->parts[0],
									 item != NULL ? reference_own(item)
												  : Py_None,
									 &nulls[1][i]);
	}
	return FunctionCall2(&self->function,
						 make_text_array(datums[0], nulls[0], count),
						 make_text_array(datums[1], nulls[1], count));
}

static void
prepare_hstore(ToDatum *self, Oid namespace)
{
	static const Oid types[] = {TEXTARRAYOID, TEXTARRAYOID};

	self->parts = palloc(sizeof(ToDatum *));
	self->parts[0] = to_datum_create(TEXTOID, -1, false, self->subject);
	find_hstore_function(&self->function, namespace, "hstore", 2, types);
	self->convert = hstore_to_datum;
}

/* hstore_to_array() lists keys and values in turn. */
static PyObject *
hstore_to_python(ToPython *self, Datum datum)
{
	PyObject *dict = reference_own(PyDict_New());
	PyObject *pairs = self->element->convert(self->element,
											 FunctionCall1(&self->function,
														   datum));

	if (pairs == NULL)
		return NULL;
	reference_own(pairs);
	for (Py_ssize_t i = 0; i + 1 < PyList_GET_SIZE(pairs); i += 2)
	{
		if (PyDict_SetItem(dict, PyList_GET_ITEM(pairs, i),
						   PyList_GET_ITEM(pairs, i + 1)) != 0)
			return NULL;
	}
	return Py_NewRef(dict);
}

static void
prepare_hstore_to_python(ToPython *self, Oid namespace)
{
	find_hstore_function(&self->function, namespace, "hstore_to_array", 1,
						 &self->type);
	self->element = to_python_create(TEXTARRAYOID, false);
	self->convert = hstore_to_python;
}

/* ---------- the choice ---------- */

/*
 * The type of an array's elements, or InvalidOid. int2vector and oidvector are
 * arrays in the catalogs alone: they begin at 0 and know no NULLs.
 */
static Oid
element_type(Oid type)
{
	if (type == INT2VECTOROID || type == OIDVECTOROID)
		return InvalidOid;
	return get_element_type(type);
}
/*
 * Prepares a converter towards an array, a composite or hstore. Returns false
 * for other types.
 */
bool
container_to_datum(ToDatum *self)
{
	Oid element = element_type(self->type);
	Oid namespace;

	if (OidIsValid(element))
		prepare_array(self, element);
	else if (type_is_rowtype(self->type) && self->type != RECORDOID)
		prepare_composite(self);
	else if (is_hstore(self->type, &namespace))
		prepare_hstore(self, namespace);
	else
		return false;
	return true;
}

/*
 * Prepares a converter out of an array, a composite or hstore. Returns false
 * for other types.
 */
bool
container_to_python(ToPython *self)
{
	Oid element = element_type(self->type);
	Oid namespace;

	if (OidIsValid(element))
		prepare_array_to_python(self, element);
	else if (type_is_rowtype(self->type))
		self->convert = composite_to_python;
	else if (is_hstore(self->type, &namespace))
		prepare_hstore_to_python(self, namespace);
	else
		return false;
	return true;
}
