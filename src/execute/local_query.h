/*
 * local_query.h
 *	  SQL that a wrapper runs in this database: see local_query.c.
 */
#ifndef MULTICORN_LOCAL_QUERY_H
#define MULTICORN_LOCAL_QUERY_H

extern void local_query_listen(void);

#endif /* MULTICORN_LOCAL_QUERY_H */
