/*
 * statement.h
 *	  Between statements: see statement.c.
 */
#ifndef MULTICORN_STATEMENT_H
#define MULTICORN_STATEMENT_H

extern void statement_listen(void);

#endif /* MULTICORN_STATEMENT_H */
