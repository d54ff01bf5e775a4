/*
 * reference.c
 *	  PyObjects owned by a MemoryContext.
 *
 * An ereport() jumps over every Py_DECREF that was still to come, so an object
 * that must survive a statement which may throw is given to a memory context.
 * When the context goes, the reference is put on a list: releasing an object
 * can run any Python code (a __del__, a generator's finally), which a context
 * callback must not. The list is worked off at the next entry into Python.
 */
#include "embed/reference.h"

#include "embed/error.h"

bool references_pending = false;

static Reference *pending = NULL;

/* The context goes: keep the object for later. Never runs Python or throws. */
static void
context_goes(void *argument)
{
	Reference *reference = argument;

	reference->next = pending;
	pending = reference;
	references_pending = true;
}

/*
 * A holder of object, owned by CurrentMemoryContext. Takes the caller's
 * reference; NULL makes an empty holder. Throws if memory runs out.
 */
Reference *
reference_create(PyObject *object)
{
	/* Outlives the context until its object is released: so not palloc. */
	Reference *reference = malloc(sizeof(Reference));

	if (reference == NULL)
	{
		Py_XDECREF(object);
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
	}
	reference->object = object;
	reference->callback.func = context_goes;
	reference->callback.arg = reference;
	MemoryContextRegisterResetCallback(CurrentMemoryContext,
									   &reference->callback);
	return reference;
}

/*
 * Gives a new reference to CurrentMemoryContext and returns it, borrowed. With
 * NULL, throws the Python exception that is set: so it wraps any C-API call
 * that makes an object.
 */
PyObject *
reference_own(PyObject *object)
{
	if (object == NULL)
		python_throw();
	return reference_create(object)->object;
}

/*
 * Releases a reference at the next entry into Python. Never throws, never runs
 * Python; if memory has run out the object stays.
 */
void
reference_release_later(PyObject *object)
{
	Reference *reference;

	if (object == NULL)
		return;
	reference = malloc(sizeof(Reference));
	if (reference == NULL)
		return;
	reference->object = object;
	context_goes(reference);
}

/*
 * Releases what has been left so far. Runs Python code, which may leave more
 * to release; never throws.
 */
void
references_release_pending(void)
{
	while (pending != NULL)
	{
		Reference *reference = pending;

		pending = reference->next;
		Py_XDECREF(reference->object);
		free(reference);
	}
	references_pending = false;
}
