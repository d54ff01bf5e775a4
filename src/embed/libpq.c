/*
 * libpq.c
 *	  The libpq that psycopg uses, for C that reads its results.
 *
 * Nothing is linked: a result may only be handed to the library that made it,
 * and psycopg's packages may bring one of their own beside that of the system.
 * So the functions are looked up in what psycopg has loaded, when the package
 * multicorn.libpq is imported and says where that is.
 */
#include "embed/libpq.h"

#include <dlfcn.h>

LibpqFunctions libpq;
PyTypeObject *libpq_result_rows = NULL;

/* Where a function goes. */
typedef struct LibpqSlot
{
	const char *name;
	size_t offset;
} LibpqSlot;

#define LIBPQ_SLOT(name) {#name, offsetof(LibpqFunctions, name)}

static const LibpqSlot slots[] = {
	LIBPQ_SLOT(PQntuples),	 LIBPQ_SLOT(PQnfields),	 LIBPQ_SLOT(PQftype),
	LIBPQ_SLOT(PQfformat),	 LIBPQ_SLOT(PQgetvalue), LIBPQ_SLOT(PQgetlength),
	LIBPQ_SLOT(PQgetisnull),
};

/*
 * Looks the functions up in a library that is loaded, and in those that it
 * needs. Returns false, with an exception set, if one is missing.
 */
static bool
find_functions(const char *library, LibpqFunctions *functions)
{
	/* Loaded already, and never let go of: the functions must stay. */
	void *handle = dlopen(library, RTLD_NOW | RTLD_NOLOAD);

	for (int i = 0; i < (int) lengthof(slots); i++)
	{
		void *function = handle != NULL ? dlsym(handle, slots[i].name) : NULL;

		if (function == NULL)
		{
			PyErr_Format(PyExc_ImportError,
						 "libpq's function %s is not in \"%s\"", slots[i].name,
						 library);
			return false;
		}
		memcpy((char *) functions + slots[i].offset, &function,
			   sizeof(function));
	}
	return true;
}

/*
 * use_libpq(library, ResultRows) of the built-in module: from now on rows of
 * the class are read, by the functions of a library that is loaded. Returns
 * None, or NULL with an exception set. Throws nothing.
 */
PyObject *
libpq_use(PyObject *args)
{
	const char *library;
	PyTypeObject *type;
	PyTypeObject *old = libpq_result_rows;
	LibpqFunctions functions;

	if (!PyArg_ParseTuple(args, "sO!", &library, &PyType_Type, &type) ||
		!find_functions(library, &functions))
		return NULL;
	libpq = functions;
	libpq_result_rows = (PyTypeObject *) Py_NewRef((PyObject *) type);
	Py_XDECREF(old);
	Py_RETURN_NONE;
}
