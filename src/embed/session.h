/*
 * session.h
 *	  What Python may ask about the session: see session.c.
 */
#ifndef MULTICORN_SESSION_H
#define MULTICORN_SESSION_H

#include "embed/cpython.h"

extern bool session_require_transaction(void);
extern PyObject *session_facts(void);
extern PyObject *session_in_transaction(void);
extern PyObject *session_nest_level(void);
extern PyObject *session_transaction_number(void);
extern PyObject *session_isolation_level(void);
extern PyObject *session_type_exists(PyObject *name);
extern PyObject *session_collation_exists(PyObject *schema, PyObject *name);

#endif /* MULTICORN_SESSION_H */
