/*
 * record.c
 *	  Objects of classes that are made of their slots alone, as the expressions
 *	  are. The constructor of such a class does nothing but set them, so it need
 *	  not be called: a query makes many of these objects while it is planned.
 */
#include "embed/record.h"

#include <structmember.h>

#include "embed/call.h"
#include "embed/error.h"
#include "embed/interpreter.h"

/* Where objects of a class keep a field. Throws if it is no slot. */
static Py_ssize_t
field_offset(PyObject *class, PyObject *name)
{
	PyObject *descriptor = reference_own(PyObject_GetAttr(class, name));

	if (!Py_IS_TYPE(descriptor, &PyMemberDescr_Type))
		elog(ERROR, "field of a Python class is no slot");
	return ((PyMemberDescrObject *) descriptor)->d_member->offset;
}

/*
 * Loads a class and finds its fields: its attribute _fields names them in the
 * order of the constructor. The class lives as long as the backend.
 */
void
record_class_load(RecordClass *class, const char *module, const char *name)
{
	PyObject *type = reference_own(interpreter_import(module, name));
	PyObject *fields = reference_own(PyObject_GetAttrString(type, "_fields"));
	Py_ssize_t count = PyTuple_Size(fields);

	if (!PyType_Check(type) || count < 0 || count > RECORD_MOST_FIELDS)
		elog(ERROR, "Python class \"%s\" cannot be made of its fields", name);
	for (Py_ssize_t i = 0; i < count; i++)
		class->offsets[i] = field_offset(type, PyTuple_GET_ITEM(fields, i));
	class->count = (int) count;
	class->type = (PyTypeObject *) Py_NewRef(type);
}

/*
 * An object with these values, which are borrowed, for all fields: a new
 * reference. Throws if memory runs out.
 */
PyObject *
record_create(const RecordClass *class, PyObject *const *values)
{
	PyObject *object = class->type->tp_alloc(class->type, 0);

	if (object == NULL)
		python_throw();
	for (int i = 0; i < class->count; i++)
		*(PyObject **) ((char *) object +
						class->offsets[i]) = Py_NewRef(values[i]);
	return object;
}
