/*
 * error.h
 *	  Python exceptions <-> PostgreSQL errors: see error.c.
 */
#ifndef MULTICORN_ERROR_H
#define MULTICORN_ERROR_H

#include "embed/cpython.h"

/* multicorn.show_traceback */
extern bool error_show_traceback;

/* Has a wrapper been given an option whose value must not be shown? */
extern bool error_secrets_known;

/* The BaseException that says: a PostgreSQL error waits at the boundary. */
extern PyObject *error_interrupt_type;

MULTICORN_NORETURN extern void python_throw(void);
MULTICORN_NORETURN extern void error_rethrow_redacted(MemoryContext context);
MULTICORN_NORETURN extern void error_rethrow_shortened(MemoryContext context);
extern void python_forgive(void);
extern void python_warn(void);
extern void python_warn_unless_interrupted(void);
extern bool error_guard(void (*function)(void *), void *argument);
extern void
error_keep_fatal(const char *message, const char *detail, const char *hint);
extern bool error_is_kept(void);
extern void error_throw_kept(void);
extern void error_drop_kept(void);
extern void error_remember_secrets(PyObject *options);

#endif /* MULTICORN_ERROR_H */
