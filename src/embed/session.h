/*
 * session.h
 *	  What Python may ask about the session: see session.c.
 */
#ifndef MULTICORN_SESSION_H
#define MULTICORN_SESSION_H

#include "embed/cpython.h"

#include "datatype/timestamp.h"
#include "utils/guc.h"

/* The query that rows are read for; all zero where there is none. */
typedef struct SessionQuery
{
	bool may_be_incomplete; /* its answer, if a server cannot be reached */
	uint64 number;			/* shared with no other query of the session */
	TimestampTz statement;	/* when what the client has sent began */
} SessionQuery;

/* While execute() of a wrapper is called, what for. */
extern SessionQuery session_query;

/* multicorn.on_unreachable */
extern int session_on_unreachable;
extern const struct config_enum_entry session_on_unreachable_options[];
/* Is the transaction about to commit, but not decided? */
extern bool session_is_committing;

/* Is a savepoint about to be released, so that no other can begin? */
extern bool session_savepoint_ends;

extern void session_falls_silent(void);
extern bool session_require_transaction(void);
extern PyObject *session_facts(void);
extern PyObject *session_in_transaction(void);
extern PyObject *session_nest_level(void);
extern PyObject *session_transaction_number(void);
extern PyObject *session_isolation_level(void);
extern PyObject *session_type_exists(PyObject *name);
extern PyObject *session_reading(void);
extern PyObject *session_unreachable(void);
extern PyObject *session_collation_exists(PyObject *schema, PyObject *name);

#endif /* MULTICORN_SESSION_H */
