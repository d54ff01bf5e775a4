/*
 * collation.h
 *	  How a wrapper is told of a collation: see collation.c.
 */
#ifndef MULTICORN_COLLATION_H
#define MULTICORN_COLLATION_H

#include "postgres.h"

extern char *collation_label(Oid collation);
extern bool collation_orders_by_code_point(Oid collation);

#endif /* MULTICORN_COLLATION_H */
