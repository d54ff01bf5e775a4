/*
 * fork.h
 *	  Processes that Python code forks off the backend: see fork.c.
 */
#ifndef MULTICORN_FORK_H
#define MULTICORN_FORK_H

#include "embed/cpython.h"

extern void fork_watch(void);
extern void fork_refuse(void);
extern bool fork_is_child(void);
extern void fork_end_child(void);

#endif /* MULTICORN_FORK_H */
