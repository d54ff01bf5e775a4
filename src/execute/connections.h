/*
 * connections.h
 *	  The functions about connections to remote servers: see connections.c.
 */
#ifndef MULTICORN_CONNECTIONS_H
#define MULTICORN_CONNECTIONS_H

#include "embed/cpython.h"
#include "fmgr.h"

extern void connections_list(FunctionCallInfo fcinfo);
extern void connections_skipped(FunctionCallInfo fcinfo);
extern bool connections_disconnect(const char *server_name);
extern bool connections_disconnect_all(void);

#endif /* MULTICORN_CONNECTIONS_H */
