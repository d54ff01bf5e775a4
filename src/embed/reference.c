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

/* How many objects share a callback. */
#define BUNDLE_SIZE 60

/* Objects that go with a memory context together. */
typedef struct Bundle
{
	MemoryContext context;
	int count;
	struct Bundle *next; /* in the list of those to be released */
	MemoryContextCallback callback;
	PyObject *objects[BUNDLE_SIZE];
} Bundle;

static Bundle *pending_bundles = NULL;

/* The bundle that was added to last; NULL if its context is gone. */
static Bundle *open_bundle = NULL;

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

/* The context of a bundle goes: keep it for later. Never runs Python or throws. */
static void
bundle_goes(void *argument)
{
	Bundle *bundle = argument;

	if (bundle == open_bundle)
		open_bundle = NULL;
	bundle->next = pending_bundles;
	pending_bundles = bundle;
	references_pending = true;
}

/* Makes an empty bundle of CurrentMemoryContext the open one; false without memory. */
static bool
start_bundle(void)
{
	/* Outlives the context until its objects are released: so not palloc. */
	Bundle *bundle = malloc(sizeof(Bundle));

	if (bundle == NULL)
		return false;
	bundle->context = CurrentMemoryContext;
	bundle->count = 0;
	bundle->callback.func = bundle_goes;
	bundle->callback.arg = bundle;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &bundle->callback);
	open_bundle = bundle;
	return true;
}

/*
 * Gives a new reference to CurrentMemoryContext and returns it, borrowed. With
 * NULL, throws the Python exception that is set: so it wraps any C-API call
 * that makes an object.
 */
PyObject *
reference_own(PyObject *object)
{
	if (unlikely(object == NULL))
		python_throw();
	if ((open_bundle == NULL || open_bundle->context != CurrentMemoryContext ||
		 open_bundle->count == BUNDLE_SIZE) &&
		!start_bundle())
	{
		Py_DECREF(object);
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
	}
	return open_bundle->objects[open_bundle->count++] = object;
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
	while (pending_bundles != NULL)
	{
		Bundle *bundle = pending_bundles;

		pending_bundles = bundle->next;
		for (int i = bundle->count - 1; i >= 0; i--)
			Py_DECREF(bundle->objects[i]);
		free(bundle);
	}
	references_pending = pending != NULL;
}
