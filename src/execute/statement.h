/*
 * statement.h
 *	  Queries as they begin and run: see statement.c.
 */
#ifndef MULTICORN_STATEMENT_H
#define MULTICORN_STATEMENT_H

#include "embed/session.h"

/* The query whose execution is being prepared; all zero at any other time. */
extern SessionQuery statement_query;

extern bool statement_needs_all(void);
extern void statement_listen(void);

#endif /* MULTICORN_STATEMENT_H */
