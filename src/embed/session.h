/*
 * session.h
 *	  What Python may ask about the session: see session.c.
 */
#ifndef MULTICORN_SESSION_H
#define MULTICORN_SESSION_H

#include "embed/cpython.h"

/* Is the transaction about to commit, but not decided? */
extern bool session_is_committing;

/* Is a savepoint about to be released, so that no other can begin? */
extern bool session_savepoint_ends;

extern bool session_require_transaction(void);
extern PyObject *session_facts(void);
extern PyObject *session_in_transaction(void);
extern PyObject *session_nest_level(void);
extern PyObject *session_transaction_number(void);
extern PyObject *session_isolation_level(void);
extern PyObject *session_type_exists(PyObject *name);
extern PyObject *session_collation_exists(PyObject *schema, PyObject *name);

#endif /* MULTICORN_SESSION_H */
