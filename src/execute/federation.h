/*
 * federation.h
 *	  What SQL may ask about deployments, the servers behind one table: see
 *	  federation.c.
 */
#ifndef MULTICORN_FEDERATION_H
#define MULTICORN_FEDERATION_H

#include "embed/cpython.h"
#include "fmgr.h"

extern void federation_remote_columns(FunctionCallInfo fcinfo);
extern void federation_connect(FunctionCallInfo fcinfo);
extern char *federation_deployment(Oid table);

#endif /* MULTICORN_FEDERATION_H */
