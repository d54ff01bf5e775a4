/*
 * status.h
 *	  What the session has of Python: see status.c.
 */
#ifndef MULTICORN_STATUS_H
#define MULTICORN_STATUS_H

#include "embed/cpython.h"

#include "fmgr.h"

extern Datum status_session(FunctionCallInfo fcinfo);
extern void status_instances(FunctionCallInfo fcinfo);

#endif /* MULTICORN_STATUS_H */
